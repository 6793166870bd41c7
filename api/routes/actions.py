"""The doors of actions, made from the registry: `POST /<domain>/<verb>`, `GET` too for reads, and `POST /jobs`."""

# No `from __future__ import annotations` here: models in the signatures below are variables, and FastAPI could not find
# them again by name.

import time
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import Body, Depends, Header, Query
from fastapi.routing import APIRoute
from pydantic import Field, JsonValue
from starlette.responses import Response

from api.auth.identity import Identity, bearer, current
from api.http.document import FOR_ADMINISTRATORS
from api.http.job_view import problems
from api.http.lean import JsonBytes, LeanRequest, LeanRoute, read_body
from api.http.prefer import LONGEST_WAIT_S, Prefer, read_prefer
from api.http.problems import HttpError
from api.services import Services
from api.submission import AWAITED, MOST_SOURCES, accept, input_of_body, input_of_object, input_of_query, read_model
from engine.idempotency import checked_key
from llmcoder.declare.action import Effect
from llmcoder.instants import Instant
from llmcoder.manifest import ActionFacts
from llmcoder.model import Model
from llmcoder.registry import AnyAction, Registry
from models.jobs.store import PRIORITY, Accepted, Job

#: A read that is asked for by GET is waited for this long unless the caller prefers otherwise.
READ_WAIT_S = 10


class Submission(Model):
    """A job for any action."""

    action: str = Field(description="Name of the action; GET /actions lists them.", examples=["document.summarize"])
    input: dict[str, JsonValue] = Field(
        default_factory=dict, description="What the action takes; its schema is in GET /actions/{name}."
    )
    due_at: Instant | None = Field(None, description="Do not run before this instant; at once when left out.")
    priority: int | None = Field(
        None,
        ge=0,
        le=9,
        description=f"0 runs first, 9 last; {PRIORITY}, or {AWAITED} with `Prefer: wait`, when left out.",
    )
    derived_from: list[UUID] = Field(
        default_factory=list,
        max_length=MOST_SOURCES,
        description="Jobs whose results this input was made of, where it does not say so itself with references "
        'such as {"$ref": "/jobs/<id>#/result/text"}. Untrusted content makes a write wait for approval.',
    )


class UnreadType(HttpError):
    """The body says that it is something else than JSON."""

    slug, title, status = "unsupported-media-type", "The body is not JSON", 415


#: Printable ASCII, as `checked_key` wants it; what stands around it is not part of a header's value.
PRINTABLE = r"^[!-~]([ -~]*[!-~])?$"
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=255, pattern=PRINTABLE,
        description="Names this submission: sent again with the same key, it is the same job.",
    ),
]  # fmt: skip
Preference = Annotated[
    str | None,
    Header(alias="Prefer", description=f"`wait=N` waits up to N seconds (at most {LONGEST_WAIT_S}) for the outcome."),
]
Caller = Annotated[Identity, Depends(current)]

JOB = {"application/json": {"schema": {"$ref": "#/components/schemas/JobView"}}}
ENDED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The job, ended within the time that the caller wanted to wait.", "content": JOB}
}
ACCEPTED: dict[str, Any] = {
    "status_code": 202,
    "response_description": "The job was accepted; `Location` is its address.",
}


def lean_routes(registry: Registry) -> list[LeanRoute]:
    """Every route by which a job is submitted. To make them loads no action."""
    routes = [_any_action()]
    for facts in registry.facts.values():
        routes.append(_by_post(registry, facts))
        if facts.effect is Effect.READ:
            routes.append(_by_get(registry, facts))
    return routes


# --- routes


def _by_post(registry: Registry, facts: ActionFacts) -> LeanRoute:
    async def answer(request: LeanRequest) -> Response:
        services, who = await _caller(request)
        action = await services.action(facts.name)
        given = await input_of_body(services, who, action, await json_body(request))
        key = checked_key(request.header(b"idempotency-key"))
        prefer = read_prefer(request.header(b"prefer"))
        accepted = await accept(services, who, action, given, door="action", key=key, waits=prefer.waits)
        return await _answer(services, accepted, prefer)

    def described() -> APIRoute:
        action = registry[facts.name]
        examples: Any = {"example": {"value": action.example}} if action.example else None
        given: Any = Annotated[action.input, Body(openapi_examples=examples)]

        async def documented(body: given, who: Caller, key: Key = None, prefer: Preference = None) -> Any: ...

        return _described(action, "POST", documented)

    return LeanRoute(f"/{facts.domain}/{facts.verb}", "POST", facts.name, answer, described)


