"""`GET /audit`: an administrator reads who did what. Whether it is as it was written tells `llmcoder audit verify`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import Field, JsonValue

from api.auth.identity import Identity, admin
from api.http.bodies import Router
from api.http.job_view import problems
from api.services import services_of
from llmcoder import strict_json
from llmcoder.instants import Instant
from llmcoder.model import Model
from models.audit.log import EntryFilter, Event, Record, listed
from models.jobs.store import LARGEST_REV

MOST_PER_PAGE = 200

router = Router(prefix="/audit", tags=["operations"], responses=problems(401, 403, 422, 503))
Administrator = Annotated[Identity, Depends(admin)]


class EntryView(Model):
    """One thing that somebody did."""

    seq: int = Field(description="Its number, from 1 without a gap.")
    at: datetime
    actor_id: UUID | None = Field(description="The user who did it; null for the system and for an operator.")
    event: str = Field(description="What was done, such as login.failed.", examples=["login"])
    subject: str = Field(description="To what: a job's id, the name of a setting, an email address.")
    detail: dict[str, JsonValue]
    hash: str = Field(description="Seal of this entry and, through the one before it, of everything up to here.")

    @classmethod
    def of(cls, row: Record) -> EntryView:
        shown = {name: getattr(row, name) for name in ("seq", "at", "actor_id", "event", "subject", "hash")}
        return cls(**shown, detail=strict_json.read_lenient(row.detail))


class AuditPage(Model):
    """Entries, newest first."""

    items: list[EntryView]
    next: int | None = Field(description="`cursor` of the page after this one; null on the last page.")


@router.get("")
async def list_audit(
    request: Request,
    _who: Administrator,
    event: Annotated[Event | None, Query(description="Only of this kind.")] = None,
    actor: Annotated[UUID | None, Query(description="Only what this user did.")] = None,
    subject: Annotated[str | None, Query(max_length=300, description="Only what was done to it.")] = None,
    since: Annotated[Instant | None, Query(description="Only what was done then or later.")] = None,
    cursor: Annotated[int | None, Query(ge=1, le=LARGEST_REV, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_PER_PAGE, description="Most entries to return.")] = 50,
) -> AuditPage:
    """Who did what: logins, changes of settings and accounts, approvals, effects."""
    wanted = EntryFilter(event, actor, subject, since, cursor)
    found = await services_of(request).sql.read(listed, wanted, limit + 1)
    more = len(found) > limit
    return AuditPage(items=[EntryView.of(row) for row in found[:limit]], next=found[limit - 1].seq if more else None)
