"""Everything that owners have, on every protocol at once: how often a node is asked, and that nothing is missed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from defilev.model.book_file import MarketChoice
from defilev.model.request import Address
from defilev.pipeline.look import Looked, look
from defilev.pipeline.markets import markets_of
from defilev.pipeline.session import Session
from tests.support.world import World

pytestmark = pytest.mark.world

OWNERS = 50
MORE_ROUND_TRIPS = 2


def _owners(world: World) -> list[Address]:
    """Return the chain's accounts, and addresses without a position to make up the number."""
    named = list(world.accounts().values())
    return named + [Address(f"0x{place:040x}") for place in range(1, OWNERS + 1 - len(named))]


def _counted(session: Session, owners: Sequence[Address], protocol: str | None) -> tuple[Looked, int]:
    """Read the markets of a protocol, or of all of them, and count the calls to the node."""
    trips = session.node.rpc.round_trips
    before = trips["eth_call"]
    looked = look(session, owners, markets_of(session, [MarketChoice(protocol)]), is_named=False)
    return looked, trips["eth_call"] - before


def test_all_protocols_cost_little_more_than_the_slowest(world: World, session: Session) -> None:
    """All protocols × 50 owners take at most 2 round trips more than the slowest of them alone, and miss nothing."""
    owners = _owners(world)
    protocols = sorted({asked.entry.protocol for asked in markets_of(session)})

    apart = {protocol: _counted(session, owners, protocol) for protocol in protocols}
    together, count = _counted(session, owners, None)

    assert OWNERS == len(set(owners))
    assert count <= max(trips for _, trips in apart.values()) + MORE_ROUND_TRIPS
    assert ((), ()) == (together.unread, together.absent)
    found = [account for looked, _ in apart.values() for account in looked.accounts]
    assert sorted(found, key=repr) == sorted(together.accounts, key=repr)
    assert OWNERS * len(markets_of(session)) <= len(together.accounts)


def test_one_protocol_costs_what_its_own_read_does(world: World, session: Session) -> None:
    """A single owner in a single protocol takes no more than the four round trips of a cold read."""
    for protocol in {asked.entry.protocol for asked in markets_of(session)}:
        _, count = _counted(session, [world.account("mixed")], protocol)

        assert count <= 4
