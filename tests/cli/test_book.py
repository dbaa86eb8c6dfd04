"""`@NAME` and `@all`: a whole book over markets, owners and chains, and what a part that fails leaves of it."""

from __future__ import annotations

import csv
import io
import json
import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from defilev.observe import discover
from tests.support.books import OVERLAYS, write_book
from tests.support.cli import Cli, assert_refused, credentials, untouched
from tests.support.schemas import schema_problems
from tests.support.world import World, own_world

pytestmark = pytest.mark.world

SECRET = "k3y-in-the-path"
PROVIDER = "0x2f39d218133AFaB8F2B819B1066c7E434Ad94E9e"


@pytest.fixture(scope="module")
def ethereum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve the local chain a second time, under Ethereum's chain id."""
    with own_world(tmp_path_factory.mktemp("ethereum"), chain_id=1) as served:
        yield served


@pytest.fixture
def dead() -> str:
    """Return the URL of a node that is not there, with a key in it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a working directory of the test's own."""
    inside = tmp_path / "work"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return inside


def _by_book(world: World, book: Path, *, address_book: Path | None = None) -> tuple[str, ...]:
    """Return the flags of a run in which only the book names nodes."""
    return ("--book", str(book), "--address-book", str(address_book or world.address_book))


def _document(printed: Any, *, code: int = 0) -> dict[str, Any]:
    assert code == printed.code, printed.err
    document: dict[str, Any] = printed.document
    assert [] == schema_problems(document)
    return document


def _markets_of_mixed(cli: Cli) -> list[tuple[str, str]]:
    """Return the protocols and markets in which the mixed account has a position."""
    return [(each["protocol"], each["market"]) for each in _document(cli("health", "mixed", "--json"))["accounts"]]


def test_a_name_is_its_account(cli: Cli, folder: Path) -> None:
    """`@mixed` is the account of the address in every figure, and its name and note stand beside it."""
    book = write_book(folder / "book.toml", cli.world, "mixed", more='note = "cold wallet"\n')

    by_name = _document(cli("health", "@mixed", "--book", book, "--json"))
    by_address = _document(cli("health", "mixed", "--json"))

    assert {("mixed", "cold wallet")} == {(each["name"], each["note"]) for each in by_name["accounts"]}
    unnamed = [{**each, "name": None, "note": None} for each in by_name["accounts"]]
    assert by_address["accounts"] == unnamed
    assert by_address["total"]["equity_value"] == by_name["total"]["equity_value"]


def test_everybody_is_every_owner_and_the_total_is_their_sum(cli: Cli, folder: Path) -> None:
    """`@all` reads all owners in all markets; the total is the sum of the accounts and of what no chain shows."""
    book = write_book(folder / "book.toml", cli.world, "mixed", "loop", "not-enabled", "empty", more=OVERLAYS)

    document = _document(cli("health", "@all", "--book", book, "--json"))
    total, accounts = document["total"], document["accounts"]

    assert ["mixed", "mixed", "loop", "loop", "not-enabled", "not-enabled"] == [each["name"] for each in accounts]
    assert [cli.world.account("empty")] == document["without_position"]
    assert (6, 2) == (total["accounts"], total["overlays"])
    gain = -5 * (Decimal(3000) - 3150)
    assert sum(Decimal(each["equity_value"]) for each in accounts) + gain == Decimal(total["equity_value"])
    for value in ("collateral_value", "debt_value", "idle_value"):
        assert sum(Decimal(each[value]) for each in accounts) == Decimal(total[value])
    assert "loop" == total["worst"]["name"] == total["nearest_liquidation"]["name"]
    assert min(Decimal(each["health_factor"]["decimal"]) for each in accounts) == Decimal(
        total["worst"]["health_factor"]
    )


