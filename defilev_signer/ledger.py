"""What was signed before, on disk before a signature leaves: one content for a nonce, and the limits of a day."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from defilev_signer.errors import Denied, Unusable
from defilev_signer.policy import SIGNATURES_PER_NONCE, Limits, Policy
from defilev_signer.private_file import check_directory
from defilev_signer.rules import Judgement

__all__ = ["Ledger"]

DAY = 24 * 3600
FURTHEST_AHEAD = 100
"""How far beyond the last signed nonce the next one may be: the owner may act elsewhere too."""

_FILE = "signed.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pinned(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS signed(
  nonce INTEGER NOT NULL, content BLOB NOT NULL, tip TEXT NOT NULL, fee TEXT NOT NULL, cost TEXT NOT NULL,
  withdrawn TEXT NOT NULL, approved TEXT NOT NULL, swapped TEXT NOT NULL,
  signatures INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(nonce, content)) STRICT;
"""


@dataclass(frozen=True, slots=True)
class _Row:
    """One content of one nonce."""

    nonce: int
    content: bytes
    tip: int
    fee: int
    cost: int
    withdrawn: Fraction
    approved: Fraction
    swapped: Fraction
    signatures: int
    at: int


class Ledger:
    """The memory of one signer for one account on one chain. One process at a time may hold it."""

    def __init__(self, folder: Path, policy: Policy, *, new: bool, clock: Callable[[], float]) -> None:
        """Open the ledger in `folder`, or make it when `new`.

        Raises:
            Unusable: others can reach it, another signer holds it, it is not there, or it is another account's.
        """
        check_directory(folder, what="the state folder")
        self._clock = clock
        self._lock = _locked(folder)
        try:
            self._database = self._opened(folder / _FILE, policy, new=new)
        except Unusable:
            os.close(self._lock)
            raise

    def admit(self, judged: Judgement, limits: Limits) -> None:
        """Write down that `judged` is about to be signed; it is on disk when this returns.

        Raises:
            Denied: the nonce was signed with other content or is out of order, or the day's limits are used up.
        """
        try:
            self._database.execute("BEGIN EXCLUSIVE")
            try:
                self._write(self._admitted(judged, limits))
                self._database.execute("COMMIT")
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise Denied(
                "memory", found=f"it cannot be written: {error}", allowed="a ledger on a working disk"
            ) from None

    def last_nonce(self) -> int | None:
        """Return the highest nonce that was signed, `None` before the first."""
        (nonce,) = self._database.execute("SELECT max(nonce) FROM signed").fetchone()
        return nonce if isinstance(nonce, int) else None

    def spent(self) -> Mapping[str, Fraction]:
        """Return what the last 24 hours used of each daily limit."""
        return _spent(self._rows("at > ?", self._now() - DAY))

    def close(self) -> None:
        self._database.close()
        os.close(self._lock)

    def _admitted(self, judged: Judgement, limits: Limits) -> _Row:
        """Return the row to write, once nonce and day allow it."""
        transaction = judged.transaction
        before = self._rows("nonce = ?", transaction.nonce)
        self._judge_nonce(judged, before)
        known = next((row for row in before if row.content == transaction.content), None)
        row = _Row(
            nonce=transaction.nonce,
            content=transaction.content,
            tip=transaction.tip,
            fee=transaction.fee,
            cost=transaction.most_it_can_cost,
            withdrawn=judged.withdrawn,
            approved=judged.approved,
            swapped=judged.swapped,
            signatures=known.signatures + 1 if known else 1,
            at=self._now(),
        )
        others = [old for old in self._rows("at > ?", row.at - DAY) if (old.nonce, old.content) != _key(row)]
        _judge_day(_spent([*others, row]), limits)
        return row

    def _judge_nonce(self, judged: Judgement, before: list[_Row]) -> None:
        transaction = judged.transaction
        is_cancel = judged.action is None
        if not before:
            last = self.last_nonce()
            if last is not None and (
                transaction.nonce > last + FURTHEST_AHEAD or (transaction.nonce < last and not is_cancel)
            ):
                raise Denied("nonce", found=transaction.nonce, allowed=f"from {last + 1} to {last + FURTHEST_AHEAD}")
            return
        if not is_cancel and all(row.content != transaction.content for row in before):
            raise Denied(
                "nonce",
                found=f"{transaction.nonce}, which was signed with other content",
                allowed="the same content, or a transaction of nothing to the owner that cancels it",
            )
        tip, fee = max(row.tip for row in before), max(row.fee for row in before)
        if transaction.tip < tip or transaction.fee < fee:
            raise Denied(
                "fees of a replacement",
                found=f"{transaction.fee}, tip {transaction.tip}",
                allowed=f"from {fee}, tip {tip}",
            )
        if sum(row.signatures for row in before) >= SIGNATURES_PER_NONCE:
            raise Denied("signatures for a nonce", found="one more", allowed=f"up to {SIGNATURES_PER_NONCE}")

    def _now(self) -> int:
        """Return the time in seconds, which never goes back behind the last signature."""
        (newest,) = self._database.execute("SELECT max(at) FROM signed").fetchone()
        return max(int(self._clock()), newest or 0)

    def _rows(self, condition: str, value: int) -> list[_Row]:
        statement = f"SELECT * FROM signed WHERE {condition}"  # noqa: S608 - the conditions are written in this file
        return [_row(found) for found in self._database.execute(statement, (value,))]

    def _write(self, row: _Row) -> None:
        texts = map(str, (row.tip, row.fee, row.cost, row.withdrawn, row.approved, row.swapped))
        self._database.execute(
            "INSERT OR REPLACE INTO signed VALUES (?,?,?,?,?,?,?,?,?,?)",
            (row.nonce, row.content, *texts, row.signatures, row.at),
        )

    def _opened(self, path: Path, policy: Policy, *, new: bool) -> sqlite3.Connection:
        if path.exists() == new:
            raise Unusable(
                f"{path} {'exists already' if new else 'is not there: what was signed before would be forgotten'}",
                fix="leave out --new-state" if new else "restore it, or give --new-state if nothing was ever signed",
            )
        try:
            database = _connected(path)
            _pin(database, policy)
        except sqlite3.Error as error:
            raise Unusable(
                f"{path} cannot be used: {error}", fix="restore it from a copy, or look at the disk"
            ) from None
        return database


