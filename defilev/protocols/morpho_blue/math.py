"""The arithmetic of Morpho Blue, wei-exact; pure integers.

Sources: `Morpho._accrueInterest`, `Morpho._isHealthy`, `Morpho.liquidate`, `SharesMathLib`, `MathLib` of
@morpho-org/morpho-blue 1.0.0.
"""

from __future__ import annotations

from dataclasses import replace

from defilev.protocols.morpho_blue.rate_curve import rate_over
from defilev.protocols.morpho_blue.state import AdaptiveCurve, FixedRate, MorphoState, RateModel, Totals
from defilev.units import WAD, mul_div_down, mul_div_up

__all__ = [
    "ORACLE_SCALE",
    "accrued",
    "borrow_rate",
    "borrowed",
    "collateral_value",
    "health_factor",
    "incentive_factor",
    "lent",
    "liquidation_price",
    "max_borrow",
    "to_assets_down",
    "to_assets_up",
    "to_shares_down",
    "to_shares_up",
]

VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1
ORACLE_SCALE = 10**36
LIQUIDATION_CURSOR = 3 * WAD // 10
HIGHEST_INCENTIVE = 115 * WAD // 100


def to_shares_down(assets: int, total_assets: int, total_shares: int) -> int:
    """Return the shares that `assets` base units are worth, rounded down."""
    return mul_div_down(assets, total_shares + VIRTUAL_SHARES, total_assets + VIRTUAL_ASSETS)


def to_shares_up(assets: int, total_assets: int, total_shares: int) -> int:
    """Return the shares that `assets` base units are worth, rounded up."""
    return mul_div_up(assets, total_shares + VIRTUAL_SHARES, total_assets + VIRTUAL_ASSETS)


def to_assets_down(shares: int, total_assets: int, total_shares: int) -> int:
    """Return the base units that `shares` are worth, rounded down."""
    return mul_div_down(shares, total_assets + VIRTUAL_ASSETS, total_shares + VIRTUAL_SHARES)


def to_assets_up(shares: int, total_assets: int, total_shares: int) -> int:
    """Return the base units that `shares` are worth, rounded up."""
    return mul_div_up(shares, total_assets + VIRTUAL_ASSETS, total_shares + VIRTUAL_SHARES)


def accrued(state: MorphoState) -> MorphoState:
    """Return the state as `accrueInterest` leaves it at its time; unchanged when nothing has passed."""
    totals = state.totals
    elapsed = state.at - totals.last_update
    if elapsed <= 0:
        return state
    if state.rates is None:
        return replace(state, totals=replace(totals, last_update=state.at))
    rate, rates = _rate_since(state.rates, totals, elapsed)
    interest = mul_div_down(totals.borrow_assets, _compounded(rate, elapsed), WAD)
    grown = replace(
        totals,
        borrow_assets=totals.borrow_assets + interest,
        supply_assets=totals.supply_assets + interest,
        last_update=state.at,
    )
    fee = mul_div_down(interest, totals.fee, WAD)
    fee_shares = to_shares_down(fee, grown.supply_assets - fee, totals.supply_shares) if totals.fee else 0
    after = replace(state, rates=rates, totals=replace(grown, supply_shares=totals.supply_shares + fee_shares))
    if state.owner != state.market.fee_recipient:
        return after
    return replace(after, position=replace(state.position, supply_shares=state.position.supply_shares + fee_shares))


def borrow_rate(state: MorphoState) -> int:
    """Return the borrow rate per second in wad at the state's time; zero without a rate model."""
    now = accrued(state)
    return 0 if now.rates is None else _rate_since(now.rates, now.totals, 0)[0]


def borrowed(state: MorphoState) -> int:
    """Return what is owed in base units of the loan token, accrued to the state's time, rounded up."""
    totals = accrued(state).totals
    return to_assets_up(state.position.borrow_shares, totals.borrow_assets, totals.borrow_shares)


def lent(state: MorphoState) -> int:
    """Return what is lent in base units of the loan token, accrued to the state's time, rounded down."""
    now = accrued(state)
    return to_assets_down(now.position.supply_shares, now.totals.supply_assets, now.totals.supply_shares)


def collateral_value(state: MorphoState) -> int:
    """Return the collateral's value in base units of the loan token, rounded down; zero without a price."""
    price = state.market.price
    return 0 if price is None else mul_div_down(state.position.collateral, price.value, ORACLE_SCALE)


def max_borrow(state: MorphoState) -> int:
    """Return the most that the collateral carries, in base units of the loan token, rounded down."""
    return mul_div_down(collateral_value(state), state.market.params.lltv, WAD)


def health_factor(state: MorphoState) -> int | None:
    """Return the most that may be owed over what is owed, wad, rounded down; `None` when nothing is owed.

    The contract compares the two and has no such figure: below 1e18 exactly when `_isHealthy` is false.
    """
    owed = borrowed(state)
    return mul_div_down(max_borrow(state), WAD, owed) if owed else None


def liquidation_price(state: MorphoState) -> int | None:
    """Return the smallest oracle price at which the position is healthy; `None` when there is no such price.

    Scaled as the oracle's: by 1e36, in base units of the loan token per base unit of collateral.
    """
    owed = borrowed(state)
    if not owed or not state.position.collateral or not state.market.params.lltv:
        return None
    needed = mul_div_up(owed, WAD, state.market.params.lltv)
    return mul_div_up(needed, ORACLE_SCALE, state.position.collateral)


def incentive_factor(lltv: int) -> int:
    """Return what a liquidator is paid for each unit repaid, wad: 1.0438 at an LLTV of 86 %."""
    discount = mul_div_down(LIQUIDATION_CURSOR, WAD - lltv, WAD)
    return min(HIGHEST_INCENTIVE, mul_div_down(WAD, WAD, WAD - discount))


def _rate_since(rates: AdaptiveCurve | FixedRate, totals: Totals, elapsed: int) -> tuple[int, RateModel]:
    """Return the average rate over the seconds since the last update, and the model as it is then stored."""
    if isinstance(rates, FixedRate):
        return rates.rate, rates
    rate, end = rate_over(rates.rate_at_target, totals, elapsed=elapsed)
    return rate, AdaptiveCurve(end)


def _compounded(rate: int, elapsed: int) -> int:
    """Return e to the power of rate times time, less one, in wad, by three terms: `MathLib.wTaylorCompounded`."""
    first = rate * elapsed
    second = mul_div_down(first, first, 2 * WAD)
    third = mul_div_down(second, first, 3 * WAD)
    return first + second + third
