"""What each step of a plan should have moved in the wallet, held against what it did; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from defilev.errors import TokenMisbehaves
from defilev.model.plan import Action, Borrow, Execute, Plan, Repay, Step, Supply, Swap, Unwind, Withdraw
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
        wallet = step.action.safe if isinstance(step.action, Execute) else plan.actor
        for token, least, most in _expected(step):
            moved = _change(told[step.index].movements, token.address, wallet)
            if not least - ROUNDING <= moved <= most + ROUNDING:
                raise TokenMisbehaves(
                    f"{token.symbol} does not move what it is asked to: step {step.index} ({step.action.kind}) changes "
                    f"the wallet by {moved} base units, not {least if least == most else f'{least} or more'}",
                    token=token.address,
                    expected=least,
                    moved=moved,
                    plan=report.plan_hash,
                )


def _expected(step: Step) -> Iterator[tuple[Token, int, int]]:
    """Yield per token the least and the most that the wallet's balance may change by; nothing where it is not fixed."""
    total: dict[Token, tuple[int, int]] = {}
    open_ended = set()
    for action in step.actions:
        for token, least, most in _moves(action):
            if least is None or most is None:
                open_ended.add(token)
                continue
            before = total.get(token, (0, 0))
            total[token] = before[0] + least, before[1] + most
    for token, (least, most) in total.items():
        if token not in open_ended:
            yield token, least, most


def _moves(action: Action) -> Iterator[tuple[Token, int, int] | tuple[Token, None, None]]:
    """Yield per token the least and the most that one action moves into the wallet, `None` where it is not fixed."""
    match action:
        case Withdraw(asset, int() as amount) | Borrow(asset, amount):
            yield asset, amount, amount
        case Repay(asset, int() as amount, shares=None) | Supply(asset, amount):
            yield asset, -amount, -amount
        case Withdraw(asset) | Repay(asset):
            yield asset, None, None
        case Swap(route, amount_in, minimum_out):
            yield route[0].token_in, -amount_in, -amount_in
            yield route[-1].token_out, minimum_out, _PLENTY
        case Unwind(asset=asset, amount=amount, collateral=collateral, taken=taken):
            yield asset, 0, amount
            yield collateral, 0, taken
        case _:
            return


def _change(moved: Iterable[TokenMovement], token: Address, wallet: Address) -> int:
    ours = (movement for movement in moved if movement.token == token)
    return sum(((each.recipient == wallet) - (each.sender == wallet)) * each.amount for each in ours)
