"""An account's totals and ratios as exact decimals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from defilev.model.account import Leg, LendingAccount
from defilev.units import EXACT, RAY, to_decimal

__all__ = ["Balance", "balance_of"]


@dataclass(frozen=True, slots=True)
class Balance:
    """Totals in quote units and ratios as fractions, `None` where there is nothing to divide by.

    `loan_to_value` is debt over collateral. Rates are yearly, simple, and averaged by value; `net_carry` is what the
    collateral earns less what the debt costs, per equity. Idle supply is in `idle_value` only.
    """

    collateral_value: Decimal
    debt_value: Decimal
    equity_value: Decimal
    idle_value: Decimal
    leverage: Decimal | None
    loan_to_value: Decimal | None
    supply_rate: Decimal | None
    borrow_rate: Decimal | None
    net_carry: Decimal | None


def balance_of(account: LendingAccount) -> Balance:
    """Return the totals and ratios of `account`."""
    supplied = [leg for leg in account.legs if leg.used_as_collateral]
    owed = [leg for leg in account.legs if leg.side == "borrow"]
    idle = [leg for leg in account.legs if leg.side == "supply" and not leg.used_as_collateral]
    equity = account.equity_value
    return Balance(
        collateral_value=to_decimal(account.collateral_value, account.quote_decimals),
        debt_value=to_decimal(account.debt_value, account.quote_decimals),
        equity_value=to_decimal(equity, account.quote_decimals),
        idle_value=to_decimal(sum(leg.value for leg in idle), account.quote_decimals),
        leverage=_ratio(account.collateral_value, equity) if equity > 0 else None,
        loan_to_value=_ratio(account.debt_value, account.collateral_value),
        supply_rate=_ratio(_interest(supplied), _value(supplied) * RAY),
        borrow_rate=_ratio(_interest(owed), _value(owed) * RAY),
        net_carry=_ratio(_interest(supplied) - _interest(owed), equity * RAY) if equity > 0 else None,
    )


def _ratio(part: int, whole: int) -> Decimal | None:
    return EXACT.divide(Decimal(part), Decimal(whole)) if whole else None


def _interest(legs: Iterable[Leg]) -> int:
    return sum(leg.value * leg.rate for leg in legs)


def _value(legs: Iterable[Leg]) -> int:
    return sum(leg.value for leg in legs)
