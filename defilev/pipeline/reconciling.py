"""Before anything is signed: what became of what earlier runs signed for this account, asked of the chain."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from defilev.chain.node import Node
from defilev.chain.values import Receipt
from defilev.errors import AttemptOpen, ForeignTransaction
from defilev.journal import LIVE, ChainTruth, Journal, OpenAttempt, ReceiptFacts, Verdict, classify
from defilev.model.request import Address

__all__ = ["reconcile", "truth_of"]

CONFIRMATIONS = 2
"""Blocks on top of a receipt's before its transaction is `VERIFIED`."""

FINAL = 64
"""Blocks on top of it before it is watched no more."""

LOOKS, PAUSE = 3, 1.0
"""How often, and how many seconds apart, a receipt is looked for before a spent nonce counts as somebody else's."""


def reconcile(
    journal: Journal, node: Node, *, chain: str, account: Address, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Bring what the journal knows of `account` up to the chain's truth, and see that the account is free.

    A nonce that was reserved and not signed for is given back, and so is one whose signature was only handed to the
    user: at most one transaction of a nonce can land, whichever it is.

    Raises:
        AttemptOpen: a transaction that was sent may still land.
        ForeignTransaction: somebody else used a nonce of the journal; said once, then taken as known.
        RpcError: the node does not say.
    """
    for reserved in journal.reserved(chain=chain, account=account):
        journal.release(reserved.intent, why="nothing was signed for it")
    truth = ChainTruth(nonce=0)
    for look in range(LOOKS):
        attempts = journal.open_attempts(chain=chain, account=account)
        truth = truth_of(node, attempts, account=account)
        verdicts = classify(attempts, truth)
        for attempt in attempts:
            _include(journal, node, attempt, verdicts[attempt.hash])
        if not any(_is_taken(attempt, verdicts[attempt.hash]) for attempt in attempts):
            break
        if look < LOOKS - 1:
            sleep(PAUSE)
    _settle_the_rest(journal, truth, chain=chain, account=account)


def truth_of(node: Node, attempts: Iterable[OpenAttempt], *, account: Address) -> ChainTruth:
    """Return what one node says of the attempts, at its newest block; receipts of blocks off its chain are left out."""
    nonce = node.nonce(account)
    receipts: dict[str, ReceiptFacts] = {}
    pool = set()
    for attempt in attempts:
        receipt = node.receipt(attempt.hash)
        if receipt is not None and node.block(receipt.block_number).hash == receipt.block_hash:
            receipts[attempt.hash] = _facts(receipt)
        elif (seen := node.transaction(attempt.hash)) is not None and seen.block_number is None:
            pool.add(attempt.hash)
    return ChainTruth(nonce=nonce, receipts=receipts, pool=frozenset(pool))


def _is_taken(attempt: OpenAttempt, verdict: Verdict) -> bool:
    """Tell whether somebody else seems to have used the nonce."""
    return verdict.result == "UNKNOWN" and verdict.nonce_used and attempt.state != "ABORTED"


def _include(journal: Journal, node: Node, attempt: OpenAttempt, verdict: Verdict) -> None:
    """Write down a receipt, and how deep it lies."""
    receipt = verdict.receipt
    if receipt is None:
        return
    journal.included(attempt.hash, receipt)
    depth = node.block_number() - receipt.block_number
    if depth >= CONFIRMATIONS and attempt.purpose == "act" and attempt.state not in ("VERIFIED", "REVERTED_FINAL"):
        journal.move(attempt.intent, "VERIFIED" if receipt.succeeded else "REVERTED_FINAL", why=f"{depth} blocks deep")
    if depth >= FINAL:
        journal.settle(attempt.hash, "final", why=f"{depth} blocks deep")


def _settle_the_rest(journal: Journal, truth: ChainTruth, *, chain: str, account: Address) -> None:
    """Write down what became of attempts without a receipt; raises for the first that keeps the account busy."""
    attempts = journal.open_attempts(chain=chain, account=account)
    verdicts = classify(attempts, truth)
    taken = [attempt for attempt in attempts if _is_taken(attempt, verdicts[attempt.hash])]
    for attempt in attempts:
        if attempt not in taken:
            _settle(journal, attempt, verdicts[attempt.hash])
    for intent in dict.fromkeys(attempt.intent for attempt in taken):
        journal.foreign(intent, by="unknown", why=f"the account's nonce is {truth.nonce}")
        journal.move(intent, "HALTED", why="told to the user")
    if taken:
        raise ForeignTransaction(
            f"nonce {taken[0].nonce} of {account} was used by a transaction that the journal does not know",
            journal=taken[0].run,
            signed=taken[0].hash,
        )
    _require_free(journal.open_attempts(chain=chain, account=account), verdicts)


def _settle(journal: Journal, attempt: OpenAttempt, verdict: Verdict) -> None:
    if verdict.result == "OK":
        return
    if verdict.nonce_used:
        journal.settle(attempt.hash, "replaced", why=f"{verdict.by or 'another transaction'} used its nonce")
        if attempt.state in LIVE:
            journal.move(attempt.intent, "CANCELLED", why="another transaction of the journal used its nonce")
    elif attempt.included_in is not None:
        journal.reorged(attempt.intent, why="its receipt is no longer on the chain")
    elif attempt.state == "SIGNED" and attempt.mode == "sign-only" and attempt.sent_count == 0:
        journal.release(attempt.intent, why="it was signed for the user, who has not sent it")


def _require_free(attempts: Iterable[OpenAttempt], verdicts: Mapping[str, Verdict]) -> None:
    for attempt in attempts:
        verdict = verdicts[attempt.hash]
        if verdict.result == "OK" or attempt.state == "ABORTED":
            continue
        raise AttemptOpen(
            f"a transaction of journal #{attempt.run} may still land",
            transaction=attempt.hash,
            nonce=attempt.nonce,
            node="shows it" if verdict.result == "KNOWN" else "does not show it",
        )


def _facts(receipt: Receipt) -> ReceiptFacts:
    return ReceiptFacts(
        block_number=receipt.block_number,
        block_hash=receipt.block_hash,
        succeeded=receipt.succeeded,
        gas_used=receipt.gas_used,
        fee_paid=receipt.fee_paid,
    )
