"""What the optimizer asks of a Morpho Blue market: what a liquidation takes, and what borrowing would cost."""

from __future__ import annotations

from decimal import Decimal

from defilev.errors import CallReverted
from defilev.model.account import LendingAccount
from defilev.model.request import Read
from defilev.model.target_inputs import BorrowMarket, Penalty
from defilev.protocols.morpho_blue.math import accrued, borrow_rate, incentive_factor
from defilev.protocols.morpho_blue.rate_curve import STEEPNESS, TARGET_UTILISATION
from defilev.protocols.morpho_blue.state import AdaptiveCurve, MorphoState
from defilev.units import SECONDS_PER_YEAR, WAD, to_decimal

__all__ = ["penalty_of", "read_borrow_market"]


def penalty_of(account: LendingAccount) -> Penalty | None:
    """Return the liquidator's discount; anyone may take any part, so that all must be reckoned with."""
    if not account.collateral_value:
        return None
    state: MorphoState = account.state
    return Penalty(to_decimal(incentive_factor(state.market.params.lltv) - WAD, 18), Decimal(1))


def read_borrow_market(account: LendingAccount) -> Read[BorrowMarket]:
    """Return the market's rate curve as it stands at the account's time; needs no call.

    At the kink it is the rate at target, a quarter of that at zero and four times that at full use. That the rate at
    target drifts is not in it.

    Raises:
        CallReverted: the market has no rate model, or one of another kind.
    """
    state: MorphoState = accrued(account.state)
    yield ()
    if not isinstance(state.rates, AdaptiveCurve):
        raise CallReverted(f"the rate model of {state.market.label} is of a kind that is not known")
    at_target = state.rates.rate_at_target * SECONDS_PER_YEAR / WAD
    steepness = STEEPNESS / WAD
    places = account.quote_decimals
    return BorrowMarket(
        asset=state.market.loan.symbol,
        optimal_usage=TARGET_UTILISATION / WAD,
        base=at_target / steepness,
        slope_1=at_target * (1 - 1 / steepness),
        slope_2=at_target * (steepness - 1),
        liquidity=to_decimal(state.totals.supply_assets - state.totals.borrow_assets, places),
        borrowed=to_decimal(state.totals.borrow_assets, places),
        rate=borrow_rate(state) * SECONDS_PER_YEAR / WAD,
    )
