"""Schedules, and what became of each of their fire times."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_schedules"
down_revision = "0006_connections"
branch_labels = None
depends_on = None


def upgrade() -> None:
    open_ones = sa.text("schedule_id IS NOT NULL AND state IN ('queued', 'scheduled', 'running', 'waiting')")
    follows = sa.text("state = 'waiting' AND reason = 'previous'")
    op.add_column("jobs", sa.Column("schedule_id", sa.Uuid()))
    op.create_index("ix_jobs_schedule", "jobs", ["schedule_id"], postgresql_where=open_ones, sqlite_where=open_ones)
    op.create_index("ix_jobs_follows", "jobs", ["id"], postgresql_where=follows, sqlite_where=follows)
    _make_schedules()
    _make_runs()


def _make_schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("input", sa.Text(), nullable=False),
        sa.Column("cron", sa.String(length=200)),
        sa.Column("every_s", sa.Integer()),
        sa.Column("at", sa.DateTime(timezone=True)),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("jitter_s", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True)),
        sa.Column("ends_at", sa.DateTime(timezone=True)),
        sa.Column("catch_up", sa.String(length=8), nullable=False),
        sa.Column("catch_up_within_s", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.String(length=16), nullable=False),
        sa.Column("pause_after_failures", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("resumed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_fire_at", sa.DateTime(timezone=True)),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_schedules_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    due = sa.text("next_fire_at IS NOT NULL")
    op.create_index("ix_schedules_user", "schedules", ["user_id", "id"])
    op.create_index("ix_schedules_due", "schedules", ["next_fire_at"], postgresql_where=due, sqlite_where=due)


def _make_runs() -> None:
    op.create_table(
        "schedule_runs",
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("fire_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("job_id", sa.Uuid()),
        sa.Column("made_by", sa.String(length=12), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name=op.f("fk_schedule_runs_schedule_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("schedule_id", "fire_at", name=op.f("pk_schedule_runs")),
    )
    op.create_index("ix_schedule_runs_created", "schedule_runs", ["created_at"])


def downgrade() -> None:
    op.drop_table("schedule_runs")
    op.drop_table("schedules")
    op.drop_index("ix_jobs_follows", table_name="jobs")
    op.drop_index("ix_jobs_schedule", table_name="jobs")
    op.drop_column("jobs", "schedule_id")
