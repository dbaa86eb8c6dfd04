"""A call of the executor in words: what it does, who lends for it, and what it asserts on the chain at its end."""

from __future__ import annotations

from defilev.model.action import Unwind
from defilev.model.token import Token
from defilev.report import figures
from defilev.units import UINT256_MAX, to_decimal

__all__ = ["enforced", "lent", "unwound"]


def unwound(action: Unwind) -> str:
    """Return what is repaid and what is sold at most."""
    limit = _amount(action.limit, action.collateral)
    return f"repay {_amount(action.amount, action.asset)}, sell up to {limit}"


def lent(action: Unwind) -> str:
    """Return who lends, at what price, and where the sale goes through."""
    tokens = " → ".join(figures.clean(hop.token_in.symbol) for hop in action.route[1:])
    fee = f"fee {_amount(action.fee, action.asset)}" if action.fee else "free"
    return f"loan of {figures.clean(action.lender_name)}, {fee}{f'; through {tokens}' if tokens else ''}"


def enforced(action: Unwind) -> str:
    """Return what must hold at the end of the call, which reverts else."""
    end = action.enforced
    owed = f"at most {_amount(end.debt, action.asset)} owed" if end.debt else f"no {_symbol(action.asset)} owed"
    health = (
        "nothing owed" if end.health_factor == UINT256_MAX else f"health at least {_health(end.health_factor)}, {owed}"
    )
    kept = f"at least {_amount(end.collateral, action.collateral)} supplied"
    left = f"no allowance left, by block {figures.block_number(end.last_block)}"
    return f"on the chain, or all of it reverts: {health}, {kept}, {left}"


def _health(wad: int) -> str:
    return figures.health(to_decimal(wad, 18))


def _amount(raw: int, token: Token) -> str:
    return f"{figures.amount(raw, token.decimals)} {_symbol(token)}"


def _symbol(token: Token) -> str:
    return figures.clean(token.symbol)
