"""How the duties of the schedulers fare, for readiness, `/metrics` and `llmcoder doctor`.

A row a duty, whichever of the schedulers does it: what one copy gets done is done.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from models.db import conflicts
from models.jobs.tables import duties

#: Without any success for so long, beyond the time between two of its turns, a duty is called late.
LATE_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class DutyState:
    """One duty as all schedulers together left it.

    Attributes:
        since: A scheduler runs that has it.
        error: The kind of the last failure, without its text.
    """

    name: str
    every_s: float
    since: datetime
    succeeded_at: datetime | None
    failed_at: datetime | None
    error: str | None
    failures: int

    def idle(self, now: datetime) -> timedelta:
        """For how long nothing has got done that should have; at least zero."""
        last = max(self.succeeded_at or self.since, self.since)
        return max(timedelta(0), now - last - timedelta(seconds=self.every_s))

    def late(self, now: datetime) -> bool:
        return self.idle(now) > LATE_AFTER

    def trouble(self, now: datetime) -> str:
        """In words, for an operator."""
        failed = self.failed_at is not None and (self.succeeded_at is None or self.failed_at > self.succeeded_at)
        why = self.error if failed else "it hangs"
        return f"{self.name} has got nothing done for {self.idle(now).total_seconds():.0f} s ({why})"


def read(conn: sa.Connection) -> list[DutyState]:
    """Every duty that a scheduler has taken on, by its name."""
    columns = [duties.c[name] for name in DutyState.__slots__]
    return [DutyState(*row) for row in conn.execute(sa.select(*columns).order_by(duties.c.name))]


def take_on(conn: sa.Connection, every_s: Mapping[str, float], now: datetime) -> None:
    """A scheduler starts: these are its duties, and others that stand there are those of a version that is gone."""
    conn.execute(sa.delete(duties).where(duties.c.name.not_in([*every_s])))
    rows = [{"name": name, "every_s": every_s[name], "since": now, "failures": 0} for name in sorted(every_s)]
    new = conflicts.insert(conn.dialect.name, duties)
    fresh = {"every_s": new.excluded.every_s, "since": new.excluded.since}
    conn.execute(new.on_conflict_do_update(index_elements=[duties.c.name], set_=fresh), rows)


def report(conn: sa.Connection, rows: Collection[Mapping[str, Any]]) -> None:
    """Add what happened since the last report.

    Args:
        rows: With every column of the table; `succeeded_at` and `failed_at` are null where nothing of the kind
            happened since, `failures` counts those since.
    """
    if not rows:
        return
    new = conflicts.insert(conn.dialect.name, duties)
    newest = {
        name: sa.func.coalesce(new.excluded[name], duties.c[name]) for name in ("succeeded_at", "failed_at", "error")
    }
    summed = {"every_s": new.excluded.every_s, "failures": duties.c.failures + new.excluded.failures}
    in_order = sorted(rows, key=lambda row: str(row["name"]))  # no two transactions wait for each other in a circle
    conn.execute(new.on_conflict_do_update(index_elements=[duties.c.name], set_=newest | summed), in_order)
