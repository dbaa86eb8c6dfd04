"""The view of a perpetual's health: every figure that the table and the JSON document show, beside those of loans."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from defilev.model.account import Notice
from defilev.model.exposure import Exposure
from defilev.model.perp import PerpAccount
from defilev.report.bounds import Bounds, bounds_of
from defilev.report.health import HealthQuestion, HealthView
from defilev.report.liquidation import (
    LiquidationView,
    RatioView,
    liquidations_by_driver,
    move_of_all_volatile,
    nearest,
)
from defilev.report.scenario import ShockView, StressView, shocked, stressed, volatile_assets
from defilev.risk.prices import price_notices
from defilev.risk.status import HealthLimits, Status, status_of
from defilev.units import EXACT, RAY, to_decimal

__all__ = ["PerpBalance", "PerpView", "View", "perp_view"]


@dataclass(frozen=True, slots=True)
class PerpBalance:
    """An account's totals in quote units; ratios are `None` where there is nothing to divide by.

    `notional` is what all legs are worth at the mark, whatever their side; `net_notional` counts shorts negative.
    `equity_value` is what is left of the margin when profit, fees and impact are counted, `leverage` the notional over
    it. `funding` and `borrowing` are what the legs bring in a year at today's rates, in quote units and negative when
    paid; `net_carry` is both over the equity. `None` where nobody can tell what funding brings.
    """

    margin_value: Decimal
    maintenance_margin: Decimal
    notional: Decimal
    net_notional: Decimal
    unrealized_pnl: Decimal
    fees_value: Decimal
    price_impact: Decimal
    equity_value: Decimal
    leverage: Decimal | None
    funding: Decimal | None
    borrowing: Decimal
    net_carry: Decimal | None

    @property
    def carry(self) -> Decimal | None:
        """Funding and borrowing together."""
        return None if self.funding is None else EXACT.add(self.funding, self.borrowing)


@dataclass(frozen=True, slots=True)
class PerpView:
    """An account with its figures, those that a `HealthView` has too by the same names and with the same meanings.

    `margin_ratio` is the equity over the maintenance margin, as exchanges show it. There is no price of one asset
    alone, no ratio and no date of interest: `by_asset` and `by_ratio` are empty, `days_by_interest` is `None`.
    """

    account: PerpAccount
    name: str | None
    note: str
    status: Status
    health_factor: Decimal | None
    margin_ratio: Decimal | None
    balance: PerpBalance
    by_driver: tuple[LiquidationView, ...]
    nearest: LiquidationView | RatioView | None
    common_move: Decimal | None
    bounds: tuple[Bounds, ...]
    volatile: tuple[str, ...]
    stress: tuple[StressView, ...]
    shock: ShockView | None
    warnings: tuple[Notice, ...]
    by_asset: tuple[LiquidationView, ...] = ()
    by_ratio: tuple[RatioView, ...] = ()
    days_by_interest: Decimal | None = None


View: TypeAlias = HealthView | PerpView
"""A loan or a perpetual, as `health` shows it."""


def perp_view(
    account: PerpAccount, *, exposure: Exposure, question: HealthQuestion, name: str | None = None, note: str = ""
) -> PerpView:
    """Return the view of `account`, whose linear forms are `exposure`."""
    limits = question.health_limits
    health_factor = None if account.health_factor is None else to_decimal(account.health_factor, 18)
    status = _status(account, health_factor, limits)
    by_driver = liquidations_by_driver(account, exposure=exposure)
    return PerpView(
        account=account,
        name=name,
        note=note,
        status=status,
        health_factor=health_factor,
        margin_ratio=None if account.margin_ratio is None else to_decimal(account.margin_ratio, 18),
        balance=_balance(account),
        by_driver=by_driver,
        nearest=nearest(by_driver, ()),
        common_move=move_of_all_volatile(exposure),
        bounds=bounds_of(exposure, quote=account.quote, is_liquidatable=status == "LIQUIDATABLE"),
        volatile=tuple(dict.fromkeys(volatile_assets(exposure))),
        stress=stressed(exposure, question.changes, limits=limits),
        shock=shocked(exposure, question.shocks, limits=limits) if question.shocks else None,
        warnings=tuple(dict.fromkeys((*account.warnings, *price_notices(account, limits=question.price_limits)))),
    )


def _status(account: PerpAccount, health_factor: Decimal | None, limits: HealthLimits) -> Status:
    """Return the word for an account; whether it can be liquidated is for the protocol's own test to say."""
    if account.is_liquidatable:
        return "LIQUIDATABLE"
    return status_of(None if health_factor is None else max(health_factor, Decimal(1)), limits=limits)


def _balance(account: PerpAccount) -> PerpBalance:
    def decimal(value: int) -> Decimal:
        return to_decimal(value, account.quote_decimals)

    notionals = [(leg.sign, leg.notional(account.quote_decimals)) for leg in account.legs]
    funding, borrowing, equity = _funding(account), _borrowing(account), account.equity_value
    carry = None if funding is None else EXACT.add(funding, borrowing)
    notional = decimal(sum(value for _, value in notionals))
    return PerpBalance(
        margin_value=decimal(sum(each.value for each in account.margin)),
        maintenance_margin=decimal(account.maintenance_margin),
        notional=notional,
        net_notional=decimal(sum(sign * value for sign, value in notionals)),
        unrealized_pnl=decimal(sum(leg.unrealized_pnl for leg in account.legs)),
        fees_value=decimal(sum(fee.value for fee in account.fees)),
        price_impact=decimal(account.price_impact),
        equity_value=decimal(equity),
        leverage=EXACT.divide(notional, decimal(equity)) if equity > 0 else None,
        funding=funding,
        borrowing=borrowing,
        net_carry=EXACT.divide(carry, decimal(equity)) if equity > 0 and carry is not None else None,
    )


def _funding(account: PerpAccount) -> Decimal | None:
    parts = [None if leg.funding_rate is None else leg.size * leg.funding_rate for leg in account.legs]
    known = [part for part in parts if part is not None]
    return _a_year(sum(known), account) if len(known) == len(parts) else None


def _borrowing(account: PerpAccount) -> Decimal:
    return _a_year(-sum(leg.size * leg.borrow_rate for leg in account.legs), account)


def _a_year(value: int, account: PerpAccount) -> Decimal:
    return EXACT.divide(to_decimal(value, account.quote_decimals), Decimal(RAY))
