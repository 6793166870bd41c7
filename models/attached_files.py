"""Files together with the jobs that attach and use them: what a job shows, and what its user may delete."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.errors import ActionError
from models.files.store import File, FileState
from models.files.tables import files, job_files, schedule_files
from models.jobs.machine import ENDED, lock, take_revisions
from models.jobs.tables import jobs


class NameTaken(ActionError):
    """An attempt attaches two files under one name."""

    slug, title, status = "file-name-taken", "The job has a file of that name", 409


class InUse(ActionError):
    """The file cannot go, since something that is still to be done needs it."""

    slug, title, status = "file-in-use", "The file is in use", 409


class TooManyFiles(ActionError):
    """A job attaches more files than one job may have."""

    slug, title, status = "too-many-files", "The job has too many files", 409


def attach(conn: sa.Connection, job_id: UUID, attempt: int, file_id: UUID, name: str, most: int) -> bool:
    """Make a complete file one of a running job's.

    What an earlier attempt attached under the same name gives way.

    Args:
        most: Files that one job may have.

    Returns:
        False when this attempt no longer owns the job, or was asked to end.

    Raises:
        NameTaken: This attempt has attached one of that name.
        TooManyFiles: The job has as many as it may have.
    """
    mine = sa.and_(
        jobs.c.id == job_id,
        jobs.c.attempt == attempt,
        jobs.c.state == sa.literal_column("'running'"),
        jobs.c.cancel_requested_at.is_(None),
    )
    if conn.execute(sa.select(jobs.c.id).where(mine).with_for_update()).first() is None:
        return False
    _make_room(conn, job_id, attempt, name, most)
    conn.execute(sa.insert(job_files).values(job_id=job_id, file_id=file_id, name=name, attempt=attempt))
    show(conn, job_id)
    return True


def show(conn: sa.Connection, job_id: UUID) -> None:
    """Write down with the job what it has attached, so that whoever shows a job reads one row."""
    query = sa.select(files.c.id, files.c.name, files.c.media_type, files.c.size_bytes, files.c.sha256)
    query = query.join(job_files, job_files.c.file_id == files.c.id)
    attached = sa.and_(job_files.c.job_id == job_id, job_files.c.name.is_not(None))
    rows = conn.execute(query.where(attached).order_by(files.c.id)).mappings()
    text = strict_json.write([dict(row) for row in rows])
    conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(files=text))


def _make_room(conn: sa.Connection, job_id: UUID, attempt: int, name: str, most: int) -> None:
    attached = conn.execute(
        sa.select(job_files.c.file_id, job_files.c.name, job_files.c.attempt).where(
            job_files.c.job_id == job_id, job_files.c.name.is_not(None)
        )
    ).all()
    before = next((one for one in attached if one.name == name), None)
    if before is not None and before.attempt == attempt:
        raise NameTaken(f"This job has attached a file of the name {name!r} already; give each a name of its own.")
    if before is None and len(attached) >= most:
        raise TooManyFiles(f"One job attaches {most} files at most. Put several into one archive.")
    if before is not None:
        gives_way = sa.and_(job_files.c.job_id == job_id, job_files.c.file_id == before.file_id)
        conn.execute(sa.delete(job_files).where(gives_way))


def remove(conn: sa.Connection, file: File, now: datetime) -> list[UUID]:
    """Let go of one file by its user's word, which leaves the jobs that used it without it.

    Returns:
        The jobs that showed it; the caller's transaction is the last to have changed them.

    Raises:
        InUse: A job that has not ended uses it, or a schedule.
    """
    using = sa.select(job_files.c.job_id).where(job_files.c.file_id == file.id)
    lock(conn, conn.execute(using).scalars().all())
    conn.execute(sa.select(files.c.id).where(files.c.id == file.id).with_for_update())
    unfinished = sa.and_(jobs.c.id.in_(using), jobs.c.state.not_in(ENDED))
    if (job_id := conn.execute(sa.select(jobs.c.id).where(unfinished).limit(1)).scalar()) is not None:
        raise InUse(f"Job {job_id} uses the file {file.id} and has not ended: wait for it, or cancel it first.")
    of_schedules = sa.select(schedule_files.c.schedule_id).where(schedule_files.c.file_id == file.id)
    if (schedule_id := conn.execute(of_schedules.limit(1)).scalar()) is not None:
        raise InUse(f"Schedule {schedule_id} names the file {file.id}: change or delete it first.")
    showed = list(conn.execute(using.where(job_files.c.name.is_not(None))).scalars())
    conn.execute(sa.delete(job_files).where(job_files.c.file_id == file.id))
    conn.execute(sa.update(files).where(files.c.id == file.id).values(state=FileState.GONE, kept_until=now))
    if showed:
        rev = take_revisions(conn, {file.user_id: len(showed)})[file.user_id]
        for number, job_id in enumerate(showed, 1):
            show(conn, job_id)
            conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(rev=rev + number))
    return showed
