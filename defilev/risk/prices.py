"""Warnings about the prices that an account rests on; they never change a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from defilev.model.account import Leg, LendingAccount, Notice, Price
from defilev.model.perp import PerpAccount
from defilev.model.request import Address

__all__ = ["PriceLimits", "price_age", "price_notices", "stale_assets", "stale_prices"]


@dataclass(frozen=True, slots=True)
class PriceLimits:
    """Seconds after which a price counts as stale: `by_asset` by symbol, `stale_after` for all others."""

    stale_after: int
    by_asset: Mapping[str, int] = field(default_factory=dict)

    def of(self, symbol: str) -> int:
        """Return the seconds for the asset with that `symbol`."""
        return self.by_asset.get(symbol, self.stale_after)


def price_age(leg: Leg, *, at: int) -> int | None:
    """Return the seconds from the price's last update to the Unix time `at`; `None` when the source does not say."""
    return _age(leg.price, at)


def stale_prices(account: LendingAccount | PerpAccount, *, limits: PriceLimits) -> tuple[Notice, ...]:
    """Return one `stale-price` for each asset held or owed whose price is older at the block than its limit."""
    notices = []
    for symbol, price in _prices(account):
        age, limit = _age(price, account.block.timestamp), limits.of(symbol)
        if age is not None and age > limit:
            text = f"the price of {symbol} was updated {age} s before the block, more than the {limit} s allowed"
            notices.append(Notice("stale-price", text))
    return tuple(notices)


def stale_assets(account: LendingAccount, *, limits: PriceLimits) -> frozenset[Address]:
    """Return the assets held or owed whose price is older at the block than its limit."""
    ages = ((leg, price_age(leg, at=account.block.timestamp)) for leg in account.legs)
    return frozenset(leg.asset.address for leg, age in ages if age is not None and age > limits.of(leg.asset.symbol))


def price_notices(account: LendingAccount | PerpAccount, *, limits: PriceLimits) -> tuple[Notice, ...]:
    """Return `stale-price`, `price-age-unknown` and `price-capped` for the assets held or owed."""
    return (*stale_prices(account, limits=limits), *_ages_unknown(account), *_capped(account))


def _ages_unknown(account: LendingAccount | PerpAccount) -> tuple[Notice, ...]:
    return tuple(
        Notice("price-age-unknown", f"the price source of {symbol} does not say when it was updated")
        for symbol, price in _prices(account)
        if price.updated_at is None
    )


def _capped(account: LendingAccount | PerpAccount) -> tuple[Notice, ...]:
    return tuple(
        Notice("price-capped", f"the price of {symbol} is held at its source's cap; its true rate is higher")
        for symbol, price in _prices(account)
        if price.ratio_capped
    )


def _age(price: Price, at: int) -> int | None:
    return None if price.updated_at is None else max(0, at - price.updated_at)


def _prices(account: LendingAccount | PerpAccount) -> tuple[tuple[str, Price], ...]:
    """Return the symbol and the price of each asset held or owed, of margin and of each index, every asset once."""
    first: dict[Address, tuple[str, Price]] = {}
    if isinstance(account, LendingAccount):
        priced = [(leg.asset, leg.price) for leg in account.legs]
    else:
        priced = [(each.asset, each.price) for each in account.margin]
        priced += [(leg.index, leg.mark) for leg in account.legs]
    for asset, price in priced:
        first.setdefault(asset.address, (asset.symbol, price))
    return tuple(first.values())
