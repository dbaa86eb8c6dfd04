"""Figures of Morpho's own library, its own unit tests and its own list of markets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defilev.errors import Infeasible
from defilev.model.account import Price
from defilev.model.plan import Withdraw
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.protocols.morpho_blue.apply import apply_action
from defilev.protocols.morpho_blue.math import (
    ORACLE_SCALE,
    accrued,
    borrowed,
    collateral_value,
    health_factor,
    incentive_factor,
    lent,
    liquidation_price,
    max_borrow,
)
from defilev.protocols.morpho_blue.state import (
    AdaptiveCurve,
    MarketParams,
    MorphoMarket,
    MorphoState,
    Position,
    RateModel,
    Totals,
)
from defilev.units import WAD

ANY, OWNER = Address("0x" + "00" * 20), Address("0x" + "01" * 20)
DATA = Path(__file__).parent / "data"
SDK = json.loads((DATA / "morpho_blue_sdk_cases.json").read_text())["cases"]
EXACT = {case["name"]: case for case in json.loads((DATA / "morpho_exact_cases.json").read_text())["cases"]}
MARKETS = json.loads((DATA / "morpho_blue_markets.json").read_text())["markets"]


def state(case: dict[str, Any], *, at: int | None = None) -> MorphoState:
    market, position = case["market"], case["position"]
    numbers = {name: int(value) for name, value in market.items()}
    last_update = numbers.get("last_update", 1)
    now = at or last_update
    rates: RateModel = AdaptiveCurve(rate) if (rate := numbers.get("rate_at_target_wad_per_s")) else None
    return MorphoState(
        chain_id=1,
        block=Block(1, "0x00", now),
        at=now,
        owner=OWNER,
        market=MorphoMarket(
            morpho=ANY,
            id="0x00",
            deployment="main",
            params=MarketParams(ANY, Address("0x" + "02" * 20), ANY, ANY, numbers["lltv_wad"]),
            loan=Token(Address("0x" + "03" * 20), "LOAN", numbers.get("loan_decimals", 18)),
            collateral=Token(Address("0x" + "02" * 20), "COLL", numbers.get("collateral_decimals", 18)),
            price=Price(numbers["price_1e36"], 36, ANY, ANY),
            loan_price=Price(1, 0, ANY, ANY),
            fee_recipient=ANY,
        ),
        rates=rates,
        totals=Totals(
            numbers["total_supply_assets"],
            numbers["total_supply_shares"],
            numbers["total_borrow_assets"],
            numbers["total_borrow_shares"],
            last_update,
            numbers.get("fee_wad", 0),
        ),
        position=Position(
            int(position.get("supply_shares", 0)), int(position["borrow_shares"]), int(position["collateral"])
        ),
    )


def figures(now: MorphoState) -> dict[str, Any]:
    """Return our figures by the library's names; its largest number stands for a debt of nothing."""
    factor, owed, most = health_factor(now), borrowed(now), max_borrow(now)
    return {
        "borrow_assets": owed,
        "collateral_value": collateral_value(now),
        "max_borrow_assets": most,
        "max_borrowable_assets": max(most - owed, 0),
        "is_healthy": most >= owed,
        "health_factor_wad": 2**256 - 1 if factor is None else factor,
    }


def _expected(case: dict[str, Any], when: str, names: list[str] | None = None) -> dict[str, Any]:
    wanted = case[when]
    chosen = names or list(wanted)
    return {name: wanted[name] if isinstance(wanted[name], bool) else int(wanted[name]) for name in chosen}


@pytest.mark.parametrize("case", SDK, ids=lambda case: case["name"])
def test_figures_are_those_of_morphos_library(case: dict[str, Any]) -> None:
    """Debt, worth, limit and health factor are blue-sdk 6.4.0's to the last digit, now and after 30 days."""
    later = state(case, at=int(case["expected_after_30d"]["timestamp"]))
    totals, rates = accrued(later).totals, accrued(later).rates
    assert isinstance(rates, AdaptiveCurve)

    now = figures(state(case))
    assert _expected(case, "expected", list(now)) == now
    then = figures(later) | {
        "total_borrow_assets": totals.borrow_assets,
        "total_supply_assets": totals.supply_assets,
        "rate_at_target": rates.rate_at_target,
    }
    assert _expected(case, "expected_after_30d", list(then)) == then
    incentive = int(case["expected"]["liquidation_incentive_factor_wad"])
    assert incentive == incentive_factor(int(case["market"]["lltv_wad"]))


