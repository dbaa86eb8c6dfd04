"""Leases: which of several guards acts for whom, by the database's time, and the fence that keeps a late one out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, text, update

from defilev.errors import LeaseLost
from defilev.journal import tables
from defilev.journal.values import Held
from defilev.model.request import Address

__all__ = ["hold", "let_go", "require_all_held", "require_held"]


def hold(
    connection: Connection, *, chain: str, accounts: Iterable[Address], holder: str, seconds: float
) -> tuple[Held, ...]:
    """Take or renew the lease of each account, and return those that `holder` has now.

    One that another holder has not let expire is left to it. The epoch rises when a lease changes hands.
    """
    lease, at = tables.lease, _now(connection)
    until = (at + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    ours = (lease.c.chain == chain, lease.c.holder == holder)
    connection.execute(update(lease).where(*ours).values(expires_at=until))
    mine = {row.account: row.epoch for row in connection.execute(select(lease.c.account, lease.c.epoch).where(*ours))}
    found = [
        Held(chain, account, mine[account])
        if account in mine
        else _taken(connection, chain, account, holder, at, until)
        for account in accounts
    ]
    return tuple(held for held in found if held is not None)


def let_go(connection: Connection, *, holder: str) -> None:
    """End every lease of `holder` now, so that a standby need not wait for it to expire."""
    ended = _now(connection).isoformat(timespec="microseconds")
    connection.execute(update(tables.lease).where(tables.lease.c.holder == holder).values(expires_at=ended))


def require_held(connection: Connection, held: Held) -> None:
    """Raise `LeaseLost` unless the lease is still of that epoch; of the same transaction as what it guards."""
    lease = tables.lease.c
    wanted = select(lease.epoch, lease.holder).where(lease.chain == held.chain, lease.account == held.account)
    found = connection.execute(wanted).one_or_none()
    if found is None or found.epoch != held.epoch:
        raise _lost(held, found)


def require_all_held(connection: Connection, leases: Iterable[Held]) -> dict[Held, LeaseLost]:
    """Return why each lease that is not of its epoch any more is lost; as `require_held`, with one question."""
    given = list(leases)
    lease = tables.lease.c
    chains = {held.chain for held in given}
    wanted = select(lease.chain, lease.account, lease.epoch, lease.holder).where(lease.chain.in_(chains))
    now = {(row.chain, row.account): row for row in connection.execute(wanted)}
    found = {held: now.get((held.chain, held.account)) for held in given}
    return {held: _lost(held, row) for held, row in found.items() if row is None or row.epoch != held.epoch}


def _lost(held: Held, found: Any) -> LeaseLost:
    return LeaseLost(
        f"another guard has taken over {held.account}",
        epoch=held.epoch,
        now=None if found is None else f"{found.epoch} ({found.holder})",
    )


def _taken(connection: Connection, chain: str, account: Address, holder: str, at: datetime, until: str) -> Held | None:
    """Return the lease of an account that nobody has, or that its holder let expire; its epoch rises."""
    lease = tables.lease
    where = (lease.c.chain == chain, lease.c.account == account)
    found = connection.execute(select(lease).where(*where).with_for_update()).mappings().one_or_none()
    if found is None:
        row = {"chain": chain, "account": account, "holder": holder, "epoch": 1, "expires_at": until}
        connection.execute(insert(lease).values(row))
        return Held(chain, account, 1)
    if datetime.fromisoformat(found["expires_at"]) >= at:
        return None
    epoch = int(found["epoch"]) + 1
    connection.execute(update(lease).where(*where).values(holder=holder, epoch=epoch, expires_at=until))
    return Held(chain, account, epoch)


def _now(connection: Connection) -> datetime:
    """Return the time of the server where there is one, and of this host for a file."""
    if connection.dialect.name == "postgresql":
        found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return found.astimezone(UTC)
    return datetime.now(UTC)
