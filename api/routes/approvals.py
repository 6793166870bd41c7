"""The doors of approval: what waits for you and why, approve, reject. All but looking is POST, and for persons only."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import sqlalchemy as sa
from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field, JsonValue
from starlette.responses import Response

from api import commands
from api.auth.identity import Identity, current, person
from api.http.bodies import Router
from api.http.job_view import problems
from api.services import Services, services_of
from engine.views.approvals import Approval, approval
from engine.views.jobs import JobView
from llmcoder import strict_json
from llmcoder.model import Model
from models.jobs import approvals

MOST_PER_PAGE = 50

router = Router(tags=["approvals"], responses=problems(401, 422, 503))
Caller = Annotated[Identity, Depends(current)]
Person = Annotated[Identity, Depends(person)]


class ApprovalPage(BaseModel):
    """What waits for you, newest first."""

    items: list[Approval]
    next: UUID | None = Field(description="`cursor` of the page after this one; null on the last page.")


class Yes(Model):
    """Let it run."""

    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="Of the input that you saw, as GET /approvals says it.",
        examples=["0" * 64],
    )
    input: dict[str, JsonValue] | None = Field(
        None, description="Another input to run with; the proposed one is kept beside it."
    )


class No(Model):
    """Let it not run."""

    reason: str | None = Field(None, max_length=1_000, description="Kept as the job's note.")


@router.get("/approvals", response_model=ApprovalPage)
async def list_approvals(
    request: Request,
    who: Caller,
    cursor: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE, description="Most jobs to return.")] = 20,
) -> Response:
    """Jobs that wait for your decision: your own, and those of users who named you."""
    services = services_of(request)
    return Response(await services.sql.read(_page, services, who.user_id, cursor, limit), 200, None, "application/json")


@router.post("/jobs/{job_id}/approve", status_code=202, response_model=JobView, responses=problems(403, 404, 409))
async def approve_job(request: Request, who: Person, job_id: UUID, yes: Yes) -> Response:
    """Let a job run, with the input that you saw or with an edited one."""
    edited = None if yes.input is None else strict_json.write(yes.input)
    job = await commands.approve(services_of(request), who, job_id, yes.sha256, edited)
    return Response(job.as_json(), 202, None, "application/json")


@router.post("/jobs/{job_id}/reject", response_model=JobView, responses=problems(403, 404, 409))
async def reject_job(request: Request, who: Person, job_id: UUID, no: No) -> Response:
    """Cancel a job that waits for approval."""
    job = await commands.reject(services_of(request), who, job_id, no.reason)
    return Response(job.as_json(), 200, None, "application/json")


def _page(conn: sa.Connection, services: Services, viewer_id: UUID, cursor: UUID | None, limit: int) -> bytes:
    found = approvals.pending(conn, viewer_id, cursor, limit + 1)
    items = [approval(conn, services.registry, one) for one in found[:limit]]
    return strict_json.write_bytes({"items": items, "next": found[limit - 1].job.id if len(found) > limit else None})
