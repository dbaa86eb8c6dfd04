"""A watch on the local chain, through a node that breaks and recovers: what is called fresh, and what is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest

from defilev.cli.watching import Asked, Looker, watch
from defilev.config.settings import Settings
from defilev.errors import DataError, RpcMalformed
from defilev.model.book_file import MarketChoice
from defilev.pipeline.people import people
from defilev.report.ink import plain
from defilev.report.metrics import WatchMetrics
from defilev.report.watch import Watched, as_of, watch_frame, watch_lines
from defilev.report.watch_json import watch_document
from tests.support.http_node import http_node
from tests.support.schemas import schema_problems
from tests.support.world import World

pytestmark = pytest.mark.world

Answers = dict[str, Callable[[list[Any]], Any]]
BROKEN = "eth_getBlockByNumber"
SECRET = "0123456789abcdef0123456789abcdef"


class Clock:
    """Time that passes only while a watch sleeps, and what happens meanwhile."""

    def __init__(self, *happenings: Callable[[], Any]) -> None:
        self.now = 1_000_000.0
        self.slept: list[float] = []
        self._happenings = iter(happenings)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, and the next thing happen."""
        self.slept.append(seconds)
        self.now += seconds
        next(self._happenings)()


def nothing() -> None:
    """Let nothing happen."""


@pytest.fixture
def answers() -> Answers:
    """Return what the node answers itself, in place of the local chain."""
    return {}


@pytest.fixture
def looker(world: World, answers: Answers) -> Iterator[Looker]:
    """Return what looks at the account `comfortable` through the node."""
    with http_node(answers, forward=world.rpc_url) as url:
        settings = Settings(rpc_url=(f"{url}/v2/{SECRET}",), address_book=(world.address_book,), timeout=2)
        made = Looker(settings, Asked(people([world.account("comfortable")], None), (MarketChoice(None, "main"),)))
        yield made
        made.close()


@pytest.fixture
def mine(world: World) -> Callable[[], Any]:
    """Return what makes a block."""
    return lambda: world.rpc("evm_mine")


@pytest.fixture
def breaks(answers: Answers) -> Callable[[], None]:
    """Return what makes the node answer nonsense."""
    return lambda: answers.update({BROKEN: lambda _: b"nonsense"})


@pytest.fixture
def recovers(answers: Answers) -> Callable[[], None]:
    """Return what makes the node answer again."""

    def recover() -> None:
        answers.pop(BROKEN, None)

    return recover


def seen(looker: Looker, clock: Clock, count: int, *, every: int = 3, silence: int = 60) -> list[Watched]:
    """Return the first things that a watch tells."""
    readings = watch(looker, every=every, silence=silence, clock=clock, ticking=clock, sleep=clock.sleep)
    return list(islice(readings, count))


def numbers(told: list[Watched]) -> list[int]:
    """Return the blocks of what was told, from the first one's."""
    return [watched.chain.block.number - told[0].chain.block.number for watched in told]


def test_every_new_block_is_read_once(looker: Looker, mine: Callable[[], Any]) -> None:
    """A look that finds no new block tells nothing; each block that comes is told, and is checked with the contract."""
    told = seen(looker, Clock(mine, nothing, nothing, mine), 3)

    assert [0, 1, 2] == numbers(told)
    assert {None} == {watched.failure for watched in told}
    assert {"exact"} == {view.account.self_check.result for watched in told for view in watched.report.views}


def test_a_new_price_is_seen_with_its_block(looker: Looker, world: World) -> None:
    """The figures are those of the new block, and equal to what `health` computes there."""
    before, after = seen(looker, Clock(lambda: world.set_price("WETH", 2_000 * 10**8)), 2)

    (expected,) = world.read("main", [world.account("comfortable")], block=after.chain.block)
    assert expected.health_factor == after.report.views[0].account.health_factor
    assert before.report.views[0].health_factor != after.report.views[0].health_factor


def test_a_node_that_fails_is_survived(
    looker: Looker, mine: Callable[[], Any], breaks: Callable[[], None], recovers: Callable[[], None]
) -> None:
    """The last good reading stays with its block and is not fresh; after the node is back so are new readings."""
    told = seen(looker, Clock(breaks, mine, recovers), 4)

    assert [0, 0, 0, 1] == numbers(told)
    assert [None, RpcMalformed, RpcMalformed, None] == [
        None if watched.failure is None else type(watched.failure) for watched in told
    ]
    assert [0, 1, 2, 0] == [watched.failures for watched in told]


def test_a_node_that_fails_is_asked_less_often(looker: Looker, breaks: Callable[[], None]) -> None:
    """The pause doubles with every failure, up to half a minute."""
    clock = Clock(breaks, *[nothing] * 5)
    seen(looker, clock, 7)

    assert [3, 6, 12, 24, 30, 30] == clock.slept


