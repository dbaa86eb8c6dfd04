"""Reads what payers hold, all of them together, and tells what they lack."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.abi.interface import interface
from defilev.abi.wallet import decode_wallet, wallet_calls
from defilev.errors import DataError
from defilev.guard.reading import Reading
from defilev.guard.reserve import Funds, margin_state, reserve_alerts, reserve_state
from defilev.model.guard import Alert
from defilev.model.guard_rules import AccountRule
from defilev.model.request import Address, Read
from defilev.model.token import Token
from defilev.observe.drive import drive_each
from defilev.pipeline.exposing import exposure_of
from defilev.pipeline.session import Session
from defilev.protocols import PERPS_AS_LOANS

__all__ = ["reserves_of"]


def reserves_of(
    session: Session, asked: Sequence[tuple[AccountRule, Reading]]
) -> dict[str, tuple[Alert, ...] | DataError]:
    """Return by account what its reserve lacks at the session's block, or why that could not be read.

    Args:
        asked: rules with the authority `reserve`, each with its reading.
    """
    reads = [_read_funds(session, rule.payer, _payable(reading)) for rule, reading in asked if rule.payer is not None]
    found = drive_each(reads, session.fetch)
    return {
        rule.name: funds if isinstance(funds, DataError) else tuple(_alerts(session, rule, reading, funds))
        for (rule, reading), funds in zip(asked, found, strict=True)
    }


def _payable(reading: Reading) -> list[Token]:
    """Return what a reserve pays in: the debts, or what perpetuals take as margin."""
    account = reading.account
    if account.protocol in PERPS_AS_LOANS:
        return [] if account.state is None else [PERPS_AS_LOANS[account.protocol].settlement(account)]
    return [leg.asset for leg in account.legs if leg.side == "borrow"]


def _read_funds(session: Session, payer: Address, tokens: Sequence[Token]) -> Read[Funds]:
    native = interface("multicall3")["getEthBalance"]
    results = yield [native.call(session.book.multicall3, payer), *wallet_calls(payer, tokens, ())]
    balances, _ = decode_wallet(tokens, (), results[1:])
    return Funds(int(native.decode_one(results[0].data)), balances)


def _alerts(session: Session, rule: AccountRule, reading: Reading, funds: Funds) -> list[Alert]:
    base_fee = session.block.base_fee or 0
    if reading.account.protocol in PERPS_AS_LOANS:
        return list(reserve_alerts(rule, margin_state(funds, base_fee=base_fee)))
    exposure = exposure_of(reading.account, settings=session.settings)
    state = reserve_state(rule, reading.account, exposure, funds, base_fee=base_fee)
    return list(reserve_alerts(rule, state))
