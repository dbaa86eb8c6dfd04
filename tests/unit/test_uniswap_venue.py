from __future__ import annotations

from dataclasses import replace

import pytest

from defilev.abi import interface
from defilev.errors import CallReverted
from defilev.model.plan import Hop, Swap
from defilev.model.request import Address, Batch, CallResult
from defilev.observe.drive import drive
from defilev.venues import Order, Quote
from defilev.venues.uniswap_v3.write import encoded_path
from tests.factories import DAI, OWNER, USDC, WBTC, WETH, WSTETH
from tests.support.markets import PRICES, TOKENS, deep_pools
from tests.support.pools import ROUTER, VENUE, Pools

POOL = Address("0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640")
DIRECT = (Hop(WETH, USDC, 500, POOL),)
THROUGH = (Hop(WSTETH, WETH, 100, POOL), Hop(WETH, USDC, 500, POOL))


def swap_along(route: tuple[Hop, ...]) -> Swap:
    """Sell a thousand for at least nine hundred."""
    return Swap(route, 1000, 900, 950)


def test_a_path_is_tokens_and_fees() -> None:
    """A path has 20 bytes for each token and 3 for each fee between them."""
    expected = WSTETH.address[2:] + "000064" + WETH.address[2:] + "0001f4" + USDC.address[2:]

    assert expected.lower() == encoded_path(THROUGH).hex()


def test_one_hop_is_an_exact_input_single() -> None:
    """The owner receives, the amounts are those of the swap, and there is no price limit."""
    transaction = VENUE.transaction(swap_along(DIRECT), owner=OWNER)

    decoded = interface("uniswap_v3_swap_router_02")["exactInputSingle"].decode_arguments(transaction.data)
    assert (WETH.address, USDC.address, 500, OWNER, 1000, 900, 0) == decoded["params"]
    assert "04e45aaf" == transaction.data[:4].hex()
    assert ROUTER == transaction.to == VENUE.spender


def test_two_hops_are_an_exact_input() -> None:
    """The path carries both pools, and the owner receives."""
    transaction = VENUE.transaction(swap_along(THROUGH), owner=OWNER)

    decoded = interface("uniswap_v3_swap_router_02")["exactInput"].decode_arguments(transaction.data)
    assert (encoded_path(THROUGH), OWNER, 1000, 900) == decoded["params"]
    assert VENUE.gas(swap_along(THROUGH)) > VENUE.gas(swap_along(DIRECT))


def test_routes_are_all_pools_of_one_and_two_hops() -> None:
    """Every fee tier counts, directly and through every other token, in three batches at most."""
    pools = deep_pools()
    pools.add_at(PRICES, WETH, USDC, fee=3000, value=10**9 * 10**8)
    pools.add_at(PRICES, WSTETH, USDC, fee=10_000, value=10**9 * 10**8)

    (direct, through) = drive(VENUE.routes([(WETH, USDC), (WSTETH, USDC)], intermediates=TOKENS), pools.fetch)

    assert {(500,), (3000,), (100, 10_000)} == {tuple(hop.fee for hop in route) for route in direct}
    assert {(10_000,), (100, 500), (100, 3000)} == {tuple(hop.fee for hop in route) for route in through}
    assert 2 == len(pools.batches)


def test_there_may_be_no_route() -> None:
    """Tokens without pools have no routes, and nobody is asked for the liquidity of nothing."""
    assert ((),) == drive(VENUE.routes([(WBTC, DAI)], intermediates=()), Pools().fetch)


def test_a_pool_that_is_next_to_empty_is_left_out() -> None:
    """A pool with a hundred-thousandth of the deepest one's liquidity is not quoted."""
    pools = deep_pools()
    pools.add_at(PRICES, WETH, USDC, fee=100, value=10**3 * 10**8)

    (routes,) = drive(VENUE.routes([(WETH, USDC)], intermediates=()), pools.fetch)

    assert [(500,)] == [tuple(hop.fee for hop in route) for route in routes]


def test_a_quote_is_what_the_pools_would_give() -> None:
    """An order is quoted along its whole route; one that cannot be filled is not."""
    pools = deep_pools()
    missing = (replace(DIRECT[0], fee=10_000),)

    quotes = drive(VENUE.quotes([Order(THROUGH, 10**18), Order(missing, 10**18)]), pools.fetch)

    legs = [(hop.token_in.address, hop.token_out.address, hop.fee) for hop in THROUGH]
    assert (Quote(pools.sell(legs, 10**18), 80_000), None) == quotes


def test_a_factory_that_does_not_answer_is_an_error() -> None:
    """A revert of the factory is not taken for a pair without pools."""

    def reverted(batch: Batch) -> list[CallResult]:
        return [CallResult(success=False, data=b"") for _ in batch]

    with pytest.raises(CallReverted):
        drive(VENUE.routes([(WETH, USDC)], intermediates=()), reverted)
