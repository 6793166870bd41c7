"""Claiming jobs, keeping their leases, and the dispatcher's queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.declare.rate import Rate
from llmcoder.provenance import Taint
from llmcoder.states import Reason, State
from models.accounts.tables import users
from models.db import batch
from models.db.literals import literal
from models.jobs import fair_queue, rates, taint
from models.jobs.approvals import Origin
from models.jobs.known_actions import as_column, is_among
from models.jobs.machine import LOCKED, Move, Moved, apply, lock
from models.jobs.tables import jobs, workers

FURTHER = 0.01  # of its whole way: what a job must gain for earlier losses to be forgotten, so a hundred times at most


@dataclass(frozen=True, slots=True)
class Claimed:
    """What an attempt needs to know of its job.

    Attributes:
        attempt: The fence of everything this attempt writes.
        marker: Set when an earlier attempt armed the effect: JSON for `reconcile`, which comes first.
        restored_at: When a restore put the job back to an earlier time, where its effect may have happened since.
        taint: Whose words its input holds.
        sources: Jobs whose results that was made of, as JSON.
        origin: Who submitted it.
    """

    id: UUID
    user_id: UUID
    email: str
    action: str
    input: str
    attempt: int
    max_attempts: int
    losses: int
    armed_at: datetime | None
    marker: str | None
    restored_at: datetime | None
    created_at: datetime
    due_at: datetime
    started_at: datetime
    provider: str
    account: str
    taint: Taint | None = None
    sources: str | None = None
    origin: str = Origin.PERSON


@dataclass(frozen=True, slots=True)
class Lost:
    """A running job whose lease ran out."""

    id: UUID
    action: str
    attempt: int
    max_attempts: int
    losses: int
    armed_at: datetime | None
    cancel_requested_at: datetime | None


def pick(
    conn: sa.Connection, named: Collection[UUID], queue: str, limit: int, known: frozenset[str] | None = None
) -> dict[UUID, Any]:
    """Lock what may be claimed: those of the named jobs that are queued, and up to `limit` next due ones of a queue.

    What another transaction holds is passed over instead of waited for: it is somebody else's by now.

    Args:
        known: Actions that the worker can run, jobs of others stay as they are, for one that can; None is all.

    Returns:
        Their rows by id.
    """
    of_name = {row.id: row for row in conn.execute(_named(known), {"ids": list(named)})} if named else {}
    after = conn.execute(_next(known), {"queue": queue, "limit": limit + len(of_name)}) if limit else ()
    return of_name | {row.id: row for row in [row for row in after if row.id not in named][:limit]}


def taking(ids: Iterable[UUID], worker: str, lease_s: float, now: datetime) -> list[Move]:
    """The transitions that claim jobs for a worker process."""
    lease = {"worker": worker, "lease_until": now + timedelta(seconds=lease_s), "started_at": now, "rung_at": None}
    only_queued = frozenset({State.QUEUED})
    return [Move(job_id, State.RUNNING, only_from=only_queued, values=lease) for job_id in ids]


def holding_back(
    conn: sa.Connection, picked: Mapping[UUID, Any], declared: Mapping[str, Rate], now: datetime
) -> list[Move]:
    """The transitions of picked jobs that may not call their provider yet; the others' calls are counted.

    Args:
        declared: How often a provider may be called, where somebody declares it.
    """
    in_order = sorted(picked.values(), key=lambda row: (row.priority, row.turn, row.id))
    waiting = rates.admit(conn, ((row.id, (row.provider, row.account)) for row in in_order), declared, now)
    only_queued = frozenset({State.QUEUED})
    return [
        Move(
            job_id,
            State.SCHEDULED,
            reason=Reason.RATE_LIMITED,
            only_from=only_queued,
            or_cancel=picked[job_id].armed_at is None,
            values={"due_at": due_at},
        )
        for job_id, due_at in waiting.items()
    ]


def claimed(picked: Mapping[UUID, Any], moved: Sequence[Moved | None], now: datetime) -> list[Claimed]:
    """What was claimed of what had been picked, in the order in which it should run."""
    of_attempt = [done for done in moved if done is not None and done.state is State.RUNNING]
    taken = [(picked[done.job_id], done.attempt) for done in of_attempt]
    taken.sort(key=lambda one: (one[0].priority, one[0].turn, one[0].id))
    return [_claimed(row, attempt, now) for row, attempt in taken]


def _claimed(row: Any, attempt: int, now: datetime) -> Claimed:
    return Claimed(
        id=row.id,
        user_id=row.user_id,
        email=row.email,
        action=row.action,
        input=row.input,
        attempt=attempt,
        max_attempts=row.max_attempts,
        losses=row.losses,
        armed_at=row.armed_at,
        marker=row.marker,
        restored_at=row.restored_at,
        created_at=row.created_at,
        due_at=row.due_at,
        started_at=now,
        provider=row.provider,
        account=row.account,
        taint=taint.of_input(row.tainted, row.origin),
        sources=row.sources,
        origin=row.origin,
    )


_PICK = (
    sa.select(
        *LOCKED,
        users.c.email,
        jobs.c.action,
        jobs.c.input,
        jobs.c.max_attempts,
        jobs.c.losses,
        jobs.c.armed_at,
        jobs.c.marker,
        jobs.c.restored_at,
        jobs.c.created_at,
        jobs.c.due_at,
        jobs.c.priority,
        jobs.c.turn,
        jobs.c.provider,
        jobs.c.account,
        jobs.c.reason,
        jobs.c.tainted,
        jobs.c.origin,
        jobs.c.sources,
    )
    .join(users, users.c.id == jobs.c.user_id)
    .where(jobs.c.state == literal(State.QUEUED))
    .with_for_update(of=jobs, skip_locked=True)
)
_IN_TURN = (jobs.c.priority, jobs.c.turn, jobs.c.id)


@cache
def _named(known: frozenset[str] | None) -> sa.Select[Any]:
    return _PICK.where(jobs.c.id.in_(sa.bindparam("ids", expanding=True)), is_among(known)).order_by(jobs.c.id)


@cache
def _next(known: frozenset[str] | None) -> sa.Select[Any]:
    of_queue = _PICK.where(jobs.c.queue == sa.bindparam("queue"), is_among(known))
    return of_queue.order_by(*_IN_TURN).limit(sa.bindparam("limit"))


def arm(conn: sa.Connection, job_id: UUID, attempt: int, marker: str, now: datetime) -> bool:
    """Write "the effect may happen from here on".

    Returns:
        False when this attempt no longer owns the job or was asked to end: nothing may be sent.
    """
    mine = sa.and_(
        jobs.c.id == job_id,
        jobs.c.attempt == attempt,
        jobs.c.state == State.RUNNING,
        jobs.c.cancel_requested_at.is_(None),
    )
    return conn.execute(sa.update(jobs).where(mine).values(armed_at=now, marker=marker)).rowcount == 1


def is_armed(conn: sa.Connection, job_id: UUID, attempt: int) -> bool:
    """Whether this attempt owns its job and its effect may happen: one cheap look, right before it is sent."""
    return conn.execute(_ARMED, {"job": job_id, "attempt": attempt}).first() is not None


_ARMED = sa.select(sa.literal(1)).where(
    jobs.c.id == sa.bindparam("job"),
    jobs.c.attempt == sa.bindparam("attempt"),
    jobs.c.state == literal(State.RUNNING),
    jobs.c.armed_at.is_not(None),
)


def renew(conn: sa.Connection, worker: str, lease_s: float, now: datetime) -> dict[UUID, int]:
    """Renew the leases of everything the worker process runs, with one statement.

    Returns:
        The attempts whose leases these are. Of others that it runs the lease is lost.
    """
    until = now + timedelta(seconds=lease_s)
    mine = sa.and_(jobs.c.worker == worker, jobs.c.state == literal(State.RUNNING))
    in_order = sa.select(jobs.c.id).where(mine).order_by(jobs.c.id).with_for_update()  # as everybody locks jobs
    renewed = sa.update(jobs).where(jobs.c.id.in_(in_order)).values(lease_until=until)
    return {row.id: row.attempt for row in conn.execute(renewed.returning(jobs.c.id, jobs.c.attempt))}


def let_go(conn: sa.Connection, worker: str, ids: Sequence[UUID], now: datetime) -> None:
    """End the leases of jobs that the worker process holds and does not run."""
    held = sa.and_(jobs.c.id.in_(ids), jobs.c.worker == worker, jobs.c.state == State.RUNNING)
    conn.execute(sa.update(jobs).where(held).values(lease_until=now, worker=None))


def show_progress(conn: sa.Connection, seen: Sequence[tuple[UUID, int, float, str]]) -> None:
    """Keep the latest progress of running attempts (job, attempt, fraction, message), for those who poll.

    A job that came further than ever before is no poison: the workers that died under it so far no longer count.
    """
    if not seen:
        return
    lock(conn, {job for job, *_ in seen})
    conn.execute(_show_progress(conn.dialect.name), {"rows": batch.packed(seen)})


@cache
def _show_progress(dialect: str) -> sa.Executable:
    columns = (jobs.c.id, jobs.c.attempt, jobs.c.progress_fraction, jobs.c.progress_message)
    seen = batch.relation(dialect, columns)
    further = sa.func.coalesce(jobs.c.furthest, 0.0) + FURTHER <= seen.c.progress_fraction
    return (
        sa.update(jobs)
        .where(jobs.c.id == seen.c.id, jobs.c.attempt == seen.c.attempt, jobs.c.state == State.RUNNING)
        .values(
            progress_fraction=seen.c.progress_fraction,
            progress_message=seen.c.progress_message,
            furthest=sa.case((further, seen.c.progress_fraction), else_=jobs.c.furthest),
            losses=sa.case((further, 0), else_=jobs.c.losses),
        )
    )


def still_mine(conn: sa.Connection, worker: str) -> dict[UUID, tuple[int, bool]]:
    """The attempts the worker process owns, each with whether it was asked to end."""
    mine = sa.and_(jobs.c.worker == worker, jobs.c.state == literal(State.RUNNING))
    query = sa.select(jobs.c.id, jobs.c.attempt, jobs.c.cancel_requested_at).where(mine)
    return {row.id: (row.attempt, row.cancel_requested_at is not None) for row in conn.execute(query)}


def beat(conn: sa.Connection, worker: dict[str, Any], now: datetime, known: Collection[str] | None = None) -> None:
    """Write the worker process's heartbeat row.

    Args:
        known: Actions that it can run; they stay the same for as long as the process lives, and are written once.
            None does not say it.
    """
    values = worker | {"beat_at": now}
    changed = conn.execute(sa.update(workers).where(workers.c.name == worker["name"]).values(**values))
    if changed.rowcount == 0:
        actions = None if known is None else as_column(known)
        conn.execute(sa.insert(workers).values(**values, started_at=now, actions=actions))


def leave(conn: sa.Connection, worker: str) -> None:
    """Remove the heartbeat row of a worker process that stops."""
    conn.execute(sa.delete(workers).where(workers.c.name == worker))


def workers_seen(conn: sa.Connection, since: datetime) -> list[Any]:
    """Worker processes that gave a sign of life since the instant; what they know is in `models.jobs.known_actions`."""
    columns = [column for column in workers.c if column is not workers.c.actions]
    return [*conn.execute(sa.select(*columns).where(workers.c.beat_at >= since))]


# --- the dispatcher's questions
#
# Each is ordered as its index is. By statistics of an hour ago PostgreSQL may think that there is a lot to find, and
# that reading the table until it meets the first is quick; in order it has to take the index.


@dataclass(frozen=True, slots=True)
class RungSooner:
    """Jobs of these actions are rung again sooner than others.

    Some workers know them and others do not, and these drop the doorbells that reach them.
    """

    actions: frozenset[str]
    rung_before: datetime


def any_due(conn: sa.Connection, now: datetime) -> bool:
    """Whether something scheduled is due."""
    due = sa.select(jobs.c.id).where(jobs.c.state == literal(State.SCHEDULED), jobs.c.due_at <= now)
    return conn.execute(due.order_by(jobs.c.due_at).limit(1)).first() is not None


def any_to_ring(conn: sa.Connection, queue: str, rung_before: datetime, sooner: RungSooner | None = None) -> bool:
    """Whether something queued was never rung, or not since the instant."""
    queued = sa.and_(jobs.c.queue == queue, jobs.c.state == literal(State.QUEUED))
    stale = sa.or_(jobs.c.rung_at.is_(None), jobs.c.rung_at < rung_before)
    if sooner is not None:
        stale = sa.or_(stale, sa.and_(is_among(sooner.actions), jobs.c.rung_at < sooner.rung_before))
    query = sa.select(jobs.c.id).where(queued, stale).order_by(jobs.c.queue, jobs.c.rung_at)
    return conn.execute(query.limit(1)).first() is not None


def any_lost(conn: sa.Connection, now: datetime) -> bool:
    """Whether a running job's lease ran out."""
    late = sa.select(jobs.c.id).where(jobs.c.state == literal(State.RUNNING), jobs.c.lease_until < now)
    return conn.execute(late.order_by(jobs.c.lease_until).limit(1)).first() is not None


