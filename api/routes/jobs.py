"""The doors under /jobs: list, changes, one job, cancel, retry, resolve, explain. Submitting stands in `actions`."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from pydantic import Field
from starlette.responses import Response

from api import commands
from api.auth.identity import Identity, current, person
from api.http.bodies import Router
from api.http.job_view import problems
from api.http.prefer import read_prefer
from api.routes.explain import Explanation, explain
from api.services import services_of
from engine.commands import find
from engine.views.jobs import JobChanges, JobPage, JobView
from llmcoder.errors import BadInput
from llmcoder.instants import Instant
from llmcoder.model import Model
from llmcoder.states import State
from models.jobs.store import LARGEST_REV, Filter, Job, changes, listed

MOST_PER_PAGE = 200
#: A browser may keep an answer and must ask again before it shows it.
ASK_AGAIN = "private, no-cache"

router = Router(prefix="/jobs", tags=["jobs"], responses=problems(401, 422, 503))
Caller = Annotated[Identity, Depends(current)]
Person = Annotated[Identity, Depends(person)]


class Resolution(Model):
    """How an uncertain job ended, by a person's word."""

    happened: bool = Field(description="Whether the effect took place.")
    note: str | None = Field(
        None, max_length=1_000, description="Kept as the job's note; where it did not happen, in the error too."
    )


@router.get("", response_model=JobPage | JobChanges)
async def list_jobs(
    request: Request,
    who: Caller,
    action: Annotated[str | None, Query(description="Only this action's.")] = None,
    state: Annotated[list[State], Query(description="Only in this state; may come several times.")] = [],  # noqa: B006
    created_after: Annotated[Instant | None, Query(description="Only those created then or later.")] = None,
    created_before: Annotated[Instant | None, Query(description="Only those created earlier.")] = None,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    since: Annotated[int | None, Query(ge=0, le=LARGEST_REV, description="Instead: what changed after it.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE, description="Most jobs to return.")] = 50,
) -> Response:
    """Your jobs, newest first; or with `since`, those that changed after a revision, in the order of the changes."""
    wanted = Filter(action, tuple(state), created_after, created_before, cursor)
    if since is None:
        return await _page(request, who, wanted, limit)
    if wanted != Filter():
        raise BadInput("`since` goes with `limit` only: it is about every job.")
    return await _changes(request, who, since, limit)


async def _page(request: Request, who: Identity, wanted: Filter, limit: int) -> Response:
    found = await services_of(request).sql.read(listed, who.user_id, wanted, limit + 1)
    shown = found[:limit]
    following = b'"%s"' % str(shown[-1].id).encode() if len(found) > limit else b"null"
    return _json(b'{"items":%b,"next":%b}' % (_array(shown), following))


async def _changes(request: Request, who: Identity, since: int, limit: int) -> Response:
    found = await services_of(request).sql.read(changes, who.user_id, since, limit)
    return _json(b'{"items":%b,"rev":%d}' % (_array(found.jobs), found.rev))


@router.get("/{job_id}", response_model=JobView, responses={304: {"description": "As you have it."}, **problems(404)})
async def show_job(
    request: Request,
    who: Caller,
    job_id: UUID,
    if_none_match: Annotated[str | None, Header(description="The `ETag` you have: 304 while it is the same.")] = None,
    prefer: Annotated[str | None, Header(description="`wait=N` waits up to N seconds for a change.")] = None,
) -> Response:
    """One job. With `Prefer: wait=N` the answer comes when it has ended, or has changed from the `ETag` you have."""
    services = services_of(request)
    job = await services.sql.read(find, who.user_id, job_id)
    headers = {"cache-control": ASK_AGAIN}
    wait_s = read_prefer(prefer).wait_s
    if wait_s is not None:
        headers["preference-applied"] = f"wait={wait_s}"
        if if_none_match is None or _matches(if_none_match, job):
            waited_from = time.monotonic()
            known_rev = job.rev if if_none_match is not None else None
            job = await services.hub.wait(job, lambda now: now.ended or now.rev != (known_rev or now.rev), wait_s)
            services.metrics.waited(time.monotonic() - waited_from)
    headers["etag"] = _etag(job)
    if if_none_match is not None and _matches(if_none_match, job):
        return Response(status_code=304, headers=headers)
    return _json(job.as_json(), headers=headers)


def _etag(job: Job) -> str:
    """Weak, since it stands for what the job says and not for its bytes.

    Progress, and what a running job attaches, have no revision of their own.
    """
    if job.progress_fraction is None and job.files is None:
        return f'W/"{job.rev}"'
    unnumbered = f"{job.progress_fraction} {job.progress_message} {job.files or ''}"
    return f'W/"{job.rev}-{zlib.crc32(unnumbered.encode()):x}"'


def _matches(if_none_match: str, job: Job) -> bool:
    known = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return "*" in known or _etag(job).removeprefix("W/") in known


@router.post("/{job_id}/cancel", status_code=202, response_model=JobView, responses=problems(403, 404, 409))
async def cancel_job(request: Request, who: Caller, job_id: UUID) -> Response:
    """Cancel a job that has not ended; a running one ends at its next step. An agent ends what agents submitted."""
    job = await commands.cancel(services_of(request), who, job_id)
    return _json(job.as_json(), 202)


@router.post("/{job_id}/retry", status_code=202, response_model=JobView, responses=problems(404, 409))
async def retry_job(request: Request, who: Caller, job_id: UUID) -> Response:
    """Queue a failed or cancelled job again. What an agent retries is the agent's from then on, and a write waits."""
    job = await commands.retry(services_of(request), who, job_id)
    return _json(job.as_json(), 202)


@router.post("/{job_id}/undo", status_code=202, response_model=JobView, responses=problems(404, 409))
async def undo_job(request: Request, who: Caller, job_id: UUID) -> Response:
    """Submit the job that takes this one's effect back. A second call answers with the first one's job."""
    accepted = await commands.undo(services_of(request), who, job_id)
    headers = {"location": f"/jobs/{accepted.job.id}"} | ({"idempotent-replayed": "true"} if accepted.replayed else {})
    return _json(accepted.job.as_json(), 202, headers)


@router.post("/{job_id}/resolve", response_model=JobView, responses=problems(403, 404, 409))
async def resolve_job(
    request: Request, who: Annotated[Identity, Depends(person)], job_id: UUID, word: Resolution
) -> Response:
    """Say how an uncertain job ended, after looking."""
    services = services_of(request)
    job = await commands.resolve(services, who.user_id, job_id, happened=word.happened, note=word.note)
    return _json(job.as_json())


@router.get("/{job_id}/explain", responses=problems(404))
async def explain_job(request: Request, who: Caller, job_id: UUID) -> Explanation:
    """Why a job stands where it does, and what unblocks it."""
    return await explain(services_of(request), who.user_id, job_id)


def _array(found: Sequence[Job]) -> bytes:
    return b"[%b]" % b",".join(job.as_json() for job in found)


def _json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(body, status, headers, "application/json")
