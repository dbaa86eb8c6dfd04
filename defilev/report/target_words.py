"""Parts of a target in words: chances with their model, what bound, what-ifs, and a loop's own risks."""

from __future__ import annotations

import re
from decimal import Decimal

from defilev.model.target import HorizonRisk, Outlook, Target
from defilev.report import figures
from defilev.risk.first_passage import LiquidationTerms, liquidation_outcome

__all__ = [
    "binding_words",
    "carry_words",
    "chance",
    "deciding_model",
    "decimal",
    "growth_words",
    "implied_of",
    "loop_lines",
    "loss_words",
    "multiplier_words",
    "percent",
    "reserve_words",
    "risk_rows",
    "sensitivity_words",
    "spaced",
    "volatility_words",
]

_OBJECTIVES = {
    "keep": "nothing: the present leverage is inside every hard ceiling",
    "fixed": "your own target",
    "ceiling": "no ceiling",
    "cppi": "your floor",
    "carry": "the highest net carry",
    "kelly": "growth under your view",
}
_SMALLEST = 1e-6
_ALL = 0.999
_PER_CENT = re.compile(r"(?<![=\d.])(\d[\d.]*) ?%")


def decimal(value: float | None) -> Decimal | None:
    """Return a statistic as a decimal for the figures; `None` stays."""
    return None if value is None else Decimal(repr(float(value)))


def chance(target: Target, probability: float) -> str:
    """Return a probability; one at the edge of what the sample can tell is "at most"."""
    if _is_at_edge(target, probability):
        return f"≤ {_share(probability)}"
    if probability < _SMALLEST:
        return "none" if probability == 0 else f"< {_share(_SMALLEST)}"
    return _share(probability)


def _is_at_edge(target: Target, probability: float) -> bool:
    """Whether the multipliers' sample cannot tell this chance from a smaller one."""
    table = target.risk_market.table
    return table is not None and abs(probability - table.smallest_probability) < 1e-9


def percent(value: float, *, places: int = 0, signed: bool = False) -> str:
    """Return a computed fraction in percent."""
    return figures.percent(Decimal(repr(float(value))), places=places, signed=signed)


def spaced(text: str) -> str:
    """Return a text that was worked out elsewhere, its per cent signs spaced like the tables'; flags stay as typed."""
    return _PER_CENT.sub(rf"\1{figures.NARROW_SPACE}%", figures.clean(text))


def _share(probability: float) -> str:
    return percent(probability, places=1 if probability >= 0.00995 else 2 if probability >= 0.000995 else 4)


def deciding_model(target: Target) -> str:
    """Return the model of the chance that decides."""
    return "lognormal" if target.risk_market.table is None else "calibrated"


def risk_rows(target: Target) -> list[list[str]]:
    """Return the table of chances, now and at the target, by model; below the one that decides, its range."""
    rows = []
    outlooks = [target.now] if target.target.leverage == target.now.leverage else [target.now, target.target]
    for outlook in outlooks:
        if outlook.health_factor is None:
            continue
        if any(risk.calibrated is not None for risk in outlook.risks):
            rows.append([f"{outlook.name}, calibrated (decides)", *(_calibrated(target, r) for r in outlook.risks)])
            rows.append(["  at volatility ±15 %", *(_range(target, risk) for risk in outlook.risks)])
        if any(risk.jumps is not None for risk in outlook.risks):
            jumps = [figures.NOTHING if risk.jumps is None else _plain(risk.jumps) for risk in outlook.risks]
            rows.append([f"{outlook.name}, jump model", *jumps])
        rows.append([f"{outlook.name}, lognormal", *(_plain(risk.lognormal) for risk in outlook.risks)])
    return rows


def _plain(probability: float) -> str:
    if probability < _SMALLEST:
        return f"< {_share(_SMALLEST)}"
    return _share(probability)


def _calibrated(target: Target, risk: HorizonRisk) -> str:
    return figures.NOTHING if risk.calibrated is None else chance(target, risk.calibrated)


def _range(target: Target, risk: HorizonRisk) -> str:
    if risk.low is None or risk.high is None:
        return figures.NOTHING
    low, high = chance(target, risk.low), chance(target, risk.high)
    return low if low == high else f"{low.removesuffix(f'{figures.NARROW_SPACE}%')} – {high}"


def implied_of(target: Target) -> str:
    """Return what the implied return is the return of: the asset, or all that is on its side of the account."""
    position = target.position
    if position.side == "ratio":
        return "collateral over debt"
    if position.moving_share < _ALL:
        return "debt" if position.side == "short" else "collateral"
    return position.risky_asset


def loss_words(target: Target) -> str:
    """Return what a liquidation takes, and the expected loss within the horizon; empty where nobody knows."""
    position, now = target.position, target.now
    if position.liquidation_bonus is None or now.expected_loss is None or now.health_factor is None:
        return ""
    terms = LiquidationTerms(position.liquidation_threshold, position.liquidation_bonus, position.close_factor)
    taken = liquidation_outcome(terms)
    said = f"takes about {percent(taken.equity_lost, places=1)} of the equity left then"
    if taken.toxic:
        said += " and lowers health further"
    days, model = target.preferences.horizon_days, deciding_model(target)
    loss = figures.worth(now.expected_loss, position.quote)
    most = any(risk.days == days and _is_at_edge(target, risk.deciding) for risk in now.risks)
    return f"{said}; expected loss within {days:g} d now {'at most' if most else 'about'} {loss} ({model})"


