"""How far a price source lets a staked asset's rate, or a stable asset's price, go; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from defilev.abi import interface
from defilev.abi.answers import decode_optional
from defilev.model.request import Address, CallResult, Read

__all__ = ["read_caps"]

_NAMES = ("getSnapshotRatio", "getSnapshotTimestamp", "getMaxYearlyGrowthRatePercent", "getPriceCap", "isCapped")


def read_caps(sources: Mapping[str, Address]) -> Read[dict[str, str]]:
    """Return by name what caps the prices of assets, by symbol in `sources`; a source without a cap has no name.

    `rate cap` is the rate, scaled as the adapter scales it, at a Unix time and by how many bps it may grow in a year;
    `price cap` is in the feed's own units; `price capped` says whether the cap holds now. Source: Aave's
    PriceCapAdapterBase and PriceCapAdapterStable.
    """
    functions = interface("price_feed")
    answers = yield [functions[name].call(source) for source in sources.values() for name in _NAMES]
    count = len(_NAMES)
    found: dict[str, str] = {}
    for place, symbol in enumerate(sources):
        found |= {f"{symbol} {name}": said for name, said in _caps(answers[place * count : (place + 1) * count])}
    return found


def _caps(answers: Sequence[CallResult]) -> Iterator[tuple[str, str]]:
    functions = interface("price_feed")
    said = [decode_optional(functions[name], answer) for name, answer in zip(_NAMES, answers, strict=True)]
    ratio, taken_at, growth, price, is_capped = (answer[0] if answer else None for answer in said)
    if None not in (ratio, taken_at, growth):
        yield "rate cap", f"{ratio} at {taken_at}, growing {growth} bps a year"
    if price is not None:
        yield "price cap", str(price)
    if is_capped is not None:
        yield "price capped", "yes" if is_capped else "no"
