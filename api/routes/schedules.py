"""The doors of schedules: what the clock submits for you, when it will, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field, JsonValue

from api.auth.identity import Identity, current, person
from api.http.bodies import Router
from api.http.job_view import problems
from api.services import Services, services_of
from engine import scheduling
from engine.views.schedules import DAY_S, WORDS, YEAR_S, NewSchedule, ScheduleView, schedule_of, schedule_view
from llmcoder import strict_json
from llmcoder.errors import BadInput
from llmcoder.instants import Instant
from llmcoder.model import Model
from llmcoder.registry import default_schedules
from llmcoder.states import State
from models.accounts import preferences
from models.jobs.store import Job
from models.schedules import store as schedules
from models.schedules.store import CatchUp, MadeBy, Outcome, Overlap, ScheduleRun

LARGEST_NUMBER = 200

router = Router(prefix="/schedules", tags=["schedules"], responses=problems(401, 422, 503))
Caller = Annotated[Identity, Depends(current)]
Person = Annotated[Identity, Depends(person)]


class ScheduleChange(Model):
    """What changes; a field left out stays. A timing given replaces the one before."""

    name: str | None = Field(None, min_length=1, max_length=200, description="What you call it.")
    action: str | None = Field(None, description="Name of the action.")
    input: dict[str, JsonValue] | None = Field(None, description="What the action takes.")
    cron: str | None = Field(None, max_length=200, description="Cron expression.")
    every_s: int | None = Field(None, ge=1, le=YEAR_S, description="Every so many seconds.")
    at: Instant | None = Field(None, description="Once, at this instant.")
    when: str | None = Field(None, max_length=200, description=WORDS)
    timezone: str | None = Field(None, max_length=64, description="IANA time zone of the cron expression or the words.")
    starts_at: Instant | None = Field(None, description="Does not fire before; null takes it away.")
    ends_at: Instant | None = Field(None, description="Does not fire later; null takes it away.")
    jitter_s: int | None = Field(None, ge=0, le=3_600, description="Due up to so many seconds later.")
    catch_up: CatchUp | None = Field(None, description="What becomes of fire times that passed.")
    catch_up_within_s: int | None = Field(None, ge=0, le=31 * DAY_S, description="How far back they are caught up.")
    overlap: Overlap | None = Field(None, description="What becomes of a fire time while an earlier job runs.")
    pause_after_failures: int | None = Field(None, ge=0, le=1_000, description="Pause after so many failures.")
    version: int | None = Field(None, description="Refuse with 412 if somebody has changed it since this version.")


class SchedulePage(BaseModel):
    """Your schedules, newest first."""

    items: list[ScheduleView]
    next: UUID | None = Field(description="`cursor` of the page after this one; null on the last page.")


class UpcomingView(BaseModel):
    """One fire time to come."""

    fire_at: datetime
    local: str = Field(description="What the clock of the schedule's time zone shows then, with its offset.")
    clock_moved: str | None = Field(description="What happened to that clock since the fire time before, if anything.")


class UpcomingTimes(BaseModel):
    """The next fire times, as they stand now."""

    items: list[UpcomingView]


class RunView(BaseModel):
    """What became of one fire time."""

    fire_at: datetime
    outcome: Outcome
    detail: str | None
    made_by: MadeBy
    job_id: UUID | None
    state: State | None = Field(description="Of its job, as far as that is kept.")


class RunPage(BaseModel):
    """Runs, the latest first."""

    items: list[RunView]
    next: datetime | None = Field(description="`cursor` of the page after this one; null on the last page.")


class Range(Model):
    """A span of time."""

    since: Instant = Field(description="First instant, included.")
    until: Instant = Field(description="Last instant, included; not in the future.")


class SuggestedSchedule(BaseModel):
    """A schedule that you may want: POST it to /schedules as it is, or changed."""

    name: str
    action: str
    input: dict[str, JsonValue]
    cron: str
    timezone: str = Field(description="That of your preferences.")


class Suggestions(BaseModel):
    """Schedules that the installed domains suggest; none of them runs until you add it."""

    items: list[SuggestedSchedule]


class Backfilled(BaseModel):
    """What became of a backfill."""

    fire_times: int = Field(description="Fire times in the range.")
    submitted: int = Field(description="Those that had no run before, and have a job now.")


class Pause(Model):
    """Why it is paused."""

    note: str | None = Field(None, max_length=1_000, description="Kept with the schedule.")


# --- the schedules


@router.get("")
async def list_schedules(
    request: Request,
    who: Caller,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most schedules to return.")] = 50,
) -> SchedulePage:
    """Your schedules, newest first."""
    found = await services_of(request).sql.read(schedules.listed, who.user_id, cursor, limit + 1)
    following = found[limit - 1].id if len(found) > limit else None
    return SchedulePage(items=[schedule_view(one) for one in found[:limit]], next=following)


@router.post("", status_code=201, responses=problems(403, 404, 409))
async def add_schedule(request: Request, response: Response, who: Person, new: NewSchedule) -> ScheduleView:
    """Have the clock submit an action."""
    services = services_of(request)
    now = services.db.now()
    own_zone = (await services.sql.read(preferences.load, who.user_id)).timezone
    wanted = schedule_of(who.user_id, new, own_zone, now)
    await services.sql.read(scheduling.refuse_to_others, services.registry, wanted)
    made = scheduling.check(services.registry, wanted, now)
    added = await services.sql.write(scheduling.add, services.registry, made, now)
    response.headers["location"] = f"/schedules/{added.id}"
    return schedule_view(added)


@router.get("/defaults")
async def list_default_schedules(request: Request, who: Caller) -> Suggestions:
    """Schedules that the installed domains suggest."""
    zone = (await services_of(request).sql.read(preferences.load, who.user_id)).timezone
    return Suggestions(
        items=[
            SuggestedSchedule(name=one.name, action=one.action, input=dict(one.input), cron=one.cron, timezone=zone)
            for one in default_schedules()
        ]
    )


@router.get("/{schedule_id:uuid}", responses=problems(404))
async def show_schedule(request: Request, who: Caller, schedule_id: UUID) -> ScheduleView:
    """One of your schedules."""
    return schedule_view(await services_of(request).sql.read(scheduling.find, who.user_id, schedule_id))


@router.patch("/{schedule_id:uuid}", responses=problems(403, 404, 412))
async def change_schedule(request: Request, who: Person, schedule_id: UUID, change: ScheduleChange) -> ScheduleView:
    """Change a schedule; the next fire time is computed anew."""
    services = services_of(request)
    values, now = _columns(change), services.db.now()
    changed = await services.sql.write(
        scheduling.change, services.registry, who.user_id, schedule_id, values, change.version, now
    )
    return schedule_view(changed)


@router.delete("/{schedule_id:uuid}", status_code=204, responses=problems(403, 404))
async def remove_schedule(request: Request, who: Person, schedule_id: UUID) -> None:
    """Remove a schedule; jobs that it made stay."""
    services = services_of(request)
    await services.sql.write(scheduling.remove, who.user_id, schedule_id, services.db.now())


@router.post("/{schedule_id:uuid}/pause", responses=problems(403, 404))
async def pause_schedule(request: Request, who: Person, schedule_id: UUID, pause: Pause) -> ScheduleView:
    """Let it not fire until it is resumed."""
    services = services_of(request)
    paused = await services.sql.write(scheduling.pause, who.user_id, schedule_id, pause.note, services.db.now())
    return schedule_view(paused)


@router.post("/{schedule_id:uuid}/resume", responses=problems(403, 404))
async def resume_schedule(request: Request, who: Person, schedule_id: UUID) -> ScheduleView:
    """Let it fire again, from now on; what it missed while it was paused is not caught up."""
    services = services_of(request)
    return schedule_view(await services.sql.write(scheduling.resume, who.user_id, schedule_id, services.db.now()))


@router.post("/{schedule_id:uuid}/run", status_code=202, responses=problems(403, 404))
async def run_schedule(request: Request, who: Person, schedule_id: UUID) -> RunView:
    """Fire it now, once, whatever its times; what its overlap policy says counts."""
    services = services_of(request)
    fired = await services.sql.write(
        scheduling.fire_now, services.registry, who.user_id, schedule_id, services.db.now(), services.outbox.reserve
    )
    services.outbox.follow(fired.after)
    return (await _runs(services, who.user_id, schedule_id, None, 1)).items[0]


@router.post("/{schedule_id:uuid}/backfill", status_code=202, responses=problems(403, 404))
async def backfill_schedule(request: Request, who: Person, schedule_id: UUID, span: Range) -> Backfilled:
    """Fire for all its times in a span of the past that have no run."""
    services = services_of(request)
    ends, now = (span.since, span.until), services.db.now()
    fired, times = await services.sql.write(
        scheduling.backfill, services.registry, who.user_id, schedule_id, ends, now, services.outbox.reserve
    )
    services.outbox.follow(fired.after)
    return Backfilled(fire_times=times, submitted=fired.submitted)


@router.get("/{schedule_id:uuid}/next", responses=problems(404))
async def next_times(
    request: Request,
    who: Caller,
    schedule_id: UUID,
    n: Annotated[int, Query(ge=1, le=LARGEST_NUMBER, description="How many.")] = 10,
) -> UpcomingTimes:
    """When it fires next, and where the clock of its time zone is moved in between."""
    services = services_of(request)
    found = await services.sql.read(scheduling.find, who.user_id, schedule_id)
    times = scheduling.upcoming(found, n, services.db.now())
    return UpcomingTimes(items=[UpcomingView.model_validate(one, from_attributes=True) for one in times])


@router.get("/{schedule_id:uuid}/runs", responses=problems(404))
async def list_runs(
    request: Request,
    who: Caller,
    schedule_id: UUID,
    cursor: Annotated[Instant | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=LARGEST_NUMBER, description="Most runs to return.")] = 50,
) -> RunPage:
    """What became of its fire times, the latest first."""
    return await _runs(services_of(request), who.user_id, schedule_id, cursor, limit)


# --- what they share


def _columns(change: ScheduleChange) -> dict[str, Any]:
    """The columns that a change sets."""
    given = change.model_dump(exclude_unset=True, exclude={"version"})
    may_be_null = {"starts_at", "ends_at"}
    values = {name: value for name, value in given.items() if value is not None or name in may_be_null}
    if timing := {*scheduling.TIMING, "when"} & set(values):
        values = dict.fromkeys(scheduling.TIMING) | values
        if len(timing) > 1:
            raise BadInput("Give exactly one of cron, every_s and at, or `when` in words.")
    if "input" in values:
        values["input"] = strict_json.write(values["input"])
    return values


async def _runs(services: Services, user_id: UUID, schedule_id: UUID, before: datetime | None, limit: int) -> RunPage:
    def read(conn: sa.Connection) -> RunPage:
        scheduling.find(conn, user_id, schedule_id)
        found = schedules.runs(conn, schedule_id, before, limit + 1)
        items = [_run(run, job) for run, job in found[:limit]]
        return RunPage(items=items, next=items[-1].fire_at if len(found) > limit else None)

    return await services.sql.read(read)


def _run(run: ScheduleRun, job: Job | None) -> RunView:
    return RunView(
        fire_at=run.fire_at,
        outcome=Outcome(run.outcome),
        detail=run.detail,
        made_by=MadeBy(run.made_by),
        job_id=run.job_id,
        state=None if job is None else State(job.state),
    )
