"""The library on the local chain: the design's example, the command's own figures, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import defilev
from defilev import Account, Book, Connection, Preferences
from defilev.errors import (
    ConfigurationError,
    HistoryUnusable,
    Infeasible,
    InvalidAddress,
    InvalidNumber,
    RpcUnreachable,
    UnknownName,
    UsageError,
    WrongChain,
)
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan
from defilev.model.simulation import SimulationReport
from defilev.model.target import Target
from defilev.protocols import PROTOCOLS
from tests.support.books import OVERLAYS, write_book
from tests.support.cli import Cli
from tests.support.schemas import schema_problems
from tests.support.world import World

pytestmark = pytest.mark.world


@pytest.fixture
def connection(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connection]:
    """Connect to the local chain from a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    with defilev.connect(world.rpc_url, address_book=world.address_book) as opened:
        yield opened


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return the command on the same chain."""
    return Cli.on(world, capsys)


@pytest.fixture
def book(connection: Connection, world: World, tmp_path: Path) -> Book:
    """Read a book of four owners and two overlays."""
    return connection.book(write_book(tmp_path / "book.toml", world, "mixed", "loop", "short", "empty", more=OVERLAYS))


@pytest.fixture
def account(book: Book) -> Account:
    """Return the mixed account of the main market."""
    return book["mixed", "aave-v3"]


def test_a_book_is_what_the_command_shows(book: Book, cli: Cli, tmp_path: Path) -> None:
    """`to_json` is the document of `defilev health @all --json`, figure by figure."""
    printed = cli("health", "@all", "--book", tmp_path / "book.toml", "--json").document
    document = json.loads(book.to_json())

    assert [] == schema_problems(document)
    assert printed == document
    assert 6 == len(book.accounts) == len(book.to_records())
    assert book.total is not None
    assert printed["total"]["equity_value"] == format(book.total.equity_value.normalize(), "f")
    assert ["eth-put", "hedge"] == [overlay.name for overlay in book.overlays]


def test_everything_is_read_at_one_block(connection: Connection, world: World, account: Account) -> None:
    """What is read later is read at the same block, and `at` goes to the newest one."""
    world.advance(3600)
    again = connection.account(world.account("mixed"), "aave-v3", market="main")

    assert connection.block == account.value.block == again.value.block
    assert account.value == again.value
    later = connection.at()
    assert later.block.number > connection.block.number
    moved = later.account(world.account("mixed"), "aave-v3", market="main")
    assert account.health_factor != moved.health_factor


def test_an_account_is_found_by_name_address_and_market(book: Book, world: World) -> None:
    """The main market when none is named; an address stands for its name; an empty account is one too."""
    mixed = world.account("mixed")

    assert ("mixed", mixed, "main") == (book["mixed", "aave-v3"].name, book["mixed", "aave-v3"].owner, "main")
    other = next(each for each in book.accounts if (each.protocol, each.market) != ("aave-v3", "main"))
    assert other.value == book["@mixed", other.protocol, other.market].value
    assert book[mixed.lower(), "aave-v3"].value == book["mixed", "aave-v3"].value
    assert (None, ()) == (book["empty", "aave-v3"].health_factor, book["empty", "aave-v3"].legs)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (("nobody", "aave-v3"), "names no nobody"),
        (("mixed", "avee-v3"), "nothing was read of 'avee-v3' here"),
        (("mixed", "aave-v3", "mian"), "aave-v3 has no market 'mian' here"),
        (("0x" + "12" * 20, "aave-v3"), "has no owner 0x"),
    ],
)
def test_what_the_book_has_not_is_an_unknown_name(book: Book, place: tuple[str, str], said: str) -> None:
    """The error says what there is instead."""
    with pytest.raises(UnknownName, match=said) as caught:
        _ = book[place]

    assert "name one of" in caught.value.fix


def test_an_isolated_market_is_found_by_what_it_is_called(connection: Connection, world: World, tmp_path: Path) -> None:
    """The only position needs no name; of several, one is named by label, id or its beginning, and none is guessed."""
    book = connection.book(write_book(tmp_path / "isolated.toml", world, "morpho-loop", "morpho-several"))
    market = world.market("wstETH/WETH").market

    assert market == book["morpho-loop", "morpho-blue"].market
    for name in ("wsteth/weth-94.5%", market, market[:10]):
        assert market == book["morpho-several", "morpho-blue", name].market
    with pytest.raises(UnknownName, match="several accounts") as several:
        book["morpho-several", "morpho-blue"]
    assert "wstETH/USDC-86%" in several.value.fix
    assert "wstETH/WETH-94.5%" in repr(book["morpho-loop", "morpho-blue"])


def test_a_shock_is_the_contract_s_word_after_the_price_moved(
    account: Account, connection: Connection, world: World
) -> None:
    """Health after `shock(WETH=-0.10)` is the contract's own once the feed fell by a tenth."""
    promised = account.shock(WETH=-0.10).health_factor
    world.set_price("WETH", 2700 * 10**8)
    got = connection.at().account(account.owner, "aave-v3", market="main").health_factor

    assert promised is not None
    assert got is not None
    assert float(got) == pytest.approx(float(promised), rel=1e-4)


