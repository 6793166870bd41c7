"""Poison: a job under which workers die again and again is set aside, and not the jobs beside it."""

from __future__ import annotations

from contextlib import closing

import pytest
from engine_kit import accept, job_of, now_of, row, set_columns

from engine.outbox import Outbox
from engine.verdict import MAX_LOSSES, lost_to_nobody
from llmcoder.context import User
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs.claims import Claimed, Lost, show_progress
from models.jobs.machine import apply
from workers import ledger as ledger_module
from workers.ledger import Ledger

pytestmark = pytest.mark.both_stores

NO_BROKER = "unix:///nowhere/redis.sock?db=0"


class Process:
    """A worker process as its ledger sees it."""

    def __init__(self, db: Database) -> None:
        self.running: list[Claimed] = []
        self.ledger = Ledger(db, Outbox(NO_BROKER, NO_BROKER, 400), "w1", "io", 30.0, {}, self.has_suspect)

    def has_suspect(self) -> bool:
        return any(one.losses >= MAX_LOSSES - 1 for one in self.running)

    def claim(self) -> list[Claimed]:
        with closing(self.ledger):
            self.ledger.start()
            return self.ledger.claim_next(100)


def test_of_jobs_that_workers_died_under_one_at_a_time_runs_beside_the_others(
    db: Database, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "SUSPECT_ALONE_S", 0.0)
    jobs = [done.job for done in accept(db, [job_of(user) for _ in range(6)])]
    suspects = {job.id for job in jobs[:3]}
    for job_id in suspects:
        set_columns(db, job_id, losses=MAX_LOSSES - 1)

    first = Process(db)
    first.running = first.claim()
    assert len({one.id for one in first.running} & suspects) == 1
    assert len(first.running) == 4
    again = Process(db)
    again.running = first.running
    assert again.claim() == []
    assert len(Process(db).claim()) == 1  # another process, or this one once its suspect has ended


def test_the_third_worker_that_dies_under_a_job_ends_it(db: Database, user: User) -> None:
    job = accept(db, [job_of(user)])[0].job
    for losses in range(MAX_LOSSES):
        (claimed,) = Process(db).claim()
        lost = Lost(job.id, "test.do_nothing", claimed.attempt, claimed.max_attempts, losses, None, None)
        with db.write() as conn:
            apply(conn, [lost_to_nobody(lost, None, db.now())], db.now())
    now = now_of(db, user, job.id)
    assert (now.state, now.reason) == (State.FAILED, Reason.WORKER_LOST)


def test_workers_that_died_under_a_job_are_forgotten_when_it_gets_further_than_ever(db: Database, user: User) -> None:
    job = accept(db, [job_of(user)])[0].job
    set_columns(db, job.id, losses=MAX_LOSSES - 1, furthest=0.5)
    (claimed,) = Process(db).claim()

    def losses_after(fraction: float) -> int:
        with db.write() as conn:
            show_progress(conn, [(job.id, claimed.attempt, fraction, "")])
        losses: int = row(db, job.id).losses
        return losses

    assert losses_after(0.2) == MAX_LOSSES - 1  # where an earlier attempt has been already
    assert losses_after(0.5) == MAX_LOSSES - 1
    assert losses_after(0.52) == 0
    set_columns(db, job.id, losses=1)
    assert losses_after(0.1) == losses_after(0.525) == 1  # back, and a gain too small to tell
