from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from defilev.model.account import Price
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.protocols.aave_family.bitmap import with_borrowing, with_collateral
from defilev.protocols.aave_family.math import account_data
from defilev.protocols.aave_family.state import AaveMarket, AaveState, EMode, Position, Reserve
from defilev.units import to_decimal

ANY = Address("0x" + "00" * 20)
DOCUMENT = json.loads((Path(__file__).parent / "data" / "aave_v3_math_utils_cases.json").read_text())
NOW = DOCUMENT["current_timestamp"]
TOLERANCE = Decimal("1e-9")


def reserve(place: int, entry: dict[str, Any]) -> Reserve:
    decimals = entry["decimals"]
    return Reserve(
        asset=Token(Address(entry["address"]), entry["symbol"], decimals),
        id=place,
        configuration=entry["ltv_bps"] | entry["liquidation_threshold_bps"] << 16 | decimals << 48 | 1 << 56,
        liquidity_index=int(entry["liquidity_index_ray"]),
        liquidity_rate=int(entry["liquidity_rate_ray"]),
        variable_borrow_index=int(entry["variable_borrow_index_ray"]),
        variable_borrow_rate=int(entry["variable_borrow_rate_ray"]),
        last_update=entry["last_update_ts"],
        a_token=ANY,
        stable_debt_token=ANY,
        variable_debt_token=ANY,
        price=Price(int(entry["price_raw_1e8"]), 8, ANY, ANY),
        available_liquidity=0,
    )


RESERVES = tuple(reserve(place, entry) for place, entry in enumerate(DOCUMENT["reserves"]))


def e_mode(category: int) -> EMode | None:
    members = [
        (place, member)
        for place, entry in enumerate(DOCUMENT["reserves"])
        for member in entry["emodes"]
        if member["id"] == category
    ]
    if not category:
        return None
    bits = sum(1 << place for place, member in members if member["collateral"])
    first = members[0][1]
    return EMode(category, first["ltv_bps"], first["liquidation_threshold_bps"], 0, "", collateral_bitmap=bits)


def state(case: dict[str, Any]) -> AaveState:
    symbols = [reserve.asset.symbol for reserve in RESERVES]
    positions = [Position()] * len(RESERVES)
    flags = 0
    for entry in case["user_reserves"]:
        place = symbols.index(entry["symbol"])
        positions[place] = Position(int(entry["scaled_a_token_balance"]), int(entry["scaled_variable_debt"]))
        flags = with_collateral(flags, place, value=entry["collateral_enabled"])
        flags = with_borrowing(flags, place, value=int(entry["scaled_variable_debt"]) > 0)
    market = AaveMarket("aave-v3", "main", ANY, ANY, ANY, 10, "3.6", 10**8)
    block = Block(1, "0x00", NOW)
    return AaveState(1, block, NOW, market, ANY, e_mode(case["emode"]), flags, RESERVES, tuple(positions))


def smallest_units(case: dict[str, Any]) -> Decimal:
    """Return the value of one base unit of every asset in use: the library rounds balances and values the other way."""
    used = {entry["symbol"] for entry in case["user_reserves"]}
    entries = [entry for entry in DOCUMENT["reserves"] if entry["symbol"] in used]
    return sum(
        (to_decimal(int(entry["price_raw_1e8"]) + 10 ** entry["decimals"], 8 + entry["decimals"]) for entry in entries),
        Decimal(0),
    )


@pytest.mark.parametrize("case", DOCUMENT["cases"], ids=lambda case: case["name"])
def test_figures_agree_with_the_official_library(case: dict[str, Any]) -> None:
    """Debt, health factor and averages equal those of Aave's own library to the unit that it rounds the other way."""
    expected = case["expected"]
    data = account_data(state(case))
    debt = Decimal(expected["total_debt_usd"])

    assert abs(to_decimal(data.debt, 8) - debt) <= debt * TOLERANCE + smallest_units(case)
    if Decimal(expected["health_factor"]) < 0:
        assert data.health_factor is None
    else:
        health_factor = Decimal(expected["health_factor"])
        assert data.health_factor is not None
        tolerance = health_factor * TOLERANCE + smallest_units(case) * (1 + health_factor) / debt
        assert abs(to_decimal(data.health_factor, 18) - health_factor) <= tolerance
