"""Price sources: what drives them, how old they are; no lending protocol's oracle looks at an answer's age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from defilev.abi import interface
from defilev.abi.answers import decode_optional
from defilev.model.account import Price
from defilev.model.request import Address, Call, CallResult

__all__ = [
    "FEED_PROBES",
    "FEED_REFRESHES",
    "Feed",
    "feed_from_metadata",
    "feed_probe_calls",
    "feed_refresh_calls",
    "probed_feeds",
    "with_round",
    "without_round",
]

FEED_PROBES = 9
FEED_REFRESHES = 3


@dataclass(frozen=True, slots=True)
class Feed:
    """A price source; `driver` is the feed at the bottom of it, itself when it is plain.

    `ratio`, scaled by `10**ratio_decimals`, multiplies the driver's answer, and is `None` for a source without one.
    `updated_at` is a Unix time; `None` when nothing says it. `capped` is `None` when the source cannot be.
    """

    source: Address
    driver: Address
    description: str | None
    ratio_decimals: int | None
    ratio: int | None = None
    updated_at: int | None = None
    capped: bool | None = None

    def price(self, value: int, *, decimals: int) -> Price:
        """Return the oracle's `value` with what is known of its origin."""
        return Price(
            value=value,
            decimals=decimals,
            source=self.source,
            driver=self.driver,
            updated_at=self.updated_at,
            description=self.description,
            ratio=self.ratio,
            ratio_decimals=self.ratio_decimals,
            ratio_capped=self.capped,
        )

    def to_metadata(self) -> dict[str, Any]:
        """Return what never changes."""
        return {"driver": self.driver, "description": self.description, "ratio_decimals": self.ratio_decimals}


def feed_probe_calls(source: Address) -> list[Call]:
    """Ask a price source everything that tells what it is, `FEED_PROBES` calls."""
    functions = interface("price_feed")
    names = (
        "latestRoundData",
        "BASE_TO_USD_AGGREGATOR",
        "ASSET_TO_USD_AGGREGATOR",
        "getRatio",
        "RATIO_DECIMALS",
        "isCapped",
        "description",
        "decimals",
        "latestAnswer",
    )
    return [functions[name].call(source) for name in names]


def feed_refresh_calls(source: Address, driver: Address) -> list[Call]:
    """Ask a known source what changes, `FEED_REFRESHES` calls: the driver's round, the ratio, whether it is capped."""
    functions = interface("price_feed")
    return [
        functions["latestRoundData"].call(driver),
        functions["getRatio"].call(source),
        functions["isCapped"].call(source),
    ]


def feed_from_metadata(source: Address, known: Mapping[str, Any], results: Sequence[CallResult]) -> Feed:
    """Return a known feed, refreshed by the answers to `feed_refresh_calls`."""
    functions = interface("price_feed")
    rounds = decode_optional(functions["latestRoundData"], results[0])
    ratio = decode_optional(functions["getRatio"], results[1])
    capped = decode_optional(functions["isCapped"], results[2])
    return Feed(
        source=source,
        driver=known["driver"],
        description=known["description"],
        ratio_decimals=known["ratio_decimals"],
        ratio=ratio[0] if ratio and known["ratio_decimals"] is not None else None,
        updated_at=rounds[3] if rounds else None,
        capped=capped[0] if capped else None,
    )


def probed_feeds(sources: Sequence[Address], results: Sequence[CallResult]) -> dict[Address, Feed]:
    """Return each source as its answers to `feed_probe_calls` describe it; an adapter has its driver's age."""
    found = [(source, results[place * FEED_PROBES : (place + 1) * FEED_PROBES]) for place, source in enumerate(sources)]
    feeds = {source: _probed(source, answers) for source, answers in found}
    return {source: _aged(feed, feeds) for source, feed in feeds.items()}


def without_round(feeds: Mapping[Address, Feed]) -> list[Call]:
    """Ask for the rounds of the drivers whose age is not known yet, one call per feed of `feeds` that lacks it."""
    function = interface("price_feed")["latestRoundData"]
    return [function.call(feed.driver) for feed in feeds.values() if _lacks_round(feed)]


def with_round(feeds: Mapping[Address, Feed], results: Sequence[CallResult]) -> dict[Address, Feed]:
    """Return the feeds with the ages that `without_round` asked for."""
    answers = iter(results)
    aged = dict(feeds)
    for source, feed in feeds.items():
        if _lacks_round(feed) and (
            rounds := decode_optional(interface("price_feed")["latestRoundData"], next(answers))
        ):
            aged[source] = replace(feed, updated_at=rounds[3])
    return aged


def _probed(source: Address, results: Sequence[CallResult]) -> Feed:
    functions = interface("price_feed")
    names = ("latestRoundData", "BASE_TO_USD_AGGREGATOR", "ASSET_TO_USD_AGGREGATOR", "getRatio", "RATIO_DECIMALS")
    rounds, base, asset, ratio, ratio_decimals = (
        decode_optional(functions[name], result) for name, result in zip(names, results, strict=False)
    )
    capped = decode_optional(functions["isCapped"], results[5])
    described = decode_optional(functions["description"], results[6])
    driver = base or asset
    scaled = ratio is not None and ratio_decimals is not None
    return Feed(
        source=source,
        driver=driver[0] if driver else source,
        description=described[0] if described else None,
        ratio_decimals=ratio_decimals[0] if ratio_decimals and scaled else None,
        ratio=ratio[0] if ratio and scaled else None,
        updated_at=rounds[3] if rounds and not driver else None,
        capped=capped[0] if capped else None,
    )


def _aged(feed: Feed, feeds: Mapping[Address, Feed]) -> Feed:
    bottom = feeds.get(feed.driver)
    if feed.driver == feed.source or bottom is None:
        return feed
    return replace(feed, updated_at=bottom.updated_at)


def _lacks_round(feed: Feed) -> bool:
    return feed.updated_at is None and feed.driver != feed.source
