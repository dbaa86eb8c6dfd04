"""What a crash looks like block by block: the price against its beginning, where pools stand, what gas costs."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCKS_PER_HOUR = 25
HOUR = 3600
GWEI = 10**9
CALM_FEE, HIGHEST_FEE = 30 * GWEI, 500 * GWEI
WILD = 0.05
"""An hour that spans more than this fraction of its price is one in which everybody wants to be first."""

OFF_ORACLE = 0.96
"""What pools pay against the oracle in the stretch in which they leave it."""


@dataclass(frozen=True, slots=True)
class Candle:
    """One hour; `at` is the Unix second of its beginning."""

    at: int
    open: float
    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True)
class Moment:
    """One block: the price as a multiple of the first one, the pools' price against it, the base fee in wei."""

    price: float
    pool: float
    base_fee: int


def candles(file: Path, *, begin: int, end: int) -> list[Candle]:
    """Return the hours from `begin` on and before `end`, both Unix seconds; raises `SystemExit` when one is missing."""
    content = file.read_bytes()
    text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode()
    rows = [row for row in csv.DictReader(text.splitlines()) if begin <= int(row["ts"]) < end]
    found = [Candle(int(row["ts"]), *(float(row[name]) for name in ("open", "high", "low", "close"))) for row in rows]
    if len(found) != len(range(begin, end, HOUR)):
        raise SystemExit(f"{file} has {len(found)} of the {len(range(begin, end, HOUR))} hours from {begin} to {end}")
    return found


def moments(hours: Sequence[Candle]) -> list[Moment]:
    """Return every block of the path, 25 an hour."""
    first, fee = hours[0].open, CALM_FEE
    lowest = min(range(len(hours)), key=lambda place: hours[place].low)
    found = []
    for place, hour in enumerate(hours):
        is_wild = (hour.high - hour.low) / hour.open > WILD
        pool = OFF_ORACLE if place in (lowest - 1, lowest) else 1.0
        for price in _within(hour):
            fee = min(fee * 9 // 8, HIGHEST_FEE) if is_wild else max(fee * 7 // 8, CALM_FEE)
            found.append(Moment(price / first, pool, fee))
    return found


def _within(hour: Candle) -> Iterator[float]:
    """Yield a price for each block: straight to one extreme, to the other and to the close; the wrong way first."""
    extremes = (hour.high, hour.low) if hour.close < hour.open else (hour.low, hour.high)
    corners = [hour.open, *extremes, hour.close]
    lengths = [BLOCKS_PER_HOUR // 3, BLOCKS_PER_HOUR // 3, BLOCKS_PER_HOUR - 2 * (BLOCKS_PER_HOUR // 3)]
    for start, stop, length in zip(corners, corners[1:], lengths, strict=False):
        for step in range(1, length + 1):
            yield start + (stop - start) * step / length
