"""Allowances over a whole plan: each is what the calls after it take, and none is left at the end; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from defilev.execute.rules import Check, DecodedCall, swap_call
from defilev.model.request import Address
from defilev.units import UINT256_MAX, mul_div_up

__all__ = ["allowance_checks", "repay_all_limit"]

_INTEREST = (101, 100)
_DUST = 1000


def repay_all_limit(debt: int) -> int:
    """Return the most that may be approved to repay all of `debt` base units: one per cent and dust for interest."""
    return mul_div_up(debt, *_INTEREST) + _DUST


def allowance_checks(calls: Sequence[DecodedCall], *, debts: Mapping[Address, int]) -> Iterator[tuple[int, Check]]:
    """Yield, with the position of its approval, whether each allowance is exact and gone at the end.

    Args:
        calls: of the plan, in order.
        debts: base units owed per token before the plan.
    """
    for position, call in enumerate(calls):
        if call.function == "approve":
            yield position, _exact(calls, position, debts)


def _exact(calls: Sequence[DecodedCall], position: int, debts: Mapping[Address, int]) -> Check:
    token, spender = calls[position].to, calls[position].arguments["spender"]
    amount: int = calls[position].arguments["amount"]
    uses, replaced = _uses_until_replaced(calls, position, token, spender)
    if UINT256_MAX not in uses:
        return Check("approved amount", amount == sum(uses), amount, f"exactly what the next calls take, {sum(uses)}")
    repaid_before = sum(_amount_taken(call, token, spender) for call in calls[:position] if call.function == "repay")
    limit = repay_all_limit(debts.get(token, 0)) - repaid_before
    others = sum(use for use in uses if use != UINT256_MAX)
    holds = others < amount <= max(limit, 0) and replaced
    return Check(
        "approved amount", holds, amount, f"at most {max(limit, 0)} to repay all, and an approval of 0 after it"
    )


def _uses_until_replaced(
    calls: Sequence[DecodedCall], position: int, token: Address, spender: Address
) -> tuple[list[int], bool]:
    uses: list[int] = []
    for call in calls[position + 1 :]:
        if call.function == "approve" and (call.to, call.arguments["spender"]) == (token, spender):
            return uses, True
        if taken := _amount_taken(call, token, spender):
            uses.append(taken)
    return uses, False


def _amount_taken(call: DecodedCall, token: Address, spender: Address) -> int:
    """Return the base units of `token` that `spender` pulls from the wallet here, uint256's maximum for all owed."""
    if call.to != spender:
        return 0
    if call.role == "router":
        swap = swap_call(call)
        return swap.amount_in if swap.hops[0][0] == token else 0
    if call.function == "repay" and call.arguments["asset"] == token:
        amount: int = call.arguments["amount"]
        return amount
    return 0
