"""Runs that stopped halfway: what of their plan is on the chain, what the wallet holds meanwhile, what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from defilev.chain.node import Node
from defilev.errors import Infeasible
from defilev.journal import JournalReader
from defilev.model.account import LendingAccount
from defilev.model.plan import Borrow, Goal, Plan, Repay, RepayWithSupply, Supply, Swap, Withdraw
from defilev.model.request import Address
from defilev.pipeline.outcomes import received, taken
from defilev.pipeline.planning import PlanQuestion
from defilev.pipeline.taking_up import plan_of
from defilev.plan.constraints import Constraints, Via
from defilev.plan.goals import Aim
from defilev.plan.reduce_inputs import is_reached
from defilev.protocols import PERPS_AS_LOANS
from defilev.units import WAD

__all__ = ["Unfinished", "find_unfinished"]

ON_CHAIN = ("MINED", "VERIFIED")


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run whose plan was begun and not ended.

    `done` are the indices of the steps on the chain. `is_left_open` says that its process ended without a word.
    `in_hand` is, by token, what was withdrawn, borrowed or bought, and not sold, repaid or supplied since.
    """

    run: int
    plan: Plan
    done: tuple[int, ...]
    is_left_open: bool
    in_hand: tuple[tuple[Address, int], ...]

    def is_over(self, account: LendingAccount) -> bool:
        """Tell whether `account` is where the plan was to take it."""
        if self.plan.goal.kind == "close":
            return account.is_empty
        if self.plan.goal.rearranges:
            return _is_switched(account, self.plan.goal)
        if self.plan.protocol in PERPS_AS_LOANS:
            return is_reached(PERPS_AS_LOANS[self.plan.protocol], account, self.plan.goal)
        aim = Aim(self.plan.goal)
        return aim.met(account) and not (self.plan.levers and aim.exceeded(account))

    def question(self, *, window: int) -> PlanQuestion:
        """Return what to ask for, so that the rest of the goal is planned from the account as it is now.

        Raises:
            Infeasible: an asset was exchanged for another: how much of it was done is not known from here.
        """
        _require_not_exchanged(self.plan.goal)
        acted = [step.action for step in self.plan.steps]
        debts = [action.asset.address for action in acted if isinstance(action, Repay | RepayWithSupply | Borrow)]
        supplied = [action.asset.address for action in acted if isinstance(action, Supply)]
        return PlanQuestion(
            goal=self.plan.goal,
            max_slippage=self.plan.max_slippage,
            floor=Decimal(self.plan.floor) / WAD,
            window=window,
            in_hand=self.in_hand,
            constraints=Constraints(
                self._via,
                repay=tuple(debts[:1]) if self.plan.goal.kind != "close" and not self.plan.levers else (),
                buy=supplied[0] if supplied and self.plan.levers else None,
                borrow=debts[0] if debts and self.plan.levers else None,
            ),
            payer=self.plan.payer,
            may_lever=self.plan.levers,
        )

    @property
    def _via(self) -> Via | None:
        """How the plan went, where its steps tell a way that is not the usual one."""
        if self.plan.unwinds:
            return "atomic"
        is_perp = self.plan.protocol in PERPS_AS_LOANS
        if {step.action.kind for step in self.plan.steps} == {"approve", "supply"}:
            return "margin" if is_perp else "collateral"
        return "payer" if self.plan.payer is not None else None


def _is_switched(account: LendingAccount, goal: Goal) -> bool:
    """Tell whether the e-mode is the one that was asked for; an exchange never tells that it is over."""
    return goal.kind == "e-mode" and dict(account.details).get("e_mode") == str(goal.value)


def _require_not_exchanged(goal: Goal) -> None:
    if goal.kind not in ("swap-collateral", "swap-debt"):
        return
    raise Infeasible(
        f"a run of --{goal.kind} that stopped halfway is not taken up: what it left is in the wallet",
        fix=f"supply or repay what the wallet holds, then plan the rest with --{goal.kind}",
    )


def find_unfinished(
    journal: JournalReader, node: Node, *, chain: str, owner: Address, protocol: str, market: str
) -> Unfinished | None:
    """Return the newest run of a position that put something on the chain and did not come to its end.

    Runs are looked at from the newest back to the last that came to its end; what each of them left in the wallet adds
    up. `None` when there is nothing to take up.
    """
    in_hand: Counter[Address] = Counter()
    newest: tuple[int, Plan, tuple[int, ...], bool] | None = None
    for run in journal.runs():
        if (run["chain"], run["account"], run["protocol"], run["market"]) != (chain, owner, protocol, market):
            continue
        if run["stage"] == "DONE":
            break
        told = journal.run(run["id"])
        included = _included(told)
        if run["mode"] != "broadcast" or not included:
            continue
        plan = plan_of(journal, run["id"])
        newest = newest or (run["id"], plan, tuple(sorted(included)), run["stage"] == "ACTING")
        in_hand.update(dict(_moved(plan, included, node)))
    if newest is None:
        return None
    return Unfinished(*newest, tuple((token, amount) for token, amount in sorted(in_hand.items()) if amount > 0))


def _included(told: dict[str, Any]) -> dict[int, str]:
    """Return by step the hash of the transaction that performed it."""
    steps = {intent["id"]: intent["step"] for intent in told["intent"] if intent["state"] in ON_CHAIN}
    return {
        steps[attempt["intent"]]: attempt["hash"]
        for attempt in told["attempt"]
        if attempt["intent"] in steps and attempt["settled"] in ("included", "final") and attempt["purpose"] == "act"
    }


def _moved(plan: Plan, included: dict[int, str], node: Node) -> Iterator[tuple[Address, int]]:
    """Yield by token what the steps on the chain brought to the wallet, less what they took from it."""
    moved: Counter[Address] = Counter()
    for step in plan.steps:
        receipt = node.receipt(included[step.index]) if step.index in included else None
        if receipt is None:
            continue
        match step.action:
            case Withdraw(asset) | Borrow(asset):
                moved[asset.address] += received(receipt, asset.address, plan.owner)
            case Swap(route, amount_in):
                moved[route[0].token_in.address] -= amount_in
                bought = route[-1].token_out.address
                moved[bought] += received(receipt, bought, plan.owner) if plan.levers else 0
            case Supply(asset) if plan.levers:
                moved[asset.address] -= taken(receipt, asset.address, plan.owner)
            case Repay(asset):
                moved[asset.address] -= taken(receipt, asset.address, plan.owner)
            case _:
                pass
    yield from moved.items()
