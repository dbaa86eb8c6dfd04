"""What the borrow rate of a Comet depends on, in the form that all lenders have."""

from __future__ import annotations

from defilev.model.account import LendingAccount
from defilev.model.request import Address
from defilev.model.target_inputs import BorrowMarket
from defilev.protocols.compound_v3.decode import PRICE_DECIMALS
from defilev.protocols.compound_v3.math import now, present_value, rate_per_second, utilisation, value_of, yearly
from defilev.protocols.compound_v3.state import CometState
from defilev.units import RAY, WAD, to_decimal

__all__ = ["borrow_market"]


def borrow_market(account: LendingAccount, asset: Address) -> BorrowMarket:
    """Return the curve of the base asset, which a read has already told.

    The contract's utilisation is what is borrowed per what is supplied; here what is borrowed and what is left stand
    for it, which differ by the market's reserves. Raises `KeyError` for an asset that is never borrowed.
    """
    state: CometState = account.state
    market, model = state.market, state.market.borrow_rates
    if asset != market.base.address:
        raise KeyError(asset)
    totals = now(state)
    borrowed = -present_value(-totals.borrow_principal, totals)
    return BorrowMarket(
        asset=market.base.symbol,
        optimal_usage=model.kink / WAD,
        base=yearly(model.base) / RAY,
        slope_1=yearly(model.slope_low * model.kink // WAD) / RAY,
        slope_2=yearly(model.slope_high * (WAD - model.kink) // WAD) / RAY,
        liquidity=to_decimal(value_of(market, market.cash) or 0, PRICE_DECIMALS),
        borrowed=to_decimal(value_of(market, borrowed) or 0, PRICE_DECIMALS),
        rate=yearly(rate_per_second(model, utilisation(market.totals))) / RAY,
    )
