"""Parts of a target in words: chances with their model, what bound, what-ifs, and a loop's own risks."""

from __future__ import annotations

from decimal import Decimal

from defilev.model.target import HorizonRisk, Target
from defilev.report import figures
from defilev.risk.first_passage import LiquidationTerms, liquidation_outcome

__all__ = [
    "binding_words",
    "chance",
    "decimal",
    "growth_words",
    "loop_lines",
    "loss_words",
    "reserve_words",
    "risk_rows",
    "sensitivity_words",
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


def decimal(value: float | None) -> Decimal | None:
    """Return a statistic as a decimal for the figures; `None` stays."""
    return None if value is None else Decimal(repr(float(value)))


def chance(target: Target, probability: float) -> str:
    """Return a probability; one at the edge of what the sample can tell is "at most"."""
    table = target.risk_market.table
    if table is not None and abs(probability - table.smallest_probability) < 1e-9:
        return f"≤ {_share(table.smallest_probability)}"
    if probability < _SMALLEST:
        return "none" if probability == 0 else f"< {_share(_SMALLEST)}"
    return _share(probability)


def _share(probability: float) -> str:
    places = 1 if probability >= 0.01 else 2 if probability >= 0.001 else 4
    return figures.percent(Decimal(repr(probability)), places=places)


def risk_rows(target: Target) -> list[list[str]]:
    """Return the table of chances, now and at the target, by model; the one that decides with its range."""
    rows = []
    outlooks = [target.now] if target.target.leverage == target.now.leverage else [target.now, target.target]
    for outlook in outlooks:
        if outlook.health_factor is None:
            continue
        if any(risk.calibrated is not None for risk in outlook.risks):
            cells = [_calibrated(target, risk) for risk in outlook.risks]
            rows.append([f"{outlook.name}, calibrated (decides)", *cells])
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
    if risk.calibrated is None or risk.low is None or risk.high is None:
        return figures.NOTHING
    middle, low, high = (chance(target, value) for value in (risk.calibrated, risk.low, risk.high))
    return middle if low == high == middle else f"{middle} [{low} – {high}]"


def loss_words(target: Target) -> str:
    """Return what a liquidation takes, and the expected loss within the horizon; empty where nobody knows."""
    position, now = target.position, target.now
    if position.liquidation_bonus is None or now.expected_loss is None or now.health_factor is None:
        return ""
    terms = LiquidationTerms(position.liquidation_threshold, position.liquidation_bonus, position.close_factor)
    taken = liquidation_outcome(terms)
    said = f"takes about {taken.equity_lost:.1%} of the equity left then"
    if taken.toxic:
        said += " and lowers health further"
    days = target.preferences.horizon_days
    return f"{said}; expected loss within {days:g} d now about {figures.dollars(now.expected_loss)}"


def growth_words(target: Target) -> str:
    """Return the growth of equity a year under the view, stated or prior."""
    wants = target.preferences
    is_stated = wants.expected_return is not None or wants.sharpe is not None
    now, then = (0.0 if growth is None else growth for growth in (target.now.growth, target.target.growth))
    view = "your view" if is_stated else "the prior, which is no forecast"
    return f"{now:+.0%} a year now, {then:+.0%} at the target, in log terms and before liquidations, under {view}"


def binding_words(target: Target) -> str:
    """Return what decided the target."""
    for ceiling in target.ceilings:
        if ceiling.binding:
            return ceiling.text
    return _OBJECTIVES[target.binding]


def volatility_words(target: Target) -> str:
    """Return the volatility used and every figure that it was chosen from."""
    market = target.risk_market
    parts = " · ".join(f"{part.name} {part.value:.0%}" for part in market.parts)
    stress = "" if market.stress_volatility is None else f" · stress {market.stress_volatility:.0%}"
    said = f"{market.volatility:.1%}/yr of health, {market.method}"
    return f"{said} ({parts}{stress})" if parts else said


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
    what = {"short": "rise", "correlated": "depeg"}.get(target.position.side, "fall")
    parts = [
        f"{abs(item.move):.0%} {what}: {figures.dollars(item.to_stay)}"
        + (f" ({figures.dollars(item.to_survive)} to survive)" if item.to_survive else "")
        for item in target.reserves
        if item.to_stay > 0
    ]
    if not parts:
        return "none is needed for any move looked at"
    asset = figures.clean(target.position.debt_asset)
    return f"{asset} that keeps health at the band's edge after a {'; '.join(parts)}"


def loop_lines(target: Target) -> list[str]:
    """Return the risks of collateral and debt that move together."""
    loop = target.loop
    if loop is None:
        return []
    spiked = "nothing owed" if loop.spike_health is None else f"health {loop.spike_health:.4f}"
    interest, capped = _days(loop.interest_days), _days(loop.capped_days)
    lines = [
        f"interest alone liquidates: {interest}; if the collateral stops earning: {capped}",
        f"after {loop.spike_days:g} days of borrowing at {loop.spike_rate:.0%}: {spiked}",
    ]
    if loop.depeg is not None:
        seen = (
            "the oracle would see it"
            if loop.market_priced
            else "the oracle is rate-priced and would not see a market's"
        )
        lines.append(f"a depeg of {abs(loop.depeg):.2%} liquidates; {seen}")
    lines.append(f"the liquidation threshold can be cut by {loop.threshold_cut * 100:.2f} points")
    exits = ", ".join(f"{item.share:.1%} of equity at {item.discount:.1%} below the oracle" for item in loop.exits)
    lines.append(f"leaving costs {exits}")
    return lines


def _days(days: float | None) -> str:
    return "never" if days is None else f"in {days:,.0f} days".replace(",", figures.NARROW_SPACE)
