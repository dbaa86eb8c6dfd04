"""What a plan came to: promised against got, and what its swaps brought, from the receipts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from defilev.abi.address import address_from_word
from defilev.chain.node import Node
from defilev.chain.values import Receipt
from defilev.journal import Outcome as Recorded
from defilev.journal.values import Fill
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan, Swap
from defilev.model.request import Address
from defilev.protocols import ACTING

if TYPE_CHECKING:
    from defilev.chain.values import Log
    from defilev.pipeline.acting import Outcome

__all__ = ["outcome_of", "received", "taken"]

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Topic of an ERC-20 `Transfer`."""


def outcome_of(plan: Plan, outcome: Outcome, *, node: Node) -> Recorded:
    """Return what is written down of an execution."""
    fills = _fills(plan, outcome, node)
    execution, after = outcome.execution, outcome.after
    return Recorded(
        block_number=execution.block.number,
        block_hash=execution.block.hash,
        promised_health_factor=execution.promised,
        got_health_factor=execution.got,
        promised_debt=plan.promise.debt_value,
        got_debt=after.debt_value,
        promised_collateral=plan.promise.collateral_value,
        got_collateral=after.collateral_value,
        cost_expected=plan.cost.expected,
        cost_worst=plan.cost.worst,
        cost_got=_cost(plan, outcome.before, fills),
        quote_decimals=plan.quote_decimals,
        fee_paid=execution.fee_paid,
        fills=fills,
    )


def _fills(plan: Plan, outcome: Outcome, node: Node) -> tuple[Fill, ...]:
    """Return what each swap brought, from the transfers to the owner in its receipt."""
    hashes = {sent.index: sent.hash for sent in outcome.execution.steps}
    fills = []
    for step in plan.steps:
        swap = step.action
        receipt = node.receipt(hashes[step.index]) if isinstance(swap, Swap) else None
        if receipt is None or not isinstance(swap, Swap):
            continue
        token = swap.route[-1].token_out
        got = received(receipt, token.address, plan.owner)
        fills.append(
            Fill(step.index, token.address, token.symbol, token.decimals, swap.minimum_out, swap.quoted_out, got)
        )
    return tuple(fills)


def received(receipt: Receipt, token: Address, owner: Address) -> int:
    """Return how many base units of `token` a transaction brought to `owner`."""
    return sum(_moved(log, token, owner, place=2) for log in receipt.logs)


def taken(receipt: Receipt, token: Address, owner: Address) -> int:
    """Return how many base units of `token` a transaction took from `owner`."""
    return sum(_moved(log, token, owner, place=1) for log in receipt.logs)


def _moved(log: Log, token: Address, owner: Address, *, place: int) -> int:
    """Return the amount of a transfer of `token` with `owner` at `place`: 1 is the sender, 2 the recipient."""
    if log.address != token or len(log.topics) != 3 or log.topics[0] != TRANSFER:  # signature, sender, recipient
        return 0
    return int.from_bytes(log.data) if address_from_word(int(log.topics[place], 16)) == owner else 0


def _cost(plan: Plan, before: LendingAccount, fills: Sequence[Fill]) -> int | None:
    """Return what the swaps lost, in quote base units, as the plan's own cost is counted; `None` when one is unseen."""
    value = ACTING[plan.protocol].value_down
    got = {fill.step: fill.got for fill in fills}
    lost = 0
    for step in plan.steps:
        if not isinstance(step.action, Swap):
            if any(isinstance(action, Swap) for action in step.actions):
                return None
            continue
        if step.index not in got:
            return None
        route = step.action.route
        lost += value(before, route[0].token_in.address, step.action.amount_in)
        lost -= value(before, route[-1].token_out.address, got[step.index])
    return lost
