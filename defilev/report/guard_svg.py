"""The timeline of one account as SVG: health with its triggers, decisions, actions, alerts, times without a reading.

It is drawn at the size at which it is shown, so that its text is never shrunk; colours come from the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from defilev.report.figures import clean
from defilev.report.guard_story import Account, Point, Story, Told

__all__ = ["timeline"]

HEIGHT = 260
_TOP, _BOTTOM, _LEFT, _RIGHT = 14, 62, 44, 12
_ALERTS = 34
"""How far above the lower edge alerts are marked."""

_TOP_HEALTH = 4.0
"""Health factors above it are drawn at it: what is so far away needs no resolution."""

_MARKS = {"alert": "diamond", "act": "down", "wait": "square", "held": "square"}


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where times and health factors are, in pixels."""

    width: int
    since: int
    until: int
    low: float
    high: float

    def x(self, at: int) -> float:
        span = max(1, self.until - self.since)
        share = min(max((at - self.since) / span, 0.0), 1.0)
        return round(_LEFT + share * (self.width - _LEFT - _RIGHT), 1)

    def y(self, health: float) -> float:
        share = (min(health, self.high) - self.low) / (self.high - self.low)
        return round(HEIGHT - _BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - _BOTTOM - _TOP), 1)


def timeline(story: Story, account: Account, *, width: int) -> str:
    """Return the picture of one account, `width` pixels wide; its words are in the page's table as well."""
    scale = _scale(story, account, width)
    parts = [
        *_frame(scale),
        *_blind(story, account, scale),
        *_limits(account, scale),
        *_line(account.points, scale),
        *_decisions(account, scale),
        *_actions(account, scale),
        *_alerts(story, account, scale),
    ]
    label = escape(f"health factor of {account.name} over time", quote=True)
    return (
        f'<svg viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" role="img" aria-label="{label}">'
        + "".join(parts)
        + "</svg>"
    )


def _scale(story: Story, account: Account, width: int) -> _Scale:
    """Return a scale on which every health factor, every trigger and 1, where liquidation begins, are seen."""
    values = [min(float(point.health), _TOP_HEALTH) for point in account.points if point.health is not None]
    shown = [1.0, *values, *(min(float(limit), _TOP_HEALTH) for limit in account.limits)]
    low, high = min(shown), max(shown)
    room = max(high - low, 0.2) * 0.12
    return _Scale(width, story.since, story.until, low - room, high + room)


def _frame(scale: _Scale) -> Iterator[str]:
    right, floor = scale.width - _RIGHT, HEIGHT - _BOTTOM
    for step in range(5):
        health = scale.low + (scale.high - scale.low) * (step + 0.5) / 5
        y = scale.y(health)
        yield f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{right}" y2="{y}"/>'
        yield _text(_LEFT - 6, y + 4, f"{health:.2f}", anchor="end")
    yield f'<line class="axis" x1="{_LEFT}" y1="{floor}" x2="{right}" y2="{floor}"/>'
    count = 4 if scale.width > 500 else 2
    for place in range(count):
        at = scale.since + (scale.until - scale.since) * place // (count - 1)
        anchor = "start" if place == 0 else "end" if place == count - 1 else "middle"
        yield _text(scale.x(at), HEIGHT - 8, f"{datetime.fromtimestamp(at, UTC):%m-%d %H:%M}", anchor=anchor)
    yield _text(_LEFT - 6, HEIGHT - _ALERTS + 4, "alerts", anchor="end")


def _limits(account: Account, scale: _Scale) -> Iterator[str]:
    """Draw the level of liquidation and those of the triggers that fired."""
    lines = [(1.0, "liquidation below 1", "liquidation"), *((float(limit), f"trigger {limit}", "trigger")
                                                            for limit in account.limits)]  # fmt: skip
    for value, words, kind in lines:
        if value <= scale.high:
            y = scale.y(value)
            yield f'<line class="{kind}" x1="{_LEFT}" y1="{y}" x2="{scale.width - _RIGHT}" y2="{y}"/>'
            yield _text(scale.width - _RIGHT - 4, y - 4, words, anchor="end", kind=kind)


