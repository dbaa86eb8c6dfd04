"""Price histories from files: CSV (plain or gzip), Parquet, or a directory of them named by asset."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from defilev.errors import ExtraMissing, HistoryUnusable, UnknownName
from defilev.model.history import PriceHistory

__all__ = ["find_history", "load_history", "load_implied"]

_COLUMNS = ("ts", "open", "high", "low", "close")
_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_SHAPE = "ts,open,high,low,close[,volume] with Unix seconds of each candle's open"


def load_history(path: Path, asset: str) -> PriceHistory:
    """Return the history of `asset` from a file, or from the directory's file whose name begins with the asset.

    In a directory upper and lower case are the same, and WETH and `ETH / USD` are looked for as ETH. Of several files
    an hourly one (`1h` in its name) is taken, spot before `perp` or `mark`, then the first by name.

    Raises:
        UnknownName: a directory without a file for the asset.
        HistoryUnusable: not a table of candles; the facts name the line.
        ExtraMissing: a Parquet file without pyarrow installed.
    """
    chosen = find_history(path, asset) if path.is_dir() else path
    columns = _read(chosen)
    opens_at = _times(columns, chosen)
    if len(opens_at) < 2:
        found = "a single candle" if len(opens_at) else "no candle"
        raise HistoryUnusable(f"{chosen.name} has {found}", fix="give a history of 90 days or more: " + _SHAPE)
    # A median, so that missing candles do not look like longer ones.
    interval = int(np.median(np.diff(opens_at)))
    if interval <= 0:
        raise HistoryUnusable(
            f"{chosen.name} has candles that are not in order of time",
            fix="give candles in order, each once: " + _SHAPE,
        )
    return PriceHistory(
        asset,
        interval,
        opens_at,
        columns["open"],
        columns["high"],
        columns["low"],
        columns["close"],
        columns.get("volume"),
        chosen.name,
    )


def load_implied(path: Path, *, at: int | None = None) -> tuple[float, int]:
    """Return the last implied volatility per √year of a file of candles in percent, and the Unix second of its close.

    With `at`, the last candle that closes by then.

    Raises:
        HistoryUnusable: not such a file, or nothing in it by `at`.
    """
    history = load_history(path, "implied volatility")
    by_then = history.opens_at + history.interval <= (history.end if at is None else at)
    if not by_then.any():
        raise HistoryUnusable(f"{path.name} holds no implied volatility by then", fix="give a file that reaches back")
    row = int(np.flatnonzero(by_then)[-1])
    if not 5 <= history.close[row] <= 500:
        raise HistoryUnusable(
            f"{path.name} ends at {history.close[row]:g}, which is no volatility in percent per year",
            fix="give percent per year: 65 for 65%",
        )
    return float(history.close[row]) / 100.0, int(history.opens_at[row]) + history.interval


def find_history(directory: Path, asset: str) -> Path:
    """Return the file of `directory` for `asset`; raises `UnknownName` with what is there."""
    plain = asset.partition("/")[0].strip().casefold()
    names = [plain, plain.removeprefix("w")]
    files = sorted(path for path in directory.iterdir() if path.name.casefold().endswith(_SUFFIXES))
    for name in dict.fromkeys(names):
        found = [path for path in files if name and path.name.casefold().startswith(name)]
        if found:
            return min(found, key=_preference)
    raise UnknownName(
        f"{directory} has no price history of {asset}",
        fix=f"add {names[-1]}*.csv.gz, or give the file itself",
        files=", ".join(path.name for path in files) or "none",
    )


def _preference(path: Path) -> tuple[bool, bool, str]:
    name = path.name.casefold()
    return "1h" not in name, "perp" in name or "mark" in name, name


def _read(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    try:
        if path.name.casefold().endswith(".parquet"):
            return _read_parquet(path)
        return _read_csv(path)
    except FileNotFoundError:
        raise HistoryUnusable(f"{path} does not exist", fix="give the path of a price file or directory") from None
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise HistoryUnusable(
            f"{path.name} cannot be read: {error}", fix="give a CSV file, plain or gzip, or a Parquet file"
        ) from None


def _read_csv(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    opener: Any = gzip.open if path.name.casefold().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = [name.strip().casefold() for name in next(rows, [])]
        _require_columns(path, header)
        wanted = [name for name in (*_COLUMNS, "volume") if name in header]
        places = [header.index(name) for name in wanted]
        values = list(_numbers(path, rows, places))
    table = np.array(values, dtype=np.float64).reshape(-1, len(wanted))
    return {name: table[:, place] for place, name in enumerate(wanted)}


def _numbers(path: Path, rows: Iterator[list[str]], places: list[int]) -> Iterator[list[float]]:
    for line, row in enumerate(rows, 2):
        if not row:
            continue
        try:
            yield [float(row[place]) for place in places]
        except (ValueError, IndexError):
            raise HistoryUnusable(
                f"{path.name} line {line} is not a row of numbers", fix="give " + _SHAPE, line=line, got=",".join(row)
            ) from None


def _read_parquet(path: Path) -> dict[str, npt.NDArray[np.float64]]:
    try:
        from pyarrow import ArrowInvalid
        from pyarrow.parquet import read_table
    except ImportError:
        raise ExtraMissing(
            "Parquet files need the package pyarrow, which is not installed",
            fix="install it with: pip install 'defilev[parquet]', or give a CSV file",
        ) from None
    try:
        table = read_table(path)
    except ArrowInvalid as error:
        raise HistoryUnusable(f"{path.name} cannot be read: {error}", fix="give a Parquet file") from None
    names = {str(name).strip().casefold(): str(name) for name in table.column_names}
    _require_columns(path, list(names))
    wanted = [name for name in (*_COLUMNS, "volume") if name in names]
    try:
        return {name: table.column(names[name]).to_numpy().astype(np.float64) for name in wanted}
    except (TypeError, ValueError):
        raise HistoryUnusable(f"{path.name} holds something other than numbers", fix="give " + _SHAPE) from None


def _require_columns(path: Path, header: list[str]) -> None:
    missing = [name for name in _COLUMNS if name not in header]
    if missing:
        raise HistoryUnusable(f"{path.name} has no column {', '.join(missing)}", fix="give " + _SHAPE)


def _times(columns: dict[str, npt.NDArray[np.float64]], path: Path) -> npt.NDArray[np.int64]:
    times = columns["ts"]
    if len(times) and (not np.isfinite(times).all() or times.max() > 1e11 or times.min() < 0):
        raise HistoryUnusable(
            f"{path.name} has times that are not Unix seconds", fix="divide milliseconds by 1000", largest=times.max()
        )
    return times.astype(np.int64)
