"""From an account to its linear forms, with what the settings say of stablecoins."""

from __future__ import annotations

from defilev.config.settings import Settings
from defilev.model.account import LendingAccount
from defilev.model.exposure import Exposure
from defilev.model.perp import PerpAccount
from defilev.protocols import PERPS, PROTOCOLS

__all__ = ["exposure_of", "perp_exposure_of"]


def exposure_of(account: LendingAccount, *, settings: Settings) -> Exposure:
    """Return the linear forms of `account`, with the stablecoins that the settings name by symbol."""
    protocol = PROTOCOLS[account.protocol]
    symbols = frozenset(settings.stablecoins)
    stable = frozenset(token.address for token in protocol.tokens(account) if token.symbol in symbols)
    return protocol.exposure(account, stable=stable)


def perp_exposure_of(account: PerpAccount, *, settings: Settings) -> Exposure:
    """Return the linear forms of `account`, with the stablecoins among its margin that the settings name by symbol."""
    symbols = frozenset(settings.stablecoins)
    tokens = [*(each.asset for each in account.margin), *(leg.index for leg in account.legs)]
    stable = frozenset(token.address for token in tokens if token.symbol in symbols)
    return PERPS[account.protocol].exposure(account, stable=stable)
