"""`defilev rehearse` on the local chain: what it comes to, what it refuses, and that the chain never notices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.support.cli import Cli, assert_refused, untouched
from tests.support.schemas import schema_problems
from tests.support.world import ROOT

pytestmark = pytest.mark.world

AAVE = ("-p", "aave-v3")
HARD = ("--liquidity", "-50%", "--gas", "300gwei")


def _rehearsed(cli: Cli, *words: str, code: int = 0) -> dict[str, Any]:
    with untouched(cli.world):
        printed = cli("rehearse", *words, "--json")
    assert code == printed.code, printed.err
    assert [] == schema_problems(printed.document)
    return printed.document


def _health(figure: dict[str, str]) -> Decimal:
    return Decimal(figure["decimal"])


def test_an_emergency_is_planned_and_run(cli: Cli) -> None:
    """ETH falls by 30 %: health falls as much, the plan brings it back to the goal, and its costs are said."""
    made = _rehearsed(cli, "comfortable", *AAVE, "--at", "WETH=-30%", *HARD)
    before, shocked, after = (_health(made[f"health_factor_{when}"]) for when in ("before", "shocked", "after"))

    assert "worked" == made["outcome"]
    assert float(before) * 0.7 == pytest.approx(float(shocked), rel=1e-4)
    assert Decimal("1.5") <= after <= Decimal("1.51")
    assert str(300 * 10**9) == made["base_fee"] == made["plan"]["cost"]["gas_price"]
    assert 0 < float(made["cost"]) < 100
    assert float(made["gas_value"]) > 0
    assert made["simulation"]["succeeded"]
    assert 0.7 == pytest.approx(min(float(pool["factor"]) for pool in made["pools"]), rel=1e-6)


def test_thin_pools_make_it_dearer(cli: Cli) -> None:
    """With a hundredth of the liquidity the same sale costs more: by fees alone it would cost the same."""
    words = ("comfortable", *AAVE, "--at", "WETH=-40%", "--max-slippage", "5%")
    full, thin = (_rehearsed(cli, *words, *more) for more in ((), ("--liquidity", "-99%")))

    assert "worked" == full["outcome"] == thin["outcome"]
    assert float(full["cost"]) * 1.2 < float(thin["cost"])


def test_a_depeg_moves_one_asset_against_what_it_is_priced_from(cli: Cli) -> None:
    """wstETH loses a hundredth against ETH: the loop's health falls as much, though ETH stays."""
    made = _rehearsed(cli, "loop", *AAVE, "--depeg", "wstETH=-1%")
    prices = {price["asset"]: (Decimal(price["before"]), Decimal(price["after"])) for price in made["prices"]}

    assert "worked" == made["outcome"]
    assert prices["WETH"][0] == prices["WETH"][1]
    assert float(prices["wstETH"][0]) * 0.99 == pytest.approx(float(prices["wstETH"][1]), rel=1e-6)


@pytest.mark.parametrize("market", ["wstETH/USDC", "spark"])
def test_other_markets_are_rehearsed_alike(cli: Cli, market: str) -> None:
    """An isolated market with an oracle of its own, and a fork of Aave."""
    name = "comfortable" if market == "spark" else "morpho-comfortable"
    made = _rehearsed(cli, name, *cli.world.flags(market), "--at", "WETH=-30%")

    assert "worked" == made["outcome"]


def test_what_moves_alike_needs_no_plan(cli: Cli) -> None:
    """A fall of ETH leaves a loop of wstETH and WETH where it is."""
    assert "not-needed" == _rehearsed(cli, "loop", *AAVE, "--at", "ETH=-30%")["outcome"]


def test_a_fall_beyond_liquidation_is_too_late(cli: Cli) -> None:
    """The report is printed, and the exit code says that no plan was possible."""
    made = _rehearsed(cli, "mixed", *AAVE, "--at", "WETH=-90%", code=7)

    assert ("too-late", None) == (made["outcome"], made["plan"])
    assert _health(made["health_factor_shocked"]) < 1


def test_without_a_pool_that_takes_the_sale_there_is_no_plan(cli: Cli) -> None:
    """A depeg out of the range of all positions leaves nobody to sell to: the refusal is the planner's own."""
    made = _rehearsed(cli, "loop", *AAVE, "--depeg", "wstETH=-2.5%", code=7)

    assert "no-plan" == made["outcome"]
    assert "no pools that take" in made["refusal"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("mixed",), 2, "nothing moves"),
        (("mixed", "--at", "NOPE=-5%"), 2, "no asset 'NOPE'"),
        (("mixed", "--depeg", "NOPE=-5%"), 2, "no asset 'NOPE'"),
        (("mixed", "--at", "WETH=-100%"), 2, "leaves nothing"),
        (("mixed", "--at", "WETH=0%"), 2, "not a change"),
        (("mixed", "--at", "WETH"), 2, "does not say"),
        (("mixed", "--at", "WETH=-10%", "--at", "wstETH=-20%"), 2, "cannot move apart"),
        (("mixed", "--depeg", "WETH=-5%"), 2, "cannot move apart"),
        (("mixed", "--at", "WETH=-10%", "--gas", "300"), 2, "has no unit"),
        (("mixed", "--at", "WETH=-10%", "--gas", "0gwei"), 2, "no price of gas"),
        (("mixed", "--at", "WETH=-10%", "--liquidity", "-100%"), 2, "not a loss of a part"),
        (("mixed", "--at", "WETH=-10%", "--liquidity", "50%"), 2, "not a loss of a part"),
        (("debt-free", "--at", "wstETH=-10%"), 7, "owes nothing"),
        (("empty", "--at", "WETH=-10%"), 7, "owes nothing"),
    ],
)
@pytest.mark.parametrize("is_json", [False, True])
def test_bad_input_is_named(cli: Cli, words: tuple[str, ...], code: int, said: str, *, is_json: bool) -> None:
    """Each ends with its exit code, one sentence and one instruction, and nothing is printed but that."""
    with untouched(cli.world):
        printed = cli("rehearse", *words, *AAVE, *(["--json"] if is_json else []))

    assert_refused(printed, code=code, said=said, is_json=is_json)


@pytest.mark.parametrize("width", [80, 140])
def test_the_report_fits_its_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """From the plan to the costs no line is wider than the terminal, and the outcome is said in words."""
    monkeypatch.setenv("COLUMNS", str(width))
    printed = cli("rehearse", "comfortable", *AAVE, "--at", "WETH=-30%", *HARD)

    assert 0 == printed.code
    assert max(map(len, printed.out.splitlines())) <= width
    assert "WORKED: every step ran" in printed.out
    assert "50.00 % of their liquidity" in printed.out


def test_a_row_of_the_page_is_what_a_rehearsal_comes_to(cli: Cli) -> None:
    """docs/rehearsal.md has the figures of the account called mixed after a fall of 30 %."""
    words = ("--liquidity", "-50%", "--gas", "100gwei", "--max-slippage", "3%")
    made = _rehearsed(cli, "mixed", *cli.world.flags("main"), "--at", "WETH=-30%", "--at", "WBTC=-30%", *words)
    lines = (ROOT / "docs" / "rehearsal.md").read_text().splitlines()
    (row,) = (line.strip("| ").split(" | ") for line in lines if line.startswith("| mixed | fall of 30%"))
    health = [f"{_health(made[f'health_factor_{when}']):.3f}" for when in ("before", "shocked", "after")]

    assert [*health[:2], made["outcome"], str(len(made["plan"]["steps"])), health[2]] == row[2:7]
