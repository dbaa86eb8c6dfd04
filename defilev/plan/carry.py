"""What the interest of a month, and the user, say of which collateral to sell and which debt to repay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from defilev.model.account import LendingAccount
from defilev.model.token import Token
from defilev.plan.constraints import Constraints
from defilev.plan.sale import Sale
from defilev.units import RAY, Ray

__all__ = ["Carry", "carry_of"]

HOLDING_YEARS = 30 / 365
"""How long interest counts as a cost of a sale: thirty days."""


@dataclass(frozen=True, slots=True)
class Carry:
    """Yearly rates by token, what collateral earns and debt pays; `constraints` may put a penalty on a sale.

    A sale costs what its collateral earns above the one that earns least, and what its debt pays below the dearest.
    So interest chooses among sales, and none is made for the interest that it saves.
    """

    earned: Mapping[Token, Ray]
    paid: Mapping[Token, Ray]
    constraints: Constraints

    def of_sale(self, sale: Sale) -> float:
        """Return the cost per unit of value sold."""
        return self.of_collateral(sale.collateral) + float(sale.kept) * self.of_debt(sale.debt)

    def of_collateral(self, token: Token) -> float:
        """Return the cost of selling a unit of value of `token`."""
        interest = HOLDING_YEARS * (self.earned[token] - min(self.earned.values())) / RAY
        return interest + self.constraints.penalty(token)

    def of_debt(self, token: Token) -> float:
        """Return the cost of repaying a unit of value of `token`."""
        return HOLDING_YEARS * (max(self.paid.values()) - self.paid[token]) / RAY


def carry_of(account: LendingAccount, constraints: Constraints) -> Carry:
    """Return the rates of the account's collateral and debts, with what the user would not gladly sell."""
    earned = {leg.asset: leg.rate for leg in account.legs if leg.side == "supply" and leg.value}
    paid = {leg.asset: leg.rate for leg in account.legs if leg.side == "borrow" and leg.value}
    return Carry(earned, paid, constraints)
