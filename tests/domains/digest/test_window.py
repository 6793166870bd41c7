"""The time a digest is about begins where the one before ended: nothing falls between the two."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.errors import Suspended
from llmcoder.testing import FakeContext, run_action
from models.db.database import Database
from models.macros.tables import macro_runs
from tasks.digest import actions
from tasks.digest.tables import digests

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import accept, job_of, load_testkit, set_columns

DAY, WEEK = timedelta(days=1), timedelta(days=7)


@pytest.fixture
def at_hand(db: Database, configured: Config, monkeypatch: pytest.MonkeyPatch) -> Database:
    load_testkit()
    monkeypatch.setattr(actions, "database", lambda: db)
    return db


def earlier(db: Database, user: User, ago: timedelta, kind: str = "daily", **submission: Any) -> datetime:
    """A digest that was written so long ago; returns when it was begun."""
    at = db.now() - ago
    run = accept(db, [job_of(user, action=f"digest.{kind}", input=json.dumps(submission))])[0].job
    written = accept(db, [job_of(user, action="digest.write", parent_id=run.id)])[0].job
    for job in (run, written):
        set_columns(db, job.id, created_at=at)
    row = {"id": written.id, "user_id": user.id, "title": "T", "text": "t", "html": "h", "created_at": at}
    with db.write() as conn:
        conn.execute(sa.insert(digests).values(row))
    return at


def since_of(db: Database, user: User, action: Any = actions.daily, **submission: Any) -> datetime:
    """From when on the failures are listed that a digest begun now gathers."""
    job = accept(db, [job_of(user, action=action.name)])[0].job
    with pytest.raises(Suspended):
        run_action(action, {"parts": ["troubles"], **submission}, FakeContext(user=user, job_id=job.id))
    with db.read() as conn:
        document = conn.execute(sa.select(macro_runs.c.document).where(macro_runs.c.job_id == job.id)).scalar_one()
    (part,) = (step for step in json.loads(document)["steps"] if step["id"] == "troubles")
    return datetime.fromisoformat(part["with"]["since"])


@pytest.mark.parametrize(
    "late",
    [timedelta(seconds=29), timedelta(hours=1), 3 * DAY],
    ids=["a busy engine", "a longer day", "a stopped engine"],
)
def test_a_digest_that_comes_late_begins_where_the_one_before_ended(
    at_hand: Database, user: User, late: timedelta
) -> None:
    before = earlier(at_hand, user, DAY + late, parts=["troubles"])
    assert before - 2 * actions.OVERLAP < since_of(at_hand, user) <= before


def test_otherwise_it_is_about_its_usual_time(at_hand: Database, user: User, new_user: Any) -> None:
    db = at_hand
    usual = pytest.approx(db.now().timestamp() - DAY.total_seconds(), abs=60)
    assert since_of(db, user).timestamp() == usual, "there was none before"
    earlier(db, user, timedelta(hours=1), parts=["troubles"])
    assert since_of(db, user).timestamp() == usual, "one was asked for an hour ago"
    earlier(db, new_user("bob@example.org"), 3 * DAY, parts=["troubles"])
    earlier(db, user, 3 * DAY, kind="weekly", parts=["troubles"])
    assert since_of(db, user).timestamp() == usual, "others are none before it"


def test_a_digest_of_other_parts_is_not_the_one_before(at_hand: Database, user: User) -> None:
    before = earlier(at_hand, user, 2 * DAY, parts=["troubles"])
    earlier(at_hand, user, DAY, parts=["mail"])
    assert since_of(at_hand, user) <= before


def test_after_a_long_time_without_any_it_is_about_a_week_or_four(at_hand: Database, user: User) -> None:
    for kind, action, longest in (("daily", actions.daily, WEEK), ("weekly", actions.weekly, 4 * WEEK)):
        earlier(at_hand, user, 30 * DAY, kind=kind, parts=["troubles"])
        expected = at_hand.now().timestamp() - longest.total_seconds()
        assert since_of(at_hand, user, action).timestamp() == pytest.approx(expected, abs=60)
