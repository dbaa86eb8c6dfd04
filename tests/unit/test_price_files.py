"""Price files: what is read, and what is refused with the line at fault and what would do."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from defilev.config.multipliers import load_multipliers, multipliers_document
from defilev.config.prices import find_history, load_history, load_implied
from defilev.errors import ConfigurationError, ExtraMissing, HistoryUnusable, UnknownName
from defilev.model.history import DAY
from defilev.risk.series import gaps, idle, require_near, usable

HEADER = "ts,open,high,low,close,volume"
START = 1_735_689_600


def row(hour: int, price: float = 100.0) -> str:
    return f"{START + 3600 * hour},{price},{price + 1},{price - 1},{price + 0.5},7"


def written(folder: Path, rows: list[str], *, name: str = "eth_1h.csv", header: str = HEADER) -> Path:
    path = folder / name
    text = "\n".join([header, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def test_plain_gzip_and_parquet_are_the_same(tmp_path: Path) -> None:
    """Three formats of one table give one history, and so does a table with a byte order mark."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    rows = [row(hour) for hour in range(48)]
    plain = load_history(written(tmp_path, rows), "ETH")
    packed = load_history(written(tmp_path, rows, name="eth_1h.csv.gz"), "ETH")
    columns = {"ts": plain.opens_at, "open": plain.open, "high": plain.high, "low": plain.low, "close": plain.close}
    write_table(pa.table(columns), tmp_path / "eth.parquet")
    parquet = load_history(tmp_path / "eth.parquet", "ETH")
    marked = load_history(written(tmp_path, rows, name="marked.csv", header="\ufeff" + HEADER), "ETH")
    for other in (packed, parquet, marked):
        assert list(plain.close) == list(other.close)
        assert (3600, 48, 2.0) == (other.interval, len(other), other.days)


def test_directory_is_searched_by_asset(tmp_path: Path) -> None:
    """WETH and a feed's name find the ETH file, hourly before daily and spot before perp; what is missing is listed."""
    for name in ("ethusdt_perp_1h.csv", "ethusdt_spot_1d.csv", "ethusdt_spot_1h.csv.gz", "btc.csv"):
        written(tmp_path, [row(0), row(1)], name=name)
    for asset in ("ETH", "WETH", "ETH / USD", "eth"):
        assert "ethusdt_spot_1h.csv.gz" == find_history(tmp_path, asset).name
    assert "btc.csv" == find_history(tmp_path, "WBTC").name
    with pytest.raises(UnknownName, match="SOL") as caught:
        find_history(tmp_path, "SOL")
    assert "sol*.csv.gz" in caught.value.fix


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(0)], "a single candle"),
        ([row(0), row(1), row(1), row(2)], "same time"),
        ([row(0), row(2), row(1), row(3)], "not in order"),
        ([row(0), row(1), "x,1,2,1,1,1"], "line 4"),
        ([row(0), row(1), row(2).replace("101.0", "nan")], "not finite"),
        ([row(0), row(1), f"{START + 7200},100,90,95,92,1"], "do not enclose"),
        ([row(0), row(1), f"{START + 7200},0,1,0,1,1"], "not above zero"),
        ([row(0), row(1), row(2, 10000.0), row(3, 10000.0)], "mixes units"),
        ([row(0).replace(str(START), str(START * 1000)), row(1)], "Unix seconds"),
        ([row(0), row(1), row(2), f"{START + 9000},100,101,99,100,1"], "not a multiple"),
        ([row(0), row(1), f"{START + 7200},100"], "line 4"),
        ([row(0), row(1), f"{START + 7200},100,101,99,100,-1"], "volume is missing, or below zero"),
        ([row(0), row(1), f"{START + 7200},100,101,99,100,nan"], "volume is missing, or below zero"),
    ],
)
def test_bad_rows_are_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    """Duplicates, wrong order, NaN, impossible candles, other units, a single row: typed errors with a remedy."""
    with pytest.raises(HistoryUnusable, match=message) as caught:
        load_history(written(tmp_path, rows), "ETH")
    assert caught.value.fix


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    """A missing file, missing columns, a false gzip and a false Parquet file."""
    false_gzip, false_parquet = tmp_path / "eth.csv.gz", tmp_path / "eth.parquet"
    false_gzip.write_text("no gzip")
    false_parquet.write_text("no parquet")
    no_low = written(tmp_path, [row(0)], header="ts,open,high,close", name="x.csv")
    for path, message in (
        (tmp_path / "none.csv", "does not exist"),
        (no_low, "no column low"),
        (false_gzip, "cannot be read"),
        (false_parquet, "cannot be read"),
    ):
        with pytest.raises(HistoryUnusable, match=message):
            load_history(path, "ETH")


