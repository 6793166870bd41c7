"""The duties of a scheduler and its triggers: none waits for another, and readiness knows who gets nothing done."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from engine_kit import PLUGIN, Engine, accept_one, engine_on, eventually, load_testkit, row
from served import serving

from engine.duties import Duties
from engine.outbox import Outbox
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.trigger import Due, Trigger
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover
from llmcoder.states import State
from models.accounts.tables import login_attempts
from models.db.database import Database
from models.jobs import duties as stored
from models.jobs.tables import duties as table
from schedules.__main__ import steady
from schedules.deadlines import MOST_ABANDONED, WatchedTrigger
from schedules.reporting import Reporting
from schedules.triggers import TriggerTick

pytestmark = pytest.mark.both_stores

kit = load_testkit()
SOON_S = 20.0


@pytest.fixture
def outbox(redis_url: str) -> Iterator[Outbox]:
    made = Outbox(redis_url, redis_url, window=100)
    made.start()
    yield made
    made.close()


class Hanging:
    """A trigger whose code does not come back before it is let, with a transaction open."""

    def __init__(self, db: Database, outbox: Outbox, *, in_transaction: bool) -> None:
        self.go_on, self.inside, self.asked = threading.Event(), threading.Semaphore(0), 0
        self.wrote = 0
        self._in_transaction = in_transaction
        self.trigger = Trigger("test.hanging", any_due=self.any_due, take=self.take, refused=lambda *_: None)
        self.duties = Duties()
        self.known = Registry(discover())
        self.looked = WatchedTrigger(
            "ask test.hanging", partial(TriggerTick, db, outbox, self.known, self.trigger), self.duties
        )
        self.duties.add("ask test.hanging", 1.0)

    def any_due(self, conn: sa.Connection, now: datetime) -> bool:
        self.asked += 1
        if not self._in_transaction:
            self._hang()
        return True

    def take(self, conn: sa.Connection, now: datetime, limit: int) -> list[Due]:
        self._write(conn, now)
        self._hang()
        self._write(conn, now)  # it comes back, and writes on
        self.wrote += 1
        return []

    def _write(self, conn: sa.Connection, now: datetime) -> None:
        conn.execute(sa.insert(login_attempts).values(id=new_id(), subject="hanging", at=now))

    def _hang(self) -> None:
        self.inside.release()
        self.go_on.wait(60)


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_trigger_that_hangs_is_abandoned_lets_go_what_it_holds_and_adds_up_to_few_threads(
    db: Database, configured: Config, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, in_transaction: bool
) -> None:
    monkeypatch.setattr("schedules.deadlines.DEADLINE_S", 0.3)
    hanging = Hanging(db, outbox, in_transaction=in_transaction)
    before = threading.active_count()
    hanging.looked.look()
    assert hanging.inside.acquire(timeout=SOON_S)
    until = time.monotonic() + 3
    while time.monotonic() < until:
        hanging.looked.look()
        time.sleep(0.05)
    assert threading.active_count() - before <= MOST_ABANDONED
    assert hanging.asked == MOST_ABANDONED
    assert "it hangs" in str(hanging.duties.all()["ask test.hanging"].error)
    with db.write() as conn:  # on SQLite one open transaction would keep everybody from writing
        conn.execute(sa.insert(login_attempts).values(id=new_id(), subject="another", at=db.now()))
    hanging.go_on.set()
    eventually(lambda: threading.active_count() <= before, what="those that hung come back")
    with db.read() as conn:
        assert set(conn.execute(sa.select(login_attempts.c.subject)).scalars()) == {"another"}
    hanging._in_transaction = True
    hanging.looked.look()  # asked again, now that there is room
    eventually(lambda: hanging.wrote, what="it is asked")
    assert hanging.looked._run is not None
    hanging.looked._run.thread.join(SOON_S)


def test_hanging_triggers_hold_up_neither_duties_nor_other_triggers(
    db: Database, db_url: str, user: User, tmp_path: Path
) -> None:
    """A real scheduler with twelve triggers of a package that hang: it rings, promotes and rescues all the same."""
    package = tmp_path / "package"
    (package / "hang-1.0.dist-info").mkdir(parents=True)
    (package / "hang-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: hang\nVersion: 1.0\n")
    (package / "sitecustomize.py").write_text(SITE)
    with engine_on(Engine, db_url, tmp_path, PYTHONPATH=f"{package}:{PLUGIN}") as engine:
        eventually(lambda: engine.logs().count("hanging now") >= 12, what="all of them hang")
        due = accept_one(db, user, due_at=db.now() + timedelta(seconds=0.5))
        eventually(lambda: row(db, due.id).state == State.QUEUED, SOON_S, "it is promoted")
        eventually(lambda: row(db, due.id).rung_at is not None, SOON_S, "it is rung")


SITE = """
import sys
if "schedules" in " ".join(sys.orig_argv):
    import time
    import llmcoder.registry as registry
    from llmcoder.declare.trigger import Trigger

    def hang(conn, now):
        print("hanging now", flush=True)
        time.sleep(1000)

    mine = [Trigger(f"hang.t{n}", any_due=hang, take=hang, refused=hang) for n in range(12)]
    theirs = registry.triggers
    registry.triggers = lambda: [*theirs(), *mine]
