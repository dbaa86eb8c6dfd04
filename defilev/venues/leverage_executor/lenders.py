"""Who lends a token for one transaction, what it costs there, and how much there is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from defilev.abi import interface
from defilev.abi.answers import decode_one
from defilev.model.executor import ExecutorReach
from defilev.model.request import Address, Call, CallResult, Read
from defilev.model.token import Token
from defilev.units import mul_div_up
from defilev.venues.contract import Route

__all__ = ["Lender", "Market", "read_lenders"]

PARTS = 1_000_000
_PARTS_PER_BPS = 100


@dataclass(frozen=True, slots=True)
class Market:
    """The lending market's own pool as a lender: `depth` base units, 0 when it does not lend in this way."""

    pool: Address
    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Lender:
    """Lends up to `depth` base units for a transaction; the fee is so many millionths of what is lent."""

    address: Address
    name: str
    depth: int
    millionths: int

    def fee(self, amount: int) -> int:
        """Return the most that lending `amount` base units costs: rounded up, as some lenders do."""
        return mul_div_up(amount, self.millionths, PARTS)


def read_lenders(reach: ExecutorReach, token: Token, market: Market, routes: Sequence[Route]) -> Read[list[Lender]]:
    """Return who lends `token`, the cheapest first, the deepest first of equals, in one batch.

    Asked are Morpho Blue, which lends for nothing, the market's own pool, and the pools of `routes` with that token.

    Raises:
        CallReverted: one of them does not answer.
    """
    pools = _pools(token, routes)
    calls = [*_of_morpho(reach, token), *_of_market(market), *(_held(token, pool) for pool in pools)]
    answers = iter((yield calls))
    found: list[Lender] = []
    if reach.morpho is not None:
        found.append(Lender(reach.morpho, "Morpho", _number(next(answers), "balanceOf"), 0))
    if market.depth:
        premium: int = decode_one(interface("aave_v3_pool")["FLASHLOAN_PREMIUM_TOTAL"], next(answers), what="pool")
        found.append(Lender(market.pool, market.name, market.depth, premium * _PARTS_PER_BPS))
    found += [
        Lender(pool, f"Uniswap pool {pool}", _number(answer, "balanceOf"), fee)
        for (pool, fee), answer in zip(pools.items(), answers, strict=True)
    ]
    return sorted(found, key=lambda lender: (lender.millionths, -lender.depth))


def _pools(token: Token, routes: Sequence[Route]) -> dict[Address, int]:
    """Return the pools that hold `token`, with their fees."""
    hops = (hop for route in routes for hop in route)
    return {hop.pool: hop.fee for hop in hops if token.address in (hop.token_in.address, hop.token_out.address)}


def _of_morpho(reach: ExecutorReach, token: Token) -> Iterator[Call]:
    if reach.morpho is not None:
        yield interface("erc20")["balanceOf"].call(token.address, reach.morpho)


def _of_market(market: Market) -> Iterator[Call]:
    if market.depth:
        yield interface("aave_v3_pool")["FLASHLOAN_PREMIUM_TOTAL"].call(market.pool)


def _held(token: Token, pool: Address) -> Call:
    return interface("erc20")["balanceOf"].call(token.address, pool)


def _number(answer: CallResult, function: str) -> int:
    return int(decode_one(interface("erc20")[function], answer, what="token"))
