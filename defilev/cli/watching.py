"""Looks at the same accounts on every new block; a node that fails is asked again, and connected to anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from defilev.config.settings import Settings
from defilev.errors import BlockUnavailable, DataError, WrongChain
from defilev.model.book_file import MarketChoice
from defilev.model.request import Address, Block
from defilev.pipeline.everywhere import Chains, read_chains, resolved
from defilev.pipeline.people import Person
from defilev.pipeline.session import Session, connect
from defilev.report.health_report import HealthReport, health_report
from defilev.report.watch import Watched, age_of

__all__ = ["LONGEST_LOOK", "SILENCE", "Asked", "Looker", "watch"]

SILENCE = {"latest": 60, "safe": 1800, "finalized": 1800}
"""Seconds after which a block of that name is no longer called fresh: five slots of Ethereum, or some of its epochs."""

LONGEST_LOOK = 10
"""Seconds that a look may take until what was read before it is no longer called fresh, beside the time of silence."""

LONGEST_PAUSE = 30
"""Seconds: the pause doubles up to here with every look that fails."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is watched: who, and in which markets, all when there are none."""

    people: tuple[Person, ...]
    choices: tuple[MarketChoice, ...] = ()


class Looker:
    """Reads when there is a new block. Every method may raise `DataError`; the next look connects anew after it."""

    def __init__(self, settings: Settings, asked: Asked) -> None:
        self._settings = settings
        self._asked = asked
        self._session: Session | None = None
        self._people: tuple[tuple[Person, Address], ...] = ()
        self._chain: tuple[int, str] | None = None
        self._last: Block | None = None

    @property
    def keeps_time(self) -> bool:
        """Tell whether blocks carry the time: those of a test node carry any."""
        return self._session is None or not self._session.is_anvil

    def look(self) -> HealthReport | None:
        """Return a reading of the newest block, `None` when it is the one of the last reading.

        Raises:
            WrongChain: the node has become one of another chain.
            BlockUnavailable: its newest block is older than one that was read.
            DataError: the chain, a market or an account could not be read.
        """
        try:
            return self._look()
        except DataError:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _look(self) -> HealthReport | None:
        session = self._connected()
        block = session.node.block(self._settings.block)
        if self._last is not None and block.hash == self._last.hash:
            return None
        if self._last is not None and block.number < self._last.number:
            raise BlockUnavailable(f"the node's newest block went back from {self._last.number} to {block.number}")
        report = self._read(session.at(block))
        self._last = block
        return report

    def _read(self, pinned: Session) -> HealthReport:
        readings, _ = read_chains(Chains((pinned,)), self._people, self._asked.choices)
        for unread in readings[0].unread:
            raise unread.error
        people = {address: person for person, address in self._people if person.is_on(pinned.book.chain_name)}
        return health_report(readings, (), asked=people, now=int(time.time()))

    def _connected(self) -> Session:
        if self._session is None:
            self._session = connect(self._settings)
            self._people = self._people or resolved(Chains((self._session,)), self._asked.people)
            self._require_same_chain(self._session)
        return self._session

    def _require_same_chain(self, session: Session) -> None:
        found = (session.chain_id, session.node.block(0).hash)
        if self._chain is not None and found != self._chain:
            raise WrongChain("the node has become one of another chain", watched=self._chain[0], got=found[0])
        self._chain = found


def watch(
    looker: Looker,
    *,
    every: int,
    silence: int,
    clock: Callable[[], float] = time.time,
    ticking: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Watched]:
    """Yield what is known whenever it changes: a new reading, a look that failed, or that no block has come.

    Never ends by itself.

    Args:
        every: seconds between two looks for a new block.
        silence: seconds without a new block after which a reading is no longer called fresh.

    Raises:
        DataError: the first look failed.
    """
    known, new_at = _first(looker, int(clock()), silence), ticking()
    yield known
    while True:
        sleep(_pause(every, known.failures))
        seen = _look_again(looker, known, int(clock()), silence)
        if seen.report is not known.report:
            new_at = ticking()
        elif seen.failure is None and ticking() - new_at > silence:
            seen = replace(seen, failure=BlockUnavailable(f"the node has shown no new block for over {silence} s"))
        before, known = known, seen
        if _is_news(seen, before):
            yield seen


def _is_news(seen: Watched, before: Watched) -> bool:
    return seen.report is not before.report or seen.failures > 0 or (seen.failure is None) != (before.failure is None)


def _first(looker: Looker, now: int, silence: int) -> Watched:
    report = looker.look()
    if report is None:
        raise AssertionError("the first look found no block to be new")
    return _believed(looker, Watched(report, now), silence)


def _look_again(looker: Looker, known: Watched, now: int, silence: int) -> Watched:
    """Return what a further look shows; the last reading is fresh again when its block is still the newest."""
    try:
        report = looker.look()
    except DataError as error:
        return replace(known, looked_at=now, failure=error, failures=known.failures + 1)
    return _believed(looker, Watched(report or known.report, now), silence)


def _believed(looker: Looker, seen: Watched, silence: int) -> Watched:
    """Return what was seen, not as fresh when the newest block is an old one: the node has fallen behind."""
    if looker.keeps_time and age_of(seen, now=seen.looked_at) > silence:
        return replace(seen, failure=BlockUnavailable(f"the node's newest block is more than {silence} s old"))
    return seen


def _pause(every: int, failures: int) -> int:
    """Return the seconds until the next look, twice as many after each that failed."""
    return min(every << min(failures, 10), max(every, LONGEST_PAUSE))
