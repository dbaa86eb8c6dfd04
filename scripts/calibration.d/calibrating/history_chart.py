"""Volatility over the whole of the histories as SVG, by hand: 30 days at a time, and the whole file as a line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calibrating.diagram import FAINT, INK
from calibrating.sample import Asset, day_number
from defilev.risk.volatility import close_to_close
from defilev.risk.volatility.forecasts import rolling_mean

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, RIGHT = 980.0, 360.0, 56.0, 56.0, 40.0, 150.0
HIGHEST = 3.0
WINDOW, STEP = 30, 7
STYLES = (("#0072B2", ""), ("#D55E00", "6 3"))
"""Okabe–Ito colours, and a dash: distinguishable without colour too."""


def volatility_svg(assets: Sequence[Asset]) -> str:
    """Return the chart; all `assets` share its axes."""
    days = np.concatenate([asset.daily.day for asset in assets])
    first, last = int(days.min()), int(days.max())
    size = f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}" height="{HEIGHT:.0f}"'
    style = f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}"'
    title = "Volatility per year of 30 days at a time, and of the whole file"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>',
        f'<rect width="{WIDTH:.0f}" height="{HEIGHT:.0f}" fill="#ffffff"/>',
        f'<text x="{LEFT:.0f}" y="28" font-size="16" font-weight="600">{title}</text>',
        *_grid(first, last),
    ]
    for asset, (colour, dash) in zip(assets, STYLES, strict=False):
        parts += _series(asset, first, last, colour, dash)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _grid(first: int, last: int) -> list[str]:
    parts = []
    for level in np.arange(0.0, HIGHEST + 0.1, 0.5):
        y = _y(float(level))
        parts += [
            f'<path d="M{LEFT:.0f} {y:.1f}H{WIDTH - RIGHT:.0f}" stroke="{FAINT}"/>',
            f'<text x="{LEFT - 8:.0f}" y="{y + 4:.1f}" text-anchor="end" font-size="11">{level:.0%}</text>',
        ]
    for year in range(2018, 2026):
        x = _x(day_number(f"{year}-01-01"), first, last)
        parts += [
            f'<path d="M{x:.1f} {TOP:.0f}V{HEIGHT - BOTTOM:.0f}" stroke="{FAINT}"/>',
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18:.0f}" text-anchor="middle" font-size="11">{year}</text>',
        ]
    return parts


def _series(asset: Asset, first: int, last: int, colour: str, dash: str) -> list[str]:
    rolling = np.sqrt(365.0 * rolling_mean(asset.daily.variance, WINDOW))[::STEP]
    days = asset.daily.day[WINDOW - 1 :][::STEP]
    line = " ".join(f"{_x(int(day), first, last):.1f},{_y(float(v)):.1f}" for day, v in zip(days, rolling, strict=True))
    whole = close_to_close(asset.history)
    y, end = _y(whole), WIDTH - RIGHT
    return [
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.4" stroke-dasharray="{dash}"/>',
        f'<path d="M{LEFT:.0f} {y:.1f}H{end:.0f}" stroke="{colour}" stroke-width="2.2" opacity="0.6"/>',
        f'<text x="{end + 8:.0f}" y="{y + 4:.1f}" fill="{colour}">{asset.name} {whole:.1%}</text>',
    ]


def _x(day: int, first: int, last: int) -> float:
    return LEFT + (WIDTH - RIGHT - LEFT) * (day - first) / (last - first)


def _y(volatility: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(volatility, HIGHEST) / HIGHEST
