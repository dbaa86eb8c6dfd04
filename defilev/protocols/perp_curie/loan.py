"""A Perp v2 account as the loan that it is: what plans, policies and executions act on.

A long holds the base and owes the quote that it was bought for; a short holds the quote and owes the base. Neither
value is negative: funding that is received counts as collateral, cash that is owed as debt. Health is that of
`PerpAccount`, with the maintenance margin on the side of what is owed.
"""

from __future__ import annotations

from collections.abc import Iterator

from defilev.model.account import Leg, LendingAccount, Price, SelfCheck
from defilev.model.perp import PerpAccount
from defilev.model.token import Token
from defilev.protocols.perp_curie import math
from defilev.protocols.perp_curie.account import PROTOCOL, account_from_state
from defilev.protocols.perp_curie.state import QUOTE_DECIMALS, RATIO, CurieState
from defilev.units import WAD, Bps, Ray

__all__ = ["PREDICTED", "loan_of", "predicted", "quote_token"]

PREDICTED = SelfCheck("unchecked", "a state that is predicted")
WHOLE = Bps(10_000)
BPS_OF_RATIO = RATIO // WHOLE


def predicted(state: CurieState) -> LendingAccount:
    """Return the loan that a predicted state describes."""
    return loan_of(account_from_state(state, self_check=PREDICTED))


def quote_token(state: CurieState) -> Token:
    """Return the virtual dollar that markets count in."""
    return Token(state.contracts.quote_token, "vUSD", QUOTE_DECIMALS)


def loan_of(account: PerpAccount) -> LendingAccount:
    """Return the loan that `account` is."""
    state: CurieState = account.state
    debt = account.requirement - account.maintenance_margin
    moved = max(-math.cash(state), 0) + max(-math.all_funding(state), 0)
    return LendingAccount(
        chain_id=account.chain_id,
        block=account.block,
        protocol=PROTOCOL,
        market=account.market,
        owner=account.owner,
        quote_decimals=QUOTE_DECIMALS,
        collateral_value=account.capacity + moved,
        debt_value=debt + moved,
        available_borrows=0,
        liquidation_threshold=None,
        loan_to_value=None,
        health_factor=account.health_factor if account.legs else None,
        contract_health_factor=None,
        self_check=account.self_check,
        legs=tuple(_legs(state)),
        details=account.details,
        warnings=account.warnings,
        state=state,
        deployment=account.deployment,
    )


def _legs(state: CurieState) -> Iterator[Leg]:
    at, contracts = state.block.timestamp, state.contracts
    dollar = Price(WAD, QUOTE_DECIMALS, contracts.vault, contracts.vault, at)
    cash, decimals = math.cash(state), state.settlement.decimals
    if cash > 0:
        amount = math.cut_to_settlement(cash, decimals=decimals)
        yield _supply(state.settlement, amount, dollar, cash)
    for pledged in state.collateral:
        price = Price(pledged.price, pledged.price_decimals, pledged.price_feed, pledged.price_feed)
        threshold = Bps(pledged.ratio // BPS_OF_RATIO)
        yield _supply(pledged.token, pledged.amount, price, math.collateral_worth(pledged), threshold)
    entered = [math.notional(each) for each in state.positions]
    if held := sum(max(each, 0) for each in entered):
        yield _supply(quote_token(state), held, dollar, held)
    for each in state.positions:
        market, size, value = each.market, math.size(each), math.position_value(each)
        price = Price(math.reference_price(market), QUOTE_DECIMALS, market.token.address, market.price_feed, at)
        if size > 0:
            yield _supply(market.token, size, price, value)
        elif size < 0:
            yield Leg("borrow", market.token, -size, price, -value, Ray(0))
    if owed := sum(max(-each, 0) for each in entered):
        yield Leg("borrow", quote_token(state), owed, dollar, owed, Ray(0))
    if cash < 0:
        yield Leg("borrow", state.settlement, -math.cut_to_settlement(cash, decimals=decimals), dollar, -cash, Ray(0))


def _supply(token: Token, amount: int, price: Price, value: int, threshold: Bps = WHOLE) -> Leg:
    return Leg("supply", token, amount, price, value, Ray(0), threshold, None, used_as_collateral=True)
