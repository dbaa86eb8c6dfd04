"""Leases: which of several guards acts for whom, by the database's time, and the fence that keeps a late one out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, select, text, update

from defilev.errors import LeaseLost
from defilev.journal import tables
from defilev.journal.values import Held
from defilev.model.request import Address

__all__ = ["hold", "let_go", "require_held"]


def hold(
    connection: Connection, *, chain: str, accounts: Iterable[Address], holder: str, seconds: float
) -> tuple[Held, ...]:
    """Take or renew the lease of each account, and return those that `holder` has now.

    One that another holder has not let expire is left to it. The epoch rises when a lease changes hands.
    """
    at = _now(connection)
    until = (at + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
    found = [_held(connection, chain, account, holder, at, until) for account in accounts]
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
        raise LeaseLost(
            f"another guard has taken over {held.account}",
            epoch=held.epoch,
            now=None if found is None else f"{found.epoch} ({found.holder})",
        )


def _held(connection: Connection, chain: str, account: Address, holder: str, at: datetime, until: str) -> Held | None:
    lease = tables.lease
    where = (lease.c.chain == chain, lease.c.account == account)
    found = connection.execute(select(lease).where(*where).with_for_update()).mappings().one_or_none()
    if found is None:
        row = {"chain": chain, "account": account, "holder": holder, "epoch": 1, "expires_at": until}
        connection.execute(insert(lease).values(row))
        return Held(chain, account, 1)
    is_ours = found["holder"] == holder
    if not is_ours and datetime.fromisoformat(found["expires_at"]) >= at:
        return None
    epoch = int(found["epoch"]) + (0 if is_ours else 1)
    connection.execute(update(lease).where(*where).values(holder=holder, epoch=epoch, expires_at=until))
    return Held(chain, account, epoch)


def _now(connection: Connection) -> datetime:
    """Return the time of the server where there is one, and of this host for a file."""
    if connection.dialect.name == "postgresql":
        found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
        return found.astimezone(UTC)
    return datetime.now(UTC)
