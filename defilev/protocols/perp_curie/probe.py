"""What is asked of a Perp v2 account while a plan is simulated: all that a read asks, and how the answers read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from defilev.abi.wallet import Grant, decode_wallet, wallet_calls
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan, Reduce
from defilev.model.probe import Observed, ProbeCalls
from defilev.model.request import Address, Call, Results
from defilev.model.token import Token, TokenBalance
from defilev.protocols.perp_curie import calls, decode
from defilev.protocols.perp_curie.account import account_from_state
from defilev.protocols.perp_curie.check import EXACT_CHECK, checked
from defilev.protocols.perp_curie.loan import loan_of
from defilev.protocols.perp_curie.state import CurieState
from defilev.units import Wad

__all__ = ["probe"]


def probe(account: LendingAccount, plan: Plan) -> ProbeCalls:
    """Return what to ask while `plan` of `account` is simulated: the markets that the owner is in, and the plan's."""
    state: CurieState = account.state
    traded = dict.fromkeys((*_markets(state), *_traded(plan)))
    markets = tuple(token.address for token in traded)
    held = tuple(each.token for each in state.collateral)
    tokens = tuple(dict.fromkeys((state.settlement, *held, *_wallet_tokens(plan, state))))
    asked = tuple(_calls(state, markets))
    return ProbeCalls(
        health_calls=asked,
        decode_health=lambda results: _loan(state, markets, results)[0].health_factor,
        calls=(*asked, *wallet_calls(plan.actor, tokens, plan.grants)),
        decode=partial(_decode, state, tuple(traded), tokens, plan.grants),
        tokens=tokens,
        position_tokens=frozenset((*markets, state.contracts.quote_token)),
    )


def _wallet_tokens(plan: Plan, state: CurieState) -> Iterator[Token]:
    """Yield the tokens that the plan names and a wallet may hold: virtual ones are in none."""
    virtual = {state.contracts.quote_token, *(token.address for token in (*_markets(state), *_traded(plan)))}
    yield from (token for token in plan.tokens if token.address not in virtual)


def _traded(plan: Plan) -> Iterator[Token]:
    """Yield the markets of a plan's trades: a position that is gone is looked at all the same."""
    yield from (action.asset for step in plan.steps for action in step.actions if isinstance(action, Reduce))


def _calls(state: CurieState, markets: tuple[Address, ...]) -> Iterator[Call]:
    contracts, rules = state.contracts, state.rules
    yield from calls.owner_calls(contracts, rules, state.owner)
    for market in markets:
        yield from calls.market_calls(contracts, rules, market)
        yield from calls.position_calls(contracts, state.owner, market)
    for each in state.collateral:
        yield from calls.collateral_calls(contracts, each.token.address)
        yield from calls.held_calls(contracts, state.owner, each.token.address)


def _loan(
    state: CurieState, markets: tuple[Address, ...], results: Results
) -> tuple[LendingAccount, Wad | None, Results]:
    """Return the loan and the margin ratio that the contracts describe, each figure checked, and the results left."""
    answers = iter(results)

    def take(count: int) -> Results:
        return [next(answers) for _ in range(count)]

    figures = decode.decode_figures(take(calls.OWNER_CALLS))
    read = []
    for market in markets:
        described = decode.decode_market(market, take(calls.MARKET_CALLS))
        read.append(decode.decode_position(described, take(calls.POSITION_CALLS)))
    held = []
    for each in state.collateral:
        asked = take(calls.COLLATERAL_CALLS)
        held.append(decode.decode_collateral(each.token.address, asked, *take(calls.HELD_CALLS)))
    after = replace(
        state,
        balance=figures.balance,
        owed_pnl=figures.owed_pnl,
        positions=tuple(each.position for each in read),
        collateral=tuple(each for each in held if each.amount),
        has_orders=figures.has_orders,
        is_collateral_liquidatable=figures.is_collateral_liquidatable,
    )
    perp = account_from_state(checked(after, figures, read), self_check=EXACT_CHECK)
    return loan_of(perp), perp.margin_ratio, list(answers)


def _decode(
    state: CurieState,
    traded: tuple[Token, ...],
    tokens: tuple[Token, ...],
    grants: tuple[Grant, ...],
    results: Results,
) -> Observed:
    loan, ratio, rest = _loan(state, tuple(token.address for token in traded), results)
    wallet, allowances = decode_wallet(tokens, grants, rest)
    return Observed(
        health_factor=loan.health_factor,
        collateral_value=loan.collateral_value,
        debt_value=loan.debt_value,
        supplied=_amounts(traded, loan, "supply"),
        owed=_amounts(traded, loan, "borrow"),
        wallet=wallet,
        allowances=allowances,
        margin_ratio=ratio,
    )


def _amounts(traded: tuple[Token, ...], loan: LendingAccount, side: str) -> tuple[TokenBalance, ...]:
    """Return what the account has on a side, with a zero for each market that it has nothing in."""
    found = {leg.asset: leg.amount for leg in loan.legs if leg.side == side}
    return tuple(TokenBalance(token, found.get(token, 0)) for token in dict.fromkeys((*found, *traded)))


def _markets(state: CurieState) -> tuple[Token, ...]:
    return tuple(each.market.token for each in state.positions)
