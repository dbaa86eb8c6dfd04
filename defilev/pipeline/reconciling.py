"""Before anything is signed: what became of what earlier runs signed for this account, asked of the chain."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from defilev.chain.endpoints import Endpoints
from defilev.chain.sightings import transaction_seen
from defilev.chain.values import Receipt
from defilev.errors import ForeignTransaction
from defilev.execute.looking import agreed_receipt, find_user, is_shown
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
    journal: Journal, endpoints: Endpoints, *, chain: str, account: Address, sleep: Callable[[float], None] = time.sleep
) -> tuple[OpenAttempt, ...]:
    """Bring what the journal knows of `account` up to the chain's truth; return what was sent and may still land.

    A nonce whose signature was only handed to the user is given back: at most one transaction of a nonce can land,
    whichever it is. So is one that was reserved, that no signature is written down for, and that is spent by now.

    Raises:
        ForeignTransaction: somebody else used a nonce of the journal; said once, then taken as known.
        RpcError: the node does not say.
    """
    attempts, truth = _looked_up(journal, endpoints, chain=chain, account=account)
    for reserved in journal.reserved(chain=chain, account=account):
        if reserved.nonce < truth.nonce:
            journal.release(reserved.intent, why="the nonce was spent, and nothing was signed for it")
    for _ in range(LOOKS - 1):
        if not _taken(attempts, truth):
            break
        sleep(PAUSE)
        attempts, truth = _looked_up(journal, endpoints, chain=chain, account=account)
    if taken := _taken(attempts, truth):
        truth = replace(truth, users=_users(taken, endpoints))
    return _settle_the_rest(journal, truth, chain=chain, account=account)


def _looked_up(
    journal: Journal, endpoints: Endpoints, *, chain: str, account: Address
) -> tuple[tuple[OpenAttempt, ...], ChainTruth]:
    """Ask the chain once, and write down what it includes."""
    attempts = journal.open_attempts(chain=chain, account=account)
    truth = truth_of(endpoints, attempts, account=account)
    verdicts = classify(attempts, truth)
    newest = endpoints.look().newest
    for attempt in attempts:
        _include(journal, attempt, verdicts[attempt.hash], head=newest.number if newest else 0)
    return attempts, truth


def truth_of(endpoints: Endpoints, attempts: Iterable[OpenAttempt], *, account: Address) -> ChainTruth:
    """Return what the nodes say of the attempts; a receipt counts that two, or the only one, have on their chains.

    Raises:
        DataError: no node answers.
    """
    node = endpoints.node
    nonce = node.nonce(account, block=node.block())
    receipts: dict[str, ReceiptFacts] = {}
    pool = set()
    for attempt in attempts:
        if (receipt := agreed_receipt(endpoints, attempt.hash)) is not None:
            receipts[attempt.hash] = _facts(receipt)
        elif transaction_seen(endpoints, attempt.hash).pending:
            pool.add(attempt.hash)
    return ChainTruth(nonce=nonce, receipts=receipts, pool=frozenset(pool))


def _taken(attempts: Iterable[OpenAttempt], truth: ChainTruth) -> list[OpenAttempt]:
    """Return those whose nonce somebody else seems to have used."""
    given = list(attempts)
    verdicts = classify(given, truth)
    return [each for each in given if _is_taken(verdicts[each.hash]) and each.state != "ABORTED"]


def _is_taken(verdict: Verdict) -> bool:
    return verdict.nonce_used and verdict.result != "OK" and not verdict.by_us


def _users(taken: Iterable[OpenAttempt], endpoints: Endpoints) -> dict[int, str]:
    """Return by nonce the transaction that used it, as far as one can be found: ours when any node shows it."""
    given = list(taken)
    shown = {each.nonce: each.hash for each in given if is_shown(endpoints, each.hash)}
    node, head = endpoints.node, endpoints.node.block_number()
    others = {
        each.nonce: find_user(node, each.account, each.nonce, since=each.observed_block, head=head)
        for each in given
        if each.nonce not in shown
    }
    return {nonce: user for nonce, user in (others | shown).items() if user is not None}


def _include(journal: Journal, attempt: OpenAttempt, verdict: Verdict, *, head: int) -> None:
    """Write down a receipt, and how deep it lies."""
    receipt = verdict.receipt
    if receipt is None:
        return
    journal.included(attempt.hash, receipt)
    depth = head - receipt.block_number
    if depth >= CONFIRMATIONS and attempt.purpose == "act" and attempt.state not in ("VERIFIED", "REVERTED_FINAL"):
        journal.move(attempt.intent, "VERIFIED" if receipt.succeeded else "REVERTED_FINAL", why=f"{depth} blocks deep")
    if depth >= FINAL:
        journal.settle(attempt.hash, "final", why=f"{depth} blocks deep")


def _settle_the_rest(journal: Journal, truth: ChainTruth, *, chain: str, account: Address) -> tuple[OpenAttempt, ...]:
    """Write down what became of attempts without a receipt; return those that keep the account busy."""
    attempts = journal.open_attempts(chain=chain, account=account)
    verdicts = classify(attempts, truth)
    taken = _taken(attempts, truth)
    moved: set[str] = set()
    for attempt in attempts:
        if attempt not in taken:
            _settle(journal, attempt, verdicts[attempt.hash], moved)
    for intent in dict.fromkeys(attempt.intent for attempt in taken):
        by = next(verdicts[attempt.hash].by for attempt in taken if attempt.intent == intent)
        journal.foreign(intent, by=by or "unknown", why=f"the account's nonce is {truth.nonce}")
    if taken:
        raise ForeignTransaction(
            f"nonce {taken[0].nonce} of {account} was used by a transaction that the journal does not know",
            journal=taken[0].run,
            signed=taken[0].hash,
        )
    attempts = journal.open_attempts(chain=chain, account=account)
    return tuple(each for each in attempts if verdicts[each.hash].result != "OK" and each.state != "ABORTED")


def _settle(journal: Journal, attempt: OpenAttempt, verdict: Verdict, moved: set[str]) -> None:
    """Write down what became of one attempt; `moved` are the intents that were moved already."""
    if verdict.result == "OK" or (verdict.result == "KNOWN" and verdict.nonce_used):
        return
    if verdict.nonce_used:
        journal.settle(attempt.hash, "replaced", why=f"{verdict.by or 'another transaction'} used its nonce")
        if attempt.state in LIVE and attempt.intent not in moved:
            moved.add(attempt.intent)
            journal.move(attempt.intent, "CANCELLED", why="another transaction of the journal used its nonce")
    elif attempt.included_in is not None:
        journal.reorged(attempt.intent, why="its receipt is no longer on the chain")
    elif attempt.state == "SIGNED" and attempt.mode == "sign-only" and attempt.sent_count == 0:
        journal.release(attempt.intent, why="it was signed for the user, who has not sent it")


def _facts(receipt: Receipt) -> ReceiptFacts:
    return ReceiptFacts(
        block_number=receipt.block_number,
        block_hash=receipt.block_hash,
        succeeded=receipt.succeeded,
        gas_used=receipt.gas_used,
        fee_paid=receipt.fee_paid,
    )
