"""Rows made fit for a database before the transaction that writes them, so that it lasts no longer than the writing.

Where SQLite is the store, nobody else writes meanwhile, not even a worker that says that it is alive. SQLAlchemy's
share of inserting 400,000 rows is three quarters of the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa


class BulkInsert:
    """One INSERT of many rows, whose values may wait in a file as JSON.

    Args:
        insert: Without values.
        names: The columns that every row has.
    """

    def __init__(self, dialect: sa.Dialect, insert: Any, names: Sequence[str]) -> None:
        compiled = insert.compile(dialect=dialect, column_keys=list(names))
        self._sql = str(compiled)
        self._order = compiled.positiontup
        types = {name: insert.table.c[name].type.dialect_impl(dialect) for name in names}
        self._ways = {name: one.bind_processor(dialect) for name, one in types.items()}

    def prepared(self, row: Mapping[str, Any]) -> Any:
        """A row as the driver takes it, of what JSON knows: by place, or by name where the driver wants names."""
        values = {name: _plain(row[name] if way is None else way(row[name])) for name, way in self._ways.items()}
        return values if self._order is None else [values[name] for name in self._order]

    def run(self, conn: sa.Connection, rows: Sequence[Any]) -> None:
        if rows:
            conn.exec_driver_sql(self._sql, [tuple(row) for row in rows] if self._order else list(rows))


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