def test_the_first_look_must_succeed(looker: Looker, breaks: Callable[[], None]) -> None:
    """What cannot be read at the start is an error of the command, not something to wait for."""
    breaks()

    with pytest.raises(DataError):
        seen(looker, Clock(), 1)


def test_a_chain_that_stands_still_is_not_fresh(looker: Looker, mine: Callable[[], Any]) -> None:
    """Said once when no block comes for the time of silence, and taken back with the next block."""
    told = seen(looker, Clock(*[nothing] * 6, mine), 3, every=12)

    assert [0, 0, 1] == numbers(told)
    assert told[1].failure is not None
    assert "no new block" in told[1].failure.fact
    assert told[2].failure is None


def test_a_chain_that_goes_back_is_not_believed(looker: Looker, world: World, mine: Callable[[], Any]) -> None:
    """A newest block older than one that was read is a failure, also on a new connection."""
    snapshot = world.rpc("evm_snapshot")

    told = seen(looker, Clock(mine, lambda: world.rpc("evm_revert", snapshot), nothing), 4)

    assert [0, 1, 1, 1] == numbers(told)
    assert ["went back" in str(watched.failure) for watched in told] == [False, False, True, True]


def test_another_chain_behind_the_url_is_refused(looker: Looker, answers: Answers, breaks: Callable[[], None]) -> None:
    """When the node comes back as one of another genesis its figures are not taken for those of the watched chain."""

    def comes_back() -> None:
        answers.pop(BROKEN)
        answers[BROKEN] = _other_genesis

    def _other_genesis(params: list[Any]) -> Any:
        number = 0 if params[0] == "latest" else int(params[0], 16)
        return {"number": hex(number), "hash": "0x" + "ab" * 32, "timestamp": "0x1", "parentHash": "0x" + "00" * 32}

    told = seen(looker, Clock(breaks, comes_back), 3)

    assert "another chain" in str(told[2].failure)
    assert [0, 0, 0] == numbers(told)


def test_a_stale_reading_never_looks_fresh(
    looker: Looker, breaks: Callable[[], None], recovers: Callable[[], None]
) -> None:
    """Lines and JSON repeat no figure of a reading that is not fresh; the table marks it; metrics drop it."""
    fresh, stale, again = seen(looker, Clock(breaks, recovers), 3)
    now = fresh.chain.block.timestamp + 125

    document = watch_document(stale, now=now)
    assert [] == schema_problems(document)
    assert (False, [], 125) == (document["fresh"], document["accounts"], document["age"])
    assert "RpcMalformed" == document["failure"]["error"]
    (line,) = watch_lines(stale, now=now, ink=plain)
    assert "NO NEW READING" in line
    assert "2 min old" in line.replace("\u202f", " ")
    assert "health" not in line
    assert watch_frame(stale, now=now, width=100, ink=plain).startswith("NOT FRESH: ")
    for watched in (fresh, again):
        assert not watch_frame(watched, now=now, width=100, ink=plain).startswith("NOT FRESH")
        assert [] == schema_problems(watch_document(watched, now=now))
    assert "defilev_health_factor" in series(fresh)
    assert "defilev_health_factor" not in series(stale)
    assert 0.0 == series(stale)["defilev_fresh"]


def test_a_look_that_hangs_makes_the_last_reading_old(looker: Looker) -> None:
    """When the node keeps a look waiting, the table and the metrics no longer call what was read before it fresh."""
    (fresh,) = seen(looker, Clock(), 1)
    later = fresh.looked_at + 74

    assert as_of(fresh, now=fresh.looked_at + 73, limit=73).failure is None
    old = as_of(fresh, now=later, limit=73)
    assert watch_frame(old, now=later, width=100, ink=plain).startswith("NOT FRESH: the node has not been heard of")
    assert 1.0 == series(fresh, now=later - 1)["defilev_fresh"]
    assert 0.0 == series(fresh, now=later)["defilev_fresh"]
    assert "defilev_health_factor" not in series(fresh, now=later)


def series(watched: Watched, *, now: int | None = None) -> dict[str, float]:
    """Return what metrics tell of a reading, at once unless a time is given."""
    metrics = WatchMetrics(limit=73, clock=lambda: watched.looked_at if now is None else now)
    metrics.watched(watched)
    return {sample.name: sample.value for family in metrics.collect() for sample in family.samples}


def test_the_key_in_a_url_is_told_nowhere(looker: Looker, breaks: Callable[[], None]) -> None:
    """A failure names the node, never the path of its URL: it may be a key."""
    _, stale = seen(looker, Clock(breaks), 2)

    told = json.dumps(watch_document(stale, now=0)) + str(watch_lines(stale, now=0, ink=plain))
    assert "127.0.0.1" in told
    assert SECRET not in told
