"""The clock: each fire time becomes one job, late ones as the schedule says, overlapping ones as it says too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from engine_kit import load_testkit, set_columns

from engine.outbox import Outbox
from engine.schedule_runs import MOST_OF_USER, jittered, plan
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs import store as jobs_room
from models.jobs.tables import jobs
from models.schedules import store as schedules
from models.schedules.store import Schedule
from models.schedules.tables import schedule_runs
from models.schedules.tables import schedules as table
from schedules.firing_tick import BATCH, Firing

pytestmark = pytest.mark.both_stores

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Clock:
    """A database whose clock stands where the test puts it."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = START
        monkeypatch.setattr(db, "now", lambda: self.now)


@pytest.fixture
def clock(db: Database, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(db, monkeypatch)


@pytest.fixture
def firing(db: Database, configured: Config, redis_url: str, clock: Clock) -> Iterator[Firing]:
    load_testkit()
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    yield Firing(db, outbox, Registry(discover()))
    outbox.close()


def schedule(user: User, **wanted: Any) -> Schedule:
    plain: dict[str, Any] = {
        "id": new_id(), "user_id": user.id, "name": "a test", "action": "test.echo", "input": '{"text":"hello"}',
        "cron": None, "every_s": None, "at": None, "timezone": "UTC", "jitter_s": 0, "starts_at": None,
        "ends_at": None, "catch_up": "skip", "catch_up_within_s": 86_400, "overlap": "allow",
        "pause_after_failures": 0, "enabled": True, "note": None, "resumed_at": START, "next_fire_at": None,
        "version": 1, "created_at": START, "updated_at": START,
    }  # fmt: skip
    new = Schedule(**(plain | wanted))
    return Schedule(**(plain | wanted | {"next_fire_at": new.next_after(START)}))


@pytest.fixture
def added(db: Database, user: User) -> Callable[..., Schedule]:
    def add(**wanted: Any) -> Schedule:
        new = schedule(user, **wanted)
        with db.write() as conn:
            schedules.add(conn, new)
        return new

    return add


def outcomes(db: Database, one: Schedule) -> list[tuple[str, str]]:
    """Fire time, since the start, and what became of it."""
    with db.read() as conn:
        rows = conn.execute(
            sa.select(schedule_runs).where(schedule_runs.c.schedule_id == one.id).order_by(schedule_runs.c.fire_at)
        ).all()
    return [(str(row.fire_at - START), row.outcome) for row in rows]


def made(db: Database) -> list[Any]:
    with db.read() as conn:
        return list(conn.execute(sa.select(jobs).order_by(jobs.c.id)))


def there(db: Database, one: Schedule) -> Any:
    with db.read() as conn:
        return conn.execute(sa.select(table).where(table.c.id == one.id)).one()


def test_each_fire_time_becomes_one_job_of_the_schedule(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule]
) -> None:
    one = added(every_s=20)
    clock.now += timedelta(seconds=50)
    assert firing.fire() == 2
    assert firing.fire() == 0
    assert outcomes(db, one) == [("0:00:20", "submitted"), ("0:00:40", "submitted")]
    assert there(db, one).next_fire_at == START + MINUTE
    for job in made(db):
        assert (job.origin, job.schedule_id, json.loads(job.input)) == ("schedule", one.id, {"text": "hello"})
        assert job.state == State.QUEUED


def test_a_single_instant_fires_once_and_an_end_ends_it(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule]
) -> None:
    once = added(at=START + MINUTE)
    ended = added(every_s=30, ends_at=START + MINUTE)
    clock.now += timedelta(seconds=100)
    firing.fire()
    assert len(outcomes(db, once)) == 1 and there(db, once).next_fire_at is None
    assert len(outcomes(db, ended)) == 2 and there(db, ended).next_fire_at is None


@pytest.mark.parametrize(
    ("catch_up", "fired"),
    [
        ("skip", ["10:01"]),
        ("once", ["10:00", "10:01"]),
        ("all", [f"09:{minute:02}" for minute in range(1, 60)] + ["10:00", "10:01"]),
    ],
)
def test_a_host_that_slept_catches_up_as_each_policy_says(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule], catch_up: str, fired: list[str]
) -> None:
    one = added(cron="* * * * *", catch_up=catch_up, catch_up_within_s=3600)
    with db.write() as conn:
        schedules.change(conn, one.id, {"next_fire_at": START + 7 * HOUR})
    clock.now = START + 10 * HOUR + timedelta(minutes=1)  # it fired last at seven, and slept for three hours
    while firing.fire():
        continue
    with db.read() as conn:
        runs = [run for run, _ in schedules.runs(conn, one.id, None, 200)]
    submitted = sorted(run.fire_at.strftime("%H:%M") for run in runs if run.outcome == "submitted")
    assert submitted == fired
    missed = [run for run in runs if run.outcome == "missed"]
    assert len(missed) == (0 if catch_up == "once" else 1)
    assert all("Nobody was there to fire from 2026-01-01 07:00:00" in str(run.detail) for run in missed)
    assert there(db, one).next_fire_at == clock.now + MINUTE


