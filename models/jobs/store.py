"""Jobs as rows: accepting them in batches, reading them for a user, and the one JSON form that every door shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.states import Reason, State
from models.accounts.tables import revisions
from models.db import batch
from models.files import links
from models.jobs import fair_queue, spent_keys
from models.jobs.machine import ENDED, Move, Moved, apply, lock, take_revisions
from models.jobs.spent_keys import SpentKey
from models.jobs.tables import jobs

#: The largest number that both stores keep.
LARGEST_REV = 2**63 - 1
PRIORITY = 5  # neither urgent (0) nor bulk (9)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A validated submission.

    Attributes:
        input: The input as JSON text.
        fingerprint: SHA-256 of everything submitted, in hex; compared when the idempotency key comes again.
        sources: Ids of the jobs whose results the input was made of, as JSON.
        undo_of: The job whose effect this one takes back; there is at most one, and it is the first that came.
        held_s: Seconds for which it is held back although it is due.
        approval_expires_at: Set when it waits for approval, and how long.
        reconnect: Its account must be connected again before it may run.
        schedule_id: The schedule that made it.
        follows: It waits for the end of the jobs that its schedule made before.
        parent_id: The run of a macro that it is a step of.
        files: Those that its input names, which are kept for as long as the job is.
    """

    id: UUID
    user_id: UUID
    action: str
    effect: str
    queue: str
    input: str
    max_attempts: int
    priority: int = PRIORITY
    due_at: datetime | None = None
    origin: str = "person"
    idempotency_key: str | None = None
    fingerprint: str | None = None
    provider: str = ""
    account: str = ""
    tainted: bool = False
    sources: str | None = None
    undo_of: UUID | None = None
    held_s: int = 0
    approval_expires_at: datetime | None = None
    reconnect: bool = False
    schedule_id: UUID | None = None
    follows: bool = False
    parent_id: UUID | None = None
    files: tuple[UUID, ...] = ()

    def following(self) -> NewJob:
        """The same, told to wait for the jobs of its schedule that are before it."""
        return replace(self, follows=True)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of one submission.

    Attributes:
        job: The job as it stands: the new one, or the first one under this idempotency key.
        replayed: The key was used before, for the same submission.
        conflict: The key was used before, for another submission; nothing was accepted.
        gone: The first job is not kept any more, and of `job` only the id is its; nothing was accepted.
    """

    job: Job
    replayed: bool = False
    conflict: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One job as its user sees it; `input`, `result`, `error` and `files` are JSON text."""

    id: UUID
    user_id: UUID
    action: str
    effect: str
    queue: str
    state: str
    reason: str | None
    input: str
    result: str | None
    error: str | None
    progress_fraction: float | None
    progress_message: str | None
    attempt: int
    max_attempts: int
    priority: int
    due_at: datetime
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    rev: int
    origin: str
    tainted: bool
    sources: str | None
    proposed_input: str | None
    expires_at: datetime | None
    decided_at: datetime | None
    note: str | None
    undo_of: UUID | None
    undone_by: UUID | None
    schedule_id: UUID | None
    parent_id: UUID | None
    files: str | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    def as_json(self) -> bytes:
        """The job as every door shows it."""
        progress = None
        if self.progress_fraction is not None:
            progress = {"fraction": self.progress_fraction, "message": self.progress_message or ""}
        return strict_json.write_bytes(
            {
                "id": self.id,
                "action": self.action,
                "effect": self.effect,
                "state": self.state,
                "reason": self.reason,
                "input": _fragment(self.input),
                "result": _fragment(self.result),
                "error": _fragment(self.error),
                "progress": progress,
                "attempt": self.attempt,
                "max_attempts": self.max_attempts,
                "priority": self.priority,
                "due_at": self.due_at,
                "created_at": self.created_at,
                "started_at": self.started_at,
                "finished_at": self.finished_at,
                "rev": self.rev,
                "origin": self.origin,
                "tainted": self.tainted,
                "sources": _fragment(self.sources) or (),
                "proposed_input": _fragment(self.proposed_input),
                "expires_at": self.expires_at,
                "decided_at": self.decided_at,
                "note": self.note,
                "undo_of": self.undo_of,
                "undone_by": self.undone_by,
                "schedule_id": self.schedule_id,
                "parent_id": self.parent_id,
                "files": _fragment(self.files) or (),
            },
            option=strict_json.UTC_Z,
        )


