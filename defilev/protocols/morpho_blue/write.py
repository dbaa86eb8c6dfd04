"""The calls that change a Morpho Blue account; read nothing, send nothing, authorise nobody."""

from __future__ import annotations

from defilev.abi import Transaction, interface
from defilev.model.plan import Action, Borrow, Repay, Supply, Withdraw
from defilev.protocols.morpho_blue.math import accrued
from defilev.protocols.morpho_blue.state import MorphoState

__all__ = ["CONTRACT", "GAS", "transaction"]

CONTRACT = "morpho blue"
NO_CALLBACK = b""

GAS = {"supply": 220_000, "withdraw": 320_000, "borrow": 350_000, "repay": 250_000}
"""Gas limits that suffice with an oracle of several feeds and vaults; what is not used is not paid."""


def transaction(state: MorphoState, action: Action) -> Transaction:
    """Return the call of a market action for the state's owner.

    Everything that is owed or lent goes by shares, of which the state has the number: an amount can only come close.

    Raises:
        TypeError: an action outside the market.
    """
    functions, params, owner = interface("morpho_blue"), state.market.params, state.owner
    is_collateral = not isinstance(action, Borrow | Repay) and _is_collateral(state, action)
    arguments: tuple[object, ...]
    match action:
        case Withdraw(_, amount) if is_collateral:
            name = "withdrawCollateral"
            arguments = (params.words, state.position.collateral if amount is None else amount, owner, owner)
        case Withdraw(_, None):
            name, arguments = "withdraw", (params.words, 0, accrued(state).position.supply_shares, owner, owner)
        case Withdraw(_, amount):
            name, arguments = "withdraw", (params.words, amount, 0, owner, owner)
        case Repay(_, amount) if amount is not None and action.shares is None:
            name, arguments = "repay", (params.words, amount, 0, owner, NO_CALLBACK)
        case Repay():
            shares = state.position.borrow_shares if action.shares is None else action.shares
            name, arguments = "repay", (params.words, 0, shares, owner, NO_CALLBACK)
        case Supply(_, amount) if is_collateral:
            name, arguments = "supplyCollateral", (params.words, amount, owner, NO_CALLBACK)
        case Supply(_, amount):
            name, arguments = "supply", (params.words, amount, 0, owner, NO_CALLBACK)
        case Borrow(_, amount):
            name, arguments = "borrow", (params.words, amount, 0, owner, owner)
        case _:
            raise TypeError(f"{action.kind} is not an action of a lending market")
    return Transaction(state.market.morpho, CONTRACT, functions[name], arguments)


def _is_collateral(state: MorphoState, action: Action) -> bool:
    return isinstance(action, Supply | Withdraw) and action.asset == state.market.collateral
