"""Where a plan moves liquidation to: the price of each asset that liquidates, before it and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from defilev.model.account import Leg, LendingAccount
from defilev.model.explained import LiquidationPrice
from defilev.model.request import Address
from defilev.plan.inputs import PlanInputs
from defilev.risk.liquidation import COMPUTED, Crossing, Side, asset_liquidations, driver_liquidations
from defilev.units import to_decimal

__all__ = ["liquidation_prices"]


def liquidation_prices(inputs: PlanInputs, after: LendingAccount) -> tuple[LiquidationPrice, ...]:
    """Return the prices that liquidate, of collateral by its fall and of debt by its rise, largest value first.

    Debt that is meant to stay at one is left out.
    """
    was, becomes = _crossings(inputs, inputs.account), _crossings(inputs, after)
    found = []
    for leg in _legs(inputs, after):
        side: Side = "below" if leg.side == "supply" else "above"
        now = to_decimal(leg.price.value, leg.price.decimals)
        prices = [_price(now, crossings.get(leg.asset.address), side) for crossings in (was, becomes)]
        if prices != [None, None]:
            found.append(LiquidationPrice(leg.asset, side, now, prices[0], prices[1]))
    return tuple(found)


def _legs(inputs: PlanInputs, after: LendingAccount) -> Iterator[Leg]:
    """Yield what counts in either account, each asset and side once."""
    legs = sorted((*inputs.account.legs, *after.legs), key=lambda leg: (leg.side != "supply", -leg.value))
    seen = set()
    for leg in legs:
        counts = leg.used_as_collateral if leg.side == "supply" else leg.asset.address not in inputs.stable
        if counts and (leg.side, leg.asset.address) not in seen:
            seen.add((leg.side, leg.asset.address))
            yield leg


def _crossings(inputs: PlanInputs, account: LendingAccount) -> Mapping[Address, Crossing]:
    """Return by asset where liquidation is: by its driver with all that moves with it, else by its own price alone."""
    if account.health_factor is None:
        return {}
    exposure = inputs.protocol.exposure(account, stable=inputs.stable)
    alone = {at.term.asset: at.crossing for at in asset_liquidations(exposure)}
    return alone | {term.asset: at.crossing for at in driver_liquidations(exposure) for term in at.terms}


def _price(now: Decimal, crossing: Crossing | None, side: Side) -> Decimal | None:
    if crossing is None or crossing.side != side:
        return None
    return Decimal(f"{COMPUTED.multiply(now, Decimal(crossing.factor)):f}")
