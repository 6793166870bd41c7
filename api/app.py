"""The application: every door on one FastAPI app. Importing it loads no vendor's SDK, no Celery and no Flask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from api.http import document, problems
from api.http.deferred import DeferredRoutes
from api.http.edge import Cors, Limited, Methods, Observed
from api.http.lean import HotPaths, LeanRoute
from api.http.metrics_page import Metrics
from api.routes import (
    actions,
    approvals,
    audit,
    auth,
    catalogue,
    collections,
    configuration,
    connections,
    files,
    health,
    hooks,
    jobs,
    legacy,
    macros,
    metrics,
    pages,
    preferences,
    schedules,
    sse,
    ws,
)
from api.routes import inbound_webhooks as inbound
from api.routes import outbound_webhooks as webhooks
from api.services import running
from llmcoder.config import Config, config
from llmcoder.registry import Registry, registry
from llmcoder.version import VERSION

DESCRIPTION = """Every action is a durable job: once it was accepted it reaches an end, whatever dies meanwhile, and an
effect on the outside world happens at most once, or is called uncertain.

Register and log in under **auth**, submit under the domain's name, follow under **jobs**. `Prefer: wait=N` waits for
the outcome, `Idempotency-Key` makes a submit safe to repeat."""


class _Lifespan(Protocol):
    def __call__(self, app: FastAPI) -> AbstractAsyncContextManager[None]: ...


class Application(FastAPI):
    """FastAPI, with a short cut for the hot routes around all of its layers, and routes made when they are needed."""

    def __init__(self, lean: list[LeanRoute], deferred: list[DeferredRoutes], **options: Any) -> None:
        super().__init__(**options)
        self._deferred = deferred
        self._entrance = HotPaths(self._ordinary, lean)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = self
        await self._entrance(scope, receive, send)

    async def _ordinary(self, scope: Scope, receive: Receive, send: Send) -> None:
        for routes in self._deferred:
            if scope["type"] == "http" and routes.awaits(scope["path"]):
                await run_in_threadpool(routes.routes)
        await super().__call__(scope, receive, send)


def create_app(own: Config | None = None, known: Registry | None = None) -> FastAPI:
    """The application of this process.

    Args:
        own: The configuration; that of the process when not given.
        known: The actions; those of the process when not given.
    """
    own = own or config()
    known = known or registry()
    own.register(*known.settings())
    counted = Metrics()
    lean = actions.lean_routes(known)
    deferred: list[DeferredRoutes] = []
    app = Application(
        lean,
        deferred,
        title="LLMCoder",
        description=DESCRIPTION,
        version=VERSION,
        lifespan=_lifespan(own, known, counted),
        openapi_url=None,  # `pages` has it: not everybody sees all of it
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.router.routes.extend(lean)
    for router in (
        sse.router,  # before /jobs/{job_id}
        jobs.router,
        files.router,
        approvals.router,
        preferences.router,
        schedules.router,
        macros.router,
        macros.runs,
        macros.door,
        inbound.router,
        inbound.door,
        webhooks.router,
        connections.router,
        catalogue.router,
        auth.router,
        collections.routes_for(known),
        hooks.routes_for(known),
        configuration.router,
        audit.router,
        health.router,
        metrics.router,
        ws.router,
        pages.router,
    ):
        if isinstance(router, DeferredRoutes):
            app.router.routes.append(router)
            deferred.append(router)
        else:
            app.include_router(router)
    app.include_router(legacy.router)
    app.router.routes.append(Mount("/legacy", legacy.Lazy(known)))
    app.openapi = document.describe(app)  # type: ignore[method-assign]  # the way FastAPI's documentation gives
    _add_middleware(app, lean, counted)
    return app


def _lifespan(own: Config, known: Registry, counted: Metrics) -> _Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(own, known, counted) as services:
            app.state.services = services
            yield

    return lifespan


def _add_middleware(app: FastAPI, lean: list[LeanRoute], counted: Metrics) -> None:
    """From the inside out: what is added last sees a request first."""
    submitting = {route.path for route in lean if "GET" in route.methods}
    app.add_middleware(Limited)
    problems.install(app)
    app.add_middleware(Observed, metrics=counted)
    app.add_middleware(
        Methods, routes=app.router.routes, submits=lambda path: path in submitting or legacy.submits(path)
    )
    app.add_middleware(Cors)
