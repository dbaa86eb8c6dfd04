"""Liquidation prices and ratios as decimals: exact prices of the account times the factors that risk computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from defilev.model.account import LendingAccount
from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.perp import PerpAccount
from defilev.model.request import Address
from defilev.risk.liquidation import (
    COMPUTED,
    AssetLiquidation,
    DriverLiquidation,
    RatioLiquidation,
    Side,
    asset_liquidations,
    driver_liquidations,
    joint_shock,
    ratio_liquidations,
)
from defilev.units import to_decimal

__all__ = [
    "LiquidationView",
    "MovedAsset",
    "RatioView",
    "decimal_figure",
    "liquidations_by_asset",
    "liquidations_by_driver",
    "liquidations_by_ratio",
    "move_of_all_volatile",
    "nearest",
    "worth_a_line",
]

STABLE_SHOWN_WITHIN = Decimal("0.2")
"""The loss of its peg, as a fraction, beyond which a stablecoin's liquidation price is left to the JSON document."""
RISE_SHOWN_WITHIN = Decimal(9)

_Prices: TypeAlias = Mapping[Address, Decimal]


@dataclass(frozen=True, slots=True)
class MovedAsset:
    """An asset that moves with a driver: its price in quote units now and at liquidation."""

    symbol: str
    address: Address
    price_now: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True)
class LiquidationView:
    """A liquidation price in quote units: `distance` is the relative move to it, `side` where it liquidates.

    `address` is the token's, or the feed's for a driver. `assets` are those that move: the asset alone, or all of the
    driver's. `stable` says that the price is meant to stay at one.
    """

    name: str
    address: Address
    price_now: Decimal
    price: Decimal
    distance: Decimal
    side: Side
    stable: bool
    assets: tuple[MovedAsset, ...]

    @property
    def mover(self) -> str:
        """What has to move, by name."""
        return self.assets[0].symbol if len(self.assets) == 1 else self.name


@dataclass(frozen=True, slots=True)
class RatioView:
    """The liquidation ratio of two assets on one driver, in debt tokens per collateral token."""

    collateral: str
    debt: str
    ratio_now: Decimal
    ratio: Decimal
    distance: Decimal
    independent: bool

    @property
    def mover(self) -> str:
        """What has to move, by name."""
        return f"{self.collateral}/{self.debt}"


def decimal_figure(value: float) -> Decimal:
    """Return a figure computed in floating point as a decimal of twelve significant digits."""
    return COMPUTED.create_decimal_from_float(value)


def liquidations_by_asset(account: LendingAccount, *, exposure: Exposure) -> tuple[LiquidationView, ...]:
    """Return the liquidation price of each asset whose own price can liquidate, all other prices as they are."""
    stable = {driver.feed for driver in exposure.drivers if driver.stable}
    prices = _prices(account)
    return tuple(_asset_view(prices, at, stable=at.term.driver in stable) for at in asset_liquidations(exposure))


def liquidations_by_driver(account: LendingAccount | PerpAccount, *, exposure: Exposure) -> tuple[LiquidationView, ...]:
    """Return the liquidation price of each driver that can liquidate, the prices of all its assets moving with it."""
    prices = _prices(account)
    return tuple(_driver_view(prices, at) for at in driver_liquidations(exposure))


def liquidations_by_ratio(exposure: Exposure) -> tuple[RatioView, ...]:
    """Return the liquidation ratio of each pair of collateral and debt on one driver."""
    return tuple(_ratio_view(at) for at in ratio_liquidations(exposure))


def worth_a_line(by_driver: Iterable[LiquidationView]) -> list[LiquidationView]:
    """Return the nearest first, without what would take an unheard-of move, unless there is nothing else."""
    by_distance = sorted(by_driver, key=lambda at: abs(at.distance))
    return [at for at in by_distance if _is_heard_of(at)] or by_distance[:1]


def nearest(by_driver: Iterable[LiquidationView], by_ratio: Iterable[RatioView]) -> LiquidationView | RatioView | None:
    """Return the nearest liquidation by a driver's price, or by the ratio where nothing else is held."""
    ways: list[LiquidationView | RatioView] = [*worth_a_line(by_driver)]
    ways += (at for at in by_ratio if at.independent)
    return min(ways, key=lambda at: (abs(at.distance), at.mover), default=None)


def move_of_all_volatile(exposure: Exposure) -> Decimal | None:
    """Return the common relative move of all drivers but stablecoins at which health is one.

    A fall when one liquidates, else a rise; of an account that is liquidatable, the move that saves it. `None` when
    there is no such move.
    """
    volatile = [driver.feed for driver in exposure.drivers if not driver.stable]
    for sign in (-1.0, 1.0):
        step = joint_shock(exposure, dict.fromkeys(volatile, sign))
        if step is not None:
            return decimal_figure(sign * step)
    return None


def _is_heard_of(at: LiquidationView) -> bool:
    if at.stable:
        return at.side == "below" and at.distance >= -STABLE_SHOWN_WITHIN
    return at.distance <= RISE_SHOWN_WITHIN


def _asset_view(prices: _Prices, at: AssetLiquidation, *, stable: bool) -> LiquidationView:
    moved = _moved(prices, at.term, at.crossing.factor)
    return LiquidationView(
        name=at.term.symbol,
        address=at.term.asset,
        price_now=moved.price_now,
        price=moved.price,
        distance=decimal_figure(at.distance),
        side=at.crossing.side,
        stable=stable,
        assets=(moved,),
    )


def _driver_view(prices: _Prices, at: DriverLiquidation) -> LiquidationView:
    return LiquidationView(
        name=at.driver.symbol,
        address=at.driver.feed,
        price_now=_price_of(at.driver),
        price=decimal_figure(at.price),
        distance=decimal_figure(at.distance),
        side=at.crossing.side,
        stable=at.driver.stable,
        assets=tuple(dict.fromkeys(_moved(prices, term, at.crossing.factor) for term in at.terms)),
    )


def _price_of(driver: Driver) -> Decimal:
    return Decimal(repr(driver.price))


def _prices(account: LendingAccount | PerpAccount) -> _Prices:
    """Return the prices of what is held; of a token that is margin and index, the one that profit is counted at."""
    if isinstance(account, LendingAccount):
        priced = {leg.asset.address: leg.price for leg in reversed(account.legs)}
    else:
        priced = {each.asset.address: each.price for each in account.margin}
        priced |= {leg.index.address: leg.mark for leg in account.legs}
    return {asset: to_decimal(price.value, price.decimals) for asset, price in priced.items()}


def _moved(prices: _Prices, term: Term, factor: float) -> MovedAsset:
    price_now = prices[term.asset]
    return MovedAsset(term.symbol, term.asset, price_now, COMPUTED.multiply(price_now, Decimal(factor)))


def _ratio_view(at: RatioLiquidation) -> RatioView:
    return RatioView(
        collateral=at.collateral.symbol,
        debt=at.debt.symbol,
        ratio_now=decimal_figure(at.ratio_now),
        ratio=decimal_figure(at.ratio),
        distance=decimal_figure(at.distance),
        independent=at.independent,
    )