def _line(points: Sequence[Point], scale: _Scale) -> Iterator[str]:
    """Join neighbouring readings; where nothing was owed the line is broken."""
    parts: list[list[str]] = [[]]
    for point in points:
        if point.health is None:
            parts.append([])
        else:
            parts[-1].append(f"{scale.x(point.at)},{scale.y(float(point.health))}")
    for part in parts:
        if len(part) > 1:
            yield f'<polyline class="health" points="{" ".join(part)}"/>'
    for point in points:
        if point.health is not None:
            yield f'<circle class="reading" cx="{scale.x(point.at)}" cy="{scale.y(float(point.health))}" r="2"/>'


def _decisions(account: Account, scale: _Scale) -> Iterator[str]:
    for decision in account.decisions:
        kind = _MARKS.get(decision.verdict)
        if kind is None or decision.health_factor is None:
            continue
        x, y = scale.x(decision.block.timestamp), scale.y(decision.health_factor / 10**18)
        title = f"<title>{escape(clean(decision.reason))}</title>"
        yield f'<path class="{decision.verdict}" d="{_shape(kind, x, y, 6)}">{title}</path>'


def _actions(account: Account, scale: _Scale) -> Iterator[str]:
    for action in account.actions:
        x = scale.x(action.at)
        yield f'<line class="action" x1="{x}" y1="{_TOP}" x2="{x}" y2="{HEIGHT - _BOTTOM}"/>'
        anchor = "end" if x > scale.width * 0.8 else "start"
        yield _text(x + (-4 if anchor == "end" else 4), _TOP + 8, f"#{action.run}", anchor=anchor)


def _alerts(story: Story, account: Account, scale: _Scale) -> Iterator[str]:
    y = HEIGHT - _ALERTS
    for alert in _about(story, account):
        x = scale.x(alert.at)
        title = f"<title>{escape(clean(f'{alert.severity}: {alert.text}'))}</title>"
        shape = {"critical": "down", "warning": "diamond"}.get(alert.severity, "dot")
        if shape == "dot":
            yield f'<circle class="info" cx="{x}" cy="{y}" r="3">{title}</circle>'
        else:
            yield f'<path class="{alert.severity}" d="{_shape(shape, x, y, 5)}">{title}</path>'


def _blind(story: Story, account: Account, scale: _Scale) -> Iterator[str]:
    """Shade the times from when the chain could not be read to the next reading of any account."""
    read = sorted(point.at for one in story.accounts for point in one.points)
    shaded = 0
    for alert in story.alerts:
        is_blind = alert.kind in ("chain-unreadable", "account-unreadable") and alert.account in (None, account.name)
        if not is_blind or alert.at < shaded:
            continue
        shaded = next((at for at in read if at > alert.at), story.until)
        left, right = scale.x(alert.at), scale.x(shaded)
        yield (
            f'<rect class="blind" x="{left}" y="{_TOP}" width="{max(right - left, 2):.1f}" '
            f'height="{HEIGHT - _BOTTOM - _TOP}"><title>could not be read</title></rect>'
        )


def _about(story: Story, account: Account) -> list[Told]:
    return [alert for alert in story.alerts if alert.account in (None, account.name)]


def _shape(kind: str, x: float, y: float, size: int) -> str:
    corners = {
        "down": ((-size, -size), (size, -size), (0, size)),
        "diamond": ((0, -size), (size, 0), (0, size), (-size, 0)),
        "square": ((-size + 1, -size + 1), (size - 1, -size + 1), (size - 1, size - 1), (-size + 1, size - 1)),
    }[kind]
    return "M" + "L".join(f"{x + dx:.1f} {y + dy:.1f}" for dx, dy in corners) + "Z"


def _text(x: float, y: float, words: str, *, anchor: str, kind: str = "words") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
