"""Which actions running workers know: a worker claims no other, and a job of one that none of them knows waits.

Workers of two versions, or with other packages installed, stand side by side while an engine is upgraded, and for good
where only one machine has some package. Each says in its heartbeat row what it knows. One that says nothing is older
than that, and takes what it is given.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.states import Reason, State
from models.db.literals import literal
from models.jobs import fair_queue
from models.jobs.machine import Move, Moved, apply, lock
from models.jobs.tables import jobs, workers

#: Long enough for all workers to be replaced by others, one after the other, without a word to anybody.
WAITS_AFTER = timedelta(seconds=60)
#: A worker that was not seen for so long is not counted on.
SEEN_WITHIN = timedelta(seconds=30)
#: So much of the head of a queue is looked through at once; what stands further back is in nobody's way yet.
LOOKED_THROUGH = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """What the running workers of a queue know.

    Attributes:
        by_any: Names that at least one of them knows.
        by_all: Names that each of them knows.
        is_whole: There is a worker, and each says what it knows. Else a name that is not here may be known, too.
    """

    by_any: frozenset[str] = frozenset()
    by_all: frozenset[str] = frozenset()
    is_whole: bool = False

    def lacks(self, action: str) -> bool:
        """Whether workers run, and it is certain that none of them knows the action."""
        return self.is_whole and action not in self.by_any


NOBODY = Known()


@cache
def is_among(names: frozenset[str] | None, table: str = "jobs") -> sa.ColumnElement[bool]:
    """Whether the action of a job, or of another table's row, is one of these; None is all there are.

    As words of the statement: they are the same in each of a process's, and need not travel each time. The column is
    made an expression, so that PostgreSQL does not guess by statistics that none will be found, and sort the whole
    queue instead of reading it in order until there are enough.
    """
    if names is None:
        return sa.true()
    if not names:
        return sa.false()
    words = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}'" for name in sorted(names))
    return sa.literal_column(f"{table}.action || '' IN ({words})", sa.Boolean)


def as_column(names: Collection[str]) -> str:
    """What a worker knows, as its heartbeat row says it."""
    return strict_json.write(sorted(names))


def read(conn: sa.Connection, now: datetime) -> dict[str, Known]:
    """What running workers know, by queue; a queue without any is not in it."""
    query = sa.select(workers.c.queue, workers.c.actions).where(workers.c.beat_at >= now - SEEN_WITHIN).distinct()
    said: dict[str, list[frozenset[str] | None]] = {}
    for row in conn.execute(query):
        names = None if row.actions is None else frozenset(strict_json.read_lenient(row.actions))
        said.setdefault(row.queue, []).append(names)
    return {queue: _together(names) for queue, names in said.items()}


def _together(said: Collection[frozenset[str] | None]) -> Known:
    names = [one for one in said if one is not None]
    if not names:
        return NOBODY
    return Known(frozenset.union(*names), frozenset.intersection(*names), len(names) == len(said))


# --- waiting for a worker that knows it


def unknown_at_head(conn: sa.Connection, queue: str, known: Known, now: datetime) -> list[UUID]:
    """Queued jobs that stand in others' way, due for long, of actions that no running worker of the queue knows."""
    if not known.is_whole:
        return []
    head = sa.select(jobs.c.id, jobs.c.action, jobs.c.due_at)
    head = head.where(jobs.c.queue == queue, jobs.c.state == literal(State.QUEUED))
    head = head.order_by(jobs.c.priority, jobs.c.turn, jobs.c.id).limit(LOOKED_THROUGH)
    return [row.id for row in conn.execute(head) if known.lacks(row.action) and row.due_at < now - WAITS_AFTER]


def set_aside(conn: sa.Connection, ids: Collection[UUID], now: datetime) -> list[Moved]:
    """Have queued jobs wait for a worker that knows their action: out of the queue they are in nobody's way."""
    only_queued = frozenset({State.QUEUED})
    moves = [Move(one, State.WAITING, reason=Reason.UNKNOWN_ACTION, only_from=only_queued) for one in sorted(ids)]
    return [done for done in apply(conn, moves, now) if done is not None]


def waiting_actions(conn: sa.Connection, queue: str) -> list[str]:
    """Actions of the jobs that wait for a worker which knows them: a walk over the index from name to name."""
    found: list[str] = []
    name = ""
    while (row := conn.execute(_AFTER, {"queue": queue, "name": name}).first()) is not None:
        name = row.action
        found.append(name)
    return found


def call_back(conn: sa.Connection, queue: str, names: Collection[str], limit: int, now: datetime) -> list[Moved]:
    """Queue jobs again that waited for a worker which knows their action; one of these names is known by now."""
    wanted = sa.and_(_WAITS, jobs.c.queue == queue, jobs.c.action.in_(names))
    query = sa.select(jobs.c.id, jobs.c.armed_at).where(wanted).order_by(jobs.c.id).limit(limit)
    rows = {row.id: row for row in conn.execute(query)}
    if not rows:
        return []
    lock(conn, rows)
    fair_queue.rejoin(conn, rows)
    moves = [
        Move(
            row.id,
            State.QUEUED,
            reason=None if row.armed_at is None else Reason.RECONCILE,
            only_from=frozenset({State.WAITING}),
            or_cancel=row.armed_at is None,
        )
        for row in conn.execute(sa.select(jobs.c.id, jobs.c.armed_at).where(jobs.c.id.in_(rows), _WAITS))
    ]
    return [done for done in apply(conn, moves, now) if done is not None]


def counts(conn: sa.Connection, known: Mapping[str, Known]) -> dict[tuple[str, str], int]:
    """Jobs that no running worker knows how to run, by queue and action: those that wait for one, and those queued."""
    waits = sa.select(jobs.c.queue, jobs.c.action, sa.func.count().label("number")).where(_WAITS)
    found = {(row.queue, row.action): row.number for row in conn.execute(waits.group_by(jobs.c.queue, jobs.c.action))}
    for queue, one in known.items():
        if not one.is_whole:
            continue
        head = sa.select(jobs.c.action).where(jobs.c.queue == queue, jobs.c.state == literal(State.QUEUED))
        head = head.order_by(jobs.c.priority, jobs.c.turn, jobs.c.id).limit(LOOKED_THROUGH)
        for action in conn.execute(head).scalars():
            if one.lacks(action):
                found[queue, action] = found.get((queue, action), 0) + 1
    return found


_WAITS: Any = sa.and_(jobs.c.state == literal(State.WAITING), jobs.c.reason == literal(Reason.UNKNOWN_ACTION))
_AFTER = (
    sa.select(jobs.c.action)
    .where(_WAITS, jobs.c.queue == sa.bindparam("queue"), jobs.c.action > sa.bindparam("name"))
    .order_by(jobs.c.queue, jobs.c.action)
    .limit(1)
)
