"""What became of signed transactions, told from the journal's rows and the chain's facts; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from defilev.journal.values import OpenAttempt, ReceiptFacts

__all__ = ["ChainTruth", "Verdict", "classify"]


@dataclass(frozen=True, slots=True)
class ChainTruth:
    """What the chain says of one account, all of it read at one block.

    Args:
        nonce: how many of its transactions are included (`latest`, never `pending`).
        receipts: canonical receipts by transaction hash; a receipt of a block that is not on the chain is left out.
        pool: hashes that a node shows and that are not included.
        users: by nonce, the hash of the included transaction that used it, where somebody looked.
    """

    nonce: int
    receipts: Mapping[str, ReceiptFacts] = field(default_factory=dict)
    pool: frozenset[str] = frozenset()
    users: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one attempt.

    `OK`: included, `receipt` says where and whether it succeeded. `KNOWN`: a node holds it, or shows it in a block and
    no receipt yet (`nonce_used`).
    `UNKNOWN`: neither, and it may still land; with `nonce_used` the nonce is spent and nobody has said by what, so
    look for the transaction before anything else. `REPLACED`: another transaction, `by`, used its nonce; `by_us` says
    that it was another attempt of the journal.
    """

    result: Literal["OK", "KNOWN", "UNKNOWN", "REPLACED"]
    receipt: ReceiptFacts | None = None
    nonce_used: bool = False
    by: str | None = None
    by_us: bool = False


def classify(attempts: Iterable[OpenAttempt], truth: ChainTruth) -> dict[str, Verdict]:
    """Return the verdict of every attempt, all of one account on one chain, by transaction hash.

    A missing receipt is never taken for "not included": a receipt decides, or the transaction that used the nonce.

    Raises:
        ValueError: the attempts are of several accounts or chains.
    """
    given = list(attempts)
    if len({(attempt.chain, attempt.account) for attempt in given}) > 1:
        raise ValueError("attempts of several accounts cannot be told by one account's nonce")
    ours = {attempt.hash for attempt in given}
    winners = {attempt.nonce: attempt.hash for attempt in given if attempt.hash in truth.receipts}
    used_by = {**truth.users, **winners}
    return {attempt.hash: _verdict(attempt, truth, used_by.get(attempt.nonce), ours) for attempt in given}


def _verdict(attempt: OpenAttempt, truth: ChainTruth, user: str | None, ours: set[str]) -> Verdict:
    if receipt := truth.receipts.get(attempt.hash):
        return Verdict("OK", receipt=receipt, nonce_used=True)
    if user == attempt.hash:
        return Verdict("KNOWN", nonce_used=True, by=user, by_us=True)
    if user is not None:
        return Verdict("REPLACED", nonce_used=True, by=user, by_us=user in ours)
    if attempt.nonce < truth.nonce:
        return Verdict("UNKNOWN", nonce_used=True)
    return Verdict("KNOWN" if attempt.hash in truth.pool else "UNKNOWN")
