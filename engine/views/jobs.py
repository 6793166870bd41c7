"""The job as every door shows it, for the OpenAPI document; `models.jobs.store.Job.as_json` writes the bytes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue

from llmcoder.declare.action import Effect
from llmcoder.states import Reason, State
from models.jobs.approvals import Origin


class JobError(BaseModel):
    """Why a job failed, or why nobody knows how it ended."""

    type: str = Field(description="Stable name of the kind of error, a URN.")
    title: str
    detail: str


class JobProgress(BaseModel):
    """How far a job is."""

    fraction: float = Field(ge=0, le=1)
    message: str


class JobFile(BaseModel):
    """A file that a job has attached; GET /jobs/{id}/files/{name} gives its content."""

    id: UUID
    name: str
    media_type: str = Field(description="What the content looks like.")
    size_bytes: int
    sha256: str


class JobView(BaseModel):
    """One job."""

    id: UUID
    action: str
    effect: Effect
    state: State
    reason: Reason | None = Field(description="Why it stands where it does, when the state alone does not say.")
    input: JsonValue
    result: JsonValue = Field(description="What the action returned; null before it succeeded.")
    error: JobError | None
    progress: JobProgress | None
    attempt: int = Field(description="Runs so far.")
    max_attempts: int
    priority: int = Field(ge=0, le=9, description="0 runs first, 9 last.")
    due_at: datetime = Field(description="Does not run before.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    origin: Origin = Field(description="Who submitted it.")
    tainted: bool = Field(description="Its input was made of untrusted content, such as a mail or a page.")
    sources: list[UUID] = Field(description="The jobs whose results its input was made of.")
    proposed_input: JsonValue = Field(description="What was asked for, where another input was approved.")
    expires_at: datetime | None = Field(description="When it is cancelled unless somebody has approved it.")
    decided_at: datetime | None = Field(description="When it was approved or rejected.")
    note: str | None = Field(description="A person's words: why it was rejected, what was found.")
    undo_of: UUID | None = Field(description="The job whose effect this one takes back.")
    undone_by: UUID | None = Field(description="The job that takes this one's effect back.")
    schedule_id: UUID | None = Field(description="The schedule that made it.")
    parent_id: UUID | None = Field(description="The run of a macro that it is a step of.")
    files: list[JobFile] = Field(description="What it has attached. `id` and `sha256` are how an input names one.")
    rev: int = Field(description="The revision of its last change, in the order of all of your changes.")


class JobPage(BaseModel):
    """Jobs, newest first."""

    items: list[JobView]
    next: UUID | None = Field(description="`cursor` of the page after this one; null on the last page.")


class JobChanges(BaseModel):
    """Jobs that changed, in the order of their last change."""

    items: list[JobView]
    rev: int = Field(description="`since` of the next request.")
