"""The target: objectives under ceilings, what bound, the worked example, and answers that can be computed again."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from math import nan

import pytest

from defilev.errors import Infeasible, InvalidNumber, UsageError
from defilev.model.plan import Goal
from defilev.model.target import Ceiling, Target, target_from_document, target_goal
from defilev.model.target_inputs import BorrowMarket, Preferences
from defilev.optimize.outlook import quoted_rate
from defilev.optimize.target import choose_target
from tests.support.targets import a_market, a_position, a_still_market

FIXED = Preferences(objective="fixed", health_factor=1.66, gas_value=Decimal(9), maximum_leverage=3.0)


def ceiling(target: Target, name: str) -> Ceiling:
    """Return a ceiling by name."""
    return next(found for found in target.ceilings if found.name == name)


def test_worked_example_ceilings() -> None:
    """The ceilings of 40 ETH against 72,000 USDC are those of the worked example, each with its health factor."""
    target = choose_target(a_position(), a_market(), FIXED)
    expected = {
        "protocol": 5.13,
        "maximum-leverage": 3.00,
        "liquidation-probability": 2.39,
        "kelly": 0.40,
        "floor": 1.20,
    }
    assert expected == {name: pytest.approx(ceiling(target, name).leverage, abs=0.005) for name in expected}
    assert 1.426 == pytest.approx(ceiling(target, "liquidation-probability").health_factor, abs=1e-3)
    assert 1.148 == pytest.approx(ceiling(target, "reaction").health_factor, abs=1e-3)
    assert ceiling(target, "liquidation-probability").exceeded
    assert not ceiling(target, "maximum-leverage").exceeded
    assert {"kelly", "floor"} == {found.name for found in target.ceilings if found.kind == "advice"}
    assert 2.16 == pytest.approx(
        ceiling(
            choose_target(a_position(), a_market(), Preferences(horizon_days=30, maximum_probability=0.05)),
            "liquidation-probability",
        ).leverage,
        abs=0.005,
    )


def test_worked_example_figures() -> None:
    """Carry, drag, implied return, band, cost and waiting of the worked example."""
    target = choose_target(a_position(), a_market(), FIXED)
    now = target.now
    assert (2.5, -0.036, -0.867, 1.192) == pytest.approx((now.leverage, now.carry, now.decay, now.implied_return))
    band = target.band
    assert (1.470, 1.608, 1.719, 2.012) == pytest.approx(
        (band.trigger_low, band.trade_to_low, band.trade_to_high, band.trigger_high), abs=6e-4
    )
    assert not band.reaction_binds
    assert target.trade.action == "deleverage"
    assert Decimal(34) == pytest.approx(target.trade.cost, abs=Decimal("0.1"))
    assert Decimal("15.2") == pytest.approx(target.trade.waiting, abs=Decimal("0.1"))
    assert 20_843 == pytest.approx(float(target.trade.sale), abs=25)
    assert (2.0, 1.66) == pytest.approx((target.target.leverage, target.target.health_factor))
    assert target.binding == "fixed"


def test_worked_example_chances() -> None:
    """Each chance says its model, and the calibrated one comes with its range under volatility error."""
    target = choose_target(a_position(), a_market(), FIXED)
    day, week, month = target.now.risks
    assert (1.0, 7.0, 30.0) == (day.days, week.days, month.days)
    assert 0.0007 == pytest.approx(week.lognormal, abs=5e-5)
    assert 0.003 == pytest.approx(week.jumps, abs=5e-4)
    assert 0.115 == pytest.approx(month.lognormal, abs=5e-4)
    assert 0.111 == pytest.approx(month.jumps, abs=5e-4)
    assert week.calibrated is not None
    assert week.low is not None
    assert week.high is not None
    assert week.lognormal < week.low < week.calibrated < week.high
    assert 0.001 == pytest.approx(day.calibrated)


def test_volatility_sensitivity_of_the_worked_example() -> None:
    """Ten points more volatility bring the 7-day ceiling from 2.39× to 2.24×."""
    moved = choose_target(a_position(), a_market(), FIXED).sensitivities[0]
    assert (2.39, 2.24) == pytest.approx((moved.before, moved.after), abs=0.006)


def test_keep_leaves_a_safe_leverage_alone() -> None:
    """`keep` is the default: inside every hard ceiling nothing changes, whatever the advice says."""
    safe = a_position(debt_value=Decimal(50_000))
    target = choose_target(safe, a_market(), Preferences())
    assert target.trade.action == "hold"
    assert target.binding == "keep"
    assert target.target.leverage == safe.leverage
    assert target.target.health_factor == safe.health_factor
    assert (None, None) == (target.band.trade_to_high, target.band.trigger_high)


def test_keep_goes_well_inside_the_lowest_ceiling() -> None:
    """Above a hard ceiling `keep` trades to inside it, and names the ceiling."""
    target = choose_target(a_position(), a_market(), Preferences(gas_value=Decimal(9)))
    lowest = ceiling(target, "liquidation-probability")
    assert target.binding == "liquidation-probability"
    assert [found.name for found in target.ceilings if found.binding] == ["liquidation-probability"]
    assert lowest.leverage is not None
    assert 1 < target.target.leverage < lowest.leverage
    assert target.band.trigger_low == pytest.approx(lowest.health_factor)
    assert target.trade.health_factor == target.band.trade_to_low


def test_ceiling_is_the_lowest_hard_one() -> None:
    """`ceiling` answers with the lowest hard ceiling, and says that it is not a goal."""
    target = choose_target(a_position(), a_market(), Preferences(objective="ceiling"))
    assert target.target.leverage == ceiling(target, "liquidation-probability").leverage
    assert "not-a-goal" in {notice.name for notice in target.notices}


def test_a_trade_ends_inside_every_hard_ceiling() -> None:
    """The band may drift over a budget by less than a trade is worth, but whoever trades trades to inside it."""
    position = a_position(debt_value=Decimal(85_000))
    for objective in ("ceiling", "fixed", "kelly"):
        wants = Preferences(objective=objective, gas_value=Decimal(9), expected_return=9.0)
        wants = replace(wants, health_factor=1.3) if objective == "fixed" else wants
        target = choose_target(position, a_market(), wants)
        budget = ceiling(target, "liquidation-probability")
        assert target.trade.action == "deleverage"
        assert target.trade.leverage is not None
        assert budget.leverage is not None
        assert target.trade.leverage <= budget.leverage + 1e-9
        assert target.band.trigger_low is not None
        assert budget.health_factor is not None
        assert target.band.trigger_low < budget.health_factor


def test_equal_ceilings_bind_in_order_of_precedence() -> None:
    """Of two equal ceilings the one earlier in the order (user before budget) is named."""
    highest = choose_target(a_position(), a_market(), Preferences(objective="ceiling")).target.leverage
    target = choose_target(a_position(), a_market(), Preferences(objective="ceiling", maximum_leverage=highest))
    assert target.binding == "maximum-leverage"


def test_views_bind_only_when_they_are_stated() -> None:
    """Half-Kelly and the floor are advice under the prior and ceilings once the user states a view or a floor."""
    advised = choose_target(a_position(), a_market(), Preferences(objective="ceiling"))
    stated = choose_target(a_position(), a_market(), Preferences(objective="ceiling", sharpe=1.5, floor=0.4))
    assert {"advice"} == {ceiling(advised, name).kind for name in ("kelly", "floor")}
    assert {"hard"} == {ceiling(stated, name).kind for name in ("kelly", "floor")}
    assert stated.target.leverage < advised.target.leverage


def test_target_below_one_is_no_debt() -> None:
    """A growth-optimal leverage below 1 means to owe nothing: the advice is to close."""
    target = choose_target(a_position(), a_market(), Preferences(objective="kelly", expected_return=0.2))
    assert (1.0, None) == (target.target.leverage, target.target.health_factor)
    assert target.trade.action == "close"
    assert Goal("close", None) == target_goal(target)


def test_enormous_view_is_capped_by_the_ceilings() -> None:
    """A mean so strong that Kelly exceeds every limit ends at the lowest, which is named."""
    target = choose_target(a_position(), a_market(), Preferences(objective="kelly", expected_return=50.0))
    assert target.binding == "liquidation-probability"
    assert "kelly-above-limits" in {notice.name for notice in target.notices}


def test_your_target_above_a_ceiling_is_capped() -> None:
    """A fixed target beyond a hard ceiling ends at the ceiling, and a notice says so."""
    target = choose_target(a_position(), a_market(), Preferences(objective="fixed", health_factor=1.1))
    assert target.binding == "liquidation-probability"
    assert "capped" in {notice.name for notice in target.notices}


def test_band_never_reaches_across_the_users_minimum() -> None:
    """The danger trigger is at least the user's minimum health factor."""
    wants = Preferences(objective="fixed", health_factor=1.66, minimum_health_factor=1.6, gas_value=Decimal(9))
    band = choose_target(a_position(), a_market(), wants).band
    assert band.trigger_low == pytest.approx(1.6)
    assert band.trade_to_low is not None
    assert band.trade_to_low > 1.6


