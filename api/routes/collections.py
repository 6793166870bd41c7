"""The doors of collections: list, add, show, change, remove, made from their declarations.

A user meets only their own records; another's id is as unknown as one that never was. A change goes through the same
admission as the action that stands for it: what nothing holds back is done at once, anything else becomes its job.
"""

# No `from __future__ import annotations` here: models in the signatures below are variables, and FastAPI could not find
# them again by name.

import time
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field, create_model

from api.auth.identity import Identity, current
from api.http.bodies import Router
from api.http.document import FOR_ADMINISTRATORS
from api.http.job_view import problems
from api.routes.actions import JOB, Key
from api.services import Services, services_of
from engine import local_door as door
from engine.administrators import refuse_others
from engine.admission import JobSubmission, look, new_job
from engine.idempotency import checked_key, fingerprint
from llmcoder import strict_json
from llmcoder.declare.collection import Page
from llmcoder.declare.cursor import Cursor
from llmcoder.declare.filter import Number
from llmcoder.errors import ActionError, BadInput, Forbidden, NotFound, Refused, problem_type
from llmcoder.model import Model
from llmcoder.registry import AnyAction, AnyCollection, Registry
from llmcoder.states import State
from models.jobs import store as jobs
from models.jobs.approvals import Origin
from models.jobs.store import Accepted, Job

Caller = Annotated[Identity, Depends(current)]

NO_SUCH = problems(404)
#: What a route says of a change that became a job.
WAITS = {
    202: {
        "description": "It waits, for a person's approval or in the undo window; `Location` is the job's address.",
        "content": JOB,
    },
    **problems(403, 422),
}
#: A change that is named by a key is its job from the start; a person in person is answered with what it came to.
WAIT_S = 10.0
LOOK_EVERY_S = 0.05
#: In which error a change that became a job ended, for whoever waited for it.
ENDINGS: dict[str, type[ActionError]] = {problem_type(kind.slug): kind for kind in (NotFound, BadInput)}


class PageQuery(Model):
    """Which part of a list."""

    limit: Number = Field(50, ge=1, le=200, description="Most records to return.")
    cursor: Cursor | None = Field(
        None,
        description="`next` of the page before, with the same filter and sort; left out, the first page.",
    )


def routers_for(registry: Registry) -> Iterator[APIRouter]:
    """One for each collection. The handlers are plain functions, so that FastAPI runs their SQL in threads.

    None is included in another: of such a route FastAPI makes a second one, without what `StrictRoute` has set.
    """
    for collection in registry.collections():
        own = Router(prefix=f"/{collection.path}", tags=[collection.domain])
        for add_reading in (_add_list, _add_show):
            add_reading(own, collection)
        if collection.only_read:
            yield own
            continue
        for add_changing in (_add_addition, _add_change, _add_removal):
            add_changing(own, collection, registry)
        yield own


@cache
def _asked(filter_of: type[BaseModel]) -> Any:
    """Made once: FastAPI and pydantic keep every model that they have met."""
    return create_model(f"{filter_of.__name__}Query", __base__=(PageQuery, filter_of))


def _add_list(router: APIRouter, collection: AnyCollection) -> None:
    page: Any = Page[collection.item]  # type: ignore[name-defined]  # pydantic makes the class at runtime
    query_of: Any = Annotated[_asked(collection.filter), Query()]

    @router.get("", response_model=page, **_named(collection, "list"))
    def list_records(who: Caller, query: query_of) -> Any:
        """Your records: those that fulfil all that is asked for, newest first where nothing else is."""
        return collection.store.page(who.user_id, query.cursor, query.limit, query)


def _add_addition(router: APIRouter, collection: AnyCollection, registry: Registry) -> None:
    new: Any = collection.new
    item = collection.item
    about = _named(collection, "add") | _for(collection.adds)

    @router.post("", status_code=201, response_model=item, responses=WAITS, **about)
    def add_record(request: Request, who: Caller, body: new, response: Response, key: Key = None) -> Any:
        """Keep a new record; `Location` is its address."""
        job = _waiting(request, registry, who, collection.adds, body, key)
        if job is None:
            added = collection.changeable.add(who.user_id, body)
        elif (result := _result_of(job)) is None:
            return _of_job(job)
        else:
            added = item.model_validate(result)
        response.headers["location"] = f"/{collection.path}/{added.id}"
        return added


def _add_show(router: APIRouter, collection: AnyCollection) -> None:
    @router.get("/{record_id}", response_model=collection.item, responses=NO_SUCH, **_named(collection, "show"))
    def show_record(who: Caller, record_id: UUID) -> Any:
        """One of your records."""
        return _there(collection, record_id, collection.store.get(who.user_id, record_id))


