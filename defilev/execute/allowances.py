"""What only a whole plan can tell: each allowance is what the calls after it take, and none is left; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defilev.execute.checks import Bounds, Check, DecodedCall, Holdings
from defilev.execute.rules import swap_call
from defilev.model.plan import Action, Repay, Withdraw
from defilev.model.request import Address
from defilev.units import mul_div_up

__all__ = ["allowance_checks", "everything_checks", "repay_all_limit"]

_INTEREST = (101, 100)
_DUST = 1000


def repay_all_limit(debt: int) -> int:
    """Return the most that may be approved to repay all of `debt` base units: one per cent and dust for interest."""
    return mul_div_up(debt, *_INTEREST) + _DUST


def allowance_checks(calls: Sequence[DecodedCall], *, bounds: Bounds) -> Iterator[tuple[int, Check]]:
    """Yield, with the position of its approval, whether each allowance is exact and gone at the end."""
    for position, call in enumerate(calls):
        if call.function == "approve":
            yield position, _exact(calls, position, bounds)


def everything_checks(
    calls: Sequence[DecodedCall], actions: Sequence[Action], *, holdings: Holdings | None
) -> Iterator[tuple[int, Check]]:
    """Yield, with its position, whether each call that is said to move everything names the number that is left.

    Only where the market wants a number: `holdings` is what the account had before the plan.
    """
    if holdings is None:
        return
    left = {"collateral": holdings.collateral, "supply": holdings.supply_shares, "debt": holdings.debt_shares}
    for position, (call, action) in enumerate(zip(calls, actions, strict=True)):
        if call.move is None:
            continue
        what = _counted(call)
        number = call.move.amount if what == "collateral" else call.move.shares
        if isinstance(action, Withdraw | Repay) and action.amount is None:
            yield position, Check(f"all of the {what}", number == left[what], number, left[what])
        left[what] -= number or 0


def _counted(call: DecodedCall) -> str:
    """Return which of an account's holdings a market's call takes from."""
    if call.move is not None and call.move.kind == "repay":
        return "debt"
    return "collateral" if call.function == "withdrawCollateral" else "supply"


def _exact(calls: Sequence[DecodedCall], position: int, bounds: Bounds) -> Check:
    token, spender = calls[position].to, calls[position].arguments["spender"]
    amount: int = calls[position].arguments["amount"]
    uses, replaced = _uses_until_replaced(calls, position, token, spender)
    exact = sum(_amount(use) or 0 for use in uses)
    if all(_amount(use) is not None for use in uses):
        return Check("approved amount", amount == exact, amount, f"exactly what the next calls take, {exact}")
    repaid = exact + sum(
        _most(call, bounds, repaid=0) for call in calls[:position] if _takes(call, token, spender) and call.move
    )
    limit = exact + sum(_most(use, bounds, repaid=repaid) for use in uses if _amount(use) is None)
    holds = exact < amount <= limit and replaced
    return Check("approved amount", holds, amount, f"at most {limit} to repay it, and an approval of 0 after it")


def _uses_until_replaced(
    calls: Sequence[DecodedCall], position: int, token: Address, spender: Address
) -> tuple[list[DecodedCall], bool]:
    uses: list[DecodedCall] = []
    for call in calls[position + 1 :]:
        if call.function == "approve" and (call.to, call.arguments["spender"]) == (token, spender):
            return uses, True
        if _takes(call, token, spender):
            uses.append(call)
    return uses, False


def _takes(call: DecodedCall, token: Address, spender: Address) -> bool:
    """Return whether `spender` pulls `token` from the wallet in a call."""
    if call.to != spender:
        return False
    if call.pulled is not None:
        return call.pulled[0] == token
    if call.role == "router":
        return swap_call(call).hops[0][0] == token
    return call.move is not None and call.move.kind in ("repay", "supply") and call.move.asset == token


def _amount(call: DecodedCall) -> int | None:
    """Return the base units that a call takes, `None` when its bytes do not say."""
    if call.pulled is not None:
        return call.pulled[1]
    return swap_call(call).amount_in if call.move is None else call.move.amount


def _most(call: DecodedCall, bounds: Bounds, *, repaid: int) -> int:
    """Return the most that a repayment may take; `repaid` of the debt was paid by others."""
    move = call.move
    if move is None or move.amount is not None:
        return _amount(call) or 0
    debt = bounds.debts.get(move.asset, 0)
    if move.shares is None:
        return max(repay_all_limit(debt) - repaid, 0)
    own = bounds.holdings.debt_shares if bounds.holdings else 0
    return repay_all_limit(mul_div_up(debt, min(move.shares, own), own)) if own else 0
