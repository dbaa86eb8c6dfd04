"""From an account to its linear forms, with what the settings say of stablecoins."""

from __future__ import annotations

from defilev.config.settings import Settings
from defilev.model.account import LendingAccount
from defilev.model.exposure import Exposure
from defilev.model.perp import PerpAccount
from defilev.model.request import Address
from defilev.protocols import PERPS, PROTOCOLS

__all__ = ["exposure_of", "perp_exposure_of", "stable_of"]


def exposure_of(account: LendingAccount, *, settings: Settings) -> Exposure:
    """Return the linear forms of `account`, with the stablecoins that the settings name by symbol."""
    return PROTOCOLS[account.protocol].exposure(account, stable=stable_of(account, settings=settings))


def stable_of(account: LendingAccount, *, settings: Settings) -> frozenset[Address]:
    """Return the assets of the account's market that the settings name as stablecoins."""
    symbols = frozenset(settings.stablecoins)
    tokens = PROTOCOLS[account.protocol].tokens(account)
    return frozenset(token.address for token in tokens if token.symbol in symbols)


def perp_exposure_of(account: PerpAccount, *, settings: Settings) -> Exposure:
    """Return the linear forms of `account`, with the stablecoins among its margin that the settings name by symbol."""
    symbols = frozenset(settings.stablecoins)
    tokens = [*(each.asset for each in account.margin), *(leg.index for leg in account.legs)]
    stable = frozenset(token.address for token in tokens if token.symbol in symbols)
    return PERPS[account.protocol].exposure(account, stable=stable)
