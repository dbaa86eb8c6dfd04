"""Exchanges and e-modes on the local chain: shown, tried, sent, exported, bundled for a Safe, and refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from defilev.model.account import LendingAccount
from tests.support.cli import Cli, assert_refused, credentials, untouched
from tests.support.safes import open_treasury
from tests.support.schemas import schema_problems

pytestmark = pytest.mark.world

AAVE = ("-p", "aave-v3")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a folder of the test's own, with a journal of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEFILEV_JOURNAL", str(tmp_path / "journal.db"))
    return tmp_path


def account(cli: Cli, who: str) -> LendingAccount:
    """Read a named account's position as it is now."""
    return cli.world.read("main", [cli.world.account(who)])[0]


def symbols(cli: Cli, who: str, side: str) -> set[str]:
    """Return what is supplied or owed, but for what a second's interest left."""
    return {leg.asset.symbol for leg in account(cli, who).legs if leg.side == side and leg.value > 10**6}


@pytest.mark.parametrize(
    ("who", "goal", "side", "expected"),
    [
        ("mixed", ("--swap-debt", "USDC=DAI"), "borrow", {"DAI"}),
        ("short", ("--swap-collateral", "USDC=DAI"), "supply", {"DAI"}),
        ("short", ("--swap-debt", "WETH=wstETH:10"), "borrow", {"WETH", "wstETH"}),
    ],
)
def test_an_exchange_is_sent_and_read_again(
    cli: Cli, who: str, goal: tuple[str, str], side: str, expected: set[str]
) -> None:
    """Every transaction is included, what was replaced is gone, and no allowance is left."""
    sent = cli.rebalance(
        who, *AAVE, *goal, "--max-slippage", "1%", "--broadcast", *credentials(cli.world, who), "--json"
    )

    assert 0 == sent.code, sent.err
    assert expected == symbols(cli, who, side)
    assert "DONE" == cli("journal", "ls", "--json").document["runs"][0]["stage"]


def test_an_e_mode_is_entered_and_left(cli: Cli) -> None:
    """`--e-mode 1` and `--e-mode off` are one transaction each, and the account says where it is."""
    for wanted, category in (("1", "1"), ("off", "0")):
        sent = cli.rebalance("short", *AAVE, "--e-mode", wanted, "--broadcast", *credentials(cli.world, "short"))
        assert 0 == sent.code, sent.err
        assert category == dict(account(cli, "short").details)["e_mode"]


@pytest.mark.parametrize(
    "goal",
    [
        ("mixed", "--swap-debt", "DAI=USDC"),
        ("comfortable", "--swap-collateral", "WETH=WBTC:5"),
        ("short", "--e-mode", "1"),
    ],
)
def test_a_plan_file_is_tried_and_exported(cli: Cli, folder: Path, goal: tuple[str, str, str]) -> None:
    """It says what it is for, follows its schema, holds in a simulation, and is exported for another signer."""
    who, *wanted = goal
    shown = cli("plan", who, *AAVE, *wanted, "--max-slippage", "1%", "-o", "plan.json")
    tried = cli("simulate", "plan.json", "--json")
    exported = cli.rebalance(who, *AAVE, "--plan", "plan.json", "--unsigned", "unsigned.json")

    assert 0 == shown.code, shown.err
    assert wanted[0].removeprefix("--") in shown.out
    assert [] == schema_problems(json.loads((folder / "plan.json").read_text()))
    assert (0, 0) == (tried.code, exported.code), tried.err + exported.err
    assert [] == schema_problems(json.loads((folder / "unsigned.json").read_text()))


def test_a_safe_exchanges_its_collateral(cli: Cli) -> None:
    """The bundle is tried with the Safe itself; its owners sign and anybody executes it, all rounds in one."""
    treasury = open_treasury(cli.world)
    goal = ("--swap-collateral", "WETH=wstETH")
    made = cli(
        "plan", treasury.address, *AAVE, *goal, "--max-slippage", "1%", "--safe", treasury.address, "-o", "bundle.json"
    )

    assert 0 == made.code, made.err
    verified = cli("safe", "verify", "bundle.json")
    assert 0 == verified.code, verified.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("comfortable", *AAVE, "--e-mode", "1"), 7, "USDC is owed and cannot be borrowed there"),
        (("loop", *AAVE, "--e-mode", "off"), 7, "with no e-mode the health factor would go from"),
        (("comfortable", *AAVE, "--swap-collateral", "DAI=WETH"), 2, "'DAI' is not in what is supplied"),
        (("comfortable", *AAVE, "--swap-collateral", "WETH=PEPE"), 2, "'PEPE' is not in the market"),
        (("comfortable", *AAVE, "--swap-collateral", "WETH=WBTC:51"), 2, "is more than the 50"),
        (("comfortable", *AAVE, "--swap-debt", "USDC=DAI:0.0000001"), 2, "has more places than USDC"),
        (("comfortable", *AAVE, "--swap-debt", "USDC=DAI", "--close"), 2, "a plan needs one goal"),
        (("comfortable", *AAVE, "--e-mode", "1", "--to-leverage", "2"), 2, "a plan needs one goal"),
        (("empty", *AAVE, "--e-mode", "1"), 7, "has no position"),
        (
            ("morpho-comfortable", "-p", "morpho-blue", "--swap-debt", "USDC=WETH"),
            7,
            "lets no asset of a position take",
        ),
        (("morpho-comfortable", "-p", "morpho-blue", "--e-mode", "1"), 7, "has no e-modes"),
        (("perp-long", "-p", "perp-curie", "--e-mode", "1"), 2, "perpetuals have no e-mode"),
    ],
)
def test_what_cannot_be_done_is_said(cli: Cli, arguments: tuple[str, ...], code: int, said: str) -> None:
    """A refusal names the asset, the limit or the protocol, and nothing happens."""
    with untouched(cli.world):
        assert_refused(cli("plan", *arguments), code=code, said=said)
