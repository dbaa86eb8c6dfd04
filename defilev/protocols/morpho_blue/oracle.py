"""What a market's oracle rests on: Morpho's own feed oracles say which feeds and vaults their price is made of.

`price = vault rate · base feeds / (vault rate · quote feeds)`, what is missing being one. Any other oracle is a driver
by itself. No oracle of Morpho's looks at the age of an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.abi import interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.answers import decode_optional
from defilev.model.account import Price
from defilev.model.request import Address, Call, Results
from defilev.model.token import Token
from defilev.protocols.price_feeds import Feed

__all__ = ["ORACLE_CALLS", "OracleParts", "decode_parts", "loan_price", "oracle_calls", "price_of"]

_FEEDS = ("BASE_FEED_1", "BASE_FEED_2", "QUOTE_FEED_1", "QUOTE_FEED_2")
_VAULTS = ("BASE_VAULT", "QUOTE_VAULT", "VAULT")
ORACLE_CALLS = len(_FEEDS) + len(_VAULTS)


@dataclass(frozen=True, slots=True)
class OracleParts:
    """The feeds over and under the line; `is_known` is false for an oracle that does not say what it is made of."""

    base: tuple[Address, ...] = ()
    quote: tuple[Address, ...] = ()
    is_known: bool = False

    @property
    def feeds(self) -> tuple[Address, ...]:
        """All of them, each once."""
        return tuple(dict.fromkeys((*self.base, *self.quote)))

    def to_metadata(self) -> dict[str, Any]:
        """Return the parts as plain data: they never change."""
        return {"base": list(self.base), "quote": list(self.quote), "is_known": self.is_known}

    @classmethod
    def from_metadata(cls, known: Mapping[str, Any]) -> OracleParts:
        """Return the parts that `to_metadata` gave."""
        return cls(tuple(known["base"]), tuple(known["quote"]), known["is_known"])


def oracle_calls(oracle: Address) -> list[Call]:
    """Ask an oracle for its feeds and vaults, `ORACLE_CALLS` calls."""
    return [interface("morpho_oracle")[name].call(oracle) for name in (*_FEEDS, *_VAULTS)]


def decode_parts(results: Results) -> OracleParts:
    """Return the parts that `oracle_calls` asked for."""
    functions = interface("morpho_oracle")
    found = [
        decode_optional(functions[name], result) for name, result in zip((*_FEEDS, *_VAULTS), results, strict=True)
    ]
    feeds = [None if answer is None or answer[0] == ZERO_ADDRESS else answer[0] for answer in found[: len(_FEEDS)]]
    base = tuple(feed for feed in feeds[:2] if feed)
    quote = tuple(feed for feed in feeds[2:] if feed)
    return OracleParts(base, quote, is_known=any(answer is not None for answer in found))


def price_of(
    value: int,
    oracle: Address,
    parts: OracleParts,
    feeds: Mapping[Address, Feed],
    *,
    loan: Token,
    collateral: Token,
    at: int,
) -> Price:
    """Return the oracle's `value` with what is known of its origin; `at` is the block's Unix time.

    One feed over the line and at most one under it: those are the drivers. Nothing but exchange rates: the collateral
    moves with the loan token. Anything else: the oracle itself is the driver, of the ratio of the two.
    """
    decimals = 36 + loan.decimals - collateral.decimals
    base, quote = _reporting(parts.base, feeds), _reporting(parts.quote, feeds)
    ratio = _ratio(parts, feeds)
    if not parts.is_known or len(base) > 1 or len(quote) > 1:
        driver = oracle
    elif base:
        driver = base[0].driver
    elif quote:
        driver = collateral.address
    else:
        driver, ratio = loan.address, (value, decimals)
    return Price(
        value=value,
        decimals=decimals,
        source=oracle,
        driver=driver,
        updated_at=_oldest(parts, [*base, *quote], at),
        description=base[0].description if len(base) == 1 else None,
        ratio=ratio[0] if ratio else None,
        ratio_decimals=ratio[1] if ratio else None,
        ratio_capped=base[0].capped if len(base) == 1 else None,
        driver_description=base[0].driver_description if len(base) == 1 and driver == base[0].driver else None,
    )


def loan_price(parts: OracleParts, feeds: Mapping[Address, Feed], *, loan: Token, at: int) -> Price:
    """Return the price of the loan token in itself, which is one, with the feed that the oracle divides by, if any."""
    quote = _reporting(parts.quote, feeds)
    single = quote[0] if len(quote) == 1 and len(_reporting(parts.base, feeds)) <= 1 else None
    return Price(
        value=1,
        decimals=0,
        source=single.source if single else loan.address,
        driver=single.driver if single else loan.address,
        updated_at=single.updated_at if single else at,
        description=single.description if single else None,
        driver_description=single.driver_description if single else None,
    )


def _reporting(sources: Sequence[Address], feeds: Mapping[Address, Feed]) -> list[Feed]:
    """Return the feeds that somebody reports to; those that compute an exchange rate say that it is of no time."""
    return [feeds[source] for source in sources if feeds[source].updated_at != 0]


def _ratio(parts: OracleParts, feeds: Mapping[Address, Feed]) -> tuple[int, int] | None:
    """Return the exchange rate of a single feed over the line, with its decimals."""
    base = _reporting(parts.base, feeds)
    if len(base) != 1 or base[0].ratio is None or base[0].ratio_decimals is None:
        return None
    return base[0].ratio, base[0].ratio_decimals


def _oldest(parts: OracleParts, reporting: Sequence[Feed], at: int) -> int | None:
    """Return when the oldest of the feeds was updated; `None` when one does not say, or nobody says which they are."""
    ages = [feed.updated_at for feed in reporting]
    if not parts.is_known or None in ages:
        return None
    return min((age for age in ages if age is not None), default=at)
