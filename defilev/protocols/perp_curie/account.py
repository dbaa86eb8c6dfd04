"""A Perp v2 account as the account that everybody else understands: one margin, one leg for each market."""

from __future__ import annotations

from collections.abc import Iterator

from defilev.model.account import Notice, Price, SelfCheck
from defilev.model.perp import Fee, Margin, PerpAccount, PerpLeg
from defilev.protocols.perp_curie import math
from defilev.protocols.perp_curie.state import QUOTE_DECIMALS, RATIO, Collateral, CurieState, Position
from defilev.units import WAD, Ray, to_decimal

__all__ = ["PROTOCOL", "account_from_state"]

PROTOCOL = "perp-curie"


def account_from_state(state: CurieState, *, self_check: SelfCheck) -> PerpAccount:
    """Return the account that `state` describes.

    Margin of the settlement token is what was deposited, realised and earned by orders, its amount rounded down; of
    collateral the value is what counts of it. Pending funding is a fee, negative when it is received. So equity is the
    account value before it is cut to the settlement token's decimals.
    """
    return PerpAccount(
        chain_id=state.chain_id,
        block=state.block,
        protocol=PROTOCOL,
        market=state.deployment,
        owner=state.owner,
        quote_decimals=QUOTE_DECIMALS,
        margin=tuple(_margin(state)),
        legs=tuple(_leg(state, each) for each in state.positions if math.size(each)),
        fees=tuple(_fees(state)),
        price_impact=0,
        maintenance_margin=math.margin_requirement(state),
        is_liquidatable=math.is_liquidatable(state),
        self_check=self_check,
        details=tuple(_details(state)),
        warnings=tuple(_warnings(state)),
        state=state,
        deployment=state.deployment,
    )


def _margin(state: CurieState) -> Iterator[Margin]:
    token, value = state.settlement, math.cash(state)
    if value:
        vault = state.contracts.vault  # it takes the token for a dollar
        unit = Price(WAD, QUOTE_DECIMALS, vault, vault, state.block.timestamp)
        yield Margin(token, math.cut_to_settlement(value, decimals=token.decimals), unit, value)
    for held in state.collateral:
        yield Margin(held.token, held.amount, _collateral_price(held), math.collateral_value(held))


def _collateral_price(held: Collateral) -> Price:
    return Price(held.price, held.price_decimals, held.price_feed, held.price_feed)


def _leg(state: CurieState, position: Position) -> PerpLeg:
    held, entered, market = math.size(position), math.notional(position), position.market
    at = state.block.timestamp if market.status == "open" else None
    mark = Price(math.reference_price(market), QUOTE_DECIMALS, market.token.address, market.price_feed, at)
    return PerpLeg(
        side="long" if held > 0 else "short",
        index=market.token,
        size=-entered if held > 0 else entered,
        size_in_tokens=abs(held),
        entry_price=math.entry_price(position),
        mark=mark,
        unrealized_pnl=math.position_value(position) + entered,
        liquidation_price=math.liquidation_price(state, position),
        funding_rate=math.funding_rate(state, position),
        borrow_rate=Ray(0),
    )


def _fees(state: CurieState) -> Iterator[Fee]:
    unit = math.unit_of(state.settlement.decimals)
    left = sum(math.position_value(each) + math.notional(each) for each in state.positions if not math.size(each))
    amounts = (("funding", math.all_funding(state)), ("unsettled-quote", -left))
    yield from (Fee(name, -(-value // unit), value) for name, value in amounts if value)


def _details(state: CurieState) -> Iterator[tuple[str, str]]:
    contracts, decimals = state.contracts, state.settlement.decimals
    value = math.account_value(state)
    yield "clearing_house", contracts.clearing_house
    yield "vault", contracts.vault
    yield "account_value", str(math.cut_to_settlement(value, decimals=decimals))
    yield "balance", str(state.balance)
    yield "earned_by_orders", str(math.pending_fees(state))
    yield "free_collateral", str(math.free_collateral(state))
    yield "margin_requirement", str(math.margin_requirement(state))
    yield "total_debt_value", str(math.debt_value(state))
    yield "absolute_position_value", str(math.absolute_value(state))
    yield "pending_funding", str(math.all_funding(state))
    yield "owed_realized_pnl", str(state.owed_pnl)
    yield "initial_margin_ratio", str(state.rules.initial_ratio)
    yield "maintenance_margin_ratio", str(state.rules.maintenance_ratio)
    yield "has_orders", _word(yes=state.has_orders)
    yield "collateral_liquidatable", _word(yes=state.is_collateral_liquidatable)
    for each in state.positions:
        symbol = each.market.token.symbol
        yield f"{symbol}_status", each.market.status
        yield f"{symbol}_index_price", str(each.market.index_price)
        yield f"{symbol}_open_notional", str(math.notional(each))
        yield f"{symbol}_pending_funding", str(each.funding)


def _word(*, yes: bool) -> str:
    return "true" if yes else "false"


def _warnings(state: CurieState) -> Iterator[Notice]:
    for each in state.positions:
        name = each.market.token.symbol
        if each.market.status == "paused":
            yield Notice(
                "market-paused", f"{name} is paused: it can neither be traded nor liquidated, at a frozen price"
            )
        if each.market.status == "closed":
            yield Notice("market-closed", f"{name} is closed for good: quitMarket() settles it at its closing price")
    if state.has_orders:
        yield Notice(
            "open-orders", "liquidity is provided: size and notional follow the price, and orders are cancelled first"
        )
    if state.is_collateral_liquidatable:
        yield Notice("collateral-liquidatable", "collateral may be sold to repay the debt in the settlement token")
    value = math.account_value(state)
    if value < 0:
        lost = to_decimal(-value, QUOTE_DECIMALS)
        yield Notice("under-water", f"losses exceed the margin by {lost:.2f} USD")
    for held in state.collateral:
        share = to_decimal(held.ratio * 100, len(str(RATIO)) - 1)
        yield Notice("collateral-weighed", f"of {held.token.symbol} {share:.4g} % of the value counts as margin")
