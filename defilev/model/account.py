"""A lending account as it was read at one block, with the outcome of its self-check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from defilev.model.flow import StatefulValue
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.units import Bps, Ray, Wad

__all__ = ["Leg", "LendingAccount", "Notice", "Price", "SelfCheck"]

Side = Literal["supply", "borrow"]


@dataclass(frozen=True, slots=True)
class Price:
    """An oracle's price of one whole token, scaled by `10**decimals` in the market's quote currency.

    `source` is the contract that the oracle asks. `driver` is the feed at the bottom of it, with what it calls itself:
    assets with one driver move together. `ratio` is the exchange rate that multiplies the driver's answer, scaled by
    `10**ratio_decimals`, and `None` when the source is the driver itself. `updated_at` is a Unix time, `None` when the
    source does not say.
    """

    value: int
    decimals: int
    source: Address
    driver: Address
    updated_at: int | None = None
    description: str | None = None
    ratio: int | None = None
    ratio_decimals: int | None = None
    ratio_capped: bool | None = None
    driver_description: str | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One asset supplied or owed.

    `amount` is in base units and `value` in the market's quote base units, both rounded as the contract rounds them.
    `rate` is the yearly simple rate in ray that the leg earns or pays. `liquidation_threshold` and `loan_to_value` are
    what counts for this account, e-mode included, rounded down where the contract is finer, and `None` on borrows.
    Supply that is not `used_as_collateral` is idle: it is the owner's, and the contract counts it neither as collateral
    nor against debt.
    """

    side: Side
    asset: Token
    amount: int
    price: Price
    value: int
    rate: Ray
    liquidation_threshold: Bps | None = None
    loan_to_value: Bps | None = None
    used_as_collateral: bool = False


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """How the recomputed figures compare with the contract's at the same block.

    `exact`: equal to the last digit. `consistent`: the contract gives only a verdict, and it agrees. `unchecked`:
    there is nothing to compare with (a predicted state), and `compared` says why.
    """

    result: Literal["exact", "consistent", "unchecked"]
    compared: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the owner should know; `name` is stable, `text` is for people."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class LendingAccount(StatefulValue):
    """A position in one market at one block.

    Values (`collateral_value`, `debt_value`, `available_borrows`) are integers scaled by `10**quote_decimals`.
    `health_factor` is `None` when nothing is owed. `liquidation_threshold` and `loan_to_value` are the contract's
    averages over the collateral, rounded as it rounds them, and `None` without collateral.
    `state` is the protocol's own frozen state, from which its `apply` makes the next account; nobody else looks inside.
    `quote` is the currency of all values, `USD` or the symbol of a token. Where `market` is an id, `market_label` is
    what people call it, by the symbols that its tokens claim, and `deployment` the address book's entry that it is in;
    else both are empty.
    """

    SCHEMA: ClassVar[str] = "defilev/account@1"

    chain_id: int
    block: Block
    protocol: str
    market: str
    owner: Address
    quote_decimals: int
    collateral_value: int
    debt_value: int
    available_borrows: int
    liquidation_threshold: Bps | None
    loan_to_value: Bps | None
    health_factor: Wad | None
    contract_health_factor: Wad | None
    self_check: SelfCheck
    legs: tuple[Leg, ...]
    details: tuple[tuple[str, str], ...]
    warnings: tuple[Notice, ...]
    state: Any
    quote: str = "USD"
    market_label: str = ""
    deployment: str = ""

    @property
    def equity_value(self) -> int:
        """Collateral minus debt in quote base units; idle supply is not collateral."""
        return self.collateral_value - self.debt_value

    @property
    def is_empty(self) -> bool:
        """Whether nothing is supplied and nothing is owed, nor anything that could not be priced."""
        return not self.legs and not self.warnings