def test_cppi_and_carry_objectives() -> None:
    """CPPI holds m(1−F/E); carry borrows nothing when debt costs more than collateral earns."""
    floor = choose_target(a_position(), a_market(), Preferences(objective="cppi", floor=0.5))
    assert 1.5 == pytest.approx(floor.target.leverage)
    carry = choose_target(a_position(), a_market(), Preferences(objective="carry"))
    assert 1.0 == carry.target.leverage
    with pytest.raises(UsageError, match="floor"):
        choose_target(a_position(), a_market(), Preferences(objective="cppi"))
    with pytest.raises(UsageError, match="number"):
        choose_target(a_position(), a_market(), Preferences(objective="fixed"))


def test_borrow_rate_follows_the_markets_curve() -> None:
    """At a higher leverage the debt costs what the curve asks at that utilisation."""
    curve = BorrowMarket(
        "USDC", 0.9, 0.0, 0.054, 0.6, liquidity=Decimal(100_000), borrowed=Decimal(900_000), rate=0.054
    )
    assert quoted_rate(curve, 0) == pytest.approx(0.054)
    assert quoted_rate(curve, 50_000) == pytest.approx(0.054 + 0.6 * 0.05 / 0.1)
    position = a_position(borrow_market=curve)
    target = choose_target(position, a_market(), Preferences(objective="fixed", leverage=2.2, compare=True))
    assert target.target.borrow_rate < position.borrow_rate == target.now.borrow_rate
    by_name = {outlook.name: outlook for outlook in target.alternatives}
    assert by_name["reaction"].borrow_rate > position.borrow_rate


