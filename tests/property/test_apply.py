from __future__ import annotations

import os
from dataclasses import dataclass, replace

import pytest
from hypothesis import event, given, settings, strategies as st

from defilev.errors import Infeasible
from defilev.model.account import Leg, LendingAccount
from defilev.model.plan import Action, Borrow, Repay, RepayWithSupply, SetCollateral, SetEMode, Supply, Withdraw
from defilev.observe.drive import drive
from defilev.protocols import PROTOCOLS, REARRANGING
from tests.support.positions import Recipe, approve, give, open_position, recipes
from tests.support.world import EVERY_MARKET, MARKETS, World

pytestmark = pytest.mark.world

EXAMPLES = 1000 if os.environ.get("DEFILEV_FULL") else 40


@dataclass(frozen=True)
class Choice:
    """An action by its kind, the place of its leg, and a share of the leg in basis points; above 10,000 is all."""

    kind: str
    place: int
    share: int


switches = st.builds(
    Choice,
    kind=st.sampled_from(("repay with supply", "repay with supply", "enable", "disable", "e-mode", "e-mode")),
    place=st.integers(0, 5),
    share=st.integers(1, 9_999) | st.just(10_000) | st.just(10_001),
)
choices = st.builds(
    Choice,
    kind=st.sampled_from(("withdraw", "withdraw", "repay", "repay shares", "supply", "borrow")),
    place=st.integers(0, 5),
    share=st.integers(1, 9_999) | st.just(10_000) | st.just(10_001),
)


def action_of(account: LendingAccount, choice: Choice) -> Action | None:
    """Return the action that `choice` means for the account, or `None` when it has no such leg."""
    side = "supply" if choice.kind in ("withdraw", "supply", "enable", "disable") else "borrow"
    legs = [leg for leg in account.legs if leg.side == side]
    if not legs:
        return None
    leg = legs[choice.place % len(legs)]
    amount = max(leg.amount * min(choice.share, 10_000) // 10_000, 1)
    return switch_of(leg, choice, amount) or move_of(account, leg, choice, amount)


def switch_of(leg: Leg, choice: Choice, amount: int) -> Action | None:
    """Return the action that moves nothing through the wallet, `None` for one that does."""
    match choice.kind:
        case "repay with supply":
            return RepayWithSupply(leg.asset, None if choice.share > 10_000 else amount)
        case "enable" | "disable":
            return SetCollateral(leg.asset, choice.kind == "enable")
        case "e-mode":
            return SetEMode(choice.place % 3, "")
        case _:
            return None


def move_of(account: LendingAccount, leg: Leg, choice: Choice, amount: int) -> Action:
    """Return the action that moves `amount` of the leg, or all of it."""
    match choice.kind:
        case "withdraw":
            return Withdraw(leg.asset, None if choice.share > 10_000 else amount)
        case "repay":
            return Repay(leg.asset, None if choice.share > 10_000 else amount)
        case "repay shares":
            shares = PROTOCOLS[account.protocol].debt_shares(account, amount)
            return Repay(leg.asset, amount if shares is None else 2 * amount + 10, shares=shares)
        case "supply":
            return Supply(leg.asset, amount)
        case _:
            return Borrow(leg.asset, max(amount // 20, 1))


@pytest.mark.parametrize("market", MARKETS)
def test_a_switch_does_what_the_contract_does(market: str, world_session: World) -> None:
    """So it is with debts repaid by supply, with what counts as collateral, and with the e-mode."""

    @settings(max_examples=EXAMPLES)
    @given(recipe=recipes(market, least_debts=1), chosen=switches)
    def check(recipe: Recipe, chosen: Choice) -> None:
        snapshot = world_session.rpc("evm_snapshot")
        try:
            if chosen.kind == "repay with supply" and recipe.borrows:
                owed = min(recipe.borrows)
                recipe = replace(recipe, supplies={owed: 500_000, **recipe.supplies})
            compare(world_session, market, recipe, chosen)
        finally:
            world_session.rpc("evm_revert", snapshot)

    check()


@pytest.mark.parametrize("market", EVERY_MARKET)
def test_an_action_does_what_the_contract_does(market: str, world_session: World) -> None:
    """After any action the predicted account equals the contract's to the wei; what we refuse, the contract refuses."""

    @settings(max_examples=EXAMPLES)
    @given(recipe=recipes(market, least_debts=1), chosen=choices)
    def check(recipe: Recipe, chosen: Choice) -> None:
        snapshot = world_session.rpc("evm_snapshot")
        try:
            compare(world_session, market, recipe, chosen)
        finally:
            world_session.rpc("evm_revert", snapshot)

    check()


def compare(world: World, market: str, recipe: Recipe, chosen: Choice) -> None:
    """Do the action on the contract and in our arithmetic, and compare the outcomes."""
    open_position(world, market, recipe)
    (opened,) = world.read(market, [recipe.owner])
    action = action_of(opened, chosen)
    if action is None:
        return
    fund(world, market, recipe, action)
    (before,) = world.read(market, [recipe.owner])
    if isinstance(action, SetEMode):
        read = REARRANGING[before.protocol].read_e_modes(before)
        before = drive(read, world.reader(before.block).fetch)
    protocol = PROTOCOLS[before.protocol]
    transaction = protocol.transaction(before, action)
    receipt = world.send(recipe.owner, transaction.to, transaction.data)
    (after,) = world.read(market, [recipe.owner])
    event(f"{action.kind} {'accepted' if receipt['status'] == '0x1' else 'refused'}")

    if receipt["status"] == "0x1":
        predicted = protocol.apply(before, action, at=after.block.timestamp)
        assert figures(after) == figures(predicted)
    else:
        with pytest.raises(Infeasible):
            protocol.apply(before, action, at=after.block.timestamp)


def fund(world: World, market: str, recipe: Recipe, action: Action) -> None:
    """Give the owner what the action takes from the wallet."""
    if isinstance(action, Supply | Repay):
        symbol = action.asset.symbol
        (account,) = world.read(market, [recipe.owner])
        owed = next((leg.amount for leg in account.legs if leg.asset == action.asset and leg.side == "borrow"), 0)
        give(world, symbol, recipe.owner, (action.amount or owed) * 2)
        approve(world, symbol, recipe.owner, world.pool(market))


def figures(account: LendingAccount) -> tuple[object, ...]:
    """Return what must be equal: values, averages, health and every amount."""
    legs = tuple((leg.side, leg.asset.symbol, leg.amount, leg.value, leg.used_as_collateral) for leg in account.legs)
    return (
        account.collateral_value,
        account.debt_value,
        account.available_borrows,
        account.liquidation_threshold,
        account.loan_to_value,
        account.health_factor,
        legs,
    )
