"""What waits for a person and why, as every door shows it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, Field

from engine.admission import AdmissionFacts, why
from engine.views.jobs import JobView
from llmcoder import strict_json
from llmcoder.registry import AnyAction, Registry
from llmcoder.states import State
from models.accounts import preferences
from models.jobs import approvals, taint
from models.jobs.approvals import Origin, Pending, Why
from models.jobs.store import Job

WORDS = {
    Why.TAINTED: "Its input was made of untrusted content.",
    Why.POLICY: "Its user wants to be asked about this action.",
    Why.ORIGIN: "It was not submitted by its user in person.",
}


class Link(BaseModel):
    """One job of the chain that led to an input."""

    job_id: UUID
    action: str
    state: State
    origin: Origin
    outside: bool = Field(description="It brought in untrusted content.")
    tainted: bool = Field(description="Its own input held such a thing.")
    sources: list[UUID] = Field(description="The jobs whose results its input was made of.")


class ApprovalReason(BaseModel):
    """Why it waits."""

    kind: Why
    detail: str


class Approval(BaseModel):
    """A job that waits for you."""

    job: JobView
    sha256: str = Field(description="Of the input: its JSON with sorted keys and without spaces. Approving names it.")
    owner: str = Field(description="Whose job it is, by email address.")
    why: list[ApprovalReason]
    chain: list[Link] = Field(description="The jobs that its input was made of, nearest first.")


def approval(conn: sa.Connection, registry: Registry, one: Pending) -> dict[str, Any]:
    """An `Approval`, as every door shows it."""
    links = taint.chain(conn, one.job.user_id, taint.ids_of(one.job.sources), registry.outside)
    reasons = reasons_of(conn, registry.if_loadable(one.job.action), one.job)
    return {
        "job": strict_json.Fragment(one.job.as_json()),
        "sha256": approvals.sha256(one.job.input),
        "owner": one.email,
        "why": [{"kind": kind, "detail": WORDS[kind]} for kind in reasons],
        "chain": [link_to(source).model_dump() for source in links],
    }


def reasons_of(conn: sa.Connection, action: AnyAction | None, job: Job) -> list[Why]:
    """Why a job waits, as its user's preferences stand now."""
    if action is None:
        return []
    return why(action, Origin(job.origin), AdmissionFacts(preferences.load(conn, job.user_id), job.tainted))


def link_to(source: taint.Source) -> Link:
    return Link(
        job_id=source.id,
        action=source.action,
        state=State(source.state),
        origin=Origin(source.origin),
        outside=source.outside,
        tainted=source.tainted,
        sources=list(source.sources),
    )
