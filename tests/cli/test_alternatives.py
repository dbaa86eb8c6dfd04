"""`defilev plan --alternatives`, the constraints of plans, and another account that pays, on the local chain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.cli import Cli, assert_refused, credentials
from tests.support.positions import give
from tests.support.schemas import schema_problems

pytestmark = pytest.mark.world

TO_TWO = ("-p", "aave-v3", "--to-health-factor", "2")
PAYER = "debt-free"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a working directory of the test's own."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize(
    "words",
    [
        ("mixed", *TO_TWO, "--payer", PAYER),
        ("morpho-near", "-p", "morpho-blue", "--to-health-factor", "1.1"),
        ("perp-near", "-p", "perp-curie", "--to-margin-ratio", "3"),
    ],
    ids=lambda words: words[0],
)
def test_the_table_fits_the_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, columns: int, words: tuple[str, ...]
) -> None:
    """Every way has a line, every refusal its reason, and nothing is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", str(columns))
    printed = cli("plan", *words, "--alternatives")

    assert 0 == printed.code, printed.err
    assert "the options that plan it" in printed.out
    assert "not possible" in printed.out
    assert [] == [line for line in printed.out.splitlines() if len(line) > columns and "0x" not in line]


def test_each_way_is_planned_again_by_its_command(cli: Cli) -> None:
    """The command of an alternative makes the very plan that was shown, and the document is as published."""
    give(cli.world, "USDC", cli.world.account(PAYER), 50_000 * 10**6)
    printed = cli("plan", "mixed", *TO_TWO, "--alternatives", "--json", "--payer", PAYER, "--max-slippage", "1%")

    assert 0 == printed.code, printed.err
    assert [] == schema_problems(printed.document)
    ways = [way for way in printed.document["alternatives"] if way["plan"]]
    assert {"sell", "payer", "wallet"} <= {way["via"] for way in ways}
    for way in ways:
        words = way["command"].replace("--via mixed", "").split()  # the usual way, and here an account's name
        again = cli(*words[1:], "--json")
        assert 0 == again.code, again.err
        assert way["plan"]["hash"] == again.document["hash"]


def test_one_plan_is_written_at_a_time(cli: Cli) -> None:
    """Neither a file nor a Safe's bundle holds several plans."""
    for words in (("-o", "plan.json"), ("--safe", "mixed")):
        assert_refused(cli("plan", "mixed", *TO_TWO, "--alternatives", *words), code=2, said="makes several plans")


def test_when_nothing_is_possible_each_way_says_why(cli: Cli) -> None:
    """All refusals are printed, and the run ends as infeasible."""
    printed = cli(
        "plan", "comfortable", "-p", "aave-v3", "--to-health-factor", "90", "--alternatives", "--keep", "WETH"
    )

    assert_refused(printed, code=7, said="no way makes a plan")
    assert "--keep leaves nothing to sell" in printed.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--via", "hope"), "no way to a goal"),
        (("--via", "reduce"), "is for perpetuals"),
        (("--via", "wallet", "--sell", "WETH"), "sells nothing"),
        (("--via", "payer"), "go together"),
        (("--via", "sell", "--payer", PAYER), "go together"),
        (("--payer", "mixed"), "is the owner"),
        (("--alternatives", "--via", "sell"), "chooses one"),
    ],
    ids=" ".join,
)
def test_constraints_that_cannot_be_meant_are_refused(cli: Cli, words: tuple[str, ...], said: str) -> None:
    """Each with what contradicts what, before anything is planned."""
    assert_refused(cli("plan", "mixed", *TO_TWO, *words), code=2, said=said)


def test_another_account_signs_and_repays(cli: Cli) -> None:
    """The payer's key signs, the payer's wallet pays, the owner's debt falls, and no allowance is left."""
    world, payer = cli.world, cli.world.account(PAYER)
    give(world, "USDC", payer, 50_000 * 10**6)
    before, own = world.balance("USDC", payer), world.balance("USDC", world.account("mixed"))
    printed = cli.rebalance("mixed", *TO_TWO, "--payer", PAYER, "--broadcast", "--json", *credentials(world, PAYER))

    assert 0 == printed.code, printed.err
    assert [] == schema_problems(printed.document)
    plan = printed.document["plan"]
    assert payer == plan["payer"]
    spent = sum(int(step["action"]["amount"]) for step in plan["steps"] if step["action"]["kind"] == "repay")
    assert before - spent == world.balance("USDC", payer)
    assert own == world.balance("USDC", world.account("mixed"))


def test_a_plan_file_does_not_choose_who_pays(cli: Cli) -> None:
    """A plan with a payer is carried out only when that payer is named beside the file."""
    give(cli.world, "USDC", cli.world.account(PAYER), 50_000 * 10**6)
    made = cli("plan", "mixed", *TO_TWO, "--payer", PAYER, "-o", "plan.json")
    assert 0 == made.code, made.err
    assert json.loads(Path("plan.json").read_text())["payer"] == cli.world.account(PAYER)

    assert_refused(
        cli.rebalance("mixed", "--plan", "plan.json"), code=2, said="signed by another account than the one named"
    )
    assert 0 == cli.rebalance("mixed", "--plan", "plan.json", "--payer", PAYER).code


def test_collateral_is_added_and_the_goal_is_reached(cli: Cli) -> None:
    """Via collateral, on every lender that runs here, what was supplied is what the wallet lacks afterwards."""
    world = cli.world
    for name, protocol, symbol in (
        ("comfortable", "aave-v3", "WETH"),
        ("mixed", "sparklend", "WETH"),
        ("morpho-near", "morpho-blue", "wstETH"),
    ):
        give(world, symbol, world.account(name), 10**20)
        printed = cli.rebalance(
            name, "-p", protocol, "--to-health-factor", "2.2", "--via", "collateral", "--broadcast", "--json",
            *credentials(world, name),
        )  # fmt: skip
        assert 0 == printed.code, printed.err
        steps = printed.document["plan"]["steps"]
        assert {"approve", "supply"} == {step["action"]["kind"] for step in steps}
