"""Drives reads: answers their batches, several reads side by side, each distinct call once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from defilev.errors import DataError
from defilev.model.request import Batch, Call, CallResult, Read, Results, links

__all__ = ["Fetch", "drive", "drive_all", "drive_each"]

T = TypeVar("T")
Fetch: TypeAlias = Callable[[Batch], Results]
"""Answers a batch at one pinned block: one result per call, in order; may take several round trips for a long one."""


def drive(read: Read[T], fetch: Fetch) -> T:
    """Return what `read` returns, its batches answered by `fetch`."""
    return drive_all([read], fetch)[0]


def drive_all(reads: Sequence[Read[T]], fetch: Fetch) -> list[T]:
    """Return what each of `reads` returns; raises what the first of them in order that failed raised.

    See `drive_each`.
    """
    found: list[T] = []
    for result in drive_each(reads, fetch):
        if isinstance(result, DataError):
            raise result
        found.append(result)
    return found


def drive_each(reads: Sequence[Read[T]], fetch: Fetch) -> list[T | DataError]:
    """Return what each of `reads` returns, or the `DataError` that it raised, which leaves the others alone.

    They advance together, so that their batches share round trips. What `fetch` raises is about the chain, not about
    one read, and ends all of them.
    """
    returned: dict[int, T | DataError] = {}
    waiting: dict[int, tuple[Read[T], Any]] = {index: (read, None) for index, read in enumerate(reads)}
    while waiting:
        asked = _advance(waiting, returned)
        answers = _answers(list(asked.values()), fetch)
        waiting = {index: (reads[index], results) for index, results in zip(asked, answers, strict=True)}
    return [returned[index] for index in range(len(reads))]


def _advance(waiting: dict[int, tuple[Read[T], Any]], returned: dict[int, T | DataError]) -> dict[int, Batch]:
    asked: dict[int, Batch] = {}
    for index, (read, results) in waiting.items():
        try:
            asked[index] = read.send(results)
        except StopIteration as finished:
            returned[index] = finished.value
        except DataError as error:
            returned[index] = error
    return asked


def _answers(batches: Sequence[Batch], fetch: Fetch) -> list[Results]:
    if len(batches) == 1:
        return [fetch(batches[0])] if batches[0] else [()]
    positions: dict[tuple[Call, ...], int] = {}
    asked: list[Call] = []
    pieces = [links(batch) for batch in batches]
    for piece in (piece for batch in pieces for piece in batch):
        if piece not in positions:
            positions[piece] = len(asked)
            asked += piece
    answers: Sequence[CallResult] = fetch(asked) if asked else ()
    return [[answers[positions[piece] + place] for piece in batch for place in range(len(piece))] for batch in pieces]
