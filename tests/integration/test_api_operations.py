"""What operators see: health, metrics, configuration, catalogue, the old addresses, and the process itself."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families
from served import Served, serving
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from api.auth import tokens
from api.auth.identity import Identities
from engine import metrics
from llmcoder import User
from llmcoder.ids import new_id
from models.accounts.tables import users
from models.audit.tables import audit
from models.db.database import Database
from models.jobs import counters
from models.jobs.tables import workers
from tests.integration.own_redis import own_redis
from tests.integration.waiting import eventually
from tests.ports import free_port

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def served(db: Database, redis_url: str, tmp_path: Path) -> Iterator[Served]:
    told = {"OPENAI_API_KEY": "sk-from-the-environment", "CORS_ORIGINS": "https://friend.example"}
    with serving(db, redis_url, tmp_path, **told) as served:
        yield served


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


@pytest.fixture
def admin(served: Served, new_user: Callable[[str], User], db: Database) -> Iterator[httpx.Client]:
    boss = new_user("boss@example.org")
    with db.write() as conn:
        conn.execute(sa.update(users).where(users.c.id == boss.id).values(is_admin=True))
    with served.client(boss) as client:
        yield client


def add_worker(db: Database) -> None:
    now = db.now()
    row = {"name": "w", "queue": "io", "pid": 1, "slots": 1, "started_at": now, "beat_at": now}
    with db.write() as conn:
        conn.execute(sa.insert(workers).values(**row))


# --- health


def test_readiness_names_each_part(served: Served, db: Database) -> None:
    assert httpx.get(f"{served.url}/health/live").json() == {"status": "ok"}
    add_worker(db)
    answer = httpx.get(f"{served.url}/health/ready")

    assert answer.status_code == 200
    assert {name: check["status"] for name, check in answer.json()["checks"].items()} == {
        "database": "ok", "broker": "ok", "worker": "ok", "duties": "ok", "files": "ok",
    }  # fmt: skip


def test_without_a_worker_it_is_not_ready(served: Served) -> None:
    answer = httpx.get(f"{served.url}/health/ready")

    assert answer.status_code == 503
    assert answer.json()["checks"]["worker"]["status"] == "failed"
    assert answer.json()["checks"]["database"]["status"] == "ok"


def test_readiness_answers_in_time_although_redis_hangs(db: Database, tmp_path: Path) -> None:
    with own_redis() as redis, serving(db, redis.url, tmp_path) as served:
        add_worker(db)
        os.kill(redis.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            answers = [httpx.get(f"{served.url}/health/ready", timeout=60) for _ in range(2)]
            took_s = time.monotonic() - began
        finally:
            os.kill(redis.pid, signal.SIGCONT)

    assert {answer.status_code for answer in answers} == {503}
    assert answers[0].json()["checks"]["broker"]["status"] == "failed"
    assert answers[0].json()["checks"]["worker"]["status"] == "ok"
    assert took_s < 60


# --- metrics


def test_metrics_show_what_was_submitted_answered_and_what_waits(served: Served, alice: httpx.Client) -> None:
    alice.post("/test/echo", json={})
    alice.post("/jobs", json={"action": "test.echo"})
    alice.get("/jobs/x")

    page = httpx.get(f"{served.url}/metrics").text

    assert 'llmcoder_submits_total{action="test.echo",door="action"} 1.0' in page
    assert 'llmcoder_submits_total{action="test.echo",door="jobs"} 1.0' in page
    assert 'llmcoder_jobs{queue="io",state="queued"} 2.0' in page
    assert 'llmcoder_http_responses_total{route="/test/echo",status="202"} 1.0' in page
    assert 'llmcoder_http_responses_total{route="/jobs/{job_id}",status="422"} 1.0' in page


def test_what_workers_counted_adds_up_over_processes_and_restarts(served: Served, db: Database) -> None:
    for _ in range(2):  # two processes, or one that was started again
        counts = metrics.ProcessCounts()
        counts.observe(metrics.RUN, ("test.echo", "succeeded"), 0.03)
        counts.observe(metrics.RUN, ("test.echo", "succeeded"), 7.0)
        counts.observe(metrics.QUEUE_TO_START, ("test.echo",), 100_000.0)
        counts.count(metrics.RESCUED, ("queued",))
        counts.flush(db)

    families = text_string_to_metric_families(httpx.get(f"{served.url}/metrics").text)
    shown = {(one.name, *sorted(one.labels.values())): one.value for family in families for one in family.samples}

    run = ("succeeded", "test.echo")
    assert shown["llmcoder_run_seconds_bucket", "0.025", *run] == 0
    assert shown["llmcoder_run_seconds_bucket", "0.05", *run] == 2
    assert shown["llmcoder_run_seconds_bucket", "+Inf", *run] == 4
    assert shown["llmcoder_run_seconds_sum", *run] == pytest.approx(14.06)
    assert shown["llmcoder_queue_to_start_seconds_bucket", "1800", "test.echo"] == 0
    assert shown["llmcoder_queue_to_start_seconds_count", "test.echo"] == 2
    assert shown["llmcoder_leases_rescued_total", "queued"] == 2


def test_counts_that_the_database_did_not_take_are_kept(db: Database, tmp_path: Path) -> None:
    counts = metrics.ProcessCounts()
    counts.count(metrics.RESCUED, ("queued",))
    empty = tmp_path / "empty.db"
    empty.touch()
    with pytest.raises(sa.exc.ProgrammingError):
        counts.flush(Database(f"sqlite:///{empty}"))

    counts.flush(db)

    with db.read() as conn:
        assert counters.read(conn) == {(metrics.RESCUED, ("queued",)): 1.0}


# --- configuration


def test_configuration_is_for_administrators(alice: httpx.Client) -> None:
    assert alice.get("/config").status_code == 403
    assert alice.patch("/config", json={"LOG_LEVEL": "DEBUG"}).status_code == 403


def test_a_secret_is_shown_as_set_and_never_as_itself(admin: httpx.Client) -> None:
    answer = admin.get("/config")
    views = {one["name"]: one for one in answer.json()["items"]}

    assert (views["OPENAI_API_KEY"]["set"], views["OPENAI_API_KEY"]["value"]) == (True, None)
    assert (views["API_PORT"]["set"], views["API_PORT"]["value"]) == (False, 5000)
    assert "sk-from-the-environment" not in answer.text
    assert "postgresql" not in answer.text or "DATABASE_URL" in views


def test_a_change_is_in_force_at_once_and_written_down_without_its_value(
    served: Served, admin: httpx.Client, db: Database
) -> None:
    canary = "canary-4711"
    changed = admin.patch("/config", json={"SLACK_BOT_TOKEN": canary, "MAX_BODY_BYTES": 2_048})
    assert (changed.status_code, changed.json()["changed"]) == (200, ["MAX_BODY_BYTES", "SLACK_BOT_TOKEN"])
    assert canary not in changed.text
    assert admin.post("/test/echo", json={"text": "x" * 3_000}).status_code == 413
    admin.patch("/config", json={"SLACK_BOT_TOKEN": None})

    with db.read() as conn:
        rows = conn.execute(sa.select(audit).order_by(audit.c.seq)).mappings().all()
    told = [(row["subject"], row["event"]) for row in rows]
    assert told[:2] == [("MAX_BODY_BYTES", "config.set"), ("SLACK_BOT_TOKEN", "config.set")]
    assert told[2:] == [("SLACK_BOT_TOKEN", "config.unset")]
    assert canary not in str(rows)


@pytest.mark.parametrize(
    "changes", [{"API_PROT": 1}, {"API_PORT": "many"}, {"OPENAI_API_KEY": "x"}, [], {"IO_SLOTS": 5, "NOPE": 1}]
)
def test_a_change_that_cannot_be_is_refused_whole(admin: httpx.Client, db: Database, changes: Any) -> None:
    answer = admin.patch("/config", json=changes)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert {one["name"]: one["set"] for one in admin.get("/config").json()["items"]}["IO_SLOTS"] is False
    with db.read() as conn:
        assert conn.execute(sa.select(audit)).all() == []


# --- catalogue and old addresses


def test_the_catalogue_has_what_a_form_or_a_machine_needs(served: Served, alice: httpx.Client) -> None:
    items = {one["name"]: one for one in alice.get("/actions").json()["items"]}

    nap = items["test.take_nap"]
    assert nap["effect"] == "draft"
    assert nap["queue"] == "io"
    assert nap["configured"] is True
    assert nap["input_schema"]["properties"]["seconds"]["description"]
    assert [nap[name] for name in ("repeatable", "reconcilable", "undo", "outside", "provider", "rate")] == [
        True,
        False,
        None,
        False,
        "test",
        None,
    ]
    assert (items["general.add_note"]["undo"], items["document.summarize"]["outside"]) == ("general.remove_note", True)
    assert items["test.write_findable_line"]["reconcilable"] is True
    assert alice.get("/actions/test.take_nap").json() == nap
    missing = alice.get("/actions/test.take_knap")
    assert missing.status_code == 404
    assert "test.take_nap" in missing.json()["detail"]
    assert httpx.get(f"{served.url}/actions").status_code == 401


# --- browsers


def test_pages_of_friends_may_call_and_those_of_strangers_may_not(served: Served, alice: httpx.Client) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,idempotency-key"}
    friend = alice.options("/test/echo", headers={"origin": "https://friend.example", **asked})
    stranger = alice.options("/test/echo", headers={"origin": "https://evil.example", **asked})
    submitted = alice.post("/test/echo", json={}, headers={"origin": "https://friend.example"})

    assert friend.headers["access-control-allow-origin"] == "https://friend.example"
    assert "access-control-allow-origin" not in stranger.headers
    assert submitted.status_code == 202
    assert submitted.headers["access-control-allow-origin"] == "https://friend.example"
    assert "Location" in submitted.headers["access-control-expose-headers"]


def test_every_answer_protects_browsers(served: Served, alice: httpx.Client) -> None:
    for path in ("/jobs", "/nowhere", "/health/live", "/legacy/"):
        answer = alice.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert "default-src 'none'" in answer.headers["content-security-policy"], path
        assert "server" not in answer.headers, path
    assert "script-src 'self';" in alice.get("/docs").headers["content-security-policy"]


# --- the process


@contextmanager
def process(db: Database, redis_url: str, folder: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """`python -m api`, ended with the block."""
    env = {
        **os.environ, "DATA_DIR": str(folder / "data"), "REDIS_URL": redis_url, "API_PORT": str(port),
        "DATABASE_URL": db.url.render_as_string(hide_password=False), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    command = [sys.executable, "-m", "api"]
    started = subprocess.Popen(command, env=env, cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def test_a_port_in_use_is_one_clear_line(db: Database, redis_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process(db, redis_url, tmp_path, port) as api:
            said = api.communicate(timeout=120)[1]

    assert api.returncode == 1
    assert said.splitlines()[-1].startswith(f"llmcoder api: port {port} on 127.0.0.1 is in use")
    assert "Traceback" not in said


def test_it_stops_within_seconds_with_a_socket_a_stream_and_a_long_poll_open(
    db: Database, redis_url: str, tmp_path: Path, user: User
) -> None:
    port = free_port()
    with process(db, redis_url, tmp_path, port) as api:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: answers(url))
        identities = Identities(db, tokens.signing_key(tmp_path / "data"))
        token = identities.issue(user.id, new_id(), 600)
        headers = {"authorization": f"Bearer {token}"}
        with (
            connect(f"ws://127.0.0.1:{port}/ws") as push,
            httpx.stream("GET", f"{url}/jobs/stream", headers=headers, timeout=20) as stream,
            httpx.Client(headers=headers, timeout=20) as client,
        ):
            push.send(json.dumps({"type": "auth", "token": token}))
            push.recv(timeout=120)
            lines = stream.iter_lines()
            next(lines)
            began = time.monotonic()
            api.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                push.recv(timeout=120)
            assert [line for line in lines if line.startswith("event: job")] == []
            said = api.communicate(timeout=120)[1]
            took_s = time.monotonic() - began
            client.close()

    assert api.returncode == 0, said
    assert took_s < 10, "it did not wait for the socket, the stream or the long-poll, which last longer"
    assert "Traceback" not in said


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/live").is_success
    except httpx.TransportError:
        return False


def test_importing_the_application_loads_no_sdk_no_celery_and_no_flask(tmp_path: Path) -> None:
    code = "import sys, api.app; api.app.create_app(); print(' '.join(sorted(sys.modules)))"
    env = {**os.environ, "DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )

    heavy = re.compile(
        r"openai|ollama|googleapiclient|jira|slack_sdk|plaid|playwright|celery|kombu|flask|a2wsgi|trafilatura|bs4|"
        r"pypdf|apscheduler|alembic|torch|transformers"
    )
    assert [name for name in done.stdout.split() if heavy.fullmatch(name)] == []
