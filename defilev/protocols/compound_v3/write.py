"""The calls that change a Compound v3 account; read nothing, send nothing."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.abi import Transaction, encode, interface
from defilev.model.plan import Action, Borrow, Repay, Supply, Withdraw
from defilev.model.request import Address
from defilev.protocols.compound_v3.state import CometState
from defilev.units import UINT256_MAX

__all__ = ["GAS", "bulk", "transaction"]

GAS = {"supply": 300_000, "withdraw": 600_000, "borrow": 600_000, "repay": 300_000}
"""Gas limits for an account with many collaterals, each of which has a feed to read; what is not used is not paid."""

_BULK = {"supply": b"ACTION_SUPPLY_ASSET", "withdraw": b"ACTION_WITHDRAW_ASSET"}
"""What the bulker calls an action; it is told by name, padded with zeros to 32 bytes."""


def transaction(state: CometState, action: Action) -> Transaction:
    """Return the Comet call of a market action for the state's owner; `TypeError` for an action outside the market.

    All of a debt, or of a supply of the base asset, is the largest integer; all of a collateral is what is held, since
    the contract takes no such sign there.
    """
    name, arguments = _arguments(state, action)
    return Transaction(state.market.comet, "compound-v3 comet", interface("comet")[name], arguments)


def bulk(state: CometState, actions: Sequence[Action], *, bulker: Address) -> Transaction:
    """Return the one call by which a bulker does `actions` for the state's owner, all or nothing.

    The bulker must have been allowed on the Comet (`allow`), which lets it do anything with the account; tokens are
    approved to the Comet, as without it.
    """
    names, data = [], []
    for action in actions:
        name, (asset, amount) = _arguments(state, action)
        names.append(_BULK[name].ljust(32, b"\0"))
        words = (state.market.comet, state.owner, asset, amount)
        data.append(encode(["address", "address", "address", "uint256"], list(words)))
    return Transaction(bulker, "compound-v3 bulker", interface("comet_bulker")["invoke"], (names, data))


def _arguments(state: CometState, action: Action) -> tuple[str, tuple[Address, int]]:
    match action:
        case Withdraw(asset, amount):
            return "withdraw", (asset.address, _held(state, asset.address) if amount is None else amount)
        case Borrow(asset, amount):
            return "withdraw", (asset.address, amount)
        case Repay(asset, amount):
            return "supply", (asset.address, UINT256_MAX if amount is None else amount)
        case Supply(asset, amount):
            return "supply", (asset.address, amount)
        case _:
            raise TypeError(f"{action.kind} is not an action of a lending market")


def _held(state: CometState, asset: Address) -> int:
    return UINT256_MAX if asset == state.market.base.address else state.balances[state.index_of(asset)]
