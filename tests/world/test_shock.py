"""Feeds and pools moved on a fork, asked through their own functions and those of who reads them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest

from defilev.abi import interface
from defilev.abi.function import Function
from defilev.chain.anvil import Anvil, find_anvil
from defilev.chain.multicall import PinnedReader
from defilev.errors import FeedUnmovable, PoolUnmovable
from defilev.model.plan import Hop
from defilev.model.request import Address, Call
from defilev.model.token import Token
from defilev.observe.drive import drive
from defilev.simulate.feed_code import ASKED
from defilev.simulate.shock import move_feed, move_pool, thin_pool
from defilev.venues.contract import Order
from defilev.venues.uniswap_v3.moving import SLOT0
from defilev.venues.uniswap_v3.quoting import read_quotes
from tests.support.world import World

pytestmark = pytest.mark.world

DEEP = "WETH/USDC 0.05%"
UNIT = 10**18


@pytest.fixture
def fork(world: World) -> Iterator[Anvil]:
    """Lend a private fork of the local chain."""
    with Anvil(find_anvil(os.environ.get("DEFILEV_ANVIL"))) as anvil:
        anvil.fork(world.rpc_url, block=world.head(), chain_id=world.chain_id)
        yield anvil


def _hop(world: World, *, sold: str = "WETH", bought: str = "USDC") -> Hop:
    one, two = (
        Token(world.token(name), name, world.description["tokens"][name]["decimals"]) for name in (sold, bought)
    )
    return Hop(one, two, 500, Address(world.description["pools"][DEEP]["address"]))


def _router(world: World) -> Address:
    return Address(world.description["uniswap_v3"]["swap_router_02"])


def _price(fork: Anvil, hop: Hop) -> Fraction:
    """Return the price of WETH in USDC, whose address is the lower one."""
    root = SLOT0.decode_one(fork.node.call(SLOT0.call(hop.pool), block="latest").data)
    return Fraction(2**192, root * root)


def _brought(world: World, fork: Anvil, hop: Hop, amount: int) -> int:
    reader = PinnedReader(fork.node, multicall3=Address(world.description["multicall3"]), block=fork.node.block())
    quoter = Address(world.description["uniswap_v3"]["quoter_v2"])
    (quote,) = drive(read_quotes(quoter, [Order((hop,), amount)]), reader.fetch)
    assert quote is not None
    return quote.amount_out


def _lost(world: World, fork: Anvil, hop: Hop) -> float:
    """Return what part of the price a large sale loses to its own impact."""
    small, large = UNIT // 100, 1000 * UNIT
    return 1 - _brought(world, fork, hop, large) * small / (_brought(world, fork, hop, small) * large)


def test_a_moved_feed_answers_everything_it_answered(world: World, fork: Anvil) -> None:
    """Each function that answered still does, prices a fifth lower, the time that of the block, the rest as it was."""
    feed = Address(world.description["feeds"]["WETH"]["address"])

    def answers() -> dict[str, tuple[int, ...]]:
        calls = {name: Call(feed, Function(name.removesuffix("()"), (), ()).selector) for name in ASKED}
        found = {name: fork.node.call(call, block="latest") for name, call in calls.items()}
        words = {name: each.data for name, each in found.items() if each.success}
        return {
            name: tuple(int.from_bytes(data[at : at + 32], "big") for at in range(0, len(data), 32))
            for name, data in words.items()
        }

    before = answers()
    move_feed(fork, feed, Fraction(4, 5), name="WETH")
    fork.mine()
    after = answers()
    now = fork.node.block().timestamp

    assert before.keys() == after.keys()
    number, price, *_ = before["latestRoundData()"]
    assert (number, price * 4 // 5, now, now, number) == after["latestRoundData()"]
    assert (price * 4 // 5,) == after["latestAnswer()"]
    for name in ("decimals()", "description()", "version()"):
        assert before[name] == after[name]


def test_what_rests_on_a_feed_moves_with_it(world: World, fork: Anvil) -> None:
    """Aave's oracle prices wstETH through an adapter that reads the feed of ETH: a fifth lower too."""
    oracle = Address(world.description["markets"]["main"]["oracle"])
    asked = interface("aave_v3_oracle")["getAssetPrice"].call(oracle, world.token("wstETH"))
    (before,) = interface("aave_v3_oracle")["getAssetPrice"].decode(fork.node.call(asked, block="latest").data)
    move_feed(fork, Address(world.description["feeds"]["WETH"]["address"]), Fraction(4, 5), name="WETH")
    (after,) = interface("aave_v3_oracle")["getAssetPrice"].decode(fork.node.call(asked, block="latest").data)

    assert before * 0.8 == pytest.approx(after, rel=1e-9)


@pytest.mark.parametrize("place", ["nobody", "token"])
def test_what_is_no_feed_is_refused(world: World, fork: Anvil, place: str) -> None:
    """An address without code, and a contract that answers only decimals, are named and left alone."""
    address = world.token("USDC") if place == "token" else Address("0x000000000000000000000000000000000000dEaD")
    code = fork.node.code(address)
    with pytest.raises(FeedUnmovable, match="comes from no feed"):
        move_feed(fork, address, Fraction(1, 2), name="USDC")

    assert code == fork.node.code(address)


@pytest.mark.parametrize("factor", [Fraction(7, 10), Fraction(13, 10)])
@pytest.mark.parametrize("is_turned", [False, True])
def test_a_pool_is_swapped_to_the_price(world: World, fork: Anvil, *, factor: Fraction, is_turned: bool) -> None:
    """Down and up, whichever of its tokens is named first, within a millionth."""
    hop = _hop(world)
    before = _price(fork, hop)
    turned = _hop(world, sold="USDC", bought="WETH")
    move_pool(fork, _router(world), turned if is_turned else hop, 1 / factor if is_turned else factor)

    assert float(before * factor) == pytest.approx(float(_price(fork, hop)), rel=1e-5)


def test_half_of_the_liquidity_is_twice_the_impact(world: World, fork: Anvil) -> None:
    """A sale of 1,000 WETH loses twice as much; the price of a small one stays, and what was thinned still trades."""
    hop = _hop(world)
    price, before, small = _price(fork, hop), _lost(world, fork, hop), _brought(world, fork, hop, UNIT // 100)
    thin_pool(fork, hop, Fraction(1, 2))

    assert price == _price(fork, hop)
    assert small == pytest.approx(_brought(world, fork, hop, UNIT // 100), rel=1e-5)
    assert 2 * before == pytest.approx(_lost(world, fork, hop), rel=0.02)


def test_a_pool_out_of_its_liquidity_can_be_thinned_further(world: World, fork: Anvil) -> None:
    """A price far outside of the range of all positions has nothing left to halve, and no node complains."""
    hop = _hop(world)
    move_pool(fork, _router(world), hop, Fraction(1, 5))
    thin_pool(fork, hop, Fraction(1, 2))

    assert _price(fork, hop) > 0


def test_a_token_that_nobody_can_be_dealt_ends_it(world: World, fork: Anvil) -> None:
    """A contract without balances in the place of the token that must be sold: the pair is named."""
    hop = _hop(world)
    strange = replace(hop, token_in=Token(Address(world.description["uniswap_v3"]["factory"]), "ODD", 18))
    with pytest.raises(PoolUnmovable, match="ODD/USDC"):
        move_pool(fork, _router(world), strange, Fraction(1, 2))
