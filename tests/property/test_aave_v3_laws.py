from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, strategies as st

from defilev.errors import Infeasible
from defilev.model.account import Price
from defilev.model.plan import Repay, Withdraw
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.protocols.aave_family.apply import apply_action, project_state
from defilev.protocols.aave_family.math import account_data, debt_balance, supply_balance
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveMarket, AaveState, Position, Reserve
from defilev.units import RAY

ANY = Address("0x" + "00" * 20)
NOW = 1_700_000_000
ROUNDING = 1_000
"""Wad units of a health factor that rounding may move, for positions of at least a dollar."""
amounts = st.integers(10**18, 10**24)
indices = st.integers(RAY, 3 * RAY)
rates = st.integers(0, RAY // 2)


def reserve(place: int, *, threshold: int, index: int, borrow_index: int, rate: int) -> Reserve:
    return Reserve(
        asset=Token(Address(f"0x{place + 1:040x}"), f"T{place}", 18),
        id=place,
        configuration=max(threshold - 300, 0) | threshold << 16 | 18 << 48 | 1 << 56 | 1 << 58,
        liquidity_index=index,
        liquidity_rate=rate // 2,
        variable_borrow_index=borrow_index,
        variable_borrow_rate=rate,
        last_update=NOW,
        a_token=ANY,
        stable_debt_token=ANY,
        variable_debt_token=ANY,
        price=Price(10**8, 8, ANY, ANY),
        available_liquidity=10**30,
    )


@st.composite
def states(draw: st.DrawFn, regime: str) -> AaveState:
    """Draw an account with one collateral and one debt, at any indices and rates."""
    reserves = (
        reserve(0, threshold=draw(st.integers(3000, 9500)), index=draw(indices), borrow_index=RAY, rate=draw(rates)),
        reserve(1, threshold=0, index=RAY, borrow_index=draw(indices), rate=draw(rates)),
    )
    market = AaveMarket("aave-v3", "main", ANY, ANY, ANY, 0, regime, 10**8)
    positions = (Position(scaled_supply=draw(amounts)), Position(scaled_debt=draw(amounts)))
    return AaveState(1, Block(1, "0x00", NOW), NOW, market, ANY, None, 0b01_10, reserves, positions)


def health(state: AaveState) -> int:
    found = account_data(state).health_factor
    assert found is not None
    return found


@pytest.mark.parametrize("regime", REGIMES)
@given(data=st.data())
def test_repaying_never_lowers_the_health_factor(regime: str, data: st.DataObject) -> None:
    """Under every release, a part repaid raises the health factor, and all of it leaves no debt."""
    state = data.draw(states(regime))
    owed = debt_balance(state, 1)
    part = data.draw(st.integers(10**9, owed - 1))
    after = apply_action(state, Repay(state.reserves[1].asset, part), at=NOW)
    closed = apply_action(state, Repay(state.reserves[1].asset, None), at=NOW)

    raised = account_data(after).health_factor
    assert raised is None or raised >= health(state) - ROUNDING
    assert abs(debt_balance(after, 1) - (owed - part)) <= 3
    assert account_data(closed).health_factor is None
    assert debt_balance(closed, 1) == 0


@pytest.mark.parametrize("regime", REGIMES)
@given(data=st.data())
def test_withdrawing_never_raises_it_and_never_passes_one(regime: str, data: st.DataObject) -> None:
    """Under every release, what is withdrawn is gone, and nothing that would leave a health factor below 1 leaves."""
    state = data.draw(states(regime))
    held = supply_balance(state, 0)
    part = data.draw(st.integers(10**9, held - 1))
    if health(state) < 10**18:
        with pytest.raises(Infeasible, match="HealthFactorLowerThanLiquidationThreshold"):
            apply_action(state, Withdraw(state.reserves[0].asset, part), at=NOW)
        return
    try:
        after = apply_action(state, Withdraw(state.reserves[0].asset, part), at=NOW)
    except Infeasible:
        return

    assert 10**18 <= health(after) <= health(state) + ROUNDING
    assert abs(supply_balance(after, 0) - (held - part)) <= 3


@pytest.mark.parametrize("regime", REGIMES)
@given(data=st.data(), first=st.integers(1, 10**7), second=st.integers(1, 10**7))
def test_time_only_grows_balances(regime: str, data: st.DataObject, first: int, second: int) -> None:
    """Under every release, supply and debt never shrink by waiting, and with free debt health never falls."""
    state = data.draw(states(regime))
    soon, later = (project_state(state, at=NOW + wait) for wait in sorted((first, second)))
    free = replace(state, reserves=(state.reserves[0], replace(state.reserves[1], variable_borrow_rate=0)))

    assert supply_balance(state, 0) <= supply_balance(soon, 0) <= supply_balance(later, 0)
    assert debt_balance(state, 1) <= debt_balance(soon, 1) <= debt_balance(later, 1)
    assert health(project_state(free, at=NOW + first)) >= health(free) - ROUNDING


@pytest.mark.parametrize("regime", REGIMES)
@given(data=st.data(), scale=st.integers(2, 1000))
def test_health_does_not_depend_on_size(regime: str, data: st.DataObject, scale: int) -> None:
    """Under every release, a position a thousand times as large has the same health factor, but for rounding."""
    state = data.draw(states(regime))
    supply, debt = state.positions
    larger = replace(
        state,
        positions=(
            replace(supply, scaled_supply=supply.scaled_supply * scale),
            replace(debt, scaled_debt=debt.scaled_debt * scale),
        ),
    )
    assume(health(state) < 10**24)

    assert health(larger) == pytest.approx(health(state), rel=1e-6)
