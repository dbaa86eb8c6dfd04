"""Calldata of trades, deposits and withdrawals, all of it fixed when a plan is made."""

from __future__ import annotations

from defilev.abi import Transaction, interface
from defilev.model.plan import Action, Reduce, Supply, Withdraw
from defilev.protocols.perp_curie.state import CurieState

__all__ = ["GAS", "NO_REFERRAL", "transaction"]

GAS = {"reduce": 1_800_000, "supply": 300_000, "withdraw": 900_000}
NO_REFERRAL = bytes(32)
NO_PRICE_LIMIT = 0


def transaction(state: CurieState, action: Action) -> Transaction:
    """Return the call that performs `action` for the owner.

    A long is reduced by selling an exact input, a short by buying an exact output; the limit on the other side is in
    quote, fees included. The whole of a position is closed by `closePosition`, which cannot turn it around. Margin is
    deposited for the owner by name, whoever pays.
    """
    contracts, ask = state.contracts, interface("perp_curie")
    match action:
        case Reduce(asset, _, None, limit, deadline):
            order = (asset.address, NO_PRICE_LIMIT, limit, deadline, NO_REFERRAL)
            return Transaction(contracts.clearing_house, "Perp v2 ClearingHouse", ask["closePosition"], (order,))
        case Reduce(asset, side, amount, limit, deadline):
            is_sale = side == "long"
            opened = (asset.address, is_sale, is_sale, amount, limit, deadline, NO_PRICE_LIMIT, NO_REFERRAL)
            return Transaction(contracts.clearing_house, "Perp v2 ClearingHouse", ask["openPosition"], (opened,))
        case Supply(asset, amount):
            deposited = (state.owner, asset.address, amount)
            return Transaction(contracts.vault, "Perp v2 Vault", ask["depositFor"], deposited)
        case Withdraw(asset, None):
            return Transaction(contracts.vault, "Perp v2 Vault", ask["withdrawAll"], (asset.address,))
        case _:
            raise TypeError(f"Perp v2 has no call for {action.kind}")