def promote_due(conn: sa.Connection, now: datetime, limit: int) -> list[Moved]:
    """Queue what was scheduled and is due."""
    due = sa.select(jobs.c.id, jobs.c.reason).where(jobs.c.state == literal(State.SCHEDULED), jobs.c.due_at <= now)
    rows = conn.execute(due.order_by(jobs.c.due_at).limit(limit).with_for_update(skip_locked=True)).all()
    moves = [
        Move(
            row.id,
            State.QUEUED,
            reason=Reason.RECONCILE if row.reason == Reason.RECONCILE else None,
            only_from=frozenset({State.SCHEDULED}),
        )
        for row in rows
    ]
    fair_queue.rejoin(conn, [row.id for row in rows])
    return [done for done in apply(conn, moves, now) if done is not None]


def to_ring(
    conn: sa.Connection, queue: str, rung_before: datetime, limit: int, now: datetime, sooner: RungSooner | None = None
) -> list[Any]:
    """The next queued jobs (id, action, attempt) never rung, or rung and not claimed in time; marks them rung."""
    stale = sa.or_(jobs.c.rung_at.is_(None), jobs.c.rung_at < rung_before)
    if sooner is not None:
        stale = sa.or_(stale, sa.and_(is_among(sooner.actions), jobs.c.rung_at < sooner.rung_before))
    query = sa.select(jobs.c.id, jobs.c.action, jobs.c.attempt)
    query = query.where(jobs.c.queue == queue, jobs.c.state == literal(State.QUEUED), stale)
    rows = conn.execute(query.order_by(*_IN_TURN).limit(limit).with_for_update(skip_locked=True)).all()
    if rows:
        conn.execute(sa.update(jobs).where(jobs.c.id.in_([row.id for row in rows])).values(rung_at=now))
    return list(rows)


