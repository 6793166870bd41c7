"""Approval: which writes wait for a person, and what a person may decide about them.

A decision names the SHA-256 of the exact input it was given for, so that nobody approves what they did not see.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from pydantic import JsonValue

from llmcoder import strict_json
from llmcoder.declare.action import Effect
from llmcoder.errors import ActionError
from llmcoder.states import Reason, State
from models.accounts.preferences import Policy, Preferences, approver_ids, approves_for
from models.accounts.tables import users
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.db.literals import literal
from models.jobs import fair_queue
from models.jobs.machine import Move, Moved, apply, lock
from models.jobs.store import COLUMNS, Job
from models.jobs.tables import jobs

WAITS = sa.and_(jobs.c.state == literal(State.WAITING), jobs.c.reason == Reason.APPROVAL)


class Origin(StrEnum):
    """Who submitted a job."""

    PERSON = "person"
    SCHEDULE = "schedule"
    MACRO = "macro"
    WEBHOOK = "webhook"
    AGENT = "agent"
    MCP = "mcp"

    @property
    def delegated(self) -> bool:
        """Whether it acts in a user's name by its own lights, and can read what the user can."""
        return self in (Origin.AGENT, Origin.MCP)


class Why(StrEnum):
    """Why a write waits for approval."""

    TAINTED = "tainted"  # its input holds what strangers wrote
    POLICY = "policy"  # its user wants to be asked
    ORIGIN = "origin"  # nobody submitted it in person


class NotAsShown(ActionError):
    """The job is not what the decision was about; nothing was decided."""

    slug, title, status = "not-as-shown", "The job is another than the one you decided about", 409


def why_ask(
    effect: Effect,
    action: str,
    origin: Origin,
    tainted: bool,
    preferences: Preferences,
    *,
    own_records: bool = False,
) -> list[Why]:
    """Why a job must wait for a person; empty when it may run.

    Args:
        own_records: It changes nothing but the user's own records here, and can be taken back: what the user has set
            up themselves, a macro or a schedule, may do that without asking.
    """
    if not effect.writes:
        return []
    policy = preferences.policy(action)
    found = [Why.TAINTED] if tainted else []
    if policy is Policy.ASK:
        found.append(Why.POLICY)
    if policy is None and origin is not Origin.PERSON and (origin.delegated or not own_records):
        found.append(Why.ORIGIN)
    return found


