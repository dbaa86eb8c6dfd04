"""Address books that lead elsewhere: no code, or the code of another contract, found out by asking it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from defilev.errors import NotDeployed
from defilev.model.book import MarketEntry
from defilev.model.request import Address
from defilev.observe.drive import drive
from defilev.protocols import PROTOCOLS
from tests.support.world import World

pytestmark = pytest.mark.world

NOWHERE = Address("0x" + "de" * 20)
KEYS = {
    "aave-v3": "pool_addresses_provider",
    "sparklend": "pool_addresses_provider",
    "compound-v3": "comet",
    "morpho-blue": "morpho",
}
ELSEWHERE: dict[str, Callable[[World], Address]] = {
    "no code": lambda _: NOWHERE,
    "a token": lambda world: world.token("WETH"),
    "a pool": lambda world: world.pool("main"),
}


@pytest.mark.parametrize("protocol", KEYS)
@pytest.mark.parametrize("what", ELSEWHERE)
def test_an_entry_point_that_leads_elsewhere_is_named(world: World, protocol: str, what: str) -> None:
    """Neither a read nor a probe takes another contract for the protocol's, and both name the address."""
    address = ELSEWHERE[what](world)
    entry = MarketEntry(protocol, "usdc", {KEYS[protocol]: address})
    block = world.head()
    fetch = world.reader(block).fetch
    one = entry.isolated("0x" + "12" * 32) if PROTOCOLS[protocol].is_isolated else entry
    read = PROTOCOLS[protocol].read_accounts(one, [world.account("mixed")], chain_id=world.chain_id, block=block)

    for asked in (read, PROTOCOLS[protocol].identify(entry)):
        with pytest.raises(NotDeployed, match=address):
            drive(asked, fetch)
