"""Everything of an Aave v3 market that an account's figures depend on, as read at one block."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.model.account import Price
from defilev.model.request import Address, Block
from defilev.model.token import Token

__all__ = ["AaveMarket", "AaveState", "EMode", "Position", "Reserve"]


@dataclass(frozen=True, slots=True)
class AaveMarket:
    """A market's contracts; `regime` names the rounding rules in force and `base_unit` is one of the quote currency."""

    protocol: str
    name: str
    addresses_provider: Address
    pool: Address
    oracle: Address
    revision: int
    regime: str
    base_unit: int


@dataclass(frozen=True, slots=True)
class Reserve:
    """One asset of the market.

    `configuration` is the contract's bitmap. Indices and yearly rates are in ray, stored at Unix time `last_update`.
    `price` is `None` when the oracle gives none; `available_liquidity` is in base units.
    """

    asset: Token
    id: int
    configuration: int
    liquidity_index: int
    liquidity_rate: int
    variable_borrow_index: int
    variable_borrow_rate: int
    last_update: int
    a_token: Address
    stable_debt_token: Address
    variable_debt_token: Address
    price: Price | None
    available_liquidity: int


@dataclass(frozen=True, slots=True)
class Position:
    """What one account has in one reserve: balances in scaled units, `stable_debt` in base units (before 3.2)."""

    scaled_supply: int = 0
    scaled_debt: int = 0
    stable_debt: int = 0


@dataclass(frozen=True, slots=True)
class EMode:
    """An efficiency-mode category; ratios in bps.

    Bitmaps have bit `i` for reserve id `i` and are `None` before 3.2, where a reserve's own configuration names its
    category. `price` replaces the reserves' own in old categories that have a price source, and is else `None`.
    """

    id: int
    loan_to_value: int
    liquidation_threshold: int
    liquidation_bonus: int
    label: str
    collateral_bitmap: int | None = None
    borrowable_bitmap: int | None = None
    ltv_zero_bitmap: int = 0
    isolated: bool = False
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class AaveState:
    """One account of one market at the Unix time `at`.

    `positions` runs parallel to `reserves`, which ascend by id. `user_configuration` is the contract's bitmap:
    bit `2i` borrowing, bit `2i + 1` used as collateral. `categories` are e-modes that
    were read beside the account's own.
    """

    chain_id: int
    block: Block
    at: int
    market: AaveMarket
    owner: Address
    e_mode: EMode | None
    user_configuration: int
    reserves: tuple[Reserve, ...]
    positions: tuple[Position, ...]
    categories: tuple[EMode, ...] = ()

    def index_of(self, asset: Address) -> int:
        """Return the place of `asset` in `reserves`; raises `KeyError` when the market does not list it."""
        for index, reserve in enumerate(self.reserves):
            if reserve.asset.address == asset:
                return index
        raise KeyError(asset)
