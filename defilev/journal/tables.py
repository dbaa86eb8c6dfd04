"""The tables. Integers that may need more than 63 bits are decimal text; hashes, addresses and bytes are hex text."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from defilev.journal.columns import Sint, Uint
from defilev.journal.values import LIVE

__all__ = [
    "METADATA",
    "SEALED",
    "attempt",
    "event",
    "fill",
    "guard_alert",
    "guard_decision",
    "guard_memory",
    "guard_switch",
    "head",
    "intent",
    "lease",
    "observation",
    "outcome",
    "plan",
    "receipt",
    "run",
    "simulation",
    "step",
]

METADATA = MetaData()
_live = text("state IN ({})".format(", ".join(f"'{state}'" for state in LIVE)))


def _words(column: str, *words: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=f"{column}_known")


run = Table(
    "run",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("chain", Text, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("market", Text, nullable=False),
    Column("config_hash", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("plan_hash", Text),
    Column("started_at", Text, nullable=False),
    Column("ended_at", Text),
    Column("stopped_by", Text),
    _words("mode", "broadcast", "sign-only"),
)
observation = Table(
    "observation",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("run", ForeignKey("run.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", Text, nullable=False),
    Column("block_time", BigInteger, nullable=False),
    Column("health_factor", Uint),
    Column("collateral_value", Uint, nullable=False),
    Column("debt_value", Uint, nullable=False),
    Column("quote_decimals", Integer, nullable=False),
    Column("document", Text, nullable=False),
)
plan = Table(
    "plan",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("run", ForeignKey("run.id"), nullable=False),
    Column("hash", Text, nullable=False),
    Column("promised_health_factor", Uint),
    Column("document", Text, nullable=False),
)
step = Table(
    "step",
    METADATA,
    Column("plan", ForeignKey("plan.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("contract", Text, nullable=False),
    Column("to_address", Text, nullable=False),
    Column("value", Uint, nullable=False),
    Column("data", Text, nullable=False),
    Column("gas_limit", BigInteger, nullable=False),
    Column("health_factor", Uint),
)
simulation = Table(
    "simulation",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("run", ForeignKey("run.id"), nullable=False),
    Column("engine", Text, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", Text, nullable=False),
    Column("succeeded", Integer, nullable=False),
    Column("gas_used", BigInteger, nullable=False),
    Column("health_factor", Uint),
    Column("document", Text, nullable=False),
)
intent = Table(
    "intent",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("run", ForeignKey("run.id"), nullable=False),
    Column("step", Integer, nullable=False),
    Column("chain", Text, nullable=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("account", Text, nullable=False),
    Column("position", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("nonce", BigInteger),
    Column("state", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("observed_block", BigInteger, nullable=False),
    Column("observed_hash", Text, nullable=False),
    Column("fields", Text, nullable=False),
    Column("deadline_block", BigInteger),
    Column("cap_wei", Uint, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    _words("kind", "rebalance", "deleverage", "repay", "cancel"),
    UniqueConstraint("chain", "account", "nonce", name="one_intent_per_nonce"),
    Index("one_live_per_account", "chain", "account", unique=True, sqlite_where=_live, postgresql_where=_live),
    Index("one_live_per_position", "chain", "position", unique=True, sqlite_where=_live, postgresql_where=_live),
)
attempt = Table(
    "attempt",
    METADATA,
    Column("hash", Text, primary_key=True),
    Column("intent", ForeignKey("intent.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("max_fee", Uint, nullable=False),
    Column("tip", Uint, nullable=False),
    Column("gas_limit", BigInteger, nullable=False),
    Column("raw", Text, nullable=False),
    Column("signer", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("sent_count", Integer, nullable=False),
    Column("first_sent", Text),
    Column("last_result", Text),
    Column("settled", Text),
    UniqueConstraint("intent", "number", name="one_number_per_attempt"),
)
receipt = Table(
    "receipt",
    METADATA,
    Column("hash", ForeignKey("attempt.hash"), primary_key=True),
    Column("block_hash", Text, primary_key=True),
    Column("block_number", BigInteger, nullable=False),
    Column("succeeded", Integer, nullable=False),
    Column("gas_used", BigInteger, nullable=False),
    Column("fee_paid", Uint, nullable=False),
)
outcome = Table(
    "outcome",
    METADATA,
    Column("run", ForeignKey("run.id"), primary_key=True),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", Text, nullable=False),
    Column("promised_health_factor", Uint),
    Column("got_health_factor", Uint),
    Column("promised_debt", Uint, nullable=False),
    Column("got_debt", Uint, nullable=False),
    Column("promised_collateral", Uint, nullable=False),
    Column("got_collateral", Uint, nullable=False),
    Column("cost_expected", Sint, nullable=False),
    Column("cost_worst", Sint, nullable=False),
    Column("cost_got", Sint),
    Column("quote_decimals", Integer, nullable=False),
    Column("fee_paid", Uint, nullable=False),
)
fill = Table(
    "fill",
    METADATA,
    Column("run", ForeignKey("run.id"), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("token", Text, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("decimals", Integer, nullable=False),
    Column("minimum", Uint, nullable=False),
    Column("quoted", Uint, nullable=False),
    Column("got", Uint, nullable=False),
)
guard_decision = Table(
    "guard_decision",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("run", ForeignKey("run.id")),
    Column("chain", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("block_time", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)
guard_alert = Table(
    "guard_alert",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    *(Column(name, Text, nullable=False) for name in ("at", "kind", "severity", "state")),
    Column("chain_id", BigInteger),
    Column("account", Text),
    *(Column(name, Text, nullable=False) for name in ("text", "facts", "deliveries")),
    _words("severity", "info", "warning", "critical"),
    _words("state", "raised", "repeated", "escalated", "resolved"),
)
SEALED: tuple[Table, ...] = (
    *(run, observation, plan, step, simulation, intent, attempt, receipt, outcome, fill, guard_decision, guard_alert),
)
"""Tables whose every row the chain of events vouches for."""

event = Table(
    "event",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text),
    Column("detail", Text, nullable=False),
    Column("row_hash", Text, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
head = Table(
    "head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
    CheckConstraint("id = 1", name="only_one"),
)
lease = Table(
    "lease",
    METADATA,
    Column("chain", Text, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires_at", Text, nullable=False),
)
guard_memory = Table(
    "guard_memory",
    METADATA,
    Column("chain", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("document", Text, nullable=False),
)
guard_switch = Table(
    "guard_switch",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("at", Text, nullable=False),
    _words("state", "paused", "halted"),
)
