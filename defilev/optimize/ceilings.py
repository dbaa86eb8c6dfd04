"""Limits on leverage: what the protocol, the time to react, the user and the budget for liquidation each allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from defilev.model.target import Ceiling
from defilev.model.target_inputs import Preferences
from defilev.optimize.conversions import health_factor_to_leverage, loan_to_value_to_leverage
from defilev.optimize.cppi import cppi_leverage, cppi_multiplier_bound
from defilev.optimize.leverage import growth_optimal_leverage
from defilev.optimize.loops import SPIKE_DAYS, SPIKE_RATE, THRESHOLD_CUT, spike_health_factor, surviving_health_factor
from defilev.optimize.outlook import DAYS_PER_YEAR, Case, kou_of
from defilev.optimize.spiral import spiralling_leverage
from defilev.risk.first_passage import (
    calibrated_health_factor_for_probability,
    health_factor_for_probability,
    jump_health_factor_for_probability,
)

__all__ = [
    "ceilings_of",
    "floor_leverage",
    "kelly_leverage",
    "lowest",
    "lowest_kept",
    "reaction_health_factor",
    "wall",
    "with_binding",
]

HOURS_PER_DAY = 24.0
NO_NEW_DEBT = "no-new-debt"
"""The protocol's ceiling for an account past its loan-to-value: the debt may stay, and only more of it is barred."""

_NEARLY = 1.001

_WALLS = frozenset({"protocol", "reaction", "rate-spike", "minimum-health", "maximum-leverage"})
"""Ceilings that not even a no-trade band may reach across; across the budget it may, by less than a trade pays."""

_ROUNDS = 8


def ceilings_of(case: Case) -> tuple[Ceiling, ...]:
    """Return every ceiling in the order of precedence: protocol, reaction, the user's, the budget, then advice."""
    return tuple(
        ceiling
        for found in (
            *(_protocol(case), _reaction(case), _users(case), _budget(case)),
            *(_growth(case), _floor(case), _spiral(case)),
        )
        for ceiling in found
    )


def lowest(ceilings: Sequence[Ceiling]) -> Ceiling:
    """Return the lowest hard ceiling, the first of equals; there is always one."""
    hard = [ceiling for ceiling in ceilings if ceiling.kind == "hard" and ceiling.leverage is not None]
    return min(hard, key=lambda ceiling: ceiling.leverage or 0.0)


def lowest_kept(ceilings: Sequence[Ceiling]) -> Ceiling:
    """Return the lowest hard ceiling on leverage that is already there; a bar to new debt is none."""
    return lowest([ceiling for ceiling in ceilings if ceiling.name != NO_NEW_DEBT])


def wall(ceilings: Sequence[Ceiling]) -> Ceiling:
    """Return the lowest ceiling that a no-trade band must stay inside of; there is always one."""
    return lowest([ceiling for ceiling in ceilings if ceiling.name in _WALLS])


def with_binding(ceilings: Sequence[Ceiling], name: str) -> tuple[Ceiling, ...]:
    """Return the ceilings with the one called `name` marked as binding."""
    return tuple(replace(ceiling, binding=ceiling.name == name) for ceiling in ceilings)


def reaction_health_factor(case: Case) -> float | None:
    """Return the health factor that leaves `reaction_hours` to act; `None` without price risk.

    The jump model's, at the stress volatility where one is known: bad hours do not come in average weeks. With the
    lognormal model where no jumps are known.
    """
    if not case.has_price_risk:
        return None
    wants, market = case.preferences, case.market
    years = wants.reaction_hours / HOURS_PER_DAY / DAYS_PER_YEAR
    carry = case.position.supply_rate - case.position.borrow_rate
    stressed = market.stress_volatility or 0.0
    sigma = max(market.volatility, stressed)
    process = case.jump_process(sigma, carry, market.stress_jumps if stressed >= market.volatility else None)
    if process is None:
        return health_factor_for_probability(wants.reaction_probability, sigma, years, market.drift + carry)
    diffusion, drift, jumps = process
    return jump_health_factor_for_probability(wants.reaction_probability, diffusion, years, drift, jumps)


def kelly_leverage(case: Case) -> float:
    """Return the fraction of Kelly under the stated view, or else the prior; below 1 is to hold no debt.

    The fraction is of what is exposed to the price: of the collateral, or of a short account's debt, `L − 1`.
    """
    position, market, fraction = case.position, case.market, case.preferences.kelly_fraction
    if position.side == "short":
        short = (position.supply_rate - position.borrow_rate - case.view) / market.exposure_volatility**2
        return max(1 + fraction * short, 0.0)
    full = growth_optimal_leverage(
        case.view,
        market.exposure_volatility,
        position.supply_rate,
        position.borrow_rate,
        idle_rate=case.idle_rate,
    )
    return max(fraction * full, 0.0)


def floor_leverage(case: Case, floor: float) -> float:
    """Return the leverage that CPPI holds for `floor`, a share of equity; of a short account the debt is the exposure.

    The multiplier is the usual one, or less where jumps could leap the cushion more often than is allowed.
    """
    return cppi_leverage(_multiplier(case), floor) + (1 if case.position.side == "short" else 0)


def _ceiling(case: Case, name: str, text: str, leverage: float | None, *, is_hard: bool = True) -> Ceiling:
    """Return a ceiling; health factors follow from the leverage."""
    exceeded = (
        leverage is not None and case.position.debt_value > 0 and case.position.leverage > max(leverage, 1.0) * _NEARLY
    )
    return Ceiling(
        name=name,
        kind="hard" if is_hard else "advice",
        text=text,
        leverage=leverage,
        health_factor=None if leverage is None else case.health_factor(leverage),
        exceeded=exceeded,
    )