def forget_rings(conn: sa.Connection) -> int:
    """The broker lost everything: no doorbell is out any more. Returns how many there were."""
    rung = sa.and_(jobs.c.state == literal(State.QUEUED), jobs.c.rung_at.is_not(None))
    free = sa.select(jobs.c.id).where(rung).with_for_update(skip_locked=True)  # the others are being claimed or rung
    return conn.execute(sa.update(jobs).where(jobs.c.id.in_(free)).values(rung_at=None)).rowcount


def lost(conn: sa.Connection, now: datetime, limit: int) -> list[Lost]:
    """Running jobs whose lease ran out, locked for the caller's transaction."""
    columns = [jobs.c[name] for name in Lost.__slots__]
    query = sa.select(*columns).where(jobs.c.state == literal(State.RUNNING), jobs.c.lease_until < now)
    rows = conn.execute(query.order_by(jobs.c.id).limit(limit).with_for_update(skip_locked=True))
    return [Lost(*row) for row in rows]


def is_neglected(conn: sa.Connection, queue: str, known: frozenset[str], due_before: datetime, now: datetime) -> bool:
    """Whether a job of the queue is due since before the instant although workers that know it have free slots.

    A worker can answer pings and consume nothing; only claims that move show that it works.

    Args:
        known: Actions that the asking worker can run. It answers for no others, and no worker that knows less than it
            is counted on for these.
    """
    queued = sa.and_(jobs.c.queue == queue, jobs.c.state == literal(State.QUEUED), jobs.c.due_at < due_before)
    mine = sa.select(jobs.c.id).where(queued, is_among(known))
    if conn.execute(mine.order_by(*_IN_TURN).limit(1)).first() is None:
        return False
    alive = sa.and_(workers.c.queue == queue, workers.c.beat_at >= due_before, workers.c.actions == as_column(known))
    slots = conn.execute(sa.select(sa.func.sum(workers.c.slots)).where(alive)).scalar_one() or 0
    held = sa.and_(jobs.c.queue == queue, jobs.c.state == literal(State.RUNNING), jobs.c.lease_until >= now)
    running: int = conn.execute(sa.select(sa.func.count()).where(held)).scalar_one()
    return running < slots
