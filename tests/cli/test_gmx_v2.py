"""GMX v2 on the command line, over a node that knows only what was recorded of the real contracts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import defilev
from defilev.cli.app import main
from defilev.config.settings import Settings
from defilev.errors import InvalidNumber, UnknownName
from defilev.library.connection import Connection
from defilev.pipeline.session import connect
from defilev.report.figures import NARROW_SPACE
from tests.support.cli import Printed, assert_refused
from tests.support.gmx import EXPECTED, GMX, MARKET, gmx_book, ticker_document
from tests.support.http_node import http_document, http_node
from tests.support.schemas import schema_problems

Run = Callable[..., Printed]
WRONG_WAY = [{"marketToken": MARKET, "fundingRateLong": "7", "fundingRateShort": "-5"}]
USERS = tuple(GMX.document["accounts"])


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Return an address book of the recorded deployment."""
    path = tmp_path / "recorded.toml"
    path.write_text(gmx_book())
    return path


@pytest.fixture
def url() -> Iterator[str]:
    """Return the URL of the recorded node."""
    fees = {"baseFeePerGas": ["0x3b9aca00"] * 11, "reward": [["0x5f5e100"]] * 10, "gasUsedRatio": [0.5] * 10}
    with http_node(GMX.node() | {"eth_feeHistory": lambda _: {**fees, "oldestBlock": "0x1a7"}}) as served:
        yield served


@pytest.fixture
def run(url: str, book: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs `defilev` on the recorded node, recorded users by name."""

    def run(*arguments: str) -> Printed:
        names = GMX.document["accounts"]
        words = [*(names.get(word, word) for word in arguments), "--rpc-url", url, "--address-book", str(book)]
        code = main(words)
        captured = capsys.readouterr()
        return Printed(code, captured.out.replace(NARROW_SPACE, " "), captured.err.replace(NARROW_SPACE, " "))

    return run


@pytest.fixture
def tickers(tmp_path: Path) -> str:
    """Return a ticker file with the prices that the positions were recorded at."""
    path = tmp_path / "tickers.json"
    path.write_text(json.dumps(ticker_document()))
    return str(path)


def test_every_recorded_position_has_a_valid_document(run: Run, tickers: str) -> None:
    """`health --json` has all twelve positions as `kind` perp, each with what is left of its margin to the digit."""
    printed = run("health", *USERS, "--tickers", tickers, "--json")
    accounts = printed.document["accounts"]
    found = {account["market"]: account for account in accounts}

    assert 0 == printed.code, printed.err
    assert [] == schema_problems(printed.document)
    assert {"perp"} == {account["kind"] for account in accounts}
    assert [GMX.account("user8")] == printed.document["without_position"]
    for figures in EXPECTED.values():
        account = found[figures["key"]]
        assert Decimal(figures["remaining"]).scaleb(-30) == Decimal(account["equity_value"])
        assert figures["keeper_liquidates"] == account["is_liquidatable"] == (account["status"] == "LIQUIDATABLE")
        assert "exact" == account["self_check"]["result"]


@pytest.mark.parametrize("width", [80, 140])
def test_a_position_is_a_block_that_fits(run: Run, tickers: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health as a loan and margin ratio, carry, the Reader's own view beside the verdict; no line is too wide."""
    monkeypatch.setenv("COLUMNS", str(width))
    printed = run("health", "user7", "--tickers", tickers, "--stress", "-10%")

    assert 0 == printed.code
    assert "gmx-v2 WNT/USD [WNT-USDC] long on USDC (0x5f54776e)" in printed.out
    for words in (
        "health factor   0.999  LIQUIDATABLE",
        "margin ratio    0.809",
        "Reader's view   $1 434.94 left, not liquidatable   without pending fees",
        "index by ticker, +0.000 % from the feed",
        "WNT must be above $2 774.88",
        "WNT −10 %  0.907 LIQUIDATABLE",
        "view-behind",
    ):
        assert words in printed.out
    assert width >= max(len(line) for line in printed.out.splitlines())


def test_csv_has_a_line_for_each_position(run: Run) -> None:
    """The figures of a perpetual stand in columns of their own, those that only a loan has are empty."""
    printed = run("health", *USERS, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(printed.out)))

    assert len(EXPECTED) == len(rows)
    assert {("perp", "", "")} == {(row["kind"], row["collateral_value"], row["debt_value"]) for row in rows}
    assert all(Decimal(row["notional"]) > 0 and row["margin_value"] and row["health_factor"] for row in rows)