def _fragment(text: str | None) -> strict_json.Fragment | None:
    return None if text is None else strict_json.Fragment(text)


COLUMNS = tuple(jobs.c[name] for name in Job.__slots__)
_SELECT = sa.select(*COLUMNS)


def insert(conn: sa.Connection, new: Sequence[NewJob], now: datetime, *, rung: Sequence[bool]) -> list[Accepted]:
    """Accept submissions in the caller's transaction, all in one statement.

    Running it again with the same ids changes nothing, so a commit whose answer was lost can simply be repeated.

    Args:
        rung: For each, whether a doorbell is about to go out for it.
    """
    revs = take_revisions(conn, Counter(job.user_id for job in new))
    last = fair_queue.take(conn, Counter(_line(job) for job in new))
    rows = []
    for job, bell in zip(new, rung, strict=True):
        rev = revs[job.user_id] = revs[job.user_id] + 1
        turn = last[_line(job)] = last[_line(job)] + 1
        rows.append(_row(job, now, rev, bell) | {"turn": turn})
    batch.insert_new(conn, jobs, rows)
    keyed = [job for job in new if job.idempotency_key is not None]
    first, spent = _first_of_keys(conn, keyed), spent_keys.find(conn, [_key(job) for job in keyed], now)
    if spent:
        _take_back(conn, [job for job in keyed if _key(job) in spent])
    unborn = [row for row in rows if _is_unborn(row, first, spent)]
    if unborn:
        batch.insert_new(conn, jobs, unborn)
        first |= _first_of_keys(conn, keyed)
    accepted = [_accepted(job, row, first, spent) for job, row in zip(new, rows, strict=True)]
    _keep_files(conn, new, accepted)
    return accepted


def _keep_files(conn: sa.Connection, new: Sequence[NewJob], accepted: Sequence[Accepted]) -> None:
    """Of the jobs that are new, and not of those that a key had made before."""
    fresh = [job for job, done in zip(new, accepted, strict=True) if job.files and not done.replayed]
    links.keep_inputs(conn, [(job.id, file_id) for job in fresh for file_id in job.files])


def _take_back(conn: sa.Connection, new: Sequence[NewJob]) -> None:
    """Their keys made jobs that were pruned. That is certain after the insert only, which waits for whoever prunes."""
    conn.execute(sa.delete(jobs).where(jobs.c.id.in_([job.id for job in new])))


def _is_unborn(row: dict[str, Any], *known: Container[tuple[UUID, str]]) -> bool:
    """Whether its key's job was there for the insert, and was pruned before anybody looked at it."""
    key = row["idempotency_key"]
    return key is not None and all((row["user_id"], key) not in one for one in known)


def _key(job: NewJob) -> tuple[UUID, str]:
    return job.user_id, job.idempotency_key or ""


def insert_undo(conn: sa.Connection, undo: NewJob, job: Job, now: datetime) -> Accepted:
    """Accept the job that takes another's effect back, and link the two; the first one if there is one already."""
    lock(conn, [job.id])
    query = sa.select(*COLUMNS).where(jobs.c.undo_of == job.id)
    if (first := conn.execute(query).first()) is not None:
        return Accepted(Job(*first), replayed=True)
    accepted = insert(conn, [undo], now, rung=[False])[0]
    rev = take_revisions(conn, {job.user_id: 1})[job.user_id] + 1
    conn.execute(sa.update(jobs).where(jobs.c.id == job.id).values(undone_by=undo.id, rev=rev))
    return accepted


