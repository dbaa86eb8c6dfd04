"""An account as linear forms of its price drivers: what risk is computed from, whatever the protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from defilev.model.flow import FlowValue
from defilev.model.request import Address

__all__ = ["Driver", "Exposure", "Term", "plain_symbol"]


@dataclass(frozen=True, slots=True)
class Driver:
    """A feed that prices move with; `price` is its quote value now, `stable` whether it is meant to stay at one.

    `fixed` says that it is the currency that the account counts in: it has no price that could move.
    """

    feed: Address
    symbol: str
    price: float
    stable: bool
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """What one asset contributes when its driver is multiplied by a factor f: each figure times f, in quote units.

    `capacity` is the threshold-weighted collateral, `requirement` the debt, `equity` collateral minus debt;
    `idle` supply is in none of them.
    """

    asset: Address
    symbol: str
    driver: Address
    price: float
    capacity: float
    requirement: float
    equity: float
    supply_rate: float
    borrow_rate: float


@dataclass(frozen=True, slots=True)
class Exposure(FlowValue):
    """`capacity`, `requirement` and `equity` of an account as sums over `terms`, linear in the drivers' factors.

    `liquidated_at_equality` says whether capacity equal to requirement is already liquidatable. `relative` says that
    the drivers are prices in the currency that the account counts in, whose own price in dollars moves as well.
    """

    SCHEMA: ClassVar[str] = "defilev/exposure@1"

    protocol: str
    market: str
    owner: Address
    drivers: tuple[Driver, ...]
    terms: tuple[Term, ...]
    liquidated_at_equality: bool = False
    relative: bool = False


def plain_symbol(symbol: str) -> str:
    """Return ETH for WETH and BTC for WBTC, in capitals: what a driver is called whatever feed it is."""
    name = symbol.upper()
    return name[1:] if name in {"WETH", "WBTC"} else name