def _add_change(router: APIRouter, collection: AnyCollection, registry: Registry) -> None:
    change: Any = collection.change
    about = _named(collection, "change") | _for(collection.changes)

    @router.patch("/{record_id}", response_model=collection.item, responses=NO_SUCH | WAITS, **about)
    def change_record(request: Request, who: Caller, record_id: UUID, body: change, key: Key = None) -> Any:
        """Set the given fields of a record; those left out stay."""
        _must_be_there(collection, who, record_id)
        given = None if collection.changes is None else collection.change_of(record_id, body)
        job = _waiting(request, registry, who, collection.changes, given, key)
        if job is None:
            return _there(collection, record_id, collection.changeable.change(who.user_id, record_id, body))
        result = _result_of(job)
        return _of_job(job) if result is None else collection.item.model_validate(result)


def _add_removal(router: APIRouter, collection: AnyCollection, registry: Registry) -> None:
    about = _named(collection, "remove") | _for(collection.removes)

    @router.delete("/{record_id}", status_code=204, response_model=None, responses=NO_SUCH | WAITS, **about)
    def remove_record(request: Request, who: Caller, record_id: UUID, key: Key = None) -> Response | None:
        """Delete a record for good."""
        if not _came_before(request, who, key):  # sent again, it is gone already
            _must_be_there(collection, who, record_id)
        given = None if collection.removes is None else collection.removal_of(record_id)
        job = _waiting(request, registry, who, collection.removes, given, key)
        if job is None:
            _there(collection, record_id, collection.changeable.remove(who.user_id, record_id) or None)
        elif (result := _result_of(job)) is None:
            return _of_job(job)
        else:
            _there(collection, record_id, result.get("removed") or None)
        return None


# --- what must wait


def _waiting(
    request: Request, registry: Registry, who: Identity, action: AnyAction | None, given: BaseModel | None,
    key: str | None,
) -> Job | None:  # fmt: skip
    """The job that a change becomes; None where its user, in person, may make it at once.

    Raises:
        Forbidden: No action stands for it, and it is not the user in person who asks.
        BadInput: The key came with another change before.
    """
    key = checked_key(key)
    if action is None or given is None:
        if who.origin is not Origin.PERSON:
            raise Forbidden("Only the user in person changes these, not an agent with a token of its own.")
        return None
    services = services_of(request)
    text = given.model_dump_json(by_alias=True)
    named = None if key is None else fingerprint(action.name, text, None, None)
    submission = JobSubmission(who.user_id, action, text, who.origin, key=key, fingerprint=named)
    if who.origin is Origin.PERSON and key is None and _may_be_done(services, registry, submission):
        return None
    accepted = door.submit(services.db, services.outbox, registry, submission)
    return _after_waiting(services, accepted) if who.origin is Origin.PERSON else accepted.job


def _may_be_done(services: Services, registry: Registry, submission: JobSubmission) -> bool:
    with services.db.read() as conn:
        standing = look(conn, submission, registry, services.db.now())
    job = new_job(submission, standing, services.db.now())
    return job.approval_expires_at is None and not job.held_s


def _after_waiting(services: Services, accepted: Accepted) -> Job:
    """The job, as soon as it has ended, if it only waits for a worker."""
    job, until = accepted.job, time.monotonic() + WAIT_S
    while job.state in (State.QUEUED, State.RUNNING) and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
        with services.db.read() as conn:
            job = jobs.get(conn, job.user_id, job.id) or job
    return job


def _result_of(job: Job) -> Any:
    """What a job came to; None where it has not ended, or a person must look at it.

    Raises:
        ActionError: It failed.
    """
    if job.state == State.FAILED:
        error = strict_json.read_lenient(job.error or "{}")
        raise ENDINGS.get(error.get("type", ""), Refused)(error.get("detail", "It failed."))
    return strict_json.read_lenient(job.result) if job.state == State.SUCCEEDED and job.result is not None else None


def _of_job(job: Job) -> Response:
    return Response(job.as_json(), 202, {"location": f"/jobs/{job.id}"}, "application/json")


def _came_before(request: Request, who: Identity, key: str | None) -> bool:
    if key is None:
        return False
    with services_of(request).db.read() as conn:
        return jobs.is_key_known(conn, who.user_id, key)


def _must_be_there(collection: AnyCollection, who: Identity, record_id: UUID) -> None:
    """Said at once, as ever, rather than by a job that somebody approved for nothing."""
    if collection.store.get(who.user_id, record_id) is None:
        _there(collection, record_id, None)


def _there(collection: AnyCollection, record_id: UUID, found: Any) -> Any:
    if found is None:
        raise NotFound(f"There is no {record_id} in your {collection.title.lower()}.")
    return found


def _for(action: AnyAction | None) -> dict[str, Any]:
    """What a route of an action says that is for administrators only: it refuses before it reads the body."""
    if action is None or not action.administrators_only:
        return {}

    async def refuse(request: Request, who: Caller) -> None:
        await services_of(request).sql.read(refuse_others, action, who.user_id, who.origin)

    return {"dependencies": [Depends(refuse)], "openapi_extra": FOR_ADMINISTRATORS}


def _named(collection: AnyCollection, verb: str) -> dict[str, Any]:
    """How the route is called in the OpenAPI document and in clients generated from it."""
    operation_id = f"{verb}_{collection.domain}_{collection.nouns}"
    return {"summary": f"{collection.title}: {verb}", "operation_id": operation_id}
