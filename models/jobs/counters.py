"""Counts that many processes add up in SQL, so that they survive every one of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import sqlalchemy as sa

from models.db import batch, conflicts
from models.jobs.tables import tallies

#: A metric's name, and the values of its labels in order.
Key = tuple[str, tuple[str, ...]]


def add(conn: sa.Connection, counts: Mapping[Key, float]) -> None:
    """Add to the counts. In one order everywhere, so that no two transactions wait for each other in a circle."""
    rows = [(name, ",".join(labels), value) for (name, labels), value in sorted(counts.items())]
    if rows:
        conn.execute(_add(conn.dialect.name), {"rows": batch.packed(rows)})


@cache
def _add(dialect: str) -> sa.Executable:
    rows = batch.relation(dialect, [tallies.c.name, tallies.c.labels, tallies.c.value])
    in_order = sa.select(*rows.c).where(sa.true()).order_by(rows.c.name, rows.c.labels)
    new = conflicts.insert(dialect, tallies).from_select(["name", "labels", "value"], in_order)
    summed = {"value": tallies.c.value + new.excluded.value}
    return new.on_conflict_do_update(index_elements=[tallies.c.name, tallies.c.labels], set_=summed)


def read(conn: sa.Connection) -> dict[Key, float]:
    """Every count so far."""
    rows = conn.execute(sa.select(tallies.c.name, tallies.c.labels, tallies.c.value))
    return {(row.name, tuple(row.labels.split(","))): row.value for row in rows}
