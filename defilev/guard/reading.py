"""What one tick knows of one account before it decides; everything in it is of one block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from defilev.model.account import LendingAccount, Notice
from defilev.model.guard_rules import AccountRule
from defilev.model.target import Trade

__all__ = ["Reading", "Spending"]


@dataclass(frozen=True, slots=True)
class Reading:
    """An account, and the figures that triggers are about.

    `leverage` is `None` without equity or without debt. By symbol: `prices` in quote units, `borrow_rates` yearly,
    `withdrawable` the part of each collateral that can leave the market now, `utilisation` the part of its market that
    is lent out. `probabilities` are the calibrated chances of liquidation by seconds, `trade` is what `defilev target`
    would do about the no-trade band; both only where a rule asks. `parameters` is what governance may change, by
    name. `is_paused` says that a debt cannot be repaid. `notices` are the account's own and those of stale prices.
    `market_health` is the health factor at the lower of the oracle's and the market's prices, `None` while every price
    is fresh, and where no market tells. `margin_ratio` is that of perpetuals, `None` without any.
    """

    account: LendingAccount
    leverage: Decimal | None = None
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    borrow_rates: Mapping[str, Decimal] = field(default_factory=dict)
    withdrawable: Mapping[str, Decimal] = field(default_factory=dict)
    utilisation: Mapping[str, Decimal] = field(default_factory=dict)
    probabilities: Mapping[int, float] = field(default_factory=dict)
    trade: Trade | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    is_paused: bool = False
    notices: tuple[Notice, ...] = ()
    market_health: Decimal | None = None
    margin_ratio: Decimal | None = None

    @property
    def health(self) -> Decimal | None:
        """The health factor that is acted on, `None` when nothing is owed: the lower of oracle's and market's."""
        found = self.oracle_health
        return found if found is None or self.market_health is None else min(found, self.market_health)

    @property
    def oracle_health(self) -> Decimal | None:
        """The contract's health factor as a decimal, `None` when nothing is owed."""
        wad = self.account.health_factor
        return None if wad is None else Decimal(wad).scaleb(-18)

    def level(self, rule: AccountRule) -> Decimal | None:
        """Return what the levels of a rule are held against: the margin ratio, or the health that is acted on."""
        return self.margin_ratio if rule.measure == "margin-ratio" else self.health

    @property
    def now(self) -> int:
        """The chain's time."""
        return self.account.block.timestamp


@dataclass(frozen=True, slots=True)
class Spending:
    """What the guard did for an account within the last 24 hours: value repaid in quote units, gas in wei."""

    runs: int = 0
    value: Decimal = Decimal(0)
    gas: int = 0
