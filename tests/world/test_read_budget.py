from __future__ import annotations

import json

import pytest

from defilev.model.request import Address
from defilev.observe.drive import drive
from defilev.protocols import PROTOCOLS
from tests.support.world import MARKETS, World

pytestmark = pytest.mark.world

AAVE = PROTOCOLS["aave-v3"]


@pytest.mark.parametrize("market", MARKETS)
def test_a_cold_read_takes_four_calls_and_a_warm_one_two(market: str, world: World) -> None:
    """Once chain and block are known, a market never seen costs four `eth_call`s and a remembered one two."""
    owner = world.account("loop")
    node, block = world.node, world.head()
    reader = world.reader(block, node=node)
    entry = world.market(market)

    cold = drive(AAVE.read_accounts(entry, [owner], chain_id=world.chain_id, block=block), reader.fetch)
    cold_calls = node.rpc.round_trips["eth_call"]
    metadata = json.loads(json.dumps(cold.metadata))
    warm = drive(
        AAVE.read_accounts(entry, [owner], chain_id=world.chain_id, block=block, metadata=metadata), reader.fetch
    )

    assert (cold_calls, node.rpc.round_trips["eth_call"] - cold_calls) == (4, 2)
    assert warm == cold


def test_a_thousand_accounts_share_their_calls(world: World) -> None:
    """A thousand accounts, positions among them, are read in at most 60 `eth_call`s."""
    owners = list(world.accounts().values())
    owners += [Address(f"0x{place:040x}") for place in range(1, 1001 - len(owners))]
    node, block = world.node, world.head()
    reader = world.reader(block, node=node)

    read = drive(AAVE.read_accounts(world.market("main"), owners, chain_id=world.chain_id, block=block), reader.fetch)

    assert len(read.accounts) == 1000
    assert node.rpc.round_trips["eth_call"] <= 60
    assert {account.self_check.result for account in read.accounts} == {"exact"}


def test_what_was_remembered_is_verified(world: World) -> None:
    """Metadata that the market no longer matches is read again instead of believed."""
    owner = world.account("mixed")
    block = world.head()
    fetch = world.reader(block).fetch
    entry = world.market("main")
    true = drive(AAVE.read_accounts(entry, [owner], chain_id=world.chain_id, block=block), fetch)
    shorter = {**true.metadata, "symbols": dict(list(true.metadata["symbols"].items())[:-1])}
    moved = {**true.metadata, "oracle": world.account("empty")}

    for wrong in (shorter, moved):
        read = drive(AAVE.read_accounts(entry, [owner], chain_id=world.chain_id, block=block, metadata=wrong), fetch)
        assert read == true
