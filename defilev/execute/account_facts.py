"""What the bounds of a plan's calls take from the account that it is for; pure."""

from __future__ import annotations

from defilev.execute.checks import Holdings
from defilev.model.account import LendingAccount, Price
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.plan.atomic_inputs import AtomicInputs

__all__ = ["holdings_of", "house_of", "prices_of", "receipts_of"]


def prices_of(account: LendingAccount) -> dict[Address, Price]:
    """Return the oracle's prices of what the account holds and owes."""
    return {leg.asset.address: leg.price for leg in account.legs}


def holdings_of(account: LendingAccount) -> Holdings | None:
    """Return what the account has where its market counts in shares."""
    details = dict(account.details)
    if "borrow_shares" not in details:
        return None
    return Holdings(int(details["collateral"]), int(details["supply_shares"]), int(details["borrow_shares"]))


def house_of(account: LendingAccount) -> Address | None:
    """Return the contract that the account's perpetuals are traded at."""
    found = dict(account.details).get("clearing_house")
    return None if found is None else Address(found)


def receipts_of(atomic: AtomicInputs | None) -> dict[Address, tuple[Token, Address]]:
    """Return by its address each token that stands for what is supplied, with the one that it stands for."""
    found = atomic.receipts.items() if atomic else ()
    return {receipt.address: (receipt, underlying) for underlying, receipt in found}
