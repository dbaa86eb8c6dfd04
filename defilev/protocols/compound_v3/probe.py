"""What to ask of a Compound v3 account while a plan is simulated, and its health from the answers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from defilev.abi import interface
from defilev.abi.answers import decode_one
from defilev.abi.wallet import decode_wallet, wallet_calls
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan
from defilev.model.probe import Observed, ProbeCalls
from defilev.model.request import Address, Call, Results
from defilev.model.token import Token, TokenBalance
from defilev.protocols.compound_v3.state import Collateral, CometMarket, CometState
from defilev.units import WAD, Wad

__all__ = ["probe"]

_BASE_CALLS = 3


@dataclass(frozen=True, slots=True)
class _Questions:
    """Whom and what to ask about: collaterals that are held or planned, wallet tokens, allowances."""

    owner: Address
    market: CometMarket
    collaterals: tuple[Collateral, ...]
    wallet: tuple[Token, ...]
    allowances: tuple[tuple[Token, Address], ...]


@dataclass(frozen=True, slots=True)
class _Figures:
    """Base units of the base asset supplied and owed, values of both sides, and the amounts of the collaterals."""

    health_factor: Wad | None
    supplied: int
    owed: int
    collateral_value: int
    debt_value: int
    amounts: tuple[int, ...]


def probe(account: LendingAccount, plan: Plan) -> ProbeCalls:
    """Return what to ask while `plan` of `account` is simulated."""
    state: CometState = account.state
    market = state.market
    planned = plan.tokens
    touched = {token.address for token in planned} | {leg.asset.address for leg in account.legs}
    collaterals = tuple(each for each in market.collaterals if each.asset.address in touched)
    known = {token.address: token for token in (market.base, *(each.asset for each in market.collaterals), *planned)}
    wallet = tuple(token for address, token in known.items() if address in touched)
    questions = _Questions(account.owner, market, collaterals, wallet, plan.grants)
    position = _position_calls(questions)
    return ProbeCalls(
        health_calls=position,
        decode_health=lambda results: _figures(questions, results).health_factor,
        calls=(*position, *wallet_calls(questions.owner, questions.wallet, questions.allowances)),
        decode=partial(_decode, questions),
        tokens=tuple(known.values()),
        position_tokens=frozenset({market.comet}),
    )


def _position_calls(questions: _Questions) -> tuple[Call, ...]:
    """Ask for the base position and its price, then for each collateral and its price: the order of `_figures`."""
    functions, market, owner = interface("comet"), questions.market, questions.owner
    calls = [
        functions["balanceOf"].call(market.comet, owner),
        functions["borrowBalanceOf"].call(market.comet, owner),
        functions["getPrice"].call(market.comet, market.base_feed),
    ]
    for collateral in questions.collaterals:
        calls.append(functions["userCollateral"].call(market.comet, owner, collateral.asset.address))
        calls.append(functions["getPrice"].call(market.comet, collateral.feed))
    return tuple(calls)


def _figures(questions: _Questions, results: Results) -> _Figures:
    functions, market = interface("comet"), questions.market
    supplied, owed, base_price = (
        decode_one(functions[name], result, what="Comet")
        for name, result in zip(("balanceOf", "borrowBalanceOf", "getPrice"), results, strict=False)
    )
    debt = owed * base_price // 10**market.base.decimals
    amounts, value, capacity = [], 0, 0
    for place, collateral in enumerate(questions.collaterals):
        held, price = results[_BASE_CALLS + 2 * place : _BASE_CALLS + 2 * place + 2]
        amounts.append(decode_one(functions["userCollateral"], held, what="Comet"))
        worth = amounts[-1] * decode_one(functions["getPrice"], price, what="Comet") // collateral.scale
        value += worth
        capacity += worth * collateral.liquidate_factor // WAD
    health = Wad(capacity * WAD // debt) if debt else None
    return _Figures(health, supplied, owed, value, debt, tuple(amounts))


def _decode(questions: _Questions, results: Results) -> Observed:
    asked = _BASE_CALLS + 2 * len(questions.collaterals)
    figures = _figures(questions, results[:asked])
    wallet, allowances = decode_wallet(questions.wallet, questions.allowances, results[asked:])
    collaterals = zip(questions.collaterals, figures.amounts, strict=True)
    base = questions.market.base
    return Observed(
        health_factor=figures.health_factor,
        collateral_value=figures.collateral_value,
        debt_value=figures.debt_value,
        supplied=(
            TokenBalance(base, figures.supplied),
            *(TokenBalance(each.asset, held) for each, held in collaterals),
        ),
        owed=(TokenBalance(base, figures.owed),),
        wallet=wallet,
        allowances=allowances,
    )
