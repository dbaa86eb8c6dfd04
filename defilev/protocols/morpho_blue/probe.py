"""What is asked of a Morpho Blue account while a plan is simulated, and how the answers read.

The contract has no figure for health. Interest is let accrue first, in the same call, and the rest is its arithmetic on
its own totals; where the verdict of `liquidate` is another one, that is an error.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from defilev.abi.wallet import Grant, decode_wallet, wallet_calls
from defilev.errors import CallReverted
from defilev.model.account import LendingAccount, Price
from defilev.model.plan import Plan
from defilev.model.probe import Observed, ProbeCalls
from defilev.model.request import Call, Results
from defilev.model.token import Token, TokenBalance
from defilev.protocols.morpho_blue import calls, decode
from defilev.protocols.morpho_blue.math import borrowed, collateral_value, health_factor, lent
from defilev.protocols.morpho_blue.state import MorphoState
from defilev.units import WAD, Wad

__all__ = ["probe"]

HEALTH_CALLS = 5


def probe(account: LendingAccount, plan: Plan) -> ProbeCalls:
    """Return what to ask while `plan` of `account` is simulated."""
    state: MorphoState = account.state
    tokens = tuple(dict.fromkeys((*state.market.tokens, *plan.tokens)))
    health = _health_calls(state)
    return ProbeCalls(
        health_calls=health,
        decode_health=partial(_decode_health, state),
        calls=(*health, *wallet_calls(state.owner, tokens, plan.grants)),
        decode=partial(_decode, state, tokens, plan.grants),
        tokens=tokens,
        position_tokens=frozenset(),
    )


def _health_calls(state: MorphoState) -> tuple[Call, ...]:
    """Return the questions that `_observed` reads: `HEALTH_CALLS` of them."""
    market, params = state.market, state.market.params
    accrue, totals = calls.accrual_calls(market.morpho, params)
    position = calls.position_calls(market.morpho, market.id, [state.owner])[0]
    price = calls.price_calls(params)[0]
    verdict = calls.verdict_call(market.morpho, params, state.owner)
    return (accrue, totals, position._replace(chained=True), price._replace(chained=True), verdict)


def _observed(state: MorphoState, results: Results) -> MorphoState:
    """Return the state as the contract has it after accruing, at its own time.

    Raises:
        CallReverted: something did not answer, or the contract's verdict is not the one of its own figures.
    """
    _, totals, position, price, verdict = results[:HEALTH_CALLS]
    market = state.market
    stored = decode.decode_totals(market.morpho, market.id, totals)
    value = decode.decode_price(price)
    after = replace(
        state,
        at=stored.last_update,
        totals=stored,
        position=decode.decode_position(position),
        market=replace(market, price=_repriced(market.price, value)),
    )
    health = health_factor(after)
    if health is not None and (health < WAD) != decode.is_liquidatable(verdict):
        raise CallReverted("the contract's verdict is not the one of its own figures", health_factor=health)
    return after


def _repriced(price: Price | None, value: int | None) -> Price | None:
    return None if price is None or value is None else replace(price, value=value)


def _decode_health(state: MorphoState, results: Results) -> Wad | None:
    return _wad(health_factor(_observed(state, results)))


def _decode(state: MorphoState, tokens: tuple[Token, ...], grants: tuple[Grant, ...], results: Results) -> Observed:
    after = _observed(state, results)
    wallet, allowances = decode_wallet(tokens, grants, results[HEALTH_CALLS:])
    loan, collateral = after.market.loan, after.market.collateral
    supplied = [TokenBalance(loan, lent(after))]
    if collateral is not None:
        supplied.append(TokenBalance(collateral, after.position.collateral))
    return Observed(
        health_factor=_wad(health_factor(after)),
        collateral_value=collateral_value(after),
        debt_value=borrowed(after),
        supplied=tuple(supplied),
        owed=(TokenBalance(loan, borrowed(after)),),
        wallet=wallet,
        allowances=allowances,
    )


def _wad(value: int | None) -> Wad | None:
    return None if value is None else Wad(value)
