"""Runs, reservations and attempts to put into a journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defilev.abi import keccak
from defilev.journal import Alerted, Journal, Outcome, ReceiptFacts, Reservation, RunStart, SignedAttempt
from defilev.journal.alerting import AlertState
from defilev.journal.values import Fill
from defilev.model.guard import Alert
from defilev.model.request import Address

__all__ = ["ACCOUNT", "CHAIN", "a_receipt", "a_reservation", "an_alert", "an_attempt", "an_outcome", "begun", "sent"]

ACCOUNT = Address("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")
CHAIN = "31337:0xgenesis"


def begun(journal: Journal, **change: Any) -> int:
    """Begin a run."""
    usual: dict[str, Any] = {
        "kind": "rebalance",
        "mode": "broadcast",
        "chain": CHAIN,
        "chain_id": 31337,
        "account": ACCOUNT,
        "protocol": "aave-v3",
        "market": "main",
        "config_hash": "c0",
        "version": "0.1.0",
    }
    return journal.begin(RunStart(**(usual | change)))


def a_reservation(run: int, **change: Any) -> Reservation:
    """Return the reservation of nonce 7 for the first step of a run."""
    usual: dict[str, Any] = {
        "run": run,
        "step": 1,
        "chain": CHAIN,
        "chain_id": 31337,
        "account": ACCOUNT,
        "position": f"aave-v3/main/{ACCOUNT}",
        "kind": "rebalance",
        "nonce": 7,
        "fields": {"nonce": "7"},
        "cap_wei": 10**16,
        "observed": (100, "0xb10c"),
    }
    return Reservation(**(usual | change))


def an_attempt(seed: int = 1, **change: Any) -> SignedAttempt:
    """Return a signed transaction whose bytes, and so its hash, depend on `seed`."""
    raw = b"\x02" + seed.to_bytes(32)
    usual: dict[str, Any] = {
        "hash": "0x" + keccak(raw).hex(),
        "raw": "0x" + raw.hex(),
        "max_fee_per_gas": 3 * 10**9,
        "max_priority_fee_per_gas": 10**9,
        "gas_limit": 200_000,
        "signer": ACCOUNT,
    }
    return SignedAttempt(**(usual | change))


def a_receipt(block: int = 101, **change: Any) -> ReceiptFacts:
    """Return the receipt of a transaction that succeeded."""
    usual: dict[str, Any] = {
        "block_number": block,
        "block_hash": f"0xb{block}",
        "succeeded": True,
        "gas_used": 100_000,
        "fee_paid": 10**14,
    }
    return ReceiptFacts(**(usual | change))


def an_outcome(**change: Any) -> Outcome:
    """Return an outcome that kept its promise."""
    usual: dict[str, Any] = {
        "block_number": 101,
        "block_hash": "0xb101",
        "promised_health_factor": 1_500_000_000_000_000_000,
        "got_health_factor": 1_501_000_000_000_000_000,
        "promised_debt": 50_000 * 10**8,
        "got_debt": 49_990 * 10**8,
        "promised_collateral": 140_000 * 10**8,
        "got_collateral": 140_001 * 10**8,
        "cost_expected": 5 * 10**8,
        "cost_worst": 46 * 10**8,
        "cost_got": 6 * 10**8,
        "quote_decimals": 8,
        "fee_paid": 10**15,
        "fills": (Fill(3, ACCOUNT, "USDC", 6, minimum=995, quoted=1000, got=999),),
    }
    return Outcome(**(usual | change))


def sent(journal: Journal, **change: Any) -> tuple[str, str]:
    """Begin a run, reserve, sign and hand over; return the intent and the transaction's hash."""
    reservation = a_reservation(begun(journal), **change)
    intent = journal.reserve(reservation)
    attempt = an_attempt(reservation.nonce)
    journal.sign(intent, attempt)
    journal.handed_over(attempt.hash, "OK", endpoint="node")
    return intent, attempt.hash


def an_alert(state: AlertState = "raised", *, deliveries: Mapping[str, str] | None = None, **change: Any) -> Alerted:
    """Return an alert that a sink took."""
    usual: dict[str, Any] = {
        "severity": "critical",
        "kind": "trigger-fired",
        "account": "main",
        "text": "health factor 1.210 is below 1.3",
        "facts": (("health factor", "1.210"),),
    }
    return Alerted(Alert(**(usual | change)), state, deliveries or {"ops": "sent"}, chain_id=31337)
