"""`plan` and `rebalance` upwards on the local chain: shown, refused without the owner's word, sent, taken up again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from defilev.units import WAD
from tests.support.cli import Cli, assert_refused, credentials, untouched
from tests.support.killed import killed_in_flight, wait_until

pytestmark = pytest.mark.world

WHO = "comfortable"
UP = (WHO, "--to-health-factor", "1.5")
ALLOWED = "limits.max_leverage"


@pytest.fixture(autouse=True)
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a folder of the test's own, with a journal of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "journal.db"
    monkeypatch.setenv("DEFILEV_JOURNAL", str(path))
    return path


def allow(monkeypatch: pytest.MonkeyPatch, leverage: str = "4") -> None:
    """Set the owner's own maximum."""
    monkeypatch.setenv("DEFILEV_LIMITS_MAX_LEVERAGE", leverage)


def health(cli: Cli) -> int:
    """Return the account's health factor in wad."""
    (account,) = cli.world.read("main", [cli.world.account(WHO)])
    assert account.health_factor is not None
    return account.health_factor


@pytest.mark.parametrize("market", ["main", "spark"])
@pytest.mark.parametrize("engine", ["anvil", "simulate-v1"])
def test_a_plan_goes_up_and_holds_in_both_engines(cli: Cli, tmp_path: Path, market: str, engine: str) -> None:
    """Health comes down to the goal and no further; the text says what is borrowed, and that it raises risk."""
    file = tmp_path / "up.json"
    planned = cli("plan", *UP, *cli.world.flags(market), "-o", str(file))
    tried = cli("simulate", str(file), "--engine", engine, "--json")

    assert 0 == planned.code, planned.err
    assert "raises risk" in planned.out
    assert "borrows" in planned.out
    assert 0 == tried.code, tried.err
    got = int(tried.document["health_factor"])
    assert 0 <= got - WAD * 3 // 2 <= WAD // 100


def test_without_the_owner_s_word_nothing_is_signed(cli: Cli) -> None:
    """`limits.max_leverage` is not set: the plan can be seen and not be carried out, with the setting as its fix."""
    with untouched(cli.world):
        printed = cli.rebalance(*UP, "--broadcast", *credentials(cli.world, WHO))

    assert_refused(printed, code=7, said="a call that raises leverage")
    assert ALLOWED in printed.err


def test_the_owner_s_maximum_binds(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A goal of more leverage than the owner allows is refused before anything is tried."""
    allow(monkeypatch, "1.8")
    printed = cli.rebalance(*UP)

    assert_refused(printed, code=7, said="above your own maximum of 1.8")


def test_leverage_is_raised_and_read_again(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent: within a hundredth above the goal, never below the floor, journalled; and back down again."""
    allow(monkeypatch)
    sent = cli.rebalance(*UP, "--broadcast", *credentials(cli.world, WHO), "--json")
    assert 0 == sent.code, sent.err
    reached = health(cli)
    back = cli.rebalance(WHO, "--to-health-factor", "2", "--broadcast", *credentials(cli.world, WHO), "--json")

    assert 0 <= reached - WAD * 3 // 2 <= WAD // 100
    assert str(reached) == sent.document["execution"]["got"]
    assert 0 == back.code, back.err
    assert 2 * WAD <= health(cli) <= 2 * WAD + WAD // 100
    shown = cli("journal", "ls", "--json").document
    assert ["DONE", "DONE"] == [run["stage"] for run in shown["runs"]]


def test_a_stale_price_stops_it_at_the_plan_and_before_the_key(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was planned on fresh prices is not sent on old ones; going down is only warned of."""
    allow(monkeypatch)
    file = tmp_path / "up.json"
    planned = cli("plan", *UP, "-p", "aave-v3", "-o", str(file))
    assert 0 == planned.code, planned.err
    monkeypatch.setenv("DEFILEV_PRICES_STALE_AFTER", "1s")
    cli.world.advance(30)
    again = cli.rebalance(*UP)
    late = cli.rebalance(WHO, "--plan", str(file), "--broadcast", *credentials(cli.world, WHO))
    down = cli.rebalance(WHO, "--to-health-factor", "2.2")

    assert_refused(again, code=7, said="s before the block, more than the 1 s allowed")
    assert_refused(late, code=7, said="s before the block, more than the 1 s allowed")
    assert 0 == down.code, down.err


def test_the_rest_of_a_killed_run_sells_what_it_had_borrowed(
    cli: Cli, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the borrow alone is on the chain, what it brought is sold and supplied before anything more is borrowed."""
    allow(monkeypatch)
    before = cli.world.balance("USDC", cli.world.account(WHO))
    with killed_in_flight(cli, journal, goal=UP) as transaction:
        pass
    wait_until(lambda: cli.world.rpc("eth_getTransactionReceipt", transaction) is not None)
    resumed = cli.rebalance(WHO, "--resume", "--broadcast", *credentials(cli.world, WHO), "--json")

    assert 0 == resumed.code, resumed.err
    kinds = [step["action"]["kind"] for step in resumed.document["plan"]["steps"]]
    assert ["approve", "swap", "approve", "supply"] == kinds[:4]
    assert before == cli.world.balance("USDC", cli.world.account(WHO))
    assert 0 <= health(cli) - WAD * 3 // 2 <= WAD // 100


def test_a_target_of_more_leverage_is_planned(cli: Cli, tmp_path: Path) -> None:
    """`target --json` whose advice is LEVER UP gives the goal of a plan, and its text the command."""
    wants = ("target", WHO, "-p", "aave-v3", "--volatility", "40%", "--health-factor", "1.6")
    file = tmp_path / "target.json"
    found, told = cli(*wants, "--json"), cli(*wants)
    assert 0 == found.code, found.err
    assert "lever-up" == found.document["trade"]["action"]
    file.write_text(found.out)

    planned = cli("plan", WHO, "-p", "aave-v3", "--from-target", str(file), "--json")

    assert 0 == planned.code, planned.err
    assert "borrow" == planned.document["steps"][0]["action"]["kind"]
    assert Decimal(planned.document["goal"]["value"]) >= Decimal("1.6")
    assert "--to-health-factor" in told.err


def test_where_leverage_is_not_raised_it_is_said(cli: Cli) -> None:
    """An isolated market's plans only lower it."""
    owner: Any = "morpho-comfortable"
    printed = cli("plan", owner, *cli.world.flags("wstETH/USDC"), "--to-leverage", "3")

    assert_refused(printed, code=7, said="leverage is not raised on morpho-blue")
