"""Addresses of the old, synchronous service, for clients that cannot be changed: they get what they used to get.

`/legacy/<domain>/<verb>` is the same door as `/<domain>/<verb>`: same token, same limits, same approval, a durable job.
But it waits for the end, and answers with the bare result. What takes longer, or waits for a person, is answered with
202 and the address of its job. The waiting is done by the event loop, as every long poll is: it costs no thread. A
client that goes away leaves its job running.

What else stands below /legacy, the list of the old addresses and the refusals, is a Flask application, which is loaded
with the first request that comes there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Header
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response as Answer
from starlette.types import ASGIApp, Receive, Scope, Send

from api.auth.identity import Identity, current
from api.http.bodies import Router
from api.http.job_view import problems
from api.http.lean import JsonBytes, asked
from api.http.prefer import LONGEST_WAIT_S, read_prefer
from api.http.problems import problem
from api.routes.actions import JOB, Key, json_body
from api.services import Services, services_of
from api.submission import Given, accept, input_of_body, input_of_query, prepare
from engine.idempotency import checked_key
from llmcoder import strict_json
from llmcoder.declare.action import Effect
from llmcoder.errors import ActionError, Uncertain, Unreadable, problem_type
from llmcoder.logger import get_logger
from llmcoder.registry import AnyAction, Registry
from llmcoder.states import Reason, State
from models.jobs.store import Accepted, Job

if TYPE_CHECKING:
    from flask import Flask, Response

#: As long as an old client waited for an answer before it gave up.
WAIT_S = 30
THREADS = 2
DEFECT = "This is a defect of the service; its log has more."
#: A job that waits for one of these waits for a person, so its client need not.
FOR_A_PERSON = frozenset({Reason.APPROVAL, Reason.RECONNECT, Reason.CALL})
#: What happened, or may have, whatever its job is: a run has the error of its step.
NOT_AGAIN = frozenset(map(problem_type, (Uncertain.slug, Unreadable.slug, "after-effect")))
#: Kinds of problem that are nobody's error but ours.
DEFECTS = frozenset(map(problem_type, ("defect", "out-of-memory", "worker-lost")))
#: What failed for a reason that this process does not know: a domain's own.
REFUSED = 409

log = get_logger(__name__)

router = Router(prefix="/legacy", tags=["legacy"])
Caller = Annotated[Identity, Depends(current)]
Preference = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description=f"`wait=N` waits up to N seconds (at most {LONGEST_WAIT_S}) instead of {WAIT_S}.",
    ),
]
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bare result.", "content": {"application/json": {"schema": {}}}},
    202: {"description": "It takes longer, or waits for a person; `Location` is its job.", "content": JOB},
    **problems(400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 503, 504),
}
BODY = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
QUERY = {
    "parameters": [
        {
            "name": "input", "in": "query", "style": "form", "explode": True,
            "description": "The fields of the input, each as a parameter.",
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        }
    ]
}  # fmt: skip


@router.post("/{domain}/{verb}", response_model=None, responses=ANSWERS, openapi_extra=BODY)
async def run_as_before(
    request: Request, who: Caller, domain: str, verb: str, key: Key = None, prefer: Preference = None
) -> Answer:
    """Run an action and wait for its result, as the synchronous service did; the body is its input."""
    services = services_of(request)
    action = await services.action(f"{domain}.{verb}")
    given = await input_of_body(services, who, action, await json_body(asked(request.scope, request.receive)))
    return await _result(request, who, action, given, checked_key(key), prefer)


@router.get("/{domain}/{verb}", response_model=None, responses=ANSWERS, openapi_extra=QUERY)
async def read_as_before(
    request: Request, who: Caller, domain: str, verb: str, key: Key = None, prefer: Preference = None
) -> Answer:
    """Run an action that only reads, and wait for its result; the query is its input."""
    services = services_of(request)
    action = await services.action(f"{domain}.{verb}")
    if action.effect is not Effect.READ:
        await prepare(services, who, action)
        raise HTTPException(405, f"{action.name} does more than to read: send its input with POST.")
    given = await input_of_query(services, who, action, request.scope["query_string"])
    return await _result(request, who, action, given, checked_key(key), prefer)


async def _result(
    request: Request, who: Identity, action: AnyAction, given: Given, key: str | None, prefer: str | None
) -> Answer:
    services, preferred = services_of(request), read_prefer(prefer)
    accepted = await accept(services, who, action, given, door="legacy", key=key, waits=not preferred.respond_async)
    wait_s = WAIT_S if preferred.wait_s is None else preferred.wait_s
    job = await _after_waiting(request, services, accepted.job, 0 if preferred.respond_async else wait_s)
    return _answer_of(job, accepted)


async def _after_waiting(request: Request, services: Services, job: Job, wait_s: float) -> Job:
    """The job as it stands when there is nothing to wait for any more.

    Raises:
        ClientDisconnect: Nobody waits for the answer any more; the job goes on.
    """
    if wait_s <= 0 or _is_settled(job):
        return job
    waited_from = time.monotonic()
    waiting = asyncio.ensure_future(services.hub.wait(job, _is_settled, wait_s))
    leaving = asyncio.ensure_future(_client_gone(request))
    try:
        await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            raise ClientDisconnect
        return waiting.result()
    finally:
        for task in (waiting, leaving):
            task.cancel()
        await asyncio.gather(waiting, leaving, return_exceptions=True)
        services.metrics.waited(time.monotonic() - waited_from)


async def _client_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _is_settled(job: Job) -> bool:
    return job.ended or (job.state == State.WAITING and job.reason in FOR_A_PERSON)


def _answer_of(job: Job, accepted: Accepted) -> Answer:
    headers = {"location": f"/jobs/{job.id}"} | ({"idempotent-replayed": "true"} if accepted.replayed else {})
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    if job.state == State.SUCCEEDED:
        return JsonBytes((job.result or "null").encode(), 200, *raw)
    if not job.ended:
        return JsonBytes(job.as_json(), 202, *raw)
    error = strict_json.read_lenient(job.error) if job.error else _unexplained(job)
    status = _status_of(job, error)
    kind = str(error.get("type", "")).rpartition(":")[2]
    title, detail = str(error.get("title", "It failed")), str(error.get("detail", ""))
    return problem(status, kind, title, detail, headers, instance=f"/jobs/{job.id}")


def _unexplained(job: Job) -> dict[str, Any]:
    detail = f"The job ended as {job.state}. GET /jobs/{job.id}/explain says more."
    return {"type": problem_type(str(job.state)), "title": f"The job is {job.state}", "detail": detail}


def _status_of(job: Job, error: dict[str, Any]) -> int:
    """That of the error's kind. What happened, or may have, is a conflict: an old client tries again after any 5xx."""
    kind = error.get("type")
    if job.state == State.UNCERTAIN or job.reason == Reason.AFTER_EFFECT or kind in NOT_AGAIN:
        return REFUSED
    if kind in DEFECTS:
        return 500
    return next((one.status for one in _kinds(ActionError) if problem_type(one.slug) == kind), REFUSED)


