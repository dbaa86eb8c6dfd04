"""What there is to watch of an account beside its figures: what governance may change, and how full its markets are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from defilev.errors import CallReverted
from defilev.model.account import LendingAccount
from defilev.model.request import Address, Read
from defilev.observe.drive import drive_all
from defilev.pipeline.session import Session
from defilev.protocols.aave_family.parameters import cannot_repay, parameters, rate_parameters, utilisation_of
from defilev.protocols.aave_family.rates import read_rates
from defilev.protocols.rate_caps import read_caps

__all__ = ["Surroundings", "closed_debts", "parameters_of", "read_surroundings"]

_FAMILY = ("aave-v3", "sparklend")
_PARAMETERS: Mapping[str, Callable[[LendingAccount], dict[str, str]]] = dict.fromkeys(_FAMILY, parameters)
_CLOSED: Mapping[str, Callable[[LendingAccount], tuple[str, ...]]] = dict.fromkeys(_FAMILY, cannot_repay)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """By name: interest curves, and caps of prices. By symbol: the part of each market that is lent out.

    Empty where it cannot be told.
    """

    curves: Mapping[str, str] = field(default_factory=dict)
    caps: Mapping[str, str] = field(default_factory=dict)
    utilisation: Mapping[str, float] = field(default_factory=dict)


def parameters_of(account: LendingAccount) -> dict[str, str]:
    """Return by name what governance may change under `account`, as it is at its block.

    A protocol without a list of its own is watched by what its legs count with and by its oracles.
    """
    return _PARAMETERS.get(account.protocol, _of_legs)(account)


def closed_debts(account: LendingAccount) -> tuple[str, ...]:
    """Return the symbols of the debts that the protocol does not let anybody repay now."""
    closed = _CLOSED.get(account.protocol)
    return closed(account) if closed is not None else ()


def read_surroundings(session: Session, accounts: Sequence[LendingAccount]) -> list[Surroundings]:
    """Read the markets of everything that each account holds and owes, at the session's block, all of them together.

    Raises:
        DataError: the chain does not answer.
    """
    alike = {_kind(account): account for account in accounts}
    found = drive_all([_surroundings(account) for account in alike.values()], session.fetch)
    by_kind = dict(zip(alike, found, strict=True))
    return [by_kind[_kind(account)] for account in accounts]


def _kind(account: LendingAccount) -> tuple[str, str, frozenset[Address]]:
    """Return what accounts with the same surroundings have in common."""
    return account.protocol, account.market, frozenset(leg.asset.address for leg in account.legs)


def _surroundings(account: LendingAccount) -> Read[Surroundings]:
    assets = list(dict.fromkeys(leg.asset.address for leg in account.legs))
    if not assets:
        return Surroundings()
    caps = yield from read_caps({leg.asset.symbol: leg.price.source for leg in account.legs})
    if account.protocol not in _FAMILY:
        return Surroundings(caps=caps)
    try:
        rates = yield from read_rates(account, assets)
    except CallReverted:
        return Surroundings(caps=caps)
    usage = {market.reserve.asset.symbol: utilisation_of(market) for market in rates}
    return Surroundings(rate_parameters(rates), caps, usage)


def _of_legs(account: LendingAccount) -> dict[str, str]:
    found = dict(account.details)
    for leg in account.legs:
        name = leg.asset.symbol
        found[f"{name} price source"] = leg.price.source
        if leg.side == "supply":
            found[f"{name} liquidation threshold"] = str(leg.liquidation_threshold)
            found[f"{name} loan to value"] = str(leg.loan_to_value)
    return found