def _line(job: NewJob) -> fair_queue.Line:
    return job.queue, job.priority, job.user_id


def _row(job: NewJob, now: datetime, rev: int, bell: bool) -> dict[str, Any]:
    due_at, state, reason = _standing(job, now)
    return {
        "id": job.id,
        "user_id": job.user_id,
        "action": job.action,
        "effect": job.effect,
        "queue": job.queue,
        "state": state,
        "reason": reason,
        "origin": job.origin,
        "input": job.input,
        "attempt": 0,
        "losses": 0,
        "max_attempts": job.max_attempts,
        "priority": job.priority,
        "due_at": due_at,
        "rung_at": now if bell and state is State.QUEUED else None,
        "created_at": now,
        "rev": rev,
        "idempotency_key": job.idempotency_key,
        "fingerprint": job.fingerprint,
        "provider": job.provider,
        "account": job.account,
        "tainted": job.tainted,
        "sources": job.sources,
        "undo_of": job.undo_of,
        "expires_at": job.approval_expires_at,
        "schedule_id": job.schedule_id,
        "parent_id": job.parent_id,
    }


def _standing(job: NewJob, now: datetime) -> tuple[datetime, State, Reason | None]:
    """When a new job is due, and where it begins."""
    asked_for = now if job.due_at is None else job.due_at.astimezone(UTC)
    due_at = max(asked_for, now + timedelta(seconds=job.held_s))
    if job.approval_expires_at is not None:
        return asked_for, State.WAITING, Reason.APPROVAL
    if job.reconnect:
        return due_at, State.WAITING, Reason.RECONNECT
    if job.follows:
        return due_at, State.WAITING, Reason.PREVIOUS
    if due_at <= now:
        return asked_for, State.QUEUED, None
    return due_at, State.SCHEDULED, Reason.DELAY if due_at == asked_for else Reason.UNDO_WINDOW


def _first_of_keys(conn: sa.Connection, keyed: Sequence[NewJob]) -> dict[tuple[UUID, str], tuple[Job, str]]:
    if not keyed:
        return {}
    of_key = sa.tuple_(jobs.c.user_id, jobs.c.idempotency_key).in_([_key(job) for job in keyed])
    found = conn.execute(sa.select(*COLUMNS, jobs.c.idempotency_key, jobs.c.fingerprint).where(of_key))
    return {(row.user_id, row.idempotency_key): (Job(*row[:-2]), row.fingerprint) for row in found}


def _accepted(
    job: NewJob,
    row: dict[str, Any],
    first: dict[tuple[UUID, str], tuple[Job, str]],
    spent: dict[tuple[UUID, str], SpentKey],
) -> Accepted:
    if (once := spent.get(_key(job))) is not None:
        pruned = Job(*map({**row, "id": once.job_id}.get, Job.__slots__))  # type: ignore[arg-type]
        return Accepted(pruned, replayed=True, conflict=once.fingerprint != job.fingerprint, gone=True)
    if job.idempotency_key is not None:
        stored, fingerprint = first[job.user_id, job.idempotency_key]
        return Accepted(stored, replayed=stored.id != job.id, conflict=fingerprint != job.fingerprint)
    return Accepted(Job(*map(row.get, Job.__slots__)))  # type: ignore[arg-type]  # in the order of its fields


def get(conn: sa.Connection, user_id: UUID, job_id: UUID) -> Job | None:
    """The user's job of that id; None also when it is somebody else's."""
    row = conn.execute(_GET, {"job": job_id, "user": user_id}).first()
    return None if row is None else Job(*row)


_GET = _SELECT.where(jobs.c.id == sa.bindparam("job"), jobs.c.user_id == sa.bindparam("user"))


def is_key_known(conn: sa.Connection, user_id: UUID, key: str) -> bool:
    """Whether a job of the user's came under this idempotency key."""
    query = sa.select(jobs.c.id).where(jobs.c.user_id == user_id, jobs.c.idempotency_key == key)
    return conn.execute(query).first() is not None


