"""The `defilev/rehearse@1` document; docs/json.md describes every field."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from defilev.model.flow import FlowValue
from defilev.model.rehearsal import AssetMove, PoolMove, Rehearsal
from defilev.plan import plan_document
from defilev.report.decimals import at_least, computed_price
from defilev.units import Wad, to_decimal

__all__ = ["rehearsal_document"]

SCHEMA = "defilev/rehearse@1"


def rehearsal_document(made: Rehearsal) -> dict[str, Any]:
    """Return the document: money as decimal strings, on-chain integers as strings, `None` where there is no figure."""
    account, decimals = made.before, made.before.quote_decimals
    return {
        "schema": SCHEMA,
        "outcome": made.outcome,
        "refusal": made.refusal,
        "chain_id": account.chain_id,
        "block": {"number": str(account.block.number), "hash": account.block.hash},
        "protocol": account.protocol,
        "market": account.market,
        "market_label": account.market_name,
        "address": account.owner,
        "quote": account.quote,
        "shock": _shock(made),
        "goal": {"kind": made.goal.kind, "value": None if made.goal.value is None else format(made.goal.value, "f")},
        "prices": [_move(move) for move in made.moves],
        "pools": [_pool(pool) for pool in made.pools],
        "base_fee": None if made.base_fee is None else str(made.base_fee),
        "health_factor_before": _wad(account.health_factor),
        "health_factor_shocked": _wad(made.shocked.health_factor),
        "health_factor_after": _wad(made.health_after),
        "cost": None if made.cost is None else at_least(to_decimal(made.cost, decimals), 2),
        "gas_value": None if made.gas_value is None else at_least(to_decimal(made.gas_value, decimals), 2),
        "plan": None if made.plan is None else plan_document(made.plan),
        "simulation": None if made.report is None else _part(made.report),
    }


def _shock(made: Rehearsal) -> dict[str, Any]:
    shock = made.shock
    return {
        "prices": _changes(shock.prices),
        "depegs": _changes(shock.depegs),
        "liquidity": None if shock.liquidity is None else at_least(shock.liquidity, 2),
        "gas_price": None if shock.gas_price is None else str(shock.gas_price),
    }


def _changes(changes: Sequence[tuple[str, Decimal]]) -> list[dict[str, str]]:
    return [{"name": name, "change": at_least(change, 2)} for name, change in changes]


def _move(move: AssetMove) -> dict[str, str]:
    return {
        "asset": move.asset.symbol,
        "address": move.asset.address,
        "before": at_least(move.before, 2),
        "after": at_least(move.after, 2),
    }


def _pool(pool: PoolMove) -> dict[str, str]:
    return {
        "pool": pool.hop.pool,
        "token_in": pool.hop.token_in.symbol,
        "token_out": pool.hop.token_out.symbol,
        "fee": str(pool.hop.fee),
        "factor": computed_price(pool.factor),
    }


def _wad(value: Wad | None) -> dict[str, str] | None:
    return None if value is None else {"wad": str(value), "decimal": format(to_decimal(value, 18), "f")}


def _part(value: FlowValue) -> dict[str, Any]:
    return {name: field for name, field in value.to_document().items() if name != "schema"}
