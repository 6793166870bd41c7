"""The live stream about the machine: what it sends, how it ends, how it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from llmcoder import Cancelled, NotFound, Refused, User
from llmcoder.ids import new_id
from llmcoder.testing import FakeContext, run_action
from models.db.database import Database
from models.jobs.claims import still_mine, taking
from models.jobs.machine import apply
from models.jobs.store import NewJob, get, insert
from tasks.system.actions import MAX_STREAMS, PAGE_JOBS, START, start_realtime, stop_realtime
from tasks.system.machine import MachineLoad, busy_fraction, read

pytestmark = pytest.mark.usefixtures("configured")
WORKER = "io@test"


@pytest.fixture
def submit(db: Database) -> Callable[..., UUID]:
    """Accept a job for a user, and let a worker claim it: `submit(user, running=True)`."""

    def submit(user: User, *, action: str = START, running: bool = False) -> UUID:
        now = datetime.now(UTC)
        new = NewJob(new_id(), user.id, action, "draft", "io", "{}", max_attempts=3)
        with db.write() as conn:
            insert(conn, [new], now, rung=[False])
            if running:
                apply(conn, taking([new.id], WORKER, 30, now), now)
        return new.id

    return submit


@pytest.fixture
def state(db: Database) -> Callable[[User, UUID], str]:
    def state(user: User, job_id: UUID) -> str:
        with db.read() as conn:
            job = get(conn, user.id, job_id)
        assert job is not None
        return job.state

    return state


def asked_to_end(db: Database) -> set[UUID]:
    with db.read() as conn:
        return {job_id for job_id, (_attempt, cancelled) in still_mine(conn, WORKER).items() if cancelled}


def stop(user: User, job_id: UUID | None = None) -> set[UUID]:
    return set(run_action(stop_realtime, {"job_id": job_id}, FakeContext(user=user)).result.job_ids)


def test_a_stream_sends_as_many_lines_as_asked(user):
    run = run_action(start_realtime, {"lines": 3, "topic": "night"}, FakeContext(user=user))
    assert (run.result.lines, run.result.topic) == (3, "night")
    assert len(run.log) == 3
    assert "memory" in run.log[0]
    assert run.progress[-1] == (1.0, "3 lines sent")


def test_a_stream_without_an_end_runs_until_it_is_cancelled(user):
    ctx = FakeContext(user=user, cancel_after=20)
    with pytest.raises(Cancelled):
        run_action(start_realtime, {}, ctx)
    assert ctx.log_seen


def test_a_stream_ends_by_itself_before_its_deadline_would_fail_it(user):
    run = run_action(start_realtime, {"interval_s": 10}, FakeContext(user=user, timeout_s=12))
    assert run.result.lines == 0


def test_one_user_cannot_take_every_slot(user, new_user, submit):
    for _ in range(MAX_STREAMS):
        submit(user, running=True)
    with pytest.raises(Refused, match="stop one"):
        run_action(start_realtime, {"lines": 1}, FakeContext(user=user))
    bob = new_user("bob@example.org")
    assert run_action(start_realtime, {"lines": 1}, FakeContext(user=bob)).result.lines == 1


def test_a_stream_does_not_count_itself(user, submit):
    mine = [submit(user, running=True) for _ in range(MAX_STREAMS)][-1]
    assert run_action(start_realtime, {"lines": 1}, FakeContext(user=user, job_id=mine)).result.lines == 1


def test_stopping_cancels_a_waiting_stream_and_asks_a_running_one_to_end(db, user, submit, state):
    queued, running = submit(user), submit(user, running=True)
    assert stop(user) == {queued, running}
    assert state(user, queued) == "cancelled"
    assert asked_to_end(db) == {running}


def test_stopping_one_leaves_the_others(db, user, submit):
    chosen, _other = submit(user, running=True), submit(user, running=True)
    assert stop(user, chosen) == {chosen}
    assert asked_to_end(db) == {chosen}


def test_stopping_twice_is_stopping_once(user, submit):
    queued = submit(user)
    assert stop(user) == {queued}
    assert stop(user) == set()
    assert stop(user, queued) == set()


def test_stopping_touches_neither_other_users_nor_other_jobs(db, user, new_user, submit, state):
    bob = new_user("bob@example.org")
    his, note = submit(bob), submit(user, action="general.add_note")
    assert stop(user) == set()
    for job_id in (his, note, new_id()):
        with pytest.raises(NotFound):
            stop(user, job_id)
    assert (state(bob, his), state(user, note)) == ("queued", "queued")


def test_more_streams_than_fit_a_page_are_all_stopped(user, submit):
    streams = {submit(user) for _ in range(PAGE_JOBS + 1)}
    assert stop(user) == streams


def test_the_busy_fraction_is_what_was_worked_between_two_readings():
    before, after = MachineLoad(0, busy_s=10, idle_s=30, memory_fraction=0), MachineLoad(0, 11, 33, 0)
    assert busy_fraction(before, after) == pytest.approx(0.25)
    assert busy_fraction(before, before) == 0


def test_the_machine_can_be_read():
    reading = read()
    assert 0 < reading.memory_fraction < 1
    assert reading.busy_s > 0
