"""What a user's digest says of their jobs and schedules."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import Field

from llmcoder import Context, Effect, Model, action, strict_json
from llmcoder.instants import WrittenInstant
from llmcoder.states import Reason, State
from models.db.database import database, reading
from models.jobs import inquiries
from models.jobs.inquiries import TroubledJob
from models.schedules import store as schedules

MOST = 50
#: What a job waits for that only a person ends, and what to say of it.
FOR_A_PERSON = {
    Reason.APPROVAL: "It waits for your approval.",
    Reason.RECONNECT: "Its account must be connected again.",
    Reason.UNKNOWN_ACTION: "No running worker knows its action; an administrator has to start one that does.",
    Reason.UNKNOWN_STEP: "No running scheduler knows its next step; an administrator has to start one that does.",
    Reason.UNCERTAIN_STEP: "A step's effect may have happened; resolve it, and the run goes on.",
}


class Since(Model):
    """From when on."""

    since: WrittenInstant | None = Field(None, description="Failed from this instant on; a day ago when left out.")
    limit: int = Field(20, ge=1, le=MOST, description="Most to return.")


class Until(Model):
    """Up to when."""

    until: WrittenInstant | None = Field(None, description="Before this instant; within a day when left out.")
    limit: int = Field(20, ge=1, le=MOST, description="Most to return.")


class Trouble(Model):
    """A job that wants its user."""

    id: UUID = Field(description="The job.")
    action: str = Field(description="What it was to do.")
    state: str = Field(description="`failed`, `uncertain` or `waiting`.")
    why: str = Field(description="Why.")
    changed_at: datetime | None = Field(description="When it ended; null while it waits.")


class Troubles(Model):
    """Jobs that want their user, newest first."""

    items: list[Trouble] = Field(description="Them.")


class Coming(Model):
    """A fire time to come."""

    schedule_id: UUID = Field(description="The schedule.")
    name: str = Field(description="What its user calls it.")
    action: str = Field(description="What it submits.")
    fire_at: datetime = Field(description="When it fires next.")


class ComingUp(Model):
    """Fire times to come, the next first; of each schedule the next one."""

    items: list[Coming] = Field(description="Them.")


@action("tasks.list_troubles", effect=Effect.READ, timeout_s=15)
def list_troubles(wanted: Since, ctx: Context) -> Troubles:
    """List jobs that failed, that nobody can tell the end of, or that wait for you."""
    since = wanted.since or database().now() - timedelta(days=1)
    with reading("jobs") as conn:
        found = inquiries.troubled(conn, ctx.user.id, since, FOR_A_PERSON, wanted.limit)
    for job in found:
        if job.error is not None:
            ctx.trail.read(job.error_taint, [job.id])
    return Troubles(
        items=[
            Trouble(id=job.id, action=job.action, state=job.state, why=_why(job), changed_at=job.finished_at)
            for job in found
        ]
    )


@action("tasks.list_upcoming", effect=Effect.READ, timeout_s=15)
def list_upcoming(wanted: Until, ctx: Context) -> ComingUp:
    """List what the clock submits for you next."""
    until = wanted.until or database().now() + timedelta(days=1)
    with reading("schedules") as conn:
        found = schedules.upcoming(conn, ctx.user.id, until, wanted.limit)
    return ComingUp(
        items=[
            Coming(schedule_id=one.id, name=one.name, action=one.action, fire_at=one.next_fire_at)
            for one in found
            if one.next_fire_at is not None
        ]
    )


def _why(job: TroubledJob) -> str:
    if job.state == State.WAITING and job.reason is not None:
        return FOR_A_PERSON[Reason(job.reason)]
    if job.error is None:
        return "Nobody can tell whether it happened." if job.state == State.UNCERTAIN else "It failed."
    return str(strict_json.read_lenient(job.error).get("detail", "It failed."))[:300]
