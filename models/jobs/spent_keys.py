"""Idempotency keys of jobs that are not kept any more: what came under them must not be done again.

A key lives as long as its job. Where that is pruned soon, its key stays for a while, so that neither a client that
repeats what it sent nor whoever overheard a signed call that says no time has it done once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.db import batch
from models.jobs.tables import spent_keys

#: From when its job was accepted.
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SpentKey:
    """A key without its job.

    Attributes:
        fingerprint: Of what came under it.
    """

    job_id: UUID
    fingerprint: str | None


def find(conn: sa.Connection, keys: Sequence[tuple[UUID, str]], now: datetime) -> dict[tuple[UUID, str], SpentKey]:
    """Those of these (user, key) that have made jobs which are gone."""
    if not keys:
        return {}
    own = spent_keys.c
    query = sa.select(own.user_id, own.idempotency_key, own.job_id, own.fingerprint)
    rows = conn.execute(query.where(_of(keys), own.kept_until > now))
    return {(row.user_id, row.idempotency_key): SpentKey(row.job_id, row.fingerprint) for row in rows}


def keep(conn: sa.Connection, pruned: Sequence[Any], now: datetime) -> None:
    """Keep the keys of jobs that are pruned in this transaction: rows with user, key, fingerprint, id, and its age."""
    rows = [
        {
            "user_id": job.user_id, "idempotency_key": job.idempotency_key, "fingerprint": job.fingerprint,
            "job_id": job.id, "kept_until": job.created_at + KEPT,
        }
        for job in pruned
        if job.idempotency_key is not None and job.created_at + KEPT > now
    ]  # fmt: skip
    if rows:
        again = _of([(row["user_id"], row["idempotency_key"]) for row in rows])
        conn.execute(sa.delete(spent_keys).where(again))  # one that had run out, and was used again
        batch.insert_new(conn, spent_keys, rows)


def prune(conn: sa.Connection, now: datetime, limit: int) -> int:
    """Forget keys whose time is over; returns how many."""
    own = spent_keys.c
    old = sa.select(own.user_id, own.idempotency_key).where(own.kept_until <= now).order_by(own.kept_until)
    these = sa.tuple_(own.user_id, own.idempotency_key).in_(old.limit(limit))
    return conn.execute(sa.delete(spent_keys).where(these)).rowcount


def _of(keys: Sequence[tuple[UUID, str]]) -> sa.ColumnElement[bool]:
    return sa.tuple_(spent_keys.c.user_id, spent_keys.c.idempotency_key).in_(list(keys))
