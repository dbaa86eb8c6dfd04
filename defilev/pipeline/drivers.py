"""Which price moves a token, by name and in dollars, as far as the accounts of a chain tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from defilev.model.exposure import Driver, plain_symbol
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.pipeline.everywhere import Reading

__all__ = ["Drivers", "drivers_in"]


@dataclass(frozen=True, slots=True)
class Drivers:
    """The drivers of one chain with their prices in dollars, by the tokens that move with them and by plain name."""

    by_token: Mapping[Address, Driver]
    by_name: Mapping[str, Driver]
    stablecoins: tuple[str, ...]

    def of(self, token: Token, *, price: Decimal) -> Driver:
        """Return the driver of `token`; one of its own at its `price` in dollars, when no account tells another."""
        found = self.by_token.get(token.address) or self.by_name.get(plain_symbol(token.symbol))
        return found or Driver(token.address, token.symbol, float(price), token.symbol in self.stablecoins)


def drivers_in(reading: Reading) -> Drivers:
    """Return the drivers that the accounts of `reading` depend on."""
    by_feed: dict[Address, Driver] = {}
    for exposure, dollars in zip(reading.exposures, reading.dollars, strict=True):
        for driver in exposure.drivers if dollars is not None and not exposure.relative else ():
            by_feed.setdefault(driver.feed, replace(driver, price=driver.price * float(dollars or 1)))
    legs = [leg for account in reading.accounts for leg in account.legs if leg.price.driver in by_feed]
    return Drivers(
        by_token={leg.asset.address: by_feed[leg.price.driver] for leg in legs},
        by_name={plain_symbol(driver.symbol): driver for driver in reversed(by_feed.values())},
        stablecoins=reading.session.settings.stablecoins,
    )