def _of_health(case: Case, name: str, text: str, health: float, *, is_hard: bool = True) -> Ceiling:
    leverage = health_factor_to_leverage(health, case.position.liquidation_threshold)
    return _ceiling(case, name, text, leverage, is_hard=is_hard)


def _protocol(case: Case) -> Iterator[Ceiling]:
    """Yield what may be borrowed up to; debt beyond the loan-to-value may stay, and only bars more of it."""
    position = case.position
    ratio = position.loan_to_value
    most = loan_to_value_to_leverage(ratio)
    said = f"loan-to-value {ratio:.2%}"
    if position.debt_value > 0 and position.leverage > most:
        most = position.leverage
        yield _ceiling(case, NO_NEW_DEBT, f"past {said}: no new debt", most)
    else:
        yield _ceiling(case, "protocol", f"protocol, {said}", most)
    market = position.borrow_market
    if market is not None:
        leverage = 1 + float(position.debt_value + market.liquidity) / case.equity
        yield _ceiling(
            case, "liquidity", f"what can be borrowed of {market.asset}", leverage if leverage < most else None
        )


def _reaction(case: Case) -> Iterator[Ceiling]:
    wants = case.preferences
    if case.has_price_risk:
        health = reaction_health_factor(case)
        if health is not None:
            model = "lognormal" if case.market.jumps is None else "jump model"
            text = f"{wants.reaction_hours:g} h to react, P ≤ {wants.reaction_probability * 100:g} %, {model}"
            yield _of_health(case, "reaction", text, max(health, 1.0))
        return
    text = f"survives a borrow rate of {SPIKE_RATE:.0%} for {SPIKE_DAYS:g} days"
    yield _of_health(case, "rate-spike", text, max(spike_health_factor(case.position.supply_rate), 1.0))
    cut = surviving_health_factor(case.position.liquidation_threshold)
    yield _of_health(case, "threshold-cut", f"survives a threshold cut by {THRESHOLD_CUT:.0%}", cut, is_hard=False)


def _users(case: Case) -> Iterator[Ceiling]:
    wants = case.preferences
    if wants.minimum_health_factor is not None:
        text = f"your minimum health factor {wants.minimum_health_factor:g}"
        yield _of_health(case, "minimum-health", text, wants.minimum_health_factor)
    if wants.maximum_leverage is not None:
        yield _ceiling(case, "maximum-leverage", "your maximum leverage", wants.maximum_leverage)


def _budget(case: Case) -> Iterator[Ceiling]:
    """Yield the ceiling of the budget; the carry depends on the leverage through the rate curve, so it is iterated."""
    if not case.has_price_risk:
        return
    wants = case.preferences
    leverage = case.position.leverage
    for _ in range(_ROUNDS):
        health = _budget_health(case, case.position.supply_rate - case.borrow_rate(leverage))
        leverage = health_factor_to_leverage(max(health, 1.0), case.position.liquidation_threshold)
    model = "lognormal" if case.market.table is None else "calibrated"
    text = f"P(liquidated, {wants.horizon_days:g} d) ≤ {wants.maximum_probability * 100:.3g} %, {model}"
    yield _ceiling(case, "liquidation-probability", text, leverage)


def _budget_health(case: Case, carry: float) -> float:
    wants, market = case.preferences, case.market
    if market.table is None:
        return health_factor_for_probability(
            wants.maximum_probability, market.volatility, case.horizon, market.drift + carry
        )
    return calibrated_health_factor_for_probability(
        wants.maximum_probability, market.volatility, case.horizon, carry, table=market.table
    )


def _growth(case: Case) -> Iterator[Ceiling]:
    if not case.has_price_risk:
        return
    wants = case.preferences
    fraction = "half-Kelly" if wants.kelly_fraction == 0.5 else f"{wants.kelly_fraction:g} of Kelly"
    text = f"{fraction}, {_view_words(wants)}"
    yield _ceiling(case, "kelly", text, kelly_leverage(case), is_hard=_has_view(wants))


def _view_words(wants: Preferences) -> str:
    if wants.expected_return is not None:
        return f"your expected return {wants.expected_return:.0%}"
    if wants.sharpe is not None:
        return f"your Sharpe ratio {wants.sharpe:g}"
    return f"prior Sharpe ratio {wants.prior_sharpe:g}"


def _has_view(wants: Preferences) -> bool:
    return wants.expected_return is not None or wants.sharpe is not None


def _floor(case: Case) -> Iterator[Ceiling]:
    if not case.has_price_risk:
        return
    wants = case.preferences
    floor = wants.drawdown_floor if wants.floor is None else wants.floor
    whose = "floor" if wants.floor is None else "your floor"
    text = f"{whose}: keep {floor * 100:.4g}% of equity, CPPI m={_multiplier(case):.3g}"
    yield _ceiling(case, "floor", text, floor_leverage(case, floor), is_hard=wants.floor is not None)


def _spiral(case: Case) -> Iterator[Ceiling]:
    """Yield the leverage from which on one's own sales lower health, where it comes before liquidation; advice."""
    depth = case.position.depth
    if depth is None:
        return
    impact = depth.impact * case.position.moving_share
    leverage = spiralling_leverage(case.equity, impact, proportional_cost=case.preferences.proportional_cost)
    if leverage * (1 - case.position.liquidation_threshold) < 1:
        yield _ceiling(case, "spiral", f"selling {depth.sold} still raises health", leverage, is_hard=False)


def _multiplier(case: Case) -> float:
    wants, jumps = case.preferences, case.market.jumps
    if jumps is None:
        return wants.cppi_multiplier
    return min(wants.cppi_multiplier, cppi_multiplier_bound(wants.maximum_probability, case.horizon, kou_of(jumps)))
