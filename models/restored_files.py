"""What a database that was put back from a backup must know of its files before an engine runs on it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from models.attached_files import show
from models.files import store as rows
from models.files.store import FileState
from models.files.tables import files, job_files, schedule_files

BATCH = 500


def move_to(conn: sa.Connection, space: str) -> None:
    """Have the contents lie in a part of the store that nobody else knows."""
    rows.move_space(conn, space)


def forget_others(conn: sa.Connection, restored: Collection[UUID], now: datetime) -> int:
    """Let go of files whose contents did not come back, so that no job shows or names them.

    Returns:
        How many were complete when the backup was made.
    """
    known = {row.id: row.state for row in conn.execute(sa.select(files.c.id, files.c.state))}
    others = [file_id for file_id in known if file_id not in restored]
    for at in range(0, len(others), BATCH):
        _forget(conn, others[at : at + BATCH], now)
    return sum(known[file_id] == FileState.READY for file_id in others)


def _forget(conn: sa.Connection, ids: list[UUID], now: datetime) -> None:
    mine = job_files.c.file_id.in_(ids)
    showed = set(conn.execute(sa.select(job_files.c.job_id).where(mine, job_files.c.name.is_not(None))).scalars())
    conn.execute(sa.delete(job_files).where(mine))
    conn.execute(sa.delete(schedule_files).where(schedule_files.c.file_id.in_(ids)))
    conn.execute(sa.update(files).where(files.c.id.in_(ids)).values(state=FileState.GONE, kept_until=now))
    for job_id in showed:
        show(conn, job_id)