def test_a_schedule_of_seconds_that_waited_for_days_is_planned_at_once(user: User) -> None:
    one = schedule(user, cron="* * * * * *")
    found = plan(one, one.recurrence(), START + timedelta(days=30))
    assert (len(found.fires), found.next_fire_at) == (60, START + timedelta(days=30, seconds=1))


def test_many_late_ones_are_caught_up_in_several_batches_and_none_is_lost(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule]
) -> None:
    one = added(every_s=1, catch_up="all")
    clock.now = START + timedelta(seconds=1_300)
    ticks = [firing.fire() for _ in range(1_300 // MOST_OF_USER)]
    assert set(ticks) == {MOST_OF_USER} and firing.fire() == 0
    assert len({at for at, _ in outcomes(db, one)}) == 1_300


def test_one_user_s_many_schedules_make_nobody_else_s_late(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule], new_user: Callable[[str], User]
) -> None:
    """A thousand that fire each second are more than a small machine submits: 800 jobs a second stopped everybody."""
    many = [added(every_s=1) for _ in range(2 * BATCH)]
    bob = new_user("bob@example.org")
    other = added(user_id=bob.id, every_s=5)
    clock.now += timedelta(seconds=5)
    assert firing.fire() == MOST_OF_USER + 1
    assert [outcome for _, outcome in outcomes(db, other)] == ["submitted"]
    while firing.fire():
        continue
    assert {len(outcomes(db, one)) for one in many} == {5}, "the rest of hers comes later, and nothing is lost"


def test_one_of_many_that_cannot_be_fired_is_found_by_turns(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [added(every_s=60) for _ in range(MOST_OF_USER + 5)]
    clock.now += timedelta(seconds=60)
    broken, insert = many[3], jobs_room.insert

    def insert_sound(conn: sa.Connection, new: list[Any], *args: Any, **more: Any) -> Any:
        if any(job.schedule_id == broken.id for job in new):
            raise ValueError("it cannot be kept")
        return insert(conn, new, *args, **more)

    monkeypatch.setattr(jobs_room, "insert", insert_sound)
    for _ in range(3):
        firing.fire()
    assert not there(db, broken).enabled and "ValueError" in there(db, broken).note
    assert [len(outcomes(db, one)) for one in many if one is not broken] == [1] * (len(many) - 1)


def test_a_line_of_followers_has_an_end(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.schedule_runs.MOST_FOLLOWING", 2)
    one = added(every_s=1, overlap="queue")
    clock.now += timedelta(seconds=5)
    firing.fire()
    assert [outcome for _, outcome in outcomes(db, one)] == ["submitted"] * 3 + ["skipped"] * 2


@pytest.mark.parametrize(
    ("overlap", "states"),
    [
        ("allow", [("queued", None), ("queued", None), ("queued", None)]),
        ("skip", [("queued", None)]),
        ("queue_one", [("queued", None), ("waiting", "previous")]),
        ("queue", [("queued", None), ("waiting", "previous"), ("waiting", "previous")]),
    ],
)
def test_what_comes_while_the_job_before_it_has_not_ended(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule], overlap: str, states: list[Any]
) -> None:
    one = added(every_s=10, overlap=overlap)
    clock.now += timedelta(seconds=30)
    firing.fire()
    assert [(job.state, job.reason) for job in made(db)] == states
    skipped = [at for at, outcome in outcomes(db, one) if outcome == "skipped"]
    assert len(skipped) == 3 - len(states)


def test_followers_go_one_after_the_other(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule]
) -> None:
    added(every_s=10, overlap="queue")
    clock.now += timedelta(seconds=30)
    firing.fire()
    first, second, third = (job.id for job in made(db))
    assert firing.follow() == 0
    set_columns(db, first, state=State.SUCCEEDED)
    assert firing.follow() == 1
    assert [(job.state, job.reason) for job in made(db)][1:] == [("queued", None), ("waiting", "previous")]
    set_columns(db, second, state=State.FAILED)
    assert firing.follow() == 1
    assert made(db)[2].id == third and made(db)[2].state == State.QUEUED


def test_a_running_job_is_told_to_end_and_the_new_one_follows_it(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule]
) -> None:
    added(every_s=10, overlap="cancel_running")
    clock.now += timedelta(seconds=10)
    firing.fire()
    running = made(db)[0]
    set_columns(db, running.id, state=State.RUNNING)
    clock.now += timedelta(seconds=10)
    firing.fire()
    old, new = made(db)
    assert old.cancel_requested_at is not None
    assert (new.state, new.reason) == (State.WAITING, Reason.PREVIOUS)


