"""Compound v3 on the command line, over a node that knows only what was recorded of the real contracts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from defilev.cli.app import main
from defilev.config.settings import Settings
from defilev.errors import PolicyViolation
from defilev.execute.policy import check_plan
from defilev.model.plan import Action, Borrow, Goal, Plan, Withdraw
from defilev.model.plan_hash import with_hash
from defilev.pipeline.acting import policy_of
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session, connect
from defilev.protocols import PROTOCOLS
from defilev.report.figures import NARROW_SPACE
from defilev.units import WAD
from tests.support.cassette import COMET
from tests.support.cli import Printed, assert_refused
from tests.support.http_node import http_node

COMPOUND = PROTOCOLS["compound-v3"]
Run = Callable[..., Printed]


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Return an address book of the recorded markets."""
    path = tmp_path / "recorded.toml"
    path.write_text(COMET.address_book())
    return path


@pytest.fixture
def url() -> Iterator[str]:
    """Return the URL of the recorded node."""
    with http_node(COMET.node()) as served:
        yield served


@pytest.fixture
def run(url: str, book: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs `defilev` on the recorded node, recorded accounts by name."""

    def run(*arguments: str) -> Printed:
        names = COMET.document["accounts"]
        words = [*(names.get(word, word) for word in arguments), "--rpc-url", url, "--address-book", str(book)]
        code = main(words)
        captured = capsys.readouterr()
        return Printed(code, captured.out.replace(NARROW_SPACE, " "), captured.err.replace(NARROW_SPACE, " "))

    return run


@pytest.fixture
def session(url: str, book: Path) -> Iterator[Session]:
    """A connection to the recorded node as production makes it."""
    connected = connect(Settings(rpc_url=(url,), address_book=(book,)))
    yield connected
    connected.close()


def test_every_recorded_account_has_a_valid_document(run: Run, repository: Path) -> None:
    """`health --json` of both markets keeps the shape that all lenders have, with the Comet's own in `details`."""
    printed = run("health", *COMET.document["accounts"], "--json")
    schema = json.loads((repository / "docs/schemas/health.schema.json").read_text())
    accounts = printed.document["accounts"]
    grace = next(each for each in accounts if each["address"] == COMET.account("grace_edge_accrual"))

    assert 0 == printed.code, printed.err
    assert [] == [error.message for error in Draft202012Validator(schema).iter_errors(printed.document)]
    assert {"consistent"} == {account["self_check"]["result"] for account in accounts}
    assert {("cusdcv3", "USD"), ("cwethv3", "WETH")} == {(each["market"], each["quote"]) for each in accounts}
    assert ("LIQUIDATABLE", False, True) == (
        grace["status"],
        grace["details"]["is_liquidatable"],
        grace["details"]["absorbable"],
    )


@pytest.mark.parametrize("columns", [80, 140])
def test_a_market_in_ether_says_so(run: Run, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Values are in WETH and never in dollars, its own price moves nothing, and no line is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", str(columns))
    printed = run("health", "kate_weth_market", "--stress", "-10%,-20%", "--shock", "WETH=-5%")

    assert 0 == printed.code, printed.err
    assert "$" not in printed.out
    assert "253.933 WETH" in printed.out
    assert "WETH −5 % (moves nothing held)" in " ".join(printed.out.split())
    assert "WETH above" not in printed.out
    assert [] == [line for line in printed.out.splitlines() if len(line) > columns]


def test_a_target_is_worked_out_in_the_market_s_own_currency(run: Run) -> None:
    """`target` has the Comet's curve and limits, and says values in WETH."""
    where = ("-p", "compound-v3", "--market", "cwethv3")
    printed = run("target", "kate_weth_market", *where, "--volatility", "10%", "--json")
    position = printed.document["position"]

    assert 0 == printed.code, printed.err
    assert ("WETH", "WETH", 1.0) == (position["quote"], position["debt_asset"], position["close_factor"])
    assert ("WETH", 0.9) == (position["borrow_market"]["asset"], position["borrow_market"]["optimal_usage"])


def plan_of(session: Session, name: str, goal: Goal) -> Plan:
    account = read_account(session, COMET.account(name), protocol="compound-v3", market="cusdcv3")
    return make_plan(session, account, PlanQuestion(goal, Decimal("0.005"), Decimal("1.02"), 600))


def test_a_plan_repays_from_the_wallet_and_the_policy_allows_it(session: Session) -> None:
    """A plan is an exact approval and a repayment, reaches its goal, and every call of it passes the policy."""
    plan = plan_of(session, "bob_weth_healthy", Goal("health-factor", Decimal(3)))
    account = read_account(session, plan.owner, protocol="compound-v3", market="cusdcv3")
    check_plan(plan, policy=policy_of(session, account))

    assert ["approve", "supply"] == [step.function for step in plan.steps]
    assert plan.promise.health_factor is not None
    assert 3 * WAD <= plan.promise.health_factor <= 3 * WAD + WAD // 1000


@pytest.mark.parametrize("action", ["borrow", "another asset", "withdraw the base"])
def test_a_call_that_would_borrow_is_refused(session: Session, action: str) -> None:
    """Withdrawing the base asset borrows it: no amount of it but all of a supply may leave, whatever a plan says."""
    plan = plan_of(session, "bob_weth_healthy", Goal("health-factor", Decimal(3)))
    account = read_account(session, plan.owner, protocol="compound-v3", market="cusdcv3")
    base, other, *_ = COMPOUND.tokens(account)
    step = plan.steps[1]
    wrong: dict[str, Action] = {
        "borrow": Borrow(base, 10**6),
        "another asset": Withdraw(other, 1),
        "withdraw the base": Withdraw(base, 1),
    }
    call = COMPOUND.transaction(account, wrong[action])
    changed = replace(
        step,
        action=wrong[action],
        data="0x" + call.data.hex(),
        function=call.function.name,
        arguments=call.described(),
    )
    forged = with_hash(replace(plan, steps=(plan.steps[0], changed)))

    with pytest.raises(PolicyViolation, match="step 2"):
        check_plan(forged, policy=policy_of(session, account))


def test_sending_without_a_fork_is_refused_by_name(run: Run, tmp_path: Path) -> None:
    """`--broadcast` and `--sign-only` need `--engine anvil`; `--unsigned` does not, and is made of what was tried."""
    goal = ("bob_weth_healthy", "-p", "compound-v3", "--market", "cusdcv3", "--to-health-factor", "3")
    file = tmp_path / "unsigned.json"

    for mode in ("--broadcast", "--sign-only"):
        refused = run("rebalance", *goal, mode)
        assert_refused(refused, code=7, said="compound-v3 is signed only once it has held on a fork of the chain")
        assert "--engine anvil" in refused.fixes[0]
    assert 4 == run("rebalance", *goal, "--broadcast", "--engine", "anvil").code
    assert 4 == run("rebalance", *goal, "--unsigned", str(file)).code
    assert not file.exists()
