"""Whether selling still helps, and what deterministic scenarios do: the account in trouble, before it is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from defilev.config.prices import load_history
from defilev.errors import InvalidNumber
from defilev.model.target import Spiral, StressResult, Target
from defilev.model.target_inputs import Delta, Depth, Position, Preferences, StressCase
from defilev.optimize.impact import critical_impact
from defilev.optimize.spiral import spiralling_leverage
from defilev.optimize.target import choose_target
from defilev.pipeline.surroundings import deltas_of, stress_cases
from defilev.report.ink import plain
from defilev.report.target_text import target_text
from defilev.risk.scenarios import SCENARIOS
from tests.factories import USDC, WBTC, WETH, WSTETH, a_term, an_exposure
from tests.support.targets import a_market, a_position

GAS = Preferences(gas_value=Decimal(9))


def depth_of(impact: float) -> Depth:
    return Depth("uniswap-v3", "WETH", "USDC", impact, Decimal(72_000))


def spiral_of(position: Position, wants: Preferences = GAS) -> Spiral:
    spiral = choose_target(position, a_market(), wants).spiral
    assert spiral is not None
    return spiral


def printed(target: Target, *, width: int = 140) -> str:
    text = target_text(target, chain_name="local", width=width, ink=plain, explain=True).replace("\u202f", " ")
    assert max(len(line) for line in text.splitlines()) <= width
    return " ".join(text.split())


@pytest.mark.parametrize("impact", [1e-9, 1e-7, 1e-6])
def test_spiralling_leverage_is_where_the_critical_impact_is_the_pools_own(impact: float) -> None:
    """At the leverage found, the impact from which on the first unit sold lowers health is the one given."""
    leverage = spiralling_leverage(48_000, impact, proportional_cost=0.002)
    collateral, health = leverage * 48_000, 0.83 * leverage / (leverage - 1)
    assert impact == pytest.approx(critical_impact(collateral, 0.83, health, proportional_cost=0.002), rel=1e-9)


def test_spiralling_leverage_has_limits() -> None:
    """Sales that move nothing help up to 1/c, sales without cost up to where the root says; neither is refused."""
    assert 500 == pytest.approx(spiralling_leverage(48_000, 0.0, proportional_cost=0.002))
    assert 500 == pytest.approx(spiralling_leverage(48_000, 1e-18, proportional_cost=0.002), rel=1e-6)
    with pytest.raises(InvalidNumber, match="impact"):
        spiralling_leverage(48_000, 0.0)
    with pytest.raises(InvalidNumber, match="equity"):
        spiralling_leverage(0.0, 1e-6)


def test_a_sale_helps_in_deep_pools_and_spirals_in_thin_ones() -> None:
    """The verdict changes where the pools' impact passes the critical one, and the words with it."""
    critical = spiral_of(a_position(depth=depth_of(1e-9))).critical_impact
    assert critical == pytest.approx((0.9988 / 0.6 - 1) / 120_000, rel=1e-9)
    deep, thin = (a_position(depth=depth_of(critical * factor)) for factor in (0.99, 1.01))
    assert spiral_of(deep).helps is True
    assert spiral_of(thin).helps is False
    said = printed(choose_target(thin, a_market(), GAS))
    assert "LOWERS health at first if the oracle follows: repay from the wallet instead" in said
    assert "raises health unless it moves the oracle by" in printed(choose_target(deep, a_market(), GAS))


def test_without_a_venue_only_the_critical_move_is_known() -> None:
    """No pools tell: how far the oracle would have to fall is said, and that nobody knows what the sale does."""
    spiral = spiral_of(a_position())
    assert (None, None) == (spiral.move, spiral.helps)
    assert 1 / 1.05 == pytest.approx(spiral.toxic_loan_to_value)
    assert "no pools tell what it does" in printed(choose_target(a_position(), a_market(), GAS))


def test_own_impact_makes_the_advised_sale_larger_and_dearer() -> None:
    """The sale reaches its health factor although its own impact lowers the price, and what it loses is in its cost."""
    plain_trade = choose_target(a_position(), a_market(), GAS).trade
    moving = choose_target(a_position(depth=depth_of(5e-7)), a_market(), GAS)
    sale, trade = float(moving.trade.sale), moving.trade
    assert trade.action == plain_trade.action == "deleverage"
    assert sale > float(plain_trade.sale)
    after = 0.83 * (120_000 - sale) * (1 - 5e-7 * sale) / (72_000 - 0.9988 * sale)
    assert after == pytest.approx(trade.health_factor, abs=1e-6)
    assert float(trade.cost) == pytest.approx(sale * 0.0012 + 0.5 * 5e-7 * sale * sale + 9, abs=0.02)


