"""Counts that many processes add up in SQL, so that they survive every one of them."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from models.tables import tallies

#: A metric's name, and the values of its labels in order.
Key = tuple[str, tuple[str, ...]]


def add(conn: sa.Connection, counts: Mapping[Key, float]) -> None:
    """Add to the counts. In one order everywhere, so that no two transactions wait for each other in a circle."""
    rows = [{"name": name, "labels": ",".join(labels), "value": n} for (name, labels), n in sorted(counts.items())]
    if not rows:
        return
    kind = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    new = kind(tallies)
    summed = {"value": tallies.c.value + new.excluded.value}
    conn.execute(new.on_conflict_do_update(index_elements=[tallies.c.name, tallies.c.labels], set_=summed), rows)


def read(conn: sa.Connection) -> dict[Key, float]:
    """Every count so far."""
    rows = conn.execute(sa.select(tallies.c.name, tallies.c.labels, tallies.c.value))
    return {(row.name, tuple(row.labels.split(","))): row.value for row in rows}
