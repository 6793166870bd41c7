"""Claims, leases, fences and the dispatcher's queries, on every store and from many claimers at once."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from queue import SimpleQueue
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from engine_kit import (
    accept,
    accept_one,
    eventually,
    job_of,
    move,
    now_of,
    row,
    set_columns,
    stand_in,
    take,
    take_next,
)

from engine.outbox import Outbox
from engine.verdict import lost_to_nobody
from llmcoder.context import User
from llmcoder.states import Reason, State
from models.accounts.tables import revisions
from models.db.database import TRANSIENT_ERRORS, Database
from models.jobs import claims, retention
from models.jobs.machine import ENDED, Move, apply
from models.jobs.store import request_cancel
from models.jobs.tables import jobs
from workers.ledger import Ledger

pytestmark = pytest.mark.both_stores

NewUser = Callable[[str], User]
S = State
NO_BROKER = "unix:///nowhere/redis.sock?db=0"
CLAIMERS = 8
LOAD_S = 4.0


# --- claiming


def test_a_claim_takes_the_next_attempt_and_a_lease(db: Database, user: User) -> None:
    job = accept_one(db, user, input='{"text":"hi"}')
    claimed = take(db, job.id, worker="w7", lease_s=30)[0]
    assert (claimed.id, claimed.attempt, claimed.email, claimed.input) == (job.id, 1, user.email, '{"text":"hi"}')
    after = row(db, job.id)
    assert (after.state, after.worker, after.started_at) == (S.RUNNING, "w7", claimed.started_at)
    assert after.lease_until == after.started_at + timedelta(seconds=30)


@pytest.mark.parametrize("state", sorted(set(S) - {S.QUEUED}))
def test_what_is_not_queued_cannot_be_claimed(db: Database, user: User, state: State) -> None:
    job = stand_in(db, user, state)
    assert take(db, job.id) == []
    assert now_of(db, user, job.id) == job


def test_an_unknown_id_is_no_error(db: Database) -> None:
    assert take(db, UUID(int=1)) == []


def test_the_next_ones_come_by_priority_then_age_and_of_one_queue_only(db: Database, user: User) -> None:
    late, bulk, urgent = [accept_one(db, user, priority=priority).id for priority in (5, 9, 0)]
    newer = accept_one(db, user, priority=5).id
    accept_one(db, user, queue="heavy", priority=0)
    assert [job.id for job in take_next(db, 2)] == [urgent, late]
    assert [job.id for job in take_next(db, 9)] == [newer, bulk]


def test_names_and_the_next_ones_in_one_claim_do_not_take_a_job_twice(db: Database, user: User) -> None:
    ids = [accept_one(db, user).id for _ in range(6)]
    with db.write() as conn:
        picked = [*claims.pick(conn, {ids[0], ids[4]}, "io", 3)]
    assert sorted(picked[:2]) == [ids[0], ids[4]]
    assert picked[2:] == [ids[1], ids[2], ids[3]]


def test_eight_claimers_never_get_the_same_job(db: Database, user: User) -> None:
    ids = [done.job.id for done in accept(db, [job_of(user) for _ in range(400)])]
    ready = threading.Barrier(CLAIMERS)

    def claim(seed: int) -> list[UUID]:
        chance = random.Random(seed)
        mine: list[UUID] = []
        ready.wait()
        while True:
            named = [job.id for job in take(db, *chance.sample(ids, 5), worker=f"w{seed}")]
            pulled = [job.id for job in take_next(db, 4, worker=f"w{seed}")]
            mine += named + pulled
            if not pulled:
                return mine

    with ThreadPoolExecutor(CLAIMERS) as pool:
        got = Counter(job_id for mine in pool.map(claim, range(CLAIMERS)) for job_id in mine)
    leftover = [job.id for job in take_next(db, 400)]  # what the last look passed over because it was locked
    assert set(got) | set(leftover) == set(ids)
    assert set(got.values()) == {1} and not set(got) & set(leftover)


# --- fences


def run_again(db: Database, job_id: UUID) -> None:
    """The second attempt of a job whose first one lost its lease."""
    move(db, job_id, S.QUEUED, 1, reason=Reason.RESCUED)
    assert take(db, job_id, worker="w2")[0].attempt == 2


@pytest.mark.parametrize("to", sorted(ENDED | {S.SCHEDULED, S.WAITING, S.QUEUED}))
def test_an_attempt_that_lost_its_job_writes_no_ending(db: Database, user: User, to: State) -> None:
    job = stand_in(db, user, S.RUNNING)
    run_again(db, job.id)
    before = row(db, job.id)
    assert move(db, job.id, to, 1, only_from=frozenset({S.RUNNING}), values={"result": '"late"'}) is None
    assert row(db, job.id) == before


def test_an_attempt_that_lost_its_job_arms_and_shows_nothing(db: Database, user: User) -> None:
    job = stand_in(db, user, S.RUNNING)
    run_again(db, job.id)
    with db.write() as conn:
        assert not claims.arm(conn, job.id, 1, "{}", db.now())
        claims.show_progress(conn, [(job.id, 1, 0.5, "late")])
        claims.renew(conn, "w1", 1_000, db.now())
    after = row(db, job.id)
    assert (after.armed_at, after.progress_fraction) == (None, None)
    assert after.lease_until < db.now() + timedelta(seconds=60)


def test_a_cancelled_or_finished_attempt_arms_nothing(db: Database, user: User) -> None:
    asked, ended = stand_in(db, user, S.RUNNING), stand_in(db, user, S.SUCCEEDED)
    with db.write() as conn:
        request_cancel(conn, asked, db.now())
        assert not claims.arm(conn, asked.id, 1, "{}", db.now())
        assert not claims.arm(conn, ended.id, 1, "{}", db.now())


def test_arming_keeps_the_recipe_for_the_next_attempt(db: Database, user: User) -> None:
    job = stand_in(db, user, S.RUNNING)
    with db.write() as conn:
        assert claims.arm(conn, job.id, 1, '{"id":"7"}', db.now())
        assert claims.arm(conn, job.id, 1, '{"id":"7"}', db.now()), "a commit whose answer was lost is repeated"
    run_again(db, job.id)
    assert row(db, job.id).marker == '{"id":"7"}'


def test_of_two_moves_of_one_job_the_first_allowed_one_counts(db: Database, user: User) -> None:
    job = stand_in(db, user, S.RUNNING)
    with db.write() as conn:
        moved = apply(conn, [Move(job.id, S.RUNNING), Move(job.id, S.FAILED), Move(job.id, S.SUCCEEDED)], db.now())
    assert [one is not None for one in moved] == [False, True, False]
    assert now_of(db, user, job.id).state == S.FAILED


def test_a_transition_that_is_not_in_the_table_is_refused(db: Database, user: User) -> None:
    job = stand_in(db, user, S.SUCCEEDED)
    assert move(db, job.id, S.QUEUED) is None
    assert move(db, UUID(int=1), S.CANCELLED) is None
    assert now_of(db, user, job.id) == job


# --- leases


def lost(db: Database) -> list[UUID]:
    with db.write() as conn:
        return [one.id for one in claims.lost(conn, db.now(), 100)]


def test_a_lease_that_is_renewed_is_not_lost_and_one_that_is_not_is(db: Database, user: User) -> None:
    kept, silent = accept_one(db, user).id, accept_one(db, user).id
    take(db, kept, worker="alive", lease_s=-1)
    take(db, silent, worker="dead", lease_s=-1)
    with db.write() as conn:
        claims.renew(conn, "alive", 30, db.now())
    assert lost(db) == [silent]
    with db.read() as conn:
        assert claims.any_lost(conn, db.now())
        assert claims.still_mine(conn, "alive") == {kept: (1, False)}


def test_a_job_that_is_let_go_is_lost_at_once(db: Database, user: User) -> None:
    job = stand_in(db, user, S.RUNNING)
    with db.write() as conn:
        claims.let_go(conn, "somebody else", [job.id], db.now())
    assert lost(db) == []
    with db.write() as conn:
        claims.let_go(conn, "w1", [job.id], db.now())
    assert eventually(lambda: lost(db)) == [job.id]


def test_of_eight_dispatchers_one_rescues_a_job(db: Database, user: User) -> None:
    ids = [accept_one(db, user).id for _ in range(20)]
    take(db, *ids, lease_s=-1)
    ready = threading.Barrier(CLAIMERS)

    def rescue(_: int) -> list[UUID]:
        ready.wait()
        now = db.now()
        with db.write() as conn:
            found = claims.lost(conn, now, 500)
            moved = apply(conn, [lost_to_nobody(one, None, now) for one in found], now)
        return [one.job_id for one in moved if one is not None]

    with ThreadPoolExecutor(CLAIMERS) as pool:
        rescued = Counter(job_id for each in pool.map(rescue, range(CLAIMERS)) for job_id in each)
    assert rescued == Counter(ids)
    assert {row(db, job_id).losses for job_id in ids} == {1}


# --- the dispatcher's queries


def test_what_is_due_is_promoted_and_a_question_to_the_provider_stays_one(db: Database, user: User) -> None:
    soon = {"due_at": db.now() - timedelta(seconds=1)}
    reasons = (Reason.RETRY, Reason.RECONCILE, Reason.DELAY)
    ids = []
    for reason in reasons:
        ids.append(stand_in(db, user, S.RUNNING).id)
        move(db, ids[-1], S.SCHEDULED, 1, reason=reason, values=soon)
    later = stand_in(db, user, S.SCHEDULED)
    with db.write() as conn:
        assert claims.any_due(conn, db.now())
        moved = claims.promote_due(conn, db.now(), 100)
    assert {one.job_id for one in moved} == set(ids)
    assert [now_of(db, user, job_id).reason for job_id in ids] == [None, Reason.RECONCILE, None]
    assert now_of(db, user, later.id) == later


def ring(db: Database, limit: int = 100, again_s: float = 15.0, queue: str = "io") -> list[UUID]:
    now = db.now()
    with db.write() as conn:
        return [one.id for one in claims.to_ring(conn, queue, now - timedelta(seconds=again_s), limit, now)]


def test_a_job_is_rung_once_in_order_and_again_only_when_nobody_came(db: Database, user: User) -> None:
    late, urgent = accept_one(db, user).id, accept_one(db, user, priority=0).id
    stand_in(db, user, S.RUNNING)
    accept_one(db, user, queue="heavy")
    assert ring(db, 1) == [urgent]
    assert ring(db) == [late]
    assert ring(db) == []
    set_columns(db, late, rung_at=db.now() - timedelta(seconds=16))
    assert ring(db) == [late]


def test_rings_that_the_broker_lost_are_forgotten_at_once(db: Database, user: User) -> None:
    ids = [accept_one(db, user).id for _ in range(3)]
    ring(db)
    with db.write() as conn:
        assert claims.forget_rings(conn) == 3
        assert claims.any_to_ring(conn, "io", db.now())
    assert ring(db) == ids


def test_a_queue_is_neglected_when_jobs_wait_although_slots_are_free(db: Database, user: User) -> None:
    now = db.now()
    due_before = now - timedelta(seconds=60)
    known = frozenset({job_of(user).action})
    about = {"name": "w1", "queue": "io", "pid": 1, "slots": 2, "claimed_at": None}

    def neglected() -> bool:
        with db.read() as conn:
            return claims.is_neglected(conn, "io", known, due_before, now)

    with db.write() as conn:
        claims.beat(conn, about, now, known)
        claims.beat(conn, about | {"name": "w2"}, now, ["test.something_else"])  # its slots are none for these
    first = accept_one(db, user).id
    assert not neglected(), "it has just come"
    set_columns(db, first, due_at=now - timedelta(seconds=120))
    assert neglected()
    for _ in range(2):
        stand_in(db, user, S.RUNNING)
    assert not neglected(), "both slots are taken"
    with db.write() as conn:
        claims.leave(conn, "w1")
        claims.leave(conn, "w2")
        assert claims.workers_seen(conn, due_before) == []


# --- everything at once


@contextmanager
def ledgers(db: Database, number: int) -> Iterator[list[Ledger]]:
    """The writers of so many worker processes."""
    with ExitStack() as stack:
        made = []
        for which in range(number):
            own = stack.enter_context(closing(Database(plain(db.url))))
            made.append(Ledger(own, Outbox(NO_BROKER, NO_BROKER, 400), f"w{which}", "io", 2.0, {}))
            made[-1].start()
            stack.callback(made[-1].close)
        yield made


def deadlocks(db: Database) -> int:
    if db.is_sqlite:
        return 0
    with db.read() as conn:
        query = "SELECT pg_stat_clear_snapshot(), deadlocks FROM pg_stat_database WHERE datname = current_database()"
        found: int = conn.execute(sa.text(query)).one().deadlocks
    return found


def test_nobody_waits_in_a_circle_when_everything_is_written_at_once(
    db: Database, user: User, new_user: NewUser
) -> None:
    owners = [user, *[new_user(f"user{number}@example.org") for number in range(5)]]
    until = time.monotonic() + LOAD_S
    finished: Counter[bool] = Counter()

    def work(ledger: Ledger, seed: int) -> None:
        """Claim by name and in batches, arm some, end all: in another order than they were claimed."""
        chance = random.Random(seed)
        while time.monotonic() < until:
            mine = ledger.claim_next(3)
            chance.shuffle(mine)
            for job in mine:
                if chance.random() < 0.3:
                    ledger.arm(job.id, job.attempt, "{}")
            written: SimpleQueue[object] = SimpleQueue()
            for job in mine:
                to = chance.choice([S.SUCCEEDED, S.SUCCEEDED, S.FAILED, S.SCHEDULED])
                values = {"due_at": db.now()} if to is S.SCHEDULED else {}
                ledger.end_soon(Move(job.id, to, job.attempt, or_cancel=True, values=values), written.put)
            for _ in mine:
                answer = written.get(timeout=30)
                assert isinstance(answer, bool)
                finished[answer] += 1

    def submit(seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < until:
            new = [job_of(chance.choice(owners)) for _ in range(10)]
            for done in accept(db, new, rung=True):
                if chance.random() < 0.2:
                    with db.write() as conn:
                        request_cancel(conn, done.job, db.now())

    def watch(which: int) -> None:
        while time.monotonic() < until:
            with db.read() as conn:
                mine = list(claims.still_mine(conn, f"w{which}").items())
            random.shuffle(mine)
            with db.write(durable=False) as conn:
                claims.renew(conn, f"w{which}", 2.0, db.now())
                claims.show_progress(conn, [(job_id, attempt, 0.5, "") for job_id, (attempt, _) in mine])
            time.sleep(0.005)

    def dispatch() -> None:
        while time.monotonic() < until:
            now = db.now()
            with db.write() as conn:
                claims.promote_due(conn, now, 50)
            with db.write() as conn:
                found = claims.lost(conn, now, 50)
                apply(conn, [lost_to_nobody(one, None, now) for one in found], now)
            with db.write(durable=False) as conn:
                claims.forget_rings(conn)
                claims.to_ring(conn, "io", now, 50, now)
            with db.write(durable=False) as conn:
                retention.prune(conn, S.SUCCEEDED, now - timedelta(seconds=1), 50, now)
            time.sleep(0.005)

    with ledgers(db, 3) as writers, ThreadPoolExecutor(24) as pool:
        tasks = [pool.submit(work, ledger, seed) for seed, ledger in enumerate(writers * 4)]
        tasks += [pool.submit(submit, seed) for seed in range(2)]
        tasks += [pool.submit(watch, which) for which in range(3)]
        tasks += [pool.submit(dispatch) for _ in range(2)]
        for task in tasks:
            task.result(60)

    assert deadlocks(db) == 0
    assert finished[True] > 20, "it did work meanwhile"
    with db.read() as conn:
        taken = conn.execute(sa.select(jobs.c.user_id, jobs.c.rev)).all()
        counters = dict(conn.execute(sa.select(revisions.c.user_id, revisions.c.rev)).all())
    assert len(set(taken)) == len(taken), "no revision of a user is given twice"
    assert all(rev <= counters[user_id] for user_id, rev in taken)


def test_the_clock_goes_on_while_the_database_is_away(
    db: Database, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite has no clock of its own")
    server: sa.URL = request.getfixturevalue("postgres_url")
    monkeypatch.setattr("models.db.database.CLOCK_CHECK_S", 0.0)
    before = db.now()
    with psycopg.connect(plain(server.set(drivername="postgresql")), autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {db.url.database} ALLOW_CONNECTIONS false".encode())
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [db.url.database])
        with pytest.raises(TRANSIENT_ERRORS), db.read():
            pass
        during = [db.now() for _ in range(3)]
        conn.execute(f"ALTER DATABASE {db.url.database} ALLOW_CONNECTIONS true".encode())
    after = db.now()
    assert [before, *during, after] == sorted([before, *during, after])
    assert after - before < timedelta(seconds=20)


def plain(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)
