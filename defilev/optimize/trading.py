"""From a target to a band and a trade: when to act, how far to go, and what it costs."""

from __future__ import annotations

from dataclasses import replace

from defilev.errors import Infeasible
from defilev.model.target import BandLevels, Trade
from defilev.optimize.band import (
    HealthBand,
    band_below,
    band_cost_rate,
    no_trade_band,
    trades_per_year,
    with_reaction,
)
from defilev.optimize.conversions import health_factor_to_leverage
from defilev.optimize.impact import cost_of_waiting, sale_for_health_factor
from defilev.optimize.outlook import Case, money

__all__ = ["band_around", "band_within", "inside", "no_band", "trade_for"]

_TINY = 1e-9


def no_band() -> BandLevels:
    """Return the band of a target without debt: there is nothing to drift."""
    return BandLevels(None, None, None, None, None, None, None, reaction_binds=False)


def band_around(case: Case, leverage: float, *, wall: float | None, reaction: float | None) -> BandLevels:
    """Return the band around a target leverage above 1, its danger side no lower than `wall`, a health factor."""
    band = no_trade_band(leverage, case.preferences.risk_aversion, *_costs(case))
    sigma = case.market.exposure_volatility
    return replace(
        _levels(case, band.to_health_factors(case.position.liquidation_threshold), wall=wall, reaction=reaction),
        trades_per_year=trades_per_year(leverage, sigma, band) if case.has_price_risk else None,
        cost_rate=band_cost_rate(leverage, sigma, case.preferences.risk_aversion, band)
        if case.has_price_risk
        else None,
    )


def band_within(case: Case, ceiling: float, *, reaction: float | None) -> BandLevels:
    """Return the danger side only: act when `ceiling`, a leverage above 1, is exceeded, then trade well inside it."""
    band = band_below(ceiling, case.preferences.risk_aversion, *_costs(case))
    levels = band.to_health_factors(case.position.liquidation_threshold)
    return _levels(
        case, HealthBand(levels.trigger_low, levels.trade_to_low, None, None), wall=reaction, reaction=reaction
    )


def _levels(case: Case, band: HealthBand, *, wall: float | None, reaction: float | None) -> BandLevels:
    held = with_reaction(band, wall, case.position.liquidation_threshold)
    return BandLevels(
        held.trigger_low,
        held.trade_to_low,
        held.trade_to_high,
        held.trigger_high,
        trades_per_year=None,
        cost_rate=None,
        reaction=reaction,
        reaction_binds=held != band and wall == reaction,
    )


def inside(band: BandLevels, ceiling: float | None) -> BandLevels:
    """Return `band` with its danger side's trade-to level no lower than `ceiling`, the health factor of a hard ceiling.

    Drifting a little over a budget may cost less than trading; a trade that is made ends inside it.
    """
    if ceiling is None or band.trade_to_low is None:
        return band
    return replace(band, trade_to_low=max(band.trade_to_low, ceiling))


def trade_for(case: Case, band: BandLevels, target: float) -> Trade:
    """Return what to do now, given the band and the target leverage; 1 or less means to owe nothing.

    Raises:
        Infeasible: selling cannot bring health to the level any more.
    """
    position = case.position
    now = position.health_factor
    if target <= 1:
        return _closing(case) if now is not None else _holding(case, _why_no_debt(case), target)
    if now is not None and band.trigger_low is not None and now < band.trigger_low - _TINY:
        reason = f"health {_said(now)} is below the band's {_said(band.trigger_low)}"
        return _trade(case, band.trade_to_low, target, reason)
    upper = band.trigger_high
    if band.trade_to_high is not None and (now is None or (upper is not None and now > upper + _TINY)):
        said = "nothing is owed" if now is None else f"health {_said(now)} is above the band's {_said(upper)}"
        return _trade(case, band.trade_to_high, target, said)
    return _holding(case, _why_held(case, target), target)


def _said(health: float | None) -> str:
    if health is None:
        return "none"
    return f"{health:.4g}" if health < 1000 else f"{health:.0f}"