@pytest.mark.parametrize("case", SDK, ids=lambda case: case["name"])
def test_the_liquidation_price_is_the_boundary_that_morphos_library_rounds(case: dict[str, Any]) -> None:
    """It agrees with blue-sdk 6.4.0 to ten digits; at ours the rule holds, and one unit below it does not."""
    now = state(case)
    wanted, price = case["expected"]["liquidation_price_1e36"], liquidation_price(now)
    if wanted is None:
        assert price is None
        return

    assert price is not None
    assert abs(int(wanted) - price) * 10**10 <= price
    assert max_borrow(_at_price(now, price)) >= borrowed(now) > max_borrow(_at_price(now, price - 1))


@pytest.mark.parametrize("case", SDK, ids=lambda case: case["name"])
def test_what_can_be_withdrawn_is_what_morphos_library_says(case: dict[str, Any]) -> None:
    """The contract's rule turns at blue-sdk 6.4.0's `withdrawableCollateral`, to two base units of either token."""
    now, amount = state(case), int(case["expected"]["withdrawable_collateral"])
    unit = 2 * ORACLE_SCALE // int(case["market"]["price_1e36"]) + 2

    assert amount <= unit or _can_withdraw(now, amount - unit)
    assert not _can_withdraw(now, amount + unit)


def _can_withdraw(now: MorphoState, amount: int) -> bool:
    assert now.market.collateral is not None
    try:
        apply_action(now, Withdraw(now.market.collateral, amount), at=now.at)
    except Infeasible:
        return False
    return True


def _at_price(now: MorphoState, price: int) -> MorphoState:
    return replace(now, market=replace(now.market, price=Price(price, 36, ANY, ANY)))


def test_figures_are_those_of_morphos_own_unit_test() -> None:
    """`Position.test.ts` of morpho-org/sdks at cdff8c4: 100 lent, 50 owed, 200 held, 172 of debt at most."""
    case = EXACT["AccrualPosition getters"]
    now = state(case)
    ours = figures(now) | {"supply_assets": lent(now), "ltv_wad": borrowed(now) * WAD // collateral_value(now)}

    wanted = _expected(case, "expected", [name for name in case["expected"] if name in ours])
    assert {"supply_assets", "borrow_assets", "collateral_value", "max_borrow_assets", "is_healthy", "ltv_wad"} <= set(
        wanted
    )
    assert wanted == {name: ours[name] for name in wanted}


def test_the_incentive_is_the_one_of_morphos_own_unit_test() -> None:
    """`MarketUtils.test.ts` of morpho-org/sdks at cdff8c4: at an LLTV of 86 % a liquidator gets 1.0438."""
    case = EXACT["liquidation incentive at LLTV 86 %"]

    assert int(case["expected"]["liquidation_incentive_factor_wad"]) == incentive_factor(int(case["lltv_wad"]))


def test_the_id_is_the_one_of_morphos_own_unit_test() -> None:
    """`MarketUtils.test.ts` of morpho-org/sdks at cdff8c4: the hash of the five parameters."""
    params = EXACT["market id"]["params"]
    loan, collateral, oracle, irm = (Address(params[name]) for name in ("loan", "collateral", "oracle", "irm"))

    wanted = EXACT["market id"]["expected"]["id"]
    assert wanted == MarketParams(loan, collateral, oracle, irm, int(params["lltv"])).id


@pytest.mark.parametrize("entry", MARKETS, ids=lambda entry: f"{entry['chain']}-{entry['key']}")
def test_ids_and_incentives_are_those_of_real_markets(entry: dict[str, Any]) -> None:
    """Each market of morpho-test 4.0.3 has the id and the liquidation incentive that its parameters give."""
    names = ("loan_token", "collateral_token", "oracle", "irm")
    loan, collateral, oracle, irm = (Address(entry[name]) for name in names)
    params = MarketParams(loan, collateral, oracle, irm, int(entry["lltv_wad"]))

    assert (entry["id"], int(entry["liquidation_incentive_factor_wad"])) == (params.id, incentive_factor(params.lltv))
