"""Where words come from: what an attempt's input was made of, and what its result turns out to be made of.

A running action has a trail (`ctx.trail`). Records that are read leave their origin on it, records that are written
take theirs from it, and the engine keeps it with the job's ending. A store that reads or writes through
`models.owned_records.OwnedRows` does both without its domain's help; SQL of a domain's own says it:

    ctx.trail.read(row.taint, ids_of(row.sources))
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from uuid import UUID

#: Jobs that are remembered of one record or result; a longer history says so by its length.
MOST_SOURCES = 100


class Taint(StrEnum):
    """Whose words something holds that is not its user's alone."""

    AGENT = "agent"  # of who acts in the user's name by its own lights
    OUTSIDE = "outside"  # of strangers


def worse(*taints: str | None) -> Taint | None:
    """The worst of them; None where all is the user's own."""
    known = {Taint(one) for one in taints if one is not None}
    return next((one for one in (Taint.OUTSIDE, Taint.AGENT) if one in known), None)


class Trail:
    """Of one attempt.

    Args:
        job_id: The job, a source of every record that it writes.
        given: Whose words its input holds.

    Attributes:
        called_out: It reached for a provider or the network, so an error's words may be a stranger's.
    """

    def __init__(self, job_id: UUID, given: Taint | None = None) -> None:
        self.job_id = job_id
        self.called_out = False
        self._given = given
        self._read: Taint | None = None
        self._sources: dict[UUID, None] = {}

    def read(self, taint: str | None, jobs: Iterable[UUID] = ()) -> None:
        """Say that something stored becomes part of the result.

        Args:
            taint: As it is kept beside the thing.
            jobs: Those that made it; shown to whoever must approve what is made of the result.
        """
        self._read = worse(self._read, taint)
        if taint is not None:
            self._sources.update(dict.fromkeys(jobs))

    @property
    def result_taint(self) -> Taint | None:
        """Of what was read; what the input holds is known of the job anyway."""
        return self._read

    @property
    def error_taint(self) -> Taint | None:
        return Taint.OUTSIDE if self.called_out else self._read

    @property
    def record_taint(self) -> Taint | None:
        """Of a record that is written now."""
        return worse(self._given, self._read)

    @property
    def sources(self) -> tuple[UUID, ...]:
        """The jobs that made what was read, but for the job itself."""
        return tuple(one for one in self._sources if one != self.job_id)[:MOST_SOURCES]


_CURRENT: ContextVar[Trail | None] = ContextVar("trail", default=None)


def current() -> Trail | None:
    """The trail of the attempt that this thread runs; None where a person is at a door."""
    return _CURRENT.get()


@contextmanager
def following(trail: Trail) -> Iterator[None]:
    """Have what this thread reads and writes leave its traces there."""
    token = _CURRENT.set(trail)
    try:
        yield
    finally:
        _CURRENT.reset(token)
