"""Processes of two versions, or with other packages, side by side: none ends what only another knows how to do.

The "older" side here is one without some action; on the wire and in SQL that is the same as an older version.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from engine_kit import (
    Engine,
    OwnRedis,
    accept,
    accept_one,
    environment,
    eventually,
    job_of,
    load_testkit,
    move,
    new_user,
    now_of,
    row,
    set_columns,
    take,
    take_next,
)
from macro_kit import Runs, echo, runs_on
from served import Served, serving
from test_firing import schedule
from test_inbound import plain_hmac

from cli.examination import unknown_actions
from engine.doorbells import connect_bell
from engine.macro_runs import Macros
from engine.outbox import Outbox
from engine.verdict import MAX_LOSSES, lost_to_nobody
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.errors import BadInput
from llmcoder.registry import Registry, registry
from llmcoder.settings import EngineSettings
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs import claims, known_actions
from models.jobs.machine import apply
from models.jobs.tables import jobs, workers
from models.macros.document import Macro, check
from models.schedules import store as schedules
from models.schedules.tables import schedule_runs
from schedules.dispatcher import RING_SOME_AGAIN_S, Dispatcher
from schedules.firing_tick import Firing

pytestmark = pytest.mark.both_stores

S = State
NEW = "pigeon.send"  # what only a newer process knows
KNOWN = frozenset({"test.do_nothing", "test.echo"})
LONG_AGO = timedelta(seconds=120)


def seen_with(db: Database, *knowing: frozenset[str] | None, queue: str = "io") -> None:
    """Heartbeat rows of workers, each with what it knows; None is one too old to say it."""
    with db.write() as conn:
        for number, names in enumerate(knowing):
            about = {"name": f"{queue}-{number}", "queue": queue, "pid": number, "slots": 2, "claimed_at": None}
            claims.beat(conn, about, db.now(), names)


def forget_workers(db: Database) -> None:
    with db.write() as conn:
        conn.execute(sa.delete(workers))


def long_due(db: Database, user: User, **wanted: Any) -> UUID:
    job = accept_one(db, user, **{"action": NEW, **wanted})
    set_columns(db, job.id, due_at=db.now() - LONG_AGO)
    return job.id


def known_to(db: Database) -> dict[str, known_actions.Known]:
    with db.read() as conn:
        return known_actions.read(conn, db.now())


# --- workers


def take_known(db: Database, limit: int, *named: UUID) -> list[UUID]:
    now = db.now()
    with db.write() as conn:
        picked = claims.pick(conn, named, "io", limit, KNOWN)
        moved = apply(conn, claims.taking(picked, "w1", 30.0, now), now, held=picked)
        return [one.id for one in claims.claimed(picked, moved, now)]


def test_a_worker_leaves_what_it_does_not_know_as_it_is(db: Database, user: User) -> None:
    strange, plain = accept_one(db, user, action=NEW).id, accept_one(db, user).id
    before = row(db, strange)
    assert take_known(db, 5, strange) == [plain], "neither by its doorbell nor by looking"
    assert row(db, strange) == before, "no attempt, no turn, no revision"
    assert [one.id for one in take_next(db, 5)] == [strange], "a worker that knows it takes it"


def test_a_queue_full_of_unknown_jobs_keeps_no_known_one_waiting(db: Database, user: User) -> None:
    accept(db, [job_of(user, action=NEW) for _ in range(600)])
    plain = [accept_one(db, user).id for _ in range(3)]
    assert take_known(db, 2) == plain[:2]
    assert take_known(db, 2) == plain[2:]
    assert take_known(db, 2) == []


def test_the_next_known_job_is_read_in_order_whatever_statistics_say(db: Database, user: User) -> None:
    """All was unknown when they were made, so PostgreSQL would think of sorting what little it finds."""
    accept(db, [job_of(user, action=NEW) for _ in range(3_000)])
    if not db.is_sqlite:
        with db.write() as conn:
            conn.exec_driver_sql("ANALYZE jobs")
    accept(db, [job_of(user) for _ in range(50)])
    seen: list[tuple[str, Any]] = []

    def hear(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "LIMIT" in statement and "jobs.turn" in statement:
            seen.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        assert len(take_known(db, 5)) == 5
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)
    how = "EXPLAIN QUERY PLAN " if db.is_sqlite else "EXPLAIN "
    with db.read() as conn:
        plan = "\n".join(str(line[-1]) for line in conn.exec_driver_sql(how + seen[0][0], seen[0][1]))
    assert "ix_jobs_ready" in plan
    assert "Sort" not in plan and "TEMP B-TREE" not in plan


def test_a_worker_is_not_replaced_for_jobs_that_only_others_know(db: Database, user: User) -> None:
    seen_with(db, KNOWN)
    long_due(db, user)
    now = db.now()
    with db.read() as conn:
        assert not claims.is_neglected(conn, "io", KNOWN, now - timedelta(seconds=60), now)
        assert claims.is_neglected(conn, "io", KNOWN | {NEW}, now - timedelta(seconds=60), now) is False, (
            "not its slots"
        )


# --- the dispatcher


@pytest.fixture
def dispatcher(db: Database, configured: Config, redis_url: str) -> Iterator[Dispatcher]:
    outbox = Outbox(redis_url, redis_url, 100)
    outbox.start()
    settings = EngineSettings(broker_url=redis_url, redis_url=redis_url)
    made = Dispatcher(db, connect_bell(redis_url), outbox, settings)
    yield made
    made.close()
    outbox.close()


def look_anew(dispatcher: Dispatcher) -> None:
    dispatcher._known_at = float("-inf")


def test_a_job_that_nobody_knows_waits_and_goes_on_with_the_first_worker_that_does(
    db: Database, user: User, dispatcher: Dispatcher
) -> None:
    seen_with(db, KNOWN)
    strange, new, plain = long_due(db, user), accept_one(db, user, action=NEW).id, accept_one(db, user).id
    assert dispatcher.set_unknown_aside() == 1
    stands = [(now_of(db, user, one).state, now_of(db, user, one).reason) for one in (strange, new, plain)]
    assert stands == [(S.WAITING, Reason.UNKNOWN_ACTION), (S.QUEUED, None), (S.QUEUED, None)]
    assert dispatcher.call_unknown_back() == 0

    seen_with(db, KNOWN, KNOWN | {NEW})
    look_anew(dispatcher)
    assert dispatcher.call_unknown_back() == 1
    after = row(db, strange)
    assert (after.state, after.reason, after.attempt) == (S.QUEUED, None, 0)
    assert after.turn > row(db, plain).turn, "at its user's end"
    assert dispatcher.set_unknown_aside() == 0


def test_what_may_have_had_its_effect_comes_back_to_be_asked_about(
    db: Database, user: User, dispatcher: Dispatcher
) -> None:
    seen_with(db, KNOWN)
    strange = long_due(db, user)
    set_columns(db, strange, armed_at=db.now(), marker="{}")
    dispatcher.set_unknown_aside()
    seen_with(db, KNOWN | {NEW}, KNOWN | {NEW})
    with db.write() as conn:
        conn.execute(sa.update(workers).values(actions=known_actions.as_column(KNOWN | {NEW})))
    look_anew(dispatcher)
    assert dispatcher.call_unknown_back() == 1
    after = row(db, strange)
    assert (after.state, after.reason) == (S.QUEUED, Reason.RECONCILE)
    assert after.armed_at is not None


def test_a_waiting_job_can_be_cancelled(db: Database, user: User, dispatcher: Dispatcher) -> None:
    from engine import commands

    seen_with(db, KNOWN)
    strange = long_due(db, user)
    dispatcher.set_unknown_aside()
    with db.write() as conn:
        assert commands.cancel(conn, user.id, strange, db.now()).state == S.CANCELLED


@pytest.mark.parametrize(
    "knowing",
    [[], [None], [KNOWN, None], [KNOWN, KNOWN | {NEW}]],
    ids=["nobody", "one that says nothing", "one beside one that says nothing", "one beside one that knows it"],
)
def test_no_job_is_set_aside_while_somebody_may_know_it_or_nobody_is_there(
    db: Database, user: User, dispatcher: Dispatcher, knowing: list[frozenset[str] | None]
) -> None:
    seen_with(db, *knowing)
    strange = long_due(db, user)
    assert dispatcher.set_unknown_aside() == 0
    assert now_of(db, user, strange).state == S.QUEUED


def test_what_only_some_workers_know_is_rung_again_soon(db: Database, user: User, dispatcher: Dispatcher) -> None:
    seen_with(db, KNOWN, KNOWN | {NEW})
    strange, plain = accept_one(db, user, action=NEW).id, accept_one(db, user).id
    assert dispatcher.ring() == 2
    assert dispatcher.ring() == 0
    for one in (strange, plain):
        set_columns(db, one, rung_at=db.now() - timedelta(seconds=RING_SOME_AGAIN_S + 1))
    assert dispatcher.ring() == 1
    assert row(db, strange).rung_at > row(db, plain).rung_at


ARMED_AND_LOST: list[tuple[int, bool, tuple[State, Reason | None]]] = [
    (0, False, (S.QUEUED, Reason.RESCUED)),
    (MAX_LOSSES - 1, False, (S.FAILED, Reason.WORKER_LOST)),
    (0, True, (S.SCHEDULED, Reason.RECONCILE)),
    (MAX_LOSSES - 1, True, (S.UNCERTAIN, Reason.WORKER_LOST)),
]


@pytest.mark.parametrize(("losses", "armed", "expected"), ARMED_AND_LOST)
def test_an_older_dispatcher_leaves_the_word_on_an_effect_to_who_knows_it(
    db: Database, user: User, losses: int, armed: bool, expected: tuple[State, Reason | None]
) -> None:
    job = accept_one(db, user, action=NEW)
    take(db, job.id, lease_s=-1)
    set_columns(db, job.id, losses=losses, armed_at=db.now() if armed else None, marker="{}" if armed else None)
    with db.write() as conn:
        [lost] = claims.lost(conn, db.now(), 10)
        apply(conn, [lost_to_nobody(lost, None, db.now())], db.now())
    after = row(db, job.id)
    assert (after.state, after.reason) == expected
    assert (after.armed_at is not None) == armed, "never forgotten"


# --- schedulers


@pytest.fixture
def outbox(redis_url: str) -> Iterator[Outbox]:
    made = Outbox(redis_url, redis_url, 100)
    made.start()
    yield made
    made.close()


def without(*names: str) -> Registry:
    load_testkit()
    from llmcoder.registry import discover

    return Registry(one for one in discover() if one.name not in names)


def test_a_schedule_stays_due_until_a_scheduler_knows_its_action(
    db: Database, configured: Config, user: User, outbox: Outbox
) -> None:
    old, new = Firing(db, outbox, without("test.echo")), Firing(db, outbox, without())
    ago = db.now() - timedelta(seconds=30)
    due = [schedule(user, action=action, input=given, at=ago) for action, given in SCHEDULED]
    with db.write() as conn:
        for one in due:
            schedules.add(conn, replace(one, resumed_at=ago, next_fire_at=ago))
    assert old.fire() == 1, "the other one fires, and is not kept waiting"
    assert old.fire() == 0
    with db.read() as conn:
        assert conn.execute(sa.select(schedule_runs.c.outcome)).scalars().all() == ["submitted"]
    assert new.fire() == 1
    with db.read() as conn:
        assert set(conn.execute(sa.select(jobs.c.action)).scalars()) == {"test.echo", "test.do_nothing"}


SCHEDULED = [("test.echo", '{"text":"hello"}'), ("test.do_nothing", "{}")]


@pytest.fixture
def runs(db: Database, configured: Config, redis_url: str, user: User) -> Iterator[Runs]:
    load_testkit()
    with runs_on(db, redis_url, user) as made:
        yield made


def test_the_run_of_a_macro_waits_for_a_scheduler_that_knows_its_step(runs: Runs, user: User) -> None:
    old = replace(runs, registry=without("test.echo"))
    other = runs.start([{"id": "wait", "wait_for": {"seconds": 3_600}}])
    run = runs.start([echo("hello")])
    old.look(3)
    assert (runs.job(run).state, runs.job(run).reason) == (S.WAITING, Reason.UNKNOWN_STEP)
    assert runs.steps_of(run) == []
    assert len(runs.steps_of(other)) == 1, "others are not kept waiting"
    runs.settle(run)
    assert runs.job(run).state == S.SUCCEEDED
    assert [job.action for job in runs.steps_of(run)] == ["test.echo"]


def test_a_run_that_is_left_to_others_is_written_about_once(runs: Runs) -> None:
    old = replace(runs, registry=without("test.echo"))
    run = runs.start([echo("hello")])
    old.look(3)
    with runs.db.read() as conn:
        rev = conn.execute(sa.select(jobs.c.rev).where(jobs.c.id == run)).scalar_one()
    another = Macros(runs.db, runs.outbox, old.registry)
    another.advance()
    with runs.db.read() as conn:
        assert conn.execute(sa.select(jobs.c.rev).where(jobs.c.id == run)).scalar_one() == rev


# --- doors


@pytest.fixture
def served(db: Database, redis_url: str, tmp_path: Path) -> Iterator[Served]:
    with serving(db, redis_url, tmp_path) as made:
        yield made


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


def test_explain_and_readiness_say_that_no_running_worker_knows_the_action(
    served: Served, db: Database, user: User, alice: httpx.Client, dispatcher: Dispatcher
) -> None:
    strange = long_due(db, user)

    def kinds() -> list[str]:
        return [one["kind"] for one in alice.get(f"/jobs/{strange}/explain").json()["blockers"]]

    assert kinds() == ["no_worker"], "nobody is there"
    seen_with(db, KNOWN, None)
    assert kinds() == [], "one may know it"
    forget_workers(db)
    seen_with(db, KNOWN)
    assert kinds() == ["unknown_action"]
    dispatcher.set_unknown_aside()
    explained = alice.get(f"/jobs/{strange}/explain").json()
    assert (explained["state"], explained["reason"]) == ("waiting", "unknown_action")
    assert f"No running worker of the queue io knows the action {NEW}" in explained["summary"]
    report = eventually(lambda: _worker_part(alice) if NEW in _worker_part(alice)["detail"] else None)
    assert report["status"] == "ok", "the others run"
    page = eventually(lambda: _line(alice, f'llmcoder_jobs_unknown_action{{action="{NEW}",queue="io"}}'))
    assert page.endswith(" 1.0")


def _worker_part(client: httpx.Client) -> dict[str, str]:
    part: dict[str, str] = client.get("/health/ready").json()["checks"]["worker"]
    return part


def _line(client: httpx.Client, name: str) -> str | None:
    return next((line for line in client.get("/metrics").text.splitlines() if line.startswith(name)), None)


DOORS: list[tuple[State, str, dict[str, Any]]] = [
    (S.FAILED, "retry", {}),
    (S.SUCCEEDED, "undo", {}),
    (S.WAITING, "approve", {}),
]


@pytest.mark.parametrize(("state", "door", "body"), DOORS)
def test_an_older_api_says_what_it_cannot_do_and_changes_nothing(
    served: Served, db: Database, user: User, alice: httpx.Client, state: State, door: str, body: dict[str, Any]
) -> None:
    job = accept_one(db, user, action=NEW, effect="write")
    if state is S.WAITING:
        move(db, job.id, state, reason=Reason.APPROVAL, values={"expires_at": db.now() + LONG_AGO})
        body = {"sha256": alice.get("/approvals").json()["items"][0]["sha256"]}
    else:
        take(db, job.id)
        move(db, job.id, state)
    before = row(db, job.id)
    answer = alice.post(f"/jobs/{job.id}/{door}", json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:llmcoder:problem:unknown-action"), answer.text
    assert NEW in answer.json()["detail"]
    assert row(db, job.id) == before
    for address in (f"/jobs/{job.id}", f"/jobs/{job.id}/explain", "/jobs", "/approvals"):
        assert alice.get(address).status_code == 200, address


def test_a_call_for_an_action_that_is_not_known_here_is_to_come_again(
    served: Served, db: Database, alice: httpx.Client
) -> None:
    hook = alice.post("/hooks", json={"name": "x", "action": "test.echo", "input": {"text": "hi"}, "scheme": "hmac"})
    assert hook.status_code == 201, hook.text
    with db.write() as conn:
        conn.execute(sa.text("UPDATE inbound_hooks SET action = 'pigeon.send'"))
    signed = plain_hmac(hook.json()["secret"], b"{}", 0)
    answer = httpx.post(served.url + hook.json()["path"], content=b"{}", headers=signed)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:llmcoder:problem:unknown-action")
    assert served.count() == 0


def test_an_older_worker_begins_a_macro_with_a_step_that_a_newer_one_knows() -> None:
    macro = Macro.model_validate({"name": "x", "steps": [{"id": "send", "action": NEW, "with": {"to": "bob"}}]})
    with pytest.raises(BadInput, match=NEW):
        check(macro, registry())
    check(macro, registry(), elsewhere={NEW})


def test_a_schedule_of_an_unknown_action_says_why_it_does_not_fire(
    db: Database, user: User, alice: httpx.Client
) -> None:
    strange = schedule(user, action=NEW, every_s=60)
    with db.write() as conn:
        schedules.add(conn, strange)
    assert NEW in alice.get(f"/schedules/{strange.id}").json()["note"]


def test_doctor_names_what_nobody_knows_and_what_only_some_do(db: Database, user: User) -> None:
    seen_with(db, KNOWN)
    long_due(db, user)
    ago = db.now() - LONG_AGO
    with db.write() as conn:
        schedules.add(conn, replace(schedule(user, action="pigeon.feed", at=ago), next_fire_at=ago))
    with db.read() as conn:
        found = [f"{one.part}: {one.seen}" for one in unknown_actions(conn, db.now())]
    assert found == [
        f"worker io: no running worker knows {NEW}, and 1 of its jobs wait",
        "scheduler: 1 schedules of pigeon.feed are due, and no running worker knows it",
    ]
    seen_with(db, KNOWN, KNOWN | {NEW, "pigeon.feed"})
    with db.read() as conn:
        assert [one.seen for one in unknown_actions(conn, db.now())] == [
            f"only some of its workers know pigeon.feed, {NEW}"
        ]


# --- processes


@pytest.fixture
def engine(db: Database, db_url: str, tmp_path: Path) -> Iterator[Engine]:
    folder = Path(tempfile.mkdtemp(prefix="llmcoder-own-"))
    own_redis = OwnRedis(folder)
    own_redis.start()
    made = Engine(db, new_user(db), own_redis, tmp_path, environment(db_url, own_redis, tmp_path))
    yield made
    made.close()
    own_redis.kill()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long("three processes without the package of the others start in a Python of their own")
def test_old_and_new_workers_side_by_side_each_run_what_they_know(engine: Engine) -> None:
    """Old: without the package of the test actions. On both queues; no doorbell is enough to keep a job waiting."""
    kit = load_testkit()
    for queue in ("io", "heavy"):
        engine.start_worker(queue, PYTHONPATH="")
    engine.start("schedules", PYTHONPATH="")
    strange = [engine.submit(kit.echo, text="a"), engine.submit(kit.take_heavy_nap, seconds=0.01)]
    plain = accept_one(engine.db, engine.user, action="general.list_todos", effect="read", input="{}")
    engine.until(plain.id, S.SUCCEEDED)
    assert [(engine.job(one).state, engine.job(one).attempt) for one in strange] == [(S.QUEUED, 0)] * 2
    for queue in ("io", "heavy"):
        engine.start_worker(queue)
    more = [
        *engine.submit_many(kit.echo, 40, text="b"),
        *(engine.submit(kit.take_heavy_nap, seconds=0.01) for _ in "abc"),
    ]
    ended = engine.until_all_ended([*strange, *more])
    assert {(job.state, job.attempt) for job in ended} == {(S.SUCCEEDED, 1)}
