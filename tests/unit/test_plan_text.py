from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.model.account import Notice
from defilev.model.plan import Goal, Plan
from defilev.report.figures import NARROW_SPACE
from defilev.report.ink import ink, plain
from defilev.report.plan_text import plan_text
from defilev.units import WAD
from tests.factories import DAI, USDC, WBTC, WETH, WSTETH
from tests.support.markets import Terms, an_aave_account, inputs_for, plan_for

LENT = an_aave_account({WSTETH: 50 * 10**18}, {USDC: 60_000 * 10**6})
MIXED = an_aave_account({WETH: 50 * 10**18, WBTC: 10**8}, {USDC: 30_000 * 10**6, DAI: 40_000 * 10**18})
LOOP = an_aave_account(
    {WSTETH: 100 * 10**18}, {WETH: 110 * 10**18}, terms={WSTETH: Terms(threshold=9500, loan_to_value=9300)}
)
PLANS = {
    "one round": plan_for(inputs_for(LENT, Goal("health-factor", Decimal(3)))),
    "closing": plan_for(inputs_for(MIXED, Goal("close", None))),
    "partial": plan_for(inputs_for(LOOP, Goal("leverage", Decimal(2)))),
}


def shown(plan: Plan, *, width: int = 140) -> str:
    """Return the text with plain spaces."""
    return plan_text(plan, width=width, ink=plain).replace(NARROW_SPACE, " ")


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_plan_fits_its_terminal(name: str, width: int) -> None:
    """No line is wider than asked for, none ends in a space, and the whole hash is there to confirm."""
    lines = plan_text(PLANS[name], width=width, ink=plain).splitlines()

    assert max(map(len, lines)) <= width
    assert [line for line in lines if line != line.rstrip()] == []
    assert f"plan {PLANS[name].hash}" == lines[0]


def test_one_round_is_told_step_by_step() -> None:
    """Amounts, the health factor after each step, the quote and its route, cost, expiry."""
    text = shown(PLANS["one round"])

    assert "health factor                   2.532    at least 3.000" in text
    assert "→ at least " in text
    assert "through WETH, fee 0.01 % + 0.05 %" in text
    assert "to the swap router, exact amount" in text
    assert "at worst 0.50 % below the oracle in all" in text
    assert "stays in the wallet" in text
    assert "5 transactions and signatures, about 1.0 min, one after another: not atomic" in text
    assert "expires         at block 23 871 254, 10 min after block 23 871 204" in text


def test_closing_says_what_comes_back() -> None:
    """A plan to close promises nothing owed, and at least these amounts in the wallet."""
    text = shown(PLANS["closing"])

    assert "repays everything that is owed, withdraws everything that is supplied" in text
    assert "   nothing owed" in text
    assert "all WBTC" in text
    assert "afterwards at least" in text


def test_many_steps_are_told_by_rounds() -> None:
    """Sixty transactions are twelve lines, under the label that says they are a part."""
    lines = shown(PLANS["partial"]).splitlines()

    assert lines[1].strip().startswith("PARTIAL: 12 rounds reach")
    assert 12 == sum("wstETH" in line and "–" in line for line in lines)
    assert any("56–60" in line for line in lines)


def test_a_plan_says_in_words_what_it_does_and_what_decided_its_size() -> None:
    """Each token once, however many rounds; what is sold is not said to be withdrawn too; the limit by its name."""
    one, closing, partial = (shown(PLANS[name]) for name in ("one round", "closing", "partial"))

    assert "in words        sells 3.5645 wstETH for at least 12 981.09 USDC and repays 12 981.09 USDC\n" in one
    assert "bound by        the target: as little as reaches a health factor of 3 even at the worst fills" in one
    assert "repays all DAI and all USDC and" in closing
    assert "withdraws all WETH and all WBTC, in 2 rounds" in closing
    assert "bound by        what is owed: all of it is repaid" in closing
    assert "sells 56.529 wstETH for at least 68.621 WETH and repays 68.621 WETH, in 12 rounds" in partial
    assert "no more than 12; rounds before the last go as far as the floor of 1.0200 lets them" in partial


def test_the_cost_is_a_table_that_adds_up() -> None:
    """Pool fees, impact and gas are rows; the totals are their sums, at the quotes and at worst."""
    text = shown(PLANS["one round"])

    assert "pool fees              $7.83      $7.83\n" in text
    assert "price impact           $0.34     $57.40   at worst" in text
    assert "gas, at most           $4.38      $4.38   1 460 000 gas at 1 gwei" in text
    assert "total                 $12.55     $69.61\n" in text


def test_gas_without_a_price_is_left_out_of_the_total() -> None:
    """It is said in the native currency beside the table, and the total says that it does not count it."""
    plan = PLANS["one round"]
    text = shown(replace(plan, cost=replace(plan.cost, gas_value=None)))

    assert re.search(r"gas, at most +— +— +0\.001460 of the native currency: 1 460 000 gas at 1 gwei", text)
    assert re.search(r"total but gas +\$8\.17 +\$65\.23", text)


def test_liquidation_prices_stand_before_and_after() -> None:
    """Collateral by its fall, debt by its rise, a dash where nothing is owed any more; and how far away."""
    assert "wstETH liquidates below     $1 445.78         $1 219.96   now $3 660.00, −66.6 % away" in shown(
        PLANS["one round"]
    )
    assert "USDC liquidates above       $5.3067                 —   now $1.0000" in shown(PLANS["closing"])
    assert "collateral              $240 000.00             $0.00\n" in shown(PLANS["closing"])


def test_a_plan_of_a_version_that_did_not_say_is_shown_all_the_same() -> None:
    """Without the newer figures there are dashes, and no line on what bound it; fee and impact are one row."""
    old = replace(
        PLANS["one round"],
        collateral_value_before=None,
        debt_value_before=None,
        liquidation_prices=(),
        bound_by=None,
        cost=replace(PLANS["one round"].cost, fee=None, impact=None),
    )
    text = shown(old)

    assert "bound by" not in text
    assert re.search(r"collateral +— +\$169 953\.75", text)
    assert re.search(r"trades +\$8\.17 +\$65\.23", text)


def test_warnings_are_shown_and_cannot_steer_a_terminal() -> None:
    """Text that came from a chain loses what a terminal would act on."""
    plan = replace(PLANS["one round"], warnings=(Notice("stale-price", "the price of \x1b[31mX is old"),))

    text = plan_text(plan, width=80, ink=ink(color=False))

    assert "stale-price: the price of ?[31mX is old" in text
    assert "\x1b" not in text


def test_a_health_factor_is_not_rounded_over_its_floor() -> None:
    """Figures come from the plan itself; a missing health factor is a dash, never zero."""
    plan = PLANS["closing"]

    assert plan.steps[-1].health_factor is None
    assert shown(plan).count("—") >= 3
    assert (plan.promise.lowest_health_factor or 0) >= WAD
