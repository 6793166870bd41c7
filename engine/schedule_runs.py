"""What becomes of a schedule's fire times: which are fired, which jobs that makes, in one transaction of its caller.

What was due while nobody was there to fire is caught up as the schedule says.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from engine.administrators import entries_of
from engine.admission import JobSubmission, admit
from engine.enqueue import AfterCommit, Reserve, enqueue
from llmcoder.config import config
from llmcoder.errors import ActionError
from llmcoder.problems import problem_of
from llmcoder.recurrence import Recurrence
from llmcoder.registry import Registry
from models.audit import log as audit
from models.jobs import store as jobs
from models.jobs.approvals import Origin
from models.jobs.store import NewJob
from models.schedules import store as schedules
from models.schedules.store import CatchUp, MadeBy, Outcome, Overlap, Schedule, ScheduleRun

#: A fire time that is noticed within this long was not missed: schedulers are replaced, machines are busy.
PUNCTUAL = timedelta(seconds=60)
#: Fire times of one schedule that are taken at once; the rest follow at once in the next batch.
MOST_AT_ONCE = 500
#: Fire times of one user, whatever becomes of them, in one tick of the clock: of a thousand schedules that fire each
#: second nobody's else may be late.
MOST_OF_USER = 25
#: Jobs of a schedule that wait one after the other.
MOST_FOLLOWING = 1_000
LONGEST_NOTE_CHARS = 500


@dataclass
class Fired:
    """What a batch came to.

    Attributes:
        submitted: Jobs that it made.
    """

    submitted: int
    after: AfterCommit


class Batch:
    """Schedules that are fired in one transaction."""

    def __init__(self, conn: sa.Connection, registry: Registry, now: datetime) -> None:
        self._conn = conn
        self._registry = registry
        self._now = now
        self._new: list[NewJob] = []
        self._runs: list[ScheduleRun] = []
        self._advances: dict[UUID, dict[str, Any]] = {}
        self._refusals: list[ActionError] = []
        self._after = AfterCommit()

    def take(self, due: Sequence[Schedule], fired: Counter[UUID] | None = None) -> None:
        """Decide about everything that is due of the schedules.

        Args:
            fired: By user: fire times of this tick, to which these are added; who has no more stays due.
        """
        fired = Counter() if fired is None else fired
        failing = schedules.failed_last(self._conn, [schedule.id for schedule in due])
        plans: list[tuple[Schedule, FirePlan]] = []
        for schedule in due:
            left = MOST_OF_USER - fired[schedule.user_id]
            if left <= 0:
                continue
            fired[schedule.user_id] += 1
            if schedule.id in failing and (why := self._too_many_failures(schedule)) is not None:
                self._advances[schedule.id] = _paused(why, self._now)
                continue
            try:
                planned = plan(schedule, schedule.recurrence(), self._now, left)
            except Exception as error:  # noqa: BLE001  the zone or expression is no longer understood, in whatever way
                why = f"{type(error).__name__}: {error}"[:LONGEST_NOTE_CHARS]
                self._advances[schedule.id] = _paused(f"It cannot be understood any more: {why}", self._now)
                continue
            fired[schedule.user_id] += max(0, len(planned.fires) - 1)
            plans.append((schedule, planned))
        self._fire([(schedule, planned.fires) for schedule, planned in plans], MadeBy.CLOCK)
        for schedule, planned in plans:
            if planned.missed is not None:
                self._keep(schedule, planned.missed, Outcome.MISSED, planned.why_missed)
            self._advances[schedule.id] = {"next_fire_at": planned.next_fire_at}

    def fire(self, schedule: Schedule, fires: Sequence[datetime], made_by: MadeBy) -> None:
        """Fire at given times, as a person wants."""
        self._fire([(schedule, fires)], made_by)

    def finish(self, reserve: Reserve) -> Fired:
        """Write it all in the caller's transaction."""
        enqueue(self._conn, self._new, self._now, reserve, self._after)
        schedules.keep_runs(self._conn, self._runs)
        schedules.advance(self._conn, self._advances)
        audit.append(self._conn, entries_of(self._refusals), self._now)
        return Fired(len(self._new), self._after)

    def _fire(self, wanted: Sequence[tuple[Schedule, Sequence[datetime]]], made_by: MadeBy) -> None:
        done = schedules.fired_already(self._conn, [(one.id, fire_at) for one, fires in wanted for fire_at in fires])
        ids = [one.id for one, fires in wanted if fires and one.overlap != Overlap.ALLOW]
        under_way = schedules.under_way(self._conn, ids)
        for schedule, fires in wanted:
            lane = Lane(self._conn, schedule, under_way.get(schedule.id, (0, 0)), self._now)
            for fire_at in fires:
                if (schedule.id, fire_at) not in done:
                    self._fire_one(schedule, fire_at, lane, made_by)
            self._after.changed += lane.cancelled

    def _fire_one(self, schedule: Schedule, fire_at: datetime, lane: Lane, made_by: MadeBy) -> None:
        if (why := lane.refuses()) is not None:
            self._keep(schedule, fire_at, Outcome.SKIPPED, why, made_by)
            return
        try:
            job = admit(
                self._conn, self._submission(schedule, fire_at, made_by), self._registry, config().get, self._now
            )
        except ActionError as error:
            self._refusals.append(error)
            self._keep(schedule, fire_at, Outcome.REFUSED, error.detail, made_by)
            return
        except sa.exc.SQLAlchemyError:
            raise  # the transaction is lost with it
        except Exception as error:  # noqa: BLE001  this schedule's fault, and no other's
            self._keep(schedule, fire_at, Outcome.REFUSED, problem_of(error)["detail"], made_by)
            return
        job = lane.enter(job)
        self._new.append(job)
        self._keep(schedule, fire_at, Outcome.SUBMITTED, None, made_by, job.id)

    def _submission(self, schedule: Schedule, fire_at: datetime, made_by: MadeBy) -> JobSubmission:
        action = self._registry.find(schedule.action)
        return JobSubmission(
            schedule.user_id,
            action,
            schedule.input,
            origin=Origin.PERSON if made_by is MadeBy.PERSON else Origin.SCHEDULE,
            due_at=jittered(schedule, fire_at),
            schedule_id=schedule.id,
        )

    def _too_many_failures(self, schedule: Schedule) -> str | None:
        limit = schedule.pause_after_failures
        if not limit or schedules.failures_in_row(self._conn, schedule, limit) < limit:
            return None
        return f"Paused after {limit} failures in a row. GET /schedules/{schedule.id}/runs shows them."

    def _keep(
        self,
        schedule: Schedule,
        fire_at: datetime,
        outcome: Outcome,
        detail: str | None,
        made_by: MadeBy = MadeBy.CLOCK,
        job_id: UUID | None = None,
    ) -> None:
        self._runs.append(ScheduleRun(schedule.id, fire_at, outcome, detail, job_id, made_by, self._now))


