"""Interest rates of Aave v3 after a change of liquidity or debt, to the last digit of the rate strategies v1 and v2.

A read of its own, two batches, for whoever wants to know what an action does to the rates; no account needs it.
Sources: `DefaultReserveInterestRateStrategy` (until 3.0), `DefaultReserveInterestRateStrategyV2` (from 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from defilev.abi import Function, interface
from defilev.abi.answers import decode_one, decode_optional
from defilev.errors import CallReverted
from defilev.model.account import LendingAccount
from defilev.model.request import Address, Call, CallResult, Read, Results
from defilev.model.target_inputs import BorrowMarket
from defilev.protocols.aave_family.math import normalized_debt, price_of
from defilev.protocols.aave_family.regimes import REGIMES, ray_div_half_up, ray_mul_half_up
from defilev.protocols.aave_family.state import AaveState, Reserve
from defilev.units import BPS, RAY, Ray, mul_div_down, mul_div_half_up, to_decimal

__all__ = ["MarketRates", "RateCurve", "Rates", "rates_after", "read_borrow_market", "read_rates", "utilisation"]

RESERVE_CALLS = 4
STRATEGY_CALLS = 5
_V1_GETTERS = (
    "OPTIMAL_USAGE_RATIO",
    "getBaseVariableBorrowRate",
    "getVariableRateSlope1",
    "getVariableRateSlope2",
)


@dataclass(frozen=True, slots=True)
class RateCurve:
    """A kinked curve over utilisation; every figure in ray. The first version also averages stable debt's rate in."""

    version: Literal[1, 2]
    optimal_usage: int
    base: int
    slope_1: int
    slope_2: int


@dataclass(frozen=True, slots=True)
class MarketRates:
    """What the rates of one reserve depend on, at the time `at` of the state it was read with.

    `liquidity` is what the strategy counts as available, in base units, `unbacked` what counts as supplied beside it
    (bridged, or a deficit). `stable_debt` in base units and its average `stable_rate` in ray exist before 3.2 only.
    """

    reserve: Reserve
    regime: str
    at: int
    curve: RateCurve
    liquidity: int
    scaled_debt: int
    stable_debt: int
    stable_rate: int
    unbacked: int

    @property
    def total_debt(self) -> int:
        """What everybody owes, in base units, accrued to `at`."""
        return _variable_debt(self, borrowed=0, at=self.at) + self.stable_debt

    def borrow_rate(self, *, borrowed: int) -> Ray:
        """Return the yearly borrow rate in ray once `borrowed` base units more (negative: less) are owed."""
        return rates_after(self, borrowed=borrowed, at=self.at).borrow


@dataclass(frozen=True, slots=True)
class Rates:
    """Yearly simple rates in ray."""

    supply: Ray
    borrow: Ray


def read_rates(account: LendingAccount, assets: Sequence[Address]) -> Read[tuple[MarketRates, ...]]:
    """Read what the rates of `assets`, listed in the account's market, depend on; in their order.

    Raises:
        CallReverted: a rate strategy of a kind that is not known, or a token that does not answer.
        KeyError: an asset that the market does not list.
    """
    state: AaveState = account.state
    reserves = [state.reserves[state.index_of(asset)] for asset in assets]
    results = yield [call for reserve in reserves for call in _reserve_calls(state, reserve)]
    answers = [results[RESERVE_CALLS * i : RESERVE_CALLS * (i + 1)] for i in range(len(reserves))]
    data = [_reserve_data(answer[0]) for answer in answers]
    asked = [
        call
        for reserve, words in zip(reserves, data, strict=True)
        for call in _strategy_calls(words["interestRateStrategyAddress"], reserve.asset.address)
    ]
    curves = yield asked
    return tuple(
        _market_rates(
            state, reserve, words, answer, _curve(curves[STRATEGY_CALLS * i : STRATEGY_CALLS * (i + 1)], reserve)
        )
        for i, (reserve, words, answer) in enumerate(zip(reserves, data, answers, strict=True))
    )


def read_borrow_market(account: LendingAccount, asset: Address) -> Read[BorrowMarket]:
    """Read the market of one asset as the optimizer sees it; raises as `read_rates` does."""
    (rates,) = yield from read_rates(account, [asset])
    curve, reserve = rates.curve, rates.reserve
    price, unit = price_of(account.state, reserve), 10**reserve.asset.decimals
    return BorrowMarket(
        asset=reserve.asset.symbol,
        rate=rates.borrow_rate(borrowed=0) / RAY,
        optimal_usage=curve.optimal_usage / RAY,
        base=curve.base / RAY,
        slope_1=curve.slope_1 / RAY,
        slope_2=curve.slope_2 / RAY,
        liquidity=to_decimal(mul_div_down(rates.liquidity, price, unit), account.quote_decimals),
        borrowed=to_decimal(mul_div_down(rates.total_debt, price, unit), account.quote_decimals),
    )