def carry_words(target: Target) -> str:
    """Return what the collateral earns less what the debt costs, and what a constant leverage loses to volatility."""
    rate = percent(target.position.supply_rate, places=2)
    said = f"{_carry(target.now)} of equity a year now: the collateral earns {rate}"
    if target.now.health_factor is not None:
        said += f", the debt costs {percent(target.now.borrow_rate, places=2)}"
    if target.target.leverage != target.now.leverage:
        said += f"; {_carry(target.target)} at the target"
        then = percent(target.target.borrow_rate, places=2)
        if target.target.health_factor is not None and then != percent(target.now.borrow_rate, places=2):
            said += f", where the debt costs {then}"
    if target.target.leverage > 1 and target.target.decay:
        said += f". Volatility drag of holding the target's leverage: {percent(target.target.decay)} a year"
    return said


def _carry(outlook: Outlook) -> str:
    return percent(outlook.carry, places=1, signed=True)


def growth_words(target: Target) -> str:
    """Return the growth of equity a year under the view, stated or prior."""
    wants = target.preferences
    is_stated = wants.expected_return is not None or wants.sharpe is not None
    now, then = (percent(growth or 0.0, signed=True) for growth in (target.now.growth, target.target.growth))
    view = "your view" if is_stated else f"a prior Sharpe ratio of {wants.prior_sharpe:g}, which is no forecast"
    return f"{now} a year now, {then} at the target, in log terms and before liquidations, under {view}"


def binding_words(target: Target) -> str:
    """Return what decided the target."""
    for ceiling in target.ceilings:
        if ceiling.binding:
            return spaced(ceiling.text)
    return _OBJECTIVES[target.binding]


def volatility_words(target: Target) -> str:
    """Return the volatility used and every figure that it was chosen from."""
    market = target.risk_market
    parts = " · ".join(f"{part.name} {percent(part.value)}" for part in market.parts)
    stress = "" if market.stress_volatility is None else f" · bad weeks {percent(market.stress_volatility)}"
    said = f"{percent(market.volatility, places=1)}/yr of health, {market.method}"
    return f"{said} ({parts}{stress})" if parts else said


def multiplier_words(target: Target) -> str:
    """Return the multipliers used: their name, sample, and the one that the budget rests on, with its error."""
    table, wants = target.risk_market.table, target.preferences
    if table is None:
        return ""
    said = f"multipliers {table.name}: {', '.join(table.assets)} {table.first_day} to {table.last_day}"
    row = next((row for row in table.horizons if row.days == wants.horizon_days), None)
    if row is None or wants.maximum_probability not in table.probabilities:
        return said
    place = table.probabilities.index(wants.maximum_probability)
    budget = f"k({percent(wants.maximum_probability)}, {wants.horizon_days:g} d)"
    return f"{said}, {budget} = {row.multipliers[place]:.2f} ± {row.errors[place]:.2f}"


def sensitivity_words(target: Target) -> str:
    """Return how the lowest hard ceiling moves."""
    moves = "; ".join(
        f"{item.change}: {_leverage(item.before)} → {_leverage(item.after)}" for item in target.sensitivities
    )
    return f"lowest hard ceiling: {moves}"


def _leverage(leverage: float | None) -> str:
    return "any" if leverage is None else f"{int(leverage * 100 + 1e-9) / 100:.2f}×"


def reserve_words(target: Target) -> str:
    """Return how much of the debt asset covers which move."""
    against = "fall against the debt"
    what = {"short": "rise", "correlated": against, "ratio": against}.get(target.position.side, "fall")
    needed = [item for item in target.reserves if item.to_stay > 0]
    if not needed:
        return "none is needed for any move looked at"
    quote = target.position.quote
    edge = figures.health(decimal(max(target.band.trigger_low or 1.0, 1.0)))
    asset = figures.clean(target.position.debt_asset).replace(", ", " or ")
    moves = "; ".join(
        f"{figures.worth(item.to_stay, quote)} for a {percent(abs(item.move))} {what}"
        + (f" ({figures.worth(item.to_survive, quote)} to survive it)" if item.to_survive else "")
        for item in needed
    )
    return f"{asset} to hold ready so that health stays at {edge}: {moves}"


def loop_lines(target: Target) -> list[str]:
    """Return the risks of collateral and debt that move together."""
    loop = target.loop
    if loop is None:
        return []
    spiked = "nothing owed" if loop.spike_health is None else f"health {loop.spike_health:.4f}"
    interest, capped = _days(loop.interest_days), _days(loop.capped_days)
    lines = [
        f"interest alone liquidates: {interest}; if the collateral stops earning: {capped}",
        f"after {loop.spike_days:g} days of borrowing at {percent(loop.spike_rate)}: {spiked}",
    ]
    if loop.depeg is not None:
        seen = (
            "the oracle would see it"
            if loop.market_priced
            else "the oracle is rate-priced and would not see a market's"
        )
        lines.append(f"a depeg of {percent(abs(loop.depeg), places=2)} liquidates; {seen}")
    lines.append(f"the liquidation threshold can be cut by {loop.threshold_cut * 100:.2f} points")
    exits = ", ".join(f"{percent(item.share, places=1)} at {percent(item.discount, places=1)}" for item in loop.exits)
    lines.append(f"leaving costs this share of equity when the collateral sells below the oracle: {exits}")
    return lines


def _days(days: float | None) -> str:
    return "never" if days is None else f"in {days:,.0f} days".replace(",", figures.NARROW_SPACE)
