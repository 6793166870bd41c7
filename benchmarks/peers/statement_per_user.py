"""How revisions and turns were taken before: one statement for each user of a batch, kept to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.accounts.tables import revisions
from models.jobs.fair_queue import Line
from models.jobs.tables import jobs, turns


@contextmanager
def in_place() -> Iterator[None]:
    """`models.jobs.store.insert` takes them so for a while."""
    with patch("models.jobs.store.take_revisions", take_revisions), patch("models.jobs.fair_queue.take", take_turns):
        yield


def take_revisions(conn: sa.Connection, wanted: Mapping[UUID, int]) -> dict[UUID, int]:
    taken: dict[UUID, int] = {}
    for user_id in sorted(wanted):
        last = conn.execute(_REVISIONS, {"user": user_id, "n": wanted[user_id]}).scalar_one()
        taken[user_id] = last - wanted[user_id]
    return taken


_REVISIONS = (
    sa.update(revisions)
    .where(revisions.c.user_id == sa.bindparam("user"))
    .values(rev=revisions.c.rev + sa.bindparam("n"))
    .returning(revisions.c.rev)
)


def take_turns(conn: sa.Connection, wanted: Mapping[Line, int]) -> dict[Line, int]:
    taken = {}
    for line in sorted(wanted):
        given = {"in_queue": line[0], "with_priority": line[1], "of_user": line[2], "number": wanted[line]}
        taken[line] = conn.execute(_turns(conn.dialect.name), given).scalar_one() - wanted[line]
    return taken


@cache
def _turns(dialect: str) -> sa.Executable:
    queue, priority = sa.bindparam("in_queue", type_=sa.String), sa.bindparam("with_priority", type_=sa.SmallInteger)
    number = sa.bindparam("number", type_=sa.BigInteger)
    waiting = sa.and_(jobs.c.queue == queue, jobs.c.priority == priority, jobs.c.state == sa.literal_column("'queued'"))
    served = sa.select(jobs.c.turn - 1).where(waiting).order_by(jobs.c.turn).limit(1).scalar_subquery()
    of_line = sa.and_(turns.c.queue == queue, turns.c.priority == priority)
    furthest = sa.select(turns.c.turn).where(of_line).order_by(turns.c.turn.desc()).limit(1).scalar_subquery()
    start = sa.func.coalesce(served, furthest, 0)
    kind, later = (postgresql.insert, sa.func.greatest) if dialect == "postgresql" else (sqlite.insert, sa.func.max)
    user = sa.bindparam("of_user", type_=turns.c.user_id.type)
    new = kind(turns).values(queue=queue, priority=priority, user_id=user, turn=start + number)
    changed = {"turn": later(turns.c.turn, start) + number}
    return new.on_conflict_do_update(index_elements=["queue", "priority", "user_id"], set_=changed).returning(
        turns.c.turn
    )