def test_the_net_delta_is_what_the_book_gains(cli: Cli, folder: Path) -> None:
    """After ETH rose by a hundredth, equity and idle supply have grown by a hundredth of the delta."""
    book = write_book(folder / "book.toml", cli.world, "mixed", "loop", "not-enabled", "short", more=OVERLAYS)
    before = _document(cli("health", "@all", "--book", book, "--json"))["total"]
    cli.world.set_price("WETH", 3030 * 10**8)
    after = _document(cli("health", "@all", "--book", book, "--json"))["total"]

    drivers = {each["driver"]: each for each in before["drivers"]}
    delta = float(drivers["ETH"]["delta"]) - 10 * -0.31 * 3000  # an option's value is not in the equity
    grown = sum(float(after[value]) - float(before[value]) for value in ("equity_value", "idle_value"))
    assert grown == pytest.approx(0.01 * delta, rel=1e-3)
    assert ("36000.00", "32.00") == (drivers["ETH"]["gamma"], drivers["ETH"]["vega"])
    assert {None} == {each["gamma"] for name, each in drivers.items() if name != "ETH"}


def test_the_book_is_a_table_with_its_total(cli: Cli, folder: Path) -> None:
    """Before the accounts stands a line for each, the worst first, then the total and what moves it."""
    book = write_book(folder / "book.toml", cli.world, "mixed", "loop", more=OVERLAYS)
    lines = cli("health", "@all", "--book", book).out.splitlines()

    assert ["loop", "loop", "mixed", "mixed", "total"] == [line.split()[0] for line in lines[1:6]]
    assert "1.050   DANGER" in lines[5]
    assert any(line.startswith("  net delta       ETH $") for line in lines)
    assert "  option          eth-put: 10 × ETH option at Deribit   delta −$9 300.00" in lines
    assert "  position        hedge: −5 WETH at Binance   gain $750.00   delta −$15 000.00" in lines


