"""What to ask of an Aave v3 account while a plan is simulated; only getters that kept their shape from 3.0 to 3.7."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from defilev.abi import Function, interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.wallet import decode_wallet, wallet_calls
from defilev.errors import CallReverted
from defilev.model.account import LendingAccount
from defilev.model.mover import mover_of
from defilev.model.plan import Plan
from defilev.model.probe import Observed, ProbeCalls
from defilev.model.request import Address, Call, CallResult, Results
from defilev.model.token import Token, TokenBalance
from defilev.protocols.aave_family.state import AaveState, Reserve
from defilev.units import UINT256_MAX, Wad

__all__ = ["probe"]


@dataclass(frozen=True, slots=True)
class _Questions:
    """Whom and what to ask about: reserves that the account or the plan touches, the actor's tokens and allowances."""

    owner: Address
    actor: Address
    pool: Address
    reserves: tuple[Reserve, ...]
    wallet: tuple[Token, ...]
    allowances: tuple[tuple[Token, Address], ...]


def probe(account: LendingAccount, plan: Plan) -> ProbeCalls:
    """Return what to ask while `plan` of `account` is simulated."""
    state: AaveState = account.state
    planned = plan.tokens
    addresses = {token.address for token in planned} | {leg.asset.address for leg in account.legs}
    reserves = tuple(reserve for reserve in state.reserves if reserve.asset.address in addresses)
    known = {reserve.asset.address: reserve.asset for reserve in state.reserves} | {
        token.address: token for token in planned
    }
    wallet = tuple(token for address, token in known.items() if address in addresses)
    questions = _Questions(account.owner, mover_of(plan), state.market.pool, reserves, wallet, plan.grants)
    health = _health_call(questions)
    return ProbeCalls(
        health_calls=(health,),
        decode_health=_decode_health,
        calls=(health, _e_mode().call(questions.pool, questions.owner), *_balance_calls(questions)),
        decode=partial(_decode, questions),
        tokens=tuple(known.values()),
        position_tokens=frozenset(token for reserve in state.reserves for token in _position_tokens(reserve)),
    )


def _position_tokens(reserve: Reserve) -> list[Address]:
    return [reserve.a_token, *_debt_tokens(reserve)]


def _debt_tokens(reserve: Reserve) -> list[Address]:
    """The reserve's debt tokens; there is a stable one up to 3.1."""
    stable = reserve.stable_debt_token
    return [reserve.variable_debt_token, *([] if stable == ZERO_ADDRESS else [stable])]


def _health_call(questions: _Questions) -> Call:
    return _account_data().call(questions.pool, questions.owner)


def _balance_calls(questions: _Questions) -> Iterator[Call]:
    """Yield balances of the position, then what the wallet holds and has granted: the order that `_decode` reads."""
    balance_of = interface("erc20")["balanceOf"]
    for reserve in questions.reserves:
        for token in _position_tokens(reserve):
            yield balance_of.call(token, questions.owner)
    yield from wallet_calls(questions.actor, questions.wallet, questions.allowances)


def _decode_health(results: Results) -> Wad | None:
    health_factor = _values(_account_data(), results[0])[5]
    return None if health_factor == UINT256_MAX else Wad(health_factor)


def _decode(questions: _Questions, results: Results) -> Observed:
    data = _values(_account_data(), results[0])
    position_calls = sum(len(_position_tokens(reserve)) for reserve in questions.reserves)
    amounts = iter(_amounts(results[2 : 2 + position_calls]))
    wallet, allowances = decode_wallet(questions.wallet, questions.allowances, results[2 + position_calls :])
    supplied: list[TokenBalance] = []
    owed: list[TokenBalance] = []
    for reserve in questions.reserves:
        supplied.append(TokenBalance(reserve.asset, next(amounts)))
        owed.append(TokenBalance(reserve.asset, sum(next(amounts) for _ in _debt_tokens(reserve))))
    return Observed(
        health_factor=_decode_health(results),
        collateral_value=data[0],
        debt_value=data[1],
        supplied=tuple(supplied),
        owed=tuple(owed),
        wallet=wallet,
        allowances=allowances,
        e_mode=_values(_e_mode(), results[1])[0],
    )


def _amounts(results: Sequence[CallResult]) -> list[int]:
    balance_of = interface("erc20")["balanceOf"]
    return [_values(balance_of, result)[0] for result in results]


def _account_data() -> Function:
    return interface("aave_v3_pool")["getUserAccountData"]


def _e_mode() -> Function:
    return interface("aave_v3_pool")["getUserEMode"]


def _values(function: Function, result: CallResult) -> tuple[Any, ...]:
    try:
        if result.success:
            return function.decode(result.data)
    except ValueError:
        pass
    raise CallReverted(f"{function.name} did not answer during the simulation", data="0x" + result.data.hex())
