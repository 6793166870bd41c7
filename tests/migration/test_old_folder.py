"""A data folder of an older version opens with this one and goes on: nothing in it is lost, ended or forgotten.

`d6e9047/make.py` says how the folders were made. Their instants are moved, so that their hour is just over.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from llmcoder.config import Config, use
from llmcoder.registry import registry
from models.connections import store as connections
from models.db.database import Database
from models.db.migrate import is_current
from tests.conftest import STORES, administer
from tests.integration.waiting import eventually
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
OLD = Path(__file__).parent / "d6e9047"
#: What stands in it as due in an hour is due by then, so long after the engine has started.
DUE_IN = timedelta(seconds=10)
ENDED = ("succeeded", "failed", "cancelled", "uncertain")


@dataclass
class OldFolder:
    """A copy of the folder, with its database where this test may reach it."""

    data: Path
    database_url: str
    facts: dict[str, Any]


@pytest.fixture(params=STORES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OldFolder]:
    with tarfile.open(OLD / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    facts = json.loads((tmp_path / "facts.json").read_text())
    by = datetime.now(UTC) - datetime.fromisoformat(facts["made_at"]) - timedelta(hours=1) + DUE_IN
    if request.param == "sqlite":
        path = tmp_path / "llmcoder.db"
        path = path.rename(tmp_path / "data" / "llmcoder.db")
        url = f"sqlite:///{path}"
        move_on(url, by)
        yield OldFolder(tmp_path / "data", url, facts)
        return
    server: sa.URL = request.getfixturevalue("postgres_url")
    name = f"old_{uuid4().hex}"
    administer(server, f"CREATE DATABASE {name}")
    own = server.set(database=name)
    with psycopg.connect(own.set(drivername="postgresql").render_as_string(hide_password=False)) as conn:
        conn.execute((tmp_path / "dump.sql").read_bytes())
    url = own.render_as_string(hide_password=False)
    move_on(url, by)
    yield OldFolder(tmp_path / "data", url, facts)
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")


def move_on(url: str, by: timedelta) -> None:
    """Let everything in the database have been so much later; but for the audit log, whose entries are sealed."""
    with closing(Database(url)) as db, db.write() as conn:
        found = sa.inspect(conn)
        for table in found.get_table_names():
            names = [one["name"] for one in found.get_columns(table) if isinstance(one["type"], sa.DateTime)]
            if not names or table.startswith("audit"):
                continue
            later = "strftime('%Y-%m-%d %H:%M:%f', {0}, '{1} seconds')"
            if not db.is_sqlite:
                later = "{0} + interval '{1} seconds'"
            new = ", ".join(f'"{name}" = {later.format(name, by.total_seconds())}' for name in names)
            conn.exec_driver_sql(f'UPDATE "{table}" SET {new}')


@pytest.fixture
def api(old: OldFolder) -> Iterator[httpx.Client]:
    """The newest engine on it, by the one command, and its user, who logs in with the old password."""
    settings = json.loads((old.data / "config.json").read_text())
    settings |= {"API_PORT": str(free_port()), "FLOWER_PORT": str(free_port()), "DATABASE_URL": old.database_url}
    (old.data / "config.json").write_text(json.dumps(settings))
    environ = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    environ["DATA_DIR"] = str(old.data)
    log = (old.data.parent / "engine.log").open("wb")
    up = subprocess.Popen([sys.executable, "-m", "cli", "up"], cwd=ROOT, env=environ, stdout=log, stderr=log)
    log.close()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings['API_PORT']}", timeout=60) as client:
            eventually(lambda: client.get("/health/ready").status_code == 200 or up.poll() is not None)
            assert up.poll() is None, (old.data.parent / "engine.log").read_text()
            form = {"username": old.facts["email"], "password": old.facts["password"]}
            token = client.post("/auth/login", data=form).raise_for_status().json()["access_token"]
            client.headers["authorization"] = f"Bearer {token}"
            yield client
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(120)


def test_an_old_folder_opens_and_everything_in_it_goes_on(old: OldFolder, api: httpx.Client) -> None:
    facts = old.facts
    with closing(Database(old.database_url)) as db:
        assert is_current(db), "it was migrated by itself"
    are_as_they_were(api, facts)
    goes_on(api, facts)
    account_opens(old)
    macro_run_ends(api, facts)
    takes_a_call(api, facts)
    clock_goes_on(api, facts)


def state_of(api: httpx.Client, job: str) -> str:
    state: str = api.get(f"/jobs/{job}").raise_for_status().json()["state"]
    return state


def are_as_they_were(api: httpx.Client, facts: dict[str, Any]) -> None:
    for state in ("succeeded", "failed", "cancelled", "uncertain", "waiting", "scheduled"):
        assert state_of(api, facts["jobs"][state]) == state
    for job in facts["jobs"].values():
        assert api.get(f"/jobs/{job}/explain").status_code == 200
    chosen = api.get("/preferences").json()
    assert {name: chosen.get(name) for name in facts["preferences"]} == facts["preferences"]
    notes = api.get("/general/list_notes").raise_for_status().json()
    assert "A note of the old engine" in json.dumps(notes)
    assert "Buy milk" in api.get("/general/list_todos").text


def goes_on(api: httpx.Client, facts: dict[str, Any]) -> None:
    """What was queued runs; of what was under way in the killed worker nobody can know; both may be settled."""
    jobs = facts["jobs"]
    eventually(lambda: state_of(api, jobs["queued"]) == "succeeded")
    eventually(lambda: state_of(api, jobs["running"]) == "uncertain")
    for job in (jobs["uncertain"], jobs["running"]):
        assert api.post(f"/jobs/{job}/resolve", json={"happened": True}).status_code == 200
    assert api.post(f"/jobs/{jobs['failed']}/retry").status_code in (200, 202)
    assert api.post(f"/jobs/{jobs['waiting']}/reject", json={}).status_code == 200
    assert api.post(f"/jobs/{jobs['scheduled']}/cancel").status_code in (200, 202)


def account_opens(old: OldFolder) -> None:
    environ = {"DATA_DIR": str(old.data), "DATABASE_URL": old.database_url}
    with use(Config.open(environ, cwd=old.data.parent)), closing(Database(old.database_url)) as db, db.read() as conn:
        [user_id] = conn.execute(sa.text("SELECT user_id FROM connections")).scalars()
        owner = user_id if isinstance(user_id, UUID) else UUID(user_id)
        stored = connections.choose(conn, owner, ["jira"], None)
        assert stored is not None and str(stored.id) == old.facts["connection"]
        _, account = connections.credentials(conn, stored, registry().connections()["jira"])
    assert account.token.get_secret_value() == old.facts["token"]


def macro_run_ends(api: httpx.Client, facts: dict[str, Any]) -> None:
    waiting = {one["job"]["action"]: one for one in api.get("/approvals").json()["items"]}
    asked = waiting["tasks.ask_person"]
    assert asked["job"]["parent_id"] == facts["run"]
    decided = api.post(f"/jobs/{asked['job']['id']}/approve", json={"sha256": asked["sha256"]})
    assert decided.status_code == 202, decided.text
    eventually(lambda: state_of(api, facts["run"]) in ENDED)
    assert state_of(api, facts["run"]) == "succeeded"
    assert "After the question" in api.get("/general/list_notes").text


def takes_a_call(api: httpx.Client, facts: dict[str, Any]) -> None:
    body = b'{"text": "From outside"}'
    proof = hmac.new(facts["secret"].encode(), body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "x-signature-256": proof}
    answer = httpx.post(f"{api.base_url}{facts['hook']}", content=body, headers=headers)
    assert answer.status_code == 202, answer.text
    job = answer.json()["job_id"]
    eventually(lambda: state_of(api, job) in ("waiting", "succeeded"))


def clock_goes_on(api: httpx.Client, facts: dict[str, Any]) -> None:
    def fired() -> list[dict[str, Any]]:
        runs = api.get(f"/schedules/{facts['schedule']}/runs").raise_for_status().json()["items"]
        return [one for one in runs if one["made_by"] == "clock" and one["outcome"] == "submitted"]

    eventually(fired, what="the schedule fires")

    def told() -> bool:
        found = api.get("/jobs", params={"action": "reminders.tell"}).json()["items"]
        return any(one["state"] == "succeeded" and "Call the dentist" in json.dumps(one) for one in found)

    eventually(told, what="the reminder comes")
