"""What the journal refuses, and how it fails."""

from __future__ import annotations

from defilev.errors.base import DataError, Refused

__all__ = ["AttemptOpen", "ForeignTransaction", "JournalDamaged", "JournalUnusable", "LeaseLost"]


class AttemptOpen(Refused):
    """A transaction of an earlier run may still land, or another process holds the account."""

    default_fix = "bring it to its end with `defilev rebalance … --resume --broadcast`, see `defilev journal ls`"


class ForeignTransaction(Refused):
    """A nonce that the journal had reserved was used by a transaction that it does not know."""

    default_fix = "look at what the account sent and who holds its key; then run it again"


class JournalDamaged(DataError):
    """The journal is not what was written into it: damaged, edited, or cut short."""

    default_fix = "run `defilev journal verify`, and keep the file; docs/journal.md says how to go on"


class JournalUnusable(DataError):
    """The journal cannot be opened, read or written, so nothing may be signed."""

    default_fix = "make the journal's place writable for you alone, or name another with DEFILEV_JOURNAL"


class LeaseLost(Refused):
    """Another guard has taken over an account since this one looked; nothing more is written or signed for it."""

    default_fix = "`defilev guard status` says who leads; this guard stands by"
