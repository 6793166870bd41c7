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

from llmcoder.states import State
from models.db import batch, conflicts
from models.db.literals import literal
from models.jobs.machine import hold_counters
from models.jobs.tables import jobs, turns

#: A queue, a priority and a user.
Line = tuple[str, int, UUID]


def take(conn: sa.Connection, wanted: Mapping[Line, int]) -> dict[Line, int]:
    """Take each line's next turns; the caller's transaction holds these users' revision counters.

    Returns:
        For each line the turn before the first that was taken.
    """
    if not wanted:
        return {}
    given = {"rows": batch.packed([(*line, number) for line, number in wanted.items()])}
    taken = {(row[0], row[1], row[2]): row[3] for row in conn.execute(_take(conn.dialect.name), given)}
    return {line: taken[line] - number for line, number in wanted.items()}


def rejoin(conn: sa.Connection, ids: Collection[UUID]) -> None:
    """Put jobs that are about to be queued, and that the caller has locked, at their users' ends."""
    found = conn.execute(_STANDING, {"ids": list(ids)}).all()
    if not found:
        return
    hold_counters(conn, {row.user_id for row in found})  # whoever takes turns holds the counters of their users
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


@cache
def _take(dialect: str) -> sa.Executable:
    """One statement for all lines, in which each queue and priority is looked at once, however many users stand there.

    What was taken before is met as a conflict, and not joined: without statistics PostgreSQL looked through a whole
    line for each user (0.4 s for 1,000 users).
    """
    wanted = batch.relation(dialect, [turns.c.queue, turns.c.priority, turns.c.user_id, _NUMBER])
    lines = sa.select(wanted.c.queue, wanted.c.priority).distinct().subquery("lines")
    starts = sa.select(lines.c.queue, lines.c.priority, _start(lines).label("turn")).cte("starts")
    starts = starts.prefix_with("MATERIALIZED")
    of_line = sa.and_(starts.c.queue == wanted.c.queue, starts.c.priority == wanted.c.priority)
    new = (
        sa.select(wanted.c.queue, wanted.c.priority, wanted.c.user_id, starts.c.turn + wanted.c.number)
        .select_from(wanted.join(starts, of_line))
        .where(sa.true())  # SQLite would take ON CONFLICT for the condition of a join
    )
    later = sa.func.greatest if dialect == "postgresql" else sa.func.max
    insert = conflicts.insert(dialect, turns).from_select(["queue", "priority", "user_id", "turn"], new)
    # by name: SQLAlchemy would take `excluded` for one more table of the subquery
    of_new = [starts.c[name] == sa.literal_column(f"excluded.{name}") for name in ("queue", "priority")]
    start = sa.select(starts.c.turn).where(*of_new).scalar_subquery()
    number = insert.excluded.turn - start
    changed = {"turn": later(turns.c.turn, start) + number}
    return insert.on_conflict_do_update(index_elements=["queue", "priority", "user_id"], set_=changed).returning(
        turns.c.queue, turns.c.priority, turns.c.user_id, turns.c.turn
    )


_NUMBER: batch.Column = sa.column("number", sa.BigInteger)


def _start(line: sa.Subquery) -> sa.ColumnElement[int]:
    """No turn is earlier: the one that is being served, or where nothing waits the furthest that was given."""
    in_line = sa.and_(jobs.c.queue == line.c.queue, jobs.c.priority == line.c.priority)
    waiting = sa.and_(in_line, jobs.c.state == literal(State.QUEUED))
    served = sa.select(jobs.c.turn - 1).where(waiting).order_by(jobs.c.turn).limit(1).scalar_subquery()
    given = turns.alias("given_turns")
    of_line = sa.and_(given.c.queue == line.c.queue, given.c.priority == line.c.priority)
    furthest = sa.select(given.c.turn).where(of_line).order_by(given.c.turn.desc()).limit(1).scalar_subquery()
    return sa.func.coalesce(served, furthest, 0)
