"""Perp v2 on the command line: planned, tried, sent, read again; and everything that cannot be is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from defilev.units import WAD
from tests.support.cli import Cli, assert_refused, credentials, untouched
from tests.support.curie import Curie

pytestmark = pytest.mark.world

PERP = ("-p", "perp-curie")
AAVE = ("-p", "aave-v3")
TO_TWO = (*PERP, "--to-margin-ratio", "2")


def account(cli: Cli, name: str) -> dict[str, Any]:
    """Return what `health` says of an account."""
    printed = cli("health", name, *PERP, "--json")
    assert 0 == printed.code, printed.err
    found: dict[str, Any] = printed.document["accounts"][0]
    return found


def planned(cli: Cli, path: Path, *words: str) -> dict[str, Any]:
    """Write a plan, and return its document."""
    printed = cli("plan", *words, "-o", str(path), "--json")
    assert 0 == printed.code, printed.err
    return printed.document


@pytest.mark.parametrize("way", [(), ("--via", "margin")], ids=["reduce", "margin"])
@pytest.mark.parametrize("engine", ["anvil", "simulate-v1"])
def test_a_plan_is_tried_and_signs_nothing(
    cli: Cli, tmp_path: Path, way: tuple[str, ...], engine: str, repository: Path
) -> None:
    """A plan satisfies its schema, keeps its promise on both engines, and leaves the chain as it was."""
    schema = json.loads((repository / "docs/schemas/plan.schema.json").read_text())
    target = "2" if not way else "1.5"
    document = planned(cli, tmp_path / "plan.json", "perp-near", *PERP, "--to-margin-ratio", target, *way)
    assert [] == [error.message for error in Draft202012Validator(schema).iter_errors(document)]

    with untouched(cli.world):
        printed = cli.rebalance("perp-near", *PERP, "--plan", str(tmp_path / "plan.json"), "--engine", engine)
    assert 0 == printed.code, printed.err
    assert f"✓ margin ratio at least {target}" in printed.out
    assert "DRY RUN: nothing was signed." in printed.out


@pytest.mark.parametrize("way", [(), ("--via", "margin")], ids=["reduce", "margin"])
def test_what_is_sent_keeps_its_promise(cli: Cli, way: tuple[str, ...]) -> None:
    """After it was signed and sent the contract says the margin ratio that was asked for, or more."""
    target = "2" if not way else "1.5"
    printed = cli.rebalance(
        "perp-near", *PERP, "--to-margin-ratio", target, *way, "--broadcast", *credentials(cli.world, "perp-near")
    )

    assert 0 == printed.code, printed.err
    assert int(float(target) * WAD) <= int(account(cli, "perp-near")["margin_ratio"]["wad"])


@pytest.mark.parametrize("name", ["perp-long", "perp-short", "perp-cross"])
def test_closing_leaves_nothing(cli: Cli, name: str) -> None:
    """Every position is closed and everything withdrawn: the wallet has it, and the contracts know no account."""
    curie, owner = Curie(cli.world), cli.world.account(name)
    before, value = cli.world.balance("USDC", owner), curie.ask("vault", "getAccountValue", owner)
    printed = cli.rebalance(
        name, *PERP, "--close", "--max-slippage", "1%", "--broadcast", *credentials(cli.world, name)
    )

    assert 0 == printed.code, printed.err
    assert () == curie.read([owner])
    got = cli.world.balance("USDC", owner) - before + (2_550 * 10**6 if name == "perp-cross" else 0)
    assert 0.97 * value < got <= value


def test_the_market_to_begin_with_can_be_named(cli: Cli, tmp_path: Path) -> None:
    """A short is named as what is owed, a long as what is held, and another name is refused with those there are."""
    goal = (*PERP, "--to-margin-ratio", "2.5")
    for flag, symbol in (("--repay", "vBTC"), ("--sell", "vETH")):
        document = planned(cli, tmp_path / f"{symbol}.json", "perp-cross", *goal, flag, symbol)
        assert symbol == document["steps"][0]["action"]["asset"]["symbol"]

    printed = cli("plan", "perp-cross", *goal, "--repay", "vDOGE")
    assert_refused(printed, code=2, said="no position in vDOGE")
    assert "name one of vBTC, vETH" in printed.fixes[0]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("perp-long", *PERP, "--to-margin-ratio", "2"), 7, "the goal is met already"),
        (("comfortable", *TO_TWO), 7, "neither margin nor a position"),
        (("perp-near", *PERP, "--to-margin-ratio", "40", "--via", "margin"), 7, "do not reach the goal"),
        (("perp-near", *TO_TWO, "--via", "hope"), 2, "is no way to a goal"),
        (("perp-near", *TO_TWO, "--max-slippage", "0.2%"), 7, "beyond the limit"),
        (("comfortable", "-p", "aave-v3", "--to-margin-ratio", "2"), 2, "a loan has no margin ratio"),
        (("comfortable", *AAVE, "--to-health-factor", "3", "--via", "margin"), 2, "--via margin is for perpetuals"),
        (("perp-near", *PERP), 2, "a plan needs one goal"),
    ],
)
def test_what_cannot_be_planned_is_named(cli: Cli, words: tuple[str, ...], code: int, said: str) -> None:
    """Each refusal says what is wrong and has one line to mend it."""
    printed = cli("plan", *words)

    assert code == printed.code, printed.err
    assert said in " ".join(printed.err.split())
    assert 1 == len(printed.fixes)


def test_a_paused_market_is_not_traded(cli: Cli) -> None:
    """A paused market is refused by name when a plan is made, and health says so; margin can still be added."""
    Curie(cli.world).pause("vETH")
    printed = cli("plan", "perp-near", *TO_TWO)

    assert_refused(printed, code=7, said="vETH is paused")
    assert "market-paused" in [each["name"] for each in account(cli, "perp-near")["warnings"]]
    assert 0 == cli("rebalance", "perp-near", *PERP, "--to-margin-ratio", "1.5", "--via", "margin").code


def test_a_closed_market_is_not_traded(cli: Cli) -> None:
    """A market that was closed for good is refused by name, for a reduction and for closing, with what settles it."""
    curie = Curie(cli.world)
    curie.pause("vETH")
    curie.close("vETH", 2_990 * 10**18)

    for goal in (TO_TWO, (*PERP, "--close")):
        printed = cli("plan", "perp-near", *goal)
        assert_refused(printed, code=7, said="vETH is closed")
        assert "quitMarket()" in printed.fixes[0]


def test_an_account_under_water_is_not_reduced(cli: Cli) -> None:
    """Where the account value is negative `health` says so, no trade is planned, and margin is named as the way out."""
    curie = Curie(cli.world)
    for _ in range(12):
        curie.trade(curie.owners()["owner"], "vETH", -280 * 10**18)
        curie.set_index("vETH", 2_600 * 10**8)
        curie.world.advance(900)

    assert "under-water" in [each["name"] for each in account(cli, "perp-near")["warnings"]]
    printed = cli("plan", "perp-near", *TO_TWO, "--max-slippage", "9%")
    assert_refused(printed, code=7, said="too little margin")
    assert "--via margin" in printed.fixes[0]


def test_a_position_that_is_gone_is_named(cli: Cli, tmp_path: Path) -> None:
    """A plan for a position that was closed and withdrawn meanwhile is refused before anything is signed."""
    path = tmp_path / "plan.json"
    planned(cli, path, "perp-near", *TO_TWO)
    curie = Curie(cli.world)
    assert curie.carry_out(curie.plan("perp-near", closing())) is None
    printed = cli.rebalance("perp-near", *PERP, "--plan", str(path))

    assert 7 == printed.code
    assert "it was closed, or never opened" in " ".join(printed.err.split())


def test_a_position_that_was_closed_with_its_margin_left_is_not_opened_again(cli: Cli, tmp_path: Path) -> None:
    """What would reduce a position that is gone would open the opposite one: the policy refuses it."""
    path = tmp_path / "plan.json"
    planned(cli, path, "perp-near", *TO_TWO)
    curie = Curie(cli.world)
    assert curie.trade(cli.world.account("perp-near"), "vETH", -10 * 10**18)
    printed = cli.rebalance("perp-near", *PERP, "--plan", str(path))

    assert 7 == printed.code, printed.out
    assert "not allowed" in printed.err


def test_a_price_limit_that_is_not_met_is_named(cli: Cli, tmp_path: Path) -> None:
    """When the market has moved past a plan's limit the trial says so in words, and nothing is signed."""
    path = tmp_path / "plan.json"
    planned(cli, path, "perp-near", *TO_TWO)
    curie = Curie(cli.world)
    assert curie.trade(curie.owners()["owner"], "vETH", -60 * 10**18)
    printed = cli.rebalance("perp-near", *PERP, "--plan", str(path))

    assert 6 == printed.code, printed.out
    assert "the sale brings less than its limit" in printed.err + printed.out


def closing() -> Any:
    """Return the goal that leaves nothing."""
    from defilev.model.plan import Goal

    return Goal("close", None)
