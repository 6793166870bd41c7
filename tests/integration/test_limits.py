"""What is too large is refused by name and number, at every door; a full disk costs nothing that was accepted."""

from __future__ import annotations

import json
import resource
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy as sa
from engine_kit import Engine, environment, eventually, own_redis
from served import Served
from websockets.sync.client import connect

from api.auth import tokens
from api.auth.identity import Identities
from llmcoder.context import User
from llmcoder.ids import new_id
from models.db.database import Database, is_full
from models.jobs.tables import jobs
from tests.ports import free_port

LIMIT = 2_000


@pytest.fixture
def api_settings() -> dict[str, str]:
    return {"MAX_INPUT_BYTES": str(LIMIT)}


def by_route(served: Served, user: User, given: dict[str, Any]) -> dict[str, Any]:
    with served.client(user) as client:
        answer = client.post("/test/echo", json=given)
    return {**answer.json(), "answered": answer.status_code}


def by_name(served: Served, user: User, given: dict[str, Any]) -> dict[str, Any]:
    with served.client(user) as client:
        answer = client.post("/jobs", json={"action": "test.echo", "input": given})
    return {**answer.json(), "answered": answer.status_code}


def by_socket(served: Served, user: User, given: dict[str, Any]) -> dict[str, Any]:
    with connect(served.ws_url) as ws:
        ws.send(json.dumps({"type": "auth", "token": served.token(user)}))
        ws.send(json.dumps({"type": "submit", "action": "test.echo", "input": given, "ref": "mine"}))
        while (answer := json.loads(ws.recv(10))).get("ref") != "mine":
            pass
    problem = answer.get("problem", {"status": 202})
    return {**problem, "answered": problem["status"]}


Door = Callable[[Served, User, dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize("door", [by_route, by_name, by_socket])
def test_an_input_over_the_limit_is_413_with_its_size_the_limit_and_the_setting(
    served: Served, user: User, door: Door
) -> None:
    frame = len('{"text":""}')
    assert door(served, user, {"text": "x" * (LIMIT - frame)})["answered"] == 202
    refused = door(served, user, {"text": "ä" * (LIMIT // 2)})

    assert (refused["answered"], refused["type"]) == (413, "urn:llmcoder:problem:input-too-large")
    for part in (str(LIMIT + frame), str(LIMIT), "MAX_INPUT_BYTES"):
        assert part in refused["detail"]
    assert served.count() == 1


# --- a full disk


def test_a_full_disk_is_told_from_an_absent_server() -> None:
    full = sa.exc.OperationalError("INSERT", None, psycopg.errors.DiskFull("no space left on device"))
    away = sa.exc.OperationalError("INSERT", None, psycopg.OperationalError("server closed the connection"))
    assert is_full(full) and not is_full(away) and not is_full(sa.exc.TimeoutError())


@pytest.fixture
def engine(db: Database, db_url: str, user: User, tmp_path: Path) -> Any:
    if not db.is_sqlite:
        pytest.skip("the disk of a PostgreSQL server is not ours to fill")
    with own_redis() as redis, closing(Engine(db, user, redis, tmp_path, environment(db_url, redis, tmp_path))) as made:
        yield made


def test_a_full_disk_is_503_and_loses_nothing_that_was_accepted(engine: Engine, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "data").mkdir()
    token = Identities(engine.db, tokens.signing_key(tmp_path / "data")).issue(engine.user.id, new_id(), 600)
    process = engine.start("api", API_PORT=str(port))
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        eventually(lambda: answers(client), what="the API starts")
        accepted, refusal = submit_until_refused(client, process)
        assert (refusal.status_code, refusal.json()["type"]) == (503, "urn:llmcoder:problem:database-unavailable")
        assert "disk is full" in refusal.json()["detail"] and int(refusal.headers["retry-after"]) >= 10
        assert client.get(f"/jobs/{accepted[-1]}").json()["state"] == "queued", "reading goes on"

        give_disk(process, resource.RLIM_INFINITY)
        accepted.append(submit(client).raise_for_status().json()["id"])
    with engine.db.read() as conn:
        assert {str(found) for found in conn.execute(sa.select(jobs.c.id)).scalars()} == set(accepted)
        assert conn.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]


def submit_until_refused(client: httpx.Client, process: subprocess.Popen[bytes]) -> tuple[list[str], httpx.Response]:
    accepted = [submit(client).raise_for_status().json()["id"]]
    give_disk(process, 1_500_000)
    for _ in range(60):
        answer = submit(client)
        if answer.status_code != 202:
            return accepted, answer
        accepted.append(answer.json()["id"])
    raise AssertionError("the disk was not filled")


def give_disk(process: subprocess.Popen[bytes], each_file_bytes: int) -> None:
    """A limit for files stands for a full disk: the same writes fail, at the same place in the middle of a file."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (each_file_bytes, resource.RLIM_INFINITY))


def submit(client: httpx.Client) -> httpx.Response:
    return client.post("/test/echo", json={"text": "x" * 100_000})


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").is_success
    except httpx.TransportError:
        time.sleep(0.05)
        return False