def test_a_limit_is_breached_by_the_health_of_a_loan(run: Run) -> None:
    """`--fail-below` reads a perpetual as a loan: a long of five times its margin breaches 1.2."""
    assert 0 == run("health", "user0", "--fail-below", "1.1").code
    assert_refused(run("health", "user0", "--fail-below", "1.2"), code=5, said="health factor")


def test_a_shock_moves_index_and_collateral(run: Run) -> None:
    """`--shock` of the index moves the margin too where that is the same token; a name that nobody has is refused."""
    shock = run("health", "user0", "--shock", "WNT=-20%", "--json").document["accounts"][0]["shock"]

    assert ("LIQUIDATABLE", ["WNT", "WNT"]) == (shock["status"], shock["moves"][0]["assets"])
    assert_refused(run("health", "user0", "--shock", "WNTT=-20%"), code=2, said="no market read has an asset 'WNTT'")


def test_who_has_none_is_told_so(run: Run) -> None:
    """An owner without a position is named, and nothing is made up for them."""
    printed = run("health", "user8")

    assert (0, f"{GMX.account('user8')}: no position in the markets asked for\n") == (printed.code, printed.out)


def test_watch_follows_perpetuals(run: Run) -> None:
    """A reading of `watch` has them, as a line and as JSON."""
    line = run("watch", "user5", "user6", "--count", "1")
    document = run("watch", "user5", "--count", "1", "--json").document

    assert "gmx-v2 WNT/USD [WNT-USDC] long on USDC  health" in line.out
    assert "LIQUIDATABLE" in line.out
    assert [] == schema_problems(document)
    assert ["perp"] == [account["kind"] for account in document["accounts"]]


@pytest.mark.parametrize("command", [["target"], ["plan", "--to-health-factor", "2"]])
def test_what_is_for_loans_says_so(run: Run, command: list[str]) -> None:
    """A command that knows nothing of perpetuals refuses them by name, before anything is read."""
    printed = run(command[0], "user5", "-p", "gmx-v2", *command[1:])

    assert_refused(printed, code=2, said="gmx-v2 has perpetuals, and this is for loans")


def test_the_protocol_is_listed_with_what_it_can(run: Run) -> None:
    """`protocols ls` says that GMX is read and checked exactly, and not planned for."""
    market = run("protocols", "ls", "--json").document["markets"][0]

    assert market["readable"]
    assert {"plans": False, "broadcasts": "no", "self_check": "exact", "versions": ["v2.2"]} == market["abilities"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        ("prices", "it is not JSON"),
        ("{}", "it has no list of tickers"),
        (
            json.dumps(ticker_document(markets=WRONG_WAY)),
            "wrong sign: on the chain the longs pay",
        ),
    ],
)
def test_a_ticker_that_cannot_be_used_is_named(run: Run, tmp_path: Path, content: str | None, why: str) -> None:
    """A file that is not there, is none, or contradicts the chain about who pays funding, is an error of data."""
    path = tmp_path / "ticker.json"
    if content is not None:
        path.write_text(content)

    assert_refused(run("health", "user5", "--tickers", str(path)), code=4, said=why)


def test_a_ticker_may_be_a_url(run: Run) -> None:
    """A URL answers as GMX's API does; one that fails, and one that anybody on the way could change, are named."""
    with http_document("/prices/tickers", json.dumps(ticker_document()["tickers"])) as address:
        account = run("health", "user5", "--tickers", f"{address}/prices/tickers", "--json").document["accounts"][0]
        assert "ticker" == account["details"]["index_price_source"]
        assert_refused(run("health", "user5", "--tickers", f"{address}/none"), code=4, said="answered with HTTP 404")
    assert_refused(run("health", "user5", "--tickers", "http://example.com/x"), code=4, said="asked over https only")


