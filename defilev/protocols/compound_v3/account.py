"""A Compound v3 state as the account that everybody else understands."""

from __future__ import annotations

from collections.abc import Iterator

from defilev.model.account import Leg, LendingAccount, Notice, SelfCheck
from defilev.protocols.compound_v3.decode import PRICE_DECIMALS
from defilev.protocols.compound_v3.math import (
    accrued,
    balance,
    capacity,
    collateral_value,
    covers,
    debt,
    debt_value,
    health_factor,
    now,
    rate_per_second,
    utilisation,
    yearly,
)
from defilev.protocols.compound_v3.state import CometState
from defilev.units import BPS, WAD, Bps, Ray, Wad, to_decimal

__all__ = ["PREDICTED", "PROTOCOL", "account_from_state"]

PROTOCOL = "compound-v3"
UNKNOWN = "unknown"
"""The currency of a market whose feeds do not say what they count in."""
PREDICTED = SelfCheck("unchecked", "a predicted state: no contract has it yet")
PAUSES = ("supply", "transfer", "withdraw", "absorb", "buy")
"""What the bits of `pauseFlags` stop, from the lowest."""


def account_from_state(
    state: CometState, *, protocol: str = PROTOCOL, self_check: SelfCheck = PREDICTED
) -> LendingAccount:
    """Return the account that `state` describes; values and health count interest up to its own time.

    Base asset supplied is idle: it carries no debt. Collateral and base asset without a price are in no figure and
    have a warning each.
    """
    collateral = sum(_values(state))
    owed = debt_value(state, now(state)) or 0
    health = health_factor(state)
    return LendingAccount(
        chain_id=state.chain_id,
        block=state.block,
        protocol=protocol,
        market=state.market.name,
        owner=state.owner,
        quote_decimals=PRICE_DECIMALS,
        collateral_value=collateral,
        debt_value=owed,
        available_borrows=max((capacity(state, "borrow_factor") or 0) - owed, 0),
        liquidation_threshold=_average(capacity(state, "liquidate_factor"), collateral),
        loan_to_value=_average(capacity(state, "borrow_factor"), collateral),
        health_factor=None if health is None else Wad(health),
        contract_health_factor=None,
        self_check=self_check,
        legs=tuple(_legs(state)),
        details=_details(state),
        warnings=tuple(_warnings(state)),
        state=state,
        quote=state.market.quote or UNKNOWN,
    )


def _values(state: CometState) -> Iterator[int]:
    for collateral, amount in zip(state.market.collaterals, state.balances, strict=True):
        yield collateral_value(collateral, amount) or 0


def _average(weighted: int | None, collateral: int) -> Bps | None:
    return Bps(weighted * BPS // collateral) if weighted is not None and collateral else None


def _legs(state: CometState) -> Iterator[Leg]:
    market, totals = state.market, now(state)
    usage = utilisation(market.totals)
    for collateral, amount in zip(market.collaterals, state.balances, strict=True):
        value = collateral_value(collateral, amount)
        if not amount or collateral.price is None or value is None:
            continue
        yield Leg(
            side="supply",
            asset=collateral.asset,
            amount=amount,
            price=collateral.price,
            value=value,
            rate=Ray(0),
            liquidation_threshold=Bps(collateral.liquidate_factor * BPS // WAD),
            loan_to_value=Bps(collateral.borrow_factor * BPS // WAD),
            used_as_collateral=True,
        )
    if market.base_price is None:
        return
    if supplied := balance(state):
        value = supplied * market.base_price.value // 10**market.base.decimals
        rate = yearly(rate_per_second(market.supply_rates, usage))
        yield Leg("supply", market.base, supplied, market.base_price, value, rate, Bps(0), Bps(0))
    if owed := debt(state):
        rate = yearly(rate_per_second(market.borrow_rates, usage))
        yield Leg("borrow", market.base, owed, market.base_price, debt_value(state, totals) or 0, rate)


def _details(state: CometState) -> tuple[tuple[str, str], ...]:
    market = state.market
    return (
        ("comet", market.comet),
        ("base", market.base.symbol),
        ("base_token", market.base.address),
        ("principal", str(state.principal)),
        ("borrow_index", str(now(state).borrow_index)),
        ("stored_borrow_index", str(market.totals.borrow_index)),
        ("last_accrual", str(market.totals.at)),
        ("is_borrow_collateralized", _said(covers(state, "borrow_factor", market.totals))),
        ("is_liquidatable", _said(_not(covers(state, "liquidate_factor", market.totals)))),
        ("absorbable", _said(_absorbable(state))),
        ("borrow_minimum", str(market.borrow_minimum)),
        ("paused", ", ".join(_paused(market.pause_flags))),
    )


def _absorbable(state: CometState) -> bool | None:
    """Return whether `absorb`, which accrues before it looks, would take the account."""
    if "absorb" in _paused(state.market.pause_flags):
        return False
    return _not(covers(state, "liquidate_factor", accrued(state.market, at=state.at)))


def _warnings(state: CometState) -> Iterator[Notice]:
    market = state.market
    for collateral, amount in zip(market.collaterals, state.balances, strict=True):
        if amount and collateral.price is None:
            yield _unpriced(amount, collateral.asset.decimals, collateral.asset.symbol, collateral.feed)
    if market.base_price is None and state.principal:
        yield _unpriced(balance(state), market.base.decimals, market.base.symbol, market.base_feed)
    if covers(state, "liquidate_factor", market.totals) and _absorbable(state):
        yield Notice(
            "view-behind",
            f"isLiquidatable says no, with interest up to {state.at - market.totals.at} s ago; absorb accrues first, "
            "and would take this account now",
        )
    if paused := _paused(market.pause_flags):
        yield Notice("paused", f"paused in this market: {', '.join(paused)}")


def _unpriced(amount: int, decimals: int, symbol: str, feed: str) -> Notice:
    held = format(to_decimal(amount, decimals).normalize(), "f")
    return Notice("unpriced", f"{held} {symbol} are supplied and in none of the figures: feed {feed} gives no price")


def _paused(flags: int) -> list[str]:
    return [name for bit, name in enumerate(PAUSES) if flags >> bit & 1]


def _not(verdict: bool | None) -> bool | None:  # noqa: FBT001 - the one thing it is about
    return None if verdict is None else not verdict


def _said(verdict: bool | None) -> str:  # noqa: FBT001 - the one thing it is about
    return {True: "true", False: "false", None: "unknown"}[verdict]