def _why_no_debt(case: Case) -> str:
    is_kept = case.preferences.objective == "keep"
    return "nothing is owed, and keep leaves it so" if is_kept else "nothing is owed, and nothing should be"


def _why_held(case: Case, target: float) -> str:
    if case.position.health_factor is None:
        return "nothing is owed"
    if case.preferences.objective != "keep" and abs(case.position.leverage - target) > _TINY:
        return "inside the band: the way to the target costs more than it brings"
    return "inside the band"


def _costs(case: Case) -> tuple[float, float]:
    return case.preferences.proportional_cost, float(case.preferences.gas_value) / case.equity


def _trade(case: Case, level: float | None, target: float, reason: str) -> Trade:
    position, wants = case.position, case.preferences
    if level is None:
        return _closing(case)
    is_down = position.health_factor is not None and level > position.health_factor
    sale = _sale(case, level) if is_down else -_purchase(case, level)
    return Trade(
        action="deleverage" if is_down else "lever-up",
        health_factor=level,
        leverage=health_factor_to_leverage(level, position.liquidation_threshold),
        sale=money(sale),
        cost=money(abs(sale) * wants.proportional_cost + _slippage(case, sale) + float(wants.gas_value)),
        waiting=money(_waiting(case, target)),
        reason=reason,
    )


def _sale(case: Case, level: float) -> float:
    """Return what to sell for health to become `level`, with what the sale does to the price where selling still helps.

    Where it does not, the amount is that of deep pools: `Spiral` says that selling is not the way.
    """
    position = case.position
    forms = (float(position.collateral_value), float(position.debt_value), position.liquidation_threshold, level)
    cost, depth = case.preferences.proportional_cost, position.depth
    try:
        impact = 0.0 if depth is None else depth.impact * position.moving_share
        return sale_for_health_factor(*forms, proportional_cost=cost, impact=impact)
    except Infeasible:
        return sale_for_health_factor(*forms, proportional_cost=cost)


def _purchase(case: Case, level: float) -> float:
    position, threshold = case.position, case.position.liquidation_threshold
    room = threshold * float(position.collateral_value) - level * float(position.debt_value)
    return room / (level - threshold * (1 - case.preferences.proportional_cost))


def _slippage(case: Case, sale: float) -> float:
    """Return what a trade loses to its own effect on the price: half of it on average."""
    depth = case.position.depth
    return 0.0 if depth is None else 0.5 * min(depth.impact * abs(sale), 1.0) * abs(sale)


def _closing(case: Case) -> Trade:
    debt, wants = float(case.position.debt_value), case.preferences
    sale = debt / (1 - wants.proportional_cost)
    return Trade(
        action="close",
        health_factor=None,
        leverage=1.0,
        sale=money(sale),
        cost=money(sale - debt + _slippage(case, sale) + float(wants.gas_value)),
        waiting=money(_waiting(case, 1.0)),
        reason="no leverage above 1 is within the ceilings and the objective",
    )


def _holding(case: Case, reason: str, target: float) -> Trade:
    position = case.position
    return Trade(
        action="hold",
        health_factor=position.health_factor,
        leverage=position.leverage,
        sale=money(0.0),
        cost=money(0.0),
        waiting=money(_waiting(case, max(target, 1.0))),
        reason=reason,
    )


def _waiting(case: Case, target: float) -> float:
    """Return what a day off target costs in quote units: tracking, and the day's expected loss to liquidation."""
    position, wants = case.position, case.preferences
    loss = 0.0
    if position.liquidation_bonus is not None and case.has_price_risk:
        day = case.risk(position.health_factor, 1.0, borrow_rate=position.borrow_rate)
        chance = day.lognormal if day.jumps is None else day.jumps
        loss = position.liquidation_bonus * position.close_factor * float(position.debt_value) * chance
    return cost_of_waiting(
        1.0,
        equity=case.equity,
        leverage=position.leverage,
        target=target,
        volatility=case.market.exposure_volatility,
        risk_aversion=wants.risk_aversion,
        expected_liquidation_loss=loss,
    )
