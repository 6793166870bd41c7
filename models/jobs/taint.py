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
from llmcoder.provenance import MOST_SOURCES, Taint, worse
from llmcoder.registry import Registry
from llmcoder.states import State
from models.jobs.approvals import Origin
from models.jobs.tables import jobs

#: Jobs of one chain that are shown; a longer one says so by its length.
LONGEST_CHAIN = 100
MOST_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Source:
    """A job that an input was made of.

    Attributes:
        outside: Its action brings in what others wrote.
        tainted: Its own input was made of such a thing.
        result_taint: Whose words are in its result, or its error, beyond those of its input.
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
    result_taint: Taint | None = None

    @property
    def taint(self) -> Taint | None:
        """Whose words come with what is made of it. Of one that failed the error says whether it had called out."""
        ended_badly = self.state in (State.FAILED, State.CANCELLED)
        brought = Taint.OUTSIDE if self.tainted or (self.outside and not ended_badly) else None
        return worse(brought, self.result_taint, of_origin(self.origin))


def look_up(conn: sa.Connection, user_id: UUID, ids: Collection[UUID], outside: Collection[str]) -> dict[UUID, Source]:
    """The user's jobs of these ids.

    Args:
        outside: Names of the actions that bring in what others wrote.

    Raises:
        NotFound: One is not there, or somebody else's.
    """
    found = _there(conn, user_id, ids, outside)
    if missing := [one for one in ids if one not in found]:
        raise NotFound(f"You have no job {missing[0]}, so an input cannot be made of it.")
    return found


def of_results(conn: sa.Connection, user_id: UUID, ids: Collection[UUID], known: Registry) -> Taint | None:
    """Whose words come with what is made of these jobs' results; of one that is gone nobody knows."""
    found = _there(conn, user_id, ids, known.outside)
    unknown = len(found) < len(set(ids)) or any(one.action not in known for one in found.values())
    return worse(Taint.OUTSIDE if unknown else None, *(one.taint for one in found.values()))


def _there(conn: sa.Connection, user_id: UUID, ids: Collection[UUID], outside: Collection[str]) -> dict[UUID, Source]:
    wanted = list(ids)
    found: dict[UUID, Source] = {}
    for at in range(0, len(wanted), MOST_AT_ONCE):  # databases take so many parameters and no more
        rows = conn.execute(_LOOK, {"ids": wanted[at : at + MOST_AT_ONCE], "user": user_id})
        found |= {row.id: _source(row, outside) for row in rows}
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


def of_origin(origin: str) -> Taint | None:
    """Whose words something is that was submitted so."""
    return Taint.AGENT if Origin(origin).delegated else None


def of_input(tainted: bool, origin: str) -> Taint | None:
    """Whose words the input of a job holds."""
    return Taint.OUTSIDE if tainted else of_origin(origin)


def of_error(tainted: bool, origin: str, result_taint: str | None) -> Taint | None:
    """Whose words the error of a job holds: an error may quote its input, and whoever the job had called."""
    return worse(of_input(tainted, origin), result_taint)


def merged(one: Iterable[UUID], other: Iterable[UUID]) -> tuple[UUID, ...]:
    """Both, each id once, up to the most that are kept."""
    return tuple(dict.fromkeys([*one, *other]))[:MOST_SOURCES]


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
        result_taint=None if row.result_taint is None else Taint(row.result_taint),
    )


_LOOK = sa.select(
    jobs.c.id,
    jobs.c.action,
    jobs.c.state,
    jobs.c.origin,
    jobs.c.tainted,
    jobs.c.sources,
    jobs.c.result,
    jobs.c.result_taint,
).where(jobs.c.id.in_(sa.bindparam("ids", expanding=True)), jobs.c.user_id == sa.bindparam("user"))
