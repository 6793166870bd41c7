"""The whole API as tests meet it: the real application on a real port, a database and users of its own, no worker."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import redis
import sqlalchemy as sa

from api.__main__ import server_of
from api.app import create_app
from api.auth import tokens
from api.auth.identity import Identities
from cli.up import redis as embedded_redis
from engine.broker import PUSH_CHANNEL, redis_client
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.hook import Hook
from llmcoder.ids import new_id
from llmcoder.registry import AnyAction, Registry, discover
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs.machine import Move, Moved, apply
from models.jobs.tables import jobs

PLUGIN = Path(__file__).parent.parent / "plugin"
STARTS_WITHIN_S = 120.0
DEADLINE_S = 20.0


@dataclass
class Served:
    """One running API.

    Attributes:
        redis: Tells the API what changed, as workers do.
    """

    url: str
    db: Database
    redis: redis.Redis
    identities: Identities
    app: Any
    users: dict[str, User] = field(default_factory=dict)

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws") + "/ws"

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def token(self, user: User, lives_s: int = 600) -> str:
        return self.identities.issue(user.id, new_id(), lives_s)

    @contextmanager
    def client(self, user: User) -> Iterator[httpx.Client]:
        """Speaks to the API as the user."""
        headers = {"authorization": f"Bearer {self.token(user)}"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=120) as client:
            yield client

    def submit(self, client: httpx.Client, text: str = "hello", **more: Any) -> dict[str, Any]:
        """A job that nobody runs."""
        answer = client.post("/jobs", json={"action": "test.echo", "input": {"text": text}, **more})
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def move(self, job_id: str, to: State, *, wake: bool = True, reason: Reason | None = None, **values: Any) -> Moved:
        """Do what a worker or the dispatcher would do to a job."""
        with self.db.write() as conn:
            moved = apply(conn, [Move(UUID(job_id), to, reason=reason, values=values)], self.db.now())[0]
        assert moved is not None, f"{job_id} cannot become {to}"
        if wake:
            self.publish(moved.user_id, jobs=[job_id])
        return moved

    def finish(self, job_id: str, text: str = "done", *, wake: bool = True) -> Moved:
        self.move(job_id, State.RUNNING, wake=wake, started_at=self.db.now())
        return self.move(job_id, State.SUCCEEDED, wake=wake, result=json.dumps({"text": text}))

    def publish(self, user_id: UUID, **note: Any) -> None:
        self.redis.publish(PUSH_CHANNEL, json.dumps({"user": str(user_id), **note}))

    def count(self) -> int:
        with self.db.read() as conn:
            found: int = conn.execute(sa.select(sa.func.count()).select_from(jobs)).scalar_one()
        return found


@contextmanager
def serving(
    db: Database,
    redis_url: str,
    folder: Path,
    *,
    more_actions: tuple[AnyAction, ...] = (),
    more_hooks: tuple[Hook, ...] = (),
    known: Registry | None = None,
    **environ: str,
) -> Iterator[Served]:
    """The application in a thread, with the test actions and whatever else, or with exactly those that are given."""

    class Known(Registry):
        def hooks(self) -> list[Hook]:
            return [*super().hooks(), *more_hooks]

    if str(PLUGIN) not in sys.path:
        sys.path.insert(0, str(PLUGIN))
    database_url = db.url.render_as_string(hide_password=False)
    told = {"DATA_DIR": str(folder / "data"), "DATABASE_URL": database_url, "REDIS_URL": redis_url}
    config = Config.open({**told, **environ}, cwd=folder)
    app = create_app(config, known or Known([*discover(), *more_actions]))
    server = server_of(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), STARTS_WITHIN_S)
        assert thread.is_alive(), "the API did not start"
        port = server.servers[0].sockets[0].getsockname()[1]
        identities = Identities(db, tokens.signing_key(folder / "data"))
        client = redis_client(redis_url)
        yield Served(f"http://127.0.0.1:{port}", db, client, identities, app)
        client.close()
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the API did not stop"


def wait_until(condition: Callable[[], bool], within_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@contextmanager
def private_redis() -> Iterator[tuple[int, str]]:
    """A Redis that the test may stop and kill: its process id and its address."""
    folder = Path(tempfile.mkdtemp(prefix="llmcoder-redis-"))  # short: the kernel limits a socket's path
    socket = folder / "redis.sock"
    options = {"port": "0", "unixsocket": str(socket), "dir": str(folder), "save": "", "appendonly": "no"}
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    process = subprocess.Popen([embedded_redis.server(), *arguments], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: embedded_redis.answers(socket))
        yield process.pid, f"unix://{socket}?db=0"
    finally:
        process.kill()
        process.wait(120)
        shutil.rmtree(folder, ignore_errors=True)
