"""Schedules in SQL: what the clock submits and when, and what became of each fire time.

Firing is one transaction: the due rows are locked (others skip them), their runs and jobs are inserted, and
`next_fire_at` moves on. A run's key is (schedule, fire time), so a fire time happens once, whoever else looks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from llmcoder.errors import ActionError
from llmcoder.recurrence import Cron, Every, Once, Recurrence
from llmcoder.states import Reason, State
from models.db import batch
from models.db.literals import literal
from models.jobs import fair_queue
from models.jobs.known_actions import Known, is_among
from models.jobs.machine import ENDED, Move, Moved, apply, lock
from models.jobs.store import COLUMNS as JOB_COLUMNS
from models.jobs.store import Job
from models.jobs.tables import OPEN, jobs
from models.schedules.tables import schedule_runs, schedules

_MOMENT = timedelta(microseconds=1)
#: Due schedules among which users take turns at a time.
LOOKED_THROUGH = 2_000
ASKED_AT_ONCE = 1_000  # two parameters each; a statement takes some ten thousand


class CatchUp(StrEnum):
    """What becomes of fire times that passed while nobody was there to fire."""

    SKIP = "skip"  # nothing
    ONCE = "once"  # one run for all of them
    ALL = "all"  # a run for each


class Overlap(StrEnum):
    """What becomes of a fire time while an earlier job of the schedule has not ended."""

    SKIP = "skip"  # no job
    QUEUE_ONE = "queue_one"  # a job that waits for the end of that one, unless one waits already
    QUEUE = "queue"  # a job that waits for its turn, however many wait
    CANCEL_RUNNING = "cancel_running"  # that one is cancelled, the new one follows it
    ALLOW = "allow"  # both run


class Outcome(StrEnum):
    """What became of a fire time."""

    SUBMITTED = "submitted"
    SKIPPED = "skipped"  # an earlier job had not ended
    MISSED = "missed"  # nobody was there in time
    REFUSED = "refused"  # the job could not be made: the detail says why


class MadeBy(StrEnum):
    """Who wanted a run."""

    CLOCK = "clock"
    PERSON = "person"
    BACKFILL = "backfill"


class ChangedMeanwhile(ActionError):
    """Somebody else changed it since it was read; nothing was changed now."""

    slug, title, status = "changed-meanwhile", "It was changed meanwhile", 412


@dataclass(frozen=True, slots=True)
class Schedule:
    """One schedule. Exactly one of `cron`, `every_s` and `at` is set; `input` is JSON text.

    Attributes:
        next_fire_at: None when it is paused, or will never fire again.
        note: Why it was paused.
        resumed_at: Failures before that do not count.
        version: Counts the changes by people.
    """

    id: UUID
    user_id: UUID
    name: str
    action: str
    input: str
    cron: str | None
    every_s: int | None
    at: datetime | None
    timezone: str
    jitter_s: int
    starts_at: datetime | None
    ends_at: datetime | None
    catch_up: str
    catch_up_within_s: int
    overlap: str
    pause_after_failures: int
    enabled: bool
    note: str | None
    resumed_at: datetime
    next_fire_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    def recurrence(self) -> Recurrence:
        """When it fires, but for its start and end.

        Raises:
            BadInput: The expression is no cron expression, as it was when it was written.
        """
        if self.cron is not None:
            return Cron(self.cron, ZoneInfo(self.timezone))
        if self.every_s is not None:
            return Every(self.every_s, self.starts_at or self.created_at)
        assert self.at is not None
        return Once(self.at)

    def next_after(self, after: datetime, recurrence: Recurrence | None = None) -> datetime | None:
        """The first fire time later than that, within its start and end."""
        if self.starts_at is not None and self.starts_at > after:
            after = self.starts_at.astimezone(UTC) - _MOMENT
        found = (recurrence or self.recurrence()).next(after)
        return None if found is None or (self.ends_at is not None and found > self.ends_at) else found


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """What became of one fire time."""

    schedule_id: UUID
    fire_at: datetime
    outcome: str
    detail: str | None
    job_id: UUID | None
    made_by: str
    created_at: datetime


COLUMNS = tuple(schedules.c[name] for name in Schedule.__slots__)
_RUN_COLUMNS = tuple(schedule_runs.c[name] for name in ScheduleRun.__slots__)


# --- a user's own


def add(conn: sa.Connection, new: Schedule) -> None:
    conn.execute(sa.insert(schedules).values({name: getattr(new, name) for name in Schedule.__slots__}))


def listed(conn: sa.Connection, user_id: UUID, before: UUID | None, limit: int) -> list[Schedule]:
    """The user's schedules, the newest first."""
    query = sa.select(*COLUMNS).where(schedules.c.user_id == user_id)
    if before is not None:
        query = query.where(schedules.c.id < before)
    return [Schedule(*row) for row in conn.execute(query.order_by(schedules.c.id.desc()).limit(limit))]


