"""Everything of a Morpho Blue market that an account's figures depend on, as read at one block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from defilev.abi import encode, keccak
from defilev.abi.address import ZERO_ADDRESS
from defilev.model.account import Notice, Price
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.units import to_decimal

__all__ = [
    "AdaptiveCurve",
    "FixedRate",
    "MarketParams",
    "MorphoMarket",
    "MorphoState",
    "Position",
    "RateModel",
    "Totals",
]

PARAMS_TYPE = "(address,address,address,address,uint256)"


@dataclass(frozen=True, slots=True)
class MarketParams:
    """What a market is made of and is identified by; `lltv` in wad. An idle market has zero for all but the loan."""

    loan_token: Address
    collateral_token: Address
    oracle: Address
    irm: Address
    lltv: int

    @property
    def words(self) -> tuple[Address, Address, Address, Address, int]:
        """The contract's own tuple."""
        return self.loan_token, self.collateral_token, self.oracle, self.irm, self.lltv

    @property
    def id(self) -> str:
        """The market's id: the hash of the encoded parameters, `MarketParamsLib.id`."""
        return "0x" + keccak(encode([PARAMS_TYPE], [self.words])).hex()

    @property
    def has_collateral(self) -> bool:
        """Whether anything can be borrowed here: an idle market only holds what is lent."""
        return self.collateral_token != ZERO_ADDRESS


@dataclass(frozen=True, slots=True)
class Totals:
    """What the contract stores of a market: base units and shares as of the Unix time `last_update`; `fee` in wad."""

    supply_assets: int
    supply_shares: int
    borrow_assets: int
    borrow_shares: int
    last_update: int
    fee: int

    @property
    def words(self) -> tuple[int, int, int, int, int, int]:
        """The contract's own tuple."""
        return (
            self.supply_assets,
            self.supply_shares,
            self.borrow_assets,
            self.borrow_shares,
            self.last_update,
            self.fee,
        )


@dataclass(frozen=True, slots=True)
class AdaptiveCurve:
    """Morpho's adaptive rate model; `rate_at_target` per second in wad, as stored at the market's last update."""

    rate_at_target: int


@dataclass(frozen=True, slots=True)
class FixedRate:
    """The rate per second in wad that a model of another kind gave at the block; what it will be is not known."""

    rate: int


RateModel: TypeAlias = AdaptiveCurve | FixedRate | None
"""`None` for a market without a rate model, where no interest accrues."""


@dataclass(frozen=True, slots=True)
class MorphoMarket:
    """One isolated market.

    `deployment` is the address book's name of the contract. `collateral` is `None` in an idle market, and `price`, of
    the collateral in the loan token, also when the oracle gives none. `loan_price` is one: it says where the loan
    token's own price comes from, where the oracle has one. `notices` are about the market, whoever holds it.
    """

    morpho: Address
    id: str
    deployment: str
    params: MarketParams
    loan: Token
    collateral: Token | None
    price: Price | None
    loan_price: Price
    fee_recipient: Address
    notices: tuple[Notice, ...] = ()

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The collateral, if any, and the loan token; one where the two are the same."""
        found = (self.loan,) if self.collateral is None else (self.collateral, self.loan)
        return tuple(dict.fromkeys(found))

    @property
    def label(self) -> str:
        """What people call the market, by the symbols that its tokens claim: `wstETH/USDC-86%`."""
        if self.collateral is None:
            return f"{self.loan.symbol}-idle"
        percent = f"{to_decimal(self.params.lltv, 16):f}".rstrip("0").rstrip(".")
        return f"{self.collateral.symbol}/{self.loan.symbol}-{percent}%"


@dataclass(frozen=True, slots=True)
class Position:
    """What one account has in a market: shares of what is lent and of what is owed, and collateral in base units."""

    supply_shares: int = 0
    borrow_shares: int = 0
    collateral: int = 0


@dataclass(frozen=True, slots=True)
class MorphoState:
    """One account of one market at the Unix time `at`; `totals` and `rates` are as stored at the last update."""

    chain_id: int
    block: Block
    at: int
    owner: Address
    market: MorphoMarket
    rates: RateModel
    totals: Totals
    position: Position
