"""What Slack calls by HTTP: proved by its signature, done once, and the same as over the socket."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import sqlalchemy as sa
from engine_at_slack import command, connect, environment, mention, owed_rows, press, waiting_job
from slack_server import ADA, BEA, GENERAL, Slack

from llmcoder.config import Config, config, use
from llmcoder.context import User
from models.db.database import Database, database
from models.jobs.tables import jobs
from tasks.slack import incoming
from tasks.slack.messenger import Messenger

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from engine_kit import eventually
from served import Served, serving

pytestmark = pytest.mark.both_stores

SECRET = "signing-secret-canary"


@pytest.fixture
def served(db: Database, slack: Slack, redis_url: str, user: User, tmp_path: Path) -> Iterator[Served]:
    environ = {
        **environment(slack),
        "SLACK_SIGNING_SECRET": SECRET,
        "DATABASE_URL": db.url.render_as_string(hide_password=False),
        "DATA_DIR": str(tmp_path / "data"),
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    }
    with ExitStack() as stack:
        stack.enter_context(use(Config.open(environ, cwd=tmp_path)))
        stack.enter_context(closing(database()))
        connect(db, user)
        yield stack.enter_context(serving(db, redis_url, tmp_path, **environ))


def signed(body: bytes, at: float | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers of https://docs.slack.dev/authentication/verifying-requests-from-slack."""
    stamp = str(int(time.time() if at is None else at))
    made = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {"x-slack-request-timestamp": stamp, "x-slack-signature": f"v0={made}"}


def send(served: Served, path: str, body: bytes, **more: Any) -> httpx.Response:
    return httpx.post(f"{served.url}/slack/{path}", content=body, headers=signed(body, **more), timeout=20)


def typed(served: Served, text: str, **more: str) -> str:
    answer = send(served, "commands", urlencode(command(text, **more)).encode())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json()["response_type"] == "ephemeral"
    return str(answer.json()["text"])


def count(db: Database) -> int:
    with db.read() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one())


@pytest.mark.parametrize("path", ["commands", "events", "interactions"])
def test_nothing_is_taken_without_slacks_signature_or_after_five_minutes(
    served: Served, db: Database, path: str
) -> None:
    body = urlencode(command("test.echo text=x")).encode()
    url = f"{served.url}/slack/{path}"
    good = signed(body)
    forged: list[dict[str, str]] = [
        {},
        signed(body, secret="another"),
        signed(body, at=time.time() - 400),
        signed(body, at=time.time() + 400),
        signed(body + b"&x=1"),
        {**good, "x-slack-request-timestamp": "soon"},
        {**good, "x-slack-signature": ""},
        {"x-slack-signature": good["x-slack-signature"]},
        {"x-slack-request-timestamp": good["x-slack-request-timestamp"]},
    ]
    for headers in forged:
        answer = httpx.post(url, content=body, headers=headers, timeout=20)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:llmcoder:problem:forbidden"), headers
    odd = {**{name: value.encode() for name, value in good.items()}, "x-slack-signature": b"v0=\xe4"}
    assert httpx.post(url, content=b"\xff\xfe", headers=odd, timeout=20).status_code == 403
    assert httpx.post(url, content=b"\xff\xfe", headers=good, timeout=20).status_code == 403
    assert count(db) == 0


def test_without_a_signing_secret_nothing_can_be_proved(
    db: Database, slack: Slack, redis_url: str, tmp_path: Path
) -> None:
    with serving(db, redis_url, tmp_path, **environment(slack)) as served:
        answer = send(served, "commands", b"text=help")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:llmcoder:problem:not-configured")


def test_slack_asks_once_whether_the_address_is_ours(served: Served) -> None:
    answer = send(served, "events", b'{"type": "url_verification", "challenge": "3eZbrw1a"}')
    assert (answer.status_code, answer.json()) == (200, {"challenge": "3eZbrw1a"})
    assert send(served, "commands", b"ssl_check=1&token=x").status_code == 200
    assert send(served, "events", b"not JSON").status_code == 422
    assert send(served, "interactions", b"payload=x").status_code == 422


def test_a_command_that_is_called_twice_is_one_job_and_one_message(
    served: Served, slack: Slack, db: Database, user: User
) -> None:
    given = {"trigger_id": "123.456"}
    assert "Taken" in typed(served, "test.echo text=Hello", **given)
    assert "Taken" in typed(served, "test.echo text=Hello", **given)
    assert (count(db), len(owed_rows(db))) == (1, 1)
    with db.read() as conn:
        job = conn.execute(sa.select(jobs.c.id, jobs.c.user_id, jobs.c.origin)).one()
    assert (job.user_id, job.origin) == (user.id, "person")
    served.finish(str(job.id), "Hello")
    for _ in range(2):
        Messenger(config().get).work()
    assert [("Hello" in text) for text in slack.texts(slack.direct(ADA))] == [True]


def test_strangers_are_told_how_to_connect_and_nothing_else_happens(served: Served, db: Database) -> None:
    assert "llmcoder connections add slack" in typed(served, "test.echo text=Hello", user_id=BEA)
    assert "What you can say" in typed(served, "help", user_id=BEA)
    assert count(db) == 0


def test_a_mention_that_slack_sends_again_is_one_job(served: Served, slack: Slack, db: Database) -> None:
    ts = slack.say(GENERAL, ADA, "<@U0BOT00001> hello?")
    body = json.dumps(mention(ts, "hello?")).encode()
    for number in range(3):
        headers = {**signed(body), "x-slack-retry-num": str(number)}
        assert httpx.post(f"{served.url}/slack/events", content=body, headers=headers).status_code == 200
    assert count(db) == 1
    [row] = owed_rows(db)
    assert (row.channel, row.thread_ts, row.state) == (GENERAL, ts, "pending")


def test_a_press_of_a_button_decides(served: Served, slack: Slack, db: Database, user: User) -> None:
    job_id = waiting_job(db, user, text="x")
    typed(served, "jobs")
    messenger = Messenger(config().get)
    messenger.work()
    [asked] = slack.said[slack.direct(ADA)]
    body = urlencode({"payload": json.dumps(press(asked, "Reject"))}).encode()
    assert send(served, "interactions", body).status_code == 200
    with db.read() as conn:
        found = conn.execute(sa.select(jobs.c.state, jobs.c.reason).where(jobs.c.id == job_id)).one()
    assert tuple(found) == ("cancelled", "rejected")
    messenger.work()
    assert "rejected by you" in asked["text"]


def test_who_waits_too_long_is_told_so_and_hears_the_rest_later(
    served: Served, slack: Slack, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "ANSWER_WITHIN_S", 0.3)
    typed(served, "jobs")
    with db.write() as conn:
        if not db.is_sqlite:
            conn.execute(sa.text("LOCK TABLE slack_messages IN ACCESS EXCLUSIVE MODE"))
        url = slack.url.replace("/api/", "/respond/1")
        assert "longer than usual" in typed(served, "test.echo text=Hello", response_url=url)
        assert slack.later == []
    eventually(lambda: slack.later, what="the rest follows")
    assert "Taken" in slack.later[0]["text"] and slack.later[0]["response_type"] == "ephemeral"
    assert count(db) == 1
