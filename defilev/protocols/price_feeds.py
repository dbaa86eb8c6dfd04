"""Price sources: what drives them, how old they are; no lending protocol's oracle looks at an answer's age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    """A price source; `driver` is the feed at the bottom of it, itself when it is plain, each with its own description.

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
    driver_description: str | None = None

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
            driver_description=self.driver_description,
        )

    def to_metadata(self) -> dict[str, Any]:
        """Return what never changes."""
        return {
            "driver": self.driver,
            "description": self.description,
            "ratio_decimals": self.ratio_decimals,
            "driver_description": self.driver_description,
        }


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
        driver_description=known["driver_description"],
    )


def probed_feeds(sources: Sequence[Address], results: Sequence[CallResult]) -> dict[Address, Feed]:
    """Return each source as its answers to `feed_probe_calls` describe it; an adapter has its driver's age."""
    found = [(source, results[place * FEED_PROBES : (place + 1) * FEED_PROBES]) for place, source in enumerate(sources)]
    feeds = {source: _probed(source, answers) for source, answers in found}
    return {source: _aged(feed, feeds) for source, feed in feeds.items()}


def without_round(feeds: Mapping[Address, Feed]) -> list[Call]:
    """Ask the drivers whose age is not known yet for it and for what they call themselves, two calls for each feed."""
    functions = interface("price_feed")
    names = ("latestRoundData", "description")
    return [functions[name].call(feed.driver) for feed in feeds.values() if _lacks_round(feed) for name in names]


def with_round(feeds: Mapping[Address, Feed], results: Sequence[CallResult]) -> dict[Address, Feed]:
    """Return the feeds with the ages that `without_round` asked for."""
    answers = iter(results)
    return {source: _told(feed, answers) if _lacks_round(feed) else feed for source, feed in feeds.items()}


def _told(feed: Feed, answers: Iterator[CallResult]) -> Feed:
    functions = interface("price_feed")
    rounds = decode_optional(functions["latestRoundData"], next(answers))
    described = decode_optional(functions["description"], next(answers))
    return replace(
        feed,
        updated_at=rounds[3] if rounds else feed.updated_at,
        driver_description=described[0] if described else None,
    )


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
    description = described[0] if described else None
    return Feed(
        source=source,
        driver=driver[0] if driver else source,
        description=description,
        driver_description=None if driver else description,
        ratio_decimals=ratio_decimals[0] if ratio_decimals and scaled else None,
        ratio=ratio[0] if ratio and scaled else None,
        updated_at=rounds[3] if rounds and not driver else None,
        capped=capped[0] if capped else None,
    )


def _aged(feed: Feed, feeds: Mapping[Address, Feed]) -> Feed:
    bottom = feeds.get(feed.driver)
    if feed.driver == feed.source or bottom is None:
        return feed
    return replace(feed, updated_at=bottom.updated_at, driver_description=bottom.description)


def _lacks_round(feed: Feed) -> bool:
    return feed.updated_at is None and feed.driver != feed.source
