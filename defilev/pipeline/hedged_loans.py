"""A loan that counts in another currency than dollars, as the loan in dollars that a hedge is held beside."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.exposure import Exposure
from defilev.pipeline.dollars import dollars_of, is_in_dollars
from defilev.pipeline.exposing import exposure_of
from defilev.pipeline.look import look
from defilev.pipeline.markets import lenders_of
from defilev.pipeline.session import Session

__all__ = ["in_dollars", "loan_in_dollars"]


def loan_in_dollars(session: Session, loan: LendingAccount) -> tuple[LendingAccount, Exposure]:
    """Return `loan` and its linear forms in dollars, by what the chain's markets in dollars make of its currency.

    Raises:
        Infeasible: no market in dollars says what its currency is worth, or nobody can be believed about it.
        RpcError: the node does not answer.
    """
    exposure = exposure_of(loan, settings=session.settings)
    if is_in_dollars(loan):
        return loan, exposure
    beside = look(session, [loan.owner], lenders_of(session), is_named=False).accounts
    named = {market_id for entry in session.book.markets for market_id in entry.ids or ()}
    dollars = dollars_of(loan, beside, named=named)
    if dollars is None:
        raise Infeasible(
            f"the loan counts in {loan.quote}, its hedge in dollars, and no market says what that is in dollars",
            fix="choose a market in dollars",
        )
    return in_dollars(loan, exposure, dollars)


def in_dollars(loan: LendingAccount, exposure: Exposure, dollars: Decimal) -> tuple[LendingAccount, Exposure]:
    """Return a loan and its forms with one unit of its currency as `dollars`; integers are rounded down."""

    def valued(value: int) -> int:
        return int(value * dollars)

    factor = float(dollars)
    terms = tuple(
        replace(
            term,
            price=term.price * factor,
            capacity=term.capacity * factor,
            requirement=term.requirement * factor,
            equity=term.equity * factor,
        )
        for term in exposure.terms
    )
    drivers = tuple(replace(driver, price=driver.price * factor) for driver in exposure.drivers)
    converted = replace(
        loan,
        quote="USD",
        deployment="",
        collateral_value=valued(loan.collateral_value),
        debt_value=valued(loan.debt_value),
        available_borrows=valued(loan.available_borrows),
        legs=tuple(replace(leg, value=valued(leg.value)) for leg in loan.legs),
    )
    return converted, replace(exposure, terms=terms, drivers=drivers)
