"""A loan and the perpetual that hedges it: chances on both sides, the split of the margin, the best carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defilev.errors import Infeasible, UnknownName
from defilev.model.account import LendingAccount
from defilev.model.exposure import Driver, Exposure, plain_symbol
from defilev.model.perp import PerpAccount
from defilev.optimize.hedged import (
    CarryBook,
    CarryTerms,
    Leg,
    Odds,
    best_carry,
    best_split,
    missing_equity,
    odds,
    safe_terms,
)
from defilev.pipeline.dollars import is_in_dollars
from defilev.risk.forms import held_terms, margin
from defilev.units import BPS, RAY, to_decimal

__all__ = ["HedgeQuestion", "HedgedBook", "hedge_of", "hedged_book"]


@dataclass(frozen=True, slots=True)
class HedgeQuestion:
    """What is asked: `volatility` per √year, `horizon` in years, the chance allowed, and the delta allowed.

    `band` are parts of the equity; `None` when the best carry is not asked for.
    """

    volatility: float
    horizon: float
    budget: float
    band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class HedgedBook:
    """A loan and its hedge; values in dollars, a year's where they are rates.

    `moved` goes from the loan to the hedge's margin, negative the other way, and `split` are the chances then.
    `missing` is what must be added until the budget is kept. `carry` is `None` where nobody can tell what funding
    brings; `best` is what the equity could be instead, `None` unless asked for.
    """

    loan: LendingAccount
    hedge: PerpAccount
    driver: str
    price: float
    question: HedgeQuestion
    now: Odds
    moved: float
    split: Odds
    missing: float
    equity: float
    delta: float
    carry: float | None
    held: CarryBook
    best: CarryBook | None


def hedge_of(
    loan: Exposure, perps: Sequence[PerpAccount], exposures: Sequence[Exposure], *, market: str | None = None
) -> tuple[PerpAccount, Exposure]:
    """Return the perpetual that loses by a rise of what the loan gains by; `market` is the beginning of its key.

    Raises:
        Infeasible: there is none, or the loan moves with several prices.
        UnknownName: there are several.
    """
    name = _driver_of(loan)
    found = [
        (account, exposure)
        for account, exposure in zip(perps, exposures, strict=True)
        if account.market.startswith(market or "") and name in _moving(exposure) and _leg(exposure, name).slope < 0
    ]
    if not found:
        raise Infeasible(f"no perpetual there is short of {name}", fix="`defilev health` shows what there is")
    if len(found) > 1:
        known = ", ".join(account.market[:10] for account, _ in found)
        raise UnknownName(f"several perpetuals are short of {name}", fix="name one: --hedge PROTOCOL/KEY", known=known)
    return found[0]


def hedged_book(
    loan: LendingAccount, hedge: PerpAccount, loan_forms: Exposure, hedge_forms: Exposure, question: HedgeQuestion
) -> HedgedBook:
    """Return the answer to `question`; prices are lognormal and have no drift.

    Raises:
        Infeasible: the loan does not count in dollars, no split keeps both accounts, or no book keeps the band.
    """
    if not is_in_dollars(loan):
        raise Infeasible(f"the loan counts in {loan.quote}, and its hedge in dollars", fix="choose a market in dollars")
    name = _driver_of(loan_forms)
    first, second = _leg(loan_forms, name), _leg(hedge_forms, name)
    how = {"volatility": question.volatility, "horizon": question.horizon}
    most = float(to_decimal(loan.available_borrows, loan.quote_decimals))
    least = -float(to_decimal(loan.debt_value, loan.quote_decimals))
    moved = best_split(first, second, **how, least=least, most=most)
    held = _held(loan, hedge)
    equity = held.collateral - held.debt + float(to_decimal(hedge.equity_value, hedge.quote_decimals))
    return HedgedBook(
        loan=loan,
        hedge=hedge,
        driver=name,
        price=_price(loan_forms, name),
        question=question,
        now=odds(first, second, **how),
        moved=moved,
        split=odds(first, second, **how, moved=moved),
        missing=missing_equity(first, second, **how, budget=question.budget),
        equity=equity,
        delta=_delta(loan_forms, name) + _delta(hedge_forms, name),
        carry=None if _funding(hedge) is None else held.carry,
        held=held,
        best=None if question.band is None else best_carry(equity, _terms(loan, hedge, question)),
    )


def _moving(exposure: Exposure) -> dict[str, list[Driver]]:
    feeds = {term.driver for term in held_terms(exposure)}
    found: dict[str, list[Driver]] = {}
    for driver in exposure.drivers:
        if driver.feed in feeds and not driver.stable and not driver.fixed:
            found.setdefault(plain_symbol(driver.symbol), []).append(driver)
    return found


def _driver_of(loan: Exposure) -> str:
    names = list(_moving(loan))
    if len(names) != 1:
        said = " and ".join(names) or "no price but stablecoins"
        raise Infeasible(f"the loan moves with {said}, and a hedge is of one price", fix="ask for each loan by itself")
    return names[0]


def _leg(exposure: Exposure, name: str) -> Leg:
    feeds = {driver.feed for driver in _moving(exposure)[name]}
    terms = held_terms(exposure)
    own = [term for term in terms if term.driver in feeds]
    return Leg(margin(own), margin([term for term in terms if term.driver not in feeds]))


def _delta(exposure: Exposure, name: str) -> float:
    feeds = {driver.feed for driver in _moving(exposure)[name]}
    return sum(term.equity for term in exposure.terms if term.driver in feeds)


def _price(exposure: Exposure, name: str) -> float:
    return _moving(exposure)[name][0].price


def _held(loan: LendingAccount, hedge: PerpAccount) -> CarryBook:
    """Return what there is now, with what it earns; unknown funding counts as none."""
    collateral = float(to_decimal(loan.collateral_value, loan.quote_decimals))
    debt = float(to_decimal(loan.debt_value, loan.quote_decimals))
    supplied = sum(leg.value * leg.rate for leg in loan.legs if leg.used_as_collateral)
    owed = sum(leg.value * leg.rate for leg in loan.legs if leg.side == "borrow")
    interest = float(to_decimal(supplied - owed, loan.quote_decimals)) / RAY
    paid = sum(leg.size * leg.borrow_rate for leg in hedge.legs)
    received = (_funding(hedge) or 0.0) - float(to_decimal(paid, hedge.quote_decimals)) / RAY
    return CarryBook(
        collateral=collateral,
        debt=debt,
        margin=float(to_decimal(sum(each.value for each in hedge.margin), hedge.quote_decimals)),
        notional=_notional(hedge),
        carry=interest + received,
    )


def _notional(hedge: PerpAccount) -> float:
    return float(to_decimal(sum(leg.notional(hedge.quote_decimals) for leg in hedge.legs), hedge.quote_decimals))


def _funding(hedge: PerpAccount) -> float | None:
    parts = [None if leg.funding_rate is None else leg.size * leg.funding_rate for leg in hedge.legs]
    known = [part for part in parts if part is not None]
    return float(to_decimal(sum(known), hedge.quote_decimals)) / RAY if len(known) == len(parts) else None


def _terms(loan: LendingAccount, hedge: PerpAccount, question: HedgeQuestion) -> CarryTerms:
    held, funding = _held(loan, hedge), _funding(hedge)
    if funding is None:
        raise Infeasible("nobody can tell what the hedge's funding brings", fix="leave --objective carry out")
    if loan.liquidation_threshold is None or loan.loan_to_value is None or not held.debt or not held.notional:
        raise Infeasible("the best carry needs the rates of a debt and of its hedge", fix="leave --objective carry out")
    supplied = sum(leg.value * leg.rate for leg in loan.legs if leg.used_as_collateral)
    owed = sum(leg.value * leg.rate for leg in loan.legs if leg.side == "borrow")
    paid = float(to_decimal(sum(leg.size * leg.borrow_rate for leg in hedge.legs), hedge.quote_decimals)) / RAY
    maintenance = float(to_decimal(hedge.maintenance_margin, hedge.quote_decimals)) / held.notional
    health, part = safe_terms(
        budget=question.budget, volatility=question.volatility, horizon=question.horizon, maintenance=maintenance
    )
    return CarryTerms(
        liquidation_threshold=loan.liquidation_threshold / BPS,
        loan_to_value=loan.loan_to_value / BPS,
        supply_rate=supplied / loan.collateral_value / RAY,
        borrow_rate=owed / loan.debt_value / RAY,
        hedge_rate=(funding - paid) / held.notional,
        health_factor=health,
        margin_part=part,
        band=question.band or (0.0, 0.0),
    )
