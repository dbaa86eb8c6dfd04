"""What the rules share: the bounds of a plan's calls, one rule's outcome, and a call as its bytes say it; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from defilev.model.account import Price
from defilev.model.request import Address
from defilev.model.token import Token

__all__ = [
    "Bounds",
    "Check",
    "DecodedCall",
    "Holdings",
    "MarketMove",
    "MarketRules",
    "MoveKind",
    "is_above_zero",
    "is_collateral",
    "is_of_market",
    "is_owner",
]

MoveKind: TypeAlias = Literal["withdraw", "repay", "supply", "reduce", "borrow", "repay-with-supply"]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the account has where a market wants numbers: base units of collateral, shares of what is lent and owed."""

    collateral: int
    supply_shares: int
    debt_shares: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the calls of one owner on one market may touch.

    `tokens` are the market's, and those that a sale may pass through. `prices` are the oracle's of what the account
    holds and owes, `debts` base units owed by token. `minimum_fill` is the part of the oracle's value that a swap's
    minimum must bring. `selectors` are those that the chain's list has for each role, `None` where no list is shipped:
    then the rules decide alone. `holdings` is `None` where the market knows what everything is. `collateral` are the
    tokens that the account has as such. `is_for_another` says that the signer is not the owner: it repays exact amounts
    on the owner's behalf, and nothing else. `house` is the contract that perpetuals are traded at, beside the pool that
    takes their margin; `None` for loans. `at` is the Unix time of the account's block, `supplies` what is
    held by token. `levers` says that the owner lets leverage be raised, `goal` is the kind of the plan's goal: some
    calls belong to one goal only. `executor` is the verified contract that acts in one call, `None` where a plan does
    without it, and `receipts` has by address the tokens that stand for what is supplied, each with the token that it
    stands for.
    """

    owner: Address
    protocol: str
    market: str
    pool: Address
    router: Address | None
    tokens: Mapping[Address, Token]
    prices: Mapping[Address, Price]
    minimum_fill: Decimal
    debts: Mapping[Address, int]
    selectors: Mapping[str, frozenset[bytes]] | None = None
    holdings: Holdings | None = None
    collateral: frozenset[Address] = frozenset()
    is_for_another: bool = False
    house: Address | None = None
    at: int = 0
    supplies: Mapping[Address, int] = field(default_factory=dict)
    goal: str = ""
    levers: bool = False
    executor: Address | None = None
    receipts: Mapping[Address, tuple[Token, Address]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One rule applied to one call: what was found, and what would be allowed."""

    rule: str
    holds: bool
    found: object
    allowed: object


@dataclass(frozen=True, slots=True)
class MarketMove:
    """What a call to the market's contract moves between it and the wallet.

    `amount` is in base units, `None` for everything there is, or for what `shares` of it turn out to be. `or_supply`
    says that the same call repays what is owed and adds to what is not.
    """

    kind: MoveKind
    asset: Address
    amount: int | None
    shares: int | None = None
    or_supply: bool = False


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """A call as its bytes say it; `move` is `None` for calls that move nothing in the market.

    `pulled` is what the executor takes by allowance: the token, and how many base units.
    """

    to: Address
    role: str
    function: str
    arguments: Mapping[str, Any]
    move: MarketMove | None = None
    pulled: tuple[Address, int] | None = None


@dataclass(frozen=True, slots=True)
class MarketRules:
    """What may be called of one protocol's contract: its interface, the rules by function, and what a call moves.

    `for_another` has, beside those rules, what a signer must keep who is not the owner, by the functions that it may
    call at all: none where there is no such rule. `house` has the rules for the contract that perpetuals are traded at,
    `levering` those for calls that are made only where the owner lets leverage be raised.
    `by_goal` has those for functions that a plan with such a goal may call.
    """

    interface: str
    rules: Mapping[str, Callable[[DecodedCall, Bounds], Iterator[Check]]]
    move: Callable[[str, Mapping[str, Any]], MarketMove | None]
    for_another: Mapping[str, Callable[[DecodedCall, Bounds], Iterator[Check]]] = field(default_factory=dict)
    house: Mapping[str, Callable[[DecodedCall, Bounds], Iterator[Check]]] = field(default_factory=dict)
    by_goal: Mapping[str, Mapping[str, Callable[[DecodedCall, Bounds], Iterator[Check]]]] = field(default_factory=dict)
    levering: Mapping[str, Callable[[DecodedCall, Bounds], Iterator[Check]]] = field(default_factory=dict)


def is_of_market(name: str, token: Address, bounds: Bounds) -> Check:
    """Return whether a token is one of the market."""
    return Check(name, token in bounds.tokens, token, "a token of the market")


def is_collateral(name: str, token: Address, bounds: Bounds) -> Check:
    """Return whether a token is collateral of the account already."""
    return Check(name, token in bounds.collateral, token, "collateral of the account")


def is_owner(name: str, address: Address, bounds: Bounds) -> Check:
    """Return whether an address is the owner's."""
    return Check(name, address == bounds.owner, address, f"the owner, {bounds.owner}")


def is_above_zero(name: str, amount: int) -> Check:
    """Return whether an amount is more than nothing."""
    return Check(name, amount > 0, amount, "above zero")