def test_shocks_take_every_kind_of_number_and_name(account: Account) -> None:
    """Floats, decimals and text say the same, a mapping takes what is no Python name, several move together."""
    fall = account.shock(WETH=-0.2)

    assert fall == account.shock(WETH=Decimal("-0.2")) == account.shock({"WETH": "-0.2"}) == account.shock(WETH="-0.20")
    both = account.shock({"WBTC": -0.5}, WETH=-0.2)
    assert (fall.health_factor or 0) > (both.health_factor or 0)
    assert account.stress(-0.3).health_factor is not None


@pytest.mark.parametrize("change", [0, -1, -2, 1000, float("nan"), float("inf"), "much"])
def test_a_change_that_is_none_is_refused(account: Account, change: float) -> None:
    """A price keeps something, moves, and does not rise a thousandfold."""
    with pytest.raises(InvalidNumber):
        account.shock(WETH=change)


def test_a_shock_of_nothing_known_is_refused(account: Account) -> None:
    """An asset that the market does not list, two changes of one feed, and no change at all."""
    with pytest.raises(UnknownName, match="'WETG'"):
        account.shock(WETG=-0.1)
    with pytest.raises(UsageError, match="cannot move apart"):
        account.shock(WETH=-0.1, wstETH=-0.2)
    with pytest.raises(UsageError, match="needs an asset"):
        account.shock()


def test_a_target_is_the_command_s(account: Account, cli: Cli) -> None:
    """`target(volatility=0.65)` is `defilev target --volatility 65%`, and survives its JSON."""
    target = account.target(volatility=0.65)
    printed = cli("target", "mixed", "-p", "aave-v3", "--volatility", "65%", "--json").document

    assert printed == json.loads(target.to_json())
    assert target == defilev.from_json(target.to_json())
    assert isinstance(target, Target)
    careful = account.target(volatility=0.65, preferences=Preferences(horizon_days=30.0))
    assert careful.preferences.horizon_days == 30.0


def test_a_volatility_that_is_none_is_refused(account: Account) -> None:
    """Zero, a percentage meant as a fraction, and a figure beside a history."""
    for volatility in (0, -0.5, 65, float("nan")):
        with pytest.raises(InvalidNumber):
            account.target(volatility=volatility)
    with pytest.raises(UsageError, match="the same thing twice"):
        account.target(volatility=0.65, prices="prices")
    with pytest.raises(HistoryUnusable):
        account.target()  # the local feeds have hardly any rounds


def test_a_plan_is_the_command_s_and_keeps_its_promise(account: Account, cli: Cli) -> None:
    """`plan` gives the plan of `defilev plan`, `simulate` tries it, and both survive their JSON."""
    plan = account.plan(to_health_factor=1.8)
    printed = cli("plan", "mixed", "-p", "aave-v3", "--to-health-factor", "1.8", "--json").document
    report = plan.simulate()

    assert printed == json.loads(plan.to_json())
    assert plan.value == defilev.from_json(plan.to_json())
    assert isinstance(plan.value, Plan)
    assert report.succeeded
    assert report == defilev.from_json(report.to_json())
    assert isinstance(report, SimulationReport)
    assert [] == schema_problems(json.loads(report.to_json()))


def test_goals_that_cannot_be_meant_are_refused(account: Account) -> None:
    """One goal, a slippage as a fraction, and only what can be reached."""
    with pytest.raises(InvalidNumber, match="one goal"):
        account.plan()
    with pytest.raises(InvalidNumber, match="one goal"):
        account.plan(to_health_factor=2, close=True)
    with pytest.raises(InvalidNumber, match="max_slippage"):
        account.plan(to_health_factor=2, max_slippage=0.9)
    with pytest.raises(Infeasible):
        account.plan(to_leverage=5)


