"""The target of one account: objective under ceilings, the band, the trade, and what they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

from defilev.errors import Infeasible
from defilev.model.account import Notice
from defilev.model.target import BandLevels, Ceiling, Outlook, Reserve, Sensitivity, Target
from defilev.model.target_inputs import Position, Preferences, RiskMarket
from defilev.optimize.arguments import above, at_least, finite, open_unit
from defilev.optimize.band import LARGEST_FIXED_COST
from defilev.optimize.ceilings import (
    ceilings_of,
    kelly_leverage,
    lowest,
    lowest_kept,
    wall,
    with_binding,
)
from defilev.optimize.conversions import health_factor_to_leverage
from defilev.optimize.loops import loop_risk
from defilev.optimize.mix import SAME_SIDE
from defilev.optimize.objectives import wanted_leverage
from defilev.optimize.outlook import Case, money
from defilev.optimize.spiral import spiral_of, stress_results
from defilev.optimize.trading import band_around, band_within, inside, no_band, trade_for

__all__ = ["choose_target"]

_NEARLY_ALL = 1 - 1e-9
"""A search that ends at the ceiling was stopped by it."""

POINTS = 0.10
FALLS = (0.1, 0.2, 0.3, 0.4, 0.5)
DEPEGS = (0.01, 0.02, 0.05, 0.1)


def choose_target(position: Position, market: RiskMarket, preferences: Preferences) -> Target:
    """Return the target: a function of its three arguments and of nothing else.

    The leverage is the objective's, or the lowest hard ceiling where that is lower; the order of precedence decides
    between equal ceilings. Below 1 it means to hold no debt.

    Raises:
        InvalidNumber: a preference or a statistic outside its range.
        UsageError: the objective needs a number that was not given.
        Infeasible: no equity is left, no collateral counts, or no trade reaches the target.
    """
    _check(position, market, preferences)
    case = Case(position, market, preferences)
    ceilings = ceilings_of(case)
    limit = lowest(ceilings)
    highest = _height(limit)
    wanted = wanted_leverage(case, ceiling=highest)
    leverage, band = _target_and_band(case, min(wanted, highest), ceilings)
    is_capped = wanted > highest or (preferences.objective == "carry" and wanted >= highest * _NEARLY_ALL)
    binding = limit.name if is_capped else preferences.objective
    trade = trade_for(case, band, leverage)
    return Target(
        position=position,
        risk_market=market,
        preferences=preferences,
        now=case.outlook("now", position.leverage, health_factor=position.health_factor),
        target=_target_outlook(case, leverage),
        alternatives=_alternatives(case, ceilings) if preferences.compare else (),
        ceilings=with_binding(ceilings, binding),
        binding=binding,
        band=band,
        trade=trade,
        sensitivities=tuple(_sensitivities(case, _height(lowest_kept(ceilings)))),
        reserves=tuple(_reserves(case, band)),
        loop=None if case.has_price_risk else loop_risk(case, max(leverage, 1.0)),
        notices=tuple(_notices(case, limit, wanted)),
        spiral=spiral_of(case, trade),
        stress=tuple(stress_results(case, band)),
    )


def _target_and_band(case: Case, leverage: float, ceilings: Sequence[Ceiling]) -> tuple[float, BandLevels]:
    """Return the target leverage and its band; `keep` has no band but its lowest ceiling."""
    reaction = next((ceiling.health_factor for ceiling in ceilings if ceiling.name == "reaction"), None)
    if case.preferences.objective != "keep":
        if leverage <= 1:
            return 1.0, no_band()
        band = band_around(case, leverage, wall=wall(ceilings).health_factor, reaction=reaction)
        return leverage, inside(band, lowest_kept(ceilings).health_factor)
    ceiling = _height(lowest_kept(ceilings))
    if ceiling <= 1 or case.position.health_factor is None:
        return 1.0, no_band()
    band = band_within(case, ceiling, reaction=reaction)
    if case.position.leverage <= ceiling or band.trade_to_low is None:
        return leverage, band
    return health_factor_to_leverage(band.trade_to_low, case.position.liquidation_threshold), band


def _height(ceiling: Ceiling) -> float:
    return inf if ceiling.leverage is None else ceiling.leverage


def _target_outlook(case: Case, leverage: float) -> Outlook:
    same = leverage == case.position.leverage
    return case.outlook("target", leverage, health_factor=case.position.health_factor if same else None)


def _alternatives(case: Case, ceilings: Sequence[Ceiling]) -> tuple[Outlook, ...]:
    """Return no debt and every ceiling that means a leverage of its own."""
    levels: dict[float, str] = {1.0: "no debt"}
    for ceiling in ceilings:
        if ceiling.health_factor is not None and ceiling.leverage is not None and ceiling.health_factor > 1:
            levels.setdefault(round(ceiling.leverage, 6), ceiling.name)
    return tuple(case.outlook(name, leverage) for leverage, name in sorted(levels.items()))


def _sensitivities(case: Case, before: float) -> Iterator[Sensitivity]:
    if case.has_price_risk:
        for sign, word in ((1, "+"), (-1, "−")):
            moved = _volatility_moved(case, sign * POINTS)
            if moved is not None:
                after = lowest_kept(ceilings_of(moved)).leverage
                yield Sensitivity(f"volatility {word}{POINTS * 100:.0f} points", before, after)
    position = case.position
    cut = replace(
        position,
        liquidation_threshold=position.liquidation_threshold - 0.05,
        health_factor=None
        if position.health_factor is None
        else position.health_factor * (1 - 0.05 / position.liquidation_threshold),
    )
    if cut.liquidation_threshold > 0:
        after = lowest_kept(ceilings_of(replace(case, position=cut))).leverage
        yield Sensitivity("liquidation threshold −5 points", before, after)


def _volatility_moved(case: Case, points: float) -> Case | None:
    market = case.market
    ratio = (market.volatility + points) / market.volatility
    if ratio <= 0:
        return None
    jumps = market.jumps
    if jumps is not None and ratio < 1:
        jumps = replace(jumps, mean_up=jumps.mean_up * ratio, mean_down=jumps.mean_down * ratio)
    moved = replace(
        market,
        volatility=market.volatility * ratio,
        exposure_volatility=market.exposure_volatility * ratio,
        drift=market.drift * ratio**2,
        jumps=jumps,
    )
    return replace(case, market=moved)


def _reserves(case: Case, band: BandLevels) -> Iterator[Reserve]:
    """Yield the debt asset needed after each adverse move: falls, for shorts rises, for loops of the peg."""
    position = case.position
    if position.health_factor is None:
        return
    debt = float(position.debt_value)
    capacity = position.health_factor * debt
    is_short = position.side == "short"
    stay = max(band.trigger_low or 1.0, 1.0)
    for size in DEPEGS if position.side == "correlated" else FALLS:
        moved = size * position.moving_share
        counted = capacity if is_short else capacity * (1 - moved)
        owed = debt * (1 + moved) if is_short else debt
        yield Reserve(
            move=size if is_short else -size,
            health_factor=counted / owed,
            to_survive=money(max(owed - counted, 0.0)),
            to_stay=money(max(owed - counted / stay, 0.0)),
        )


def _notices(case: Case, limit: Ceiling, wanted: float) -> Iterator[Notice]:
    if case.position.health_factor is not None and case.position.health_factor < 1:
        said = "health is below 1: no collateral can be withdrawn; repay from the wallet, or add collateral, at once"
        yield Notice("liquidatable", said)
    yield from _objective_notices(case, limit, wanted)
    for note in case.market.notes:
        yield Notice("assumption", note)
    if float(case.preferences.gas_value) / case.equity > LARGEST_FIXED_COST:
        yield Notice("too-small-to-manage", "gas is more than 0.1 % of equity: rebalancing costs more than it brings")
    if case.has_price_risk:
        yield from _price_notices(case)
    else:
        said = "collateral and debt move together: rates, a depeg and a lower threshold are the risks"
        yield Notice("correlated", said)
        yield from _ignored(case.preferences)


def _ignored(wants: Preferences) -> Iterator[Notice]:
    """Yield that what was stated of prices limits nothing where prices cannot liquidate."""
    stated = {"expected return": wants.expected_return, "Sharpe ratio": wants.sharpe, "floor": wants.floor}
    for name, value in stated.items():
        if value is not None:
            yield Notice("ignored", f"your {name} is about price risk, and limits nothing here")


def _objective_notices(case: Case, limit: Ceiling, wanted: float) -> Iterator[Notice]:
    wants = case.preferences
    if wants.objective == "ceiling":
        yield Notice("not-a-goal", "a ceiling answers how much could be borrowed; tracking it loses most of the equity")
    if wants.objective == "fixed" and wanted > _height(limit):
        yield Notice("capped", f"your target of {wanted:.2f}× is above a hard ceiling: {limit.text}")
    if wants.objective == "kelly" and wanted > _height(limit):
        whose = "the prior" if wants.expected_return is None and wants.sharpe is None else "your view"
        yield Notice("kelly-above-limits", f"{whose} asks for {wanted:.4g}×, more than is allowed by {limit.text}")


def _price_notices(case: Case) -> Iterator[Notice]:
    market = case.market
    if kelly_leverage(case) < 1:
        yield Notice(
            "no-borrowing-case",
            "half of the growth-optimal leverage under that return is below 1×: no case for borrowing",
        )
    if market.table is None:
        yield Notice("not-calibrated", "no multiplier table: lognormal figures understate short-term risk 2 to 5 times")
    elif case.position.side == "short":
        yield Notice("calibrated-on-falls", "the calibrated figures come from falls; this account is hurt by rises")
    if market.correlation is not None:
        said = (
            f"correlations were assumed: {SAME_SIDE:g} within one side of the account, {market.correlation:g} across it"
        )
        yield Notice("assumed-correlation", said)


def _check(position: Position, market: RiskMarket, wants: Preferences) -> None:
    if position.collateral_value <= 0 or position.liquidation_threshold <= 0:
        raise Infeasible("no collateral counts in this account", fix="supply collateral first")
    if position.equity_value <= 0:
        raise Infeasible(
            f"no equity is left: {position.debt_value} is owed against {position.collateral_value}",
            fix="repay debt, or supply collateral, before asking for a leverage",
        )
    open_unit(wants.maximum_probability, what="maximum liquidation probability")
    above(wants.horizon_days, 0, what="horizon")
    above(wants.risk_aversion, 0, what="risk aversion")
    above(wants.reaction_hours, 0, what="reaction time")
    open_unit(wants.reaction_probability, what="reaction probability")
    at_least(float(wants.gas_value), 0, what="gas")
    at_least(wants.proportional_cost, 0, what="proportional cost")
    for what, value in (
        ("health factor", wants.health_factor),
        ("minimum health factor", wants.minimum_health_factor),
    ):
        if value is not None:
            above(value, 1, what=what)
    for what, value in (("leverage", wants.leverage), ("maximum leverage", wants.maximum_leverage)):
        if value is not None:
            at_least(value, 1, what=what)
    for what, value in (("expected return", wants.expected_return), ("Sharpe ratio", wants.sharpe)):
        if value is not None:
            finite(value, what=what)
    for what, value in (("volatility", market.volatility), ("exposure volatility", market.exposure_volatility)):
        (at_least if position.side == "correlated" else above)(value, 0, what=what)
