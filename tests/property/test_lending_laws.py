"""Laws that every lender keeps, through the one interface that all of them have."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, strategies as st

from defilev.errors import Infeasible
from defilev.model.account import Leg, LendingAccount
from defilev.model.plan import Action, Borrow, Repay, Withdraw
from defilev.protocols import PROTOCOLS, LendingProtocol
from defilev.risk.forms import health_factor as health_of_forms
from defilev.risk.liquidation import driver_liquidations
from defilev.units import WAD
from tests.support.lenders import LENDERS, NOW, Lender

ROUNDING = 10**12
"""Wad units of a health factor that rounding may move, for positions of at least a hundred dollars."""

every_lender = pytest.mark.parametrize("lender", LENDERS.values(), ids=LENDERS)


def health(account: LendingAccount) -> int:
    assert account.health_factor is not None
    return account.health_factor


def leg(account: LendingAccount, side: str) -> Leg:
    return next(each for each in account.legs if each.side == side)


def amount(account: LendingAccount, side: str) -> int:
    return sum(each.amount for each in account.legs if each.side == side)


def attempt(protocol: LendingProtocol, account: LendingAccount, action: Action) -> LendingAccount | None:
    """Return the account after an action, `None` when the market would refuse it."""
    try:
        return protocol.apply(account, action, at=NOW)
    except Infeasible:
        return None


def test_no_lender_is_without_laws() -> None:
    """Whatever protocol there are rules for is drawn here."""
    assert set(PROTOCOLS) == set(LENDERS)


@every_lender
@given(data=st.data(), share=st.integers(1, 99))
def test_repaying_never_lowers_the_health_factor(lender: Lender, data: st.DataObject, share: int) -> None:
    """A part repaid raises the health factor by what it should, and all of it leaves no debt and no health factor."""
    account = data.draw(lender.accounts)
    debt = leg(account, "borrow")
    part = max(debt.amount * share // 100, 1)
    after = lender.protocol.apply(account, Repay(debt.asset, part), at=NOW)
    closed = lender.protocol.apply(account, Repay(debt.asset, None), at=NOW)

    assert after.health_factor is None or after.health_factor >= health(account) - ROUNDING
    assert abs(amount(after, "borrow") - (debt.amount - part)) <= 3
    assert (None, 0, 0) == (closed.health_factor, closed.debt_value, amount(closed, "borrow"))


@every_lender
@given(data=st.data(), share=st.integers(1, 100))
def test_withdrawing_never_raises_it_and_never_passes_one(lender: Lender, data: st.DataObject, share: int) -> None:
    """What is withdrawn is gone, and nothing leaves that would leave a health factor below one."""
    account = data.draw(lender.accounts)
    held = leg(account, "supply")
    part = max(held.amount * share // 100, 1)
    after = attempt(lender.protocol, account, Withdraw(held.asset, part))
    if after is None:
        return

    assert WAD <= health(after) <= health(account) + ROUNDING
    assert abs(amount(after, "supply") - (held.amount - part)) <= 3


@every_lender
@given(data=st.data(), share=st.integers(1, 120))
def test_borrowing_stays_within_what_may_be_borrowed(lender: Lender, data: st.DataObject, share: int) -> None:
    """What is borrowed is owed on top, lowers health, and is refused beyond what the account says may be borrowed."""
    account = data.draw(lender.accounts)
    debt = leg(account, "borrow")
    room = account.available_borrows * 10**debt.asset.decimals // debt.price.value
    wanted = max(room * share // 100, 1)
    after = attempt(lender.protocol, account, Borrow(debt.asset, wanted))
    if after is None:
        return

    assert share <= 101 or room < 10**6
    assert abs(amount(after, "borrow") - debt.amount - wanted) <= 3
    assert WAD <= health(after) <= health(account) + ROUNDING


@every_lender
@given(data=st.data(), first=st.integers(1, 10**7), second=st.integers(1, 10**7))
def test_time_only_grows_a_debt(lender: Lender, data: st.DataObject, first: int, second: int) -> None:
    """A debt never shrinks by waiting, nor a supply, and a predicted account says that no contract has checked it."""
    account = data.draw(lender.accounts)
    soon, later = (lender.protocol.project(account, at=NOW + wait) for wait in sorted((first, second)))

    for side in ("borrow", "supply"):
        assert amount(account, side) <= amount(soon, side) <= amount(later, side)
    assert "unchecked" == later.self_check.result


@every_lender
@given(data=st.data())
def test_the_linear_form_is_the_health_factor(lender: Lender, data: st.DataObject) -> None:
    """Capacity per requirement of the forms is the exact health factor, but for what the contract rounds away."""
    account = data.draw(lender.accounts)
    forms = lender.protocol.exposure(account, stable=frozenset())

    assert health_of_forms(forms) == pytest.approx(health(account) / WAD, rel=3e-4)


@every_lender
@given(data=st.data())
def test_at_a_liquidation_price_health_is_one(lender: Lender, data: st.DataObject) -> None:
    """Multiplying a driver's price by the factor of its liquidation price brings capacity to the requirement."""
    account = data.draw(lender.accounts)
    forms = lender.protocol.exposure(account, stable=frozenset())
    found = driver_liquidations(forms)
    assume(found)

    for at in found:
        assert health_of_forms(forms, {at.driver.feed: at.crossing.factor}) == pytest.approx(1, rel=1e-9)


@every_lender
@given(data=st.data())
def test_each_action_is_one_call_to_the_contract_that_takes_the_tokens(lender: Lender, data: st.DataObject) -> None:
    """Supplying, withdrawing, borrowing and repaying go to the market's own contract, with the amount in the bytes."""
    account = data.draw(lender.accounts)
    held, debt = leg(account, "supply"), leg(account, "borrow")
    part = max(debt.amount // 2, 1)
    for action in (Withdraw(held.asset, held.amount), Borrow(debt.asset, part), Repay(debt.asset, part)):
        call = lender.protocol.transaction(account, action)
        assert lender.protocol.spender(account) == call.to
        assert (action.amount or 0).to_bytes(32, "big") in call.data
        assert lender.protocol.gas(action) > 21_000
