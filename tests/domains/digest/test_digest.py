"""Digests: every part by a job of its own; what is not set up or fails is named; sent over the user's channels."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from engine.outbox import Outbox
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.channel import Channel
from llmcoder.declare.digest import Part, Span
from llmcoder.ids import new_id
from llmcoder.registry import Registry, digest_parts, discover
from llmcoder.states import State
from llmcoder.testing import FakeContext, run_action
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.db.database import Database
from models.jobs.tables import jobs
from models.macros.document import check
from models.macros.text import as_object
from schedules.triggers import TriggerTick
from tasks.digest import actions, triggers
from tasks.digest.actions import document, write
from tasks.digest.tables import digests
from tasks.digest.writing import Gathered, as_html, as_text

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import Engine, accept, engine_on, job_of, load_testkit

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
SPAN = Span(NOW - timedelta(days=1), NOW, NOW + timedelta(days=1), BERLIN)
TROUBLE = Part("trouble", "Trouble", "test.make_trouble", lambda _span: {"kind": "bad_input"}, "items[].{text: text}")


@pytest.fixture
def engine(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path) as running:
        running.start_worker()
        yield running


def test_of_five_parts_two_are_not_set_up_and_one_fails_and_the_digest_says_so(engine: Engine) -> None:
    load_testkit()
    known, parts = Registry(discover()), digest_parts()
    due = (engine.db.now() - timedelta(hours=1)).isoformat()
    engine.until(engine.submit(known["general.add_todo"], title="Pay <the> rent", due_at=due), State.SUCCEEDED)
    wanted = [parts["todos"], parts["mail"], parts["issues"], TROUBLE, parts["troubles"]]
    now = engine.db.now()
    span = Span(now - timedelta(days=1), now, now + timedelta(days=1), BERLIN)
    macro = as_object(document("daily", wanted, span, prose=True))
    run = engine.submit(known["tasks.start_macro"], document=macro)
    found = json.loads(engine.until(run, State.SUCCEEDED, State.FAILED, within_s=60).result or "null")
    assert found["left_out"] == ["mail", "issues"]
    assert list(found["failed"]) == ["trouble"] and "it will not do" in found["failed"]["trouble"]
    assert "- Pay <the> rent (" in found["text"]
    assert "Trouble: failed. " in found["text"] and "left out: Unread mail, JIRA issues of yours." in found["text"]
    assert "Pay &lt;the&gt; rent" in found["html"] and "<the>" not in found["html"]
    assert (found["prompt"], found["note"]) == (None, None)
    with engine.db.read() as conn:
        kept = conn.execute(sa.select(digests)).one()
    assert kept.text == found["text"]


def test_a_part_that_waits_for_an_account_holds_up_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "PART_WITHIN_S", 2)
    load_testkit()
    stuck = Part("stuck", "Stuck", "test.make_trouble", lambda _span: {"kind": "reconnect"}, "items[]")
    macro = as_object(document("daily", [stuck, digest_parts()["todos"]], SPAN, prose=False))
    run = engine.submit(Registry(discover())["tasks.start_macro"], document=macro)
    found = json.loads(engine.until(run, State.SUCCEEDED, State.FAILED, within_s=60).result or "null")
    assert "longer than it may" in found["failed"]["stuck"]


def test_a_digest_of_all_parts_is_gathered_by_their_own_jobs(engine: Engine) -> None:
    known = Registry(discover())
    ended = engine.until(engine.submit(known["digest.weekly"]), State.SUCCEEDED, State.FAILED, within_s=60)
    found = json.loads(ended.result or "null")
    assert ended.state == State.SUCCEEDED, ended.error
    assert found["title"].startswith("Weekly digest, ") and set(found["left_out"]) == {"mail", "issues", "news"}
    with engine.db.read() as conn:
        steps = set(conn.execute(sa.select(jobs.c.action).where(jobs.c.parent_id == ended.id)).scalars())
    assert steps >= {"general.list_todos", "reminders.list", "tasks.list_troubles", "tasks.list_upcoming"}
    unknown = engine.until(engine.submit(known["digest.daily"], parts=["weather"]), State.FAILED)
    assert "there is no weather; there is " in (unknown.error or "")


def test_every_part_asks_for_what_its_action_takes_and_its_macro_can_run() -> None:
    known = Registry(discover())
    check(document("daily", list(digest_parts().values()), SPAN, prose=True), known)
    for part in digest_parts().values():
        assert not known[part.action].effect.writes
        known[part.action].input.model_validate_json(json.dumps(part.given(SPAN)))


def gathered(**wanted: Any) -> Gathered:
    return Gathered.model_validate({"name": "p", "title": "Part", "state": "succeeded", "rows": []} | wanted)


def test_times_are_on_the_user_s_clock_and_strangers_words_stay_words() -> None:
    rows = [
        {"text": "call\n\nthem", "detail": "2026-11-23T17:00:00+00:00", "url": "javascript:alert(1)"},
        {"text": "<script>x</script>", "url": 'https://example.org/?a=1&b="2"'},
        "no row",
    ]
    text = as_text("T", "", [gathered(rows=rows)], BERLIN)
    assert "- call them (Mon 23 Nov 18:00)" in text
    shown = as_html("T", "", [gathered(rows=rows)], BERLIN)
    assert "javascript" not in shown and "<script>" not in shown
    assert '<a href="https://example.org/?a=1&amp;b=&quot;2&quot;">' in shown
    assert "Nothing." in as_text("T", "", [gathered()], BERLIN)


def test_where_a_line_says_how_many_there_are_the_heading_does_not() -> None:
    rows = [{"text": "7 wait", "sums_up": True}, {"text": "one", "sums_up": None}]
    assert "\n\nPart\n- 7 wait\n- one\n" in as_text("T", "", [gathered(rows=rows)], BERLIN)
    assert "<h2>Part</h2>" in as_html("T", "", [gathered(rows=rows)], BERLIN)
    assert "Part (1)\n- one" in as_text("T", "", [gathered(rows=rows[1:])], BERLIN)


@pytest.fixture
def at_hand(db: Database, configured: Config, monkeypatch: pytest.MonkeyPatch) -> Database:
    load_testkit()
    monkeypatch.setattr(actions, "database", lambda: db)
    return db


def test_it_is_sent_once_over_the_channels_of_its_user_without_asking(
    at_hand: Database, user: User, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = at_hand
    channel = Channel("test", action="test.post", given=lambda to, said: {"to": to.email, "text": said.title})
    monkeypatch.setattr(triggers, "channels", lambda: {"test": channel})
    with db.write() as conn:
        preferences.save(conn, user.id, Preferences.model_validate({"notify": ["test"]}), db.now())
    job = accept(db, [job_of(user)])[0].job
    given = {"kind": "daily", "timezone": "Europe/Berlin", "prose": False, "parts": [gathered().model_dump()]}
    for _ in range(2):  # an attempt that is run again
        run_action(write, given, FakeContext(user=user, job_id=job.id))
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    ask = TriggerTick(db, outbox, Registry(discover()), triggers.WRITTEN).ask
    assert (ask(), ask()) == (1, 0)
    outbox.close()
    with db.read() as conn:
        sent = conn.execute(sa.select(jobs).where(jobs.c.action == "test.post")).one()
    assert json.loads(sent.input)["to"] == user.email
    assert json.loads(sent.input)["text"].startswith("Daily digest, ")
    assert (sent.state, sent.reason) == ("queued", None)


def test_a_model_opens_it_and_one_that_fails_is_named(at_hand: Database, user: User) -> None:
    from llmcoder.errors import Transient
    from llmcoder.language import Completion, LanguageModel

    class Model(LanguageModel):
        broken = False

        def configured(self) -> bool:
            return True

        def can_embed(self) -> bool:
            return False

        def complete(self, messages: Any, **_more: Any) -> Completion:
            if self.broken:
                raise Transient("the model is away")
            assert "Pay the rent" in messages[-1].text
            return Completion("Pay the rent\nfirst.", "test", "model-1", 10, 5)

        def embed(self, texts: Any) -> Any:
            raise AssertionError

    model = Model()
    part = gathered(rows=[{"text": "Pay the rent"}]).model_dump()
    given = {"kind": "daily", "timezone": "UTC", "parts": [part]}
    written = run_action(write, given, FakeContext(user=user, job_id=new_id(), services=[model])).result
    assert "Pay the rent first." in written.text and written.prompt.startswith("digest/")
    assert (written.model, written.tokens_in, written.tokens_out) == ("model-1", 10, 5)
    model.broken = True
    without = run_action(write, given, FakeContext(user=user, job_id=new_id(), services=[model])).result
    assert "the model is away" in without.note and "Pay the rent" in without.text