def changed_since(conn: sa.Connection, user_id: UUID, rev: int, limit: int = 200) -> list[Job]:
    """The user's jobs that changed after the revision, in the order of their last change."""
    rows = conn.execute(_CHANGED, {"user": user_id, "rev": rev, "limit": limit})
    return [Job(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Changes:
    """Some of a user's changes.

    Attributes:
        jobs: In the order of their last change.
        rev: How far their reader has come: nothing up to it is left to read.
    """

    jobs: list[Job]
    rev: int


def changes(conn: sa.Connection, user_id: UUID, since: int, limit: int = 200) -> Changes:
    """What changed after a revision, and how far that leads; past revisions of jobs that are gone too.

    The newest revision is read first: what is committed between the two statements has a later one and stands on the
    page, or is read the next time. Read after an empty page, it would lead past what was committed in between.
    A revision from the future is one of another database: its reader goes on from where this one is.
    """
    newest = revision(conn, user_id)
    page = changed_since(conn, user_id, since, limit)
    return Changes(page, page[-1].rev if page else newest)


_CHANGED = (
    _SELECT.where(jobs.c.user_id == sa.bindparam("user"), jobs.c.rev > sa.bindparam("rev"))
    .order_by(jobs.c.rev)
    .limit(sa.bindparam("limit"))
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which of a user's jobs a list shows; None and empty mean any.

    Attributes:
        before: Only jobs older than this one: the cursor of the next page.
    """

    action: str | None = None
    states: tuple[State, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    before: UUID | None = None


def listed(conn: sa.Connection, user_id: UUID, wanted: Filter, limit: int) -> list[Job]:
    """The user's jobs, newest first."""
    query = _SELECT.where(jobs.c.user_id == user_id)
    if wanted.action:
        query = query.where(jobs.c.action == wanted.action)
    if wanted.states:
        query = query.where(jobs.c.state.in_(wanted.states))
    if wanted.created_after:
        query = query.where(jobs.c.created_at >= wanted.created_after)
    if wanted.created_before:
        query = query.where(jobs.c.created_at < wanted.created_before)
    if wanted.before:
        query = query.where(jobs.c.id < wanted.before)
    return [Job(*row) for row in conn.execute(query.order_by(jobs.c.id.desc()).limit(limit))]


def request_cancel(conn: sa.Connection, job: Job, now: datetime) -> Moved | None:
    """Cancel a job that does not run now; ask a running one to end.

    One whose effect an earlier attempt may have had becomes uncertain: "cancelled" would invite to do it again.

    Returns:
        The transition, or None when the job runs (its attempt ends it) or has ended by now.
    """
    return cancel_one(conn, job.id, now)


def cancel_one(conn: sa.Connection, job_id: UUID, now: datetime) -> Moved | None:
    """`request_cancel`, of a job that nobody has read, since it may be one that cannot be."""
    at_rest = frozenset({State.QUEUED, State.SCHEDULED, State.WAITING})
    armed_at = conn.execute(sa.select(jobs.c.armed_at).where(jobs.c.id == job_id).with_for_update()).scalar()
    move = Move(job_id, State.CANCELLED, only_from=at_rest)
    if armed_at is not None:
        move = Move(job_id, State.UNCERTAIN, reason=Reason.CANCELLED, only_from=at_rest)
    moved = apply(conn, [move], now)[0]
    if moved is None:
        running = sa.and_(jobs.c.id == job_id, jobs.c.state == State.RUNNING)
        conn.execute(sa.update(jobs).where(running).values(cancel_requested_at=now))
    return moved


def retry(
    conn: sa.Connection, job: Job, more_attempts: int, now: datetime, expires_at: datetime | None = None
) -> Moved | None:
    """Queue a job again that failed or was cancelled.

    Args:
        expires_at: Set when it must be approved first, and how long that may take.

    Returns:
        The transition, or None when the job is in another state by now.
    """
    fresh = {
        "max_attempts": job.attempt + more_attempts,
        "losses": 0,
        "error": None,
        "due_at": now,
        "cancel_requested_at": None,
        "armed_at": None,
        "marker": None,
        "progress_fraction": None,
        "progress_message": None,
        "furthest": None,
        "started_at": None,
        "expires_at": expires_at,
        "note": None,
    }
    ended = frozenset({State.FAILED, State.CANCELLED})
    lock(conn, [job.id])
    fair_queue.rejoin(conn, [job.id])
    to, reason = (State.QUEUED, None) if expires_at is None else (State.WAITING, Reason.APPROVAL)
    return apply(conn, [Move(job.id, to, job.attempt, reason, only_from=ended, values=fresh)], now)[0]


def resolve(
    conn: sa.Connection, job: Job, *, happened: bool, error: str | None, note: str | None, now: datetime
) -> Moved | None:
    """Settle an uncertain job by a person's word."""
    to = State.SUCCEEDED if happened else State.FAILED
    move = Move(
        job.id,
        to,
        job.attempt,
        reason=Reason.RESOLVED,
        only_from=frozenset({State.UNCERTAIN}),
        values={"error": None if happened else error, "note": note},
    )
    return apply(conn, [move], now)[0]


def add_note(conn: sa.Connection, user_id: UUID, ids: Sequence[UUID], note: str) -> None:
    """Say something about ended jobs of a user, and about the runs whose steps they are; it comes with a revision."""
    own = sa.and_(jobs.c.id.in_(ids), jobs.c.user_id == user_id)
    parents = conn.execute(sa.select(jobs.c.parent_id).where(own, jobs.c.parent_id.is_not(None))).scalars()
    about = sorted({*ids, *parents})
    lock(conn, about)
    rev = take_revisions(conn, {user_id: len(about)})[user_id]
    said = sa.case((jobs.c.note.is_(None), note), else_=jobs.c.note + "\n" + note)
    for number, job_id in enumerate(about, 1):
        mine = sa.and_(jobs.c.id == job_id, jobs.c.user_id == user_id)
        conn.execute(sa.update(jobs).where(mine).values(note=said, rev=rev + number))


def approved_sha256(conn: sa.Connection, job_id: UUID) -> str | None:
    """Of the input that somebody approved for this job."""
    found: str | None = conn.execute(sa.select(jobs.c.approved_sha256).where(jobs.c.id == job_id)).scalar()
    return found


def set_origin(conn: sa.Connection, job_id: UUID, origin: str, tainted: bool) -> None:
    """Have a job be somebody else's doing from now on; takes its lock."""
    conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(origin=origin, tainted=tainted))


def account_of(conn: sa.Connection, job_id: UUID) -> tuple[str, str]:
    """Its provider, and in whose name it acts there."""
    row = conn.execute(sa.select(jobs.c.provider, jobs.c.account).where(jobs.c.id == job_id)).one()
    return row.provider, row.account


def set_account(conn: sa.Connection, job_id: UUID, provider: str, account: str) -> None:
    """Have a job act in another name; takes its lock."""
    conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(provider=provider, account=account))


def revision(conn: sa.Connection, user_id: UUID) -> int:
    """The user's newest revision."""
    newest: int = conn.execute(sa.select(revisions.c.rev).where(revisions.c.user_id == user_id)).scalar_one()
    return newest


def waiting_counts(conn: sa.Connection) -> dict[tuple[str, str], int]:
    """How many unfinished jobs stand in each (queue, state)."""
    unfinished = [State.QUEUED, State.SCHEDULED, State.RUNNING, State.WAITING]
    query = sa.select(jobs.c.queue, jobs.c.state, sa.func.count()).where(jobs.c.state.in_(unfinished))
    return {(queue, state): n for queue, state, n in conn.execute(query.group_by(jobs.c.queue, jobs.c.state))}