def test_a_spiral_is_a_ceiling_that_advises() -> None:
    """In thin pools the leverage at which selling stops helping is shown among the ceilings, and binds nothing."""
    target = choose_target(a_position(depth=depth_of(3e-6)), a_market(), GAS)
    found = next(ceiling for ceiling in target.ceilings if ceiling.name == "spiral")
    assert ("advice", "selling WETH still raises health") == (found.kind, found.text)
    assert spiralling_leverage(48_000, 3e-6, proportional_cost=0.0012) == pytest.approx(found.leverage)
    deep = choose_target(a_position(depth=depth_of(1e-12)), a_market(), GAS)
    assert "spiral" not in {ceiling.name for ceiling in deep.ceilings}


PAIR = an_exposure(
    replace(a_term(WETH, price=3000, capacity=99_600), equity=120_000.0), a_term(USDC, price=1, requirement=72_000)
)


def results(position: Position, wants: Preferences = GAS) -> dict[str, StressResult]:
    return {result.name: result for result in choose_target(position, a_market(), wants).stress}


def test_stress_says_what_each_scenario_leaves_and_what_it_takes_to_get_back() -> None:
    """Health, equity and the sale back to the band, for the worked example; a sale made then has that health."""
    target = choose_target(a_position(stress_cases=stress_cases(PAIR)), a_market(), GAS)
    found = {result.name: result for result in target.stress}
    ten = found["−10 %"]
    assert 0.9 * 99_600 / 72_000 == pytest.approx(ten.health_factor)
    assert -0.25 == pytest.approx(ten.equity_change)
    assert ten.sale is not None
    back = 0.83 * (108_000 - float(ten.sale)) / (72_000 - 0.9988 * float(ten.sale))
    assert back == pytest.approx(target.band.trigger_low, abs=1e-5)
    day = found["worst day, −45 %"]
    assert day.liquidated
    assert -1.0 == day.equity_change
    rate = found["borrow rate 80 % for 5 days"]
    assert 99_600 / (72_000 * np.exp(0.8 * 5 / 365)) == pytest.approx(rate.health_factor)
    assert Decimal(0) == found["+40 %"].sale


def test_a_liquidation_takes_its_bonus_off_the_equity() -> None:
    """Half of the debt is repaid with 5 % on top: that is gone beside the fall of the price."""
    thirty = results(a_position(stress_cases=stress_cases(PAIR)))["−30 %"]
    assert thirty.liquidated
    assert (0.7 * 120_000 - 72_000 - 0.05 * 0.5 * 72_000) / 48_000 - 1 == pytest.approx(thirty.equity_change)


def test_thin_pools_and_dear_gas_make_the_way_back_dearer() -> None:
    """The same worst day costs more when gas is twenty times as dear and the pools a fifth as deep."""
    position = a_position(debt_value=Decimal(50_000), depth=depth_of(1e-7))
    owed = an_exposure(PAIR.terms[0], a_term(USDC, price=1, requirement=50_000))
    found = results(replace(position, stress_cases=stress_cases(owed)))
    plain_day, hard_day = found["worst day, −45 %"], found["worst day, gas ×20, pools ÷5"]
    assert plain_day.health_factor == hard_day.health_factor
    assert plain_day.sale is not None
    assert hard_day.sale is not None
    assert plain_day.sale < hard_day.sale
    assert plain_day.cost is not None
    assert hard_day.cost is not None
    assert hard_day.cost - plain_day.cost > 19 * 9
    assert hard_day.move == pytest.approx(5e-7 * float(hard_day.sale), rel=1e-6)