def _by_get(registry: Registry, facts: ActionFacts) -> LeanRoute:
    async def answer(request: LeanRequest) -> Response:
        services, who = await _caller(request)
        action = await services.action(facts.name)
        given = await input_of_query(services, who, action, request.query)
        key = checked_key(request.header(b"idempotency-key"))
        prefer = read_prefer(request.header(b"prefer"))
        waits = not prefer.respond_async
        accepted = await accept(services, who, action, given, door="action", key=key, waits=waits)
        if prefer.wait_s is None and not prefer.respond_async:
            return await _answer(services, accepted, Prefer(wait_s=READ_WAIT_S), applied=False)
        return await _answer(services, accepted, prefer)

    def described() -> APIRoute:
        action = registry[facts.name]
        given: Any = Annotated[action.input, Query()]

        async def documented(query: given, who: Caller, key: Key = None, prefer: Preference = None) -> Any: ...

        return _described(action, "GET", documented)

    return LeanRoute(f"/{facts.domain}/{facts.verb}", "GET", facts.name, answer, described)


def _any_action() -> LeanRoute:
    async def documented(body: Submission, who: Caller, key: Key = None, prefer: Preference = None) -> Any: ...

    async def answer(request: LeanRequest) -> Response:
        services, who = await _caller(request)
        wanted = read_model(Submission, await json_body(request))
        action = await services.action(wanted.action)
        given = await input_of_object(services, who, action, dict(wanted.input), wanted.derived_from, "body", "input")
        key = checked_key(request.header(b"idempotency-key"))
        prefer = read_prefer(request.header(b"prefer"))
        accepted = await accept(
            services, who, action, given, door="jobs", key=key, due_at=wanted.due_at, priority=wanted.priority,
            waits=prefer.waits,
        )  # fmt: skip
        return await _answer(services, accepted, prefer)

    def described() -> APIRoute:
        from engine.views.jobs import JobView

        return APIRoute(
            "/jobs",
            documented,
            response_model=JobView,
            methods=["POST"],
            operation_id="submit_job",
            summary="Submit a job for any action.",
            tags=["jobs"],
            responses=ENDED | problems(400, 401, 403, 404, 409, 413, 415, 422, 503),
            **ACCEPTED,
        )

    return LeanRoute("/jobs", "POST", "submit_job", answer, described)


def _described(action: AnyAction, method: str, documented: Callable[..., Any]) -> APIRoute:
    from engine.views.jobs import JobView

    refusals = (403,) if action.administrators_only else ()
    return APIRoute(
        f"/{action.domain}/{action.verb}",
        documented,
        response_model=JobView,
        methods=[method],
        operation_id=f"{action.domain}_{action.verb}" + ("_by_get" if method == "GET" else ""),
        name=action.name,
        summary=action.summary,
        description=action.description,
        tags=[action.domain],
        responses=ENDED | problems(400, 401, *refusals, 409, 413, 415, 422, 503),
        openapi_extra=FOR_ADMINISTRATORS if action.administrators_only else None,
        **ACCEPTED,
    )


# --- what they share


async def _caller(request: LeanRequest) -> tuple[Services, Identity]:
    identities = request.services.identities
    token = bearer(request.header(b"authorization") or "")
    return request.services, identities.known(token) or await identities.authenticate(token)


async def json_body(request: LeanRequest) -> bytes:
    """The body as it came.

    Raises:
        UnreadType: The client says that it is no JSON.
    """
    kind = request.headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    if kind != b"application/json" and not kind.endswith(b"+json"):
        raise UnreadType("Send the input as JSON, with `Content-Type: application/json`.")
    return await read_body(request.receive)


async def _answer(services: Services, accepted: Accepted, prefer: Prefer, *, applied: bool = True) -> Response:
    """The job, after waiting for its end as long as the caller wants.

    Args:
        applied: Whether it was the caller who said how long.
    """
    job = accepted.job
    headers = [(b"location", b"/jobs/%b" % str(job.id).encode())]
    if accepted.replayed:
        headers.append((b"idempotent-replayed", b"true"))
    if prefer.wait_s is None or prefer.respond_async:
        if prefer.respond_async:
            headers.append((b"preference-applied", b"respond-async"))
        return JsonBytes(job.as_json(), 202, *headers)
    if applied:
        headers.append((b"preference-applied", b"wait=%d" % prefer.wait_s))
    waited_from = time.monotonic()
    job = await services.hub.wait(job, has_ended, prefer.wait_s)
    services.metrics.waited(time.monotonic() - waited_from)
    return JsonBytes(job.as_json(), 200 if job.ended else 202, *headers)


def has_ended(job: Job) -> bool:
    return job.ended
