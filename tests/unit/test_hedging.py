"""The target of a hedged book, from a loan and a perpetual to its document and its words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from defilev.errors import Infeasible, UnknownName
from defilev.pipeline.hedging import HedgedBook, HedgeQuestion, hedge_of, hedged_book
from defilev.report.figures import NARROW_SPACE
from defilev.report.hedge_json import hedge_document
from defilev.report.hedge_text import hedge_text
from defilev.report.ink import plain
from tests.factories import WBTC, a_supply, an_account, exposure_of
from tests.support.hedged import HEDGE, HEDGE_FORMS, LOAN, LOAN_FORMS
from tests.support.schemas import schema_problems

WEEK = 7 / 365
KEEP = HedgeQuestion(volatility=0.65, horizon=WEEK, budget=0.01)
LENT = replace(LOAN.account, available_borrows=30_000 * 10**LOAN.account.quote_decimals)
BTC = exposure_of(an_account(a_supply(WBTC, "1", "90000")))


def answer(question: HedgeQuestion = KEEP) -> HedgedBook:
    return hedged_book(LENT, HEDGE.account, LOAN_FORMS, HEDGE_FORMS, question)


def test_the_barriers_are_the_accounts_own() -> None:
    """The loan's fall and the hedge's rise are the bounds that `health` shows for each."""
    now, (loan, hedge) = answer().now, (LOAN.bounds[0], HEDGE.bounds[0])

    assert loan.below is not None
    assert hedge.above is not None
    assert (now.below - 1, now.above - 1) == pytest.approx((float(loan.below), float(hedge.above)))
    assert max(now.loan, now.hedge) <= now.either <= now.loan + now.hedge


def test_the_split_moves_margin_to_the_nearer_barrier() -> None:
    """The short is nearer than the loan: money goes there until the chance of either is smallest, within the limit."""
    found = answer()
    little = replace(LENT, available_borrows=10**LENT.quote_decimals)
    scarce = hedged_book(little, HEDGE.account, LOAN_FORMS, HEDGE_FORMS, KEEP)

    assert 0 < found.moved < 30_000
    assert found.split.either < found.now.either
    assert found.split.above > found.now.above
    assert found.split.below > found.now.below
    assert scarce.moved == pytest.approx(1.0, rel=1e-3)


def test_the_book_has_its_delta_its_carry_and_what_is_missing() -> None:
    """A hedge of the same size leaves no delta; a tight budget needs more equity, a loose one none."""
    found, loose = answer(), answer(replace(KEEP, budget=0.5))

    assert abs(found.delta) < 1e-3
    assert found.carry == pytest.approx(float(HEDGE.balance.funding or 0) + 2772.448 - 4000, rel=1e-6)
    assert 0.0 == loose.missing < answer(replace(KEEP, budget=1e-4)).missing


def test_the_best_carry_keeps_its_band_and_its_margins() -> None:
    """Its equity is what there is, its delta stays in the band, and it earns no less than what is held now may."""
    best = (found := answer(replace(KEEP, band=(-0.05, 0.05)))).best
    assert best is not None

    assert best.collateral - best.debt + best.margin == pytest.approx(found.equity)
    assert abs(best.collateral - best.notional) <= 0.05 * found.equity * (1 + 1e-9)
    assert best.margin < best.notional


def test_funding_that_nobody_can_tell_leaves_no_carry() -> None:
    """Its carry is unknown, and the best one is refused by name."""
    legs = tuple(replace(leg, funding_rate=None) for leg in HEDGE.account.legs)
    hedge = replace(HEDGE.account, legs=legs)

    assert hedged_book(LENT, hedge, LOAN_FORMS, HEDGE_FORMS, KEEP).carry is None
    with pytest.raises(Infeasible, match="nobody can tell what the hedge's funding brings"):
        hedged_book(LENT, hedge, LOAN_FORMS, HEDGE_FORMS, replace(KEEP, band=(0.0, 0.0)))


def test_which_perpetual_hedges_is_found_or_asked() -> None:
    """The one that is short of the loan's price; none, and several, are said."""
    perps, forms = [HEDGE.account], [HEDGE_FORMS]
    mixed = replace(LOAN_FORMS, terms=(*LOAN_FORMS.terms, *BTC.terms), drivers=(*LOAN_FORMS.drivers, *BTC.drivers))

    assert (HEDGE.account, HEDGE_FORMS) == hedge_of(LOAN_FORMS, perps, forms)
    assert HEDGE.account == hedge_of(LOAN_FORMS, perps, forms, market=HEDGE.account.market[:6])[0]
    with pytest.raises(Infeasible, match="no perpetual there is short of ETH"):
        hedge_of(LOAN_FORMS, perps, forms, market="0xffff")
    with pytest.raises(UnknownName, match="several perpetuals are short of ETH"):
        hedge_of(LOAN_FORMS, perps * 2, forms * 2)
    with pytest.raises(Infeasible, match="no perpetual there is short of BTC"):
        hedge_of(BTC, perps, forms)
    with pytest.raises(Infeasible, match="a hedge is of one price"):
        hedge_of(mixed, perps, forms)


@pytest.mark.parametrize("width", [80, 140])
def test_words_fit_and_the_document_keeps_its_schema(width: int) -> None:
    """Both barriers, their chances, the split, the budget and the best carry; no line is too wide."""
    found = answer(replace(KEEP, band=(-0.05, 0.05)))
    text = hedge_text(found, chain_name="ethereum", width=width, ink=plain).replace(NARROW_SPACE, " ")
    words = " ".join(text.split())

    assert [] == schema_problems(json.loads(json.dumps(hedge_document(found))))
    assert [] == schema_problems(json.loads(json.dumps(hedge_document(answer()))))
    for said in (
        "ETH below $1 927.",
        "ETH above $3 382.0",
        "from the loan to the hedge",
        "best carry",
        "by that split",
    ):
        assert said in words
    assert width >= max(len(line) for line in text.splitlines())
