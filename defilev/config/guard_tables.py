"""The tables of a rules file as they are written: types, single bounds, unknown keys."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from defilev.config.alert_tables import AlertsTable
from defilev.config.values import parse_duration, parse_gas_price, written
from defilev.model.guard import Authority, Tier, TriggerKind
from defilev.units import parse_decimal, parse_percentage

__all__ = ["AccountTable", "BudgetTable", "FileTable", "GoalTable", "GuardTable", "TierTable", "TriggerTable"]

GWEI = 10**9


def _share(text: str) -> Decimal:
    """Return a fraction from `1%`; a bare number is refused, since 1 and 1% are easily confused."""
    if not text.strip().endswith("%"):
        raise ValueError("write it as a percentage, such as 1%")
    return parse_percentage(text, what="percentage")


def _wei_from_eth(text: str) -> int:
    said = text.strip().lower()
    if not said.endswith("eth"):
        raise ValueError("write it with its unit, such as 0.2eth")
    return int(parse_decimal(said.removesuffix("eth").strip(), what="gas budget") * GWEI * GWEI)


Seconds = Annotated[int, written(lambda text: parse_duration(text, what="duration"))]
Number = Annotated[Decimal, written(lambda text: parse_decimal(text, what="number"))]
Value = Annotated[Decimal, written(lambda text: parse_decimal(text, what="value")), Field(gt=0)]
Share = Annotated[Decimal, written(_share), Field(gt=0)]
GasPrice = Annotated[int, written(lambda text: parse_gas_price(text, what="gas price")), Field(gt=0)]
GasCost = Annotated[int, written(_wei_from_eth), Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(?:[-_][a-z0-9]+)*$", max_length=40)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TriggerTable(_Table):
    """One `[[account.trigger]]`; which of the figures a kind takes is checked with the kind."""

    kind: TriggerKind
    below: Any = None
    above: Any = None
    asset: str | None = Field(default=None, min_length=1)
    within: Seconds | None = None
    then: Literal["act", "alert"] | None = None


class GoalTable(_Table):
    """`[account.goal]`: exactly one of the four."""

    health_factor: Number | None = None
    margin_ratio: Number | None = None
    band: bool = False
    close: bool = False


class TierTable(_Table):
    """`[account.tiers.normal]` and so on; what is left out is the tier's default."""

    below: Number | None = None
    slippage: Share | None = None
    divergence: Share | None = None
    gas_price: GasPrice | None = None
    size: Value | None = None
    every: Seconds | None = None


class BudgetTable(_Table):
    """`[account.budget]`."""

    value_per_day: Value | None = None
    gas_per_day: GasCost | None = None
    runs_per_day: int = Field(default=6, strict=True)


class AccountTable(_Table):
    """One `[[account]]`."""

    name: Name
    owner: str
    protocol: str
    market: str = "main"
    chain: str
    authority: Authority = "alert-only"
    trigger: tuple[TriggerTable, ...] = Field(min_length=1)
    goal: GoalTable | None = None
    tiers: dict[Tier, TierTable] = Field(default_factory=dict)
    budget: BudgetTable = BudgetTable()
    rearm: Number | None = None
    cool_down: Seconds = 600
    pool: str | None = None
    payer: str | None = None
    reserve_for: Share | None = None
    volatility: Share | None = None
    keystore: str | None = None
    password_file: str | None = None
    signer: str | None = None
    payer_keystore: str | None = None
    payer_password_file: str | None = None
    payer_signer: str | None = None
    allow_hot_equity: bool = False
    bundles: str | None = Field(default=None, min_length=1)


class GuardTable(_Table):
    """`[guard]`: what holds for every account."""

    single_endpoint: bool = False
    max_hot_equity: Value = Decimal(25_000)
    halt_file: str | None = None


class FileTable(_Table):
    """A whole file."""

    guard: GuardTable = GuardTable()
    alerts: AlertsTable = AlertsTable()
    account: tuple[AccountTable, ...] = Field(min_length=1)
