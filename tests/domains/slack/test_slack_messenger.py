"""What is queued for Slack is posted once, where it may be, and given up where it cannot be."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_at_slack import accept, connect, environment, job_of, owed_rows, waiting_job
from pydantic import SecretStr
from slack_server import ADA, BOT, BOT_TOKEN, GENERAL, SECRET, TEAM, Slack

from llmcoder import Transient
from llmcoder.caller import CallerWithDeadline
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.declare.connection import Grant
from llmcoder.ids import new_id
from llmcoder.states import Reason, State
from models.accounts.tables import users
from models.connections import store as connections
from models.connections.tables import connections as rows
from models.db.database import Database, database
from models.jobs.tables import jobs
from tasks.slack import client, messenger, outgoing_messages, wording
from tasks.slack.account import SlackAccount
from tasks.slack.connections import SLACK
from tasks.slack.messenger import Messenger
from tasks.slack.tables import messages, people

pytestmark = pytest.mark.both_stores


@pytest.fixture
def told(slack: Slack, db: Database, user: User, tmp_path: Path) -> Iterator[Config]:
    environ = {**environment(slack), "DATABASE_URL": db.url.render_as_string(hide_password=False)}
    with ExitStack() as stack:
        config = stack.enter_context(use(Config.open({**environ, "DATA_DIR": str(tmp_path / "data")}, cwd=tmp_path)))
        stack.enter_context(closing(database()))
        connect(db, user)
        yield config


def finished(db: Database, user: User, *, state: State = State.SUCCEEDED, reason: Reason | None = None,
             channel: str | None = None, **columns: Any) -> UUID:  # fmt: skip
    """A job that was submitted from Slack and has ended; its outcome is to be posted."""
    key = f"slack:test:{new_id()}"
    outgoing_messages.queue_outcome(user.id, key, TEAM, ADA, channel, None)
    about = {"action": "test.echo", "idempotency_key": key, "fingerprint": "x"}
    job = accept(db, [job_of(user, **about)])[0].job
    result = {"result": json.dumps({"text": "Hello"})} if state is State.SUCCEEDED else {}
    row = {"state": state, "reason": reason, "finished_at": db.now(), **result, **columns}
    with db.write() as conn:
        conn.execute(sa.update(jobs).where(jobs.c.id == job.id).values(**row))
    return job.id


def work(told: Config, times: int = 1) -> None:
    for _ in range(times):
        Messenger(told.get).work()


def make_due(db: Database) -> None:
    """As if the time had come."""
    with db.write() as conn:
        conn.execute(sa.update(messages).values(due_at=db.now() - timedelta(seconds=1)))


def direct(slack: Slack) -> list[str]:
    return slack.texts(slack.direct(ADA))


def states(db: Database) -> list[str]:
    return [row.state for row in owed_rows(db)]


def test_an_outcome_is_posted_once_by_however_many(told: Config, slack: Slack, db: Database, user: User) -> None:
    for _ in range(5):
        finished(db, user)
    threads = [threading.Thread(target=work, args=[told]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work(told)
    assert len(direct(slack)) == 5 and states(db) == ["posted"] * 5
    assert slack.said[slack.direct(ADA)][0]["user"] == BOT


def test_nothing_is_said_before_a_job_has_ended(told: Config, slack: Slack, db: Database, user: User) -> None:
    job_id = finished(db, user)
    with db.write() as conn:
        conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(state=State.RUNNING))
    work(told)
    assert direct(slack) == [] and states(db) == ["pending"]


def test_the_channel_gets_it_where_it_was_asked_for_and_else_the_person(
    told: Config, slack: Slack, db: Database, user: User
) -> None:
    finished(db, user, channel=GENERAL)
    finished(db, user, channel=SECRET)  # the bot is not in it
    work(told, 2)
    assert len(slack.texts(GENERAL)) == len(direct(slack)) == 1
    assert slack.texts(SECRET) == [] and states(db) == ["posted"] * 2
    assert "channel_not_found" in owed_rows(db)[1].detail


def test_a_limit_is_kept_and_trouble_waits(told: Config, slack: Slack, db: Database, user: User) -> None:
    finished(db, user)
    slack.fail("chat.postMessage", 429, "ratelimited", retry_after="30")
    before = db.now()
    work(told, 2)
    [row] = owed_rows(db)
    assert (row.state, row.failures) == ("pending", 0) and row.due_at > before + timedelta(seconds=25)
    for failures in (1, 2):
        make_due(db)
        slack.fail("conversations.open", 503)
        work(told)
        [row] = owed_rows(db)
        assert (row.state, row.failures) == ("pending", failures) and row.due_at > db.now()
    make_due(db)
    work(told)
    assert len(direct(slack)) == 1 and states(db) == ["posted"]


def test_a_limit_quiets_everything_until_its_end(told: Config, slack: Slack, db: Database, user: User) -> None:
    for _ in range(3):
        finished(db, user)
    slack.fail("chat.postMessage", 429, "ratelimited", retry_after="30")
    own = Messenger(told.get)
    for _ in range(2):
        own.work()
    assert len(slack.calls("chat.postMessage")) == 1 and states(db) == ["pending"] * 3


def test_what_cannot_be_posted_is_given_up_and_says_why(told: Config, slack: Slack, db: Database, user: User) -> None:
    finished(db, user)
    slack.fail("chat.postMessage", error="restricted_action")
    work(told, 2)
    [row] = owed_rows(db)
    assert row.state == "failed" and "restricted_action" in row.detail
    finished(db, user)
    with db.write() as conn:
        conn.execute(sa.update(messages).values(created_at=db.now() - timedelta(days=2)))
    slack.fail("chat.postMessage", error="is_archived")
    slack.fail("conversations.open", 503)
    work(told)
    assert states(db) == ["failed", "failed"]


def test_silence_is_looked_into_and_what_stands_there_is_not_posted_again(
    told: Config, slack: Slack, db: Database, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "SILENCE_S", 0.2)
    finished(db, user)
    slack.stay_silent("chat.postMessage", does=True)
    work(told)
    assert states(db) == ["posting"]
    work(told)
    assert len(slack.calls("chat.postMessage")) == 1, "nobody looks before its time is over"
    make_due(db)
    work(told)
    assert states(db) == ["posted"] and len(direct(slack)) == 1


def test_what_does_not_stand_there_after_a_while_is_posted_again(
    told: Config, slack: Slack, db: Database, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(db, user)
    slack.hang_up("chat.postMessage")
    work(told)
    make_due(db)
    work(told)
    assert states(db) == ["posting"], "Slack may be slow to show it"
    monkeypatch.setattr(messenger, "SHOWN_AFTER", timedelta(0))
    make_due(db)
    work(told, 2)
    assert states(db) == ["posted"] and len(direct(slack)) == 1


def test_what_nobody_can_see_is_called_uncertain(told: Config, slack: Slack, db: Database, user: User) -> None:
    finished(db, user)
    slack.hang_up("chat.postMessage")
    work(told)
    make_due(db)
    slack.fail("conversations.history", 503)
    work(told)
    assert states(db) == ["posting"]
    make_due(db)
    slack.fail("conversations.history", error="missing_scope", more={"needed": "im:history"})
    work(told, 2)
    [row] = owed_rows(db)
    assert row.state == "uncertain" and "im:history" in row.detail and direct(slack) == []


def test_a_poster_that_was_frozen_sends_nothing_once_another_may_have(told: Config, slack: Slack) -> None:
    caller = CallerWithDeadline(0.0, told.get)
    with pytest.raises(Transient, match="too late"):
        client.who_is(client.of_token(BOT_TOKEN, caller))
    assert slack.asked == []


def test_a_question_whose_job_waits_no_more_is_not_asked(told: Config, slack: Slack, db: Database, user: User) -> None:
    outgoing_messages.remember_user(user.id, TEAM, ADA)
    job_id = waiting_job(db, user, text="x")
    [person] = outgoing_messages.approvers()
    outgoing_messages.queue_approval(person, job_id, "0" * 64)
    with db.write() as conn:
        conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(state=State.CANCELLED, reason=Reason.EXPIRED))
    work(told)
    assert direct(slack) == [] and states(db) == ["settled"]


def test_a_question_that_nobody_answered_in_time_says_so(told: Config, slack: Slack, db: Database, user: User) -> None:
    outgoing_messages.remember_user(user.id, TEAM, ADA)
    job_id = waiting_job(db, user, text="x")
    work(told)
    [asked] = slack.said[slack.direct(ADA)]
    with db.write() as conn:
        conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(state=State.CANCELLED, reason=Reason.EXPIRED))
    slack.fail("chat.update", 503)
    work(told)
    assert "waits" in asked["text"]
    make_due(db)
    work(told)
    assert "nobody decided in time" in asked["text"] and states(db) == ["settled"]


def test_what_is_too_long_to_be_seen_is_not_approved_here(told: Config, slack: Slack, db: Database, user: User) -> None:
    outgoing_messages.remember_user(user.id, TEAM, ADA)
    waiting_job(db, user, text="ä" * 3 * wording.BLOCK)
    waiting_job(db, user, text="x" * wording.BLOCKS * wording.BLOCK)
    work(told)
    whole, cut = slack.said[slack.direct(ADA)]
    labels = [
        [one["text"]["text"] for block in said["blocks"] if block["type"] == "actions" for one in block["elements"]]
        for said in (whole, cut)
    ]
    assert labels == [["Approve", "Reject"], ["Reject"]]
    assert all(len(block.get("text", {}).get("text", "")) <= 3000 for said in (whole, cut) for block in said["blocks"])


def test_another_workspace_has_the_bot_that_came_with_the_sign_in(
    told: Config, slack: Slack, db: Database, user: User
) -> None:
    slack.tokens["xoxb-other"] = BOT
    with db.write() as conn:
        grant = Grant(access_token=SecretStr("xoxp-x"))
        other = SlackAccount(grant=grant, bot_token=SecretStr("xoxb-other"))
        connections.keep(conn, user.id, SLACK, f"T0OTHER001/{ADA}", other, db.now(), None)
    bots = messenger.Bots(told.get)
    for team, token in ((TEAM, BOT_TOKEN), ("T0OTHER001", "xoxb-other"), ("T0NOWHERE1", BOT_TOKEN)):
        client.who_is(bots.of(user.id, team, ADA))
        assert slack.calls("auth.test")[-1].token == token


def test_what_is_long_over_is_forgotten_and_what_never_became_a_job(
    told: Config, slack: Slack, db: Database, user: User
) -> None:
    finished(db, user)
    outgoing_messages.queue_outcome(user.id, "slack:refused", TEAM, ADA, None, None)
    outgoing_messages.withdraw_outcome(user.id, "slack:refused")
    outgoing_messages.queue_outcome(user.id, "slack:died", TEAM, ADA, None, None)
    outgoing_messages.forget()
    assert len(owed_rows(db)) == 2
    with db.write() as conn:
        conn.execute(sa.update(messages).values(created_at=db.now() - timedelta(hours=2)))
    outgoing_messages.forget()
    assert len(owed_rows(db)) == 1
    with db.write() as conn:
        conn.execute(sa.update(messages).values(created_at=db.now() - timedelta(days=31)))
    outgoing_messages.forget()
    assert owed_rows(db) == []


def test_somebody_is_asked_where_they_wrote_from_last_until_they_say_no(told: Config, db: Database, user: User) -> None:
    outgoing_messages.remember_user(user.id, TEAM, "U0OLD00001")
    outgoing_messages.remember_user(user.id, TEAM, ADA)
    outgoing_messages.remember_user(user.id, TEAM, ADA)
    assert outgoing_messages.approvers() == []
    waiting_job(db, user, text="x")
    assert [one.person for one in outgoing_messages.approvers()] == [ADA]
    with db.write() as conn:
        conn.execute(sa.update(users).values(is_active=False))
    assert outgoing_messages.approvers() == [], "who may not come in any more hears of nothing"
    with db.write() as conn:
        conn.execute(sa.update(users).values(is_active=True))
        removed = conn.execute(sa.select(rows)).one()._asdict()
        conn.execute(sa.delete(rows))
    assert outgoing_messages.approvers() == [], "an account that was taken away is told nothing more"
    with db.write() as conn:
        conn.execute(sa.insert(rows).values(removed))
    outgoing_messages.set_asked(user.id, False)
    outgoing_messages.remember_user(user.id, TEAM, "U0NEW00001")
    assert outgoing_messages.approvers() == []
    with db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(people)).scalar_one() == 1


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"text": "**Hi** <!here>", "model": "m"}, "*Hi* &lt;!here&gt;"),
        (
            {"summary": "S", "decisions": ["a"], "items": [{"task": "t", "who": None}]},
            "S\n\n*Decisions*\n• a\n\n*Items*\n• t",
        ),
        ({"n": 1}, '```\n{\n  "n": 1\n}\n```'),
        ({"n": "```<!here>"}, '```\n{\n  "n": "` ` `&lt;!here&gt;"\n}\n```'),
        ({"text": "", "ok": True}, '```\n{\n  "text": "",\n  "ok": true\n}\n```'),
    ],
)
def test_a_result_is_shown_as_people_write(result: dict[str, Any], said: str) -> None:
    assert wording.rendered(result) == said


@pytest.mark.parametrize(
    ("state", "reason", "columns", "said"),
    [
        (State.FAILED, None, {"error": json.dumps({"title": "T", "detail": "No <way>."})}, "failed. No &lt;way&gt;."),
        (State.CANCELLED, None, {}, "was cancelled"),
        (State.CANCELLED, Reason.REJECTED, {"note": "no & no"}, "was rejected: no &amp; no"),
        (State.CANCELLED, Reason.EXPIRED, {}, "was not approved in time"),
        (State.UNCERTAIN, None, {"error": json.dumps({"detail": "Silence."})}, "nobody can tell. Silence."),
        (State.SUCCEEDED, None, {"result": json.dumps({"text": "x" * 9000})}, "The rest:"),
    ],
)
def test_every_end_has_its_words(
    told: Config, slack: Slack, db: Database, user: User, state: State, reason: Reason | None,
    columns: dict[str, Any], said: str,
) -> None:  # fmt: skip
    finished(db, user, state=state, reason=reason, **columns)
    work(told)
    [text] = direct(slack)
    assert said in text and len(text) <= 4000
