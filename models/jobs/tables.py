"""Tables of jobs, and of what decides which is next."""

import sqlalchemy as sa

from llmcoder.states import Reason, State
from models.db.base import Id, Instant, metadata

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
    sa.Column("turn", sa.BigInteger, nullable=False, server_default="0"),  # see models.jobs.fair_queue
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
    sa.Column("files", sa.Text),  # what it has attached, as JSON; see models.files.store
    sa.Column("restored_at", Instant),  # put back from a backup in doubt: a marker of before does not prove much
)

_STATE = jobs.c.state
# a worker takes the next due jobs of its queue, in order
sa.Index(
    "ix_jobs_ready", jobs.c.queue, jobs.c.priority, jobs.c.turn, jobs.c.id,
    postgresql_where=_STATE == State.QUEUED, sqlite_where=_STATE == State.QUEUED,
)  # fmt: skip
# the dispatcher finds what was never rung, and what was rung and not claimed in time
sa.Index(
    "ix_jobs_rung", jobs.c.queue, jobs.c.rung_at,
    postgresql_where=_STATE == State.QUEUED, sqlite_where=_STATE == State.QUEUED,
)  # fmt: skip
# the dispatcher finds delays and retries that are due
_LATER = _STATE == State.SCHEDULED
sa.Index("ix_jobs_due", jobs.c.due_at, postgresql_where=_LATER, sqlite_where=_LATER)
# the dispatcher finds attempts whose lease ran out
_RUNNING = _STATE == State.RUNNING
sa.Index("ix_jobs_lease", jobs.c.lease_until, postgresql_where=_RUNNING, sqlite_where=_RUNNING)
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
_EXPIRES = sa.and_(_STATE == State.WAITING, jobs.c.expires_at.is_not(None))
sa.Index("ix_jobs_expires", jobs.c.expires_at, postgresql_where=_EXPIRES, sqlite_where=_EXPIRES)
# submit: one compensation a job; a job shows what undid it
_UNDOES = jobs.c.undo_of.is_not(None)
sa.Index("uq_jobs_undo_of", jobs.c.undo_of, unique=True, postgresql_where=_UNDOES, sqlite_where=_UNDOES)

# what waits for an account to be connected again
_RECONNECT = sa.and_(_STATE == State.WAITING, jobs.c.reason == Reason.RECONNECT)
sa.Index(
    "ix_jobs_reconnect", jobs.c.user_id, jobs.c.provider, jobs.c.account,
    postgresql_where=_RECONNECT, sqlite_where=_RECONNECT,
)  # fmt: skip

# the dispatcher finds what waits for a worker that knows its action
_UNKNOWN = sa.and_(_STATE == State.WAITING, jobs.c.reason == Reason.UNKNOWN_ACTION)
sa.Index(
    "ix_jobs_unknown", jobs.c.queue, jobs.c.action, jobs.c.id, postgresql_where=_UNKNOWN, sqlite_where=_UNKNOWN,
)  # fmt: skip

# schedules: what a schedule made and has not ended
OPEN = (State.QUEUED, State.SCHEDULED, State.RUNNING, State.WAITING)
_SCHEDULED = sa.and_(jobs.c.schedule_id.is_not(None), _STATE.in_(OPEN))
sa.Index("ix_jobs_schedule", jobs.c.schedule_id, postgresql_where=_SCHEDULED, sqlite_where=_SCHEDULED)
# the dispatcher finds jobs that wait for the one before them
_FOLLOWS = sa.and_(_STATE == State.WAITING, jobs.c.reason == Reason.PREVIOUS)
sa.Index("ix_jobs_follows", jobs.c.id, postgresql_where=_FOLLOWS, sqlite_where=_FOLLOWS)

# How far each user has come in taking turns: a job's `turn` is its user's next one, see models.jobs.fair_queue.
turns = sa.Table(
    "turns",
    metadata,
    sa.Column("queue", sa.String(16), primary_key=True),
    sa.Column("priority", sa.SmallInteger, primary_key=True),
    sa.Column("user_id", Id, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("turn", sa.BigInteger, nullable=False),
    sa.Index("ix_turns_turn", "queue", "priority", "turn"),  # the furthest
)

# By what the keys of the sealed columns are known; see models.accounts.vault.
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
    sa.Column("actions", sa.Text),  # what it knows, as JSON; null for one that is older than this column
)

# How the schedulers' duties fare, whichever process does them; see models.jobs.duties.
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

# When a provider may be asked again for an account, honoured by every worker; see models.jobs.rates.
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
