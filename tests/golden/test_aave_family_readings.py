"""Figures that others read from live Aave pools, or computed of them; each test says whose they are."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from defilev.model.account import Price
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.protocols.aave_family.math import AccountData, account_data, normalized_income, supply_balance
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveMarket, AaveState, Position, Reserve
from defilev.units import RAY, to_raw

ANY = Address("0x" + "00" * 20)
DOCUMENT: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "aave_v3_readings.json").read_text())
INTEREST = DOCUMENT["interest"]
OLD, NEW = "3.0", "3.6"


def reserve(place: int, *, threshold: int = 0, ltv: int = 0) -> Reserve:
    """A reserve whose base units are worth a base unit of the currency each."""
    return Reserve(
        asset=Token(Address(f"0x{place + 1:040x}"), f"T{place}", 8),
        id=place,
        configuration=ltv | threshold << 16 | 8 << 48 | 1 << 56,
        liquidity_index=RAY,
        liquidity_rate=0,
        variable_borrow_index=RAY,
        variable_borrow_rate=0,
        last_update=0,
        a_token=ANY,
        stable_debt_token=ANY,
        variable_debt_token=ANY,
        price=Price(10**8, 8, ANY, ANY),
        available_liquidity=0,
    )


def totals(regime: str, collateral: int, debt: int, *, threshold: int, ltv: int) -> AccountData:
    """Return the figures of an account with these totals and averages, under the rules of a release."""
    market = AaveMarket("aave-v3", "main", ANY, ANY, ANY, 0, regime, 10**8)
    reserves = (reserve(0, threshold=threshold, ltv=ltv), reserve(1))
    positions = (Position(scaled_supply=collateral), Position(scaled_debt=debt))
    return account_data(AaveState(1, Block(1, "0x00", 0), 0, market, ANY, None, 0b01_10, reserves, positions))


@pytest.mark.parametrize("case", DOCUMENT["readings"], ids=lambda case: case["name"])
def test_readings_of_live_pools(case: dict[str, Any]) -> None:
    """The pools' own health factors, quoted by other projects, are reproduced to the last digit."""
    regime = NEW if case["name"].startswith("base") else OLD
    found = totals(
        regime,
        int(case["total_collateral_base"]),
        int(case["total_debt_base"]),
        threshold=case["current_liquidation_threshold_bps"],
        ltv=case["ltv_bps"] or 0,
    )

    assert int(case["health_factor"]) == found.health_factor
    if case["available_borrows_base"] is not None:
        assert abs(int(case["available_borrows_base"]) - found.available_borrows) <= 1


@pytest.mark.parametrize("case", DOCUMENT["accounts"], ids=lambda case: case["user"][:10])
def test_accounts_of_june_2023(case: dict[str, Any]) -> None:
    """Health as Lido's study read it from the pool, which it kept as a double: equal to eleven digits."""
    collateral, debt = (to_raw(round(Decimal(case[name]), 8), 8) for name in ("total_collateral_usd", "total_debt_usd"))
    thresholds = {"threshold": int(case["avg_liquidation_threshold_bps"]), "ltv": int(case["avg_ltv_bps"])}
    found = totals(OLD, collateral, debt, **thresholds)

    assert found.health_factor is not None
    assert float(case["health_factor"]) == pytest.approx(found.health_factor / 10**18, rel=2e-10)
    assert abs(int(case["available_borrow_base_1e8"]) - found.available_borrows) <= 1


@pytest.mark.parametrize("case", INTEREST["normalized_income"])
def test_index_of_aave_s_own_library(case: dict[str, Any]) -> None:
    """The supply index as Aave's math-utils tests expect it, to the last digit."""
    stored = replace(
        reserve(0),
        liquidity_index=int(case["index_ray"]),
        liquidity_rate=int(case["rate_ray"]),
        last_update=case["last_update_ts"],
    )

    assert int(case["expected_ray"]) == normalized_income(stored, at=case["current_ts"])


def test_balance_with_interest_of_aave_s_own_library() -> None:
    """A balance that Aave's math-utils tests took from a contract on hardhat, to the last digit."""
    case = INTEREST["linear_interest_balance"]
    stored = replace(
        reserve(0),
        liquidity_index=int(case["liquidity_index_ray"]),
        liquidity_rate=int(case["liquidity_rate_ray"]),
        last_update=case["last_update_ts"],
    )
    now = case["current_ts"]
    market = AaveMarket("aave-v3", "main", ANY, ANY, ANY, 0, OLD, 10**8)
    position = Position(scaled_supply=int(case["scaled_a_token_balance"]))
    state = AaveState(1, Block(1, "0x00", now), now, market, ANY, None, 0b10, (stored,), (position,))

    assert int(case["expected_balance"]) == supply_balance(state, 0)


@pytest.mark.parametrize("case", INTEREST["compounded_interest"])
def test_compounding_of_aave_s_own_library(case: dict[str, Any]) -> None:
    """The factor of compound interest as Aave's math-utils tests expect it, but for the rate of a second.

    That library rounds the rate of one second down first, as Aave v2 did: up to one ray unit for each second.
    """
    elapsed = case["current_ts"] - case["last_update_ts"]
    found = REGIMES[OLD].compound(int(case["rate_ray"]), elapsed)

    assert 0 <= found - int(case["expected_factor_ray"]) <= elapsed