def test_every_account_of_every_protocol_survives_its_json(connection: Connection, world: World) -> None:
    """With what its protocol keeps of it: planned for from the file, an account gives the same forms and figures."""
    from defilev.pipeline.look import read_accounts

    session = connection._session
    accounts = read_accounts(session, list(world.accounts().values()))
    assert {account.protocol for account in accounts} == {
        one.protocol for one in session.book.markets
    } & PROTOCOLS.keys()
    for account in accounts:
        again = defilev.from_json(account.to_json())

        assert isinstance(again, LendingAccount)
        assert account == again
        assert [] == schema_problems(json.loads(account.to_json()))
        protocol = PROTOCOLS[account.protocol]
        stable: frozenset[object] = frozenset()
        exposure = protocol.exposure(again, stable=stable)  # type: ignore[arg-type]
        assert protocol.exposure(account, stable=stable) == exposure == defilev.from_json(exposure.to_json())  # type: ignore[arg-type]
        assert [] == schema_problems(json.loads(exposure.to_json()))
        assert protocol.project(account, at=account.block.timestamp + 60) == protocol.project(
            again, at=account.block.timestamp + 60
        )


def test_what_could_not_be_read_is_a_failure_of_the_book_alone(
    connection: Connection, world: World, tmp_path: Path
) -> None:
    """An account whose price is missing raises when it is asked for, and leaves the others."""
    world.set_price("WBTC", 0)
    path = write_book(tmp_path / "book.toml", world, "mixed", "loop", head='markets = ["aave-v3/main"]')
    book = connection.at().book(path)

    assert ["loop"] == [account.name for account in book.accounts]
    assert [("main", world.account("mixed"))] == [(each.market, each.owner) for each in book.failures]
    assert book["loop", "aave-v3"].health_factor is not None
    with pytest.raises(type(book.failures[0].error)):
        _ = book["mixed", "aave-v3"]


def test_connecting_says_what_is_wrong(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No node, a node that is not there, another chain, a wrong address: each has its error, and no secret."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="no node to ask"):
        defilev.connect()
    with pytest.raises(RpcUnreachable) as caught:
        defilev.connect("http://127.0.0.1:9/k3y-in-the-path", chain="ethereum")
    assert "k3y" not in f"{caught.value.fact} {caught.value.facts}"
    with pytest.raises(WrongChain):
        defilev.connect(world.rpc_url, chain="ethereum")
    with defilev.connect(world.rpc_url, address_book=[world.address_book]) as connection:
        with pytest.raises(InvalidAddress):
            connection.account("0x12", "aave-v3")
        with pytest.raises(UnknownName, match="no book file is in use"):
            connection.book()
        assert world.rpc_url not in f"{connection} {connection.account(world.account('loop'), 'aave-v3')}"


def test_reading_imports_nothing_that_signs(world: World, tmp_path: Path) -> None:
    """A process that reads a book, shocks, plans and simulates has neither web3 nor eth-account in it."""
    path = write_book(tmp_path / "book.toml", world, "mixed")
    script = (
        "import sys, defilev\n"
        f"book = defilev.connect({world.rpc_url!r}, address_book={str(world.address_book)!r}).book({str(path)!r})\n"
        "account = book['mixed', 'aave-v3']; account.shock(WETH=-0.2); book.to_records()\n"
        "early = sorted({'numpy', 'scipy'} & set(sys.modules))\n"
        "account.plan(to_health_factor=1.8).simulate()\n"
        "print(early, sorted({'web3', 'eth_account', 'eth_keyfile', 'defilev.execute', 'typer'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, env=os.environ, check=False
    )

    assert (0, "[] []\n") == (done.returncode, done.stdout), done.stderr


def test_a_perpetual_is_planned_for_as_the_command_does(
    connection: Connection, cli: Cli, world: World, tmp_path: Path
) -> None:
    """`Perp.plan` gives the command's plan, hash and all, and it keeps its promise on a fork; margin is another way."""
    (perp,) = connection.book(write_book(tmp_path / "perps.toml", world, "perp-near")).perps
    made = cli("plan", "perp-near", "-p", "perp-curie", "--to-margin-ratio", "2", "--json").document
    proposal = perp.plan(to_margin_ratio=2)

    assert made["hash"] == proposal.hash
    assert all(check.holds for check in proposal.simulate().conditions)
    assert ["approve", "supply"] == [step.action.kind for step in perp.plan(to_margin_ratio="1.5", via="margin").steps]
    assert perp.nearest_liquidation() is perp.view.nearest
    with pytest.raises(InvalidNumber, match="a plan needs one goal"):
        perp.plan(to_margin_ratio=2, close=True)
    with pytest.raises(UnknownName, match="no position in vDOGE"):
        perp.plan(to_margin_ratio=2, market="vDOGE")
