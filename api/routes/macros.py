"""The doors of macros: documents of steps that are kept by name, in versions, and what a run of one has come to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Query, Request, Response
from fastapi import Path as PathParameter
from pydantic import BaseModel, Field, JsonValue
from starlette.concurrency import run_in_threadpool

from api.auth.identity import Identity, current, person
from api.http.bodies import YAML, Router, YamlRoute
from api.http.job_view import problems
from api.routes.hooks import first_headers, read_body
from api.services import services_of
from engine import macro_library
from engine.commands import find
from engine.inbound_call import LARGEST_CALL_BYTES, InboundCall, payload_of
from engine.submitter import refuse_too_large
from engine.views.macros import MacroView, macro_of, macro_view
from llmcoder import strict_json
from llmcoder.errors import BadInput, NotFound
from llmcoder.signatures import Forged
from models.jobs.approvals import Origin
from models.macros import store
from models.macros.document import Macro
from models.macros.progress import WHOLE, StepState
from models.macros.store import StoredMacro
from models.macros.text import to_yaml

MOST_STEPS_SHOWN = 1_000
MOST_VERSION = 2**31 - 1

router = Router(prefix="/macros", tags=["macros"], responses=problems(401, 422, 503), route_class=YamlRoute)
door = Router(prefix="/macros/runs", tags=["macros"], responses=problems(403, 404, 413, 422, 503))
runs = Router(prefix="/jobs", tags=["macros"], responses=problems(401, 422, 503))
Caller = Annotated[Identity, Depends(current)]
Person = Annotated[Identity, Depends(person)]
Version = Annotated[int | None, Query(ge=1, le=MOST_VERSION, description="Which version; the newest when left out.")]
_DOCUMENT = {"requestBody": {"content": {YAML[0]: {"schema": {"$ref": "#/components/schemas/Macro"}}}}}


class MacroSummary(BaseModel):
    """One macro, without its steps."""

    id: UUID
    name: str
    description: str
    steps: int = Field(description="How many.")
    version: int = Field(description="The newest.")
    created_at: datetime
    updated_at: datetime


class MacroPage(BaseModel):
    """Your macros, newest first."""

    items: list[MacroSummary]
    next: UUID | None = Field(description="`cursor` of the page after this one; null on the last page.")


class MacroVersion(BaseModel):
    """One version of a macro."""

    version: int
    created_at: datetime


class MacroVersions(BaseModel):
    """Versions, the newest first."""

    items: list[MacroVersion]
    next: int | None = Field(description="`cursor` of the page after this one; null on the last page.")


class StepView(BaseModel):
    """What one step of a run, or one item of its foreach, has come to."""

    step: str
    item: int | None = Field(description="Its place in the foreach; null for the step as a whole.")
    state: StepState
    job_id: UUID | None = Field(description="The job that did it, or does; null where it needed none.")
    deadline_at: datetime | None = Field(description="When it will be cancelled.")
    error: dict[str, JsonValue] | None = Field(description="Why it failed, or was skipped.")
    address: str | None = Field(description="Of one that waits for a call from outside: where to POST to.")


class StepCalled(BaseModel):
    """That a call was taken."""

    repeated: bool = Field(description="Whether the step was called before, and this call counts for nothing.")


class StepPage(BaseModel):
    """Steps of a run by name; those that it has not come to yet are not among them."""

    items: list[StepView]
    next: str | None = Field(description="`cursor` of the page after this one; null on the last page.")


# --- documents


@router.get("")
async def list_macros(
    request: Request,
    who: Caller,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most macros to return.")] = 50,
) -> MacroPage:
    """Your macros, newest first."""
    found = await services_of(request).sql.read(store.listed, who.user_id, cursor, limit + 1)
    following = found[limit - 1].id if len(found) > limit else None
    return MacroPage(items=[_summary(one) for one in found[:limit]], next=following)


@router.post("", status_code=201, responses=problems(403, 409), openapi_extra=_DOCUMENT)
async def add_macro(request: Request, response: Response, who: Person, macro: Macro) -> MacroView:
    """Keep a macro, written as JSON or YAML. What cannot run is refused, with the step and the reason."""
    services = services_of(request)
    now = services.db.now()
    added = await services.sql.write(macro_library.add, services.registry, who.user_id, macro, now)
    response.headers["location"] = f"/macros/{added.id}"
    return macro_view(added)


@router.get("/schema")
async def show_schema(_who: Caller) -> dict[str, JsonValue]:
    """The JSON schema of a macro, for editors."""
    return Macro.model_json_schema(by_alias=True)


@router.get("/{macro_id:uuid}", responses=problems(404))
async def show_macro(request: Request, who: Caller, macro_id: UUID, version: Version = None) -> MacroView:
    """One of your macros, in its newest version or a given one."""
    return macro_view(await services_of(request).sql.read(macro_library.find, who.user_id, macro_id, version))


@router.put("/{macro_id:uuid}", responses=problems(403, 404, 409, 412), openapi_extra=_DOCUMENT)
async def replace_macro(
    request: Request,
    who: Person,
    macro_id: UUID,
    macro: Macro,
    seen: Annotated[
        int | None, Query(ge=1, le=MOST_VERSION, description="The version yours was made from; 412 if it is older.")
    ] = None,
) -> MacroView:
    """Keep a new version. Runs go on by the one that they began with."""
    services = services_of(request)
    now = services.db.now()
    wanted = who.user_id, macro_id, macro, seen, now
    return macro_view(await services.sql.write(macro_library.replace, services.registry, *wanted))


@router.delete("/{macro_id:uuid}", status_code=204, responses=problems(403, 404))
async def remove_macro(request: Request, who: Person, macro_id: UUID) -> None:
    """Remove a macro with all its versions; runs go on."""
    services = services_of(request)
    await services.sql.write(macro_library.remove, who.user_id, macro_id, services.db.now())


@router.get("/{macro_id:uuid}/versions", responses=problems(404))
async def list_versions(
    request: Request,
    who: Caller,
    macro_id: UUID,
    cursor: Annotated[int | None, Query(ge=1, le=MOST_VERSION, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Most versions to return.")] = 50,
) -> MacroVersions:
    """The versions of a macro, the newest first."""

    def read(conn: sa.Connection) -> list[tuple[int, datetime]]:
        macro_library.find(conn, who.user_id, macro_id)
        return store.versions(conn, macro_id, cursor, limit + 1)

    found = await services_of(request).sql.read(read)
    items = [MacroVersion(version=version, created_at=at) for version, at in found[:limit]]
    return MacroVersions(items=items, next=items[-1].version if len(found) > limit else None)


@router.get(
    "/{macro_id:uuid}/export",
    response_class=Response,
    responses=problems(404) | {200: {"content": {YAML[0]: {"schema": {"type": "string"}}}}},
)
async def export_macro(request: Request, who: Caller, macro_id: UUID, version: Version = None) -> Response:
    """A macro as YAML, to be kept elsewhere or added by another user: POST it to /macros."""
    found = await services_of(request).sql.read(macro_library.find, who.user_id, macro_id, version)
    headers = {"content-disposition": f'attachment; filename="macro-{found.id}-{found.version}.yaml"'}
    return Response(to_yaml(macro_of(found)), headers=headers, media_type=YAML[0])


# --- runs


@runs.get("/{job_id}/steps", responses=problems(404))
async def list_steps(
    request: Request,
    who: Caller,
    job_id: UUID,
    cursor: Annotated[str | None, Query(max_length=80, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_STEPS_SHOWN, description="Most steps to return.")] = 200,
) -> StepPage:
    """What the steps of a macro's run have come to, by step and item."""
    services = services_of(request)

    def read(conn: sa.Connection) -> tuple[list[Any], dict[str, str]]:
        find(conn, who.user_id, job_id)
        addresses = store.addresses(conn, job_id, services.settings().reached_at)
        if addresses is None:
            raise NotFound(f"Job {job_id} is no run of a macro, so it has no steps.")
        if who.origin is not Origin.PERSON:
            addresses = {}  # whoever has one may call it, and an agent does nothing without a person
        return store.steps_page(conn, job_id, _place(cursor), limit + 1), addresses

    found, addresses = await services.sql.read(read)
    items = [_step(addresses, row) for row in found[:limit]]
    return StepPage(items=items, next=f"{found[limit - 1][0]}:{found[limit - 1][1]}" if len(found) > limit else None)


