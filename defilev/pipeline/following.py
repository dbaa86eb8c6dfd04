"""Following an order on GMX after somebody sent it: submitted, executed or cancelled, as the chain says."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.errors import ConfigurationError, NotConfirmed, OrderCancelled, RpcMalformed
from defilev.model.perp import PerpAccount
from defilev.model.request import Address
from defilev.pipeline.perps import read_perps
from defilev.pipeline.session import Session
from defilev.protocols.gmx_v2 import GMX_V2
from defilev.protocols.gmx_v2.events import Outcome, created_orders, outcome_filter, outcome_of

__all__ = ["Followed", "follow", "require_executed"]


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of the orders that one transaction created, and the owner's positions as they are now."""

    transaction: str
    included_at: int
    outcomes: tuple[Outcome, ...]
    positions: tuple[PerpAccount, ...]


def follow(session: Session, owner: Address, transaction: str) -> Followed:
    """Return what became of the orders of `owner` that the transaction created, by the session's block.

    Raises:
        NotConfirmed: it is not included yet.
        OrderCancelled: it reverted, or created no order of this owner.
        ConfigurationError: the address book has no EventEmitter.
        DataError: the node does not answer, or contradicts itself.
    """
    emitter = _emitter(session)
    receipt = session.node.receipt(transaction)
    if receipt is None or receipt.block_number > session.block.number:
        raise NotConfirmed(f"transaction {transaction} is not included yet", fix="ask again, or check the hash")
    keys = created_orders([(log.address, log.topics) for log in receipt.logs], emitter=emitter, owner=owner)
    if not receipt.succeeded or not keys:
        what = "created no order of this owner" if receipt.succeeded else "reverted: no order was created"
        raise OrderCancelled(f"transaction {transaction} {what}", block=receipt.block_number)
    found = [_outcome(session, emitter, key, first=receipt.block_number) for key in keys]
    positions = read_perps(session, [owner], protocol=GMX_V2.name)
    return Followed(transaction, receipt.block_number, tuple(found), tuple(positions))


def require_executed(followed: Followed) -> None:
    """Raise unless every order was executed.

    Raises:
        OrderCancelled: one was cancelled or frozen.
        NotConfirmed: one waits for its keeper.
    """
    for outcome in followed.outcomes:
        if outcome.fate in {"cancelled", "frozen"}:
            why = f": {outcome.reason}" if outcome.reason else ""
            raise OrderCancelled(f"order {outcome.key[:10]} was {outcome.fate}{why}", order=outcome.key)
    for outcome in followed.outcomes:
        if outcome.fate == "submitted":
            raise NotConfirmed(f"order {outcome.key[:10]} waits for its keeper", fix="ask again in a minute")


def _outcome(session: Session, emitter: Address, key: str, *, first: int) -> Outcome:
    logs = session.node.logs(outcome_filter(emitter, key), first=first, last=session.block.number)
    try:
        return outcome_of(key, [(log.topics, log.data) for log in logs])
    except ValueError as error:
        raise RpcMalformed(f"the node answered with {error}") from None


def _emitter(session: Session) -> Address:
    entries = [entry for entry in session.book.markets if entry.protocol == GMX_V2.name]
    for entry in entries:
        if "event_emitter" in entry.entry_points:
            return entry.entry_points["event_emitter"]
    raise ConfigurationError(
        f"the address book has no event_emitter of {GMX_V2.name}", fix='add event_emitter = "0x…" to [gmx-v2.main]'
    )
