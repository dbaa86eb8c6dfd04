"""Reads what a payer holds, and tells what it lacks."""

from __future__ import annotations

from collections.abc import Iterator

from defilev.guard.reading import Reading
from defilev.guard.reserve import reserve_alerts, reserve_state
from defilev.model.guard import Alert
from defilev.model.guard_rules import AccountRule
from defilev.pipeline.planning import read_wallet
from defilev.pipeline.session import Session
from defilev.protocols import PROTOCOLS

__all__ = ["reserve_of"]


def reserve_of(session: Session, rule: AccountRule, reading: Reading) -> Iterator[Alert]:
    """Yield what the reserve of an account lacks at the session's block; raises `DataError`."""
    account = reading.account
    assert rule.payer is not None  # noqa: S101 - a reserve has a payer
    protocol = PROTOCOLS[account.protocol]
    symbols = {symbol.casefold() for symbol in session.settings.stablecoins}
    stable = frozenset(token.address for token in protocol.tokens(account) if token.symbol.casefold() in symbols)
    debts = [leg.asset for leg in account.legs if leg.side == "borrow"]
    wallet = read_wallet(session, rule.payer, tokens=debts, spenders=[])
    exposure = protocol.exposure(account, stable=stable)
    state = reserve_state(rule, account, exposure, wallet, base_fee=session.block.base_fee or 0)
    yield from reserve_alerts(rule, state)