class Lane:
    """What of a schedule is under way, and whether one more job may join."""

    def __init__(self, conn: sa.Connection, schedule: Schedule, under_way: tuple[int, int], now: datetime) -> None:
        self._conn = conn
        self._now = now
        self._schedule_id = schedule.id
        self._overlap = Overlap(schedule.overlap)
        self._under_way, self._following = under_way
        self._cancels = self._overlap is Overlap.CANCEL_RUNNING
        self.cancelled: list[tuple[UUID, UUID]] = []

    def refuses(self) -> str | None:
        """Why there will be no job for this fire time."""
        if self._under_way and self._overlap is Overlap.SKIP:
            return "The job before it had not ended."
        if self._following and self._overlap is Overlap.QUEUE_ONE:
            return "A job waited already for the one before it."
        if self._following >= MOST_FOLLOWING and self._overlap is Overlap.QUEUE:
            return f"{self._following:,} jobs waited already, one for the other."
        return None

    def enter(self, job: NewJob) -> NewJob:
        """The job, told to wait where another is before it."""
        if self._under_way and self._cancels:
            self._cancel()
        follows = bool(self._under_way) and self._overlap is not Overlap.ALLOW
        self._under_way += 1
        self._following += follows
        return job.following() if follows else job

    def _cancel(self) -> None:
        for job in schedules.open_jobs(self._conn, [self._schedule_id])[self._schedule_id]:
            jobs.request_cancel(self._conn, job, self._now)
            self.cancelled.append((job.user_id, job.id))
        self._cancels = False


# --- pure: which fire times


