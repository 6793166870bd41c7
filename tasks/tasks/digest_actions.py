"""What a user's digest says of their jobs and schedules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field

from llmcoder import Context, Effect, Model, action, strict_json
from llmcoder.instants import WrittenInstant
from llmcoder.states import Reason, State
from models.db.database import database, reading
from models.jobs import taint
from models.jobs.tables import jobs
from models.schedules.tables import schedules

MOST = 50
#: What a job waits for that only a person ends, and what to say of it.
FOR_A_PERSON = {
    Reason.APPROVAL: "It waits for your approval.",
    Reason.RECONNECT: "Its account must be connected again.",
    Reason.UNCERTAIN_STEP: "A step's effect may have happened; resolve it, and the run goes on.",
}

#: What tells whose words a job's error holds.
OF_WORDS = (jobs.c.tainted, jobs.c.origin, jobs.c.result_taint)


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
    own = jobs.c
    ended = sa.and_(own.state.in_((State.FAILED, State.UNCERTAIN)), own.finished_at >= since)
    # Steps as well: it is the step that a person approves, connects or resolves, also in a macro within a macro.
    waits = sa.and_(own.state == State.WAITING, own.reason.in_(FOR_A_PERSON))
    doubtful = sa.and_(own.state == State.UNCERTAIN, own.finished_at >= since)
    query = (
        sa.select(own.id, own.action, own.state, own.reason, own.error, own.finished_at, *OF_WORDS)
        .where(own.user_id == ctx.user.id, sa.or_(sa.and_(own.parent_id.is_(None), ended), waits, doubtful))
        .order_by(own.id.desc())
        .limit(wanted.limit)
    )
    with reading("jobs") as conn:
        rows = conn.execute(query).all()
    for row in rows:
        if row.error is not None:
            ctx.trail.read(taint.of_error(row.tainted, row.origin, row.result_taint), [row.id])
    return Troubles(
        items=[
            Trouble(id=row.id, action=row.action, state=row.state, why=_why(row), changed_at=row.finished_at)
            for row in rows
        ]
    )


@action("tasks.list_upcoming", effect=Effect.READ, timeout_s=15)
def list_upcoming(wanted: Until, ctx: Context) -> ComingUp:
    """List what the clock submits for you next."""
    until = wanted.until or database().now() + timedelta(days=1)
    own = schedules.c
    query = (
        sa.select(own.id, own.name, own.action, own.next_fire_at)
        .where(own.user_id == ctx.user.id, own.next_fire_at < until)
        .order_by(own.next_fire_at)
        .limit(wanted.limit)
    )
    with reading("schedules") as conn:
        rows = conn.execute(query).all()
    return ComingUp(
        items=[Coming(schedule_id=row.id, name=row.name, action=row.action, fire_at=row.next_fire_at) for row in rows]
    )


def _why(row: Any) -> str:
    if row.state == State.WAITING:
        return FOR_A_PERSON[Reason(row.reason)]
    if row.error is None:
        return "Nobody can tell whether it happened." if row.state == State.UNCERTAIN else "It failed."
    return str(strict_json.read_lenient(row.error).get("detail", "It failed."))[:300]
