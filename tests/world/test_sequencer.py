"""A rollup's sequencer as its uptime feed and Aave's own sentinel say, read with the accounts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from defilev.abi import encode, keccak
from defilev.config.settings import Settings
from defilev.errors import SequencerDown
from defilev.model.account import LendingAccount
from defilev.model.request import Address
from defilev.pipeline.look import read_account
from defilev.pipeline.sequencing import require_sequencer
from defilev.pipeline.session import Session, connect
from tests.support.world import ROOT, World

pytestmark = pytest.mark.world

FEED = Address("0x00000000000000000000000000000000C0DE0040")
NOWHERE = Address("0x00000000000000000000000000000000C0DE0041")
GRACE = 3600
SENTINEL = "artifacts/contracts/protocol/configuration/PriceOracleSentinel.sol/PriceOracleSentinel.json"


@pytest.fixture
def operator(world: World) -> Address:
    return Address(world.description["operators"][0]["address"])


@pytest.fixture
def session(world: World, tmp_path: Path) -> Iterator[Session]:
    """Connect with an address book that names an uptime feed: a feed of this world's, at another address."""
    prices = world.description["feeds"]["WETH"]["address"]
    world.rpc("anvil_setCode", FEED, world.rpc("eth_getCode", prices, "latest"))
    world.rpc("anvil_setStorageAt", FEED, "0x2", world.rpc("eth_getStorageAt", prices, "0x2", "latest"))
    connected = connect(Settings(rpc_url=(world.rpc_url,), address_book=(_book(world, tmp_path, FEED),)))
    yield connected
    connected.close()


def _book(world: World, folder: Path, feed: Address) -> Path:
    book = folder / "book.toml"
    written = world.address_book.read_text()
    book.write_text(written.replace("[chain]", f'[chain]\nsequencer_uptime_feed = "{feed}"'))
    return book


def say(world: World, operator: Address, answer: int, *, since: int) -> None:
    data = keccak(b"setAt(int256,uint256)")[:4] + encode(["int256", "uint256"], [answer, since])
    assert "0x1" == world.send(operator, FEED, data)["status"]


def place_sentinel(world: World, operator: Address) -> None:
    """Deploy Aave's own contract, and name it in the market's provider."""
    found = next((ROOT / ".world" / "cache" / "packages").glob(f"aave-core-v3-*/{SENTINEL}"))
    provider = Address(world.description["markets"]["main"]["addresses_provider"])
    arguments = encode(["address", "address", "uint256"], [provider, FEED, GRACE])
    code = bytes.fromhex(json.loads(found.read_text())["bytecode"][2:]) + arguments
    placed = world.send(operator, None, code)["contractAddress"]
    data = keccak(b"setPriceOracleSentinel(address)")[:4] + encode(["address"], [placed])
    assert "0x1" == world.send(operator, provider, data)["status"]


def account_at(session: Session, world: World) -> LendingAccount:
    return read_account(session.at("latest"), world.account("comfortable"), protocol="aave-v3", market="main")


def names(account: LendingAccount) -> list[str]:
    return [notice.name for notice in account.warnings if notice.name != "stale-price"]


def test_what_the_feed_says_is_with_every_account(world: World, session: Session, operator: Address) -> None:
    """Up says nothing; down, no round, and what is neither forbid to sign; a restart is told for an hour."""
    now = world.head().timestamp
    said = {}
    for what, answer, since in (
        ("up", 0, now - 2 * GRACE), ("down", 1, now), ("no round", 0, 0), ("neither", 2, now), ("back", 0, now),
    ):  # fmt: skip
        say(world, operator, answer, since=since)
        said[what] = account_at(session, world)

    assert [[], ["sequencer-down"], ["sequencer-unknown"], ["sequencer-unknown"], ["sequencer-restarted"]] == [
        names(account) for account in said.values()
    ]
    require_sequencer(said["up"])
    require_sequencer(said["back"])
    for what in ("down", "no round", "neither"):
        with pytest.raises(SequencerDown):
            require_sequencer(said[what])


def test_a_feed_that_does_not_answer_counts_as_down(world: World, session: Session, tmp_path: Path) -> None:
    """A wrong address in the address book is no permission to sign, and hides no account."""
    mute = connect(Settings(rpc_url=(world.rpc_url,), address_book=(_book(world, tmp_path, NOWHERE),)))
    account = account_at(mute, world)
    mute.close()

    assert ["sequencer-unknown"] == names(account)
    assert account.health_factor == account_at(session, world).health_factor


def test_the_markets_own_sentinel_is_read(world: World, session: Session, operator: Address) -> None:
    """Aave's contract forbids to borrow and to liquidate until an hour after the restart; both are said."""
    place_sentinel(world, operator)
    say(world, operator, 0, since=world.head().timestamp)
    restarted = account_at(session, world)
    world.advance(GRACE + 12)

    assert ["sequencer-restarted", "borrow-disabled", "liquidation-grace"] == names(restarted)
    assert f"up for {GRACE} s" in restarted.warnings[-1].text
    assert [] == names(account_at(session, world))


def test_it_costs_no_round_trip(world: World, session: Session, operator: Address) -> None:
    """Feed and sentinel travel with the account's own batches."""
    place_sentinel(world, operator)
    plain = connect(Settings(rpc_url=(world.rpc_url,), address_book=(Path(world.address_book),)))

    def trips(asked: Session) -> int:
        before = asked.node.rpc.round_trips["eth_call"]
        account_at(asked, world)
        return int(asked.node.rpc.round_trips["eth_call"] - before)

    assert trips(plain) == trips(session)
    plain.close()