@dataclass(frozen=True)
class FirePlan:
    """What becomes of the fire times of a schedule that have come.

    Attributes:
        fires: Those that are fired, in order.
        next_fire_at: When to look again; not later than now where there are more.
        missed: The last of those that are not.
        why_missed: In words.
    """

    fires: tuple[datetime, ...]
    next_fire_at: datetime | None
    missed: datetime | None = None
    why_missed: str | None = None


def plan(schedule: Schedule, recurrence: Recurrence, now: datetime, most: int = MOST_AT_ONCE) -> FirePlan:
    """Decide about the fire times from `next_fire_at` to now, as many at once as there may be.

    Those of the last minute are punctual and all fire. Of those before, the schedule's policy says which are caught
    up; none that is older than its window.
    """
    first = schedule.next_fire_at
    assert first is not None
    late_until = now - PUNCTUAL
    if first > late_until:
        return _punctual(schedule, recurrence, first, now, most)
    caught, skipped = _caught_up(schedule, recurrence, first, late_until, most)
    if len(caught) >= most:
        fires = tuple(caught[:most])
        return FirePlan(fires, schedule.next_after(fires[-1], recurrence), *_why(skipped))
    on_time = schedule.next_after(late_until, recurrence)
    if on_time is None or on_time > now:
        return FirePlan(tuple(caught), on_time, *_why(skipped))
    rest = _punctual(schedule, recurrence, on_time, now, most - len(caught))
    return FirePlan((*caught, *rest.fires), rest.next_fire_at, *_why(skipped))


def _punctual(schedule: Schedule, recurrence: Recurrence, first: datetime, now: datetime, most: int) -> FirePlan:
    fires = list(islice(_from(schedule, recurrence, first, now), most))
    return FirePlan(tuple(fires), schedule.next_after(fires[-1], recurrence))


def _caught_up(
    schedule: Schedule, recurrence: Recurrence, first: datetime, late_until: datetime, most: int
) -> tuple[list[datetime], tuple[datetime, datetime] | None]:
    """The late fire times that fire all the same, and the first and last of those that do not."""
    last = _last(schedule, recurrence, first, late_until)
    policy = CatchUp(schedule.catch_up)
    oldest = late_until - timedelta(seconds=schedule.catch_up_within_s)
    if policy is CatchUp.SKIP or last < oldest:
        return [], (first, last)
    if policy is CatchUp.ONCE:
        return [last], None
    begin = first if first >= oldest else schedule.next_after(oldest, recurrence)
    assert begin is not None
    caught = list(islice(_from(schedule, recurrence, begin, late_until), most))
    return caught, (first, oldest) if begin > first else None


def between(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """Fire times later than the one instant and not later than the other."""
    recurrence = schedule.recurrence()
    first = schedule.next_after(after, recurrence)
    if first is not None:
        yield from _from(schedule, recurrence, first, until)


def _from(schedule: Schedule, recurrence: Recurrence, first: datetime, until: datetime) -> Iterator[datetime]:
    found: datetime | None = first
    while found is not None and found <= until:
        yield found
        found = schedule.next_after(found, recurrence)


def _last(schedule: Schedule, recurrence: Recurrence, first: datetime, until: datetime) -> datetime:
    """The last fire time that is not later than `until`, looked for backwards: there may be millions before it."""
    back = timedelta(minutes=1)
    while until - back > first:
        found = schedule.next_after(until - back, recurrence)
        if found is not None and found <= until:
            first = found
            break
        back *= 2
    *_, last = _from(schedule, recurrence, first, until)
    return last


def _why(skipped: tuple[datetime, datetime] | None) -> tuple[datetime | None, str | None]:
    if skipped is None:
        return None, None
    first, last = skipped
    return last, f"Nobody was there to fire from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC."


def jittered(schedule: Schedule, fire_at: datetime) -> datetime | None:
    """When the job is due: at once, or so much later, the same however often it is asked."""
    if not schedule.jitter_s:
        return None
    chance = random.Random(f"{schedule.id} {fire_at.timestamp()}")
    return fire_at + timedelta(seconds=chance.randrange(schedule.jitter_s + 1))


def set_aside(conn: sa.Connection, schedule_id: UUID, why: str, now: datetime) -> None:
    """Pause a schedule that cannot be fired, nor even be read."""
    schedules.advance(conn, {schedule_id: _paused(f"It could not be fired: {why}", now)})


def _paused(note: str, now: datetime) -> dict[str, Any]:
    return {"enabled": False, "note": note, "next_fire_at": None, "updated_at": now}
