from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import event, given, settings, strategies as st

from defilev.abi import Transaction, interface
from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.plan import Borrow, Repay, Withdraw
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.protocols import PROTOCOLS
from defilev.protocols.morpho_blue.math import accrued
from defilev.protocols.morpho_blue.state import MorphoState
from defilev.units import WAD
from tests.support.positions import Recipe, approve, give, open_position, recipes
from tests.support.world import ISOLATED, World

pytestmark = pytest.mark.world

EXAMPLES = int(os.environ.get("DEFILEV_READING_EXAMPLES", "1000" if os.environ.get("DEFILEV_FULL") else "100"))
MORPHO = PROTOCOLS["morpho-blue"]
MAX_UINT128 = 2**128 - 1

cases = st.sampled_from(ISOLATED).flatmap(lambda market: st.tuples(st.just(market), recipes(market)))


def test_every_position_is_read_to_the_wei(world_session: World) -> None:
    """Whatever the contract accepts is read as what it would pay, take and refuse, now and after time passes."""

    @settings(max_examples=EXAMPLES)
    @given(case=cases, later=st.sampled_from((0, 1, 12, 86_400, 3 * 365 * 86_400)))
    def check(case: tuple[str, Recipe], later: int) -> None:
        snapshot = world_session.rpc("evm_snapshot")
        try:
            _compare(world_session, *case, later)
        finally:
            world_session.rpc("evm_revert", snapshot)

    check()


def _compare(world: World, market: str, recipe: Recipe, later: int) -> None:
    opened = open_position(world, market, recipe)
    if later:
        world.advance(later)
    (account,) = world.read(market, [recipe.owner])
    _prepare(world, market, account)
    (account,) = world.read(market, [recipe.owner])
    state: MorphoState = account.state
    health = "no debt" if account.health_factor is None else "healthy" if account.health_factor >= WAD else "unhealthy"
    event(f"{market} {health}, refused {len(opened.refused)}")

    assert account.self_check.result == "consistent"
    if state.position.borrow_shares:
        repaid = _returned(world, account, Repay(state.market.loan, None))
        assert (account.debt_value, state.position.borrow_shares) == repaid
    if lent := _leg(account, state.market.loan):
        paid = _returned(world, account, Withdraw(state.market.loan, None))
        assert paid in (None, (lent, accrued(state).position.supply_shares))  # all is lent out, and it pays nobody
    assert _leg(account, state.market.collateral) == state.position.collateral
    _compare_boundaries(world, account)


def _compare_boundaries(world: World, account: LendingAccount) -> None:
    """The largest withdrawal and loan that pass our rules pass the contract's, and one unit more does not."""
    state: MorphoState = account.state
    collateral, loan = state.market.collateral, state.market.loan
    assert collateral is not None
    held = state.position.collateral
    most = _largest(lambda amount: _is_possible(account, Withdraw(collateral, amount)), held)
    assert most == 0 or _passes(world, account, Withdraw(collateral, most))
    assert not _passes(world, account, Withdraw(collateral, most + 1))
    most = _largest(lambda amount: _is_possible(account, Borrow(loan, amount)), state.totals.supply_assets)
    assert most == 0 or _passes(world, account, Borrow(loan, most))
    assert not _passes(world, account, Borrow(loan, most + 1))


def _prepare(world: World, market: str, account: LendingAccount) -> None:
    """Put what is owed into the wallet, so that the contract can be asked what it would take."""
    if account.debt_value:
        symbol = market.split("/")[1]
        give(world, symbol, account.owner, account.debt_value * 2 + 10)
        approve(world, symbol, account.owner, world.pool(market))


def _leg(account: LendingAccount, token: Token | None) -> int:
    return sum(leg.amount for leg in account.legs if leg.side == "supply" and leg.asset == token)


def _returned(world: World, account: LendingAccount, action: Repay | Withdraw) -> tuple[int, ...] | None:
    """Return the assets and shares that the contract says an action moves, `None` when it refuses."""
    call = MORPHO.transaction(account, action)
    answer = _asked(world, account.owner, call)
    return None if answer is None else interface("morpho_blue")[call.function.name].decode(answer)


def _passes(world: World, account: LendingAccount, action: Withdraw | Borrow) -> bool:
    """Return whether the contract would do it."""
    if isinstance(action, Borrow) and action.amount > MAX_UINT128:
        return False
    return _asked(world, account.owner, MORPHO.transaction(account, action)) is not None


def _asked(world: World, owner: Address, call: Transaction) -> bytes | None:
    fields = {"from": owner, "to": call.to, "data": "0x" + call.data.hex()}
    try:
        return bytes.fromhex(world.rpc("eth_call", fields, "latest")[2:])
    except AssertionError as refused:
        if "revert" in str(refused):
            return None
        raise


def _is_possible(account: LendingAccount, action: Withdraw | Borrow) -> bool:
    try:
        MORPHO.apply(account, action, at=account.block.timestamp)
    except Infeasible:
        return False
    return True


def _largest(holds: Callable[[int], bool], high: int) -> int:
    """Return the largest amount up to `high` for which something monotone holds, to the unit; 0 when none does."""
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if holds(middle) else (low, middle - 1)
    return low
