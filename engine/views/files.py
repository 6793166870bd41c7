"""A file as every door shows it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from llmcoder.model import Model
from models.files.store import File, Quota


class FileView(Model):
    """One of your files; `{"id": ..., "sha256": ...}` of it is how the input of an action names it."""

    id: UUID
    name: str = Field(description="What it is called; safe to save it under.")
    media_type: str = Field(description="What the content looks like: a guess, whatever the sender said.")
    size_bytes: int
    sha256: str = Field(description="Of the content, in hexadecimal.")
    job_id: UUID | None = Field(description="The job that attached it; null for one that was uploaded.")
    created_at: datetime
    expires_at: datetime = Field(description="When it is removed, unless a job uses it by then.")


class FileUsage(Model):
    """What your files take, and what they may take."""

    bytes: int
    count: int
    quota_bytes: int
    quota_count: int


class FilePage(Model):
    """Your files, newest first."""

    items: list[FileView]
    next: UUID | None = Field(description="`cursor` of the page after this one; null on the last page.")
    usage: FileUsage


class JobFileList(Model):
    """What a job has attached, in the order in which it came."""

    items: list[FileView]


def view(file: File) -> FileView:
    return FileView(
        id=file.id,
        name=file.name,
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        sha256=file.sha256,
        job_id=file.job_id,
        created_at=file.created_at,
        expires_at=file.kept_until,
    )


def usage_view(used: Quota, quota: Quota) -> FileUsage:
    return FileUsage(bytes=used.bytes, count=used.count, quota_bytes=quota.bytes, quota_count=quota.count)