def test_failures_in_a_row_pause_it_with_a_note(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule]
) -> None:
    one = added(every_s=10, pause_after_failures=2)
    for state in (State.FAILED, State.SUCCEEDED, State.FAILED, State.UNCERTAIN):
        clock.now += timedelta(seconds=10)
        assert firing.fire() == 1
        set_columns(db, made(db)[-1].id, state=state)
    clock.now += timedelta(seconds=10)
    assert firing.fire() == 0
    paused = there(db, one)
    assert (paused.enabled, paused.next_fire_at) == (False, None)
    assert "2 failures in a row" in paused.note


def test_what_cannot_be_submitted_is_a_refused_run_that_says_why(
    db: Database, clock: Clock, firing: Firing, added: Callable[..., Schedule]
) -> None:
    changed = added(every_s=10, input='{"txet":1}')
    clock.now += timedelta(seconds=10)
    assert firing.fire() == 0
    with db.read() as conn:
        [(run, job)] = schedules.runs(conn, changed.id, None, 10)
    assert (run.outcome, job) == ("refused", None)
    assert "txet: there is no such field" in str(run.detail)


def test_jitter_is_the_same_however_often_it_is_asked_and_stays_within_its_bounds(user: User) -> None:
    one = schedule(user, every_s=10, jitter_s=30)
    times = [START + timedelta(seconds=10 * n) for n in range(200)]
    found = [jittered(one, at) for at in times]
    assert found == [jittered(one, at) for at in times]
    late = {(due - at).total_seconds() for due, at in zip(found, times, strict=True) if due is not None}
    assert min(late) >= 0 and max(late) <= 30 and len(late) > 20


def test_two_schedulers_fire_each_time_once(
    db: Database, configured: Config, redis_url: str, clock: Clock, added: Callable[..., Schedule]
) -> None:
    import threading

    load_testkit()
    some = [added(every_s=10) for _ in range(30)]
    clock.now += timedelta(seconds=50)
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    known = Registry(discover())

    def tick() -> None:
        firing = Firing(db, outbox, known)
        for _ in range(150 // MOST_OF_USER):
            firing.fire()

    threads = [threading.Thread(target=tick) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    tick()  # where each found the rest locked by another
    outbox.close()
    assert {one.id: len(outcomes(db, one)) for one in some} == {one.id: 5 for one in some}
    assert len(made(db)) == 150


#: A row of a schedule that cannot be fired, by what is wrong with it.
BROKEN: dict[str, dict[str, Any]] = {
    "its input is no JSON": {"input": "{"},
    "its input is JSON that nobody reads": {"input": '{"text": NaN}'},
    "its zone is gone": {"timezone": "Mars/Olympus"},
    "its zone is a path": {"timezone": "../../etc"},
    "its expression is none": {"cron": "x", "every_s": None},
    "its overlap is unknown": {"overlap": "gone"},
    "its policy is unknown": {"catch_up": "gone", "next_fire_at": START - HOUR},
    "it fires at no time": {"cron": None, "every_s": None, "at": None},
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_schedule_that_cannot_be_fired_says_why_and_the_others_fire(
    added: Callable[..., Schedule], firing: Firing, db: Database, clock: Clock, what: str
) -> None:
    broken, sound = added(cron="* * * * *"), added(every_s=60)
    with db.write() as conn:
        conn.execute(sa.update(table).where(table.c.id == broken.id).values(**BROKEN[what]))
    clock.now += timedelta(seconds=61)
    firing.fire()
    assert [outcome for _, outcome in outcomes(db, sound)] == ["submitted"]
    with db.read() as conn:
        row = conn.execute(sa.select(table.c.enabled, table.c.note).where(table.c.id == broken.id)).one()
        why = conn.execute(sa.select(schedule_runs.c.detail).where(schedule_runs.c.schedule_id == broken.id)).scalar()
    assert row.note if not row.enabled else why


def test_a_row_that_cannot_be_read_pauses_its_schedule_alone(
    added: Callable[..., Schedule], firing: Firing, db: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = (added(every_s=60) for _ in range(2))
    clock.now += timedelta(seconds=61)
    due = schedules.due

    def read(conn: sa.Connection, now: datetime, limit: int, only: Any, *rest: Any) -> list[Schedule]:
        found = due(conn, now, limit, only, *rest)
        if any(one.id == broken.id for one in found):
            raise ValueError("a corrupt row")
        return found

    monkeypatch.setattr(schedules, "due", read)
    firing.fire()
    assert [outcome for _, outcome in outcomes(db, sound)] == ["submitted"]
    assert not there(db, broken).enabled and "ValueError" in there(db, broken).note
    assert there(db, sound).enabled