@door.post("/{run_id:uuid}/{step}/{secret}", status_code=202)
async def call_step(
    request: Request,
    run_id: UUID,
    step: Annotated[str, PathParameter(max_length=60, description="Which step.")],
    secret: Annotated[str, PathParameter(max_length=64, description="The end of its address.")],
) -> StepCalled:
    """Called by whoever was given the address of a step that waits for it; it takes no token.

    The body becomes the step's result, as untrusted content. The first call counts.
    """
    services = services_of(request)
    call = InboundCall(first_headers(request), await read_body(request, LARGEST_CALL_BYTES))
    now = services.db.now()

    def proven(conn: sa.Connection) -> None:
        if not store.called(conn, run_id, step, secret):
            raise Forged

    def keep(conn: sa.Connection) -> bool:
        proven(conn)
        return store.keep_call(conn, run_id, step, result, now)

    await services.sql.read(proven)
    result = {"payload": await run_in_threadpool(payload_of, call)}  # not while everybody who writes waits
    refuse_too_large(strict_json.write(result), services.settings().max_input_bytes)
    return StepCalled(repeated=not await services.sql.write(keep))


# --- what they share


def _summary(one: StoredMacro) -> MacroSummary:
    macro = macro_of(one)
    return MacroSummary(
        id=one.id,
        name=one.name,
        description=macro.description,
        steps=len(macro.steps),
        version=one.version,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


def _place(cursor: str | None) -> tuple[str, int] | None:
    if cursor is None:
        return None
    step, _, item = cursor.partition(":")
    try:
        place = step, int(item)
    except ValueError:
        raise BadInput(f"cursor: {cursor!r} is no `next` of a page of steps.") from None
    if not -MOST_VERSION <= place[1] <= MOST_VERSION:
        raise BadInput(f"cursor: {cursor!r} is no `next` of a page of steps.")
    return place


def _step(addresses: Mapping[str, str], row: tuple[Any, ...]) -> StepView:
    step, item, state, error, job_id, deadline_at = row
    return StepView(
        step=step,
        item=None if item == WHOLE else item,
        state=StepState(state),
        job_id=job_id,
        deadline_at=deadline_at,
        error=None if error is None else strict_json.read_lenient(error),
        address=addresses.get(step),
    )
