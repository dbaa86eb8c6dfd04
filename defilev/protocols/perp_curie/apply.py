"""What a trade, a deposit and a withdrawal make of an account, as the contracts would; refusals are theirs."""

from __future__ import annotations

from dataclasses import replace

from defilev.errors import Infeasible
from defilev.model.plan import Action, Approve, Reduce, Supply, Withdraw
from defilev.model.request import Address
from defilev.protocols.perp_curie import math
from defilev.protocols.perp_curie.state import CurieState, Position
from defilev.units import WAD

__all__ = ["apply_action", "position_in"]


def apply_action(state: CurieState, action: Action) -> CurieState:
    """Return the state right after `action`, with funding as it is pending now and every fill at its limit.

    Raises:
        Infeasible: the contract would revert, with its own reason.
    """
    match action:
        case Reduce():
            return _reduced(state, action)
        case Supply(_, amount):
            return replace(state, balance=state.balance + amount)
        case Withdraw(asset, None):
            return _withdrawn(state, asset.address)
        case Approve():
            return state
        case _:
            raise TypeError(f"Perp v2 knows no {action.kind}")


def position_in(state: CurieState, token: Address) -> Position:
    """Return the owner's position in the market of a base token; raises `Infeasible` without one."""
    for position in state.positions:
        if position.market.token.address == token and math.size(position):
            return position
    raise Infeasible("the account has no position in that market", fix="look at it with `defilev health`", market=token)


def _reduced(state: CurieState, action: Reduce) -> CurieState:
    """Return the state after `Exchange.swap` and `ClearingHouse._settleBalanceAndDeregister`."""
    position = position_in(state, action.asset.address)
    before, held = position.taker_size, abs(position.taker_size)
    amount = held if action.amount is None else action.amount
    if (before > 0) != (action.side == "long") or amount > held:
        raise Infeasible("the position is no longer what the plan reduces", fix="make a new plan", size=before)
    base, quote = (-amount, action.quote_limit) if before > 0 else (amount, -action.quote_limit)
    part = amount * WAD // held
    closed = math.mul_div(position.taker_notional, part, WAD)
    left = replace(position, taker_size=before + base, taker_notional=position.taker_notional - closed, funding=0)
    is_gone = abs(left.taker_size) < math.DUST and abs(left.taker_notional) < math.DUST
    positions = [left if each is position else each for each in state.positions if each is not position or not is_gone]
    after = replace(state, positions=tuple(positions), owed_pnl=state.owed_pnl + quote + closed - position.funding)
    if math.free_collateral_by_ratio(after, state.rules.maintenance_ratio) < 0:
        raise Infeasible(
            "CH_NEFCM: after the trade too little margin would be left for what remains",
            fix="add margin first, with --via margin",
            account_value=math.account_value(after),
        )
    return after


def _withdrawn(state: CurieState, token: Address) -> CurieState:
    """Return the state after `Vault.withdrawAll` of an account without positions."""
    if state.positions:
        raise Infeasible("margin is withdrawn once every position is closed", fix="close with --close")
    if token == state.settlement.address:
        return replace(state, balance=0, owed_pnl=0) if math.cash(state) >= 0 else state
    return replace(state, collateral=tuple(each for each in state.collateral if each.token.address != token))
