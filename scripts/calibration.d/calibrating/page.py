"""docs/calibration.md from the figures; every number in it is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from calibrating.facts import Facts
from calibrating.multiples import LEVELS, Fitted
from calibrating.predict import FHS_PATHS, Judged
from calibrating.tables import SEED
from calibrating.text import (
    BREACHED_LATE,
    BREACHED_WHOLE,
    BRIER,
    FOLLOWED,
    HELD_OUT,
    HOW,
    OUTSIDE,
    PREDICTED_LATE,
    PREDICTED_WHOLE,
    READ,
    SHIPPED,
    TITLE,
    VOLATILITY,
)
from calibrating.tracking import Tracked
from calibrating.verdict import Frequency, breached, brier, touched
from defilev.model.multipliers import MultiplierTable
from defilev.risk.arguments import Array

SHOWN = (1.05, 1.1, 1.2, 1.35, 1.5, 2.0)
Row = Sequence[str]


def page(
    *,
    described: Sequence[Facts],
    table: MultiplierTable,
    whole: Sequence[Judged],
    late: Sequence[Judged],
    fits: Sequence[Fitted],
    outside: Sequence[Row],
    conclusions: str,
    followed: Sequence[Tracked],
) -> str:
    """The whole page; `whole` and `late` hold every method at every horizon: all starts, and those from 2022 on."""
    outside_head = ["horizon", "multipliers", *(f"fell further than k({_level(level)})" for level in LEVELS)]
    sections = [
        TITLE,
        conclusions,
        HOW.format(paths=FHS_PATHS),
        "## The histories",
        VOLATILITY,
        _facts(described),
        "## The shipped table",
        _shipped(table),
        "## Does it hold out of sample?",
        HELD_OUT,
        _fits(fits),
        OUTSIDE,
        grid(outside_head, outside),
        "## A health factor held at a stated probability",
        BREACHED_WHOLE,
        _breaches(whole, LEVELS[:2]),
        BREACHED_LATE,
        _breaches(late, LEVELS),
        "## Predicted against seen",
        "![Reliability diagram](calibration.svg)",
        PREDICTED_WHOLE,
        _predictions(whole),
        PREDICTED_LATE,
        _predictions(late),
        BRIER,
        _brier(late, HEALTH_ARRAY),
        "## A ceiling is not a goal",
        FOLLOWED,
        _followed(followed),
        READ.format(seed=SEED),
    ]
    return "\n\n".join(sections) + "\n"


def grid(head: Row, rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(share: float) -> str:
    """A share with two significant digits and no more than two decimals."""
    if share == 0:
        return "0 %"
    if share < 0.00005:
        return "< 0.01 %"
    places = 2 if share < 0.00995 else 1 if share < 0.0995 else 0
    return f"{100 * share:.{places}f} %"


def with_interval(seen: Frequency) -> str:
    return f"{percent(seen.share)} [{percent(seen.low)}, {percent(seen.high)}]" if seen.windows else "—"


def _level(level: float) -> str:
    return f"{100 * level:g} %"


def _facts(described: Sequence[Facts]) -> str:
    head = ["", *(fact.name for fact in described)]
    lines: list[tuple[str, str, str]] = [
        ("candles", "candles", ",d"),
        ("missing hours", "missing_hours", ",d"),
        ("**volatility per year, hourly closes**", "close", ".3f"),
        ("daily closes", "daily", ".3f"),
        ("Parkinson, hourly", "parkinson", ".3f"),
        ("Garman–Klass, hourly", "garman_klass", ".3f"),
        ("Rogers–Satchell, hourly", "rogers_satchell", ".3f"),
        ("Yang–Zhang, hourly", "yang_zhang", ".3f"),
        ("excess kurtosis of hourly returns", "hourly_kurtosis", ".0f"),
        ("worst hour (log)", "worst_hour", ".1%"),
        ("worst six hours (log)", "worst_six_hours", ".1%"),
        ("worst day (log)", "worst_day", ".1%"),
        ("hours beyond five sigma per year", "jumps_per_year", ".0f"),
        ("share of them up", "up_share", ".2f"),
        ("their mean size up", "mean_up", ".1%"),
        ("their mean size down", "mean_down", ".1%"),
        ("their share of the variance", "jump_variance_share", ".0%"),
    ]
    rows = [[label, *(format(getattr(fact, name), style) for fact in described)] for label, name, style in lines]
    return grid(head, rows)


def _followed(rows: Sequence[Tracked]) -> str:
    head = ["asset", "policy", "mean leverage", "liquidations", "equity at the end", "deepest fall from a peak"]
    lines = [
        [
            row.asset,
            row.policy,
            f"{row.leverage:.2f}×",
            str(row.liquidations),
            f"{row.growth:.3g}×",
            f"{row.drawdown:.2%}",
        ]
        for row in rows
    ]
    return grid(head, lines)


def _shipped(table: MultiplierTable) -> str:
    levels = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001)
    places = [table.probabilities.index(level) for level in levels]
    rows = [
        [
            f"{row.days:g} d",
            *(f"{row.multipliers[place]:.2f} ± {row.errors[place]:.2f}" for place in places),
            f"{row.windows:,}",
            str(row.independent_windows),
        ]
        for row in table.horizons
    ]
    head = ["horizon", *(f"k({_level(level)})" for level in levels), "windows", "side by side"]
    words = SHIPPED.format(
        assets=" and ".join(table.assets), first=table.first_day, last=table.last_day, estimator=table.estimator
    )
    return words + "\n\n" + grid(head, rows)


def _fits(fits: Sequence[Fitted]) -> str:
    head = ["horizon", "estimator", "k 5 / 1 / 0.1 %", *(f"exceeded, {_level(level)}" for level in LEVELS), "lognormal"]
    rows = [
        [
            f"{fit.horizon} d",
            fit.estimator,
            " / ".join(f"{k:.2f}" for k in fit.multipliers),
            *(with_interval(seen) for seen in fit.breaches),
            " / ".join(percent(seen.share) for seen in fit.lognormal_breaches),
        ]
        for fit in fits
    ]
    return grid(head, rows)


def _breaches(judged: Sequence[Judged], levels: Sequence[float]) -> str:
    head = ["horizon", "method", *(f"held at {_level(level)}" for level in levels)]
    rows = [
        [f"{one.horizon} d", one.method, *(with_interval(breached(one, level)) for level in levels)] for one in judged
    ]
    return grid(head, rows)


def _predictions(judged: Sequence[Judged]) -> str:
    methods = list(dict.fromkeys(one.method for one in judged))
    by: Mapping[tuple[str, int], Judged] = {(one.method, one.horizon): one for one in judged}
    rows = []
    for horizon in dict.fromkeys(one.horizon for one in judged):
        for factor in SHOWN:
            first = by[methods[0], horizon]
            seen = touched(first, factor)
            predicted = [_mean(by[method, horizon], factor) for method in methods]
            cells = [percent(p) if seen.low <= p <= seen.high else f"**{percent(p)}**" for p in predicted]
            rows.append([f"{horizon} d", f"{factor:.2f}", f"{seen.windows:,}", with_interval(seen), *cells])
    return grid(["horizon", "health", "windows", "touched", *methods], rows)


def _mean(judged: Judged, factor: float) -> float:
    return float(judged.probability[:, HEALTH.index(factor)].mean())


def _brier(judged: Sequence[Judged], health: Array) -> str:
    methods = list(dict.fromkeys(one.method for one in judged))
    by = {(one.method, one.horizon): one for one in judged}
    horizons = list(dict.fromkeys(one.horizon for one in judged))
    rows = [[m, *(f"{1000 * brier(by[m, horizon], health):.2f}" for horizon in horizons)] for m in methods]
    return grid(["method", *(f"{horizon} d" for horizon in horizons)], rows)


HEALTH = (1.03, 1.05, 1.08, 1.1, 1.15, 1.2, 1.35, 1.5, 1.75, 2.0)
"""The health factors of the study; `SHOWN` are those in the tables, all are in the diagram."""
HEALTH_ARRAY = np.array(HEALTH)
