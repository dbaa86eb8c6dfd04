from __future__ import annotations

import json

import pytest

from defilev.model.request import Address
from defilev.observe.drive import drive, drive_all
from defilev.protocols import PROTOCOLS
from tests.support.world import EVERY_MARKET, ISOLATED, World

pytestmark = pytest.mark.world

THREE = {"wstETH/WETH": 3, "WBTC/USDC": 3}
"""Markets whose feeds all keep rounds of their own."""
AAVE, MORPHO = PROTOCOLS["aave-v3"], PROTOCOLS["morpho-blue"]


@pytest.mark.parametrize("market", EVERY_MARKET)
def test_a_cold_read_takes_four_calls_and_a_warm_one_two(market: str, world: World) -> None:
    """Once chain and block are known, a market never seen costs four `eth_call`s at most and a remembered one two."""
    owner = world.account("morpho-several" if market in ISOLATED else "loop")
    node, block = world.node, world.head()
    reader = world.reader(block, node=node)
    entry = world.market(market)
    protocol = PROTOCOLS[entry.protocol]

    cold = drive(protocol.read_accounts(entry, [owner], chain_id=world.chain_id, block=block), reader.fetch)
    cold_calls = node.rpc.round_trips["eth_call"]
    metadata = json.loads(json.dumps(cold.metadata))
    warm = drive(
        protocol.read_accounts(entry, [owner], chain_id=world.chain_id, block=block, metadata=metadata), reader.fetch
    )

    assert (THREE.get(market, 4), 2) == (cold_calls, node.rpc.round_trips["eth_call"] - cold_calls)
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


def test_isolated_markets_share_their_calls(world: World) -> None:
    """All owners in all isolated markets cost no more round trips than one owner in one of them."""
    owners, node, block = list(world.accounts().values()), world.node, world.head()
    reader = world.reader(block, node=node)
    reads = [MORPHO.read_accounts(world.market(name), owners, chain_id=31337, block=block) for name in ISOLATED]

    found = drive_all(reads, reader.fetch)

    assert 4 == node.rpc.round_trips["eth_call"]
    assert len(ISOLATED) * len(owners) == sum(len(read.accounts) for read in found)
    assert 8 == sum(not account.is_empty for read in found for account in read.accounts)


def test_what_is_remembered_of_an_isolated_market_is_proved_by_its_id(world: World) -> None:
    """Parameters whose hash is another id are read anew."""
    owner, block = world.account("morpho-near"), world.head()
    fetch = world.reader(block).fetch
    near, other = (world.market(name) for name in ("wstETH/USDC", "wstETH/WETH"))
    true = drive(MORPHO.read_accounts(near, [owner], chain_id=31337, block=block), fetch)
    wrong = drive(MORPHO.read_accounts(other, [owner], chain_id=31337, block=block), fetch).metadata

    assert true == drive(MORPHO.read_accounts(near, [owner], chain_id=31337, block=block, metadata=wrong), fetch)


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
