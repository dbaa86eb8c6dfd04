"""GMX's ticker, saved as a file: prices by token, and what each side of a market is paid for funding.

A file is a list of tickers as GMX's API answers `/prices/tickers`, or an object with that list under `tickers` and,
under `markets`, the answer to `/markets/info`. Prices are dollars with 30 decimals for one base unit. A funding rate
is a part of the size, with 30 decimals, and negative for the side that pays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from defilev.abi import parse_address
from defilev.errors import InvalidAddress, TickersUnusable
from defilev.model.request import Address

__all__ = ["FundingRates", "Ticker", "Tickers", "parse_tickers"]

OLDEST = 300
"""Seconds: the age at which GMX's contracts no longer take a price (`MAX_ORACLE_PRICE_AGE` as it is deployed)."""


LONGEST = 80
"""Places of the largest number that a contract has, and two more."""


@dataclass(frozen=True, slots=True)
class Ticker:
    """The two sides of a token's price, and the Unix second they are of."""

    low: int
    high: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class FundingRates:
    """What each side receives on its size; negative for the side that pays."""

    long: int
    short: int


@dataclass(frozen=True, slots=True)
class Tickers:
    """A ticker file: prices by token, funding by market."""

    prices: Mapping[Address, Ticker]
    funding: Mapping[Address, FundingRates]

    def require_funding(self, market: Address, *, longs_pay: bool, rate: int) -> None:
        """Raise `TickersUnusable` when the file has the sides of `market` pay the other way than the chain does.

        `rate` is what the chain says that the paying side pays; at zero nobody does, and nothing is compared.
        """
        told = self.funding.get(market)
        if told is None or not rate:
            return
        paying = told.long if longs_pay else told.short
        if paying > 0 or (told.short if longs_pay else told.long) < 0:
            side = "longs" if longs_pay else "shorts"
            _refuse(
                f"its funding of market {market} has the wrong sign: on the chain the {side} pay",
                long=told.long,
                short=told.short,
            )


def parse_tickers(document: Any, *, at: int, oldest: int = OLDEST) -> Tickers:
    """Return the ticker that JSON data is, for the Unix time `at`.

    Raises:
        TickersUnusable: not a ticker; a price that is no price, is of another time, or is told twice differently.
    """
    parts = document if isinstance(document, dict) else {"tickers": document}
    prices: dict[Address, Ticker] = {}
    for entry in _list(parts.get("tickers"), "tickers"):
        token, ticker = _address(entry, "tokenAddress"), _ticker(entry, at, oldest)
        if prices.setdefault(token, ticker) != ticker:
            _refuse(f"it has two prices of {token}", first=prices[token], second=ticker)
    funding = {_address(entry, "marketToken"): _funding(entry) for entry in _list(parts.get("markets", []), "markets")}
    return Tickers(prices, funding)


def _ticker(entry: Mapping[str, Any], at: int, oldest: int) -> Ticker:
    low, high = _integer(entry, "minPrice"), _integer(entry, "maxPrice")
    updated_at = _integer(entry, "updatedAt") // 1000
    name = entry["tokenAddress"]
    if not 0 < low <= high:
        _refuse(
            f"its price of {name} is none: it must be above zero, and its low side no higher than the other",
            low=low,
            high=high,
        )
    if abs(at - updated_at) > oldest:
        _refuse(f"its price of {name} is of another time than the block", seconds_apart=at - updated_at, at_most=oldest)
    return Ticker(low, high, updated_at)


def _funding(entry: Mapping[str, Any]) -> FundingRates:
    rates = FundingRates(_integer(entry, "fundingRateLong"), _integer(entry, "fundingRateShort"))
    if rates.long * rates.short > 0:
        _refuse(
            f"both sides of market {entry['marketToken']} have funding of one sign", long=rates.long, short=rates.short
        )
    return rates


def _list(part: Any, name: str) -> Iterable[Mapping[str, Any]]:
    if not isinstance(part, list) or not all(isinstance(entry, dict) for entry in part):
        _refuse(f"it has no list of {name}")
    return part


def _address(entry: Mapping[str, Any], name: str) -> Address:
    try:
        return parse_address(str(entry.get(name)), what=name)
    except InvalidAddress as error:
        _refuse(str(error))


def _integer(entry: Mapping[str, Any], name: str) -> int:
    value = entry.get(name)
    text = str(value)
    if isinstance(value, bool | float) or len(text) > LONGEST or not text.removeprefix("-").isdecimal():
        _refuse(f"its {name} {text[:LONGEST]!r} is not an integer of at most {LONGEST} places")
    return int(text)


def _refuse(fact: str, **facts: int | Ticker) -> NoReturn:
    raise TickersUnusable(f"the ticker file cannot be used: {fact}", fix=None, **facts)