def upcoming(conn: sa.Connection, user_id: UUID, before: datetime, limit: int) -> list[Schedule]:
    """The user's schedules that fire before the instant, the next one first."""
    query = sa.select(*COLUMNS).where(schedules.c.user_id == user_id, schedules.c.next_fire_at < before)
    return [Schedule(*row) for row in conn.execute(query.order_by(schedules.c.next_fire_at).limit(limit))]


def get(conn: sa.Connection, user_id: UUID, schedule_id: UUID, *, locked: bool = False) -> Schedule | None:
    """The user's schedule of that id; None also when it is somebody else's."""
    query = sa.select(*COLUMNS).where(schedules.c.id == schedule_id, schedules.c.user_id == user_id)
    row = conn.execute(query.with_for_update() if locked else query).first()
    return None if row is None else Schedule(*row)


def change(conn: sa.Connection, schedule_id: UUID, values: Mapping[str, Any]) -> None:
    conn.execute(sa.update(schedules).where(schedules.c.id == schedule_id).values(values))


def remove(conn: sa.Connection, schedule_id: UUID) -> None:
    """Delete a schedule with its runs; its jobs stay."""
    conn.execute(sa.delete(schedules).where(schedules.c.id == schedule_id))


def count(conn: sa.Connection, user_id: UUID) -> int:
    found: int = conn.execute(
        sa.select(sa.func.count()).select_from(schedules).where(schedules.c.user_id == user_id)
    ).scalar_one()
    return found


def runs(
    conn: sa.Connection, schedule_id: UUID, before: datetime | None, limit: int
) -> list[tuple[ScheduleRun, Job | None]]:
    """What became of the fire times, the latest first, each with its job if that is still there."""
    query = (
        sa.select(*_RUN_COLUMNS, *JOB_COLUMNS)
        .select_from(schedule_runs.outerjoin(jobs, jobs.c.id == schedule_runs.c.job_id))
        .where(schedule_runs.c.schedule_id == schedule_id)
    )
    if before is not None:
        query = query.where(schedule_runs.c.fire_at < before)
    width = len(_RUN_COLUMNS)
    rows = conn.execute(query.order_by(schedule_runs.c.fire_at.desc()).limit(limit)).all()
    return [(ScheduleRun(*row[:width]), None if row[width] is None else Job(*row[width:])) for row in rows]


# --- firing


def any_due(conn: sa.Connection, now: datetime, known: frozenset[str] | None = None) -> bool:
    """Whether a schedule is due; see `due_ids`."""
    due = sa.and_(schedules.c.next_fire_at <= now, is_among(known, "schedules"))
    query = sa.select(schedules.c.id).where(due).order_by(schedules.c.next_fire_at)
    return conn.execute(query.limit(1)).first() is not None


def due_of_unknown(conn: sa.Connection, due_before: datetime, known: Mapping[str, Known]) -> list[tuple[str, int]]:
    """Actions, with how many of their schedules are due and not fired, that no running worker knows."""
    if not known or not all(one.is_whole for one in known.values()):
        return []
    names = frozenset[str]().union(*(one.by_any for one in known.values()))
    query = sa.select(schedules.c.action, sa.func.count()).where(schedules.c.next_fire_at <= due_before)
    rows = conn.execute(query.group_by(schedules.c.action).order_by(schedules.c.action))
    return [(row[0], row[1]) for row in rows if row[0] not in names]


