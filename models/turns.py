"""Turns: within a queue and priority the users' jobs are run in turn, however many one of them submits at once.

Start-time fair queueing (Goyal, Vin and Cheng, 1996) with every job of the same weight: a user's next job gets the turn
after the user's last one, but no earlier turn than the one that is being served. So somebody's ten jobs stand beside
the next ten of the ten thousand that were there before, and who was away for a year has saved nothing up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from functools import cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models import batch
from models.tables import jobs, revisions, turns

#: A queue, a priority and a user.
Line = tuple[str, int, UUID]


def take(conn: sa.Connection, wanted: Mapping[Line, int]) -> dict[Line, int]:
    """Take each line's next turns; the caller's transaction holds these users' revision counters.

    Returns:
        For each line the turn before the first that was taken.
    """
    taken = {}
    for line in sorted(wanted):
        given = {"in_queue": line[0], "with_priority": line[1], "of_user": line[2], "number": wanted[line]}
        taken[line] = conn.execute(_take(conn.dialect.name), given).scalar_one() - wanted[line]
    return taken


def rejoin(conn: sa.Connection, ids: Collection[UUID]) -> None:
    """Put jobs that are about to be queued, and that the caller has locked, at their users' ends."""
    found = conn.execute(_STANDING, {"ids": list(ids)}).all()
    if not found:
        return
    conn.execute(_COUNTERS, {"users": list({row.user_id for row in found})})
    last = take(conn, Counter((row.queue, row.priority, row.user_id) for row in found))
    rows = []
    for row in found:
        line = (row.queue, row.priority, row.user_id)
        last[line] += 1
        rows.append({"id": row.id, "turn": last[line]})
    batch.update(conn, jobs, rows)


_STANDING = (
    sa.select(jobs.c.id, jobs.c.queue, jobs.c.priority, jobs.c.user_id)
    .where(jobs.c.id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(jobs.c.due_at, jobs.c.turn, jobs.c.id)
)
# Whoever takes turns holds the counters of their users, so that no two wait for each other in a circle.
_COUNTERS = (
    sa.select(revisions.c.user_id)
    .where(revisions.c.user_id.in_(sa.bindparam("users", expanding=True)))
    .order_by(revisions.c.user_id)
    .with_for_update()
)


@cache
def _take(dialect: str) -> sa.Executable:
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
