"""The exits of accounts that were read: what the wallets hold, what the pools take, and the ladder that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import floor
from typing import TypeAlias

from defilev.abi.wallet import decode_wallet, wallet_calls
from defilev.config.settings import Settings
from defilev.model.account import LendingAccount, Notice
from defilev.model.exits import Exit, ExitLadder, ExitQuestion, ExitWay, NoReturn
from defilev.model.exposure import Exposure
from defilev.model.request import Address, Read
from defilev.model.token import Token, TokenBalance
from defilev.observe.drive import drive
from defilev.optimize.exits import exit_ladder
from defilev.pipeline.everywhere import Reading
from defilev.pipeline.exposing import exposure_of
from defilev.pipeline.session import Session
from defilev.pipeline.surroundings import depth_of
from defilev.plan.inputs import MAX_ROUNDS
from defilev.plan.refusals import SMALLEST_RISE
from defilev.protocols import PROTOCOLS
from defilev.units import WAD, to_decimal

__all__ = ["Place", "exit_notices", "ladders_of", "place_of"]

FLASH_FEE = 0.0005
"""What Aave asks for a loan within one transaction unless its governance says otherwise; other lenders ask less."""

_WAYS: Mapping[ExitWay, str] = {
    "repay": "repaying from the wallet",
    "add": "adding collateral from the wallet",
    "sell": "selling",
    "sell-part": "selling in part",
    "liquidation": "no liquidation",
}

Place: TypeAlias = tuple[int, str, str, Address]
"""Chain id, protocol, market and owner of an account."""


def place_of(account: LendingAccount) -> Place:
    """Return which account it is, whenever it was read."""
    return account.chain_id, account.protocol, account.market, account.owner


def ladders_of(readings: Sequence[Reading]) -> dict[Place, ExitLadder]:
    """Return the exits of every loan that was read and that a move can liquidate, on its way to `status.danger`.

    Raises:
        CallReverted: a token or the venue does not answer.
        RpcError: the node does not answer.
    """
    found: dict[Place, ExitLadder] = {}
    for reading in readings:
        for account, exposure in zip(reading.accounts, reading.exposures, strict=True):
            if (ladder := _ladder(reading.session, account, exposure)) is not None:
                found[place_of(account)] = ladder
    return found


def exit_notices(
    settings: Settings, account: LendingAccount, balances: Sequence[TokenBalance], *, slippage: Decimal
) -> tuple[Notice, ...]:
    """Return until which move the exits of an account stay open, in a sentence for a plan; pools are not asked.

    Nothing when no move liquidates it.

    Args:
        settings: say what is a stablecoin, where DANGER begins, and the floor.
        account: as it was read.
        balances: what the wallet holds.
        slippage: what the plan's sales may lose.
    """
    question = _question(settings, account, balances, slippage=slippage)
    ladder = exit_ladder(exposure_of(account, settings=settings), question, bonus=_bonus(account))
    return () if ladder is None else (Notice("exits", _sentence(ladder)),)


def _sentence(ladder: ExitLadder) -> str:
    """Return each way once, of several collaterals the one that lasts longest; what the wallet lacks is left out."""
    verb = "rise" if ladder.axis.kind == "rise" else "fall"
    ends = [
        f"{words} {_until(max(found, key=lambda each: -1.0 if each.shock is None else each.shock))}"
        for way, words in _WAYS.items()
        if (found := [each for each in ladder.exits if each.way == way and each.value != 0])
    ]
    last = _until(max(ladder.no_return, key=lambda each: -1.0 if each.shock is None else each.shock))
    return f"should {ladder.axis.name} {verb}: {', '.join(ends)}, a sale in one transaction helps {last}"


def _until(at: Exit | NoReturn) -> str:
    if at.shock is None:
        return "not even now"
    return "always" if at.is_endless else f"until {floor(at.shock * 1000) / 10:.1f}%"


def _ladder(session: Session, account: LendingAccount, exposure: Exposure) -> ExitLadder | None:
    if account.health_factor is None:
        return None
    tokens = tuple(dict.fromkeys(leg.asset for leg in account.legs))
    balances = drive(_read_balances(account.owner, tokens), session.fetch)
    settings = session.settings
    question = _question(settings, account, balances, slippage=settings.max_slippage)
    depth = depth_of(session, account, exposure)
    session.reader.verify()
    return exit_ladder(exposure, question, bonus=_bonus(account), depth=depth)


def _read_balances(owner: Address, tokens: Sequence[Token]) -> Read[tuple[TokenBalance, ...]]:
    balances, _ = decode_wallet(tokens, (), (yield wallet_calls(owner, tokens, ())))
    return balances


def _question(
    settings: Settings, account: LendingAccount, balances: Sequence[TokenBalance], *, slippage: Decimal
) -> ExitQuestion:
    prices = {leg.asset.address: to_decimal(leg.price.value, leg.price.decimals) for leg in account.legs}
    return ExitQuestion(
        goal=float(max(settings.status.danger, settings.floor)),
        floor=float(settings.floor),
        slippage=float(slippage),
        flash_fee=FLASH_FEE,
        rounds=MAX_ROUNDS,
        least_rise=SMALLEST_RISE / WAD,
        wallet=tuple(
            (held.token.address, float(to_decimal(held.amount, held.token.decimals) * prices[held.token.address]))
            for held in balances
            if held.amount and held.token.address in prices
        ),
    )


def _bonus(account: LendingAccount) -> float | None:
    penalty = PROTOCOLS[account.protocol].penalty(account)
    return None if penalty is None else float(penalty.bonus)