def _kinds(kind: type[ActionError]) -> Iterator[type[ActionError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from _kinds(one)


class Lazy:
    """ASGI: becomes the Flask application when it is first asked for something."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            from a2wsgi import WSGIMiddleware

            self._app = WSGIMiddleware(flask_app(self._registry), workers=THREADS)  # type: ignore[arg-type,assignment]
        assert self._app is not None
        await self._app(scope, receive, send)


def flask_app(registry: Registry) -> Flask:
    """The application; its addresses are relative to where it is mounted."""
    from flask import Flask, jsonify, request
    from werkzeug.exceptions import HTTPException as Refusal

    app = Flask("legacy", static_folder=None)

    @app.get("/")
    def index() -> Response:
        offered = [name for name, one in registry.facts.items() if not one.administrators_only]
        routes = {f"/legacy/{name.replace('.', '/')}": f"/{name.replace('.', '/')}" for name in offered}
        detail = "Each of these waits for the result; the address beside it answers at once, with a job."
        return jsonify(detail=detail, moved=routes)

    @app.post("/<domain>/<verb>")
    def elsewhere(domain: str, verb: str) -> Response:
        """Never asked, since the routes above come first; any other method is so answered with 405 and not with 404."""
        raise NotImplementedError(f"{domain}.{verb}")

    @app.errorhandler(Refusal)
    def refused(error: Refusal) -> Any:
        if error.code is None or error.code < 400:  # a redirect is raised, too
            return error
        return answer(error.code, {"title": error.name, "detail": error.description}, _slug(error.name))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        """Flask would answer with a page."""
        log.exception("unexpected error", method=request.method, path=request.path)
        return answer(500, {"title": "Something went wrong here", "detail": DEFECT}, "internal")

    def answer(status: int, body: dict[str, Any], slug: str | None = None) -> Response:
        kind = {"type": problem_type(slug)} if slug else {}
        said = jsonify(kind | body | {"status": status})
        said.status_code = status
        said.mimetype = "application/problem+json"
        return said

    return app


def _slug(name: str) -> str:
    return name.lower().replace(" ", "-")
