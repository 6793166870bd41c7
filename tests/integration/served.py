"""The whole API as tests meet it: the real application on a real port, a database and users of its own, no worker."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import redis
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI
from fastapi.dependencies import models as dependencies

from api.__main__ import Server, server_of
from api.app import create_app
from api.auth import tokens
from api.auth.identity import Identities
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

DEADLINE_S = 20.0
#: By which it keeps the handlers of thousands of routes, each with all that its application had at hand.
FASTAPI_KEEPS = (
    dependencies._is_gen_callable_cached, dependencies._is_async_gen_callable_cached,
    dependencies._is_coroutine_callable_cached,
)  # fmt: skip


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
    data_dir: Path
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
    """An application of the test's own, with the test actions and whatever else, or with exactly those that are given.

    What needs no settings and no database of its own asks for the fixture `served`.
    """
    told = {"DATA_DIR": str(folder / "data"), "DATABASE_URL": url_of(db), "REDIS_URL": redis_url}
    with (
        application(told | environ, folder, known or known_with(more_actions, more_hooks)) as (app, url),
        met(db, redis_url, folder / "data", app, url) as served,
    ):
        yield served


def url_of(db: Database) -> str:
    return db.url.render_as_string(hide_password=False)


def known_with(more_actions: tuple[AnyAction, ...], more_hooks: tuple[Hook, ...] = ()) -> Registry:
    """What is installed, the test kit among it, and something that is not."""

    class Known(Registry):
        def hooks(self) -> list[Hook]:
            return [*super().hooks(), *more_hooks]

    return Known([*discover(), *more_actions])


@contextmanager
def met(db: Database, redis_url: str, data_dir: Path, app: FastAPI, url: str) -> Iterator[Served]:
    """A running application, as a test sees it."""
    with closing(redis_client(redis_url)) as client:
        yield Served(url, db, client, Identities(db, tokens.signing_key(data_dir)), app, data_dir)


@contextmanager
def application(environ: dict[str, str], folder: Path, known: Registry) -> Iterator[tuple[FastAPI, str]]:
    """The application in a thread, and its address."""
    app = create_app(Config.open(environ, cwd=folder), known)
    server = Prompt(app, server_of(app, "127.0.0.1", 0).config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the API did not start"
            server.starts.wait(0.1)
        yield app, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.stop()
        thread.join(DEADLINE_S)
        assert not thread.is_alive(), "the API did not stop"
        for cached in FASTAPI_KEEPS:
            cached.cache_clear()


class Prompt(Server):
    """The server, which stops when it is told to and not up to a tenth of a second later."""

    def __init__(self, app: FastAPI, config: uvicorn.Config) -> None:
        super().__init__(app, config)
        self.starts = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.starts.set()

    async def main_loop(self) -> None:
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        await self.lifespan.shutdown()

    def stop(self) -> None:
        """From another thread; a server that did not start has ended already."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                self._loop.call_soon_threadsafe(self._told.set)