def test_only_scenarios_that_change_the_account_are_shown() -> None:
    """Without a staked token there is no row for its discount; with one the market's discount costs equity only."""
    assert not any("staked" in case.name for case in stress_cases(PAIR))
    staked = an_exposure(
        replace(a_term(WSTETH, price=3660, capacity=99_600), equity=120_000.0),
        a_term(WETH, price=3000),
        a_term(USDC, price=1, requirement=72_000),
    )
    drivers = tuple(replace(driver, price=3000.0) if not driver.stable else driver for driver in staked.drivers)
    found = results(a_position(stress_cases=stress_cases(replace(staked, drivers=drivers))))
    market, oracle = found["staked token −7 % in the market"], found["staked token −7 % at the oracle"]
    assert 99_600 / 72_000 == pytest.approx(market.health_factor)
    assert 0.93 * 99_600 / 72_000 == pytest.approx(oracle.health_factor)
    assert -0.07 * 120_000 / 48_000 == pytest.approx(market.equity_change)


def test_volatile_debt_can_move_by_itself() -> None:
    """Owing an asset that is not held has a row for its own rise; a plain short's is that of a common rise."""
    ratio = an_exposure(
        replace(a_term(WBTC, price=90_000, capacity=99_600), equity=120_000.0),
        a_term(WETH, price=3000, requirement=60_000),
    )
    by_name = {case.name: case for case in stress_cases(ratio)}
    assert Decimal(72_000) == pytest.approx(by_name["volatile debt +20 % by itself"].requirement)
    short = an_exposure(
        replace(a_term(USDC, price=1, capacity=99_600), equity=120_000.0), a_term(WETH, price=3000, requirement=60_000)
    )
    names = [case.name for case in stress_cases(short)]
    assert names.index("+20 %") + 1 == names.index("+40 %")
    assert "volatile debt +20 % by itself" not in names


def test_no_sale_gets_back_what_is_under_water() -> None:
    """Where debt exceeds what a sale could bring, that is said in place of an amount."""
    lost = StressCase("lost", False, Decimal(50_000), Decimal(72_000), Decimal(60_000), Decimal(-12_000), 1.0, 1.0)
    (found,) = choose_target(a_position(stress_cases=(lost,)), a_market(), GAS).stress
    assert (None, None, None) == (found.sale, found.cost, found.move)
    assert "no sale gets there" in printed(choose_target(a_position(stress_cases=(lost,)), a_market(), GAS), width=80)


def test_the_worst_of_the_sample_is_what_the_scenarios_say() -> None:
    """Hour, six hours and day are the deepest falls of ETH and BTC by closes since 2018, to the next whole per cent."""
    folder = Path(__file__).resolve().parents[2] / "scripts" / "calibration.d" / "data"
    worst = {"worst hour": 0.0, "6 h of frozen oracle": 0.0, "worst day": 0.0}
    for name in ("ETH", "BTC"):
        history = load_history(folder, name)
        for key, hours in (("worst hour", 1), ("6 h of frozen oracle", 6)):
            whole = history.opens_at[hours:] - history.opens_at[:-hours] == hours * 3600
            moves = history.close[hours:] / history.close[:-hours] - 1
            worst[key] = min(worst[key], float(moves[whole].min()))
        ends = (history.opens_at + 3600) % 86_400 == 0
        days = history.close[ends]
        worst["worst day"] = min(worst["worst day"], float((days[1:] / days[:-1] - 1).min()))
    factors = {scenario.name.split(",")[0]: scenario.volatile for scenario in SCENARIOS}
    for key, fall in worst.items():
        assert 1 + np.floor(fall * 100) / 100 == pytest.approx(factors[key])


def test_deltas_are_net_and_weighted_by_beta() -> None:
    """Held less owed by driver, the largest first; with betas the whole is said in terms of the first."""
    exposure = an_exposure(
        replace(a_term(WETH, price=3000, capacity=80_000), equity=100_000.0),
        replace(a_term(WBTC, price=90_000, capacity=30_000), equity=40_000.0),
        a_term(WSTETH, price=3660, requirement=20_000),
        a_term(USDC, price=1, requirement=60_000),
    )
    eth, btc, usd = (driver.feed for driver in exposure.drivers)
    found = deltas_of(exposure, {eth: 1.0, btc: 0.5, usd: 0.0})
    assert (
        Delta("WETH", Decimal("80000.0"), 1.0),
        Delta("USDC", Decimal("-60000.0"), 0.0),
        Delta("WBTC", Decimal("40000.0"), 0.5),
    ) == found
    said = printed(choose_target(a_position(deltas=found), a_market(), GAS))
    assert "in all like $100 000.00 of WETH (beta WBTC 0.50)" in said
    assert "in all" not in printed(choose_target(a_position(deltas=deltas_of(exposure, {})), a_market(), GAS))
