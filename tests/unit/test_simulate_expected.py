"""A token that moves another amount than a step asks for is named, before anything is signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.errors import TokenMisbehaves
from defilev.model.plan import Goal, Plan, Repay, Swap, Withdraw
from defilev.model.request import Address
from defilev.model.simulation import SimulationReport, StepReport, TokenMovement
from defilev.model.token import Token
from defilev.simulate import require_moved
from tests.factories import BLOCK, USDC, WETH
from tests.support.markets import POOL, an_aave_account, inputs_for, plan_for

ACCOUNT = an_aave_account({WETH: 50 * 10**18}, {USDC: 60_000 * 10**6})
PLAN = plan_for(inputs_for(ACCOUNT, Goal("health-factor", Decimal(3))))
Cheat = Callable[[str, Token, int], int]


def report_of(plan: Plan, cheat: Cheat) -> SimulationReport:
    """Return what a fork would say if each token moved what `cheat` makes of the amounts."""
    steps = tuple(
        StepReport(step.index, "ok", 0, None, tuple(_moved(plan, step.action, cheat)), None, None)
        for step in plan.steps
    )
    return SimulationReport(
        plan_hash=plan.hash,
        engine="anvil",
        block=BLOCK,
        steps=steps,
        conditions=(),
        health_factor=None,
        collateral_value=None,
        debt_value=None,
        gas_used=0,
        gas_price=0,
        wallet_changes=(),
    )


def _moved(plan: Plan, action: object, cheat: Cheat) -> list[TokenMovement]:
    match action:
        case Withdraw(asset, int() as amount):
            return [_transfer(asset, POOL, plan.owner, cheat("withdraw", asset, amount))]
        case Repay(asset, int() as amount):
            return [_transfer(asset, plan.owner, POOL, cheat("repay", asset, amount))]
        case Swap(route, amount_in, _, quoted_out):
            sold, bought = route[0].token_in, route[-1].token_out
            return [
                _transfer(sold, plan.owner, POOL, cheat("sell", sold, amount_in)),
                _transfer(bought, POOL, plan.owner, cheat("buy", bought, quoted_out)),
            ]
    return []


def _transfer(token: Token, sender: Address, recipient: Address, amount: int) -> TokenMovement:
    return TokenMovement(token.address, token.symbol, token.decimals, sender, recipient, amount)


def test_tokens_that_do_as_they_are_asked_pass() -> None:
    """A sale may bring more than its least; rounding may add a unit or two."""
    require_moved(PLAN, report_of(PLAN, lambda kind, _, amount: amount + (kind == "repay")))


@pytest.mark.parametrize(
    ("kind", "symbol"), [("withdraw", "WETH"), ("sell", "WETH"), ("buy", "USDC"), ("repay", "USDC")]
)
def test_a_fee_is_found_in_every_step(kind: str, symbol: str) -> None:
    """One per cent that does not arrive, or is not taken, is told with the token's name and both amounts."""

    def cheat(step: str, _: Token, amount: int) -> int:
        return amount * 99 // 100 if step == kind else amount

    with pytest.raises(TokenMisbehaves, match=f"{symbol} does not move what it is asked to") as e:
        require_moved(PLAN, report_of(PLAN, cheat))

    assert {"expected", "moved"} <= e.value.facts.keys()


def test_what_did_not_run_is_not_judged() -> None:
    """The step that reverts is another message; the one before it, which paid too little, is the reason."""
    report = report_of(PLAN, lambda kind, _, amount: amount - 10**15 if kind == "withdraw" else amount)
    only = replace(report, steps=tuple(replace(step, status="not-run") for step in report.steps))

    require_moved(PLAN, only)
    with pytest.raises(TokenMisbehaves, match="step 1"):
        require_moved(PLAN, report)