def sha256(text: str) -> str:
    """Of an input, in hex: of its JSON with sorted keys and no spaces, whatever its writer made of it.

    Not by orjson: it rounds integers of more than 64 bits, and two inputs would have one hash.
    """
    return hashlib.sha256(strict_json.canonical(strict_json.read_lenient(text)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Pending:
    """A job that waits, and whose it is."""

    job: Job
    email: str


def pending(conn: sa.Connection, viewer_id: UUID, before: UUID | None, limit: int) -> list[Pending]:
    """Jobs that the viewer may approve, newest first."""
    mine = jobs.c.user_id.in_(approves_for(conn, viewer_id))
    query = sa.select(*COLUMNS, users.c.email).join(users, users.c.id == jobs.c.user_id).where(WAITS, mine)
    if before is not None:
        query = query.where(jobs.c.id < before)
    return [Pending(Job(*row[:-1]), row[-1]) for row in conn.execute(query.order_by(jobs.c.id.desc()).limit(limit))]


def find(conn: sa.Connection, viewer_id: UUID, job_id: UUID) -> Job | None:
    """A job that the viewer owns, or may decide about while it waits; None for any other."""
    row = conn.execute(sa.select(*COLUMNS).where(jobs.c.id == job_id)).first()
    job = None if row is None else Job(*row)
    if job is None or job.user_id == viewer_id:
        return job
    waits = job.state == State.WAITING and job.reason == Reason.APPROVAL
    return job if waits and viewer_id in approver_ids(conn, job.user_id) else None


def may_decide(conn: sa.Connection, viewer_id: UUID, job: Job) -> bool:
    return viewer_id in approver_ids(conn, job.user_id)


def approve(
    conn: sa.Connection, job_id: UUID, by: UUID, seen: str, edited: str | None, held_s: int, now: datetime
) -> Moved | None:
    """Let a waiting job run.

    Args:
        seen: The SHA-256 of the input that the approver saw.
        edited: The input to run with instead, as JSON text; the proposed one is kept beside it.
        held_s: Seconds for which it is held back all the same.

    Returns:
        The transition; None where the job does not wait for approval any more, or its time for that has run out.

    Raises:
        NotAsShown: Its input is another.
    """
    if not _still_waits(conn, job_id, now):
        return None
    row = conn.execute(sa.select(jobs.c.input, jobs.c.proposed_input, jobs.c.due_at).where(jobs.c.id == job_id)).one()
    if sha256(row.input) != seen:
        raise NotAsShown(f"The input of job {job_id} has another SHA-256 than {seen}. Look at it again.")
    text = row.input if edited is None else edited
    values: dict[str, object] = {"decided_by": by, "decided_at": now, "approved_sha256": sha256(text), "input": text}
    if edited is not None and row.proposed_input is None:
        values["proposed_input"] = row.input
    fair_queue.rejoin(conn, [job_id])
    moved = apply(conn, [_released(job_id, row.due_at, held_s, values, now)], now)[0]
    if moved is not None:
        detail: dict[str, JsonValue] = {"sha256": sha256(text), "edited": edited is not None}
        audit.append(conn, [Entry(Event.JOB_APPROVED, str(job_id), by, detail)], now)
    return moved


def _still_waits(conn: sa.Connection, job_id: UUID, now: datetime | None) -> bool:
    """Whether the job, locked from here on, waits for approval, and at the instant has not waited too long.

    Since it was looked at it may have been approved, run, and wait for something else.
    """
    lock(conn, [job_id])
    in_time = sa.true() if now is None else jobs.c.expires_at > now
    return conn.execute(sa.select(jobs.c.id).where(jobs.c.id == job_id, WAITS, in_time)).first() is not None


def _released(job_id: UUID, due_at: datetime, held_s: int, values: dict[str, object], now: datetime) -> Move:
    only = frozenset({State.WAITING})
    free_at = now + timedelta(seconds=held_s)
    if held_s and free_at > due_at:
        return Move(
            job_id, State.SCHEDULED, reason=Reason.UNDO_WINDOW, only_from=only, values=values | {"due_at": free_at}
        )
    if due_at > now:
        return Move(job_id, State.SCHEDULED, reason=Reason.DELAY, only_from=only, values=values)
    return Move(job_id, State.QUEUED, only_from=only, values=values | {"due_at": now})


def reject(conn: sa.Connection, job_id: UUID, by: UUID, reason: str | None, now: datetime) -> Moved | None:
    """Cancel a waiting job by a person's word; None where it does not wait any more."""
    if not _still_waits(conn, job_id, None):
        return None
    values = {"decided_by": by, "decided_at": now, "note": reason}
    only = frozenset({State.WAITING})
    moved = apply(conn, [Move(job_id, State.CANCELLED, reason=Reason.REJECTED, only_from=only, values=values)], now)[0]
    if moved is not None:
        audit.append(conn, [Entry(Event.JOB_REJECTED, str(job_id), by)], now)
    return moved


def expire(conn: sa.Connection, now: datetime, limit: int) -> list[Moved]:
    """Cancel what nobody approved in time."""
    query = sa.select(jobs.c.id).where(WAITS, jobs.c.expires_at <= now).order_by(jobs.c.id).limit(limit)
    ids = conn.execute(query.with_for_update(skip_locked=True)).scalars().all()
    only = frozenset({State.WAITING})
    moved = apply(conn, [Move(one, State.CANCELLED, reason=Reason.EXPIRED, only_from=only) for one in ids], now)
    done = [one for one in moved if one is not None]
    audit.append(conn, [Entry(Event.JOB_EXPIRED, str(one.job_id)) for one in done], now)
    return done


def any_expired(conn: sa.Connection, now: datetime) -> bool:
    query = sa.select(jobs.c.id).where(WAITS, jobs.c.expires_at <= now).order_by(jobs.c.expires_at).limit(1)
    return conn.execute(query).first() is not None
