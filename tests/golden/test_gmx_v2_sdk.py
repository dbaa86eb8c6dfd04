"""GMX v2's arithmetic against figures of GMX's own library, `@gmx-io/sdk` 1.4.0: exact integers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from defilev.abi.address import ZERO_ADDRESS
from defilev.model.token import Token
from defilev.protocols.gmx_v2.math import closing_usd, entry_price, liquidation_price, maintenance, unrealized_pnl
from defilev.protocols.gmx_v2.state import FACTOR, MarketTerms, Position, TokenPrice

DATA = json.loads((Path(__file__).parent / "data" / "gmx_v2_sdk_cases.json").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = DATA["cases"]


def position_of(case: dict[str, Any]) -> Position:
    return Position(
        owner=ZERO_ADDRESS,
        market=ZERO_ADDRESS,
        collateral=ZERO_ADDRESS,
        is_long=case["is_long"],
        size=int(case["size_usd_1e30"]),
        size_in_tokens=int(case["size_tokens"]),
        collateral_amount=int(case["collateral_amount"]),
        pending_impact=int(case["pending_impact_amount"]),
        borrowing_factor=0,
        funding_per_size=0,
        increased_at=0,
        decreased_at=0,
    )


def terms_of(case: dict[str, Any]) -> MarketTerms:
    parameters = DATA["params"][case["market"]]
    return MarketTerms(
        is_disabled=False,
        borrowing_factor=0,
        borrowing_updated_at=0,
        borrowing_per_second=0,
        funding_per_size=0,
        funding_per_size_delta=0,
        funding_per_second=0,
        longs_pay=False,
        interest=0,
        other_interest=0,
        min_collateral_usd=int(case["min_collateral_usd_1e30"]),
        min_collateral_factor=int(parameters["minCollateralFactor"]),
        min_collateral_factor_for_liquidation=int(parameters["minCollateralFactorForLiquidation"]),
        max_positive_impact_factor=int(parameters["positiveMaxPositionImpactFactor"]),
        max_impact_factor_for_liquidations=int(parameters["maxPositionImpactFactorForLiquidations"]),
    )


def index_of(case: dict[str, Any]) -> TokenPrice:
    price, left = divmod(int(case["mark_price_1e30"]), 10 ** case["index_decimals"])
    assert not left
    token = Token(ZERO_ADDRESS, case["index"], case["index_decimals"])
    return TokenPrice(token, price, price, None, None, None, from_ticker=True)


def closing_factor(case: dict[str, Any]) -> int:
    """Return the dearer of the two: the library takes it whether or not closing would improve the balance."""
    return int(DATA["params"][case["market"]]["positionFeeFactorForNegativeImpact"])


def named(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", CASES, ids=named)
def test_liquidation_prices_are_the_library_s(case: dict[str, Any]) -> None:
    """The price at which a position is liquidated, fees as they are now, is GMX's own to the last digit.

    In these markets no price impact counts in a liquidation, so that the library's two figures are one.
    """
    position, terms = position_of(case), terms_of(case)
    assert not terms.max_impact_factor_for_liquidations
    pending = int(case["pending_funding_usd_1e30"]) + int(case["pending_borrowing_usd_1e30"])
    is_index = case["collateral_is_index"]
    found = liquidation_price(
        is_long=position.is_long,
        size=position.size,
        size_in_tokens=position.size_in_tokens,
        collateral_in_index=position.collateral_amount if is_index else 0,
        other_collateral_usd=0 if is_index else int(case["collateral_usd_1e30"]),
        required_usd=maintenance(position.size, terms) + pending + closing_usd(position.size, closing_factor(case)),
    )
    whole = None if found is None else str(found * 10 ** case["index_decimals"])

    assert case["expected"]["liquidation_price_1e30"] == whole
    assert case["expected"]["liquidation_price_max_impact_1e30"] == whole


@pytest.mark.parametrize("case", CASES, ids=named)
def test_profit_entry_and_closing_fee_are_the_library_s(case: dict[str, Any]) -> None:
    """Profit before the cap and the closing fee are GMX's own to the last digit; the entry price to those it has."""
    position, expected = position_of(case), case["expected"]

    assert expected["pnl_usd_1e30_uncapped"] == str(unrealized_pnl(position, index_of(case)))
    assert expected["closing_fee_usd_1e30"] == str(closing_usd(position.size, closing_factor(case)))
    assert int(expected["entry_price_1e30"]) // 10 ** case["index_decimals"] == entry_price(position)
    assert FACTOR > closing_factor(case)
