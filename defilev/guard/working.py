"""Actions that are under way: each key's in a thread of its own, while the guard goes on looking at everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from time import monotonic

from defilev.guard.outcomes import Told
from defilev.model.request import Address

__all__ = ["LONGEST_ACTION", "Workers"]

MOST_AT_ONCE = 8
"""Keys that are acted with at once; more wait for their turn."""

LONGEST_ACTION = 1800.0
"""Seconds after which an action that has not ended counts as hung."""


@dataclass(frozen=True, slots=True)
class _Work:
    keys: frozenset[Address]
    accounts: frozenset[str]
    began: float
    future: Future[Told]


class Workers:
    """What is under way, by key. What came of it is gathered by a tick; nothing is told from a thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=MOST_AT_ONCE, thread_name_prefix="acting")
        self._works: list[_Work] = []

    def begin(self, keys: Iterable[Address], accounts: Iterable[str], do: Callable[[Told], None]) -> None:
        """Do something with keys that are not at work; what it tells is gathered later.

        Args:
            keys: whose transactions they are.
            accounts: names of the accounts that are acted for.
            do: writes what there is to tell; what it raises, `gather` raises.
        """

        def run() -> Told:
            told = Told()
            do(told)
            return told

        self._works.append(_Work(frozenset(keys), frozenset(accounts), monotonic(), self._pool.submit(run)))

    def busy(self) -> dict[Address, frozenset[str]]:
        """Return the keys that are at work, each with the accounts that it is at work for."""
        return {key: work.accounts for work in self._works if not work.future.done() for key in work.keys}

    def hung(self) -> frozenset[Address]:
        """Return the keys that have been at work for longer than any action takes."""
        return frozenset(
            key
            for work in self._works
            if not work.future.done() and monotonic() - work.began > LONGEST_ACTION
            for key in work.keys
        )

    def has_news(self) -> bool:
        """Tell whether something has ended that nobody has gathered."""
        return any(work.future.done() for work in self._works)

    def wait(self) -> None:
        """Wait until everything that is under way has ended."""
        wait([work.future for work in self._works])

    def gather(self, told: Told) -> None:
        """Add to `told` what has ended since the last time; raises what it raised."""
        ended = [work for work in self._works if work.future.done()]
        self._works = [work for work in self._works if work not in ended]
        for work in ended:
            told.add(work.future.result())
