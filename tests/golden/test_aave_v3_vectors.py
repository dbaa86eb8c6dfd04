from __future__ import annotations

from dataclasses import replace

import pytest

from defilev.model.account import Price
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.protocols.aave_family.math import account_data, normalized_debt, normalized_income, supply_balance
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveMarket, AaveState, Position, Reserve

ANY = Address("0x" + "00" * 20)
STORED_AT, ELAPSED = 1_700_000_000, 123_456
UNTIL_3_3 = ("3.0", "3.1", "3.2", "3.3")
FROM_3_5 = ("3.5", "3.6", "3.7")


def reserve(place: int, *, decimals: int, price: int, threshold: int = 0, ltv: int = 0) -> Reserve:
    return Reserve(
        asset=Token(Address(f"0x{place + 1:040x}"), f"T{place}", decimals),
        id=place,
        configuration=ltv | threshold << 16 | decimals << 48 | 1 << 56,
        liquidity_index=1045678901234567890123456789,
        liquidity_rate=18765432109876543210987654,
        variable_borrow_index=1098765432109876543210987654,
        variable_borrow_rate=34567890123456789012345678,
        last_update=STORED_AT,
        a_token=ANY,
        stable_debt_token=ANY,
        variable_debt_token=ANY,
        price=Price(price, 8, ANY, ANY),
        available_liquidity=0,
    )


def state(regime: str) -> AaveState:
    now = STORED_AT + ELAPSED
    return AaveState(
        chain_id=1,
        block=Block(1, "0x00", now),
        at=now,
        market=AaveMarket("aave-v3", "main", ANY, ANY, ANY, 0, regime, 10**8),
        owner=ANY,
        e_mode=None,
        user_configuration=0b01_10_10,
        reserves=(
            reserve(0, decimals=18, price=345678901234, threshold=8300, ltv=8050),
            reserve(1, decimals=8, price=6789012345678, threshold=7800, ltv=7300),
            reserve(2, decimals=6, price=99987654),
        ),
        positions=(
            Position(scaled_supply=12345678901234567890),
            Position(scaled_supply=4567890),
            Position(scaled_debt=23456789012),
        ),
    )


@pytest.mark.parametrize("regime", REGIMES)
def test_income_and_balances_are_the_same_in_every_release(regime: str) -> None:
    """The liquidity index accrues linearly, and these aToken balances come out equal under every rounding."""
    account = state(regime)

    assert normalized_income(account.reserves[0], at=account.at) == 1045755719148506349762541744
    assert (supply_balance(account, 0), supply_balance(account, 1)) == (12910564317737097240, 4776897)
    assert account_data(account).collateral == 4787213814736


@pytest.mark.parametrize("regime", UNTIL_3_3)
def test_releases_until_3_3_compound_in_seconds_and_floor_the_average_threshold(regime: str) -> None:
    """Index, debt and health factor equal those of core-v3 1.19.3's own libraries."""
    account = state(regime)
    data = account_data(account)

    assert normalized_debt(REGIMES[regime], account.reserves[2], at=account.at) == 1098914132750862103812287945
    assert data.debt == 2577381452595
    assert data.health_factor == 1535322191162987890


@pytest.mark.parametrize("regime", FROM_3_5)
def test_releases_from_3_5_round_debt_up_and_keep_the_weighted_threshold(regime: str) -> None:
    """Index, debt and health factor equal those of aave-v3-origin 3.6.0's own libraries."""
    account = state(regime)
    data = account_data(account)

    assert normalized_debt(REGIMES[regime], account.reserves[2], at=account.at) == 1098914132751052852457504673
    assert data.debt == 2577381452696
    assert data.health_factor == 1535345982930887948


def test_release_3_4_compounds_as_the_new_and_rounds_as_the_old() -> None:
    """3.4 has the new compounding with the old rounding of balances and of the health factor."""
    account = state("3.4")
    old_rounding = account_data(replace(account, market=replace(account.market, regime="3.3")))
    data = account_data(account)

    assert normalized_debt(REGIMES["3.4"], account.reserves[2], at=account.at) == 1098914132751052852457504673
    assert data.liquidation_threshold == old_rounding.liquidation_threshold
    assert (
        (data.collateral, data.debt) == (old_rounding.collateral, old_rounding.debt) == (4787213814736, 2577381452595)
    )
    capacity = (data.collateral * data.liquidation_threshold + 5000) // 10000
    assert data.health_factor == (capacity * 10**18 + data.debt // 2) // data.debt


def test_nothing_owed_has_no_health_factor() -> None:
    """Without debt the health factor is absent, where the contract says the largest integer."""
    account = replace(state("3.6"), user_configuration=0b10)

    assert account_data(account).health_factor is None
