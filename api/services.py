"""What the doors share: made when the process starts, closed in the opposite order when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from api.auth import tokens
from api.auth.identity import Identities
from api.health_checks import Health
from api.http.database import AsyncDatabase
from api.http.evaluations import Evaluations
from api.http.metrics_page import Metrics
from api.push.hub import Hub
from engine.accounts import Accounts
from engine.files.storage import Files
from engine.local_door import EngineDoor
from engine.outbox import Outbox
from engine.submitter import Submitter
from llmcoder.config import Config
from llmcoder.registry import AnyAction, Registry
from llmcoder.settings import EngineSettings
from models.db.database import Database

T = TypeVar("T")

#: What files wait for is a disk or a service, so that more of them than there are cores make sense.
FILE_THREADS = 8


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a door may need; at `request.app.state.services`."""

    config: Config
    registry: Registry
    db: Database
    sql: AsyncDatabase
    outbox: Outbox
    submitter: Submitter
    evaluations: Evaluations
    accounts: Accounts
    door: EngineDoor
    hub: Hub
    identities: Identities
    metrics: Metrics
    health: Health
    files: Files
    file_threads: ThreadPoolExecutor

    def settings(self) -> EngineSettings:
        return self.config.get(EngineSettings)

    async def action(self, name: str) -> AnyAction:
        """The action of that name; where its domain is not loaded yet, a thread loads it and the loop goes on.

        Raises:
            NotFound: There is none.
        """
        found = self.registry.loaded(name)
        return found if found is not None else await run_in_threadpool(self.registry.find, name)

    async def in_file_thread(self, work: Callable[..., T], *given: Any) -> T:
        """The answer of what waits for the file store; a slow one keeps nothing else from being done."""
        return await asyncio.get_running_loop().run_in_executor(self.file_threads, work, *given)


def services_of(connection: HTTPConnection) -> Services:
    return cast(Services, connection.app.state.services)


@asynccontextmanager
async def running(config: Config, registry: Registry, metrics: Metrics) -> AsyncIterator[Services]:
    """The services of one process, for as long as the block lasts."""
    settings = config.get(EngineSettings)
    db = Database(settings.database_url)
    sql = AsyncDatabase(db)
    outbox = Outbox(settings.broker_url, settings.redis_url, settings.doorbell_window)
    files = Files(db, lambda: config.get(EngineSettings))
    services = Services(
        config=config,
        registry=registry,
        db=db,
        sql=sql,
        outbox=outbox,
        submitter=Submitter(db, outbox, asyncio.get_running_loop()),
        evaluations=Evaluations(),
        accounts=Accounts(db, outbox, registry),
        door=EngineDoor(db, outbox, registry, config),
        hub=Hub(sql, settings.redis_url),
        identities=Identities(db, tokens.signing_key(settings.data_dir)),
        metrics=metrics,
        health=Health(db, settings.broker_url, files),
        files=files,
        file_threads=ThreadPoolExecutor(FILE_THREADS, "files"),
    )
    services.outbox.start()
    services.submitter.start()
    services.hub.start()
    try:
        yield services
    finally:
        await services.hub.close()
        await asyncio.to_thread(_close, services)


def _close(services: Services) -> None:
    services.evaluations.close()
    services.submitter.close()
    services.outbox.close()
    services.sql.close()
    services.file_threads.shutdown(wait=True, cancel_futures=True)
    services.health.close()
    services.db.close()
