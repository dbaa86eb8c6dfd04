"""Trades that must only reduce: whether their position is still there before, and on which side it is after."""

from __future__ import annotations

from defilev.model.account import LendingAccount
from defilev.model.plan import Plan, Reduce, Step
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.pipeline.session import Session
from defilev.pipeline.trying import account_of
from defilev.protocols import PERPS_AS_LOANS

__all__ = ["overtaken", "turned_around"]


def overtaken(session: Session, plan: Plan, step: Step) -> str | None:
    """Return why the trade of `step` would turn its position around at the newest block, `None` when it would not.

    A position that was liquidated or closed meanwhile is smaller than the trade. Closing one whole turns nothing.

    Raises:
        DataError: the chain does not tell.
    """
    trades = [action for action in step.actions if isinstance(action, Reduce) and action.amount is not None]
    if not trades:
        return None
    sizes = _sizes(account_of(session.at("latest"), plan, or_nothing=True))
    for trade in trades:
        size = sizes.get(trade.asset.address, 0)
        held = size if trade.side == "long" else -size
        if held < (trade.amount or 0):
            return f"the position in {trade.asset.symbol} is smaller than what the trade closes: it would turn around"
    return None


def turned_around(before: LendingAccount, after: LendingAccount) -> tuple[str, ...]:
    """Return the symbols of the markets in which an account is on the other side than it was."""
    sizes = _sizes(before)
    return tuple(token.symbol for token, size in _positions(after) if size * sizes.get(token.address, 0) < 0)


def _sizes(account: LendingAccount) -> dict[Address, int]:
    return {token.address: size for token, size in _positions(account)}


def _positions(account: LendingAccount) -> tuple[tuple[Token, int], ...]:
    """Return the positions of an account of perpetuals, none of a loan and of an account that is gone."""
    known = PERPS_AS_LOANS.get(account.protocol)
    return () if known is None or account.state is None else known.positions(account)
