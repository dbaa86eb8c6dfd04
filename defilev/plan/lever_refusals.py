"""What forbids raising leverage, said with its numbers and with how far it lets one go."""

from __future__ import annotations

from fractions import Fraction

from defilev.errors import Infeasible, SequencerDown, StalePrice
from defilev.model.account import LendingAccount, Price
from defilev.model.token import Token
from defilev.plan.goals import leverage_of
from defilev.plan.lever_inputs import LeverInputs
from defilev.plan.path import Path
from defilev.plan.words import goal_text, health_text, leverage_text
from defilev.protocols.levering import LeveringProtocol
from defilev.protocols.sequencer import NOT_UP
from defilev.risk.prices import PriceLimits, stale_prices
from defilev.units import WAD

__all__ = ["require_allowed", "require_fresh", "require_within", "short_of"]

_NO_BORROWING = frozenset({"sequencer-restarted", "borrow-disabled"})
"""Notices of an account under which no risk is added."""


def require_allowed(inputs: LeverInputs) -> None:
    """Raise `Infeasible` when the goal itself is beyond the floor or the user's own maximum."""
    base, goal = inputs.base, inputs.base.goal
    if goal.value is None:
        raise Infeasible("leverage is raised to a health factor or a leverage", fix="give one of the two")
    if goal.kind == "health-factor" and Fraction(goal.value) * WAD < base.floor:
        raise Infeasible(
            f"the target {goal.value} is below the floor of {health_text(base.floor)}",
            fix="aim higher, or lower --floor",
        )
    if goal.kind == "leverage" and inputs.max_leverage is not None and goal.value > inputs.max_leverage:
        raise _beyond_maximum(inputs, f"a leverage of {goal.value}")


def require_within(inputs: LeverInputs, path: Path) -> None:
    """Raise `Infeasible` when the path ends above the user's own maximum."""
    for account in (path.first, path.last):
        leverage = leverage_of(account)
        if inputs.max_leverage is not None and (leverage is None or leverage > Fraction(inputs.max_leverage)):
            raise _beyond_maximum(inputs, f"{goal_text(inputs.base.goal)} is a leverage of {leverage_text(account)}")


def _beyond_maximum(inputs: LeverInputs, what: str) -> Infeasible:
    return Infeasible(
        f"{what}, above your own maximum of {inputs.max_leverage}",
        fix="aim lower, or raise limits.max_leverage in your settings",
        max_leverage=inputs.max_leverage,
    )


def require_fresh(
    account: LendingAccount, protocol: LeveringProtocol, *, limits: PriceLimits, added: tuple[Token, ...] = ()
) -> None:
    """Let risk be added only on prices that are up to date: those of the account, and of what is `added` to it.

    Raises:
        SequencerDown: the rollup's sequencer is.
        StalePrice: a price is older than its limit, or prices may still catch up after the sequencer's restart.
    """
    for notice in account.warnings:
        if notice.name in NOT_UP:
            raise SequencerDown(notice.text, block=account.block.number)
        if notice.name in _NO_BORROWING:
            raise StalePrice(notice.text, fix="wait until the market lends again", block=account.block.number)
    for notice in stale_prices(account, limits=limits):
        raise StalePrice(notice.text, block=account.block.number)
    prices = protocol.prices(account)
    for token in added:
        _require_recent(token, prices.get(token.address), at=account.block.timestamp, limits=limits)


def _require_recent(token: Token, price: Price | None, *, at: int, limits: PriceLimits) -> None:
    if price is None or price.updated_at is None:
        return
    age, limit = max(at - price.updated_at, 0), limits.of(token.symbol)
    if age > limit:
        raise StalePrice(
            f"the price of {token.symbol} was updated {age} s before the block, more than the {limit} s allowed"
        )


def short_of(inputs: LeverInputs, path: Path, why: str) -> Infeasible:
    """Return the refusal of a goal that `path` comes nearest to, and what bound it."""
    reach = f"a leverage of {leverage_text(path.last)} and a health factor of {health_text(path.health_factor())}"
    if not path.actions:
        return Infeasible(f"leverage cannot be raised at all: {why}", fix="choose another --buy or --borrow")
    return Infeasible(
        f"{goal_text(inputs.base.goal)} is out of reach: {why}, after {reach}",
        fix=f"aim no further than a leverage of {leverage_text(path.last)}, or choose another --buy or --borrow",
        leverage=leverage_text(path.last),
        health_factor=health_text(path.health_factor()),
        binding=why,
    )