@pytest.mark.parametrize("columns", ["80", "140"])
def test_a_book_fits_the_terminal(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """No line of a book is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    book = write_book(folder / "book.toml", cli.world, *cli.world.accounts(), more=OVERLAYS)
    printed = cli("health", "@all", "--book", book)

    assert 0 == printed.code
    assert [] == [line for line in printed.out.splitlines() if len(line) > int(columns)]


def test_several_names_and_addresses_are_asked_for_together(cli: Cli, folder: Path) -> None:
    """Names and addresses mix, and an account that is meant twice is shown once, by its name."""
    book = write_book(folder / "book.toml", cli.world, "mixed", "loop")
    one = ("-p", "aave-v3", "--market", "main")
    document = _document(cli("health", "short", "mixed", "@loop", "@mixed", *one, "--book", book, "--json"))

    assert [None, "mixed", "loop"] == [each["name"] for each in document["accounts"]]


def test_overlays_are_their_owner_s(cli: Cli, folder: Path) -> None:
    """One owner's overlays come with that owner, those of the whole book with `@all`, and none with a market."""
    book = write_book(folder / "book.toml", cli.world, "mixed", "loop", more=OVERLAYS)

    def overlays(*words: str) -> list[str]:
        return [each["name"] for each in _document(cli("health", *words, "--book", book, "--json"))["overlays"]]

    assert ["eth-put", "hedge"] == overlays("@all") == overlays("@loop", "@mixed")
    assert ["eth-put"] == overlays("@mixed")
    assert [] == overlays("@loop") == overlays("@all", "-p", "aave-v3") == overlays("@all", "--market", "main")


def test_the_markets_of_a_book_are_those_looked_at(cli: Cli, folder: Path) -> None:
    """`markets` narrows what is read for the book's names; flags go before it, and an address is not narrowed."""
    book = write_book(folder / "book.toml", cli.world, "mixed", head='markets = ["aave-v3/main"]')

    first, second = _markets_of_mixed(cli)

    def markets(*words: str) -> list[tuple[str, str]]:
        accounts = _document(cli("health", *words, "--book", book, "--json"))["accounts"]
        return [(each["protocol"], each["market"]) for each in accounts]

    assert [first] == [("aave-v3", "main")] == markets("@mixed")
    assert [second] == markets("@mixed", "-p", second[0], "--market", second[1])
    assert [first, second] == markets("mixed")


def test_a_market_that_no_chain_has_is_told(cli: Cli, folder: Path) -> None:
    """A misspelt market of the book is a usage error with the name that may be meant."""
    book = write_book(folder / "book.toml", cli.world, "mixed", head='markets = ["aave-v3/mian"]')

    assert_refused(cli("health", "@mixed", "--book", book), code=2, said="no market on local is called 'mian'")


# ---------------------------------------------------------------------------------------------- chains


def test_all_chains_are_read_at_once(cli: Cli, folder: Path, ethereum: World) -> None:
    """A book with two chains shows the accounts of both, each at its own chain's block."""
    nodes = {"local": cli.world.rpc_url, "ethereum": ethereum.rpc_url}
    book = write_book(folder / "book.toml", cli.world, "mixed", chains=nodes)

    printed = cli("health", "@all", "--json", node=_by_book(cli.world, book))
    document = _document(printed)

    found = {(each["chain"], each["chain_id"], each["protocol"], each["market"]) for each in document["accounts"]}
    assert {("local", 31337, *market) for market in _markets_of_mixed(cli)} < found
    assert {("local", 31337), ("ethereum", 1)} == {where[:2] for where in found}
    assert len(found) == document["total"]["accounts"]
    text = cli("health", "@all", node=_by_book(cli.world, book)).out
    assert ["account", "market", "chain"] == text.splitlines()[0].split()[:3]
    assert "aave-v3 main · ethereum · block" in text


def test_a_market_that_one_chain_lacks_hides_nothing_of_it(cli: Cli, folder: Path, ethereum: World) -> None:
    """Of several markets asked for, each chain is asked for those that it has; one that no chain has is told."""
    nodes = {"local": cli.world.rpc_url, "ethereum": ethereum.rpc_url}
    book = write_book(folder / "book.toml", cli.world, "mixed", chains=nodes)
    node = _by_book(cli.world, book)

    document = _document(cli("health", "@all", "-p", "aave-v3", "-p", "compound-v3", "--json", node=node))
    refused = cli("health", "@all", "-p", "aave-v3", "-p", "compound-v9", node=node)

    assert {("local", "aave-v3"), ("ethereum", "aave-v3")} == {
        (each["chain"], each["protocol"]) for each in document["accounts"]
    }
    assert_refused(refused, code=2, said="is called 'compound-v9'")


def test_a_search_that_fell_short_is_told_beside_what_was_found(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markets may be missing: it stands in the document, the rest is shown, and the error is the search's own."""
    morpho = f'[morpho-blue.main]\nmorpho = "{cli.world.pool("wstETH/USDC")}"\nfirst_block = 1\n'
    text = cli.world.address_book.read_text()
    (addresses := folder / "addresses.toml").write_text(text[: text.index("[morpho-blue")] + morpho)
    monkeypatch.setattr(discover.search_logs, "__kwdefaults__", {"most_requests": 1})

    printed = cli("health", "mixed", "--json", node=("--rpc-url", cli.world.rpc_url, "--address-book", str(addresses)))

    document = _document(printed, code=4)
    ((market, error),) = [(each["market"], each["error"]) for each in document["failures"]]
    assert ("main", "SearchIncomplete") == (market, error)
    assert {"aave-v3", "sparklend"} == {each["protocol"] for each in document["accounts"]}
    assert "error: markets of morpho-blue main may be missing" in printed.err


def test_markets_that_are_not_there_are_said(cli: Cli, folder: Path, ethereum: World) -> None:
    """Markets of Ethereum's address book that the local chain does not have are named on stderr and in the document."""
    book = write_book(folder / "book.toml", cli.world, "mixed", chains={"ethereum": ethereum.rpc_url})
    printed = cli("health", "@mixed", "--json", node=("--book", str(book)))

    left_out = {(each["protocol"], each["market"]) for each in _document(printed)["left_out"]}
    assert {("aave-v3", "prime"), ("aave-v3", "etherfi")} <= left_out
    assert "aave-v3 prime on ethereum is left out: not there at block" in printed.err
    assert "is left out" not in cli("health", "@mixed", "--quiet", node=("--book", str(book))).err


def test_an_unreachable_chain_hides_no_other(cli: Cli, folder: Path, dead: str) -> None:
    """The chains that answer are shown, the other is listed with its error and without its key, and the code is 4."""
    book = write_book(folder / "book.toml", cli.world, "mixed", chains={"local": cli.world.rpc_url, "base": dead})
    node = _by_book(cli.world, book)

    printed = cli("health", "@all", "--json", node=node)
    document = _document(printed, code=4)
    told = cli("health", "@all", node=node)

    assert 2 == len(document["accounts"]) == document["total"]["accounts"]
    ((chain, market, error),) = [(each["chain"], each["market"], each["error"]) for each in document["failures"]]
    assert ("base", None, "RpcUnreachable") == (chain, market, error)
    assert_refused(told, code=4, said="1 part of what was asked for could not be read", secrets=[SECRET])
    assert "base: not read: no connection to" in told.out
    assert SECRET not in printed.out + printed.err


def test_the_only_chain_that_fails_is_the_failure(cli: Cli, folder: Path, dead: str) -> None:
    """Without anything to show the error is that of the chain itself."""
    book = write_book(folder / "book.toml", cli.world, "mixed", chains={"base": dead})

    printed = cli("health", "@mixed", "--json", node=_by_book(cli.world, book))

    assert_refused(printed, code=4, said="no connection to", is_json=True, secrets=[SECRET])


def test_a_breach_goes_before_what_was_not_read(cli: Cli, folder: Path, dead: str) -> None:
    """A health factor below the limit ends with 5 although a chain failed, and says that one did."""
    book = write_book(folder / "book.toml", cli.world, "loop", chains={"local": cli.world.rpc_url, "base": dead})
    printed = cli("health", "@all", "--fail-below", "1.4", node=_by_book(cli.world, book))

    assert_refused(printed, code=5, said="below --fail-below 1.4")
    assert "not read  base" in printed.err


def test_an_owner_is_looked_for_on_its_own_chains(cli: Cli, folder: Path, ethereum: World) -> None:
    """An owner with `chains` is read there only, and the others everywhere; `--chain` leaves one chain."""
    nodes = {"local": cli.world.rpc_url, "ethereum": ethereum.rpc_url}
    book = write_book(folder / "book.toml", cli.world, "mixed", "loop", chains=nodes, more='chains = ["ethereum"]\n')

    def found(*words: str) -> set[tuple[str, str]]:
        one = ("-p", "aave-v3", "--market", "main")
        printed = cli("health", *words, *one, "--json", node=_by_book(cli.world, book))
        return {(each["name"], each["chain"]) for each in _document(printed)["accounts"]}

    assert {("mixed", "local"), ("mixed", "ethereum"), ("loop", "ethereum")} == found("@all")
    assert {("loop", "ethereum")} == found("@loop")
    assert {("mixed", "local")} == found("@all", "--chain", "local") == found("@all", "--chain", "31337")
    refused = cli("health", "@loop", "--chain", "local", node=_by_book(cli.world, book))
    assert_refused(refused, code=2, said="the book looks at nobody asked for on local")


def test_a_node_on_the_command_line_goes_before_the_book(cli: Cli, folder: Path, dead: str) -> None:
    """With --rpc-url the book's nodes are not asked."""
    book = write_book(folder / "book.toml", cli.world, "mixed", chains={"base": dead})

    assert 0 == cli("health", "@mixed", "--book", book).code


def test_an_address_is_asked_of_the_node_that_is_set(
    cli: Cli, folder: Path, dead: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book's nodes are for its names; an address goes to the node that is set, and to the book's without one."""
    book = write_book(folder / "book.toml", cli.world, "mixed", chains={"base": dead})
    node = _by_book(cli.world, book)

    assert_refused(cli("health", "mixed", node=node), code=4, said="no connection to")
    monkeypatch.setenv("DEFILEV_RPC_URL", cli.world.rpc_url)
    assert 0 == cli("health", "mixed", node=node).code


def test_a_chain_without_an_address_book_is_told_before_any_node_is_asked(cli: Cli, folder: Path, dead: str) -> None:
    """The chain is named, and a close name or the flag that would help."""
    for chain, fix in (("ethereun", "did you mean ethereum?"), ("nowhere", "--address-book FILE")):
        book = write_book(folder / "book.toml", cli.world, "mixed", chains={chain: dead})
        printed = cli("health", "@all", node=_by_book(cli.world, book))

        assert_refused(printed, code=2, said=f"no address book is for the chain {chain}", secrets=[SECRET])
        assert fix in printed.fixes[0]


# ------------------------------------------------------------------------------------ parts that fail


def _spoilt(world: World, path: Path, provider: str) -> Path:
    """Write the chain's address book with one market more, whose entry point is `provider`."""
    more = f'\n[aave-v3.other]\npool_addresses_provider = "{provider}"\n'
    path.write_text(world.address_book.read_text() + more)
    return path


def test_an_entry_point_without_code_is_left_out_by_name(cli: Cli, folder: Path) -> None:
    """An address without code is said on stderr and in the document; when it was asked for by name it is an error."""
    nothing = "0x" + "12" * 20
    book = _spoilt(cli.world, folder / "addresses.toml", nothing)
    node = ("--rpc-url", cli.world.rpc_url, "--address-book", str(book))

    printed = cli("health", "mixed", "--json", node=node)
    (left_out,) = _document(printed)["left_out"]
    assert {"pool_addresses_provider": nothing} == left_out["entry_points"]
    assert "aave-v3 other on local is left out: not there at block" in printed.err
    assert nothing in printed.err

    named = cli("health", "mixed", "--market", "other", node=node)
    said = f"aave-v3 other is not there: its pool_addresses_provider {nothing} has no code at block"
    assert_refused(named, code=4, said=said)


@pytest.mark.parametrize("contract", ["WETH", "pool", "oracle", "feed", "multicall3"])
def test_an_entry_point_that_is_another_contract_is_named(cli: Cli, folder: Path, contract: str) -> None:
    """Whatever contract stands there, that market is listed with its error, and the others are shown: exit 4."""
    description = cli.world.description
    address = {
        "WETH": cli.world.token("WETH"),
        "pool": cli.world.pool("main"),
        "oracle": description["markets"]["main"]["oracle"],
        "feed": description["feeds"]["WETH"]["address"],
        "multicall3": description["multicall3"],
    }[contract]
    book = _spoilt(cli.world, folder / "addresses.toml", address)
    node = ("--rpc-url", cli.world.rpc_url, "--address-book", str(book))

    document = _document(cli("health", "mixed", "loop", "--json", node=node), code=4)
    (failure,) = document["failures"]

    assert set(_markets_of_mixed(cli)) <= {(each["protocol"], each["market"]) for each in document["accounts"]}
    assert ("aave-v3", "other", None) == (failure["protocol"], failure["market"], failure["address"])
    assert f"its pool_addresses_provider {address} is another contract" in failure["fact"]


def test_a_multicall_contract_that_is_another_is_named(cli: Cli, folder: Path) -> None:
    """The contract through which everything is read is told from a node that answers nonsense."""
    wrong = cli.world.token("WETH")
    text = cli.world.address_book.read_text().replace(cli.world.description["multicall3"], wrong)
    (folder / "addresses.toml").write_text(text)
    node = ("--rpc-url", cli.world.rpc_url, "--address-book", str(folder / "addresses.toml"))

    printed = cli("health", "mixed", "--json", node=node)

    assert_refused(printed, code=4, said="the multicall3 of local is another contract", is_json=True)
    assert wrong == printed.document["facts"]["multicall3"]


def test_what_fails_for_one_owner_hides_no_other(cli: Cli, folder: Path) -> None:
    """A price that is missing for those who hold the asset leaves everybody else's account."""
    book = write_book(folder / "book.toml", cli.world, "mixed", "loop")
    cli.world.set_price("WBTC", 0)

    one = ("-p", "aave-v3", "--market", "main")
    document = _document(cli("health", "@all", *one, "--book", book, "--json"), code=4)

    assert ["loop"] == [each["name"] for each in document["accounts"]]
    assert [("main", cli.world.account("mixed"))] == [
        (each["market"], each["address"]) for each in document["failures"]
    ]


# ------------------------------------------------------------------------------------------- bad input

BAD: dict[str, tuple[tuple[str, ...], str, int, str]] = {
    "a name that the book has not": (("@mixd",), "", 2, "names no @mixd"),
    "an unknown key": (("@mixed",), "nots = 1\n", 2, "[owners.mixed] has an unknown key nots"),
    "an overlay of an unknown asset": (
        ("@all",),
        '[positions.a]\nasset = "WETG"\nsize = 1\n',
        2,
        "no market read has a dollar price for the asset 'WETG' of the overlay a",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_book_that_cannot_be_used(cli: Cli, folder: Path, kind: str) -> None:
    """One sentence, one fix, exit 2, and nothing is shown."""
    words, more, code, said = BAD[kind]
    book = write_book(folder / "book.toml", cli.world, "mixed", more=more)
    printed = cli("health", *words, "--book", book, "--json")

    assert_refused(printed, code=code, said=said, is_json=True)
    assert "did you mean" in printed.fixes[0]


def test_an_overlay_without_a_price_because_a_chain_failed_is_listed(cli: Cli, folder: Path, dead: str) -> None:
    """What the failing chain may list is no typing error: the overlay is listed, and everything else is shown."""
    nodes = {"local": cli.world.rpc_url, "base": dead}
    more = '[positions.a]\nasset = "AERO"\nsize = 1\n'
    book = write_book(folder / "book.toml", cli.world, "mixed", chains=nodes, more=more)

    document = _document(cli("health", "@all", "--json", node=_by_book(cli.world, book)), code=4)

    assert [("base", None), (None, "a")] == [(each["chain"], each["overlay"]) for each in document["failures"]]
    assert 2 == len(document["accounts"])


def test_a_broken_book_does_not_stop_those_who_do_not_use_it(cli: Cli, folder: Path) -> None:
    """An address with a node of its own needs no book."""
    (folder / "book.toml").write_text("broken")

    assert 0 == cli("health", "mixed", "--book", folder / "book.toml").code


# -------------------------------------------------------------------------------------------- one account


def test_commands_that_act_take_a_name_of_the_book(cli: Cli, folder: Path) -> None:
    """`plan`, `target` and `rebalance` work on `@mixed` as on its address, over the book's node."""
    book = write_book(folder / "book.toml", cli.world, "mixed", chains={"local": cli.world.rpc_url})
    node = _by_book(cli.world, book)
    goal = ("-p", "aave-v3", "--to-health-factor", "2")

    by_name = cli("plan", "@mixed", *goal, "--json", node=node).document
    assert by_name == cli("plan", "mixed", *goal, "--json").document
    assert 0 == cli("target", "@mixed", "-p", "aave-v3", "--volatility", "65%", node=node).code
    dry = cli("rebalance", "@mixed", *goal, node=node)
    assert "DRY RUN: nothing was signed." in dry.out
    sent = cli("rebalance", "@mixed", *goal, "--broadcast", *credentials(cli.world, "mixed"), "--json", node=node)
    assert 0 == sent.code, sent.err
    assert cli.world.account("mixed") == sent.document["execution"]["owner"]


def test_the_next_command_names_the_book_s_name_and_chain(cli: Cli, folder: Path) -> None:
    """What is suggested can be typed: the name as it was asked for, and the chain where it is needed."""
    book = write_book(folder / "book.toml", cli.world, "loop", chains={"local": cli.world.rpc_url})
    node = _by_book(cli.world, book)
    made = cli("plan", "@loop", "-p", "aave-v3", "--to-health-factor", "1.06", "-o", "plan.json", node=node)

    assert "next: defilev plan @loop -p aave-v3 " in cli("health", "@loop", "-p", "aave-v3", node=node).err
    assert "next: defilev rebalance @loop -p aave-v3 --plan plan.json" in made.err


@pytest.mark.parametrize("command", ["plan", "target", "rebalance"])
def test_commands_that_act_take_exactly_one_account_on_one_chain(
    cli: Cli, folder: Path, command: str, dead: str
) -> None:
    """Several accounts, or several chains and none named, are refused before anything is asked."""
    nodes = {"local": cli.world.rpc_url, "base": dead}
    book = write_book(folder / "book.toml", cli.world, "mixed", "loop", chains=nodes)
    node = _by_book(cli.world, book)
    goal = ("--volatility", "65%") if command == "target" else ("--to-health-factor", "2")

    with untouched(cli.world, folder):
        everybody = cli(command, "@all", "-p", "aave-v3", *goal, node=node)
        somewhere = cli(command, "@mixed", "-p", "aave-v3", *goal, node=node)
        here = cli(command, "@mixed", "-p", "aave-v3", *goal, "--chain", "local", node=node)

    assert_refused(everybody, code=2, said="@all names 2 accounts, and this command takes one")
    assert_refused(somewhere, code=2, said="the book has several chains for mixed")
    assert 0 == here.code, here.err


def test_a_book_from_the_working_directory_steers_no_money(cli: Cli, folder: Path) -> None:
    """A book that ./.env names is refused for a broadcast, and the same one on the command line is not."""
    book = write_book(folder / "book.toml", cli.world, "mixed")
    (folder / ".env").write_text("DEFILEV_BOOK=book.toml\n")
    words = ("rebalance", "@mixed", "-p", "aave-v3", "--to-health-factor", "2", "--sign-only")
    key = credentials(cli.world, "mixed")

    assert 0 == cli("health", "@mixed").code
    assert_refused(cli(*words, *key), code=7, said="book comes from the working directory")
    assert 0 == cli(*words, *key, "--book", book).code


# ------------------------------------------------------------------------------------------------ formats


def test_csv_has_a_line_for_each_account(cli: Cli, folder: Path) -> None:
    """The records are the accounts of the document, figures in plain decimals, cells empty where there is none."""
    book = write_book(folder / "book.toml", cli.world, "mixed", "debt-free")
    document = _document(cli("health", "@all", "--book", book, "--format", "json"))
    rows = list(csv.DictReader(io.StringIO(cli("health", "@all", "--book", book, "--format", "csv").out)))

    assert len(document["accounts"]) == len(rows) == 4
    for row, account in zip(rows, document["accounts"], strict=True):
        assert (row["address"], row["market"]) == (account["address"], account["market"])
        assert Decimal(row["equity_value"]) == Decimal(account["equity_value"])
        health_factor = account["health_factor"]
        assert row["health_factor"] == ("" if health_factor is None else health_factor["decimal"])
        assert row["nearest_liquidation"] == ("" if health_factor is None else "WETH")


def test_formats_that_contradict_each_other(cli: Cli) -> None:
    """--json and another format are refused; --json and json are one."""
    assert_refused(cli("health", "mixed", "--json", "--format", "csv"), code=2, said="contradict each other")
    same = [
        cli("health", "mixed", *flags).out
        for flags in (("--json",), ("--format", "json"), ("--json", "--format", "json"))
    ]
    assert 1 == len(set(same))


def test_a_failure_with_format_json_is_a_document(cli: Cli) -> None:
    """`--format json` is `--json` for failures too."""
    assert "defilev/error@1" == json.loads(cli("health", "mixed", "--format", "json", "-p", "foo").out)["schema"]