def _pin(database: sqlite3.Connection, policy: Policy) -> None:
    """Remember whom this ledger is for; refuse a policy that names others."""
    wanted: dict[str, Any] = {
        "chain": str(policy.chain_id),
        "owner": policy.account.owner,
        "protected": " ".join(sorted(policy.account.protected)),
    }
    known = dict(database.execute("SELECT name, value FROM pinned"))
    for name, value in wanted.items():
        if known.setdefault(name, value) != value:
            raise Unusable(
                f"the policy's {name} is {value}, and this ledger was made for {known[name]}",
                fix="correct the policy, or use another --state folder",
            )
    database.executemany("INSERT OR REPLACE INTO pinned VALUES (?,?)", known.items())


def _locked(folder: Path) -> int:
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise Unusable(f"another signer uses {folder}", fix="stop it, or ask it") from None
    return descriptor


def _connected(path: Path) -> sqlite3.Connection:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.close(descriptor)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=DELETE")
    database.execute("PRAGMA synchronous=EXTRA")
    (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    database.executescript(_SCHEMA)
    return database


def _row(found: tuple[Any, ...]) -> _Row:
    nonce, content, tip, fee, cost, withdrawn, approved, swapped, signatures, at = found
    values = (Fraction(withdrawn), Fraction(approved), Fraction(swapped))
    return _Row(nonce, content, int(tip), int(fee), int(cost), *values, signatures, at)


def _key(row: _Row) -> tuple[int, bytes]:
    return row.nonce, row.content


def _spent(rows: list[_Row]) -> dict[str, Fraction]:
    """Return the sums: gas once for each nonce, at its dearest; values for each content."""
    costs: dict[int, int] = {}
    for row in rows:
        costs[row.nonce] = max(row.cost, costs.get(row.nonce, 0))
    return {
        "transactions": Fraction(len(costs)),
        "gas": Fraction(sum(costs.values())),
        "withdrawn": sum((row.withdrawn for row in rows), Fraction(0)),
        "approved": sum((row.approved for row in rows), Fraction(0)),
        "swapped": sum((row.swapped for row in rows), Fraction(0)),
    }


def _judge_day(spent: Mapping[str, Fraction], limits: Limits) -> None:
    most = {"transactions": limits.transactions_per_day, "gas": limits.gas_cost_per_day}
    for name, found in spent.items():
        limit = most.get(name, limits.value_per_day)
        if found > limit:
            raise Denied(f"{name} within 24 hours", found=float(found), allowed=f"up to {float(limit)}")
