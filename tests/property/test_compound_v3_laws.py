"""Laws of Compound v3 alone, with up to twenty collaterals: two limits, and the moment from which `absorb` succeeds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, strategies as st

from defilev.errors import Infeasible
from defilev.model.account import Price
from defilev.model.plan import Borrow, Withdraw
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.protocols.compound_v3.account import account_from_state
from defilev.protocols.compound_v3.apply import apply_action, project_state
from defilev.protocols.compound_v3.math import covers, debt, health_factor, now, principal_value
from defilev.protocols.compound_v3.state import Collateral, CometMarket, CometState, RateModel, Totals
from defilev.units import WAD

ANY = Address("0x" + "00" * 20)
NOW = 1_700_000_000
BASE = Token(Address(f"0x{99:040x}"), "USDC", 6)
ROUNDING = 10**9
"""Wad units of a health factor that rounding may move, for positions of at least a dollar."""
INDEX = 10**15
rates = st.builds(
    RateModel,
    kink=st.integers(WAD // 2, WAD),
    base=st.integers(0, 10**9),
    slope_low=st.integers(0, 3 * 10**9),
    slope_high=st.integers(0, 10**11),
)


@st.composite
def collaterals(draw: st.DrawFn, place: int) -> Collateral:
    decimals = draw(st.sampled_from((6, 8, 18)))
    liquidate = draw(st.integers(50, 97)) * WAD // 100
    address = Address(f"0x{place + 1:040x}")
    return Collateral(
        offset=place,
        asset=Token(address, f"T{place}", decimals),
        feed=address,
        scale=10**decimals,
        borrow_factor=liquidate - draw(st.integers(1, 20)) * WAD // 100,
        liquidate_factor=liquidate,
        liquidation_factor=95 * WAD // 100,
        supply_cap=2**127,
        supplied=2**100,
        price=Price(draw(st.integers(10**6, 10**13)), 8, address, address),
    )


@st.composite
def states(draw: st.DrawFn) -> CometState:
    """Draw a borrower with one to twenty collaterals of at least ten dollars, at any indices and rates."""
    count = draw(st.integers(1, 20))
    held = [draw(collaterals(place)) for place in range(count)]
    balances = []
    for each in held:
        assert each.price is not None
        cents = draw(st.integers(1_000, 10**9))
        balances.append(cents * 10**6 * each.scale // each.price.value + 1)
    totals = Totals(draw(st.integers(INDEX, 2 * INDEX)), draw(st.integers(INDEX, 2 * INDEX)), 10**15, 4 * 10**14, NOW)
    market = CometMarket(
        name="usdc",
        comet=ANY,
        base=BASE,
        base_feed=ANY,
        base_price=Price(10**8, 8, ANY, ANY),
        borrow_minimum=10**8,
        cash=10**15,
        pause_flags=0,
        supply_rates=draw(rates),
        borrow_rates=draw(rates),
        totals=totals,
        collaterals=tuple(held),
        quote="USD",
    )
    assets = sum(1 << each.offset for each in held)
    state = CometState(1, Block(1, "0x00", NOW), NOW, market, ANY, 0, assets, tuple(balances))
    worth = account_from_state(state).collateral_value // 100
    owed = draw(st.integers(2 * 10**6, max(worth, 2 * 10**6)))
    return replace(state, principal=principal_value(-owed, totals))


def health(state: CometState) -> int:
    found = health_factor(state)
    assert found is not None
    return found


def attempt(state: CometState, action: Withdraw | Borrow, *, reasons: set[str]) -> CometState | None:
    """Return the state after the action, `None` when it is refused for one of `reasons`."""
    reason = None
    try:
        return apply_action(state, action, at=NOW)
    except Infeasible as refused:
        reason = refused.facts["reason"]
    assert reason in reasons
    return None


@given(state=states(), share=st.integers(1, 100))
def test_withdrawing_never_raises_it_and_never_passes_the_borrow_limit(state: CometState, share: int) -> None:
    """What is withdrawn is gone, and nothing leaves that the rest would not cover by its borrow factors."""
    held = state.balances[0]
    part = max(held * share // 100, 1)
    after = attempt(state, Withdraw(state.market.collaterals[0].asset, part), reasons={"NotCollateralized"})
    if after is None:
        return

    assert held - part == after.balances[0]
    assert after.holds(0) == (part < held)
    assert covers(after, "borrow_factor", after.market.totals)
    assert WAD <= health(after) <= health(state)


@given(state=states(), share=st.integers(1, 120))
def test_borrowing_stops_at_the_borrow_limit(state: CometState, share: int) -> None:
    """What is borrowed is owed on top, and only as long as the borrow factors cover all of it."""
    room = account_from_state(state).available_borrows // 100
    amount = max(room * share // 100, 1)
    after = attempt(state, Borrow(BASE, amount), reasons={"NotCollateralized", "BorrowTooSmall"})
    if after is None:
        return

    assert debt(state) + amount <= debt(after) <= debt(state) + amount + 2
    assert covers(after, "borrow_factor", now(after))
    assert debt(after) >= state.market.borrow_minimum


@given(state=states(), wait=st.integers(0, 10**7))
def test_below_one_is_exactly_what_absorb_would_take(state: CometState, wait: int) -> None:
    """The health factor with interest up to now is below one when the collateral no longer covers, and never else."""
    later = project_state(state, at=NOW + wait)

    assert (health(later) < WAD) == (not covers(later, "liquidate_factor", now(later)))


@given(state=states(), scale=st.integers(2, 1000))
def test_health_does_not_depend_on_size(state: CometState, scale: int) -> None:
    """A position a thousand times as large has the same health factor, but for rounding."""
    larger = replace(state, principal=state.principal * scale, balances=tuple(held * scale for held in state.balances))
    assume(health(state) < 10**24)

    assert health(larger) == pytest.approx(health(state), rel=1e-5)
