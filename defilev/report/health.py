"""The view of an account's health: every figure that the table and the JSON document show, ready to be written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from defilev.model.account import LendingAccount, Notice
from defilev.model.exits import ExitLadder
from defilev.model.exposure import Exposure
from defilev.report.balance import Balance, balance_of
from defilev.report.bounds import Bounds, bounds_of
from defilev.report.liquidation import (
    LiquidationView,
    RatioView,
    decimal_figure,
    liquidations_by_asset,
    liquidations_by_driver,
    liquidations_by_ratio,
    move_of_all_volatile,
    nearest,
)
from defilev.report.scenario import NamedShock, ShockView, StressView, shocked, stressed, volatile_assets
from defilev.risk.interest import days_to_liquidation_by_interest
from defilev.risk.prices import PriceLimits, price_notices
from defilev.risk.status import HealthLimits, Status, status_of
from defilev.units import to_decimal

__all__ = ["HealthQuestion", "HealthView", "health_view"]


@dataclass(frozen=True, slots=True)
class HealthQuestion:
    """What is asked beside the account itself: limits for words and warnings, common changes, shocks at once."""

    health_limits: HealthLimits
    price_limits: PriceLimits
    changes: tuple[Decimal, ...] = ()
    shocks: tuple[NamedShock, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthView:
    """An account with its figures; `name` and `note` are its owner's.

    `health_factor` is `None` when nothing is owed; `days_by_interest` also when interest alone never liquidates.
    `volatile` are the symbols that move with everything but stablecoins; `common_move` is such a move that liquidates,
    `None` when none does; `nearest` is the nearest liquidation by a price or ratio. `shock` and `exits` are `None` when
    none were asked for, `exits` also when no move liquidates. `bounds` are the moves in which it lives.
    """

    account: LendingAccount
    name: str | None
    note: str
    status: Status
    health_factor: Decimal | None
    balance: Balance
    by_asset: tuple[LiquidationView, ...]
    by_driver: tuple[LiquidationView, ...]
    by_ratio: tuple[RatioView, ...]
    nearest: LiquidationView | RatioView | None
    common_move: Decimal | None
    days_by_interest: Decimal | None
    bounds: tuple[Bounds, ...]
    volatile: tuple[str, ...]
    stress: tuple[StressView, ...]
    shock: ShockView | None
    warnings: tuple[Notice, ...]
    exits: ExitLadder | None = None


def health_view(
    account: LendingAccount, *, exposure: Exposure, question: HealthQuestion, name: str | None = None, note: str = ""
) -> HealthView:
    """Return the view of `account`, whose linear forms are `exposure`."""
    health_factor = None if account.health_factor is None else to_decimal(account.health_factor, 18)
    limits = question.health_limits
    days = days_to_liquidation_by_interest(exposure)
    by_driver, by_ratio = liquidations_by_driver(account, exposure=exposure), liquidations_by_ratio(exposure)
    status = status_of(health_factor, limits=limits, liquidated_at_equality=exposure.liquidated_at_equality)
    return HealthView(
        account=account,
        name=name,
        note=note,
        status=status,
        health_factor=health_factor,
        balance=balance_of(account),
        by_asset=liquidations_by_asset(account, exposure=exposure),
        by_driver=by_driver,
        by_ratio=by_ratio,
        nearest=nearest(by_driver, by_ratio),
        common_move=move_of_all_volatile(exposure),
        days_by_interest=None if days is None else decimal_figure(days),
        bounds=bounds_of(exposure, quote=account.quote, is_liquidatable=status == "LIQUIDATABLE"),
        volatile=volatile_assets(exposure),
        stress=stressed(exposure, question.changes, limits=limits),
        shock=shocked(exposure, question.shocks, limits=limits) if question.shocks else None,
        warnings=tuple(dict.fromkeys((*account.warnings, *price_notices(account, limits=question.price_limits)))),
    )
