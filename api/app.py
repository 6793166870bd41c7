"""The application: every door on one FastAPI app. Importing it loads no vendor's SDK, no Celery and no Flask."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from api.http import document, problems
from api.http.bodies import unique_id
from api.http.deferred import DeferredRoutes
from api.http.edge import Cors, Limited, Methods, Observed
from api.http.lean import HotPaths, LeanRoute
from api.http.metrics_page import Metrics
from api.routes import actions, health, ws
from api.services import running
from llmcoder.config import Config, config
from llmcoder.registry import Registry, registry
from llmcoder.version import VERSION

DESCRIPTION = """Every action is a durable job: once it was accepted it reaches an end, whatever dies meanwhile, and an
effect on the outside world happens at most once, or is called uncertain.

Register and log in under **auth**, submit under the domain's name, follow under **jobs**. `Prefer: wait=N` waits for
the outcome, `Idempotency-Key` makes a submit safe to repeat."""

#: Where clients of the synchronous service go on as before.
OLD_DOOR = "/legacy"


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
    later = _later(known)
    app = Application(
        lean,
        later,
        title="LLMCoder",
        description=DESCRIPTION,
        version=VERSION,
        lifespan=_lifespan(own, known, counted),
        openapi_url=None,  # `pages` has it: not everybody sees all of it
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=unique_id,
    )
    app.router.routes.extend(lean)
    app.router.routes.extend(later)
    app.include_router(health.router)
    app.include_router(ws.router)
    app.router.routes.append(Mount(OLD_DOOR, _old_door(known)))
    app.openapi = document.describe(app)  # type: ignore[method-assign]  # the way FastAPI's documentation gives
    _add_middleware(app, lean, counted)
    return app


def _later(known: Registry) -> list[DeferredRoutes]:
    """Doors that an idle process does not load, in the order in which the OpenAPI document shows them."""

    def jobs() -> Iterable[APIRouter]:
        from api.routes import jobs, sse

        return sse.router, jobs.router  # /jobs/stream before /jobs/{job_id}

    def files() -> Iterable[APIRouter]:
        from api.routes import files

        return (files.router,)

    def approvals() -> Iterable[APIRouter]:
        from api.routes import approvals

        return (approvals.router,)

    def preferences() -> Iterable[APIRouter]:
        from api.routes import preferences

        return (preferences.router,)

    def schedules() -> Iterable[APIRouter]:
        from api.routes import schedules

        return (schedules.router,)

    def macros() -> Iterable[APIRouter]:
        from api.routes import macros

        return macros.router, macros.runs, macros.door

    def inbound_webhooks() -> Iterable[APIRouter]:
        from api.routes import inbound_webhooks

        return inbound_webhooks.router, inbound_webhooks.door

    def outbound_webhooks() -> Iterable[APIRouter]:
        from api.routes import outbound_webhooks

        return (outbound_webhooks.router,)

    def connections() -> Iterable[APIRouter]:
        from api.routes import connections

        return (connections.router,)

    def catalogue() -> Iterable[APIRouter]:
        from api.routes import catalogue

        return (catalogue.router,)

    def auth() -> Iterable[APIRouter]:
        from api.routes import auth

        return (auth.router,)

    def collections() -> Iterable[APIRouter]:
        from api.routes import collections

        return collections.routers_for(known)

    def hooks() -> Iterable[APIRouter]:
        from api.routes import hooks

        return (hooks.router_for(known),)

    def configuration() -> Iterable[APIRouter]:
        from api.routes import configuration

        return (configuration.router,)

    def audit() -> Iterable[APIRouter]:
        from api.routes import audit

        return (audit.router,)

    def metrics() -> Iterable[APIRouter]:
        from api.routes import metrics

        return (metrics.router,)

    def pages() -> Iterable[APIRouter]:
        from api.routes import pages

        return (pages.router,)

    def legacy() -> Iterable[APIRouter]:
        from api.routes import legacy

        return (legacy.router,)

    return [
        DeferredRoutes(jobs, "/jobs"),
        DeferredRoutes(files, "/files", "/jobs/*/files"),
        DeferredRoutes(approvals, "/approvals", "/jobs/*/approve", "/jobs/*/reject"),
        DeferredRoutes(preferences, "/preferences"),
        DeferredRoutes(schedules, "/schedules"),
        DeferredRoutes(macros, "/macros", "/jobs/*/steps"),
        DeferredRoutes(inbound_webhooks, "/hooks"),
        DeferredRoutes(outbound_webhooks, "/webhooks"),
        DeferredRoutes(connections, "/connections"),
        DeferredRoutes(catalogue, "/actions"),
        DeferredRoutes(auth, "/auth"),
        DeferredRoutes(collections, *(f"/{path}" for path in known.collection_paths())),
        DeferredRoutes(hooks, *(f"/{path}" for path in known.hook_paths())),
        DeferredRoutes(configuration, "/config"),
        DeferredRoutes(audit, "/audit"),
        DeferredRoutes(metrics, "/metrics"),
        DeferredRoutes(pages, "/", "/docs", "/openapi.json"),
        DeferredRoutes(legacy, OLD_DOOR),
    ]


def _old_door(known: Registry) -> ASGIApp:
    """What remains of the synchronous service, loaded when an old client comes."""
    found: list[ASGIApp] = []

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        from api.routes.legacy import Lazy

        if not found:
            found.append(Lazy(known))
        await found[0](scope, receive, send)

    return answer


def _submits_by_get(path: str) -> bool:
    """Whether a GET of that path, at the old door, makes a job."""
    return path.startswith(OLD_DOOR + "/") and path != OLD_DOOR + "/"


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
        Methods, routes=app.router.routes, submits=lambda path: path in submitting or _submits_by_get(path)
    )
    app.add_middleware(Cors)
