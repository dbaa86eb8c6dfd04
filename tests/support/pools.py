"""Uniswap v3 as a transport sees it: pools of a constant product behind the factory's and the quoter's own calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from defilev.abi import encode, interface
from defilev.abi.address import ZERO_ADDRESS, address_from_word
from defilev.model.book import UniswapV3Entry
from defilev.model.request import Address, Batch, Call, CallResult
from defilev.model.token import Token
from defilev.venues.uniswap_v3 import UniswapV3
from defilev.venues.uniswap_v3.routing import LIQUIDITY

__all__ = ["FACTORY", "QUOTER", "ROUTER", "VENUE", "Pools"]

FACTORY = Address("0x1F98431c8aD98523631AE4a59f267346ea31F984")
QUOTER = Address("0x61fFE014bA17989E743c5F6cB21bF9697530B21e")
ROUTER = Address("0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45")
VENUE = UniswapV3(UniswapV3Entry(FACTORY, QUOTER, ROUTER))

REVERTED = CallResult(success=False, data=b"")
FEE_UNIT = 10**6


@dataclass
class Pools:
    """Reserves in base units by (token, token, fee); answers what the factory, the quoter and a pool are asked."""

    reserves: dict[tuple[Address, Address, int], tuple[int, int]] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)

    def add(self, one: Token, other: Token, fee: int, amounts: tuple[int, int]) -> None:
        """Add a pool that holds `amounts` of the two tokens."""
        self.reserves[one.address, other.address, fee] = amounts
        self.reserves[other.address, one.address, fee] = (amounts[1], amounts[0])

    def add_at(self, prices: Mapping[Token, int], one: Token, other: Token, *, fee: int, value: int) -> None:
        """Add a pool with `value` quote units on each side, which trades at the prices of whole tokens."""
        first, second = (value * 10**token.decimals // prices[token] for token in (one, other))
        self.add(one, other, fee, (first, second))

    def fetch(self, batch: Batch) -> list[CallResult]:
        """Answer a batch as a node does."""
        self.batches.append(len(batch))
        return [self._answer(call) for call in batch]

    def sell(self, route: list[tuple[Address, Address, int]], amount: int) -> int:
        """Return what `amount` brings along `route`; 0 where a pool is missing."""
        for step in route:
            if step not in self.reserves:
                return 0
            held_in, held_out = self.reserves[step]
            taken = amount * (FEE_UNIT - step[2]) // FEE_UNIT
            amount = held_out * taken // (held_in + taken)
        return amount

    def _answer(self, call: Call) -> CallResult:
        if call.to == FACTORY:
            arguments = interface("uniswap_v3_factory")["getPool"].decode_arguments(call.data)
            return CallResult(success=True, data=encode(["address"], [self._pool(*arguments.values())]))
        if call.to == QUOTER:
            return self._quote(call)
        assert call.data == LIQUIDITY.encode()
        return CallResult(success=True, data=encode(["uint128"], [self._depth(call.to)]))

    def _quote(self, call: Call) -> CallResult:
        arguments = interface("uniswap_v3_quoter_v2")["quoteExactInput"].decode_arguments(call.data)
        brought = self.sell(_route(arguments["path"]), arguments["amountIn"])
        if not brought:
            return REVERTED
        types = ["uint256", "uint160[]", "uint32[]", "uint256"]
        return CallResult(success=True, data=encode(types, [brought, [], [], 80_000]))

    def _pool(self, one: Address, other: Address, fee: int) -> Address:
        if (one, other, fee) not in self.reserves:
            return ZERO_ADDRESS
        low, high = sorted((int(one, 16), int(other, 16)))
        return address_from_word(low * 31 + high * 17 + fee)

    def _depth(self, pool: Address) -> int:
        for (one, other, fee), (held, other_held) in self.reserves.items():
            if self._pool(one, other, fee) == pool:
                return int((held * other_held) ** 0.5)
        return 0


def _route(path: bytes) -> list[tuple[Address, Address, int]]:
    tokens = [address_from_word(int.from_bytes(path[at : at + 20], "big")) for at in range(0, len(path), 23)]
    fees = [int.from_bytes(path[at : at + 3], "big") for at in range(20, len(path) - 20, 23)]
    return list(zip(tokens, tokens[1:], fees, strict=False))
