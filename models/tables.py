"""Every table of the engine. A domain's own tables stand in `tasks/<domain>/tables.py` on the same metadata.

Beside each index stands the query it is for. JSON is kept as text exactly as it was written: the engine passes it
through and only actions read it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


class Instant(sa.TypeDecorator[datetime]):
    """An aware UTC instant on both stores; SQLite keeps it as ISO text without the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        return as_text if dialect.name == "sqlite" else _in_utc

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        return _from_text if dialect.name == "sqlite" else _in_utc


# A batch of jobs carries the same few instants in every row, and writing one down costs more than remembering it.
@lru_cache(256)
def as_text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


@lru_cache(256)
def _from_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def _in_utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


class Id(sa.Uuid[UUID]):
    """An identifier; SQLite keeps it as 32 hexadecimal digits."""

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        return _from_hex if dialect.name == "sqlite" else super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]


# A job is read several times in its life and its user with each job; taking the digits apart costs more than knowing.
@lru_cache(4096)
def _from_hex(digits: str | None) -> UUID | None:
    return None if digits is None else UUID(digits)


users = sa.Table(
    "users",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("email", sa.String(254), nullable=False, unique=True),  # lower case
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("is_admin", sa.Boolean, nullable=False, default=False),
    sa.Column("is_active", sa.Boolean, nullable=False, default=True),
    sa.Column("created_at", Instant, nullable=False),
)

# One counter a user: every visible change of one of the user's jobs takes the next number in its own transaction.
# The row lock makes the order of numbers the order of commits, which a database sequence does not.
revisions = sa.Table(
    "revisions",
    metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("rev", sa.BigInteger, nullable=False, default=0),
)

# A chain of rotating refresh tokens; only hashes are kept. A used one that comes back ends its whole family.
refresh_tokens = sa.Table(
    "refresh_tokens",
    metadata,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("family", Id, nullable=False),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Column("used_at", Instant),
    sa.Column("origin", sa.String(16), nullable=False, server_default="person"),  # who acts under this session
    sa.Index("ix_refresh_tokens_family", "family"),  # end a family: logout, reuse
    sa.Index("ix_refresh_tokens_expires_at", "expires_at"),  # prune
)

# Access tokens ended before their time (logout), until they would have expired anyway.
revoked_tokens = sa.Table(
    "revoked_tokens",
    metadata,
    sa.Column("jti", sa.String(36), primary_key=True),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Index("ix_revoked_tokens_expires_at", "expires_at"),  # prune
)

login_attempts = sa.Table(
    "login_attempts",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("subject", sa.String(300), nullable=False),  # what is counted: see api/auth/limits.py
    sa.Column("at", Instant, nullable=False),
    sa.Index("ix_login_attempts_subject", "subject", "at"),  # how many failures lately
)

