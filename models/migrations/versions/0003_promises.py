"""Approval, taint, undo; limits per provider and account; turns between users."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_promises"
down_revision = "0002_tallies"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _add_columns()
    _index_anew()
    _make_tables()
    _make_rate_limits_anew()


def _add_columns() -> None:
    op.add_column("refresh_tokens", sa.Column("origin", sa.String(length=16), nullable=False, server_default="person"))
    for column in (
        sa.Column("turn", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("provider", sa.String(length=60), nullable=False, server_default=""),
        sa.Column("account", sa.String(length=254), nullable=False, server_default=""),
        sa.Column("tainted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("sources", sa.Text()),
        sa.Column("proposed_input", sa.Text()),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("approved_sha256", sa.String(length=64)),
        sa.Column("note", sa.Text()),
        sa.Column("undo_of", sa.Uuid()),
        sa.Column("undone_by", sa.Uuid()),
    ):
        op.add_column("jobs", column)


def _index_anew() -> None:
    queued, waits = sa.text("state = 'queued'"), sa.text("state = 'waiting' AND expires_at IS NOT NULL")
    undoes = sa.text("undo_of IS NOT NULL")
    op.drop_index("ix_jobs_ready", table_name="jobs")
    op.create_index(
        "ix_jobs_ready", "jobs", ["queue", "priority", "turn", "id"], postgresql_where=queued, sqlite_where=queued
    )
    op.create_index("ix_jobs_expires", "jobs", ["expires_at"], postgresql_where=waits, sqlite_where=waits)
    op.create_index("uq_jobs_undo_of", "jobs", ["undo_of"], unique=True, postgresql_where=undoes, sqlite_where=undoes)


def _make_tables() -> None:
    op.create_table(
        "turns",
        sa.Column("queue", sa.String(length=16), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_turns_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("queue", "priority", "user_id", name=op.f("pk_turns")),
    )
    op.create_index("ix_turns_turn", "turns", ["queue", "priority", "turn"])
    op.create_table(
        "preferences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_preferences_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_preferences")),
    )
    op.create_table(
        "approvers",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("approver_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_approvers_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["approver_id"], ["users.id"], name=op.f("fk_approvers_approver_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "approver_id", name=op.f("pk_approvers")),
    )
    op.create_index("ix_approvers_approver_id", "approvers", ["approver_id"])


def _make_rate_limits_anew() -> None:
    """What stood there lasted for minutes."""
    op.drop_table("rate_limits")
    op.create_table(
        "rate_limits",
        sa.Column("provider", sa.String(length=254), nullable=False),
        sa.Column("account", sa.String(length=254), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True)),
        sa.Column("used_until", sa.DateTime(timezone=True)),
        sa.Column("spread_until", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("provider", "account", name=op.f("pk_rate_limits")),
    )


def downgrade() -> None:
    op.drop_table("rate_limits")
    op.create_table(
        "rate_limits",
        sa.Column("provider", sa.String(length=254), nullable=False),
        sa.Column("account", sa.String(length=254), nullable=False),
        sa.Column("blocked_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("provider", "account", name=op.f("pk_rate_limits")),
    )
    for table in ("approvers", "preferences", "turns"):
        op.drop_table(table)
    for index in ("uq_jobs_undo_of", "ix_jobs_expires", "ix_jobs_ready"):
        op.drop_index(index, table_name="jobs")
    queued = sa.text("state = 'queued'")
    op.create_index("ix_jobs_ready", "jobs", ["queue", "priority", "id"], postgresql_where=queued, sqlite_where=queued)
    for name in (
        "turn", "provider", "account", "tainted", "sources", "proposed_input",
        "expires_at", "decided_by", "decided_at", "approved_sha256", "note", "undo_of", "undone_by",
    ):  # fmt: skip
        op.drop_column("jobs", name)
    op.drop_column("refresh_tokens", "origin")
