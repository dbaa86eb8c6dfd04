from __future__ import annotations

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

    assert "health factor   2.532 → at least 3.000" in text
    assert "→ at least " in text
    assert "through WETH, fee 0.01 % + 0.05 %" in text
    assert "to the swap router, exact amount" in text
    assert "at worst: 0.50 % below the oracle" in text
    assert "stays in the wallet" in text
    assert "5 transactions and signatures, about 1.0 min, one after another: not atomic" in text
    assert "expires         at block 23 871 254, 10 min after block 23 871 204" in text


def test_closing_says_what_comes_back() -> None:
    """A plan to close promises nothing owed, and at least these amounts in the wallet."""
    text = shown(PLANS["closing"])

    assert "repays everything that is owed, withdraws everything that is supplied" in text
    assert "→ nothing owed" in text
    assert "all WBTC" in text
    assert "afterwards at least" in text


def test_many_steps_are_told_by_rounds() -> None:
    """Sixty transactions are twelve lines, under the label that says they are a part."""
    lines = shown(PLANS["partial"]).splitlines()

    assert lines[1].strip().startswith("PARTIAL: 12 rounds reach")
    assert 12 == sum("wstETH" in line and "WETH" in line for line in lines)
    assert any("56–60" in line for line in lines)


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
