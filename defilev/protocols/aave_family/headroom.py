"""What caps, ceilings and modes of an Aave v3 market still let an account supply and borrow.

One batch beside the account's own read: caps are in the reserve's configuration, and what counts towards them are
totals that no account needs. Sources: `ValidationLogic.validateSupply`, `ValidationLogic.validateBorrow` and
`IsolationModeLogic` of the release that each `Regime` names.
"""

from __future__ import annotations

from collections.abc import Iterator

from defilev.abi import interface
from defilev.abi.answers import decode_one, decode_optional
from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.headroom import Headroom, Room
from defilev.model.request import Call, CallResult, Read, Results
from defilev.model.token import Token
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.math import effective_loan_to_value, normalized_debt, normalized_income
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveState, Reserve
from defilev.units import RAY, mul_div_up

__all__ = ["read_headroom"]

CAP_ROOM = 10_000
"""One part of a cap in this many is left: the treasury's share and others' interest count towards it meanwhile."""

CEILING_PLACES = 2
"""A debt ceiling is in hundredths of the quote currency, and takes an amount of any token as if it were worth one."""

WORDS = {"accruedToTreasury": 12, "isolationModeTotalDebt": 14}
"""Places in what `getReserveData` returns."""


def read_headroom(account: LendingAccount, *, supply: Token, borrow: Token, at: int) -> Read[Headroom]:
    """Read what may still be supplied of one asset and borrowed of another; see `LeveringProtocol.headroom`."""
    state: AaveState = account.state
    bought, owed = (state.reserves[state.index_of(token.address)] for token in (supply, borrow))
    ceiling = _isolated_collateral(state)
    _require_counted(state, bought, ceiling)
    _require_borrowable(state, owed, ceiling)
    results = yield [*_calls(state, bought), *_calls(state, owed), *([_data(state, ceiling)] if ceiling else [])]
    size = len(_calls(state, bought))
    rooms = [_borrow_cap(state, owed, results[size : 2 * size], at)]
    if ceiling is not None:
        rooms.append(_ceiling(ceiling, owed, results[2 * size]))
    known = [room for room in rooms if room is not None]
    return Headroom(_supply_cap(bought, results[:size], at), min(known, key=lambda room: room.amount, default=None))


def _calls(state: AaveState, reserve: Reserve) -> list[Call]:
    token, rates = interface("aave_v3_scaled_token"), interface("aave_v3_rate_strategy")
    return [
        _data(state, reserve),
        token["scaledTotalSupply"].call(reserve.a_token),
        token["scaledTotalSupply"].call(reserve.variable_debt_token),
        rates["getTotalSupplyAndAvgRate"].call(reserve.stable_debt_token),
    ]


def _data(state: AaveState, reserve: Reserve) -> Call:
    return interface("aave_v3_pool")["getReserveData"].call(state.market.pool, reserve.asset.address)


def _word(result: CallResult, name: str) -> int:
    function = interface("aave_v3_pool")["getReserveData"]
    decode_one(function, result, what="pool")
    return int(function.decode(result.data)[WORDS[name]])


def _total(result: CallResult) -> int:
    return int(decode_one(interface("aave_v3_scaled_token")["scaledTotalSupply"], result, what="token"))


def _supply_cap(reserve: Reserve, answers: Results, at: int) -> Room | None:
    cap = bitmap.supply_cap(reserve.configuration) * 10**reserve.asset.decimals
    scaled = _total(answers[1]) + _word(answers[0], "accruedToTreasury")
    supplied = mul_div_up(scaled, normalized_income(reserve, at=at), RAY)
    return _room(cap, supplied, f"the supply cap of {reserve.asset.symbol}")


def _borrow_cap(state: AaveState, reserve: Reserve, answers: Results, at: int) -> Room | None:
    regime = REGIMES[state.market.regime]
    cap = bitmap.borrow_cap(reserve.configuration) * 10**reserve.asset.decimals
    borrowed = mul_div_up(_total(answers[2]), normalized_debt(regime, reserve, at=at), RAY)
    if regime.stable_debt:
        found = decode_optional(interface("aave_v3_rate_strategy")["getTotalSupplyAndAvgRate"], answers[3])
        borrowed += found[0] if found else 0
    return _room(cap, borrowed, f"the borrow cap of {reserve.asset.symbol}")


def _room(cap: int, used: int, limit: str) -> Room | None:
    return Room(max(cap - cap // CAP_ROOM - used, 0), limit) if cap else None


def _ceiling(isolated: Reserve, borrowed: Reserve, answer: CallResult) -> Room:
    left = bitmap.debt_ceiling(isolated.configuration) - _word(answer, "isolationModeTotalDebt")
    unit = 10 ** max(borrowed.asset.decimals - CEILING_PLACES, 0)
    return Room(max(left, 0) * unit, f"the debt ceiling of {isolated.asset.symbol}")


def _isolated_collateral(state: AaveState) -> Reserve | None:
    """Return the collateral that puts the account into isolation mode, `None` outside of it and from 3.7."""
    if not REGIMES[state.market.regime].isolates:
        return None
    enabled = [each for each in state.reserves if bitmap.is_collateral(state.user_configuration, each.id)]
    return enabled[0] if len(enabled) == 1 and bitmap.debt_ceiling(enabled[0].configuration) else None


def _require_counted(state: AaveState, bought: Reserve, ceiling: Reserve | None) -> None:
    """Refuse collateral that nothing can be borrowed against, or that would lie idle."""
    regime, symbol = REGIMES[state.market.regime], bought.asset.symbol
    if not effective_loan_to_value(regime, state.e_mode, bought):
        raise Infeasible(
            f"nothing can be borrowed against {symbol}: its loan-to-value is zero", fix="choose another --buy"
        )
    if bitmap.is_collateral(state.user_configuration, bought.id):
        return
    held = state.positions[state.index_of(bought.asset.address)].scaled_supply
    if held:
        raise Infeasible(
            f"what is supplied of {symbol} is not used as collateral, and more of it would not be either",
            fix=f"enable {symbol} as collateral in the market's own app, or choose another --buy",
        )
    if ceiling or (regime.isolates and bitmap.debt_ceiling(bought.configuration)):
        isolated = ceiling or bought
        raise Infeasible(
            f"{symbol} would not count as collateral: {isolated.asset.symbol} is isolated collateral",
            fix="choose the --buy that the account has",
        )


def _require_borrowable(state: AaveState, borrowed: Reserve, ceiling: Reserve | None) -> None:
    """Refuse what isolation mode or siloed borrowing forbid; flags of the reserve alone are for `apply`."""
    if not REGIMES[state.market.regime].isolates:
        return
    if ceiling is not None and not bitmap.borrowable_in_isolation(borrowed.configuration):
        raise Infeasible(
            f"{borrowed.asset.symbol} cannot be borrowed against {ceiling.asset.symbol}, which is isolated collateral",
            fix="choose another --borrow",
        )
    for other in _owed_beside(state, borrowed):
        for siloed in (other, borrowed):
            if bitmap.is_siloed(siloed.configuration):
                raise Infeasible(
                    f"{borrowed.asset.symbol} cannot be borrowed beside {other.asset.symbol}: "
                    f"{siloed.asset.symbol} is siloed",
                    fix=f"choose --borrow {other.asset.symbol}",
                )


def _owed_beside(state: AaveState, borrowed: Reserve) -> Iterator[Reserve]:
    for reserve in state.reserves:
        if reserve.id != borrowed.id and bitmap.is_borrowing(state.user_configuration, reserve.id):
            yield reserve
