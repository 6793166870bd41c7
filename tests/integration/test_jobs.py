"""Accepting, reading, cancelling, retrying and settling jobs, on every store and from many threads at once."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import orjson
import pytest
import sqlalchemy as sa
from engine_kit import (
    accept,
    accept_one,
    eventually,
    job_of,
    load_testkit,
    move,
    now_of,
    row,
    set_columns,
    stand_in,
    take,
)

from engine import commands
from engine.commands import WrongState
from engine.outbox import Outbox
from engine.submitter import Submitter
from llmcoder.context import User
from llmcoder.registry import Registry, discover
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs.machine import ENDED, Move, apply
from models.jobs.store import (
    COLUMNS,
    Accepted,
    Filter,
    Job,
    NewJob,
    changed_since,
    get,
    listed,
    request_cancel,
    resolve,
    retry,
    revision,
    waiting_counts,
)
from models.jobs.tables import jobs

pytestmark = pytest.mark.both_stores

NewUser = Callable[[str], User]
S = State
NO_BROKER = "unix:///nowhere/redis.sock?db=0"  # doorbells are best effort: nothing here needs them
WRITERS = 8


def submitter(db: Database, loop: asyncio.AbstractEventLoop | None = None) -> Submitter:
    return Submitter(db, Outbox(NO_BROKER, NO_BROKER, 400), loop)


def count(db: Database) -> int:
    with db.read() as conn:
        return conn.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one()


# --- accepting


def test_what_is_answered_is_what_stands_in_the_database(db: Database, user: User) -> None:
    accepted = accept_one(db, user, input='{"text":"hi"}', priority=2)
    assert now_of(db, user, accepted.id) == accepted
    assert (accepted.state, accepted.attempt, accepted.rev) == (S.QUEUED, 0, 1)


def test_a_job_for_later_is_scheduled_and_says_why(db: Database, user: User) -> None:
    due_at = db.now() + timedelta(hours=1)
    job = accept_one(db, user, due_at=due_at)
    assert (job.state, job.reason, job.due_at) == (S.SCHEDULED, Reason.DELAY, due_at)


def test_a_batch_takes_consecutive_revisions(db: Database, user: User, new_user: NewUser) -> None:
    other = new_user("bob@example.org")
    accepted = accept(db, [job_of(user if number % 2 else other) for number in range(1_000)])
    for one in (user, other):
        assert [done.job.rev for done in accepted if done.job.user_id == one.id] == list(range(1, 501))


def test_a_batch_that_is_repeated_after_a_lost_answer_accepts_nothing_twice(db: Database, user: User) -> None:
    batch = [job_of(user, idempotency_key=str(number) if number % 2 else None, fingerprint="f") for number in range(20)]
    accept(db, batch)
    again = accept(db, batch)
    assert count(db) == 20
    assert not [done for done in again if done.replayed or done.conflict]
    assert [done.job.id for done in again] == [new.id for new in batch]


def test_one_bad_submission_of_a_batch_fails_alone(db: Database, user: User) -> None:
    async def submit_all() -> list[Accepted | BaseException]:
        commits = submitter(db, asyncio.get_running_loop())
        commits.start()
        stranger = User(id=UUID(int=1), email="nobody@example.org")
        new = [job_of(stranger if number == 7 else user) for number in range(20)]
        try:
            return await asyncio.gather(*[commits.submit(one) for one in new], return_exceptions=True)
        finally:
            commits.close()

    results = asyncio.run(submit_all())
    assert [number for number, result in enumerate(results) if isinstance(result, BaseException)] == [7]
    assert count(db) == 19


# --- idempotency keys


def keyed(user: User, key: str = "k", fingerprint: str = "f") -> NewJob:
    return job_of(user, idempotency_key=key, fingerprint=fingerprint)


def test_a_key_twice_in_one_batch_is_one_job(db: Database, user: User) -> None:
    first, second = accept(db, [keyed(user), keyed(user)])
    assert (first.replayed, second.replayed) == (False, True)
    assert first.job == second.job == now_of(db, user, first.job.id)
    assert count(db) == 1


def test_a_key_that_comes_again_gives_the_first_job_as_it_stands_now(db: Database, user: User) -> None:
    first = accept(db, [keyed(user)])[0].job
    take(db, first.id)
    again = accept(db, [keyed(user)])[0]
    assert (again.replayed, again.conflict, again.job.id, again.job.state) == (True, False, first.id, S.RUNNING)


def test_a_key_with_another_submission_is_a_conflict_and_accepts_nothing(db: Database, user: User) -> None:
    accept(db, [keyed(user, fingerprint="one")])
    again = accept(db, [keyed(user, fingerprint="two")])[0]
    assert again.conflict
    assert count(db) == 1


def test_two_submissions_under_one_key_in_one_batch_are_a_conflict_of_the_second(db: Database, user: User) -> None:
    first, second = accept(db, [keyed(user, fingerprint="one"), keyed(user, fingerprint="two")])
    assert (first.conflict, second.conflict) == (False, True)


def test_keys_of_two_users_know_nothing_of_each_other(db: Database, user: User, new_user: NewUser) -> None:
    first, second = accept(db, [keyed(user), keyed(new_user("bob@example.org"))])
    assert not first.replayed and not second.replayed
    assert count(db) == 2


def test_keys_that_come_from_eight_processes_at_once_make_one_job_each(db: Database, user: User) -> None:
    submitters = [submitter(db) for _ in range(WRITERS)]
    ready = threading.Barrier(WRITERS)

    def submit(one: Submitter) -> list[tuple[str | None, UUID, bool]]:
        keys = [str(number) for number in range(40)]
        random.Random(id(one)).shuffle(keys)
        ready.wait()
        done = []
        for at in range(0, 40, 8):
            batch = [keyed(user, key) for key in keys[at : at + 8]]
            done += [
                (new.idempotency_key, got.job.id, got.replayed)
                for new, got in zip(batch, one.submit_now(batch), strict=True)
            ]
        return done

    with ThreadPoolExecutor(WRITERS) as pool:
        answers = [answer for each in pool.map(submit, submitters) for answer in each]
    assert count(db) == 40
    assert len({(key, job_id) for key, job_id, _ in answers}) == 40
    assert len([replayed for _, _, replayed in answers if not replayed]) == 40


def test_a_thousand_concurrent_submits_of_one_key_are_one_job(db: Database, user: User) -> None:
    async def submit_all() -> list[Accepted]:
        loop = asyncio.get_running_loop()
        processes = [submitter(db, loop) for _ in range(4)]
        for process in processes:
            process.start()
        try:
            return await asyncio.gather(*[processes[n % 4].submit(keyed(user)) for n in range(1_000)])
        finally:
            for process in processes:
                process.close()

    answers = asyncio.run(submit_all())
    assert count(db) == 1
    assert len({done.job.id for done in answers}) == 1
    assert len([done for done in answers if not done.replayed]) == 1


# --- the cursor


def test_a_reader_of_changes_misses_no_final_state_under_eight_writers(db: Database, user: User) -> None:
    seen: dict[UUID, tuple[int, str]] = {}
    written = threading.Event()
    ready = threading.Barrier(WRITERS + 1)

    def write(seed: int) -> None:
        chance = random.Random(seed)
        ready.wait()
        for _ in range(15):
            ids = [done.job.id for done in accept(db, [job_of(user) for _ in range(3)])]
            for job_id in ids:
                take(db, job_id)
                move(db, job_id, chance.choice([S.SUCCEEDED, S.FAILED, S.UNCERTAIN]), 1)

    def read() -> None:
        at = 0
        ready.wait()
        while True:
            last_look = written.is_set()
            with db.read() as conn:
                news = changed_since(conn, user.id, at, limit=20)
            revs = [job.rev for job in news]
            assert revs == sorted(set(revs)) and all(rev > at for rev in revs)
            seen.update({job.id: (job.rev, job.state) for job in news})
            at = revs[-1] if revs else at
            if last_look and not news:
                return

    with ThreadPoolExecutor(WRITERS + 1) as pool:
        reader = pool.submit(read)
        for writer in [pool.submit(write, seed) for seed in range(WRITERS)]:
            writer.result()
        written.set()
        reader.result()
    with db.read() as conn:
        stands = {job.id: (job.rev, job.state) for job in changed_since(conn, user.id, 0, limit=10_000)}
        newest = revision(conn, user.id)
    assert len(stands) == WRITERS * 15 * 3
    assert seen == stands
    assert newest == len(stands) * 3, "every transition took one number and none was left out"


def test_changes_come_in_pages_in_the_order_of_the_last_change(db: Database, user: User) -> None:
    ids = [done.job.id for done in accept(db, [job_of(user) for _ in range(5)])]
    move(db, ids[0], S.CANCELLED)
    with db.read() as conn:
        first = changed_since(conn, user.id, 0, limit=3)
        second = changed_since(conn, user.id, first[-1].rev, limit=3)
    assert [job.id for job in first + second] == [*ids[1:], ids[0]]


# --- reading


def test_a_job_of_another_user_is_not_there(db: Database, user: User, new_user: NewUser) -> None:
    job = accept_one(db, user)
    with db.read() as conn:
        assert get(conn, new_user("bob@example.org").id, job.id) is None


def test_lists_are_newest_first_filtered_and_paged(db: Database, user: User, new_user: NewUser) -> None:
    accept_one(db, new_user("bob@example.org"))
    ids = [accept_one(db, user, action="test.echo" if n % 2 else "test.do_nothing").id for n in range(6)]
    move(db, ids[4], S.CANCELLED)

    def ids_of(wanted: Filter, limit: int = 10) -> list[UUID]:
        with db.read() as conn:
            return [job.id for job in listed(conn, user.id, wanted, limit)]

    newest_first = ids[::-1]
    assert ids_of(Filter()) == newest_first
    assert ids_of(Filter(), 2) == newest_first[:2]
    assert ids_of(Filter(before=ids[2])) == [ids[1], ids[0]]
    assert ids_of(Filter(action="test.echo")) == [ids[5], ids[3], ids[1]]
    assert ids_of(Filter(states=(S.CANCELLED, S.FAILED))) == [ids[4]]
    created = row(db, ids[3]).created_at
    assert ids_of(Filter(created_after=created)) == newest_first[:3]
    assert ids_of(Filter(created_before=created)) == newest_first[3:]


def test_every_door_shows_a_job_in_the_form_of_the_design(db: Database, user: User) -> None:
    job = accept_one(db, user, input='{"text":"hi"}')
    bare = orjson.loads(job.as_json())
    assert " ".join(bare) == (
        "id action effect state reason input result error progress attempt max_attempts priority due_at created_at "
        "started_at finished_at rev "
        "origin tainted sources proposed_input expires_at decided_at note undo_of undone_by schedule_id parent_id files"
    )
    assert bare["input"] == {"text": "hi"}
    assert bare["progress"] is None
    assert bare["created_at"].endswith("Z")
    shown = replace(job, progress_fraction=0.5, result='{"n":1}', error='{"title":"x"}').as_json()
    full = orjson.loads(shown)
    assert full["progress"] == {"fraction": 0.5, "message": ""}
    assert (full["result"], full["error"]) == ({"n": 1}, {"title": "x"})


def test_the_waiting_are_counted_by_queue_and_state(db: Database, user: User) -> None:
    for state in (S.QUEUED, S.QUEUED, S.SCHEDULED, S.RUNNING, S.WAITING, S.FAILED):
        stand_in(db, user, state)
    stand_in(db, user, S.QUEUED, queue="heavy")
    with db.read() as conn:
        assert waiting_counts(conn) == {
            ("io", "queued"): 2,
            ("io", "scheduled"): 1,
            ("io", "running"): 1,
            ("io", "waiting"): 1,
            ("heavy", "queued"): 1,
        }


# --- cancelling


def cancel(db: Database, job: Job) -> State | None:
    with db.write() as conn:
        moved = request_cancel(conn, job, db.now())
    return moved.state if moved is not None else None


@pytest.mark.parametrize("state", [S.QUEUED, S.SCHEDULED, S.WAITING])
def test_a_job_at_rest_is_cancelled_at_once(db: Database, user: User, state: State) -> None:
    job = stand_in(db, user, state)
    assert cancel(db, job) is S.CANCELLED
    after = now_of(db, user, job.id)
    assert (after.state, after.finished_at is not None, after.rev) == (S.CANCELLED, True, job.rev + 1)


def test_a_running_job_is_asked_to_end_and_may_not_arm_its_effect_any_more(db: Database, user: User) -> None:
    job = stand_in(db, user, S.RUNNING)
    assert cancel(db, job) is None
    after = row(db, job.id)
    assert (after.state, after.cancel_requested_at is not None) == (S.RUNNING, True)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_job_cannot_be_cancelled(db: Database, user: User, state: State) -> None:
    job = stand_in(db, user, state)
    assert cancel(db, job) is None
    assert now_of(db, user, job.id) == job
    assert row(db, job.id).cancel_requested_at is None


@pytest.mark.parametrize("state", [S.SCHEDULED, S.WAITING])
def test_cancelling_a_job_whose_effect_may_have_happened_makes_it_uncertain(
    db: Database, user: User, state: State
) -> None:
    job = stand_in(db, user, state)
    set_columns(db, job.id, armed_at=db.now(), marker="{}")
    assert cancel(db, job) is S.UNCERTAIN
    assert now_of(db, user, job.id).reason == Reason.CANCELLED
    assert again(db, job) is None, "so that no click on retry has the effect a second time"


def test_an_attempt_that_would_run_again_is_cancelled_instead_if_somebody_asked_for_it(
    db: Database, user: User
) -> None:
    job = stand_in(db, user, S.RUNNING)
    cancel(db, job)
    later = {"due_at": db.now() + timedelta(hours=1), "error": "{}"}
    moved = move(db, job.id, S.SCHEDULED, 1, reason=Reason.RETRY, or_cancel=True, values=later)
    assert moved is not None and moved.state is S.CANCELLED
    after = now_of(db, user, job.id)
    assert (after.state, after.reason, after.error, after.finished_at is not None) == (S.CANCELLED, None, None, True)


def test_a_success_counts_although_somebody_asked_for_the_end(db: Database, user: User) -> None:
    job = stand_in(db, user, S.RUNNING)
    cancel(db, job)
    assert move(db, job.id, S.SUCCEEDED, 1) is not None
    assert now_of(db, user, job.id).state == S.SUCCEEDED


# --- retrying and settling


def again(db: Database, job: Job) -> State | None:
    with db.write() as conn:
        moved = retry(conn, job, 3, db.now())
    return moved.state if moved is not None else None


@pytest.mark.parametrize("state", [S.FAILED, S.CANCELLED])
def test_what_failed_or_was_cancelled_can_be_tried_again_as_if_it_were_new(
    db: Database, user: User, state: State
) -> None:
    job = stand_in(db, user, state)
    set_columns(db, job.id, losses=2, error='{"a":1}', cancel_requested_at=db.now(), progress_fraction=0.4)
    assert again(db, job) is S.QUEUED
    after = row(db, job.id)
    assert (after.losses, after.error, after.cancel_requested_at, after.progress_fraction) == (0, None, None, None)
    assert (after.finished_at, after.rung_at, after.armed_at) == (None, None, None)
    assert after.max_attempts == job.attempt + 3
    assert take(db, job.id)[0].attempt == job.attempt + 1


@pytest.mark.parametrize("state", sorted(set(S) - {S.FAILED, S.CANCELLED}))
def test_nothing_else_can_be_tried_again(db: Database, user: User, state: State) -> None:
    job = stand_in(db, user, state)
    assert again(db, job) is None
    assert now_of(db, user, job.id) == job


def _waits_for_a_lock(db: Database) -> bool:
    """Whether somebody does; in SQLite a writer waits before it begins."""
    if db.is_sqlite:
        return True
    with db.read() as conn:
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(conn.execute(sa.text(waiting)).scalar_one())


def test_a_click_on_retry_while_an_attempt_ends_sees_how_it_ended(db: Database, user: User) -> None:
    load_testkit()
    job = accept_one(db, user, action="test.post", input='{"to": "ann", "text": "hello"}')
    take(db, job.id)

    def click() -> None:
        with db.write() as conn:
            commands.retry(conn, Registry(discover()), user.id, job.id, db.now())

    with ThreadPoolExecutor(1) as clicking:
        with db.write() as conn:
            apply(conn, [Move(job.id, S.FAILED, reason=Reason.AFTER_EFFECT)], db.now())
            clicked = clicking.submit(click)
            eventually(lambda: _waits_for_a_lock(db), what="the click waits for the end of the attempt")
        with pytest.raises(WrongState, match="twice"):
            clicked.result(60)
    assert row(db, job.id).state == S.FAILED


def test_of_eight_clicks_on_retry_one_counts(db: Database, user: User) -> None:
    job = stand_in(db, user, S.FAILED)
    with ThreadPoolExecutor(WRITERS) as pool:
        moved = list(pool.map(lambda _: again(db, job), range(WRITERS)))
    assert moved.count(S.QUEUED) == 1


@pytest.mark.parametrize(("happened", "to"), [(True, S.SUCCEEDED), (False, S.FAILED)])
def test_a_person_settles_what_was_uncertain(db: Database, user: User, happened: bool, to: State) -> None:
    job = stand_in(db, user, S.UNCERTAIN)
    with db.write() as conn:
        settled = resolve(conn, job, happened=happened, error='{"title":"it did not"}', note="x", now=db.now())
        assert settled is not None
    after = now_of(db, user, job.id)
    assert (after.state, after.reason) == (to, Reason.RESOLVED)
    assert (after.error is None) == happened


@pytest.mark.parametrize("state", sorted(set(S) - {S.UNCERTAIN}))
def test_only_the_uncertain_can_be_settled(db: Database, user: User, state: State) -> None:
    job = stand_in(db, user, state)
    with db.write() as conn:
        assert resolve(conn, job, happened=True, error=None, note=None, now=db.now()) is None


def test_the_columns_of_a_job_are_the_fields_that_users_see() -> None:
    assert [column.name for column in COLUMNS] == list(Job.__slots__)
