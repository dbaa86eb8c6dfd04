"""The first schema: runs, what was seen and planned, nonces, attempts, receipts, outcomes, the chain of events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_LIVE = sa.text("state IN ('NONCE_RESERVED', 'SIGNED', 'BROADCAST', 'UNKNOWN', 'FOREIGN')")


def upgrade() -> None:
    """Create every table."""
    _run()
    _observation()
    _plan()
    _step()
    _simulation()
    _intent()
    _attempt()
    _receipt()
    _outcome()
    _fill()
    _event()
    _head()
    _lease()
    op.execute(
        "INSERT INTO head (id, seq, hash) VALUES "
        "(1, 0, '8c0a5c392e28cd46afb7cd8e9fed8b0300c2a1d8756450f9d9be719db86556c0')"
    )


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [_text(name) for name in names]


def downgrade() -> None:
    """Refuse: what was done is not forgotten."""
    raise NotImplementedError("the journal's first schema has none before it")


def _run() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        *_texts("kind", "mode", "stage", "chain"),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        *_texts("account", "protocol", "market", "config_hash", "version"),
        _text("plan_hash", nullable=True),
        _text("started_at"),
        _text("ended_at", nullable=True),
        _text("stopped_by", nullable=True),
        sa.CheckConstraint("mode IN ('broadcast', 'sign-only')", name="mode_known"),
        sa.PrimaryKeyConstraint("id"),
    )


def _observation() -> None:
    op.create_table(
        "observation",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        _text("role"),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        _text("block_hash"),
        sa.Column("block_time", sa.BigInteger(), nullable=False),
        _text("health_factor", nullable=True),
        *_texts("collateral_value", "debt_value"),
        sa.Column("quote_decimals", sa.Integer(), nullable=False),
        _text("document"),
        sa.ForeignKeyConstraint(
            ["run"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )


def _plan() -> None:
    op.create_table(
        "plan",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        _text("hash"),
        _text("promised_health_factor", nullable=True),
        _text("document"),
        sa.ForeignKeyConstraint(
            ["run"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )


def _step() -> None:
    op.create_table(
        "step",
        sa.Column("plan", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        *_texts("kind", "contract", "to_address", "value", "data"),
        sa.Column("gas_limit", sa.BigInteger(), nullable=False),
        _text("health_factor", nullable=True),
        sa.ForeignKeyConstraint(
            ["plan"],
            ["plan.id"],
        ),
        sa.PrimaryKeyConstraint("plan", "number"),
    )


def _simulation() -> None:
    op.create_table(
        "simulation",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        _text("engine"),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        _text("block_hash"),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("gas_used", sa.BigInteger(), nullable=False),
        _text("health_factor", nullable=True),
        _text("document"),
        sa.ForeignKeyConstraint(
            ["run"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )


def _intent() -> None:
    op.create_table(
        "intent",
        _text("id"),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        _text("chain"),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        *_texts("account", "position", "kind"),
        sa.Column("nonce", sa.BigInteger(), nullable=True),
        _text("state"),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("observed_block", sa.BigInteger(), nullable=False),
        *_texts("observed_hash", "fields"),
        sa.Column("deadline_block", sa.BigInteger(), nullable=True),
        *_texts("cap_wei", "created_at", "updated_at"),
        sa.CheckConstraint("kind IN ('rebalance', 'deleverage', 'repay', 'cancel')", name="kind_known"),
        sa.ForeignKeyConstraint(
            ["run"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("chain", "account", "nonce", name="one_intent_per_nonce"),
    )
    op.create_index(
        "one_live_per_account", "intent", ["chain", "account"], unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE
    )
    op.create_index(
        "one_live_per_position",
        "intent",
        ["chain", "position"],
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )


def _attempt() -> None:
    op.create_table(
        "attempt",
        *_texts("hash", "intent"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        *_texts("purpose", "max_fee", "tip"),
        sa.Column("gas_limit", sa.BigInteger(), nullable=False),
        *_texts("raw", "signer", "verdict", "summary"),
        sa.Column("sent_count", sa.Integer(), nullable=False),
        _text("first_sent", nullable=True),
        _text("last_result", nullable=True),
        _text("settled", nullable=True),
        sa.ForeignKeyConstraint(
            ["intent"],
            ["intent.id"],
        ),
        sa.PrimaryKeyConstraint("hash"),
        sa.UniqueConstraint("intent", "number", name="one_number_per_attempt"),
    )


def _receipt() -> None:
    op.create_table(
        "receipt",
        *_texts("hash", "block_hash"),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("gas_used", sa.BigInteger(), nullable=False),
        _text("fee_paid"),
        sa.ForeignKeyConstraint(
            ["hash"],
            ["attempt.hash"],
        ),
        sa.PrimaryKeyConstraint("hash", "block_hash"),
    )


def _outcome() -> None:
    op.create_table(
        "outcome",
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        _text("block_hash"),
        _text("promised_health_factor", nullable=True),
        _text("got_health_factor", nullable=True),
        *_texts("promised_debt", "got_debt", "promised_collateral", "got_collateral", "cost_expected", "cost_worst"),
        _text("cost_got", nullable=True),
        sa.Column("quote_decimals", sa.Integer(), nullable=False),
        _text("fee_paid"),
        sa.ForeignKeyConstraint(
            ["run"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("run"),
    )


def _fill() -> None:
    op.create_table(
        "fill",
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        *_texts("token", "symbol"),
        sa.Column("decimals", sa.Integer(), nullable=False),
        *_texts("minimum", "quoted", "got"),
        sa.ForeignKeyConstraint(
            ["run"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("run", "step"),
    )


def _event() -> None:
    op.create_table(
        "event",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        *_texts("at", "subject", "key"),
        _text("from_state", nullable=True),
        _text("to_state", nullable=True),
        *_texts("detail", "row_hash", "prev_hash", "hash"),
        sa.PrimaryKeyConstraint("seq"),
    )


def _head() -> None:
    op.create_table(
        "head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        _text("hash"),
        sa.CheckConstraint("id = 1", name="only_one"),
        sa.PrimaryKeyConstraint("id"),
    )


def _lease() -> None:
    op.create_table(
        "lease",
        *_texts("chain", "account", "holder"),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        _text("expires_at"),
        sa.PrimaryKeyConstraint("chain", "account"),
    )