# From where a user has logged in: others who guess from elsewhere do not keep the user waiting there.
login_places = sa.Table(
    "login_places",
    metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("place", sa.String(64), primary_key=True),  # an IPv4 address or the /64 of an IPv6 one
    sa.Column("seen_at", Instant, nullable=False),
    sa.Index("ix_login_places_seen_at", "seen_at"),  # prune
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", Id, primary_key=True),  # UUIDv7: claim by id; sorts by time
    sa.Column("user_id", Id, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("action", sa.String(100), nullable=False),
    sa.Column("effect", sa.String(8), nullable=False),
    sa.Column("queue", sa.String(16), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("reason", sa.String(32)),
    sa.Column("origin", sa.String(16), nullable=False),
    sa.Column("input", sa.Text, nullable=False),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("progress_fraction", sa.Float),
    sa.Column("progress_message", sa.Text),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),  # claims so far; the fence of every later write
    sa.Column("max_attempts", sa.Integer, nullable=False),  # grows by one where a run is not to be counted
    sa.Column("losses", sa.Integer, nullable=False, default=0),  # workers that died under it with no gain
    sa.Column("furthest", sa.Float),  # the greatest progress of all its attempts
    sa.Column("priority", sa.SmallInteger, nullable=False),  # 0 first … 9 last
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("rung_at", Instant),  # a doorbell is out since then
    sa.Column("worker", sa.String(100)),
    sa.Column("lease_until", Instant),
    sa.Column("cancel_requested_at", Instant),
    sa.Column("armed_at", Instant),  # from then on the effect may have happened
    sa.Column("marker", sa.Text),  # what `reconcile` needs to find it
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("started_at", Instant),
    sa.Column("finished_at", Instant),
    sa.Column("rev", sa.BigInteger, nullable=False),
    sa.Column("idempotency_key", sa.String(255)),
    sa.Column("fingerprint", sa.String(64)),  # SHA-256 of what was submitted under the key
    sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"),  # its place among the users, see models.turns
    sa.Column("provider", sa.String(60), nullable=False, server_default=""),  # whose limits it keeps
    sa.Column("account", sa.String(254), nullable=False, server_default=""),  # at that provider; empty: everybody's
    sa.Column("tainted", sa.Boolean, nullable=False, server_default=sa.false()),  # its input holds what others wrote
    sa.Column("sources", sa.Text),  # ids of the jobs whose results its input, or what it read, was made of, as JSON
    sa.Column("result_taint", sa.String(8)),  # whose words its result or error holds, beyond those of its input
    sa.Column("proposed_input", sa.Text),  # what was asked for, where the approved input is another
    sa.Column("expires_at", Instant),  # waiting for approval no longer than this
    sa.Column("decided_by", Id),  # who approved or rejected it
    sa.Column("decided_at", Instant),
    sa.Column("approved_sha256", sa.String(64)),  # of the input that was approved
    sa.Column("note", sa.Text),  # a person's words: why it was rejected, how it was found to have ended
    sa.Column("undo_of", Id),  # the job whose effect this one takes back
    sa.Column("undone_by", Id),  # the job that takes this one's effect back
    sa.Column("schedule_id", Id),  # the schedule that made it, which may be gone
    sa.Column("parent_id", Id),  # the run of a macro that it is a step of
    sa.Column("restored_at", Instant),  # put back from a backup in doubt: a marker of before does not prove much
)

_STATE = jobs.c.state
# a worker takes the next due jobs of its queue, in order
sa.Index(
    "ix_jobs_ready", jobs.c.queue, jobs.c.priority, jobs.c.turn, jobs.c.id,
    postgresql_where=_STATE == "queued", sqlite_where=_STATE == "queued",
)  # fmt: skip
# the dispatcher finds what was never rung, and what was rung and not claimed in time
sa.Index(
    "ix_jobs_rung", jobs.c.queue, jobs.c.rung_at,
    postgresql_where=_STATE == "queued", sqlite_where=_STATE == "queued",
)  # fmt: skip
# the dispatcher finds delays and retries that are due
sa.Index("ix_jobs_due", jobs.c.due_at, postgresql_where=_STATE == "scheduled", sqlite_where=_STATE == "scheduled")
# the dispatcher finds attempts whose lease ran out
sa.Index("ix_jobs_lease", jobs.c.lease_until, postgresql_where=_STATE == "running", sqlite_where=_STATE == "running")
# push: a user's changes since a revision, in order
sa.Index("ix_jobs_user_rev", jobs.c.user_id, jobs.c.rev)
# GET /jobs: a user's jobs, newest first, whole or of one action or in one state
sa.Index("ix_jobs_user", jobs.c.user_id, jobs.c.id)
sa.Index("ix_jobs_user_action", jobs.c.user_id, jobs.c.action, jobs.c.id)
sa.Index("ix_jobs_user_state", jobs.c.user_id, jobs.c.state, jobs.c.id)
# retention: what ended long ago
_ENDED = jobs.c.finished_at.is_not(None)
sa.Index("ix_jobs_ended", jobs.c.state, jobs.c.finished_at, postgresql_where=_ENDED, sqlite_where=_ENDED)
# submit: one job a key of a user
_KEYED = jobs.c.idempotency_key.is_not(None)
sa.Index(
    "uq_jobs_idempotency_key", jobs.c.user_id, jobs.c.idempotency_key,
    unique=True, postgresql_where=_KEYED, sqlite_where=_KEYED,
)  # fmt: skip
# the dispatcher finds approvals that nobody gave in time
_EXPIRES = sa.and_(_STATE == "waiting", jobs.c.expires_at.is_not(None))
sa.Index("ix_jobs_expires", jobs.c.expires_at, postgresql_where=_EXPIRES, sqlite_where=_EXPIRES)
# submit: one compensation a job; a job shows what undid it
_UNDOES = jobs.c.undo_of.is_not(None)
sa.Index("uq_jobs_undo_of", jobs.c.undo_of, unique=True, postgresql_where=_UNDOES, sqlite_where=_UNDOES)

# what waits for an account to be connected again
_RECONNECT = sa.and_(_STATE == "waiting", jobs.c.reason == "reconnect")
sa.Index(
    "ix_jobs_reconnect", jobs.c.user_id, jobs.c.provider, jobs.c.account,
    postgresql_where=_RECONNECT, sqlite_where=_RECONNECT,
)  # fmt: skip

# schedules: what a schedule made and has not ended
OPEN = ("queued", "scheduled", "running", "waiting")
_SCHEDULED = sa.and_(jobs.c.schedule_id.is_not(None), _STATE.in_(OPEN))
sa.Index("ix_jobs_schedule", jobs.c.schedule_id, postgresql_where=_SCHEDULED, sqlite_where=_SCHEDULED)
# the dispatcher finds jobs that wait for the one before them
_FOLLOWS = sa.and_(_STATE == "waiting", jobs.c.reason == "previous")
sa.Index("ix_jobs_follows", jobs.c.id, postgresql_where=_FOLLOWS, sqlite_where=_FOLLOWS)

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

# Documents of steps. Each version is kept: a run goes on by the one that it began with.
macros = sa.Table(
    "macros",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),  # the newest
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.UniqueConstraint("user_id", "name", name="uq_macros_name"),
    sa.Index("ix_macros_user", "user_id", "id"),  # a user's macros, newest first
)
macro_versions = sa.Table(
    "macro_versions",
    metadata,
    sa.Column("macro_id", Id, sa.ForeignKey("macros.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),  # as JSON
    sa.Column("created_at", Instant, nullable=False),
)

# What a macro's job stands for while it runs. Its steps are jobs of their own, see models.macros.
macro_runs = sa.Table(
    "macro_runs",
    metadata,
    sa.Column("job_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", Id, nullable=False),
    sa.Column("macro_id", Id),  # null: the document came with the job; may be gone since
    sa.Column("version", sa.Integer),
    sa.Column("document", sa.Text, nullable=False),  # the one that it runs by
    sa.Column("input", sa.Text, nullable=False),
    sa.Column("mode", sa.String(8), nullable=False),  # run, plan
    sa.Column("secret", sa.String(64)),  # ends the addresses at which its steps wait to be called
    sa.Column("open", sa.Boolean, nullable=False),
    sa.Column("look_at", Instant),  # somebody has to look by then: something ended, or a time comes
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("root_id", Id),  # the outermost run that it stands in, itself where there is none; null: of before 0017
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),  # looks that broke, one after the other
    sa.Column("rest_until", Instant),  # nobody looks before, since the last look broke
)
# whose runs are to be looked at, and which of a user's is the next
_LOOKED_AT = macro_runs.c.open.is_(True)
sa.Index(
    "ix_macro_runs_look", macro_runs.c.user_id, macro_runs.c.look_at,
    postgresql_where=_LOOKED_AT, sqlite_where=_LOOKED_AT,
)  # fmt: skip

# What an outermost run has done so far with all the macros that it starts; its row is locked by whoever looks at one.
macro_roots = sa.Table(
    "macro_roots",
    metadata,
    sa.Column("root_id", Id, sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("steps", sa.Integer, nullable=False),  # steps and items that began
    sa.Column("runs", sa.Integer, nullable=False),  # macros that were started within it
)

macro_steps = sa.Table(
    "macro_steps",
    metadata,
    sa.Column("run_id", Id, sa.ForeignKey("macro_runs.job_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("step", sa.String(60), primary_key=True),
    sa.Column("item", sa.Integer, primary_key=True),  # -1: the step itself; else its place in a foreach
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("value", sa.Text),  # the item, or the list of a foreach, as JSON
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("job_id", Id),
    sa.Column("deadline_at", Instant),
)
# steps whose job may have ended, or been settled by a person
_SUBMITTED = macro_steps.c.state.in_(("submitted", "uncertain"))
sa.Index("ix_macro_steps_open", macro_steps.c.job_id, postgresql_where=_SUBMITTED, sqlite_where=_SUBMITTED)

# Calls from outside that steps of runs wait for; one may come before its step has begun to wait.
macro_calls = sa.Table(
    "macro_calls",
    metadata,
    sa.Column("run_id", Id, sa.ForeignKey("macro_runs.job_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("step", sa.String(60), primary_key=True),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

# How far each user has come in taking turns: a job's `turn` is its user's next one, see models.turns.
turns = sa.Table(
    "turns",
    metadata,
    sa.Column("queue", sa.String(16), primary_key=True),
    sa.Column("priority", sa.SmallInteger, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("turn", sa.BigInteger, nullable=False),
    sa.Index("ix_turns_turn", "queue", "priority", "turn"),  # the furthest
)

# What a user decided about approvals and the like, as one JSON document; see models.preferences.
preferences = sa.Table(
    "preferences",
    metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
)

# Who approves a user's jobs; where no row stands, the user alone.
approvers = sa.Table(
    "approvers",
    metadata,
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("approver_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_approvers_approver_id", "approver_id"),  # whose jobs may I approve
)

# A user's account at a provider. Secrets are encrypted with the key of that version before they come here.
connections = sa.Table(
    "connections",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("provider", sa.String(40), nullable=False),
    sa.Column("account", sa.String(254), nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False, server_default="1"),  # of the secret; fences who renews it
    sa.Column("renewing_until", Instant),  # somebody has a new access token made
    sa.Column("shown", sa.Text, nullable=False, server_default="{}"),  # what is no secret, as JSON
    sa.Column("scopes", sa.Text, nullable=False, server_default="[]"),  # what was granted, as JSON
    sa.Column("expires_at", Instant),  # of the access token
    sa.Column("checked_at", Instant),  # it worked then
    sa.Column("error", sa.Text),  # why it is broken
    sa.UniqueConstraint("user_id", "provider", "account", name="uq_connections_account"),
)

# Addresses at which others call us, and what their calls become. The secret is a JSON list of those that count.
inbound_hooks = sa.Table(
    "inbound_hooks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("action", sa.String(100), nullable=False),
    sa.Column("input", sa.Text, nullable=False),  # a template over the call, as JSON
    sa.Column("scheme", sa.String(24), nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("replay_window_s", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("error", sa.Text),  # why the last call that was proven became no job
    sa.Column("error_at", Instant),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_inbound_hooks_user", "user_id", "id"),  # a user's, newest first
)

# Addresses of users at which we call when their jobs change, each as far as it has come in its user's revisions.
webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("url", sa.String(2_000), nullable=False),
    sa.Column("events", sa.Text, nullable=False),  # a JSON list
    sa.Column("actions", sa.String(100), nullable=False),  # whose jobs: a name, `domain.*` or `*`
    sa.Column("with_result", sa.Boolean, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("note", sa.Text),  # why it was disabled
    sa.Column("rev", sa.BigInteger, nullable=False),  # changes up to it have become deliveries
    sa.Column("failures", sa.Integer, nullable=False),  # one after the other
    sa.Column("failing_since", Instant),
    sa.Column("resting_until", Instant),  # nothing is sent before, since it failed
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_webhooks_user", "user_id", "id"),  # a user's, newest first
)

# What is sent to them: at least once, under an id that stays the same.
webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("webhook_id", Id, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("job_id", Id),  # null: a test
    sa.Column("attempt", sa.Integer, nullable=False),  # of the job: failed again is another event
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),  # pending, delivered, failed
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("due_at", Instant, nullable=False),  # while somebody sends it: when it counts as lost
    sa.Column("status", sa.Integer),  # of the last answer
    sa.Column("error", sa.Text),  # why the last try failed
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Index("ix_webhook_deliveries_webhook", "webhook_id", "id"),  # of one webhook, newest first
    sa.Index("ix_webhook_deliveries_ended", "ended_at"),  # prune
    sa.UniqueConstraint("webhook_id", "job_id", "event", "attempt", name="uq_webhook_deliveries_event"),
)
_PENDING = webhook_deliveries.c.state == "pending"
sa.Index(
    "ix_webhook_deliveries_due", webhook_deliveries.c.webhook_id, webhook_deliveries.c.due_at,
    postgresql_where=_PENDING, sqlite_where=_PENDING,
)  # fmt: skip

# Sign-ins at a provider that have begun, for a few minutes; who comes back from there names the state.
oauth_states = sa.Table(
    "oauth_states",
    metadata,
    sa.Column("state_hash", sa.String(64), primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    sa.Column("provider", sa.String(40), nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),  # the PKCE verifier, sealed
    sa.Column("key_version", sa.Integer, nullable=False),
    sa.Column("redirect_uri", sa.Text, nullable=False),
    sa.Column("expires_at", Instant, nullable=False),
    sa.Index("ix_oauth_states_expires_at", "expires_at"),  # prune
)

# By what the keys of the sealed columns are known; see models.vault.
spent_keys = sa.Table(
    "spent_keys",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("idempotency_key", sa.String(255), primary_key=True),
    sa.Column("fingerprint", sa.String(64)),
    sa.Column("job_id", sa.Uuid, nullable=False),  # the job that it made, which was pruned
    sa.Column("kept_until", Instant, nullable=False),
    sa.Index("ix_spent_keys_kept_until", "kept_until"),
)

key_fingerprints = sa.Table(
    "key_fingerprints",
    metadata,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("fingerprint", sa.String(32), nullable=False, unique=True),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("retired_at", Instant),  # nothing is sealed with it any more
)

# Who did what, never with which secret; see models.audit. Triggers refuse every change but a new row.
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),  # 1, 2, 3, … without a gap
    sa.Column("at", Instant, nullable=False),
    sa.Column("actor_id", Id),  # of no account that must still exist
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(300), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("key_id", sa.String(16), nullable=False),  # which key sealed it
    sa.Column("previous", sa.String(64), nullable=False),  # hash of the row before
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Index("ix_audit_event", "event", "seq"),  # the newest of a kind
    sa.Index("ix_audit_actor_id", "actor_id", "seq"),  # what somebody did
    sa.Index("ix_audit_subject", "subject", "seq"),  # what became of a job
)

# Its last row, the one lock that writers of the log wait for: after every other one.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column(
        "id",
        sa.SmallInteger,
        sa.CheckConstraint("id = 1", name="ck_audit_head_one"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

# Who changed which setting before there was `audit`. Nothing writes it any more, and its rows stay where they are:
# nothing protected them, so the log's seal must not say that they are as they were written.
settings_audit = sa.Table(
    "settings_audit",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("user_id", Id),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("change", sa.String(8), nullable=False),  # set | unset
)

# The heartbeat of every worker process, and when it last claimed something.
workers = sa.Table(
    "workers",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("queue", sa.String(16), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("beat_at", Instant, nullable=False),
    sa.Column("claimed_at", Instant),
    sa.Column("slots", sa.Integer, nullable=False),
    sa.Column("trouble", sa.Text),  # which of its loops get nothing done, and why; null while all is well
)

# How the schedulers' duties fare, whichever process does them; see models.duties.
duties = sa.Table(
    "duties",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("every_s", sa.Float, nullable=False),
    sa.Column("since", Instant, nullable=False),  # a scheduler that has it runs since then
    sa.Column("succeeded_at", Instant),
    sa.Column("failed_at", Instant),
    sa.Column("error", sa.String(200)),  # the kind of the last failure
    sa.Column("failures", sa.BigInteger, nullable=False),
)

# When a provider may be asked again for an account, honoured by every worker; see models.rates.
rate_limits = sa.Table(
    "rate_limits",
    metadata,
    sa.Column("provider", sa.String(254), primary_key=True),
    sa.Column("account", sa.String(254), primary_key=True),
    sa.Column("blocked_until", Instant),  # the provider said so
    sa.Column("used_until", Instant),  # how much of the declared rate is used up
    sa.Column("spread_until", Instant),  # to when those that had to wait were spread out
)

# Counts that worker and scheduler processes add up for /metrics: workers come and go, and live on other machines.
tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("name", sa.String(60), primary_key=True),
    sa.Column("labels", sa.String(250), primary_key=True),  # values in the order of the metric's labels, by comma
    sa.Column("value", sa.Float, nullable=False),
)