def test_correlated_loop_is_told_in_its_own_terms() -> None:
    """Collateral and debt on one driver: days by interest, depeg, cut and exit cost, and no chances."""
    loop = a_position(
        side="correlated",
        collateral_value=Decimal(100_000),
        debt_value=Decimal(90_000),
        liquidation_threshold=0.95,
        loan_to_value=0.93,
        supply_rate=0.028,
        borrow_rate=0.032,
        stated_yield=0.028,
        market_priced=False,
    )
    target = choose_target(loop, a_still_market(), Preferences())
    assert target.loop is not None
    assert target.now.risks == ()
    assert target.loop.interest_days == pytest.approx(365 * 0.05406722 / 0.004, rel=1e-6)
    assert target.loop.capped_days == pytest.approx(365 * 0.05406722 / 0.032, rel=1e-6)
    assert target.loop.depeg == pytest.approx(90_000 / 95_000 - 1)
    assert target.loop.threshold_cut == pytest.approx(0.05)
    assert target.loop.exits[0].share == pytest.approx(0.002 / 0.998 * 9)
    with pytest.raises(UsageError, match="move together"):
        choose_target(loop, a_still_market(), Preferences(objective="kelly"))
    ignored = choose_target(loop, a_still_market(), Preferences(floor=0.6, sharpe=1.0))
    assert ["ignored", "ignored"] == [notice.name for notice in ignored.notices if notice.name == "ignored"]


@pytest.mark.parametrize(("health_factor", "spread", "days"), [(1.02, 0.004, 1_807), (1.02, 0.052, 139)])
def test_time_until_interest_liquidates_a_loop(health_factor: float, spread: float, days: float) -> None:
    """A loop at 1.02 lasts 1,807 days at a spread of 0.4 %, and 139 days at 5.2 %."""
    loop = a_position(
        side="correlated",
        collateral_value=Decimal(100_000),
        debt_value=Decimal(repr(95_000 / health_factor)),
        liquidation_threshold=0.95,
        loan_to_value=0.93,
        supply_rate=0.028,
        borrow_rate=0.028 + spread,
    )
    assert choose_target(loop, a_still_market(), Preferences()).now.interest_days == pytest.approx(days, abs=1)


def test_reserve_covers_the_fall() -> None:
    """The reserve, repaid after the fall, brings health back to 1, and to the band's edge."""
    target = choose_target(a_position(), a_market(), FIXED)
    for reserve in target.reserves:
        capacity = 120_000 * 0.83 * (1 + reserve.move)
        assert reserve.health_factor == pytest.approx(capacity / 72_000)
        if reserve.to_survive:
            assert capacity / (72_000 - float(reserve.to_survive)) == pytest.approx(1, abs=1e-6)
        assert capacity / (72_000 - float(reserve.to_stay)) == pytest.approx(target.band.trigger_low, abs=1e-5)