def due_ids(
    conn: sa.Connection, now: datetime, limit: int, full: Collection[UUID] = (), known: frozenset[str] | None = None
) -> list[UUID]:
    """Schedules that are due, by turns: of each user the one that has been longest, then of each the next.

    Args:
        full: Users whose turn it is not.
        known: Actions that can be submitted; schedules of others stay due, for a scheduler that can. None is all.
    """
    own = schedules.c
    wanted = sa.select(own.id, own.user_id, own.next_fire_at).where(own.next_fire_at <= now)
    wanted = wanted.where(is_among(known, "schedules"))
    if full:
        wanted = wanted.where(own.user_id.not_in(full))
    longest = wanted.order_by(own.next_fire_at).limit(LOOKED_THROUGH).subquery().c
    turn = sa.func.row_number().over(partition_by=longest.user_id, order_by=longest.next_fire_at)
    return list(conn.execute(sa.select(longest.id).order_by(turn, longest.next_fire_at).limit(limit)).scalars())


def due(
    conn: sa.Connection,
    now: datetime,
    limit: int,
    only: UUID | None = None,
    full: Collection[UUID] = (),
    known: frozenset[str] | None = None,
) -> list[Schedule]:
    """Schedules that are due, locked; those that another scheduler has are passed over. See `due_ids`."""
    ids = due_ids(conn, now, limit, full, known) if only is None else [only]
    query = sa.select(*COLUMNS).where(schedules.c.id.in_(ids), schedules.c.next_fire_at <= now)
    found = [Schedule(*row) for row in conn.execute(query.with_for_update(skip_locked=True))]
    return sorted(found, key=lambda one: ids.index(one.id))


def fired_already(conn: sa.Connection, times: Sequence[tuple[UUID, datetime]]) -> set[tuple[UUID, datetime]]:
    """Those of the (schedule, fire time) that have a run already."""
    columns = (schedule_runs.c.schedule_id, schedule_runs.c.fire_at)
    found: set[tuple[UUID, datetime]] = set()
    for start in range(0, len(times), ASKED_AT_ONCE):
        wanted = sa.tuple_(*columns).in_(times[start : start + ASKED_AT_ONCE])
        rows = conn.execute(sa.select(*columns).where(wanted))
        found |= {(row.schedule_id, row.fire_at) for row in rows}
    return found


def keep_runs(conn: sa.Connection, made: Sequence[ScheduleRun]) -> None:
    if made:
        batch.insert_new(
            conn, schedule_runs, [{name: getattr(run, name) for name in ScheduleRun.__slots__} for run in made]
        )


