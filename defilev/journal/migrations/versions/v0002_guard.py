"""The guard's decisions and alerts, its memory, and the switches that hold it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the guard's tables."""
    op.create_table(
        "guard_decision",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=True),
        *_texts("chain", "name", "verdict"),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_time", sa.BigInteger(), nullable=False),
        *_texts("document"),
        sa.ForeignKeyConstraint(["run"], ["run.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "guard_alert",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        *_texts("at", "kind", "severity", "state"),
        sa.Column("chain_id", sa.BigInteger(), nullable=True),
        sa.Column("account", sa.Text(), nullable=True),
        *_texts("text", "facts", "deliveries"),
        sa.CheckConstraint("severity IN ('info', 'warning', 'critical')", name="severity_known"),
        sa.CheckConstraint("state IN ('raised', 'repeated', 'escalated', 'resolved')", name="state_known"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "guard_memory",
        *_texts("chain", "name"),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        *_texts("updated_at", "document"),
        sa.PrimaryKeyConstraint("chain", "name"),
    )
    op.create_table(
        "guard_switch",
        *_texts("name", "state", "why", "at"),
        sa.CheckConstraint("state IN ('paused', 'halted')", name="state_known"),
        sa.PrimaryKeyConstraint("name"),
    )


def downgrade() -> None:
    """Refuse: what was decided is not forgotten."""
    raise NotImplementedError("what was decided is not forgotten")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]
