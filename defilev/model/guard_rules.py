"""What the guard was told: accounts, triggers, goals, tiers and budgets, with the bounds that no file loosens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from defilev.model.alerting import AlertRules
from defilev.model.guard import Authority, Tier, TriggerKind
from defilev.model.request import Address

__all__ = [
    "ACTING",
    "LARGEST_SLIPPAGE",
    "LOWEST_HEALTH",
    "MOST_GAS_PRICE",
    "MOST_RUNS",
    "TIERS",
    "AccountRule",
    "Budget",
    "GuardRules",
    "KeyPlace",
    "RuleGoal",
    "TierRule",
    "Trigger",
]

GWEI = 10**9

TIERS: tuple[Tier, ...] = ("normal", "urgent", "emergency")
"""From the calmest to the last."""

ACTING: frozenset[TriggerKind] = frozenset(
    {
        "health",
        "margin-ratio",
        "liquidation-probability",
        "leverage",
        "no-trade-band",
        "price",
        "stop-loss",
        "trailing-stop",
    }
)
"""Kinds that may set off an action; the others only tell."""

LOWEST_HEALTH = Decimal("1.01")
"""The lowest health factor that may be a trigger: below it interest and one block decide."""

LARGEST_SLIPPAGE: Mapping[Tier, Decimal] = {
    "normal": Decimal("0.02"),
    "urgent": Decimal("0.05"),
    "emergency": Decimal("0.10"),
}
"""The most that a sale may lose against the oracle, as a fraction."""

MOST_GAS_PRICE = 2000 * GWEI
"""Wei per gas."""

MOST_RUNS = 50
"""Actions for one account within 24 hours."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One condition. What `limit` is depends on the kind.

    `health`: fires below that health factor. `margin-ratio`: below that one, of perpetuals.
    `liquidation-probability`: above that chance within `within` seconds. `leverage`: above it.
    `no-trade-band`: outside the band of `defilev target`, `limit` is `None`. `price`: of `asset` in quote units, below
    the limit, or above it when `is_above`. `stop-loss`: equity below it, in quote units.
    `trailing-stop`: `asset` that fraction under the highest price that was seen. `borrow-rate`: the yearly rate of a
    debt above it. `withdrawable`: less than that part of a collateral can leave the market. `utilisation`: the part of
    a collateral's market that is lent out above it. `parameter-change`: any change, `limit` is `None`.
    `acts` says whether it may set off an action, or only tells.
    """

    kind: TriggerKind
    acts: bool
    limit: Decimal | None = None
    asset: str | None = None
    within: int | None = None
    is_above: bool = False


@dataclass(frozen=True, slots=True)
class RuleGoal:
    """Where an action ends: at a health factor, a margin ratio, the no-trade band's level, or without a position."""

    kind: Literal["health-factor", "margin-ratio", "band", "close"]
    value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TierRule:
    """How an action is done. The tier holds from levels below `below` on; `None` for the first.

    `slippage` is the most that a sale may lose against the oracle, `divergence` the most that what it is quoted may lie
    under the oracle's price before nothing is sold: fractions. `gas_price` is the most wei per gas that raised fees
    reach. `size` is the most value in quote units that one action repays, `None` without a limit. `every` is how often
    the account is looked at, in seconds.
    """

    below: Decimal | None
    slippage: Decimal
    divergence: Decimal
    gas_price: int
    size: Decimal | None
    every: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What 24 hours may see: value repaid in quote units, gas in wei, and actions; `None` without a limit."""

    value_per_day: Decimal | None = None
    gas_per_day: int | None = None
    runs_per_day: int = 6


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a key is, never what it is: a keystore and its password's file, or a signer's socket."""

    keystore: str | None = None
    password_file: str | None = None
    signer: str | None = None


@dataclass(frozen=True, slots=True)
class AccountRule:
    """One guarded account; `name` is what alerts, decisions and commands call it.

    `chain` is the chain's name in its address book. `pool` is the market's contract that the file pins, `None` when it
    pins none. `payer` is the address of the key that repays, under the authority `reserve` or beside an owner's own,
    `None` without one. `rearm` is the level from which on a new action may be set off after one. `cool_down` in
    seconds. `reserve_for` is the fall of all volatile prices, as a fraction, that the reserve is to suffice for, `None`
    when none is stated. `bundles` is the folder for what a Safe's owners are to sign, under the authority `safe`.
    `volatility` is the yearly one that probabilities and the band are worked out with, `None` when neither a trigger
    nor the goal needs it. `key` says where the key is, `payer_key` where that of a reserve beside an owner's is.
    """

    name: str
    owner: Address
    protocol: str
    market: str
    chain: str
    authority: Authority
    triggers: tuple[Trigger, ...]
    goal: RuleGoal | None
    tiers: Mapping[Tier, TierRule]
    budget: Budget
    rearm: Decimal | None = None
    cool_down: int = 600
    pool: Address | None = None
    payer: Address | None = None
    reserve_for: Decimal | None = None
    volatility: Decimal | None = None
    key: KeyPlace = KeyPlace()
    payer_key: KeyPlace = KeyPlace()
    allow_hot_equity: bool = False
    bundles: str | None = None

    @property
    def measure(self) -> Literal["health-factor", "margin-ratio"]:
        """What levels of the rule are of: margin ratios where a trigger or the goal is one, else health factors."""
        kinds = {trigger.kind for trigger in self.triggers if trigger.acts}
        is_ratio = "margin-ratio" in kinds or (self.goal is not None and self.goal.kind == "margin-ratio")
        return "margin-ratio" if is_ratio else "health-factor"

    @property
    def actor(self) -> Address | None:
        """The account that signs, `None` when nothing is ever signed."""
        if self.authority in ("alert-only", "safe"):
            return None
        return self.payer if self.authority == "reserve" else self.owner

    @property
    def keys(self) -> dict[Address, KeyPlace]:
        """By address the keys that sign: that of the reserve first, nothing when nothing is ever signed."""
        if self.actor is None:
            return {}
        beside = {self.payer: self.payer_key} if self.payer not in (None, self.actor) else {}
        return {**beside, self.actor: self.key}


@dataclass(frozen=True, slots=True)
class GuardRules:
    """A whole file; names are unique. `digest` is the sha256 of its bytes.

    `single_endpoint` allows to act on the word of one node. `max_hot_equity` is the equity in quote units up to which
    an owner's key may be held unattended. `halt_file` stops new actions while it exists.
    """

    accounts: tuple[AccountRule, ...]
    single_endpoint: bool
    max_hot_equity: Decimal
    halt_file: str | None
    source: str
    digest: str
    alerts: AlertRules = field(default_factory=AlertRules)
