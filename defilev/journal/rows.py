"""What is told as rows of the tables; pure."""

from __future__ import annotations

from dataclasses import asdict, fields
from hashlib import blake2b
from typing import Any

from defilev.journal.values import Reservation, SignedAttempt
from defilev.model.account import LendingAccount
from defilev.model.codec import canonical_json, to_document
from defilev.model.plan import Plan, Step
from defilev.model.simulation import SimulationReport

__all__ = ["attempt", "intent", "observation", "plan", "simulation", "step"]

Columns = dict[str, Any]


def observation(account: LendingAccount) -> Columns:
    """Return an account; the document leaves out the protocol's own state, which only `apply` reads."""
    told = [field.name for field in fields(account) if field.name != "state"]
    return {
        "block_number": account.block.number,
        "block_hash": account.block.hash,
        "block_time": account.block.timestamp,
        "health_factor": account.health_factor,
        "collateral_value": account.collateral_value,
        "debt_value": account.debt_value,
        "quote_decimals": account.quote_decimals,
        "document": canonical_json({name: to_document(getattr(account, name)) for name in told}),
    }


def plan(made: Plan) -> Columns:
    """Return a plan without its steps."""
    return {
        "hash": made.hash,
        "promised_health_factor": made.promise.health_factor,
        "document": canonical_json(to_document(made)),
    }


def step(planned: Step) -> Columns:
    """Return one step."""
    return {
        "number": planned.index,
        "kind": planned.action.kind,
        "contract": planned.contract,
        "to_address": planned.to,
        "value": planned.value,
        "data": planned.data,
        "gas_limit": planned.gas_limit,
        "health_factor": planned.health_factor,
    }


def simulation(report: SimulationReport) -> Columns:
    """Return how a plan did on a fork."""
    return {
        "engine": report.engine,
        "block_number": report.block.number,
        "block_hash": report.block.hash,
        "succeeded": int(report.succeeded),
        "gas_used": report.gas_used,
        "health_factor": report.health_factor,
        "document": canonical_json(to_document(report)),
    }


def intent(wanted: Reservation) -> Columns:
    """Return a reservation; its id is of the chain, the account, the position, the run, the step and the nonce."""
    given = {name: value for name, value in asdict(wanted).items() if name not in ("fields", "observed")}
    parts = (wanted.chain, wanted.account, wanted.position, wanted.run, wanted.step, wanted.nonce)
    return {
        **given,
        "id": blake2b("\n".join(map(str, parts)).encode(), digest_size=16).hexdigest(),
        "state": "NONCE_RESERVED",
        "observed_block": wanted.observed[0],
        "observed_hash": wanted.observed[1],
        "fields": canonical_json(dict(wanted.fields)),
    }


def attempt(signed: SignedAttempt) -> Columns:
    """Return a signed transaction that nobody has been handed."""
    return {
        "hash": signed.hash,
        "purpose": signed.purpose,
        "max_fee": signed.max_fee_per_gas,
        "tip": signed.max_priority_fee_per_gas,
        "gas_limit": signed.gas_limit,
        "raw": signed.raw,
        "signer": signed.signer,
        "verdict": signed.verdict,
        "summary": signed.summary,
        "sent_count": 0,
    }
