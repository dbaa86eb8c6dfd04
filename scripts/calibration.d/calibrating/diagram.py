"""The reliability diagram as SVG, by hand: one panel per horizon, logarithmic axes, the diagonal is perfect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10

from calibrating.verdict import Bin

PANEL, LEFT, TOP, GAP, FLOOR = 300.0, 64.0, 72.0, 44.0, 1e-3
TICKS = ((0.001, "0.1%"), (0.01, "1%"), (0.1, "10%"), (1.0, "100%"))
# Okabe–Ito colours and a shape each: distinguishable without colour too.
STYLES = (("#D55E00", "circle"), ("#0072B2", "square"), ("#CC79A7", "diamond"), ("#009E73", "triangle"))
INK, FAINT = "#24292f", "#d0d7de"


def reliability_svg(panels: Mapping[int, Mapping[str, Sequence[Bin]]], *, title: str) -> str:
    """`panels` by horizon in days, each with bins by method, the same methods in the same order."""
    width = LEFT + len(panels) * (PANEL + GAP)
    height = TOP + PANEL + 92
    size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
    style = f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>',
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        f'<text x="{LEFT:.0f}" y="28" font-size="16" font-weight="600">{title}</text>',
    ]
    for place, (horizon, methods) in enumerate(panels.items()):
        parts += _panel(LEFT + place * (PANEL + GAP), horizon, methods, first=place == 0)
    parts += _legend(list(next(iter(panels.values()))), height - 20)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(x0: float, horizon: int, methods: Mapping[str, Sequence[Bin]], *, first: bool) -> list[str]:
    days = "1 day" if horizon == 1 else f"{horizon} days"
    parts = [f'<text x="{x0 + PANEL / 2:.0f}" y="{TOP - 12:.0f}" text-anchor="middle" font-weight="600">{days}</text>']
    for value, label in TICKS:
        x, y = _x(x0, value), _y(value)
        parts += [
            f'<path d="M{x:.1f} {TOP:.0f}V{TOP + PANEL:.0f}M{x0:.0f} {y:.1f}H{x0 + PANEL:.0f}" stroke="{FAINT}"/>',
            f'<text x="{x:.1f}" y="{TOP + PANEL + 18:.0f}" text-anchor="middle" font-size="11">{label}</text>',
        ]
        if first:
            parts.append(f'<text x="{x0 - 8:.0f}" y="{y + 4:.1f}" text-anchor="end" font-size="11">{label}</text>')
    parts.append(
        f'<path d="M{x0:.0f} {TOP + PANEL:.0f}L{x0 + PANEL:.0f} {TOP:.0f}" stroke="{INK}" stroke-dasharray="5 4"/>'
    )
    middle = TOP + PANEL / 2
    caption = (
        f'<text x="{x0 + PANEL / 2:.0f}" y="{TOP + PANEL + 38:.0f}" text-anchor="middle">probability predicted</text>'
    )
    parts.append(caption)
    if first:
        parts.append(
            f'<text transform="translate(16 {middle:.0f}) rotate(-90)" text-anchor="middle">frequency seen</text>'
        )
    for (colour, shape), bins in zip(STYLES, methods.values(), strict=False):
        parts += _series(x0, bins, colour, shape)
    return parts


def _series(x0: float, bins: Sequence[Bin], colour: str, shape: str) -> list[str]:
    parts = []
    line = " ".join(f"{_x(x0, b.predicted):.1f},{_y(b.seen.share):.1f}" for b in bins)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5" opacity="0.7"/>')
    for b in bins:
        x, y = _x(x0, b.predicted), _y(b.seen.share)
        low, high = _y(b.seen.low), _y(b.seen.high)
        parts += [
            f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" stroke-width="1" opacity="0.45"/>',
            mark(shape, x, y, colour),
        ]
    return parts


def _legend(names: Sequence[str], y: float) -> list[str]:
    parts, x = [], LEFT
    for (colour, shape), name in zip(STYLES, names, strict=False):
        parts += [mark(shape, x + 6, y - 4, colour), f'<text x="{x + 18:.0f}" y="{y:.0f}">{name}</text>']
        x += 40 + 7.2 * len(name)
    parts.append(f'<text x="{x:.0f}" y="{y:.0f}" font-size="11">bars: 95% Wilson, independent windows</text>')
    return parts


def mark(shape: str, x: float, y: float, colour: str) -> str:
    """A point of about nine pixels."""
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>'
    if shape == "square":
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
    corners = ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)) if shape == "diamond" else ((0, -5.5), (5, 4), (-5, 4))
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'


def _x(x0: float, value: float) -> float:
    return x0 + PANEL * _place(value)


def _y(value: float) -> float:
    return TOP + PANEL * (1 - _place(value))


def _place(value: float) -> float:
    return (log10(max(value, FLOOR)) - log10(FLOOR)) / -log10(FLOOR)
