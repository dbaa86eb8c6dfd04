"""Uniswap v3 through QuoterV2 and SwapRouter02."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from defilev.abi import Interface, Transaction, interface
from defilev.model.book import UniswapV3Entry
from defilev.model.plan import Swap
from defilev.model.request import Address, Read
from defilev.model.token import Token
from defilev.venues.contract import Order, Quote, Route
from defilev.venues.uniswap_v3 import quoting, routing, write

__all__ = ["UniswapV3"]


@dataclass(frozen=True, slots=True)
class UniswapV3:
    """Uniswap v3 as a `Venue`."""

    entry: UniswapV3Entry
    name: str = "uniswap-v3"
    spender_name: str = write.CONTRACT

    @property
    def spender(self) -> Address:
        """The swap router."""
        return self.entry.swap_router_02

    def hubs(self) -> Read[tuple[Token, ...]]:
        """See `routing.read_hubs`."""
        return routing.read_hubs(self.entry.swap_router_02)

    def routes(
        self, pairs: Sequence[tuple[Token, Token]], *, intermediates: Sequence[Token]
    ) -> Read[tuple[tuple[Route, ...], ...]]:
        """See `routing.read_routes`."""
        return routing.read_routes(self.entry.factory, pairs, intermediates=intermediates)

    def quotes(self, orders: Sequence[Order]) -> Read[tuple[Quote | None, ...]]:
        """See `quoting.read_quotes`."""
        return quoting.read_quotes(self.entry.quoter_v2, orders)

    def kept(self, route: Route) -> Fraction:
        """See `routing.kept`."""
        return routing.kept(route)

    def transaction(self, swap: Swap, *, owner: Address) -> Transaction:
        """See `write.transaction`."""
        return write.transaction(self.entry.swap_router_02, swap, owner=owner)

    def gas(self, swap: Swap) -> int:
        """See `write.gas`."""
        return write.gas(swap)

    def interfaces(self) -> tuple[Interface, ...]:
        """Return the router's interface."""
        return (interface("uniswap_v3_swap_router_02"),)
