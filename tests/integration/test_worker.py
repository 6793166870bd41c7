"""Real worker and scheduler processes on a private Redis: how every kind of attempt ends, and what outlives what.

The processes are shared by the tests of this module; a test that kills one is followed by a new one.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psutil
import pytest
import sqlalchemy as sa
from celery import Celery
from engine_kit import (
    LEASE_S,
    TIRELESS_S,
    Engine,
    engine_on,
    eventually,
    freeze,
    job_of,
    load_testkit,
    row,
)

from engine.broker import PREFIX, for_kombu, transport_options
from engine.outbox import Outbox
from engine.submitter import Submitter
from llmcoder.ids import new_id
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs.store import Accepted, Job, request_cancel, revision
from models.jobs.tables import workers
from workers.runtime import EXIT_REPLACE_ME

pytestmark = pytest.mark.both_stores

S = State
kit = load_testkit()
AFTER_LEASE_S = LEASE_S + TIRELESS_S


class Processes(Engine):
    """One scheduler, one io and one heavy worker, started anew when a test ended them."""

    def io(self) -> subprocess.Popen[bytes]:
        return self._alive("io")

    def heavy(self) -> subprocess.Popen[bytes]:
        return self._alive("heavy")

    def _alive(self, queue: str) -> subprocess.Popen[bytes]:
        for process in self.processes:
            if process.args[-1] == queue and process.poll() is None:  # type: ignore[index]
                return process
        return self.start_worker(queue)

    def end(self, process: subprocess.Popen[bytes]) -> int:
        process.send_signal(signal.SIGTERM)
        return process.wait(120)

    def cancel(self, job_id: UUID) -> None:
        with self.db.write() as conn:
            request_cancel(conn, self.job(job_id), self.db.now())

    def lines(self, job_id: UUID) -> int:
        effects = self.folder / "effects"
        return effects.read_text().splitlines().count(str(job_id)) if effects.exists() else 0

    def write(self, action: Any, **given: Any) -> UUID:
        return self.submit(action, path=str(self.folder / "effects"), **given)

    @contextmanager
    def submitter(self) -> Iterator[Submitter]:
        """As the API submits: with doorbells."""
        with closing(Outbox(self.redis.url, self.redis.url, 400)) as outbox:
            outbox.start()
            yield Submitter(self.db, outbox)

    def doorbell_jobs(self, submitter: Submitter, action: Any, times: int, /, **given: Any) -> list[Accepted]:
        about = {"action": action.name, "effect": action.effect.value, "queue": action.queue.value}
        return submitter.submit_now([job_of(self.user, input=json.dumps(given), **about) for _ in range(times)])


@pytest.fixture(scope="module")
def engine(module_db_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    folder = tmp_path_factory.mktemp("engine")
    with engine_on(Processes, module_db_url, folder) as made:
        yield made


# --- how each kind of attempt ends

TROUBLE = {
    "bad_input": (S.FAILED, None, 1, "bad-input"),
    "transient": (S.SUCCEEDED, None, 2, None),
    "rate_limited": (S.SUCCEEDED, None, 2, None),
    "uncertain": (S.SUCCEEDED, None, 2, None),
    "reconnect": (S.WAITING, Reason.RECONNECT, 1, "needs-reconnect"),
    "bug": (S.FAILED, None, 1, "defect"),
    "memory": (S.FAILED, None, 1, "out-of-memory"),
    "exit": (S.FAILED, None, 1, "defect"),
}
EFFECTS = {
    "return": (kit.write_line, S.SUCCEEDED, None),
    "uncertain": (kit.write_line, S.UNCERTAIN, Reason.NO_ANSWER),
    "bug": (kit.write_line, S.UNCERTAIN, Reason.BROKE),
    "uncertain, findable": (kit.write_findable_line, S.SUCCEEDED, None),
}


def of(job: Job) -> tuple[object, ...]:
    kind = None if job.error is None else json.loads(job.error)["type"].rpartition(":")[2]
    return job.state, job.reason, job.attempt, kind


def test_each_kind_of_attempt_ends_as_it_should(engine: Processes) -> None:
    io, _ = engine.io(), engine.heavy()
    troubled = {kind: engine.submit(kit.make_trouble, kind=kind, times=1) for kind in TROUBLE}
    poison = engine.submit(kit.make_trouble, kind="transient")
    effects = {name: engine.write(action, then=name.partition(",")[0]) for name, (action, _, _) in EFFECTS.items()}
    late, deaf = engine.submit(kit.take_nap, seconds=20), engine.submit(kit.take_nap, seconds=20, deaf=True)
    heavy = engine.submit(kit.take_heavy_nap, seconds=0.2)
    unfit = engine.submit(kit.echo, text=1)

    for kind, expected in TROUBLE.items():
        job = engine.until(troubled[kind], expected[0])
        assert (kind, *of(job)) == (kind, *expected)
    assert of(engine.until(poison, S.FAILED)) == (S.FAILED, None, 3, "transient")
    for name, (_, state, reason) in EFFECTS.items():
        job = engine.until(effects[name], state)
        assert (name, job.reason, engine.lines(job.id)) == (name, reason, 1)
    napped = engine.until(heavy, S.SUCCEEDED)
    assert (napped.progress_fraction, napped.result) == (1.0, '{"text":""}')
    assert of(engine.until(unfit, S.FAILED))[-1] == "bad-input"
    for slow in (late, deaf):
        assert of(engine.until(slow, S.FAILED)) == (S.FAILED, Reason.TIMED_OUT, 1, "timed-out")
    assert io.poll() is None, "neither MemoryError nor SystemExit nor a deaf action ends the worker"
    assert engine.until(engine.submit(kit.do_nothing), S.SUCCEEDED).attempt == 1


def test_a_job_whose_result_no_database_takes_fails_with_the_reason_and_holds_nobody_up(engine: Processes) -> None:
    """It was tried every second for ever, under a lease that was renewed each time."""
    engine.io()
    refuse_results_with(engine.db, "cursed")
    cursed = engine.submit(kit.echo, text="cursed")
    others = engine.submit_many(kit.echo, 50, text="fine")
    assert {job.state for job in engine.until_all_ended(others)} == {S.SUCCEEDED}
    assert of(engine.until(cursed, S.FAILED, S.SUCCEEDED)) == (S.FAILED, None, 1, "cannot-be-kept")


def refuse_results_with(db: Database, word: str) -> None:
    statement = f"ALTER TABLE jobs ADD CONSTRAINT no_{word} CHECK (result NOT LIKE '%{word}%')"
    if db.is_sqlite:
        statement = (
            f"CREATE TRIGGER no_{word} BEFORE UPDATE ON jobs WHEN NEW.result LIKE '%{word}%' "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    with db.write() as conn:
        conn.execute(sa.text(statement))


def test_five_hundred_jobs_run_once_each(engine: Processes) -> None:
    engine.io()
    ids = engine.submit_many(kit.do_nothing, 500)
    jobs = engine.until_all_ended(ids)
    assert Counter((job.state, job.attempt) for job in jobs) == {(S.SUCCEEDED, 1): 500}
    with engine.db.read() as conn:
        assert max(job.rev for job in jobs) <= revision(conn, engine.user.id)


# --- cancelling


def test_a_running_job_ends_at_its_next_look(engine: Processes) -> None:
    engine.io()
    nap = engine.submit(kit.take_nap, seconds=2.9)
    engine.until(nap, S.RUNNING)
    engine.cancel(nap)
    assert of(engine.until(nap, S.CANCELLED, S.FAILED, S.SUCCEEDED)) == (S.CANCELLED, None, 1, None)


def test_a_running_heavy_job_that_does_not_listen_is_ended_with_its_process_and_the_next_one_runs(
    engine: Processes,
) -> None:
    parent = psutil.Process(engine.heavy().pid)
    nap = engine.submit(kit.take_heavy_nap, seconds=60, deaf=True)
    following = engine.submit(kit.take_heavy_nap, seconds=0.1)
    engine.until(nap, S.RUNNING)
    before = {child.pid for child in parent.children()}
    engine.cancel(nap)
    assert of(engine.until(nap, S.CANCELLED)) == (S.CANCELLED, None, 1, None)
    assert engine.until(following, S.SUCCEEDED).attempt == 1
    assert {child.pid for child in parent.children()} != before


@pytest.mark.parametrize("end", ["returns", "is cancelled and does not listen"])
def test_a_browsers_proxy_ends_with_its_job(engine: Processes, end: str) -> None:
    """The process lives on, and so does a browser that was left running; the proxy does not."""
    engine.heavy()
    path = engine.folder / f"ports of one that {end}"
    job = engine.submit(kit.leave_open, path=str(path), seconds=0.0 if end == "returns" else 50.0)
    port = int(eventually(lambda: path.exists() and path.read_text().strip()))
    if end == "returns":
        engine.until(job, S.SUCCEEDED)
    else:
        engine.cancel(job)
        engine.until(job, S.CANCELLED)
    eventually(lambda: not listens(port))


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


# --- workers that end


def test_a_job_that_does_not_listen_is_let_go_and_a_worker_with_too_many_such_slots_asks_to_be_replaced(
    engine: Processes,
) -> None:
    engine.end(engine.io())
    worn = engine.start_worker("io", IO_SLOTS="2")
    deaf = engine.submit(kit.take_nap, seconds=60, deaf=True)
    engine.until(deaf, S.RUNNING)
    engine.cancel(deaf)
    assert of(engine.until(deaf, S.CANCELLED, S.FAILED)) == (S.CANCELLED, None, 1, None)
    assert worn.wait(120) == EXIT_REPLACE_ME
    after = engine.submit(kit.do_nothing)
    engine.io()
    engine.until(after, S.SUCCEEDED)


def test_a_worker_that_is_told_to_stop_finishes_the_short_and_gives_back_the_long(engine: Processes) -> None:
    worker = engine.io()
    short, long = engine.submit(kit.take_nap, seconds=1), engine.submit(kit.take_nap, seconds=60, deaf=True)
    armed = engine.write(kit.write_line, before="nap", seconds=60)
    engine.until(short, S.RUNNING), engine.until(long, S.RUNNING)
    eventually(lambda: row(engine.db, armed).armed_at is not None)
    assert engine.end(worker) == 0
    assert engine.job(short).state == S.SUCCEEDED
    given_back = row(engine.db, long)
    assert (given_back.state, given_back.reason, given_back.losses) == (S.QUEUED, Reason.RELEASED, 0)
    assert (engine.job(armed).state, engine.lines(armed)) == (S.UNCERTAIN, 0)
    engine.cancel(long)


def test_a_heavy_worker_that_is_told_to_stop_gives_its_job_back(engine: Processes) -> None:
    worker = engine.heavy()
    nap = engine.submit(kit.take_heavy_nap, seconds=60, deaf=True)
    engine.until(nap, S.RUNNING)
    engine.end(worker)
    assert (engine.job(nap).state, engine.job(nap).reason) == (S.QUEUED, Reason.RELEASED)
    engine.cancel(nap)


def test_a_killed_workers_jobs_run_again_after_their_lease_unless_their_effect_may_have_happened(
    engine: Processes,
) -> None:
    cases = {
        (action, when): (state, reason, lines)
        for action, when, state, reason, lines in (
            (kit.write_line, "before", S.UNCERTAIN, Reason.WORKER_LOST, 0),
            (kit.write_line, "then", S.UNCERTAIN, Reason.WORKER_LOST, 1),
            (kit.write_findable_line, "before", S.SUCCEEDED, None, 1),
            (kit.write_findable_line, "then", S.SUCCEEDED, None, 1),
        )
    }
    ids = {}
    for number, (action, when) in enumerate(cases, 1):
        worker = engine.io()
        if number == len(cases):  # under one death only: how far it gets between several is up to the machine
            nap = engine.submit(kit.take_nap, seconds=2.5)
            engine.until(nap, S.RUNNING)
        ids[action, when] = engine.write(action, **{when: "kill"})
        assert worker.wait(120) == -signal.SIGKILL
    engine.io()
    again = engine.until(nap, S.SUCCEEDED, within_s=AFTER_LEASE_S)
    assert again.attempt >= 2
    for case, (state, reason, lines) in cases.items():
        job = engine.until(ids[case], S.UNCERTAIN, S.SUCCEEDED, S.FAILED, within_s=AFTER_LEASE_S)
        assert (job.state, job.reason, engine.lines(job.id)) == (state, reason, lines)


def test_a_worker_that_wakes_up_after_its_lease_writes_nothing(engine: Processes) -> None:
    asleep = engine.io()
    nap = engine.submit(kit.take_nap, seconds=2)
    effect = engine.write(kit.write_line, before="nap", seconds=6)
    engine.until(nap, S.RUNNING)
    eventually((engine.folder / f"effects.{effect}.asleep").exists, what="it is armed, and asleep before its effect")
    freeze(asleep, engine.db)
    frozen = [engine.job(job_id) for job_id in (nap, effect)]
    assert [job.state for job in frozen] == [S.RUNNING, S.RUNNING]
    awake = engine.start_worker("io")
    # not 1 and 2 where the machine stood still for longer than a lease before
    assert engine.until(nap, S.SUCCEEDED, within_s=AFTER_LEASE_S).attempt == frozen[0].attempt + 1
    assert engine.until(effect, S.UNCERTAIN).attempt == frozen[1].attempt
    stands = [row(engine.db, job_id) for job_id in (nap, effect)]
    woken_at = datetime.now(UTC)
    asleep.send_signal(signal.SIGCONT)
    eventually(lambda: engine.lines(effect) == 1, what="what it had armed happens, and is known to be uncertain")
    eventually(lambda: beat_of(engine.db, asleep.pid) > woken_at, what="the one that woke up works on")
    assert [row(engine.db, job_id) for job_id in (nap, effect)] == stands
    assert engine.end(awake) == 0


def beat_of(db: Database, pid: int) -> datetime:
    with db.read() as conn:
        found = conn.execute(sa.select(workers.c.beat_at).where(workers.c.pid == pid)).scalar()
    return found or datetime.min.replace(tzinfo=UTC)


# --- a broker that dies or hangs


def test_jobs_are_accepted_fast_and_run_although_redis_is_gone(engine: Processes) -> None:
    engine.io(), engine.heavy()
    with engine.submitter() as submitter:
        engine.redis.kill()
        took_s = []
        ids = []
        for _ in range(50):
            began = time.monotonic()
            ids.append(engine.doorbell_jobs(submitter, kit.do_nothing, 1)[0].job.id)
            took_s.append(time.monotonic() - began)
        heavy = [done.job.id for done in engine.doorbell_jobs(submitter, kit.take_heavy_nap, 3, seconds=0.1)]
        assert sorted(took_s)[45] < 1.0  # a broker that is waited for takes seconds
        ended = engine.until_all_ended(ids)
        assert {(job.state, job.attempt) for job in ended} == {(S.SUCCEEDED, 1)}
        assert {engine.job(job_id).state for job_id in heavy} == {S.QUEUED}
        engine.redis.start()
        assert {job.state for job in engine.until_all_ended(heavy)} == {S.SUCCEEDED}


def test_a_hung_redis_slows_no_submit_and_loses_no_job(engine: Processes) -> None:
    engine.io()
    with engine.submitter() as submitter:
        with engine.redis.hung():
            took_s, ids = [], []
            for _ in range(50):
                began = time.monotonic()
                ids.append(engine.doorbell_jobs(submitter, kit.do_nothing, 1)[0].job.id)
                took_s.append(time.monotonic() - began)
            assert sorted(took_s)[45] < 1.0  # a broker that is waited for takes seconds
            engine.until_all_ended(ids)
        engine.until_all_ended(done.job.id for done in engine.doorbell_jobs(submitter, kit.do_nothing, 20))


def test_bells_for_nobody_and_junk_are_dropped(engine: Processes) -> None:
    from engine.doorbells import RedisBell, Ring

    worker = engine.io()
    ids = engine.submit_many(kit.do_nothing, 5)
    bell = RedisBell(engine.redis.url)
    bell.ring([Ring(new_id(), 0, "test.do_nothing", "io") for _ in range(50)])
    bell.ring([Ring(new_id(), 0, "test.nobody_declares", "io") for _ in range(5)])
    bell.ring([Ring(job_id, 0, "test.do_nothing", "io") for job_id in ids for _ in range(5)])
    bell.close()
    assert Counter((job.state, job.attempt) for job in engine.until_all_ended(ids)) == {(S.SUCCEEDED, 1): 5}
    with closing(engine.redis.client()) as client:
        eventually(lambda: client.llen(PREFIX + "io") == 0)
    assert worker.poll() is None


# --- what others see


def test_celerys_events_tell_of_every_job_by_the_actions_name_and_of_no_input(engine: Processes) -> None:
    engine.io()
    seen: dict[str, list[dict[str, Any]]] = {}
    with celery_events(engine, seen), engine.submitter() as submitter:
        rung = [done.job.id for done in engine.doorbell_jobs(submitter, kit.echo, 3, text="canary")]
        pulled = engine.submit_many(kit.echo, 100, text="canary")
        broken = engine.submit(kit.make_trouble, kind="bug")
        engine.until_all_ended([*rung, *pulled, broken])
        eventually(lambda: all(len(seen.get(str(job_id), ())) >= 3 for job_id in [*rung, *pulled, broken]))
    for job_id in [*rung, *pulled]:
        events = seen[str(job_id)]
        assert [event["type"] for event in events] == ["task-received", "task-started", "task-succeeded"]
        received = events[0]
        assert (received["name"], received["args"], received["kwargs"]) == ("test.echo", "", "")
        assert received["hostname"].startswith("io@")
        assert "canary" not in str(events)
    assert [event["type"] for event in seen[str(broken)]][-1] == "task-failed"


@contextmanager
def celery_events(engine: Processes, seen: dict[str, list[dict[str, Any]]]) -> Iterator[None]:
    """Task events by job, as Flower receives them."""
    app = Celery("watcher", broker=for_kombu(engine.redis.url), set_as_current=False)
    app.conf.update(broker_transport_options=transport_options(engine.redis.url))
    ready, over = threading.Event(), threading.Event()

    def keep(event: dict[str, Any]) -> None:
        if "uuid" in event:
            seen.setdefault(event["uuid"], []).append(event)

    def receive() -> None:
        with app.connection_for_read() as connection:
            receiver = app.events.Receiver(connection, handlers={"*": keep})
            with receiver.consumer_context() as (own, _, _):
                ready.set()
                while not over.is_set():
                    try:
                        own.drain_events(timeout=0.2)
                    except TimeoutError:
                        continue

    thread = threading.Thread(target=receive, daemon=True)
    thread.start()
    assert ready.wait(120)
    yield
    over.set()
    thread.join(120)
    app.close()


def test_no_input_and_no_result_ever_reaches_redis_or_a_log(engine: Processes) -> None:
    engine.io()
    commands: list[str] = []
    with closing(engine.redis.client()) as watching, watching.monitor() as monitor:
        over = threading.Event()

        def listen() -> None:
            for command in monitor.listen():
                commands.append(str(command["command"]))
                if over.is_set():
                    return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        with engine.submitter() as submitter:
            rung = [done.job.id for done in engine.doorbell_jobs(submitter, kit.echo, 5, text="canary-input")]
            pulled = engine.submit_many(kit.echo, 50, text="canary-input")
            bug = engine.submit(kit.make_trouble, kind="bug")
            engine.until_all_ended([*rung, *pulled, bug])
        over.set()
        with closing(engine.redis.client()) as client:
            client.ping()
            kept = [client.dump(key) for key in client.keys("*")]
        thread.join(120)
    assert any("test.echo" in command for command in commands), "it was listening"
    assert not [command for command in commands if "canary" in command]
    assert not [dump for dump in kept if dump is not None and b"canary" in dump]
    assert "canary" not in engine.logs()


def test_a_database_that_was_away_past_the_lease_leaves_no_job_cancelled_or_stuck(engine: Processes) -> None:
    """What a worker ends because it could not renew is run again, not called cancelled."""
    if engine.db.is_sqlite:
        pytest.skip("SQLite is a file: it is busy, but never away")
    engine.heavy()
    nap = engine.submit(kit.take_heavy_nap, seconds=7)
    engine.until(nap, S.RUNNING)
    scheduler = engine.processes[0]
    freeze(scheduler, engine.db)  # so that the lease, though it ran out, is nobody else's yet
    with away(engine.db):
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > LEASE_S)
    eventually(lambda: row(engine.db, nap).worker is None, what="the worker lets go of what it had given up")
    assert engine.job(nap).state == S.RUNNING
    scheduler.send_signal(signal.SIGCONT)
    again = engine.until(nap, S.SUCCEEDED, S.CANCELLED, S.FAILED)
    assert (again.state, again.attempt) == (S.SUCCEEDED, 2)


@contextmanager
def away(db: Database) -> Iterator[None]:
    import psycopg

    server = db.url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {db.url.database} ALLOW_CONNECTIONS false".encode())
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [db.url.database])
        try:
            yield
        finally:
            conn.execute(f"ALTER DATABASE {db.url.database} ALLOW_CONNECTIONS true".encode())


def test_nothing_of_all_this_is_left_running(engine: Processes) -> None:
    with engine.db.read() as conn:
        left = conn.execute(
            sa.text("SELECT action, state, reason FROM jobs WHERE state IN ('running', 'queued')")
        ).all()
    assert left == []