def test_expected_loss_counts_a_second_liquidation() -> None:
    """βκD times the chance that decides, and half as much again where a liquidation leaves half the debt near 1."""
    target = choose_target(a_position(), a_market(), Preferences())
    once = 0.05 * 0.5 * 72_000 * target.now.risks[1].deciding
    loss = float(target.now.expected_loss or 0)
    assert once < loss < 1.5 * once
    whole = choose_target(a_position(close_factor=1.0), a_market(), Preferences()).now
    assert 0.05 * 72_000 * whole.risks[1].deciding == pytest.approx(float(whole.expected_loss or 0), abs=0.01)


def test_liquidatable_account_is_certain_not_an_error() -> None:
    """At a health factor of 1 or less the chance is 1, and the advice is to deleverage."""
    target = choose_target(a_position(debt_value=Decimal(100_000)), a_market(), Preferences())
    assert {1.0} == {risk.calibrated for risk in target.now.risks}
    assert target.trade.action == "deleverage"
    assert "liquidatable" in {notice.name for notice in target.notices}
    assert "liquidatable" not in {notice.name for notice in choose_target(a_position(), a_market(), FIXED).notices}


def test_no_debt_has_no_chance_and_no_error() -> None:
    """Nothing owed: no health factor, no chance, and `keep` keeps it so."""
    target = choose_target(a_position(debt_value=Decimal(0)), a_market(), Preferences())
    assert target.now.health_factor is None
    assert {0.0} == {risk.calibrated for risk in target.now.risks}
    assert target.trade.action == "hold"
    assert target.reserves == ()


@pytest.mark.parametrize(
    ("wants", "name"),
    [
        (Preferences(maximum_probability=0.0), "probability"),
        (Preferences(maximum_probability=1.0), "probability"),
        (Preferences(horizon_days=0.0), "horizon"),
        (Preferences(horizon_days=-7.0), "horizon"),
        (Preferences(horizon_days=1000.0), "horizon"),
        (Preferences(maximum_probability=1e-6), "finer"),
        (Preferences(risk_aversion=nan), "risk aversion"),
        (Preferences(objective="fixed", health_factor=1.0), "health factor"),
        (Preferences(minimum_health_factor=0.9), "minimum health factor"),
        (Preferences(maximum_leverage=0.5), "maximum leverage"),
        (Preferences(expected_return=nan), "expected return"),
        (Preferences(floor=1.0), "floor"),
    ],
)
def test_bad_preferences_are_named(wants: Preferences, name: str) -> None:
    """A number out of range is refused by its name, with a remedy."""
    with pytest.raises(InvalidNumber, match=name) as caught:
        choose_target(a_position(), a_market(), wants)
    assert caught.value.fix


@pytest.mark.parametrize("volatility", [0.0, -0.5, nan])
def test_bad_volatility_is_named(volatility: float) -> None:
    """A volatility that cannot be is refused, never turned into an answer."""
    with pytest.raises(InvalidNumber, match="volatility"):
        choose_target(a_position(), replace(a_market(), volatility=volatility), Preferences())


def test_account_without_equity_or_collateral_is_refused() -> None:
    """No equity or no collateral: there is no leverage to choose."""
    with pytest.raises(Infeasible, match="equity"):
        choose_target(a_position(debt_value=Decimal(120_000)), a_market(), Preferences())
    with pytest.raises(Infeasible, match="collateral"):
        choose_target(a_position(collateral_value=Decimal(0), health_factor=0.0), a_market(), Preferences())


@pytest.mark.parametrize(
    "wants",
    [
        FIXED,
        Preferences(),
        Preferences(objective="ceiling", compare=True),
        Preferences(objective="kelly", sharpe=2.0, gas_value=Decimal(80)),
    ],
)
def test_target_is_computed_again_from_its_own_assumptions(wants: Preferences) -> None:
    """A target survives JSON, and its own assumptions give it again."""
    target = choose_target(a_position(), a_market(), wants)
    again = target_from_document(json.loads(json.dumps(target.to_document())))
    assert target == again
    assert target == choose_target(again.position, again.risk_market, again.preferences)


