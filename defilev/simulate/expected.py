"""What each step of a plan should have moved in the wallet, held against what it did; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from defilev.errors import TokenMisbehaves
from defilev.model.plan import Action, Plan, Repay, Swap, Withdraw
from defilev.model.request import Address
from defilev.model.simulation import SimulationReport, TokenMovement
from defilev.model.token import Token

__all__ = ["require_moved"]

ROUNDING = 2
"""Base units that a market's rounding may add to what it takes or pays."""

_PLENTY = 2**256


def require_moved(plan: Plan, report: SimulationReport) -> None:
    """Let a report go on in which every token did what it was asked to.

    Looked at are the steps that succeeded: a token that keeps a part for itself lets the transfer succeed, and it is
    the step after it that reverts, or nothing does.

    Raises:
        TokenMisbehaves: the wallet got less than was withdrawn, less than the least that a sale must bring, or gave
            another amount than was sold or repaid. A fee on transfers does that, and so does a supply that is scaled.
    """
    told = {step.index: step for step in report.steps if step.status == "ok"}
    for step in plan.steps:
        if step.index not in told:
            continue
        for token, least, most in _expected(step.action):
            moved = _change(told[step.index].movements, token.address, plan.actor)
            if not least - ROUNDING <= moved <= most + ROUNDING:
                raise TokenMisbehaves(
                    f"{token.symbol} does not move what it is asked to: step {step.index} ({step.action.kind}) changes "
                    f"the wallet by {moved} base units, not {least if least == most else f'{least} or more'}",
                    token=token.address,
                    expected=least,
                    moved=moved,
                    plan=report.plan_hash,
                )


def _expected(action: Action) -> Iterator[tuple[Token, int, int]]:
    """Yield per token the least and the most that the wallet's balance may change by; nothing where it is not fixed."""
    match action:
        case Withdraw(asset, int() as amount):
            yield asset, amount, amount
        case Repay(asset, int() as amount, shares=None):
            yield asset, -amount, -amount
        case Swap(route, amount_in, minimum_out):
            yield route[0].token_in, -amount_in, -amount_in
            yield route[-1].token_out, minimum_out, _PLENTY
        case _:
            return


def _change(moved: Iterable[TokenMovement], token: Address, wallet: Address) -> int:
    ours = (movement for movement in moved if movement.token == token)
    return sum(((each.recipient == wallet) - (each.sender == wallet)) * each.amount for each in ours)
