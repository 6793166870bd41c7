"""Tables of what the clock submits."""

import sqlalchemy as sa

from models.db.base import Id, Instant, metadata

# What the clock submits: an action with its input, by a cron expression, at intervals, or once.
schedules = sa.Table(
    "schedules",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("action", sa.String(100), nullable=False),
    sa.Column("input", sa.Text, nullable=False),
    sa.Column("cron", sa.String(200)),  # exactly one of these three
    sa.Column("every_s", sa.Integer),
    sa.Column("at", Instant),
    sa.Column("timezone", sa.String(64), nullable=False),
    sa.Column("jitter_s", sa.Integer, nullable=False),
    sa.Column("starts_at", Instant),
    sa.Column("ends_at", Instant),
    sa.Column("catch_up", sa.String(8), nullable=False),
    sa.Column("catch_up_within_s", sa.Integer, nullable=False),
    sa.Column("overlap", sa.String(16), nullable=False),
    sa.Column("pause_after_failures", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("note", sa.Text),  # why it was paused
    sa.Column("resumed_at", Instant, nullable=False),  # failures before do not count
    sa.Column("next_fire_at", Instant),  # null: never again, or paused
    sa.Column("version", sa.BigInteger, nullable=False),  # counts changes by people
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_schedules_user", "user_id", "id"),  # a user's schedules, newest first
)
_DUE = schedules.c.next_fire_at.is_not(None)
sa.Index("ix_schedules_due", schedules.c.next_fire_at, postgresql_where=_DUE, sqlite_where=_DUE)

# What became of each fire time: there is one row for it, so that no two schedulers fire it twice.
schedule_runs = sa.Table(
    "schedule_runs",
    metadata,
    sa.Column("schedule_id", Id, sa.ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("fire_at", Instant, primary_key=True),
    sa.Column("outcome", sa.String(12), nullable=False),  # submitted, skipped, missed, refused
    sa.Column("detail", sa.Text),
    sa.Column("job_id", Id),  # may have been pruned since
    sa.Column("made_by", sa.String(12), nullable=False),  # clock, person, backfill
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_schedule_runs_created", "created_at"),  # prune
)