def test_the_library_has_perpetuals(url: str, book: Path) -> None:
    """`Connection.perps` gives each with its figures, shocks and document; a lender has none."""
    session = connect(Settings(rpc_url=(url,), address_book=(book,)))
    with Connection(session) as connection:
        (perp,) = connection.perps(GMX.account("user3"), "gmx-v2")

        assert perp.value == defilev.from_json(perp.to_json())
        assert ("OK", "short") == (perp.shock(WNT=-0.2).status, perp.legs[0].side)
        assert perp.stress(0.2).health_factor == perp.shock(WNT=0.2).health_factor
        assert perp.health_factor is not None
        assert "<Perp" in repr(perp)
        with pytest.raises(InvalidNumber):
            perp.shock(WNT=-1)
        with pytest.raises(UnknownName):
            connection.perps(GMX.account("user3"), "aave-v3")


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (["--hedge", "gmx-v2", "--volatility", "65%", "--delta-band", "-5%,5%"], "--delta-band is about"),
        (["--hedge", "gmx-v2"], "a hedged book needs its volatility as a figure"),
        (["--hedge", "gmx-v2", "--volatility", "65%", "--objective", "ceiling"], "is for a loan by itself"),
        (["--hedge", "gmx-v2", "--volatility", "65%", "--objective", "carry", "--delta-band", "5%"], "two percentages"),
        (["--hedge", "gmx-v2", "--volatility", "65%", "--objective", "carry", "--delta-band", "5%,1%"], "begins above"),
        (["--delta-band", "-5%,5%", "--volatility", "65%"], "--delta-band is about a hedged book"),
    ],
)
def test_what_a_hedged_book_is_not_asked(run: Run, flags: list[str], why: str) -> None:
    """Flags that contradict each other are refused before anything is read."""
    assert_refused(run("target", "user3", "-p", "aave-v3", *flags), code=2, said=why)


@pytest.mark.parametrize(
    ("flags", "functions"),
    [
        (["--reduce", "50%"], ["multicall"]),
        (["--close"], ["multicall"]),
        (["--add-margin", "0.25"], ["approve", "multicall"]),
    ],
)
def test_an_order_is_exported_and_nothing_is_signed(
    run: Run, tmp_path: Path, flags: list[str], functions: list[str]
) -> None:
    """The file has the transactions in their order with the fee that is asked for, and says that nothing was tried."""
    path = tmp_path / "order.json"
    printed = run("order", "user2", *flags, "--unsigned", str(path))
    document = json.loads(path.read_text())
    creation = document["transactions"][-1]

    assert 0 == printed.code, printed.err
    assert [] == schema_problems(document)
    assert functions == [each["function"] for each in document["transactions"]]
    assert [1, 2][: len(functions)] == [each["nonce"] for each in document["transactions"]]
    assert document["execution_fee"] == creation["value"] == str(5_250_000 * int(creation["max_fee_per_gas"]))
    assert not document["simulated"]
    assert "nothing was signed" in printed.out
    assert "not simulated" in printed.err


@pytest.mark.parametrize("width", [80, 140])
def test_an_order_in_words_fits(run: Run, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does, the worst price, the fee and the transactions; without a file it is a dry run."""
    monkeypatch.setenv("COLUMNS", str(width))
    printed = run("order", "user3", "--reduce", "25%", "--max-slippage", "1%")
    words = " ".join(printed.out.split())

    for said in ("closes $37 500.00 of the size, 25.00 % of it", "at most $2 800.00", "DRY RUN: nothing was signed."):
        assert said in words
    assert width >= max(len(line) for line in printed.out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["user5"], 2, "an order does one thing"),
        (["user5", "--close", "--reduce", "5%"], 2, "an order does one thing"),
        (["user5", "--reduce", "150%"], 2, "is no part of a position"),
        (["user5", "--close", "--broadcast"], 7, "no order of GMX has been created on a fork by this machine"),
        (["user8", "--close"], 7, "there is no such position"),
        (["user4", "--close"], 2, "there are several positions"),
        (["user5", "--add-margin", "0.0000001"], 2, "has more than 6 decimal places"),
        (["user5", "--add-margin", "1000000000000"], 7, "the wallet has"),
        (["user5", "--close", "-p", "aave-v3"], 2, "no protocol on recorded is called"),
    ],
)
def test_orders_that_are_not_made_say_why(run: Run, arguments: list[str], code: int, why: str) -> None:
    """Sending is refused by name; so is what is not one order on one position."""
    assert_refused(run("order", *arguments), code=code, said=why)
