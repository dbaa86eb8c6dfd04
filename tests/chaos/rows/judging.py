"""How trials are judged: once, in time, by name, and with nothing signed that should not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.chaos.arena import Arena
from tests.chaos.rows.registry import Seen, Stage, check
from tests.chaos.trial import Codes, Result, Spec, run_trial

__all__ = ["attempts_of", "calm_after", "held_against", "survived"]


def held_against(result: Result, **claims: bool) -> tuple[str, ...]:
    """Return what is wrong: the account must be protected once, and the claims hold."""
    return check(
        **{f"done twice: {result.truth}": not result.is_duplicate},
        **{f"missed: {result.truth}, processes ended with {result.codes}": not result.is_missed},
        **claims,
    )


def attempts_of(arena: Arena) -> list[dict[str, Any]]:
    """Return every attempt that the trial's journal has, by nonce and number."""
    found = [attempt for run in arena.written() for attempt in run["attempt"]]
    return sorted(found, key=lambda attempt: (attempt["nonce"], attempt["number"]))


def survived(stage: Stage, spec: Spec) -> Seen:
    """Run a trial in which processes may fail, but by name, and in which the account is protected in the end."""
    result = run_trial(stage.arena, spec)
    wrong = held_against(result, nothing_unexpected=_is_named(stage.arena, result))
    return Seen(wrong, {"failed calls": result.hits, "processes": len(result.codes)})


def _is_named(arena: Arena, result: Result) -> bool:
    return not result.is_unexplained and "Traceback" not in arena.log()


def calm_after(processes: int) -> Callable[[Arena, Codes], None]:
    """Return what lets nothing fail any more once so many processes have ended."""

    def meanwhile(arena: Arena, codes: Codes) -> None:
        if len(codes) >= processes:
            arena.trust()

    return meanwhile
