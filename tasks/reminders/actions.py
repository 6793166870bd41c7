"""Reminders: kept by words or by an instant, listed, put off, ticked off. Those due: `due_reminders.py` beside."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from pydantic import Field, StringConstraints, model_validator

from llmcoder import BadInput, Context, Effect, Model, NotFound, Undo, action
from llmcoder.instants import WrittenInstant
from llmcoder.zones import zone_of
from models.accounts import preferences
from models.db.database import database, reading, writing
from models.owned_records import origin_of_changed, origin_of_new, was_read
from tasks.reminders import store
from tasks.reminders.store import own
from tasks.reminders.tables import reminders
from tasks.reminders.words import EXAMPLES, Understood, understand

TIMEOUT_S = 15.0
MOST_REMINDERS = 5_000
NEXT_SHOWN = 3
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class Which(StrEnum):
    """Which part of the list."""

    COMING = "coming"  # will be told
    TOLD = "told"  # was told, and is not ticked off
    DONE = "done"
    ALL = "all"


class When(Model):
    """A time, in words or as an instant."""

    when: Words | None = Field(
        None,
        description=f"In words, on the clock of your zone: {EXAMPLES}. Also in German, French and Spanish.",
        examples=["9am"],
    )
    at: WrittenInstant | None = Field(None, description="Instead: an instant, with its zone.")
    timezone: str | None = Field(
        None, max_length=64, description="IANA time zone of the words; that of your preferences when left out."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.when is None) == (self.at is None):
            raise ValueError("give `when` or `at`, and not both")
        return self


class NewReminder(When):
    """What to be told, and when."""

    text: Text = Field(description="What you want to be told.", examples=["Call the dentist"])


class Snooze(When):
    """Until when a reminder is put off."""

    reminder_id: UUID = Field(description="Which one.", examples=["01937b2e-7c00-7000-8000-000000000001"])


class ReminderChoice(Model):
    """Which reminder is meant."""

    reminder_id: UUID = Field(description="Which one.", examples=["01937b2e-7c00-7000-8000-000000000001"])


class Listing(Model):
    """Which reminders are wanted."""

    which: Which = Field(Which.ALL, description="Those to come, those told and not ticked off, those done, or all.")
    until: WrittenInstant | None = Field(None, description="Only those that are told next before this instant.")
    limit: int = Field(50, ge=1, le=200, description="Most to return.")
    before: UUID | None = Field(None, description="`next` of the page before; left out, the newest are returned.")


class Reminder(Model):
    """One reminder."""

    id: UUID = Field(description="Its id.")
    text: str = Field(description="What is told.")
    words: str | None = Field(description="The words by which its time was said.")
    cron: str | None = Field(description="Of one that comes again, on the clock of its zone.")
    timezone: str = Field(description="Its time zone.")
    next_at: datetime | None = Field(description="When it is told next; null when it will not be.")
    told_at: datetime | None = Field(description="When it was told last.")
    done_at: datetime | None = Field(description="When it was ticked off.")
    note: str | None = Field(description="Why it could not be sent over one of your channels.")


class Kept(Reminder):
    """A reminder, and how its time was understood."""

    times: list[str] = Field(description="The next times, on the clock of its zone.")


class Reminders(Model):
    """Reminders, newest first."""

    items: list[Reminder] = Field(description="Them.")
    next: UUID | None = Field(description="`before` of the page after this one; null on the last page.")


class Removed(Model):
    """A reminder that is gone."""

    removed: bool = Field(description="Whether there was one.")


class Told(Model):
    """What the user is told."""

    reminder_id: UUID = Field(
        description="The reminder, to snooze it or tick it off.", examples=["01937b2e-7c00-7000-8000-000000000001"]
    )
    text: Text = Field(description="What they wanted to be told.", examples=["Call the dentist"])
    due_at: WrittenInstant = Field(description="When it was due.", examples=["2030-06-01T09:00:00Z"])


@action("reminders.remove", effect=Effect.DESTROY, repeatable=True, timeout_s=TIMEOUT_S)
def remove(which: ReminderChoice, ctx: Context) -> Removed:
    """Remove a reminder; one that is gone already is no error."""
    with writing("reminders") as conn:
        gone = conn.execute(sa.delete(reminders).where(own.id == which.reminder_id, own.user_id == ctx.user.id))
    return Removed(removed=gone.rowcount > 0)


@action(
    "reminders.create",
    effect=Effect.WRITE,
    repeatable=True,
    own_records=True,
    undo=Undo(remove, lambda new, kept: ReminderChoice(reminder_id=kept.id)),
    timeout_s=TIMEOUT_S,
)
def create(new: NewReminder, ctx: Context) -> Kept:
    """Keep a reminder, and say how its time was understood."""
    with writing("reminders") as conn:
        row = store.get(conn, ctx.user.id, ctx.job_id)
        if row is None:
            row = _added(conn, new, ctx)
        return _kept(row)


@action("reminders.list", effect=Effect.READ, timeout_s=TIMEOUT_S)
def list_reminders(wanted: Listing, ctx: Context) -> Reminders:
    """List your reminders, newest first."""
    query = sa.select(reminders).where(own.user_id == ctx.user.id, *_conditions(wanted))
    with reading("reminders") as conn:
        rows = conn.execute(query.order_by(own.id.desc()).limit(wanted.limit + 1)).all()
    following = rows[wanted.limit - 1].id if len(rows) > wanted.limit else None
    return Reminders(items=[Reminder(**_shown(row)) for row in rows[: wanted.limit]], next=following)


@action("reminders.snooze", effect=Effect.WRITE, repeatable=True, timeout_s=TIMEOUT_S)
def snooze(wish: Snooze, ctx: Context) -> Kept:
    """Put a reminder off; one that comes again keeps its own times too."""
    now = database().now()
    with writing("reminders") as conn:
        row = _known(conn, wish.reminder_id, ctx)
        until = _understood(conn, wish, ctx, now)[0].at
        if until is None:
            raise BadInput("A reminder is put off once, so say one time, such as: in 20 minutes.")
        values = {"snoozed_until": until, "next_at": store.earlier(row.due_at, until), "done_at": None}
        store.put(conn, row.id, values | origin_of_changed(row), now)
        return _kept(_known(conn, wish.reminder_id, ctx))


@action("reminders.done", effect=Effect.WRITE, repeatable=True, timeout_s=TIMEOUT_S)
def done(which: ReminderChoice, ctx: Context) -> Reminder:
    """Tick a reminder off.

    One that comes again is told at its next time all the same; remove it to end it.
    """
    now = database().now()
    with writing("reminders") as conn:
        row = _known(conn, which.reminder_id, ctx)
        again = row.cron is not None
        values: dict[str, Any] = {"snoozed_until": None, "told_at": None if again else row.told_at}
        values |= {} if again else {"due_at": None, "done_at": row.done_at or now}
        values["next_at"] = row.due_at if again else None
        store.put(conn, row.id, values | origin_of_changed(row), now)
        return Reminder(**_shown(_known(conn, which.reminder_id, ctx)))


@action("reminders.tell", effect=Effect.DRAFT, keeps=True, timeout_s=TIMEOUT_S)
def tell(told: Told, _ctx: Context) -> Told:
    """Tell a user what they wanted to be told.

    The job itself is the message, at every door that shows jobs.
    """
    return told


def _added(conn: sa.Connection, new: NewReminder, ctx: Context) -> Any:
    now = database().now()
    count = conn.execute(
        sa.select(sa.func.count()).select_from(reminders).where(own.user_id == ctx.user.id)
    ).scalar_one()
    if count >= MOST_REMINDERS:
        raise BadInput(f"A user has at most {MOST_REMINDERS} reminders. Remove some first.")
    meant, zone = _understood(conn, new, ctx, now)
    due_at = meant.at or store.following(meant.cron, zone.key, now)
    values = {
        "id": ctx.job_id, "user_id": ctx.user.id, "text": new.text, "words": new.when, "cron": meant.cron,
        "timezone": zone.key, "due_at": due_at, "next_at": due_at, "created_at": now, "updated_at": now,
        **origin_of_new(),
    }  # fmt: skip
    conn.execute(sa.insert(reminders).values(values))
    return _known(conn, ctx.job_id, ctx)


def _understood(conn: sa.Connection, time: When, ctx: Context, now: datetime) -> tuple[Understood, ZoneInfo]:
    zone = _zone(time.timezone or preferences.load(conn, ctx.user.id).timezone)
    if time.when is not None:
        return understand(time.when, zone, now), zone
    assert time.at is not None
    if time.at < now - timedelta(days=1):
        raise BadInput(f"`at` is {time.at:%Y-%m-%d %H:%M}, which is past.")
    return Understood(at=time.at), zone


def _zone(name: str) -> ZoneInfo:
    try:
        return zone_of(name)
    except ValueError:
        raise BadInput(f"There is no time zone {name!r}; one is called such as Europe/Berlin.") from None


def _known(conn: sa.Connection, reminder_id: UUID, ctx: Context) -> Any:
    row = store.get(conn, ctx.user.id, reminder_id, locked=True)
    if row is None:
        raise NotFound(f"You have no reminder {reminder_id}.")
    return row


def _conditions(wanted: Listing) -> list[sa.ColumnElement[bool]]:
    by_state: dict[Which, list[sa.ColumnElement[bool]]] = {
        Which.COMING: [own.next_at.is_not(None)],
        Which.TOLD: [own.told_at.is_not(None), own.done_at.is_(None)],
        Which.DONE: [own.done_at.is_not(None)],
        Which.ALL: [],
    }
    older = [] if wanted.before is None else [own.id < wanted.before]
    soon = [] if wanted.until is None else [own.next_at < wanted.until]
    return [*by_state[wanted.which], *older, *soon]


def _shown(row: Any) -> dict[str, Any]:
    was_read(row)
    return {name: getattr(row, name) for name in Reminder.model_fields}


def _kept(row: Any) -> Kept:
    zone, at = ZoneInfo(row.timezone), row.next_at
    times: list[str] = []
    while at is not None and len(times) < NEXT_SHOWN:
        times.append(at.astimezone(zone).isoformat())
        at = store.following(row.cron, row.timezone, at)
    return Kept(**_shown(row), times=times)
