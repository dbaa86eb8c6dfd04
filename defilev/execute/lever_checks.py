"""What only a whole plan that borrows can tell: it does nothing else, and ends within the owner's limit; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

from defilev.execute.checks import Bounds, Check, DecodedCall
from defilev.model.account import LendingAccount

__all__ = ["lever_checks"]

_ALLOWED = ("borrow", "supply")


def lever_checks(
    calls: Sequence[DecodedCall], account: LendingAccount, *, bounds: Bounds, most: Decimal | None
) -> Iterator[tuple[int, Check]]:
    """Yield the rules of a plan that borrows, with the position of the call; none for one that does not.

    Args:
        calls: all of the plan.
        account: before it.
        bounds: its prices measure what is borrowed and supplied.
        most: the most leverage that the owner allows; `None` allows no call that borrows.
    """
    borrows = [position for position, call in enumerate(calls) if call.move and call.move.kind == "borrow"]
    if not borrows:
        return
    for position, call in enumerate(calls):
        if call.move is not None:
            kind = call.move.kind
            yield position, Check("call of a plan that borrows", kind in _ALLOWED, kind, " or ".join(_ALLOWED))
            if kind == "supply":
                yield position, _is_counted(call, bounds)
    leverage = _leverage_after(calls, account, bounds)
    holds = most is not None and leverage is not None and leverage <= Fraction(most)
    found = "no equity" if leverage is None else f"{Decimal(leverage.numerator) / leverage.denominator:.4f}"
    yield borrows[-1], Check("leverage afterwards", holds, found, f"up to limits.max_leverage, {most}")


def _is_counted(call: DecodedCall, bounds: Bounds) -> Check:
    """What is supplied must count as collateral: the account has it as such, or has none of it yet."""
    assert call.move is not None  # noqa: S101 - the caller has looked
    asset = call.move.asset
    holds = asset in bounds.collateral or not bounds.supplies.get(asset, 0)
    return Check("supply", holds, asset, "what the account has as collateral, or has none of")


def _leverage_after(calls: Sequence[DecodedCall], account: LendingAccount, bounds: Bounds) -> Fraction | None:
    """Return collateral over equity at the oracle's prices, `None` without equity or without a price."""
    values = {"borrow": Fraction(account.debt_value), "supply": Fraction(account.collateral_value)}
    for call in calls:
        if call.move is None or call.move.amount is None:
            continue
        price, token = bounds.prices.get(call.move.asset), bounds.tokens[call.move.asset]
        if price is None:
            return None
        unit = Fraction(price.value, 10 ** (price.decimals + token.decimals)) * 10**account.quote_decimals
        values[call.move.kind] = values.get(call.move.kind, Fraction(0)) + call.move.amount * unit
    equity = values["supply"] - values["borrow"]
    return values["supply"] / equity if equity > 0 else None
