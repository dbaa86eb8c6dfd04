"""Everything of a Comet (one market of Compound v3) that an account's figures depend on, as read at one block."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.model.account import Price
from defilev.model.request import Address, Block
from defilev.model.token import Token

__all__ = ["Collateral", "CometMarket", "CometState", "RateModel", "Totals"]


@dataclass(frozen=True, slots=True)
class RateModel:
    """A rate over utilisation that bends once at `kink`; every figure in wad, rates per second."""

    kink: int
    base: int
    slope_low: int
    slope_high: int


@dataclass(frozen=True, slots=True)
class Totals:
    """What all accounts have in the base asset: principals, and the indices (1e15) stored at Unix time `at`."""

    supply_index: int
    borrow_index: int
    supply_principal: int
    borrow_principal: int
    at: int


@dataclass(frozen=True, slots=True)
class Collateral:
    """One collateral of the market; factors in wad, `scale` is one whole token in base units.

    `offset` is its bit in an account's set of assets. `supply_cap` and `supplied` are in base units. `price` is `None`
    while its feed gives none.
    """

    offset: int
    asset: Token
    feed: Address
    scale: int
    borrow_factor: int
    liquidate_factor: int
    liquidation_factor: int
    supply_cap: int
    supplied: int
    price: Price | None


@dataclass(frozen=True, slots=True)
class CometMarket:
    """One market: all lend and borrow `base` against the collaterals, which ascend by offset.

    `base_price` is `None` while its feed gives none. `borrow_minimum` and `cash`, what can leave the market, are base
    units of `base`. `pause_flags` has one bit each for supply, transfer, withdraw, absorb and buy. `quote` names the
    currency that all feeds are in, `None` when nothing says it.
    """

    name: str
    comet: Address
    base: Token
    base_feed: Address
    base_price: Price | None
    borrow_minimum: int
    cash: int
    pause_flags: int
    supply_rates: RateModel
    borrow_rates: RateModel
    totals: Totals
    collaterals: tuple[Collateral, ...]
    quote: str | None


@dataclass(frozen=True, slots=True)
class CometState:
    """One account of one market at the Unix time `at`.

    `principal` is the base asset supplied (positive) or owed (negative) before interest. `assets` has bit `offset` set
    for each collateral held, and `balances`, in base units, runs parallel to the market's collaterals.
    """

    chain_id: int
    block: Block
    at: int
    market: CometMarket
    owner: Address
    principal: int
    assets: int
    balances: tuple[int, ...]

    def index_of(self, asset: Address) -> int:
        """Return the place of `asset` among the collaterals; raises `KeyError` for the base asset and all others."""
        for index, collateral in enumerate(self.market.collaterals):
            if collateral.asset.address == asset:
                return index
        raise KeyError(asset)

    def holds(self, index: int) -> bool:
        """Return whether the contract counts the collateral at `index`."""
        return bool(self.assets >> self.market.collaterals[index].offset & 1)
