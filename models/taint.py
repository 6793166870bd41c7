"""Where an input came from: the jobs whose results it was made of, and whether strangers had a hand in it.

A result is tainted when its action brings in what others wrote (`outside`), or when its own input was. Nobody knows
what a text from outside makes of whoever reads it, so no write runs on such an input before a person saw it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.errors import NotFound
from models.machine import State
from models.tables import jobs

#: Jobs of one chain that are shown; a longer one says so by its length.
LONGEST_CHAIN = 100


@dataclass(frozen=True, slots=True)
class Source:
    """A job that an input was made of.

    Attributes:
        outside: Its action brings in what others wrote.
        tainted: Its own input was made of such a thing.
        sources: The jobs before it.
    """

    id: UUID
    action: str
    state: str
    origin: str
    tainted: bool
    outside: bool
    sources: tuple[UUID, ...]
    result: str | None

    @property
    def taints(self) -> bool:
        return self.outside or self.tainted


def look_up(conn: sa.Connection, user_id: UUID, ids: Collection[UUID], outside: Collection[str]) -> dict[UUID, Source]:
    """The user's jobs of these ids.

    Args:
        outside: Names of the actions that bring in what others wrote.

    Raises:
        NotFound: One is not there, or somebody else's.
    """
    rows = conn.execute(_LOOK, {"ids": list(ids), "user": user_id}) if ids else ()
    found = {row.id: _source(row, outside) for row in rows}
    if missing := [one for one in ids if one not in found]:
        raise NotFound(f"You have no job {missing[0]}, so an input cannot be made of it.")
    return found


def chain(conn: sa.Connection, user_id: UUID, start: Iterable[UUID], outside: Collection[str]) -> list[Source]:
    """The jobs that an input was made of, and those before them, nearest first; pruned ones are left out."""
    seen: dict[UUID, Source] = {}
    level = list(dict.fromkeys(start))
    while level and len(seen) < LONGEST_CHAIN:
        rows = conn.execute(_LOOK, {"ids": level, "user": user_id})
        seen |= {row.id: _source(row, outside) for row in rows if row.id not in seen}
        level = [one for id_ in level if id_ in seen for one in seen[id_].sources if one not in seen]
    return list(seen.values())[:LONGEST_CHAIN]


def has_read_outside(conn: sa.Connection, user_id: UUID, outside: Collection[str]) -> bool:
    """Whether one of the user's results came from outside.

    Who acts in the user's name, and is not the user, can read them all: none of its inputs is above suspicion then.
    """
    brought = sa.or_(jobs.c.tainted, jobs.c.action.in_(outside))
    query = sa.select(jobs.c.id).where(jobs.c.user_id == user_id, jobs.c.state == State.SUCCEEDED, brought).limit(1)
    return conn.execute(query).first() is not None


def ids_of(sources: str | None) -> tuple[UUID, ...]:
    """The ids that a job's column holds."""
    return tuple(UUID(text) for text in strict_json.read_lenient(sources)) if sources else ()


def as_column(ids: Iterable[UUID]) -> str | None:
    """What the column holds for these ids."""
    listed = list(ids)
    return strict_json.write(listed) if listed else None


def _source(row: Any, outside: Collection[str]) -> Source:
    return Source(
        id=row.id,
        action=row.action,
        state=row.state,
        origin=row.origin,
        tainted=row.tainted,
        outside=row.action in outside,
        sources=ids_of(row.sources),
        result=row.result,
    )


_LOOK = sa.select(
    jobs.c.id, jobs.c.action, jobs.c.state, jobs.c.origin, jobs.c.tainted, jobs.c.sources, jobs.c.result
).where(jobs.c.id.in_(sa.bindparam("ids", expanding=True)), jobs.c.user_id == sa.bindparam("user"))
