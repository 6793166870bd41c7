"""What a person may do with their schedules, the same through every door. Each works in its caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from engine import schedule_runs
from engine.administrators import refuse_others
from engine.enqueue import Reserve
from engine.files import inputs
from engine.unknown_actions import stored_action
from llmcoder import strict_json
from llmcoder.arguments import checked
from llmcoder.errors import ActionError, BadInput, NotFound
from llmcoder.instants import LATEST
from llmcoder.registry import Registry
from llmcoder.zones import zone_of
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.files import links
from models.jobs.approvals import Origin
from models.schedules import store as schedules
from models.schedules.store import CatchUp, ChangedMeanwhile, MadeBy, Schedule

MOST_SCHEDULES = 1_000
MOST_CAUGHT_UP = 10_000
MOST_BACKFILLED = 1_000
TIMING = ("cron", "every_s", "at")


class TooMany(ActionError):
    """The user has as many as anybody may have."""

    slug, title, status = "too-many", "There are too many", 409


@dataclass(frozen=True, slots=True)
class Upcoming:
    """One fire time to come.

    Attributes:
        local: What the clock of the schedule's zone shows then, with its offset.
        clock_moved: What happened to that clock since the fire time before.
    """

    fire_at: datetime
    local: str
    clock_moved: str | None


def find(conn: sa.Connection, user_id: UUID, schedule_id: UUID, *, locked: bool = False) -> Schedule:
    """The user's schedule.

    Raises:
        NotFound: There is none of that id, or it is somebody else's.
    """
    found = schedules.get(conn, user_id, schedule_id, locked=locked)
    if found is None:
        raise NotFound(f"You have no schedule {schedule_id}.")
    return found


def refuse_to_others(conn: sa.Connection, registry: Registry, wanted: Schedule) -> None:
    """Before the rest of a schedule is looked at: may its user have the action run?

    Raises:
        NotFound: There is no such action.
        AdministratorsOnly: It is for administrators, and the user is none.
    """
    refuse_others(conn, registry.find(wanted.action), wanted.user_id)


def _refuse_unknown(conn: sa.Connection, registry: Registry, found: Schedule) -> None:
    """As `refuse_to_others`, of a schedule that is there.

    Raises:
        UnknownAction: This process does not know its action.
        AdministratorsOnly: It is for administrators, and its user is none.
    """
    refuse_others(conn, stored_action(registry, found.action), found.user_id)


def check(registry: Registry, wanted: Schedule, now: datetime) -> Schedule:
    """The schedule with its input validated and its next fire time.

    Raises:
        NotFound: There is no such action.
        BadInput: The input, the zone or the times make no sense.
    """
    action = registry.find(wanted.action)
    text = checked(action.input, strict_json.read_lenient(wanted.input))
    _zone(wanted.timezone)
    next_fire_at = wanted.next_after(now) if wanted.enabled else None
    if wanted.enabled and next_fire_at is None:
        raise BadInput("It would never fire: there is no fire time from now on, within its start and end.")
    _refuse_floods(wanted, now)
    return replace(wanted, input=text, next_fire_at=next_fire_at)


def _zone(name: str) -> ZoneInfo:
    try:
        return zone_of(name)
    except ValueError:
        raise BadInput(f"There is no time zone {name!r}; one is called such as Europe/Berlin.") from None


def timing_of(words: str, timezone: str, now: datetime) -> dict[str, Any]:
    """The columns of a timing that is said in words.

    Raises:
        BadInput: The words are not understood whole, or there is no such zone.
    """
    from llmcoder.time_phrases.understanding import understand

    meant = understand(words, _zone(timezone), now)
    if meant.at is not None and meant.at > LATEST:
        raise BadInput(f"{words!r} lies after the year {LATEST.year}.")
    return {"cron": meant.cron, "every_s": None, "at": meant.at}


def _refuse_floods(wanted: Schedule, now: datetime) -> None:
    if wanted.catch_up != CatchUp.ALL:
        return
    until = now + timedelta(seconds=wanted.catch_up_within_s)
    found = sum(1 for _ in islice(schedule_runs.between(wanted, now, until), MOST_CAUGHT_UP + 1))
    if found > MOST_CAUGHT_UP:
        detail = f"catch_up `all` within {wanted.catch_up_within_s} s may mean more than {MOST_CAUGHT_UP} jobs at once."
        raise BadInput(f"{detail} Choose a shorter catch_up_within_s, or `once`.")


def add(conn: sa.Connection, registry: Registry, made: Schedule, now: datetime) -> Schedule:
    """Keep a new schedule, which was checked, with the files that its input names.

    Raises:
        TooMany: The user has as many as anybody may have.
        UnknownFile: The input names a file that the user does not have.
    """
    if schedules.count(conn, made.user_id) >= MOST_SCHEDULES:
        raise TooMany(f"A user has at most {MOST_SCHEDULES} schedules. Remove one first.")
    schedules.add(conn, made)
    _keep_files(conn, registry, made, now)
    audit.append(conn, [Entry(Event.SCHEDULE_ADDED, str(made.id), made.user_id, {"action": made.action})], now)
    return made


def change(
    conn: sa.Connection, registry: Registry, user_id: UUID, schedule_id: UUID, values: Mapping[str, Any],
    seen: int | None, now: datetime,
) -> Schedule:  # fmt: skip
    """Set columns of a schedule; the next fire time is computed anew.

    Args:
        values: Columns; `when` beside them says a timing in words.
        seen: The version that the values were made for; None for any.

    Raises:
        ChangedMeanwhile: It has another version.
        BadInput, NotFound, AdministratorsOnly: As `check`, `find` and `refuse_to_others`.
    """
    found = find(conn, user_id, schedule_id, locked=True)
    if "when" in values:
        columns = {name: value for name, value in values.items() if name != "when"}
        values = columns | timing_of(values["when"], values.get("timezone", found.timezone), now)
    refuse_to_others(conn, registry, replace(found, **values))
    if seen is not None and seen != found.version:
        raise ChangedMeanwhile(f"It has version {found.version}, and you saw {seen}. Read it again.")
    wanted = check(registry, replace(found, **values), now)
    _keep_files(conn, registry, wanted, now)
    return _keep(conn, found, {**values, "input": wanted.input, "next_fire_at": wanted.next_fire_at}, now)


def pause(conn: sa.Connection, user_id: UUID, schedule_id: UUID, note: str | None, now: datetime) -> Schedule:
    """Let it not fire until it is resumed. Raises as `find`."""
    found = find(conn, user_id, schedule_id, locked=True)
    return _keep(conn, found, {"enabled": False, "next_fire_at": None, "note": note}, now)


def resume(conn: sa.Connection, user_id: UUID, schedule_id: UUID, now: datetime) -> Schedule:
    """Let it fire again, from now on. Raises as `find`."""
    found = find(conn, user_id, schedule_id, locked=True)
    anew = {"enabled": True, "note": None, "resumed_at": now, "next_fire_at": found.next_after(now)}
    return _keep(conn, found, anew, now)


def remove(conn: sa.Connection, user_id: UUID, schedule_id: UUID, now: datetime) -> None:
    """Delete a schedule with its runs; jobs that it made stay. Raises as `find`."""
    find(conn, user_id, schedule_id)
    schedules.remove(conn, schedule_id)
    audit.append(conn, [Entry(Event.SCHEDULE_REMOVED, str(schedule_id), user_id)], now)


def fire_now(
    conn: sa.Connection, registry: Registry, user_id: UUID, schedule_id: UUID, now: datetime,
    reserve: Reserve,
) -> schedule_runs.Fired:  # fmt: skip
    """Fire it once, whatever its times; its overlap policy counts. Raises as `find` and `_refuse_unknown`."""
    found = find(conn, user_id, schedule_id, locked=True)
    _refuse_unknown(conn, registry, found)
    return _fire(conn, registry, found, [now], MadeBy.PERSON, now, reserve)


def backfill(
    conn: sa.Connection, registry: Registry, user_id: UUID, schedule_id: UUID, span: tuple[datetime, datetime],
    now: datetime, reserve: Reserve,
) -> tuple[schedule_runs.Fired, int]:  # fmt: skip
    """Fire for all its times in a span of the past that have no run; and how many times there are.

    Raises:
        BadInput: The span is no past one, or has too many fire times.
        NotFound, UnknownAction, AdministratorsOnly: As `find` and `_refuse_unknown`.
    """
    since, until = (at.astimezone(UTC) for at in span)
    if until > now or since > until:
        raise BadInput("A backfill goes from an earlier to a later instant, neither of them in the future.")
    found = find(conn, user_id, schedule_id, locked=True)
    _refuse_unknown(conn, registry, found)
    times = list(islice(schedule_runs.between(found, since - timedelta(microseconds=1), until), MOST_BACKFILLED + 1))
    if len(times) > MOST_BACKFILLED:
        raise BadInput(f"There are more than {MOST_BACKFILLED} fire times in that span. Take a shorter one.")
    return _fire(conn, registry, found, times, MadeBy.BACKFILL, now, reserve), len(times)


def upcoming(one: Schedule, number: int, now: datetime) -> list[Upcoming]:
    """The next fire times, each with what happened to the clock on the wall since the one before."""
    zone = ZoneInfo(one.timezone)
    found: list[Upcoming] = []
    before, at = now, one.next_fire_at
    recurrence = one.recurrence()
    while at is not None and len(found) < number:
        local, was = at.astimezone(zone), before.astimezone(zone)
        found.append(Upcoming(at, local.isoformat(), _moved(was, local)))
        before, at = at, one.next_after(at, recurrence)
    return found


def _moved(before: datetime, after: datetime) -> str | None:
    by = (after.utcoffset() or timedelta()) - (before.utcoffset() or timedelta())
    if not by:
        return None
    minutes = int(abs(by).total_seconds() // 60)
    return f"The clock was put {'forward' if by > timedelta() else 'back'} by {minutes} minutes."


def _keep_files(conn: sa.Connection, registry: Registry, wanted: Schedule, now: datetime) -> None:
    """Its jobs come later than a file lives that nothing uses."""
    action = registry.find(wanted.action)
    named = inputs.look(conn, wanted.user_id, action, wanted.input, Origin.SCHEDULE, now)
    links.keep_for_schedule(conn, wanted.id, named.ids)


def _keep(conn: sa.Connection, found: Schedule, values: Mapping[str, Any], now: datetime) -> Schedule:
    schedules.change(conn, found.id, {**values, "version": found.version + 1, "updated_at": now})
    audit.append(conn, [Entry(Event.SCHEDULE_CHANGED, str(found.id), found.user_id)], now)
    return find(conn, found.user_id, found.id)


def _fire(
    conn: sa.Connection, registry: Registry, found: Schedule, times: Sequence[datetime], made_by: MadeBy,
    now: datetime, reserve: Reserve,
) -> schedule_runs.Fired:  # fmt: skip
    batch = schedule_runs.Batch(conn, registry, now)
    batch.fire(found, times, made_by)
    return batch.finish(reserve)
