"""Many rows of one table as one parameter, so that a batch is one statement however many rows it has.

With `executemany` a batch on PostgreSQL is a statement for each row, and on SQLite the interpreter's lock is given up
and waited for at each row, which a busy process feels more than the writing itself. Here the rows travel as one JSON
text that the database takes apart. (A batch of 30 jobs: see the commit that added this file.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from llmcoder import strict_json
from models.db import conflicts
from models.db.base import as_text

#: Of rows that together are longer, each half goes by itself; PostgreSQL takes no JSON value of 256 MB.
LARGEST_BYTES = 64 * 2**20

#: What has a name and a type: a column of a table, or one of nothing but a batch.
Column = sa.ColumnClause[Any]


def insert_new(conn: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows that all set the same columns, passing over those that are there already. Returns how many came."""
    statement = _insert(conn.dialect.name, table, tuple(rows[0]))
    return sum(conn.execute(statement, {"rows": packed}).rowcount for packed in _packed(rows))


def update(
    conn: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], key: tuple[str, ...] = ("id",)
) -> None:
    """Update rows that all set the same columns, each the one of its key; the caller's transaction has locked them.

    In which order one statement takes locks is the planner's choice, and two transactions would wait in a circle.
    """
    statement = _update(conn.dialect.name, table, tuple(rows[0]), key)
    for packed in _packed(rows):
        conn.execute(statement, {"rows": packed})


def relation(dialect: str, columns: Sequence[Column], name: str = "given") -> sa.Subquery:
    """Rows that a statement takes as its parameter `rows`, see `packed`, as a relation with these names and types."""
    rows: Any = sa.bindparam("rows", type_=sa.Text)
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        each = sa.func.jsonb_array_elements(sa.cast(rows, postgresql.JSONB)).table_valued("value")
    else:
        each = sa.func.json_each(rows).table_valued("value")
    values = [_column(dialect, at, column).label(column.name) for at, column in enumerate(columns)]
    return sa.select(*values).select_from(each).subquery(name)


def packed(rows: Sequence[Sequence[Any]]) -> str:
    """Rows as the parameter of a statement over their `relation`; each has its values in the order of the columns."""
    return _json(rows).decode()


def _packed(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    values = [list(row.values()) for row in rows]
    text = _json(values)
    if len(text) <= LARGEST_BYTES or len(rows) == 1:
        yield text.decode()
        return
    middle = len(rows) // 2
    yield from _packed(rows[:middle])
    yield from _packed(rows[middle:])


def _json(rows: Sequence[Sequence[Any]]) -> bytes:
    text = strict_json.write_bytes(rows, as_text, strict_json.INSTANTS_BY_DEFAULT)
    if b"\\u0000" not in text:
        return text
    # PostgreSQL takes no zero byte, and refuses all rows for one; in JSON that is a text itself it is an escape
    clean = [[strict_json.storable(one) if isinstance(one, str) else one for one in row] for row in rows]
    return strict_json.write_bytes(clean, as_text, strict_json.INSTANTS_BY_DEFAULT)


@cache
def _insert(dialect: str, table: sa.Table, names: tuple[str, ...]) -> sa.Executable:
    rows = relation(dialect, [table.c[name] for name in names])
    every = sa.select(*rows.c).where(sa.true())  # SQLite would take ON CONFLICT for the condition of a join
    statement = conflicts.insert(dialect, table).from_select(list(names), every).on_conflict_do_nothing()
    return statement.execution_options(preserve_rowcount=True)


@cache
def _update(dialect: str, table: sa.Table, names: tuple[str, ...], key: tuple[str, ...]) -> sa.Executable:
    rows = relation(dialect, [table.c[name] for name in names])
    values = {name: rows.c[name] for name in names if name not in key}
    return sa.update(table).where(*(table.c[name] == rows.c[name] for name in key)).values(values)


def _column(dialect: str, at: int, column: Column) -> sa.ColumnElement[Any]:
    value: sa.ColumnElement[Any] = sa.literal_column(f"value ->> {at}", sa.Text)
    if dialect == "postgresql":
        # not VARCHAR(n), a cast to which cuts off what is too long instead of refusing it
        return value if isinstance(column.type, sa.String) else sa.cast(value, column.type)
    return sa.func.replace(value, "-", "") if isinstance(column.type, sa.Uuid) else value
