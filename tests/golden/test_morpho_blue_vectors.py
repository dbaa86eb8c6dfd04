from __future__ import annotations

from dataclasses import replace

import pytest

from defilev.errors import Infeasible
from defilev.model.account import Price
from defilev.model.plan import Repay
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.protocols.morpho_blue.apply import apply_action
from defilev.protocols.morpho_blue.math import accrued, borrowed, health_factor, max_borrow, to_shares_down
from defilev.protocols.morpho_blue.state import (
    FixedRate,
    MarketParams,
    MorphoMarket,
    MorphoState,
    Position,
    Totals,
)

ANY = Address("0x" + "00" * 20)
LOAN, COLLATERAL = Token(Address("0x" + "03" * 20), "LOAN", 6), Token(Address("0x" + "02" * 20), "COLL", 18)
STORED_AT, ELAPSED = 1_700_000_000, 86_400
STATE = MorphoState(
    chain_id=1,
    block=Block(1, "0x00", STORED_AT + ELAPSED),
    at=STORED_AT + ELAPSED,
    owner=Address("0x" + "01" * 20),
    market=MorphoMarket(
        morpho=ANY,
        id="0x00",
        deployment="main",
        params=MarketParams(LOAN.address, COLLATERAL.address, ANY, ANY, 860_000_000_000_000_000),
        loan=LOAN,
        collateral=COLLATERAL,
        price=Price(3_456_789_012_345_678_901_234_567_890, 36, ANY, ANY),
        loan_price=Price(1, 0, ANY, ANY),
        fee_recipient=ANY,
    ),
    rates=FixedRate(1_234_567_890),
    totals=Totals(
        supply_assets=1_234_567_890_123_456,
        supply_shares=10**21,
        borrow_assets=987_654_321_098_765,
        borrow_shares=876_543_210_987_654_321_098,
        last_update=STORED_AT,
        fee=0,
    ),
    position=Position(supply_shares=0, borrow_shares=280_000_000_000_000_000, collateral=150 * 10**18),
)
"""A day of interest at a rate that stands still."""


def test_a_day_of_interest_of_the_contracts_own_libraries() -> None:
    """Interest, debt, limit and health factor are what `MathLib` and `SharesMathLib` give."""
    assert 105_355_412_147 == accrued(STATE).totals.borrow_assets - STATE.totals.borrow_assets
    assert 315_526_611_759 == borrowed(STATE)
    assert 445_925_782_591 == max_borrow(STATE)
    assert 1_413_274_715_894_959_777 == health_factor(STATE)


def test_a_debt_repaid_by_its_amount_is_more_shares_than_are_owed() -> None:
    """The amount that is owed, rounded up, is worth more shares than there are: the contract's own trap."""
    totals = accrued(STATE).totals
    shares = to_shares_down(315_526_611_759, totals.borrow_assets, totals.borrow_shares)

    assert 280_000_000_000_236_397 == shares > STATE.position.borrow_shares
    with pytest.raises(Infeasible):
        apply_action(STATE, Repay(LOAN, 315_526_611_759), at=STATE.at)
    assert 0 == apply_action(STATE, Repay(LOAN, None), at=STATE.at).position.borrow_shares


def test_a_rounded_share_is_worth_nothing() -> None:
    """One share of a market whose shares are worth less than a unit rounds to one unit of debt, and to none lent."""
    one = replace(STATE, position=Position(0, 1, 0))

    assert 1 == borrowed(one)
