"""What was signed or sent, as lines for a terminal: before, promised and got."""

from __future__ import annotations

from decimal import Decimal

from defilev.model.account import LendingAccount
from defilev.model.execution import Execution, SentStep, SignedStep
from defilev.model.plan import Plan, Step
from defilev.report.figures import NOTHING, block_number, dollars, grouped, health
from defilev.report.ink import Ink
from defilev.report.table import Cell, Column, table
from defilev.units import to_decimal

__all__ = ["execution_text", "included_text", "sent_text", "signed_text"]

GWEI = 9
_COLUMNS = (Column(""), Column("before", "right"), Column("promised", "right"), Column("got", "right"))


def sent_text(plan: Plan, step: Step, signed: SignedStep) -> str:
    """Return the line of a transaction that was just handed to the node."""
    fee = grouped(to_decimal(signed.max_fee_per_gas, GWEI), 2)
    place = f"{step.index}/{len(plan.steps)} {step.action.kind}"
    return f"{place:<14} {signed.hash}  nonce {signed.nonce}  max fee {fee} gwei"


def included_text(sent: SentStep) -> str:
    """Return the line of a receipt."""
    cost = f"{to_decimal(sent.fee_paid, 18):.6f}"
    return f"{'':<14} {sent.status} in block {block_number(sent.block_number)}  gas {sent.gas_used}  paid {cost}"


def execution_text(
    plan: Plan, execution: Execution, *, before: LendingAccount, after: LendingAccount, width: int, ink: Ink
) -> str:
    """Return the account before, as promised, and as read at the last receipt's block."""
    scale = plan.quote_decimals
    rows = [
        ("health factor", _health(before.health_factor), _health(execution.promised), _health(execution.got)),
        (
            "collateral",
            _dollars(before.collateral_value, scale),
            _dollars(plan.promise.collateral_value, scale),
            _dollars(after.collateral_value, scale),
        ),
        (
            "debt",
            _dollars(before.debt_value, scale),
            _dollars(plan.promise.debt_value, scale),
            _dollars(after.debt_value, scale),
        ),
    ]
    cells = [[Cell(text) for text in row] for row in rows]
    fee = f"{to_decimal(execution.fee_paid, 18):.6f}"
    heading = f"read again at block {block_number(execution.block.number)}, the last receipt's"
    lines = [ink(heading, "strong"), *table(_COLUMNS, cells, width=width, ink=ink)]
    return "\n".join([*lines, f"  gas paid {fee} of the native currency in {len(execution.steps)} transactions"])


def signed_text(plan: Plan, signed: SignedStep) -> str:
    """Return a signed transaction to hand to any node, and what is left to do after it."""
    rest = len(plan.steps) - signed.index
    then = f"\nnot signed: the {rest} steps after it; plan them again once it is included" if rest else ""
    done = f"signed {signed.index}/{len(plan.steps)} {signed.hash}, nonce {signed.nonce}; nothing was sent"
    return f"{done}\n{signed.raw}{then}"


def _dollars(value: int, decimals: int) -> str:
    return dollars(Decimal(value).scaleb(-decimals))


def _health(value: int | None) -> str:
    return NOTHING if value is None else health(to_decimal(value, 18))
