"""What a channel refuses is said where its user looks: among their jobs, in the next digest, at what was to be told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from engine.outbox import Outbox
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.channel import Channel
from llmcoder.declare.trigger import Trigger
from llmcoder.errors import Refused
from llmcoder.registry import Registry, discover
from llmcoder.registry import channels as installed
from llmcoder.states import State
from llmcoder.testing import FakeContext, run_action
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.db.database import Database
from models.jobs.tables import jobs
from schedules.triggers import TriggerTick
from tasks.digest import triggers as digest_triggers
from tasks.digest.tables import digests
from tasks.reminders import due_reminders
from tasks.reminders.tables import reminders
from tasks.tasks import digest_actions

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import accept, job_of, load_testkit, move, take

pytestmark = pytest.mark.both_stores

NOBODY = "unix:///nowhere/redis.sock?db=0"


def _break(_to: Any, _said: Any) -> Any:
    raise ZeroDivisionError


def _refuse(_to: Any, _said: Any) -> Any:
    raise Refused("It is too long for a pigeon.")


#: By the channel: what its job is, and what is said of it. Only `works` does.
CHANNELS = {
    "works": Channel("works", action="test.post", given=lambda to, said: {"to": to.email, "text": said.title}),
    "misfit": Channel("misfit", action="test.post", given=lambda _to, _said: {"nonsense": 1}),
    "broken": Channel("broken", action="test.post", given=_break),
    "refuses": Channel("refuses", action="test.post", given=_refuse),
    "gone": Channel("gone", action="test.is_not_there", given=lambda _to, _said: {}),
    "unwritable": Channel("unwritable", action="test.post", given=lambda _to, _said: {"to": "x", "text": float("nan")}),
    "email": installed()["email"],
}
REFUSED = {
    "misfit": "nonsense",
    "broken": "ZeroDivisionError",
    "refuses": "too long for a pigeon",
    "gone": "test.is_not_there",
    "unwritable": "",
    "email": "account",
    "unknown": "no channel 'unknown'",
}


@pytest.fixture
def db_at_hand(db: Database, configured: Config, monkeypatch: pytest.MonkeyPatch) -> Database:
    load_testkit()
    for module in (digest_triggers, due_reminders):
        monkeypatch.setattr(module, "channels", lambda: CHANNELS)
    monkeypatch.setattr(digest_actions, "database", lambda: db)
    return db


def prefer(db: Database, user: User, *names: str) -> None:
    with db.write() as conn:
        preferences.save(conn, user.id, Preferences.model_validate({"notify": list(names)}), db.now())


def digest(db: Database, user: User) -> tuple[Trigger, list[UUID]]:
    """A digest that waits to be sent, and its jobs: the one that wrote it and the run that this belongs to."""
    run = accept(db, [job_of(user, action="digest.daily")])[0].job
    written = accept(db, [job_of(user, action="digest.write", parent_id=run.id)])[0].job
    for job in (run, written):
        take(db, job.id)
        move(db, job.id, State.SUCCEEDED)
    row = {"id": written.id, "user_id": user.id, "title": "T", "text": "t", "html": "h", "created_at": db.now()}
    with db.write() as conn:
        conn.execute(sa.insert(digests).values(row))
    return digest_triggers.WRITTEN, [written.id, run.id]


def reminder(db: Database, user: User) -> tuple[Trigger, list[UUID]]:
    now = db.now()
    row = {
        "id": accept(db, [job_of(user)])[0].job.id, "user_id": user.id, "text": "call", "timezone": "UTC",
        "due_at": now, "next_at": now, "created_at": now, "updated_at": now,
    }  # fmt: skip
    with db.write() as conn:
        conn.execute(sa.insert(reminders).values(row))
    return due_reminders.DUE_REMINDERS, []


WHAT = {"digest": digest, "reminder": reminder}


def ask(db: Database, trigger: Trigger) -> None:
    TriggerTick(db, Outbox(NOBODY, NOBODY, window=100), Registry(discover()), trigger).ask()


def made(db: Database, *but: str) -> list[Any]:
    with db.read() as conn:
        found = conn.execute(sa.select(jobs).order_by(jobs.c.created_at, jobs.c.id)).all()
    return [job for job in found if job.origin == "schedule" and job.action not in but]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("what", WHAT)
def test_what_a_channel_refuses_is_a_failed_job_that_says_why_and_the_others_are_sent(
    db_at_hand: Database, user: User, what: str, name: str
) -> None:
    db = db_at_hand
    prefer(db, user, name, "works")
    trigger, about = WHAT[what](db, user)
    ask(db, trigger)
    failed, sent = sorted(made(db, "reminders.tell"), key=lambda job: job.state)
    assert (failed.state, sent.state, sent.action) == ("failed", "queued", "test.post")
    assert REFUSED[name] in json.loads(failed.error)["detail"]
    troubles = run_action(digest_actions.list_troubles, {}, FakeContext(user=user)).result
    assert [one.id for one in troubles.items] == [failed.id], "the next digest and a page of today have it"
    assert troubles.items[0].why
    with db.read() as conn:
        notes = list(conn.execute(sa.select(jobs.c.note).where(jobs.c.id.in_(about))).scalars())
        kept = conn.execute(sa.select(reminders.c.note)).scalar()
    assert all(REFUSED[name] in note for note in notes) if about else REFUSED[name] in kept


def test_the_notes_of_several_channels_stand_below_each_other_and_are_pushed(db_at_hand: Database, user: User) -> None:
    db = db_at_hand
    prefer(db, user, "broken", "refuses")
    trigger, about = digest(db, user)
    with db.read() as conn:
        before = conn.execute(sa.select(sa.func.max(jobs.c.rev))).scalar_one()
    ask(db, trigger)
    with db.read() as conn:
        rows = conn.execute(sa.select(jobs.c.note, jobs.c.rev).where(jobs.c.id.in_(about))).all()
    assert all("ZeroDivisionError" in row.note and "pigeon" in row.note and row.rev > before for row in rows)
    assert len({row.rev for row in rows}) == len(about)


def _fail(db: Database, job_id: UUID) -> None:
    move(db, job_id, State.FAILED, values={"error": '{"detail":"the mailbox is full"}'})


def _uncertain(db: Database, job_id: UUID) -> None:
    move(db, job_id, State.UNCERTAIN)


@pytest.mark.parametrize("ends", [_fail, _uncertain])
@pytest.mark.parametrize("what", WHAT)
def test_a_message_that_fails_later_stands_in_the_next_digest(
    db_at_hand: Database, user: User, what: str, ends: Callable[[Database, UUID], None]
) -> None:
    db = db_at_hand
    prefer(db, user, "works")
    trigger, _ = WHAT[what](db, user)
    ask(db, trigger)
    (job,) = made(db, "reminders.tell")
    take(db, job.id)
    ends(db, job.id)
    since = (db.now() - timedelta(days=1)).isoformat()
    troubles = run_action(digest_actions.list_troubles, {"since": since}, FakeContext(user=user)).result
    assert [one.id for one in troubles.items] == [job.id]