def test_parquet_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says which extra to install."""
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExtraMissing) as caught:
        load_history(tmp_path / "eth.parquet", "ETH")
    assert "defilev[parquet]" in caught.value.fix


def test_short_gaps_are_reported_and_long_ones_refused(tmp_path: Path) -> None:
    """Twelve missing hours pass; thirteen are refused with the range that would do; nothing is filled."""
    hours = range(24 * 200)
    tolerated = written(tmp_path, [row(hour) for hour in hours if not 100 <= hour < 112])
    history = load_history(tolerated, "ETH")
    assert [12 * 3600] == [gap.seconds for gap in gaps(usable(history))]
    refused = written(tmp_path, [row(hour) for hour in hours if not 100 <= hour < 113], name="long.csv")
    with pytest.raises(HistoryUnusable, match="13 h") as caught:
        usable(load_history(refused, "ETH"))
    assert "2025-01-05 17:00 to" in caught.value.fix
    assert 95.0 == usable(load_history(refused, "ETH"), days=95).days


def test_a_price_that_stands_still_is_a_gap(tmp_path: Path) -> None:
    """A feed that repeats itself for more than half a day is refused."""
    rows = [row(hour) for hour in range(24 * 120)]
    for hour in range(1000, 1020):
        rows[hour] = f"{START + 3600 * hour},100,100,100,100,0"
    history = load_history(written(tmp_path, rows), "ETH")
    assert [20 * 3600] == [stretch.seconds for stretch in idle(history)]
    with pytest.raises(HistoryUnusable, match="silent for 20 h"):
        usable(history)


def test_hours_without_a_trade_are_a_gap_unless_no_volume_is_known(tmp_path: Path) -> None:
    """A price that moves while nothing is traded is no price; a volume of zero throughout says nothing."""
    rows = [row(hour) for hour in range(24 * 120)]
    quiet = [text[: text.rindex(",")] + ",0" if 1000 <= hour < 1013 else text for hour, text in enumerate(rows)]
    with pytest.raises(HistoryUnusable, match="silent for 13 h"):
        usable(load_history(written(tmp_path, quiet), "ETH"))
    unknown = [text[: text.rindex(",")] + ",0" for text in rows]
    usable(load_history(written(tmp_path, unknown, name="unknown.csv"), "ETH"))


def test_too_short_too_old_and_of_another_unit_are_refused(tmp_path: Path) -> None:
    """Each says what would do: from when, up to when, in which unit."""
    history = load_history(written(tmp_path, [row(hour) for hour in range(24 * 50)]), "ETH")
    with pytest.raises(HistoryUnusable, match=r"50\.0 days, and 90") as short:
        usable(history)
    assert "from 2024-11-22" in short.value.fix
    with pytest.raises(HistoryUnusable, match=r"5\.0 days before") as old:
        usable(history, at=history.end + 5 * DAY, minimum_days=30)
    assert "2025-02-25" in old.value.fix
    with pytest.raises(HistoryUnusable, match="oracle says 10050"):
        require_near(history, price=10050.0)
    require_near(history, price=120.0)


def test_implied_volatility_file(tmp_path: Path) -> None:
    """Percent per year; the last candle that had closed by then; a price is no volatility."""
    path = written(tmp_path, [row(hour, 60.0 + hour) for hour in range(10)], name="dvol.csv")
    assert (0.695, START + 36_000) == pytest.approx(load_implied(path))
    assert (0.605, START + 3600) == pytest.approx(load_implied(path, at=START + 3700))
    with pytest.raises(HistoryUnusable, match="by then"):
        load_implied(path, at=START)
    with pytest.raises(HistoryUnusable, match="percent"):
        load_implied(written(tmp_path, [row(0, 3000.0), row(1, 3000.0)], name="eth.csv"))


def test_multiplier_file_round_trip_and_refusals(tmp_path: Path) -> None:
    """A table written and read is the same; another schema or figures out of order are refused."""
    import json

    table = load_multipliers()
    path = tmp_path / "table.json"
    document = multipliers_document(table)
    path.write_text(json.dumps(document))
    assert table == load_multipliers(path)
    broken = [
        document | {"schema": "other@1"},
        document | {"probabilities": document["probabilities"][::-1]},
        {key: value for key, value in document.items() if key != "horizons"},
        document | {"horizons": []},
    ]
    for wrong in broken:
        path.write_text(json.dumps(wrong))
        with pytest.raises(ConfigurationError, match=r"table\.json"):
            load_multipliers(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_multipliers(tmp_path / "none.json")


def test_a_window_of_a_history_is_a_history() -> None:
    """The recorded half year, cut to its last hundred days, keeps whole candles inside the bounds."""
    recorded = Path(__file__).resolve().parents[1] / "golden" / "data" / "prices"
    history = load_history(recorded, "WETH")
    cut = usable(history, days=100)
    assert (100.0, history.end) == (cut.days, cut.end)
    assert np.all(np.diff(cut.opens_at) == 3600)


def test_a_wick_of_a_hundred_times_is_refused(tmp_path: Path) -> None:
    """A low or high ten times beyond open and close is no market's: the fix names what is left, or how to repair it."""
    rows = [row(hour) for hour in range(24 * 200)]
    for name, bad, place in (("low", "100,101,1,100", 2400), ("high", "100,10000,99,100", 4700)):
        hit = [f"{START + 3600 * place},{bad},1" if hour == place else text for hour, text in enumerate(rows)]
        history = load_history(written(tmp_path, hit, name=f"{name}.csv"), "ETH")
        with pytest.raises(HistoryUnusable, match="wick 1") as caught:
            usable(history)
        assert "correct that candle from another source" in caught.value.fix
        enough = place == 2400
        assert enough == ("cut the file to 2025-04-11 01:00" in caught.value.fix)
        assert enough or "the 4 days after it are fewer than the 90 needed" in caught.value.fix
        assert 90.0 == usable(history, days=90).days if enough else True
    spiked = [f"{START + 3600 * 9},100,900,12,100,1" if hour == 9 else text for hour, text in enumerate(rows)]
    usable(load_history(written(tmp_path, spiked, name="flash.csv"), "ETH"))


def test_what_is_left_after_a_gap_is_offered_only_when_it_would_do(tmp_path: Path) -> None:
    """A gap near the end leaves too little: the fix is then to complete the file, and says how much is left."""
    rows = [row(hour) for hour in range(24 * 200) if not 4000 <= hour < 4020]
    history = load_history(written(tmp_path, rows), "ETH")
    with pytest.raises(HistoryUnusable, match="silent for 20 h") as caught:
        usable(history)
    assert "complete the file from its source: the 32 days after it are fewer than the 90 needed" == caught.value.fix
    with pytest.raises(HistoryUnusable, match="silent") as longer:
        usable(history, minimum_days=30)
    assert "(32 days), or complete the file" in longer.value.fix


def test_a_price_cannot_become_tenfold_inside_a_candle(tmp_path: Path) -> None:
    """Open in dollars and close in cents is another unit, not a market."""
    rows = [row(0), row(1), f"{START + 7200},100,10000,100,10000,1", row(3, 10000.0)]
    with pytest.raises(HistoryUnusable, match="mixes units"):
        load_history(written(tmp_path, rows), "ETH")
