from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from defilev.journal import LIVE, TRANSITIONS, ChainTruth, OpenAttempt, Verdict, classify
from defilev.model.request import Address
from tests.support.journals import ACCOUNT, CHAIN, a_receipt


def an_open_attempt(name: str = "0xa", **change: Any) -> OpenAttempt:
    """Return an attempt of nonce 7 that was sent once."""
    usual = dict[str, Any](
        run=1,
        intent="i",
        step=1,
        state="UNKNOWN",
        position="p",
        chain=CHAIN,
        chain_id=1,
        account=ACCOUNT,
        nonce=7,
        number=1,
        hash=name,
        raw="0x02",
        purpose="act",
        mode="broadcast",
        max_fee_per_gas=1,
        max_priority_fee_per_gas=1,
        sent_count=1,
        sent_first_at=None,
        last_result=None,
        deadline_block=None,
        cap_wei=1,
        epoch=0,
        observed_block=1,
        included_in=None,
    )
    return OpenAttempt(**(usual | change))


ONE = an_open_attempt("0xa")
BUMP = an_open_attempt("0xb", number=2)
RECEIPT = a_receipt()


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        (ChainTruth(7), Verdict("UNKNOWN")),
        (ChainTruth(7, pool=frozenset({"0xa"})), Verdict("KNOWN")),
        (ChainTruth(8, receipts={"0xa": RECEIPT}), Verdict("OK", receipt=RECEIPT, nonce_used=True)),
        (ChainTruth(7, receipts={"0xa": RECEIPT}), Verdict("OK", receipt=RECEIPT, nonce_used=True)),
        (ChainTruth(8), Verdict("UNKNOWN", nonce_used=True)),
        (ChainTruth(8, pool=frozenset({"0xa"})), Verdict("UNKNOWN", nonce_used=True)),
        (ChainTruth(8, users={7: "0xf"}), Verdict("REPLACED", nonce_used=True, by="0xf")),
        (ChainTruth(8, users={7: "0xa"}), Verdict("KNOWN", nonce_used=True, by="0xa", by_us=True)),
        (ChainTruth(0), Verdict("UNKNOWN")),
    ],
)
def test_one_attempt_is_told_from_the_chains_facts(truth: ChainTruth, expected: Verdict) -> None:
    """A receipt makes it OK, another user of the nonce REPLACED, a pool KNOWN; anything else stays UNKNOWN."""
    assert {"0xa": expected} == classify([ONE], truth)


def test_the_attempt_with_the_receipt_replaces_its_siblings() -> None:
    """Of several attempts of one nonce, the included one is OK and the others were replaced by us."""
    told = classify([ONE, BUMP], ChainTruth(8, receipts={"0xb": RECEIPT}))

    assert Verdict("REPLACED", nonce_used=True, by="0xb", by_us=True) == told["0xa"]
    assert Verdict("OK", receipt=RECEIPT, nonce_used=True) == told["0xb"]


def test_a_missing_receipt_never_means_not_included() -> None:
    """Whatever else the chain says, an attempt without a receipt or a known rival may still land."""
    for nonce, pool in product((6, 7, 8, 9), (frozenset[str](), frozenset({"0xa"}))):
        told = classify([ONE], ChainTruth(nonce, pool=pool))["0xa"]

        assert told.result in ("KNOWN", "UNKNOWN")


def test_nonces_do_not_speak_for_each_other() -> None:
    """A receipt of one nonce says nothing about the attempts of another."""
    later = replace(BUMP, nonce=8)

    assert "UNKNOWN" == classify([ONE, later], ChainTruth(8, receipts={"0xa": RECEIPT}))["0xb"].result


def test_accounts_are_not_mixed() -> None:
    """One account's nonce does not decide about another's transactions."""
    with pytest.raises(ValueError, match="several accounts"):
        classify([ONE, replace(BUMP, account=Address("0x0"))], ChainTruth(7))


def test_transitions_name_known_states() -> None:
    """Every state has its successors, all of them states; what is given back or halted never becomes live again."""
    assert {state for after in TRANSITIONS.values() for state in after} <= set(TRANSITIONS)
    for ended in ("ABORTED", "HALTED", "VERIFIED", "CANCELLED"):
        assert set() == set(TRANSITIONS[ended]) & set(LIVE)