def test_goal_for_a_plan() -> None:
    """The goal is the trade-to health factor, up or down, rounded up; to hold is none; other files are refused."""
    more = choose_target(a_position(debt_value=Decimal(20_000)), a_market(), Preferences(objective="ceiling"))
    assert "lever-up" == more.trade.action
    assert Goal("health-factor", Decimal("1.5349")) == target_goal(more)
    less = choose_target(a_position(), a_market(), FIXED)
    for health in (0.5, 1e300):
        with pytest.raises(InvalidNumber, match="health factor"):
            target_goal(replace(less, trade=replace(less.trade, health_factor=health)))
    document = choose_target(a_position(), a_market(), FIXED).to_document()
    assert Goal("health-factor", Decimal("1.6083")) == target_goal(target_from_document(document))
    safe = choose_target(a_position(debt_value=Decimal(50_000)), a_market(), Preferences())
    with pytest.raises(Infeasible, match="alone"):
        target_goal(safe)
    with pytest.raises(UsageError, match="target@1"):
        target_from_document({"schema": "defilev/plan@1"})
    with pytest.raises(UsageError, match="trade"):
        target_from_document({name: value for name, value in document.items() if name != "trade"})


def test_without_a_table_the_lognormal_budget_is_labelled() -> None:
    """Without multipliers the budget is the lognormal one, says so, and is looser."""
    plain = choose_target(a_position(), a_market(table=None), Preferences())
    budget = ceiling(plain, "liquidation-probability")
    assert "lognormal" in budget.text
    assert "not-calibrated" in {notice.name for notice in plain.notices}
    calibrated = ceiling(choose_target(a_position(), a_market(), Preferences()), "liquidation-probability")
    assert budget.leverage is not None
    assert calibrated.leverage is not None
    assert budget.leverage > calibrated.leverage


def test_short_account_is_hurt_by_rises() -> None:
    """With volatile debt the implied return is a fall, and the reserve covers rises."""
    short = a_position(side="short", supply_rate=0.03, borrow_rate=0.02)
    target = choose_target(short, a_market(), Preferences())
    assert target.now.implied_return == pytest.approx(0.03 - 0.02 - 1.5 * 0.68**2)
    assert all(reserve.move > 0 for reserve in target.reserves)


def test_fraction_of_kelly_and_cppi_count_a_short_accounts_debt() -> None:
    """What a short account exposes to the price is its debt: fractions and multiples are of L − 1, not of L."""
    short = a_position(side="short", supply_rate=0.03, borrow_rate=0.02)
    view = Preferences(objective="kelly", expected_return=-1.0, floor=0.7)
    target = choose_target(short, a_market(), view)
    assert 1 + 0.5 * 1.01 / 0.68**2 == pytest.approx(ceiling(target, "kelly").leverage)
    cppi = choose_target(short, a_market(), replace(view, objective="cppi"))
    assert 1 + 3 * (1 - 0.7) == pytest.approx(cppi.target.leverage) == ceiling(cppi, "floor").leverage


@pytest.mark.parametrize("probability", [0.01, 0.05])
def test_calibrated_month_is_plausible(probability: float) -> None:
    """The 30-day ceilings of ETH lie in [1.3, 2.3]: wallets hold 1.4 to 1.9 (BIS WP 1171, Heimbach and Huang 2024)."""
    from defilev.config.multipliers import load_multipliers

    wants = Preferences(objective="ceiling", horizon_days=30, maximum_probability=probability)
    target = choose_target(a_position(), a_market(0.75, table=load_multipliers()), wants)
    assert 1.3 <= target.target.leverage <= 2.3


def test_a_bad_week_asks_for_more_health_to_react_in_than_a_usual_one() -> None:
    """The reaction ceiling rests on the stress volatility with its own jumps: worse weeks never need less health."""
    usual = choose_target(a_position(), a_market(0.5), Preferences())
    jumps = a_market(1.1).jumps
    stressed = choose_target(
        a_position(), replace(a_market(0.5), stress_volatility=1.1, stress_jumps=jumps), Preferences()
    )
    same = choose_target(a_position(), a_market(1.1), Preferences())
    found = [ceiling(target, "reaction").health_factor or 0 for target in (usual, stressed, same)]
    assert found[0] < found[1]
    assert found[1] == pytest.approx(found[2], rel=0.02)


def test_carry_that_pays_all_the_way_is_bound_by_the_ceiling() -> None:
    """Where more debt would always earn more, it is the lowest hard ceiling that decided, and it is named."""
    position = a_position(supply_rate=0.10, borrow_rate=0.02)
    target = choose_target(position, a_market(), Preferences(objective="carry"))
    assert target.binding == "liquidation-probability"
    assert ceiling(target, "liquidation-probability").leverage == pytest.approx(target.target.leverage)