def advance(conn: sa.Connection, moved: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Set columns of schedules that the caller's transaction has locked: the next fire time, or a pause."""
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for schedule_id, values in moved.items():
        by_columns.setdefault(tuple(sorted(values)), []).append({"id": schedule_id, **dict(sorted(values.items()))})
    for rows in by_columns.values():
        batch.update(conn, schedules, rows)


def under_way(conn: sa.Connection, ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """How many jobs of each schedule have not ended, and how many of them wait for the one before them."""
    follows = sa.func.sum(sa.case((jobs.c.reason == Reason.PREVIOUS, 1), else_=0))
    query = sa.select(jobs.c.schedule_id, sa.func.count(), follows).where(jobs.c.schedule_id.in_(ids), _is_open(jobs))
    return {row[0]: (row[1], row[2]) for row in conn.execute(query.group_by(jobs.c.schedule_id))}


def open_jobs(conn: sa.Connection, ids: Collection[UUID]) -> dict[UUID, list[Job]]:
    """Jobs of the schedules that have not ended, oldest first."""
    found: dict[UUID, list[Job]] = {one: [] for one in ids}
    query = sa.select(*JOB_COLUMNS).where(jobs.c.schedule_id.in_(ids), _is_open(jobs)).order_by(jobs.c.id)
    for row in conn.execute(query):
        job = Job(*row)
        assert job.schedule_id is not None
        found[job.schedule_id].append(job)
    return found


def failed_last(conn: sa.Connection, ids: Collection[UUID]) -> set[UUID]:
    """Those of the schedules whose newest run that is decided failed."""
    runs = _decided(schedules.c.id, schedules.c.resumed_at)
    newest = runs.order_by(schedule_runs.c.fire_at.desc()).limit(1).scalar_subquery()
    query = sa.select(schedules.c.id).where(schedules.c.id.in_(ids), newest)
    return set(conn.execute(query).scalars())


def failures_in_row(conn: sa.Connection, schedule: Schedule, limit: int) -> int:
    """How many of the newest runs failed one after the other, as far as `limit`; those under way do not count."""
    runs = _decided(schedule.id, schedule.resumed_at)
    newest = conn.execute(runs.order_by(schedule_runs.c.fire_at.desc()).limit(limit)).scalars()
    return sum(1 for _ in takewhile(bool, newest))


def _decided(schedule_id: Any, since: Any) -> sa.Select[bool]:
    """Whether they failed, of the schedule's runs that made a job which has ended, or could not make one."""
    own = schedule_runs.c
    failed = sa.or_(own.outcome == Outcome.REFUSED, jobs.c.state.in_((State.FAILED, State.UNCERTAIN)))
    return (
        sa.select(sa.func.coalesce(failed, sa.false()).label("failed"))
        .select_from(schedule_runs.outerjoin(jobs, jobs.c.id == own.job_id))
        .where(own.schedule_id == schedule_id, own.created_at >= since)
        .where(own.outcome.in_((Outcome.SUBMITTED, Outcome.REFUSED)))
        .where(sa.or_(jobs.c.state.is_(None), jobs.c.state.in_(ENDED)))
    )


def _is_open(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """That a job has not ended, in the words of the index: as values, or SQLite does not see that they are the same."""
    return table.c.state.in_(sa.bindparam("open", OPEN, expanding=True, literal_execute=True))


# --- one after the other


_FOLLOWS = sa.and_(jobs.c.state == literal(State.WAITING), jobs.c.reason == literal(Reason.PREVIOUS))


def any_follower(conn: sa.Connection, _now: datetime) -> bool:
    return conn.execute(sa.select(jobs.c.id).where(_FOLLOWS).order_by(jobs.c.id).limit(1)).first() is not None


def let_follow(conn: sa.Connection, now: datetime, limit: int) -> list[Moved]:
    """Let jobs go whose schedule has no earlier job that has not ended."""
    before = jobs.alias("before")
    same = before.c.schedule_id == jobs.c.schedule_id
    earlier = sa.exists().where(same, _is_open(before), before.c.id < jobs.c.id)
    query = sa.select(jobs.c.id).where(_FOLLOWS, ~earlier).order_by(jobs.c.id).limit(limit)
    ids = list(conn.execute(query).scalars())
    if not ids:
        return []
    lock(conn, ids)
    fair_queue.rejoin(conn, ids)
    rows = conn.execute(sa.select(jobs.c.id, jobs.c.due_at).where(jobs.c.id.in_(ids), _FOLLOWS)).all()
    moves = [
        Move(
            row.id,
            State.SCHEDULED if row.due_at > now else State.QUEUED,
            reason=Reason.DELAY if row.due_at > now else None,
            only_from=frozenset({State.WAITING}),
        )
        for row in rows
    ]
    return [done for done in apply(conn, moves, now) if done is not None]


def prune(conn: sa.Connection, before: datetime, limit: int) -> int:
    """Forget old runs; returns how many."""
    own = schedule_runs.c
    old = sa.select(own.schedule_id, own.fire_at).where(own.created_at < before).limit(limit)
    found = conn.execute(old).all()
    if not found:
        return 0
    keys = sa.tuple_(own.schedule_id, own.fire_at).in_([tuple(row) for row in found])
    return conn.execute(sa.delete(schedule_runs).where(keys)).rowcount
