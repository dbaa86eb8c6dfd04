"""What was signed or sent, as lines for a terminal: before, promised and got."""

from __future__ import annotations

from decimal import Decimal

from defilev.chain.quorum import Dissent
from defilev.model.account import LendingAccount
from defilev.model.execution import Execution, Remark, SentStep, SignedStep
from defilev.model.plan import Plan, Step
from defilev.pipeline.agreeing import Agreement
from defilev.report.figures import block_number, grouped, health, worth
from defilev.report.ink import Ink
from defilev.report.table import Cell, Column, table
from defilev.units import to_decimal

__all__ = ["agreement_text", "dissent_text", "event_text", "execution_text", "signed_text"]

GWEI = 9
_COLUMNS = (Column(""), Column("before", "right"), Column("promised", "right"), Column("got", "right"))


def agreement_text(agreement: Agreement) -> str:
    """Return whose word was taken for the block, the account, its nonce and the fees."""
    number = block_number(agreement.block.number)
    if agreement.is_one_word:
        return f"one node: its word alone was taken at block {number} (--rpc-url names one)"
    return f"{len(agreement.nodes)} of {agreement.asked} nodes agree on block {number}, account, nonce and fees"


def dissent_text(dissent: Dissent) -> str:
    """Return what a node said that the others do not confirm."""
    return f"{dissent.name} is left out: {dissent.what}: {dissent.said}"


def event_text(step: Step, event: SignedStep | SentStep | Remark, *, steps: int | None) -> str:
    """Return the lines of a transaction that was just handed to a node, of its receipt, or of a thing on its way.

    `steps` is how many its plan has, `None` when that is not known.
    """
    match event:
        case SignedStep():
            fee = grouped(to_decimal(event.max_fee_per_gas, GWEI), 2)
            place = f"{step.index}{f'/{steps}' if steps else ''} {step.action.kind}"
            return f"{place:<14} nonce {event.nonce}  max fee {fee} gwei\n  {event.hash}"
        case SentStep():
            gas = grouped(Decimal(event.gas_used), 0)
            block = block_number(event.block_number)
            return f"  {event.status} in block {block}  gas {gas}  paid {_native(event.fee_paid)}"
        case Remark():
            return f"  {event.kind}: {event.text}"


def execution_text(
    plan: Plan, execution: Execution, *, before: LendingAccount, after: LendingAccount, width: int, ink: Ink
) -> str:
    """Return the account before, as promised, and as read at the last receipt's block."""
    promise = plan.promise
    rows = [
        ("health factor", _health(before.health_factor), _health(execution.promised), _health(execution.got)),
        (
            "collateral",
            _value(plan, before.collateral_value),
            _value(plan, promise.collateral_value),
            _value(plan, after.collateral_value),
        ),
        (
            "debt",
            _value(plan, before.debt_value),
            _value(plan, promise.debt_value),
            _value(plan, after.debt_value),
        ),
    ]
    cells = [[Cell(text) for text in row] for row in rows]
    heading = f"read again at block {block_number(execution.block.number)}, the last receipt's"
    lines = [ink(heading, "strong"), *table(_COLUMNS, cells, width=width, ink=ink)]
    gas = f"  gas {_native(execution.fee_paid)}, in {_counted(len(execution.steps), 'transaction')}"
    return "\n".join([*lines, gas])


def signed_text(plan: Plan, signed: SignedStep) -> str:
    """Return a signed transaction, its hash and what to hand to any node, and what is left to do after it."""
    rest = len(plan.steps) - signed.index
    later = f"the {_counted(rest, 'step')} after it; plan again once it is included"
    then = f"\nnot signed: {later}" if rest else ""
    done = f"signed {signed.index}/{len(plan.steps)}, nonce {signed.nonce}; nothing was sent"
    return f"{done}\n{signed.hash}\n{signed.raw}{then}"


def _value(plan: Plan, value: int) -> str:
    return worth(to_decimal(value, plan.quote_decimals), plan.quote)


def _health(value: int | None) -> str:
    return "no debt" if value is None else health(to_decimal(value, 18))


def _native(wei: int) -> str:
    return f"{to_decimal(wei, 18):.6f} of the native currency"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
