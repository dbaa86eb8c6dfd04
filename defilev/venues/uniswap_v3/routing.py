"""Which pools there are between two tokens, directly or through one other token."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import TypeAlias

from defilev.abi import Function, interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.answers import decode_optional, token_symbol
from defilev.errors import CallReverted
from defilev.model.plan import Hop
from defilev.model.request import Address, CallResult, Read
from defilev.model.token import Token
from defilev.venues.contract import Route

__all__ = ["FEE_TIERS", "kept", "read_hubs", "read_routes"]

NATIVE_DECIMALS = 18

FEE_UNIT = 10**6
FEE_TIERS = (100, 500, 3000, 10000)
"""The fees of the pools in hundredths of a basis point."""

LIQUIDITY = Function("liquidity", (), ("uint128",))
SHALLOW = 10_000
"""A pool with less than this part of the deepest one's liquidity is left out: quoting an empty one costs a node
millions of gas, because it walks over every tick."""

Edge: TypeAlias = tuple[Address, Address]
Pools: TypeAlias = Mapping[Edge, Sequence[tuple[int, Address]]]


def read_hubs(router: Address) -> Read[tuple[Token, ...]]:
    """Return the wrapped native asset as the router names it, in two batches; nothing when it names none."""
    (named,) = yield [interface("uniswap_v3_swap_router_02")["WETH9"].call(router)]
    wrapped = decode_optional(interface("uniswap_v3_swap_router_02")["WETH9"], named)
    if wrapped is None or wrapped[0] == ZERO_ADDRESS:
        return ()
    (symbol,) = yield [interface("erc20")["symbol"].call(wrapped[0])]
    return (Token(wrapped[0], token_symbol(wrapped[0], symbol), NATIVE_DECIMALS),)


def read_routes(
    factory: Address, pairs: Sequence[tuple[Token, Token]], *, intermediates: Sequence[Token]
) -> Read[tuple[tuple[Route, ...], ...]]:
    """Return, for each (sold, bought), its routes of one hop and of two over `intermediates`, in every fee tier.

    Two batches: the pools of the factory, then their liquidity in range; pools without any are left out.

    Raises:
        CallReverted: the factory does not answer.
    """
    edges = _edges(pairs, intermediates)
    get_pool = interface("uniswap_v3_factory")["getPool"]
    asked = [(edge, fee) for edge in edges for fee in FEE_TIERS]
    answers = yield [get_pool.call(factory, *edge, fee) for edge, fee in asked]
    found = [(edge, fee, _pool(result)) for (edge, fee), result in zip(asked, answers, strict=True)]
    existing = [(edge, fee, pool) for edge, fee, pool in found if pool != ZERO_ADDRESS]
    depths = yield [LIQUIDITY.call(pool) for _, _, pool in existing]
    pools = _deep_pools(existing, [_liquidity(result) for result in depths])
    return tuple(tuple(_routes(sold, bought, intermediates, pools)) for sold, bought in pairs)


def kept(route: Route) -> Fraction:
    """Return the part of what is sold that the fees of the pools along `route` leave."""
    return prod((1 - Fraction(hop.fee, FEE_UNIT) for hop in route), start=Fraction(1))


def _edges(pairs: Sequence[tuple[Token, Token]], intermediates: Sequence[Token]) -> list[Edge]:
    edges: dict[Edge, None] = {}
    for sold, bought in pairs:
        edges[_edge(sold, bought)] = None
        for middle in _between(sold, bought, intermediates):
            edges[_edge(sold, middle)] = None
            edges[_edge(middle, bought)] = None
    return list(edges)


def _edge(one: Token, other: Token) -> Edge:
    first, second = sorted((one.address, other.address), key=str.lower)
    return first, second


def _between(sold: Token, bought: Token, intermediates: Sequence[Token]) -> list[Token]:
    ends = {sold.address, bought.address}
    return [token for token in intermediates if token.address not in ends]


def _pool(result: CallResult) -> Address:
    if not result.success:
        raise CallReverted("the Uniswap v3 factory does not answer getPool()", revert_data="0x" + result.data.hex())
    pool: Address = interface("uniswap_v3_factory")["getPool"].decode_one(result.data)
    return pool


def _liquidity(result: CallResult) -> int:
    return int(LIQUIDITY.decode_one(result.data)) if result.success else 0


def _deep_pools(existing: Sequence[tuple[Edge, int, Address]], depths: Sequence[int]) -> Pools:
    deepest: dict[Edge, int] = {}
    for (edge, _, _), depth in zip(existing, depths, strict=True):
        deepest[edge] = max(depth, deepest.get(edge, 0))
    pools: dict[Edge, list[tuple[int, Address]]] = {}
    for (edge, fee, pool), depth in zip(existing, depths, strict=True):
        if depth * SHALLOW > deepest[edge]:
            pools.setdefault(edge, []).append((fee, pool))
    return pools


def _routes(sold: Token, bought: Token, intermediates: Sequence[Token], pools: Pools) -> Iterable[Route]:
    yield from ((hop,) for hop in _hops(sold, bought, pools))
    for middle in _between(sold, bought, intermediates):
        yield from product(_hops(sold, middle, pools), _hops(middle, bought, pools))


def _hops(token_in: Token, token_out: Token, pools: Pools) -> list[Hop]:
    return [Hop(token_in, token_out, fee, pool) for fee, pool in pools.get(_edge(token_in, token_out), ())]
