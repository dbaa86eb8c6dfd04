"""The calls that change an Aave v3 account; read nothing, send nothing."""

from __future__ import annotations

from defilev.abi import Transaction, interface
from defilev.model.plan import Action, Borrow, Repay, RepayWithSupply, SetCollateral, SetEMode, Supply, Withdraw
from defilev.protocols.aave_family.state import AaveState
from defilev.units import UINT256_MAX

__all__ = ["GAS", "transaction"]

VARIABLE_RATE = 2
NO_REFERRAL = 0

GAS = {
    "supply": 350_000,
    "withdraw": 450_000,
    "borrow": 500_000,
    "repay": 350_000,
    "repay-with-supply": 500_000,
    "set-collateral": 400_000,
    "set-e-mode": 400_000,
}
"""Gas limits that suffice for an account with many assets; what is not used is not paid."""


def transaction(state: AaveState, action: Action) -> Transaction:
    """Return the pool call of a market action for the state's owner; `TypeError` for an action outside the market."""
    owner = state.owner
    function: str = action.kind
    arguments: tuple[object, ...]
    match action:
        case Withdraw(asset, amount):
            arguments = (asset.address, UINT256_MAX if amount is None else amount, owner)
        case Repay(asset, amount):
            arguments = (asset.address, UINT256_MAX if amount is None else amount, VARIABLE_RATE, owner)
        case Supply(asset, amount):
            arguments = (asset.address, amount, owner, NO_REFERRAL)
        case Borrow(asset, amount):
            arguments = (asset.address, amount, VARIABLE_RATE, NO_REFERRAL, owner)
        case RepayWithSupply(asset, amount):
            function = "repayWithATokens"
            arguments = (asset.address, UINT256_MAX if amount is None else amount, VARIABLE_RATE)
        case SetCollateral(asset, enabled):
            function, arguments = "setUserUseReserveAsCollateral", (asset.address, enabled)
        case SetEMode(category):
            function, arguments = "setUserEMode", (category,)
        case _:
            raise TypeError(f"{action.kind} is not an action of a lending market")
    return Transaction(
        state.market.pool, f"{state.market.protocol} pool", interface("aave_v3_pool")[function], arguments
    )
