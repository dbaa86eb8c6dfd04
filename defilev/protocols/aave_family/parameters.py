"""What governance may change under an account without a transaction of its owner's, by name; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from defilev.model.account import LendingAccount
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.rates import MarketRates, utilisation
from defilev.protocols.aave_family.state import AaveState, EMode, Reserve
from defilev.units import RAY

__all__ = ["cannot_repay", "parameters", "rate_parameters", "utilisation_of"]


def parameters(account: LendingAccount) -> dict[str, str]:
    """Return by name the market's and the account's parameters: of every reserve that it has something in.

    Ratios are in bps, caps in whole tokens.
    """
    state: AaveState = account.state
    found = {
        "pool revision": str(state.market.revision),
        "oracle": state.market.oracle,
        **dict(_e_mode(state.e_mode)),
    }
    for reserve in _held(state):
        found |= {f"{reserve.asset.symbol} {name}": value for name, value in _reserve(reserve)}
    return found


def rate_parameters(rates: Iterable[MarketRates]) -> dict[str, str]:
    """Return by name the interest curves of reserves, in ray."""
    found = {}
    for market in rates:
        curve, symbol = market.curve, market.reserve.asset.symbol
        shape = f"{curve.optimal_usage} {curve.base} {curve.slope_1} {curve.slope_2}"
        found[f"{symbol} rate model"] = f"v{curve.version} {shape}"
    return found


def utilisation_of(market: MarketRates) -> float:
    """Return the part of a reserve that is lent out."""
    return utilisation(market, at=market.at) / RAY


def cannot_repay(account: LendingAccount) -> tuple[str, ...]:
    """Return the symbols of the debts that cannot be repaid now: of reserves that are paused or inactive."""
    state: AaveState = account.state
    return tuple(
        reserve.asset.symbol
        for reserve, position in zip(state.reserves, state.positions, strict=True)
        if (position.scaled_debt or position.stable_debt) and _is_closed(reserve.configuration)
    )


def _is_closed(configuration: int) -> bool:
    return bitmap.is_paused(configuration) or not bitmap.is_active(configuration)


def _held(state: AaveState) -> Iterator[Reserve]:
    for reserve, position in zip(state.reserves, state.positions, strict=True):
        if position.scaled_supply or position.scaled_debt or position.stable_debt:
            yield reserve


def _reserve(reserve: Reserve) -> Iterator[tuple[str, str]]:
    configuration = reserve.configuration
    yield "loan to value", str(bitmap.loan_to_value(configuration))
    yield "liquidation threshold", str(bitmap.liquidation_threshold(configuration))
    yield "liquidation bonus", str(bitmap.liquidation_bonus(configuration))
    yield "supply cap", str(bitmap.supply_cap(configuration))
    yield "borrow cap", str(bitmap.borrow_cap(configuration))
    yield "debt ceiling", str(bitmap.debt_ceiling(configuration))
    yield "active", _yes(holds=bitmap.is_active(configuration))
    yield "frozen", _yes(holds=bitmap.is_frozen(configuration))
    yield "paused", _yes(holds=bitmap.is_paused(configuration))
    yield "borrowing", _yes(holds=bitmap.borrowing_enabled(configuration))
    if reserve.price is not None:
        yield "price source", reserve.price.source
        yield "price feed", reserve.price.driver


def _e_mode(category: EMode | None) -> Iterator[tuple[str, str]]:
    if category is None:
        yield "e-mode", "none"
        return
    yield "e-mode", str(category.id)
    yield "e-mode loan to value", str(category.loan_to_value)
    yield "e-mode liquidation threshold", str(category.liquidation_threshold)
    yield "e-mode liquidation bonus", str(category.liquidation_bonus)
    yield "e-mode collateral", _bits(category.collateral_bitmap)
    yield "e-mode borrowable", _bits(category.borrowable_bitmap)


def _bits(bitmap_: int | None) -> str:
    return "none" if bitmap_ is None else hex(bitmap_)


def _yes(*, holds: bool) -> str:
    return "yes" if holds else "no"
