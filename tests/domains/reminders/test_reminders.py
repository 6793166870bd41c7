"""Reminders: kept, told once and late rather than never, put off, ticked off, sent over the channels of their user."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from engine.outbox import Outbox
from llmcoder import BadInput, NotFound
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.channel import Channel
from llmcoder.ids import new_id
from llmcoder.registry import Registry, channels, discover
from llmcoder.testing import FakeContext, run_action
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.db.database import Database
from models.jobs.tables import jobs
from schedules.triggers import TriggerTick
from tasks.reminders import actions, due_reminders
from tasks.reminders.actions import Kept

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import load_testkit

pytestmark = pytest.mark.both_stores

START = datetime(2026, 3, 27, 8, 0, tzinfo=UTC)  # a Friday, before Berlin's clocks go forward


class Clock:
    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = START
        monkeypatch.setattr(db, "now", lambda: self.now)
        monkeypatch.setattr(actions, "database", lambda: db)


@pytest.fixture
def clock(db: Database, configured: Config, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(db, monkeypatch)


@pytest.fixture
def ask(db: Database, redis_url: str, clock: Clock) -> Iterator[Callable[[], int]]:
    load_testkit()
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    yield TriggerTick(db, outbox, Registry(discover()), due_reminders.DUE_REMINDERS).ask
    outbox.close()


@pytest.fixture
def ctx(user: User) -> Callable[[], FakeContext]:
    return lambda: FakeContext(user=user, job_id=new_id())


def prefer(db: Database, user: User, **wanted: Any) -> None:
    with db.write() as conn:
        preferences.save(conn, user.id, Preferences.model_validate(wanted), START)


def made(db: Database) -> list[Any]:
    with db.read() as conn:
        return list(conn.execute(sa.select(jobs).order_by(jobs.c.created_at, jobs.c.id)))


def act(action: Any, given: dict[str, Any], ctx: FakeContext) -> Any:
    return run_action(action, given, ctx).result


Contexts = Callable[[], FakeContext]
Ask = Callable[[], int]


def test_a_reminder_is_kept_by_words_on_the_user_s_clock_and_says_how_it_was_understood(
    db: Database, user: User, clock: Clock, ctx: Contexts
) -> None:
    prefer(db, user, timezone="Europe/Berlin")
    kept = act(actions.create, {"text": "stand up", "when": "every day at 9am"}, ctx())
    assert (kept.cron, kept.timezone) == ("0 9 * * *", "Europe/Berlin")
    assert kept.times == ["2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+02:00", "2026-03-30T09:00:00+02:00"]
    once = act(actions.create, {"text": "call", "when": "tomorrow 9am", "timezone": "Asia/Tokyo"}, ctx())
    assert once.times == ["2026-03-28T09:00:00+09:00"]
    listed = act(actions.list_reminders, {"which": "coming"}, ctx())
    assert [one.text for one in listed.items] == ["call", "stand up"]


def test_every_other_week_and_the_days_of_a_month_are_on_the_users_clock_over_a_jump(
    db: Database, user: User, clock: Clock, ctx: Contexts
) -> None:
    prefer(db, user, timezone="Europe/Berlin")  # Friday, 27 March; the clocks go forward on the 29th
    kept = act(actions.create, {"text": "bins", "when": "jeden zweiten Samstag um 9:30"}, ctx())
    assert kept.times == ["2026-03-28T09:30:00+01:00", "2026-04-11T09:30:00+02:00", "2026-04-25T09:30:00+02:00"]
    kept = act(actions.create, {"text": "rent", "when": "last day of every month"}, ctx())
    assert kept.times == ["2026-03-31T09:00:00+02:00", "2026-04-30T09:00:00+02:00", "2026-05-31T09:00:00+02:00"]
    kept = act(actions.create, {"text": "report", "when": "le premier lundi de chaque mois"}, ctx())
    assert kept.times == ["2026-04-06T09:00:00+02:00", "2026-05-04T09:00:00+02:00", "2026-06-01T09:00:00+02:00"]


def test_an_attempt_that_is_run_again_adds_no_second_one(db: Database, clock: Clock, ctx: Contexts) -> None:
    same = ctx()
    first = act(actions.create, {"text": "a", "when": "in 20 minutes"}, same)
    clock.now += timedelta(minutes=5)
    again = act(actions.create, {"text": "a", "when": "in 20 minutes"}, same)
    assert (again.id, again.next_at) == (first.id, first.next_at)


def test_it_is_told_once_and_late_rather_than_never(db: Database, clock: Clock, ctx: Contexts, ask: Ask) -> None:
    once = act(actions.create, {"text": "call", "at": (START + timedelta(hours=1)).isoformat()}, ctx())
    often = act(actions.create, {"text": "drink", "when": "every hour"}, ctx())
    assert ask() == 0
    clock.now += timedelta(hours=5)  # nobody was there
    assert ask() == 2
    assert ask() == 0
    told = {json.loads(job.input)["reminder_id"]: job for job in made(db)}
    assert set(told) == {str(once.id), str(often.id)}
    assert {job.action for job in told.values()} == {"reminders.tell"}
    shown = {one.id: one for one in act(actions.list_reminders, {"which": "told"}, ctx()).items}
    assert shown[once.id].next_at is None and shown[once.id].told_at == clock.now
    assert shown[often.id].next_at == START + timedelta(hours=6)


def test_it_is_put_off_and_ticked_off(db: Database, clock: Clock, ctx: Contexts, ask: Ask) -> None:
    kept = act(actions.create, {"text": "call", "when": "in 20 minutes"}, ctx())
    clock.now += timedelta(minutes=20)
    assert ask() == 1
    put_off = act(actions.snooze, {"reminder_id": kept.id, "when": "in 10 minutes"}, ctx())
    assert put_off.next_at == clock.now + timedelta(minutes=10)
    clock.now += timedelta(minutes=10)
    assert ask() == 1
    done = act(actions.done, {"reminder_id": kept.id}, ctx())
    assert (done.done_at, done.next_at) == (clock.now, None)
    clock.now += timedelta(days=9)
    assert ask() == 0
    assert act(actions.list_reminders, {"which": "told"}, ctx()).items == []


def test_what_comes_again_keeps_its_times_when_it_is_put_off_or_ticked_off(
    db: Database, clock: Clock, ctx: Contexts, ask: Ask
) -> None:
    kept = act(actions.create, {"text": "drink", "when": "every hour"}, ctx())
    clock.now += timedelta(minutes=61)
    assert ask() == 1
    act(actions.snooze, {"reminder_id": kept.id, "when": "in 5 minutes"}, ctx())
    clock.now += timedelta(minutes=5)
    assert ask() == 1
    done: Any = act(actions.done, {"reminder_id": kept.id}, ctx())
    assert done.done_at is None and done.next_at == START + timedelta(hours=2)


def test_it_is_sent_over_the_channels_of_its_user_without_asking(
    db: Database, user: User, clock: Clock, ctx: Contexts, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel("test", action="test.post", given=lambda to, said: {"to": to.email, "text": said.title})
    monkeypatch.setattr(due_reminders, "channels", lambda: {"test": channel})
    prefer(db, user, notify=["test", "pigeon"], policies={"*": "ask"})
    kept = act(actions.create, {"text": "call\nthe dentist", "when": "in 20 minutes"}, ctx())
    clock.now += timedelta(minutes=21)
    assert ask() == 2
    sent = next(job for job in made(db) if job.action == "test.post")
    assert json.loads(sent.input) == {"to": user.email, "text": "Reminder: call the dentist"}
    assert (sent.state, sent.reason) == ("queued", None), "it goes to its user, so nobody is asked"
    (shown,) = act(actions.list_reminders, {}, ctx()).items
    assert shown.id == kept.id and "no channel 'pigeon'" in shown.note


def test_a_channel_without_an_account_is_named_and_the_push_tells_it_all_the_same(
    db: Database, user: User, clock: Clock, ctx: Contexts, ask: Ask
) -> None:
    assert set(channels()) >= {"email", "slack"}
    prefer(db, user, notify=["email"])
    act(actions.create, {"text": "call", "when": "in 20 minutes"}, ctx())
    clock.now += timedelta(minutes=21)
    assert ask() == 1
    told, untold = made(db)
    assert (told.action, told.state) == ("reminders.tell", "queued")
    assert (untold.action, untold.state) == ("email.send", "failed"), "who looks for what went wrong finds it"
    assert "account" in json.loads(untold.error)["detail"]
    (shown,) = act(actions.list_reminders, {}, ctx()).items
    assert shown.note.startswith("email.send: ")


def test_the_channels_give_what_their_actions_take(user: User) -> None:
    from llmcoder.declare.channel import Message

    known = Registry(discover())
    for channel in channels().values():
        action = known[channel.action]
        for message in (Message("Title", "Text"), Message("Title", "Text", "<p>Text</p>"), Message("T", "x" * 90_000)):
            assert action.effect.writes
            action.input.model_validate(dict(channel.given(user, message)))


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"when": "soonish"}, "not understood"),
        ({"at": "2020-01-01T00:00:00Z"}, "past"),
        ({"when": "9am", "timezone": "Mars/Base"}, "no time zone"),
    ],
)
def test_what_makes_no_sense_is_refused(clock: Clock, ctx: Contexts, wanted: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        act(actions.create, {"text": "x", **wanted}, ctx())


def test_anothers_reminder_is_not_there(db: Database, clock: Clock, ctx: Contexts) -> None:
    kept: Kept = act(actions.create, {"text": "x", "when": "tomorrow"}, ctx())
    other = FakeContext(user=User(new_id(), "eve@example.org"))
    for action, more in ((actions.snooze, {"when": "9am"}), (actions.done, {})):
        with pytest.raises(NotFound):
            act(action, {"reminder_id": kept.id, **more}, other)
    assert not act(actions.remove, {"reminder_id": kept.id}, other).removed
    assert act(actions.list_reminders, {}, other).items == []
    assert act(actions.remove, {"reminder_id": kept.id}, ctx()).removed
