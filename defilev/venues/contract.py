"""What a venue must offer, so that the planner needs to know nothing of its pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeAlias

from defilev.abi import Interface, Transaction
from defilev.model.plan import Hop, Swap
from defilev.model.request import Address, Read
from defilev.model.token import Token

__all__ = ["Order", "Quote", "Route", "Venue"]

Route: TypeAlias = tuple[Hop, ...]
"""Pools one after another, from the token sold to the token bought."""


@dataclass(frozen=True, slots=True)
class Order:
    """Sell exactly `amount_in` base units along `route`."""

    route: Route
    amount_in: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order would bring at the block of the read, in base units, and the gas of the swap alone."""

    amount_out: int
    gas: int


class Venue(Protocol):
    """A place where tokens are exchanged: pure functions and reads without input or output."""

    @property
    def name(self) -> str:
        """Return the name by which commands call it."""
        ...

    @property
    def spender(self) -> Address:
        """Return the contract that takes the tokens sold."""
        ...

    @property
    def spender_name(self) -> str:
        """Return what people call that contract."""
        ...

    def hubs(self) -> Read[tuple[Token, ...]]:
        """Return the tokens that most pools are with: the wrapped native asset, where the venue names one."""
        ...

    def routes(
        self, pairs: Sequence[tuple[Token, Token]], *, intermediates: Sequence[Token]
    ) -> Read[tuple[tuple[Route, ...], ...]]:
        """Return, for each (sold, bought), the routes of one and two hops that have pools, maybe none."""
        ...

    def quotes(self, orders: Sequence[Order]) -> Read[tuple[Quote | None, ...]]:
        """Return what each order would bring if it were alone; `None` for those that the venue cannot fill."""
        ...

    def kept(self, route: Route) -> Fraction:
        """Return the part of what is sold that the fees along `route` leave."""
        ...

    def transaction(self, swap: Swap, *, owner: Address) -> Transaction:
        """Return the call that performs `swap` and sends what it brings to `owner`."""
        ...

    def gas(self, swap: Swap) -> int:
        """Return a gas limit that suffices for `swap`."""
        ...

    def interfaces(self) -> tuple[Interface, ...]:
        """Return the interfaces of the contracts that a swap calls."""
        ...