"""


# --- one row that breaks


def test_a_row_whose_job_cannot_be_made_keeps_no_other_from_being_made(
    db: Database, configured: Config, outbox: Outbox, user: User
) -> None:
    told: list[str] = []
    rows = [
        Due(user.id, "test.echo", {"text": "a"}, "1", new_id()),
        Due(user.id, "test.echo", {"text": "a"}, "2", "no id"),  # type: ignore[arg-type]
        Due("no user", "test.echo", {"text": "a"}, "3", new_id()),  # type: ignore[arg-type]
        Due(user.id, "test.echo", {"text": object()}, "4", new_id()),
        Due(user.id, "test.echo", {"text": "a"}, "k" * 10_000, new_id()),
        Due(user.id, None, {}, "6", new_id()),  # type: ignore[arg-type]
        Due(user.id, "test.echo", {"text": "b"}, "7", new_id()),
    ]
    waiting = [rows]

    def refused(conn: sa.Connection, due: Due, why: str, now: datetime) -> None:
        told.append(due.key)
        raise RuntimeError("and the domain cannot even write that down")

    trigger = Trigger(
        "test.rows", any_due=lambda *_: bool(waiting), take=lambda *_: waiting.pop(), refused=refused
    )  # fmt: skip
    assert TriggerTick(db, outbox, Registry(discover()), trigger).ask() >= 2
    assert not {"1", "7"} & set(told) and {"3", "6"} <= set(told)


def test_a_lost_job_that_cannot_be_judged_keeps_no_other_from_being_rescued(
    db: Database, user: User, outbox: Outbox, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine_kit import take

    from engine.doorbells import connect_bell
    from llmcoder.settings import EngineSettings
    from schedules import dispatcher

    lost = [accept_one(db, user) for _ in range(3)]
    for job in lost:
        take(db, job.id, lease_s=-1)
    whole = dispatcher.lost_to_nobody

    def judged(one: Any, *rest: Any) -> Any:
        if one.id == lost[1].id:
            raise OverflowError("no instant")
        return whole(one, *rest)

    monkeypatch.setattr(dispatcher, "lost_to_nobody", judged)
    made = dispatcher.Dispatcher(db, connect_bell(redis_url), outbox, EngineSettings(broker_url=redis_url))
    assert made.rescue() == 2
    assert [row(db, job.id).state for job in lost] == [State.QUEUED, State.RUNNING, State.QUEUED]
    made.close()


# --- how they fare


def test_a_duty_that_breaks_is_tried_again_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    own, fails = Duties(), [True, True, True, False, True]

    def sweep() -> int:
        if fails.pop(0):
            raise ValueError("a row like no other")
        return 0

    tick = steady(sweep, own)
    for _ in range(5):
        tick()
    duty = own.all()["sweep"]
    assert (duty.failures, duty.error) == (4, "ValueError")
    assert capsys.readouterr().out.count("a duty broke") == 2


def test_what_schedulers_report_adds_up_over_all_of_them_and_old_duties_go(db: Database) -> None:
    first, second = Duties(), Duties()
    for own in (first, second):
        own.add("ring", 0.5)
    first.add("gone", 0.5)
    Reporting(db, first).report()
    reporting = Reporting(db, second)
    second.badly("ring", ValueError("secret"))
    reporting.report()
    second.badly("ring", ValueError("secret"))
    first.well("ring")
    reporting.report()
    with db.read() as conn:
        (duty,) = stored.read(conn)
    assert (duty.name, duty.failures, duty.error, duty.succeeded_at) == ("ring", 2, "ValueError", None)
    second.well("ring")
    reporting.report()
    with db.read() as conn:
        (duty,) = stored.read(conn)
    assert duty.succeeded_at is not None and not duty.late(db.now())
    assert duty.late(db.now() + timedelta(seconds=62)) and not duty.late(db.now() + timedelta(seconds=50))


LATE = {
    "failing": ({"failed_at": 1, "error": "ProgrammingError", "failures": 9}, "ProgrammingError"),
    "hanging": ({}, "it hangs"),
    "broker": ({"failed_at": 1, "error": "OutOfMemoryError", "failures": 9}, "OutOfMemoryError"),
}


@pytest.mark.parametrize("kind", LATE)
def test_readiness_names_a_duty_without_success_for_a_minute_and_why(
    db: Database, redis_url: str, tmp_path: Path, kind: str
) -> None:
    values, why = LATE[kind]
    now = db.now()
    ago = now - timedelta(seconds=75)
    about: dict[str, Any] = {"every_s": 0.5, "since": ago - timedelta(hours=1), "failures": 0}
    late = about | {"name": "advance", "succeeded_at": ago} | values
    if "failed_at" in values:
        late["failed_at"] = now
    with db.write() as conn:
        conn.execute(sa.insert(table).values(name="ring", succeeded_at=now, **about))
        conn.execute(sa.insert(table).values(**late))
        conn.execute(sa.insert(table).values(**about | {"name": "prune", "every_s": 600.0, "succeeded_at": ago}))
    with serving(db, redis_url, tmp_path) as served:
        answer = httpx.get(f"{served.url}/health/ready")
        told = answer.json()["checks"]["duties"]
        shown = httpx.get(f"{served.url}/metrics").text
    assert (answer.status_code, told["status"]) == (503, "failed")
    assert "advance" in told["detail"] and why in told["detail"]
    assert "ring" not in told["detail"] and "prune" not in told["detail"]
    idle = next(line for line in shown.splitlines() if line.startswith('llmcoder_duty_idle_seconds{duty="advance"}'))
    assert 70 < float(idle.rpartition(" ")[2]) < 130


def test_readiness_names_a_worker_whose_loop_gets_nothing_done(db: Database, redis_url: str, tmp_path: Path) -> None:
    from models.jobs.claims import beat

    about = {"name": "io@host", "queue": "io", "pid": 1, "slots": 1, "claimed_at": None}
    with db.write() as conn:
        beat(conn, about | {"trouble": "pull has got nothing done for 75 s (ProgrammingError)"}, db.now())
    with serving(db, redis_url, tmp_path) as served:
        told = httpx.get(f"{served.url}/health/ready").json()["checks"]["worker"]
    assert told["status"] == "failed" and "pull" in told["detail"] and "ProgrammingError" in told["detail"]


def test_a_loop_that_only_works_when_asked_is_late_when_it_fails_and_never_when_it_idles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("engine.duties.time.monotonic", lambda: clock[0])
    own = Duties()
    own.add("writer")
    own.add("pull", 2.0)
    clock[0] += 61
    assert own.trouble() is None
    clock[0] += 2
    assert own.trouble() == "pull has got nothing done for 61 s (it hangs)"
    own.well("pull"), own.badly("writer", OSError("secret"))
    clock[0] += 61
    assert own.trouble() == "writer has got nothing done for 61 s (OSError)"
    own.well("writer")
    assert own.trouble() is None
