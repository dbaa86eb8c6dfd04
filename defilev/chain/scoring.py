"""How well a node has answered lately. Deterministic: time comes from the clock that is passed in."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["HALF_LIFE", "Score"]

HALF_LIFE = 30.0
"""Seconds after which a failure, or how long an answer took, counts for half."""

_LATENCY_STEP = 0.25
"""Seconds; two nodes whose latencies differ by less are taken in the order in which they were given."""

_PLACES = 6
"""Decimals of a latency that count: a mean keeps them while its weights fade."""


class Score:
    """Failures and latency of one node; both fade with `HALF_LIFE`.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._failures = self._answers = self._seconds = 0.0

    def answered(self, seconds: float) -> None:
        """Count an answer that took so long."""
        self._fade()
        self._answers += 1
        self._seconds += seconds

    def failed(self, weight: float = 1.0) -> None:
        """Count a failure, or several."""
        self._fade()
        self._failures += weight

    @property
    def failures(self) -> float:
        """Failures that still count."""
        self._fade()
        return self._failures

    @property
    def latency(self) -> float | None:
        """Mean seconds of an answer, newer ones counting more; `None` before the first."""
        return self._seconds / self._answers if self._answers else None

    def rank(self) -> tuple[int, int]:
        """Return what nodes are sorted by, best first: whole failures that still count, then latency in steps."""
        return int(self.failures + 0.5), int(round(self.latency or 0.0, _PLACES) / _LATENCY_STEP)

    def _fade(self) -> None:
        now = self._clock()
        kept = 0.5 ** (max(now - self._at, 0.0) / HALF_LIFE)
        self._at = now
        self._failures *= kept
        self._answers *= kept
        self._seconds *= kept
