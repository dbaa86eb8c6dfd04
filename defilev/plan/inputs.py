"""Everything that a plan depends on, and the two clocks that it must hold for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.model.request import Address
from defilev.model.token import Token, TokenBalance, Wallet
from defilev.plan.atomic_inputs import AtomicInputs
from defilev.plan.constraints import ANYTHING, Constraints
from defilev.protocols.contract import LendingProtocol
from defilev.protocols.rearranging import RearrangingProtocol
from defilev.units import Wad
from defilev.venues.contract import Venue

__all__ = [
    "APPROVE_GAS",
    "DEFAULT_FLOOR",
    "MAX_ROUNDS",
    "SECONDS_PER_STEP",
    "USUAL_DIVERGENCE",
    "Divergence",
    "PlanInputs",
]

DEFAULT_FLOOR = Wad(1_020_000_000_000_000_000)
"""The health factor that no step may go below, unless the user says otherwise."""

MAX_ROUNDS = 12
"""The most rounds that one plan has, unless it is asked for more."""

SECONDS_PER_STEP = 12
"""The time that one transaction after another takes."""

APPROVE_GAS = 90_000
"""A gas limit that suffices for an approval."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """How far a venue's price may lie under and over the oracle's, as fractions of the oracle's; fees do not count.

    `over` is `None` where a better price is taken however much better it is. `e_mode` replaces both for two assets of
    the account's e-mode category, which are meant to keep their ratio; `None` replaces nothing.
    """

    under: Decimal = Decimal("0.015")
    over: Decimal | None = Decimal("0.015")
    e_mode: Decimal | None = Decimal("0.005")

    @classmethod
    def within(cls, limit: Decimal | None) -> Self:
        """Return `limit` for every pair, or the usual limits when it is `None`."""
        return cls() if limit is None else cls(limit, limit, None)


USUAL_DIVERGENCE = Divergence()


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """What to plan, and from which state.

    `wallet` was read at the account's block and holds the balances of every token of the market and what the protocol's
    and the venue's spenders may take of them. `max_slippage` is a fraction of the oracle's price, fees included.
    `window` is how many seconds may pass until the first signature, `block_seconds` how many a block takes.
    `gas_price` is in wei; `native` is the market's token for the native asset, `None` when it has none.
    `constraints` say what may be used, and how the goal is reached.
    `in_hand` is collateral in the wallet that an earlier plan withdrew and did not come to sell.
    `intermediates` are tokens outside the market that a sale may pass through. `payer` is whose wallet it is when that
    is not the owner: then nothing but repaying on the owner's behalf can be planned. `divergence` says how far the
    price along a route may lie from the oracle's for anything to be sold along it. `rounds` is the most
    that the plan may have. With `rules`, those of `protocol`, what counts as collateral and the e-mode may be
    changed where nothing else reaches the goal. `atomic` is the executor, `None` to do without it. `stable` are the
    assets that are meant to stay at one.
    """

    protocol: LendingProtocol
    account: LendingAccount
    wallet: Wallet
    venue: Venue | None
    goal: Goal
    max_slippage: Decimal
    floor: Wad
    window: int
    block_seconds: Decimal
    gas_price: int
    native: Token | None = None
    constraints: Constraints = ANYTHING
    in_hand: tuple[TokenBalance, ...] = ()
    intermediates: tuple[Token, ...] = ()
    payer: Address | None = None
    atomic: AtomicInputs | None = None
    divergence: Divergence = USUAL_DIVERGENCE
    rounds: int = MAX_ROUNDS
    rules: RearrangingProtocol | None = None
    stable: frozenset[Address] = frozenset()

    def spendable(self, token: Token) -> int:
        """Return the base units of `token` in the wallet that the plan may take from it."""
        untouched = self.constraints.via == "sell" or self.constraints.keeps(token)
        return 0 if untouched else self.wallet.balance(token.address)