def rates_after(market: MarketRates, *, supplied: int = 0, borrowed: int = 0, at: int) -> Rates:
    """Return the rates that the pool stores after a change included at the Unix time `at`.

    Args:
        market: the reserve as it was read.
        supplied: base units supplied (negative: withdrawn).
        borrowed: base units borrowed (negative: repaid).
        at: when; debt accrues until then.
    """
    variable = _variable_debt(market, borrowed=borrowed, at=at)
    debt = variable + market.stable_debt
    if debt == 0:
        return Rates(Ray(0), Ray(market.curve.base))
    total = max(market.liquidity + supplied - borrowed, 0) + debt
    borrow = _on_curve(market.curve, ray_div_half_up(debt, total))
    overall = borrow
    if market.curve.version == 1:
        weighted = ray_mul_half_up(variable * 10**9, borrow)
        weighted += ray_mul_half_up(market.stable_debt * 10**9, market.stable_rate)
        overall = ray_div_half_up(weighted, debt * 10**9)
    earned = ray_mul_half_up(overall, ray_div_half_up(debt, total + market.unbacked))
    supply = mul_div_half_up(earned, BPS - _reserve_factor(market.reserve.configuration), BPS)
    return Rates(Ray(supply), Ray(borrow))


def utilisation(market: MarketRates, *, at: int) -> Ray:
    """Return debt divided by debt and liquidity, in ray."""
    debt = _variable_debt(market, borrowed=0, at=at) + market.stable_debt
    return Ray(ray_div_half_up(debt, market.liquidity + debt) if debt else 0)


def _on_curve(curve: RateCurve, usage: int) -> int:
    if usage > curve.optimal_usage:
        excess = ray_div_half_up(usage - curve.optimal_usage, RAY - curve.optimal_usage)
        return curve.base + curve.slope_1 + ray_mul_half_up(curve.slope_2, excess)
    return curve.base + ray_div_half_up(ray_mul_half_up(curve.slope_1, usage), curve.optimal_usage)


def _variable_debt(market: MarketRates, *, borrowed: int, at: int) -> int:
    regime = REGIMES[market.regime]
    index = normalized_debt(regime, market.reserve, at=at)
    if borrowed >= 0:
        scaled = market.scaled_debt + (regime.mint_debt(borrowed, RAY, index) if borrowed else 0)
    else:
        scaled = max(market.scaled_debt - regime.burn_debt(-borrowed, RAY, index), 0)
    return regime.debt_balance(scaled, index, RAY)


def _reserve_calls(state: AaveState, reserve: Reserve) -> list[Call]:
    pool, token = interface("aave_v3_pool"), interface("aave_v3_scaled_token")
    return [
        pool["getReserveData"].call(state.market.pool, reserve.asset.address),
        token["scaledTotalSupply"].call(reserve.variable_debt_token),
        interface("aave_v3_rate_strategy")["getTotalSupplyAndAvgRate"].call(reserve.stable_debt_token),
        pool["getReserveDeficit"].call(state.market.pool, reserve.asset.address),
    ]


def _strategy_calls(strategy: Address, asset: Address) -> list[Call]:
    functions = interface("aave_v3_rate_strategy")
    getters = [functions[name].call(strategy) for name in _V1_GETTERS]
    return [functions["getInterestRateData"].call(strategy, asset), *getters]


def _reserve_data(result: CallResult) -> dict[str, Any]:
    function = interface("aave_v3_pool")["getReserveData"]
    decode_one(function, result, what="pool")
    words = function.decode(result.data)
    return {"interestRateStrategyAddress": words[11], "unbacked": words[13]}


def _market_rates(
    state: AaveState, reserve: Reserve, data: dict[str, Any], answers: Results, curve: RateCurve
) -> MarketRates:
    scaled = decode_one(interface("aave_v3_scaled_token")["scaledTotalSupply"], answers[1], what="debt token")
    stable = _stable(state, answers[2])
    deficit = decode_optional(interface("aave_v3_pool")["getReserveDeficit"], answers[3])
    return MarketRates(
        reserve=reserve,
        regime=state.market.regime,
        at=state.at,
        curve=curve,
        liquidity=reserve.available_liquidity,
        scaled_debt=scaled,
        stable_debt=stable[0],
        stable_rate=stable[1],
        unbacked=data["unbacked"] + (deficit[0] if deficit else 0),
    )


def _stable(state: AaveState, result: CallResult) -> tuple[int, int]:
    if not REGIMES[state.market.regime].stable_debt:
        return 0, 0
    found = decode_optional(interface("aave_v3_rate_strategy")["getTotalSupplyAndAvgRate"], result)
    return (found[0], found[1]) if found else (0, 0)


def _curve(results: Results, reserve: Reserve) -> RateCurve:
    functions = interface("aave_v3_rate_strategy")
    if found := decode_optional(functions["getInterestRateData"], results[0]):
        return RateCurve(2, *found[0])
    words = [_word(functions[name], result) for name, result in zip(_V1_GETTERS, results[1:], strict=True)]
    if None in words:
        raise CallReverted(f"the rate strategy of {reserve.asset.symbol} is of a kind that is not known")
    return RateCurve(1, *(word for word in words if word is not None))


def _word(function: Function, result: CallResult) -> int | None:
    decoded = decode_optional(function, result)
    return decoded[0] if decoded else None


def _reserve_factor(configuration: int) -> int:
    return configuration >> 64 & 0xFFFF
