"""Which jobs and schedules keep which files: written in the transaction that accepts them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa

from models.db import batch
from models.files.tables import files, job_files, schedule_files


def keep_inputs(conn: sa.Connection, named: Sequence[tuple[UUID, UUID]]) -> None:
    """Have jobs keep the files that their inputs name, as (job, file); one that is gone by now is passed over.

    The files are locked until the transaction ends, so that whoever removes what is unused waits for it.
    """
    ready = _locked(conn, {file_id for _, file_id in named})
    rows = [{"job_id": job_id, "file_id": file_id} for job_id, file_id in named if file_id in ready]
    if rows:
        batch.insert_new(conn, job_files, rows)


def keep_for_schedule(conn: sa.Connection, schedule_id: UUID, file_ids: Collection[UUID]) -> None:
    """Have a schedule keep these files and no others."""
    conn.execute(sa.delete(schedule_files).where(schedule_files.c.schedule_id == schedule_id))
    rows = [{"schedule_id": schedule_id, "file_id": file_id} for file_id in sorted(_locked(conn, file_ids))]
    if rows:
        conn.execute(sa.insert(schedule_files), rows)


def _locked(conn: sa.Connection, ids: Collection[UUID]) -> set[UUID]:
    if not ids:
        return set()
    query = sa.select(files.c.id).where(files.c.id.in_(list(ids)), files.c.state == sa.literal_column("'ready'"))
    return set(conn.execute(query.order_by(files.c.id).with_for_update(read=True)).scalars())
