"""Real processes share a worker between users in turn, however many jobs one of them has queued.

Asserted on the order in which jobs started and ended, never on time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import Engine, accept, engine_on, eventually, job_of, load_testkit, new_user

from engine.outbox import Outbox
from engine.submitter import Submitter
from llmcoder.context import User
from models.db.database import Database
from models.jobs.claims import Claimed
from models.jobs.store import NewJob
from models.jobs.tables import jobs
from workers.ledger import Ledger
from workers.slots import Slots

pytestmark = pytest.mark.both_stores

load_testkit()

SLOTS = 8
NO_BROKER = "unix:///nowhere/redis.sock?db=0"
#: Long enough that a worker claims none ahead of its free slots.
WORK = {"action": "test.work_briefly", "input": json.dumps({"seconds": 0.06})}


def with_doorbells(engine: Engine, new: list[NewJob]) -> None:
    """As the API submits."""
    with closing(Outbox(engine.redis.url, engine.redis.url, 400)) as outbox:
        outbox.start()
        Submitter(engine.db, outbox).submit_now(new)


@pytest.fixture
def engine(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path, IO_SLOTS=str(SLOTS)) as engine:
        yield engine


def test_ten_jobs_that_come_after_400_of_another_user_end_before_most_of_them(engine: Engine) -> None:
    many, late = engine.user, new_user(engine.db)
    with_doorbells(engine, [job_of(many, **WORK) for _ in range(400)])
    with_doorbells(engine, [job_of(late, **WORK) for _ in range(10)])
    engine.start_worker()
    until_ended(engine, {late: 10})

    order = whose(engine, jobs.c.finished_at)
    assert order[: 20 + 2 * SLOTS].count(late.id) == 10, "the ten stand beside the first ten"


def test_so_do_ten_that_come_when_the_400_are_under_way(engine: Engine) -> None:
    many, late = engine.user, new_user(engine.db)
    engine.start_worker()
    with_doorbells(engine, [job_of(many, **WORK) for _ in range(400)])
    eventually(lambda: ended(engine, many), what="the many are under way")
    with_doorbells(engine, [job_of(late, **WORK) for _ in range(10)])
    begun = whose(engine, jobs.c.started_at).count(many.id)  # nobody gives way to what is not committed yet
    until_ended(engine, {late: 10})

    order = whose(engine, jobs.c.started_at)
    last = max(place for place, user_id in enumerate(order) if user_id == late.id)
    with engine.db.read() as conn:
        turn = conn.execute(sa.select(sa.func.max(jobs.c.turn)).where(jobs.c.user_id == late.id)).scalar_one()
    # so many of the many had their turn by then, however long the ten took to come
    assert order[:last].count(many.id) <= max(turn, begun) + SLOTS


def test_two_users_with_equal_backlogs_alternate(engine: Engine) -> None:
    one, other = engine.user, new_user(engine.db)
    accept(engine.db, [job_of(one, **WORK) for _ in range(100)])  # the dispatcher rings for them
    accept(engine.db, [job_of(other, **WORK) for _ in range(100)])
    engine.start_worker()
    until_ended(engine, {one: 100, other: 100})

    order = whose(engine, jobs.c.started_at)
    leads = [2 * order[:place].count(one.id) - place for place in range(len(order))]
    assert max(map(abs, leads)) <= 2 * SLOTS, "nobody was ever further ahead than by what is claimed at once"


class Begun:
    """As much of an attempt as a slot asks for."""

    ran_s = 1.0

    def __init__(self, claimed: Claimed) -> None:
        self.claimed = claimed

    def start(self) -> None: ...

    def free_slot(self) -> bool:
        return True


def test_a_doorbell_brings_whose_turn_it_is_whatever_job_it_names(
    db: Database, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot that falls free goes to a doorbell or to the pull, whichever comes first; all may be doorbells."""
    monkeypatch.setattr(Slots, "_pull", lambda self: False)
    late = new_user(db)
    named = [one.job for one in accept(db, [job_of(user) for _ in range(20)])]
    accept(db, [job_of(late) for _ in range(5)])
    begun: list[UUID] = []
    outbox = Outbox(NO_BROKER, NO_BROKER, 400)
    with closing(Ledger(db, outbox, "w1", "io", 30.0, {})) as ledger:
        ledger.start()
        slots = Slots(1, ledger, lambda attempt: begun.append(attempt.claimed.user_id), cast("Any", Begun))
        slots.start()
        for job in named[:12]:
            slots.offer(job.id)
        assert slots.drain(10.0)
    assert begun[:10].count(late.id) == 5
    assert len(begun) == 12


def until_ended(engine: Engine, expected: dict[User, int]) -> None:
    eventually(lambda: all(ended(engine, user) == number for user, number in expected.items()), 60, "all end")


def ended(engine: Engine, user: User) -> int:
    wanted = sa.select(sa.func.count()).where(jobs.c.user_id == user.id, jobs.c.state == "succeeded")
    with engine.db.read() as conn:
        found: int = conn.execute(wanted).scalar_one()
    return found


def whose(engine: Engine, instant: sa.ColumnElement[object]) -> list[UUID]:
    """The owners of the jobs that have come so far, in the order of that instant; of those of one instant, in turn."""
    wanted = sa.select(jobs.c.user_id).where(instant.is_not(None)).order_by(instant, jobs.c.turn, jobs.c.id)
    with engine.db.read() as conn:
        return [*conn.execute(wanted).scalars()]
