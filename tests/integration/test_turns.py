"""Within a queue and priority the users' jobs run in turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from engine_kit import accept, job_of, move, set_columns, take_next

from llmcoder.context import User
from llmcoder.states import State
from models.db.database import Database
from models.jobs import claims

pytestmark = pytest.mark.both_stores

NewUser = Callable[[str], User]


def order(db: Database, names: dict[UUID, str], number: int) -> str:
    """Whose jobs are claimed next, by a letter each."""
    return "".join(names[one.user_id] for one in take_next(db, number))


def test_ten_jobs_stand_beside_the_next_ten_of_ten_thousand(db: Database, user: User, new_user: NewUser) -> None:
    other = new_user("bert@example.org")
    names = {user.id: "a", other.id: "b"}
    accept(db, [job_of(user) for _ in range(1000)])
    assert order(db, names, 300) == "a" * 300
    accept(db, [job_of(other) for _ in range(10)])
    assert sorted(order(db, names, 20)) == ["a"] * 10 + ["b"] * 10
    assert order(db, names, 20) == "a" * 20


def test_who_was_away_has_saved_nothing_up(db: Database, user: User, new_user: NewUser) -> None:
    other = new_user("bert@example.org")
    names = {user.id: "a", other.id: "b"}
    accept(db, [job_of(user) for _ in range(50)])
    take_next(db, 50)
    accept(db, [job_of(other) for _ in range(20)])
    accept(db, [job_of(user) for _ in range(20)])
    assert order(db, names, 10).count("a") == 5


def test_priority_goes_before_turns(db: Database, user: User, new_user: NewUser) -> None:
    other = new_user("bert@example.org")
    names = {user.id: "a", other.id: "b"}
    accept(db, [job_of(user) for _ in range(5)] + [job_of(other, priority=3) for _ in range(5)])
    assert order(db, names, 10) == "b" * 5 + "a" * 5


def test_what_becomes_due_at_once_joins_at_its_users_end(db: Database, user: User, new_user: NewUser) -> None:
    """Otherwise a thousand jobs set for nine o'clock would all go before everybody else's."""
    other = new_user("bert@example.org")
    names = {user.id: "a", other.id: "b"}
    later = db.now() + timedelta(hours=1)
    due = [done.job for done in accept(db, [job_of(user, due_at=later) for _ in range(20)])]
    accept(db, [job_of(other) for _ in range(40)])
    assert order(db, names, 20) == "b" * 20
    for job in due:
        set_columns(db, job.id, due_at=db.now())
    with db.write() as conn:
        assert len(claims.promote_due(conn, db.now(), 100)) == 20
    assert order(db, names, 10).count("a") == 5


def test_a_rescued_job_keeps_its_place(db: Database, user: User) -> None:
    first = accept(db, [job_of(user) for _ in range(3)])[0].job
    take_next(db, 1)
    move(db, first.id, State.QUEUED, 1)
    assert take_next(db, 1)[0].id == first.id
