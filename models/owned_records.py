"""A user's own records in one table: the store that a plain collection needs, so that a domain writes only its table.

The table has `id`, `user_id`, `created_at` and `updated_at`, and an index on (user_id, id) for the list. Ids are
UUIDv7, so newest first is the order of ids. What else a list can be asked for, a filter declares
(`llmcoder.declare.filter`, `models.record_list`).

It should have `origin_columns()` too: whose words a record holds, and the jobs that wrote it. An action's trail gives
them to what it writes and takes them from what it reads (`llmcoder.provenance`), so no domain can forget to. They only
grow: neither an approval nor a person's change makes a stranger's words the user's own. Records of a table without
these columns count as a stranger's, since nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic
from uuid import UUID

import sqlalchemy as sa

from llmcoder.caseless import fold
from llmcoder.declare.collection import Change, Item, New, Page, Store
from llmcoder.declare.filter import Filter
from llmcoder.errors import DeclarationError
from llmcoder.ids import new_id
from llmcoder.provenance import Taint, current, worse
from models.db import conflicts
from models.db.database import database, reading, writing
from models.jobs import taint
from models.record_list import Condition, RecordList
from models.text_index import FOLDED

OWN_COLUMNS = ("id", "user_id", "created_at", "updated_at")
ORIGIN_COLUMNS = ("taint", "sources")


def origin_columns() -> tuple[sa.Column[Any], sa.Column[Any]]:
    """The columns by which a table of records keeps whose words they hold."""
    return (
        sa.Column("taint", sa.String(8)),  # llmcoder.provenance.Taint; null where all is the user's own
        sa.Column("sources", sa.Text),  # ids of the jobs that wrote it, as JSON
    )


def origin_of_new() -> dict[str, Any]:
    """What these columns hold of a record that is written now."""
    trail = current()
    if trail is None:
        return {"taint": None, "sources": None}
    return {"taint": trail.record_taint, "sources": taint.as_column([trail.job_id])}


def origin_of_changed(row: Any) -> dict[str, Any]:
    """What they hold of one that is changed now.

    Args:
        row: With the two columns as they are, and locked.
    """
    trail = current()
    if trail is None:
        return {}
    sources = taint.merged([trail.job_id], taint.ids_of(row.sources))
    return {"taint": worse(row.taint, trail.record_taint), "sources": taint.as_column(sources)}


def was_read(row: Any) -> None:
    """Take note that a record with these columns becomes part of an action's result."""
    if (trail := current()) is not None:
        trail.read(row.taint, taint.ids_of(row.sources))


class OwnedRows(Store[New, Change, Item], Generic[New, Change, Item]):
    """Rows of one table, each belonging to one user.

    Args:
        table: Where they stand.
        item: How one is shown; its fields are columns of the table.
        filter: What the list can be asked for; override `condition` for a field that has no mark.
        sorts: By name of the order, its column; by age they sort in any case.

    Raises:
        DeclarationError: The table lacks a column, or does not fit the filter; at import.
    """

    def __init__(
        self,
        table: sa.Table,
        item: type[Item],
        filter: type[Filter] = Filter,
        sorts: Mapping[str, str] | None = None,
    ) -> None:
        missing = {*OWN_COLUMNS, *item.model_fields} - set(table.c.keys())
        if missing:
            raise DeclarationError(f"{table.name}: a table of owned rows has {', '.join(sorted(missing))}")
        self._table = table
        self._item = item
        self._page: type[Page[Item]] = Page[item]  # type: ignore[valid-type]  # pydantic makes the class at runtime
        self._origin = set(ORIGIN_COLUMNS) <= set(table.c.keys())
        names = [*item.model_fields, *(ORIGIN_COLUMNS if self._origin else ())]
        self._shown = [table.c[name] for name in dict.fromkeys(names)]
        self._folded = [name for name in table.c.keys() if name + FOLDED in table.c]  # noqa: SIM118  no dict
        self.filter = filter
        has_own = type(self).condition is not OwnedRows.condition
        self._list = RecordList(table, filter, sorts or {}, self.condition if has_own else None)

    def columns(self, fields: dict[str, Any], now: datetime) -> dict[str, Any]:
        """The columns that the fields of a new or changed record set; override it where a field is no column.

        Null empties a column that may be empty, and leaves any other as it is.
        """
        return {name: value for name, value in fields.items() if value is not None or self._table.c[name].nullable}

    def condition(self, name: str, value: Any) -> Condition:
        """What a field of the filter means that has no mark; override it where there is one."""
        raise NotImplementedError(name)

    def page(self, user_id: UUID, cursor: str | None, limit: int, wanted: Filter | None = None) -> Page[Item]:
        wanted = wanted or self.filter()
        with reading(self._table.name) as conn:
            rows = self._list.rows(conn, self._shown, user_id, wanted, cursor, limit + 1)
        items = [self._show(row) for row in rows[:limit]]
        following = self._list.cursor_after(rows[limit - 1], wanted) if len(rows) > limit else None
        return self._page(items=items, next=following)

    def get(self, user_id: UUID, item_id: UUID) -> Item | None:
        with reading(self._table.name) as conn:
            return self._read(conn, user_id, item_id)

    def add(self, user_id: UUID, new: New, item_id: UUID | None = None) -> Item:
        """As `Store.add`; doing it again with the same id adds nothing, so a job gives its own."""
        item_id = item_id or new_id()
        with writing(self._table.name) as conn:
            now = database().now()
            own = {"id": item_id, "user_id": user_id, "created_at": now, "updated_at": now}
            own |= origin_of_new() if self._origin else {}
            row = self._with_folded(self.columns(new.model_dump(), now)) | own
            new_row = conflicts.insert(conn.dialect.name, self._table)
            conn.execute(new_row.values(row).on_conflict_do_nothing(index_elements=["id"]))
            kept = self._read(conn, user_id, item_id)
        if kept is None:
            raise ValueError(f"{self._table.name}: the id {item_id} belongs to another user's row")
        return kept

    def change(self, user_id: UUID, item_id: UUID, change: Change) -> Item | None:
        with writing(self._table.name) as conn:
            now = database().now()
            columns = self._with_folded(self.columns(change.model_dump(exclude_unset=True), now))
            if columns:
                wanted = sa.update(self._table).where(self._is(user_id, item_id))
                conn.execute(wanted.values(**columns, **self._origin_now(conn, user_id, item_id), updated_at=now))
            return self._read(conn, user_id, item_id)

    def remove(self, user_id: UUID, item_id: UUID) -> bool:
        with writing(self._table.name) as conn:
            return conn.execute(sa.delete(self._table).where(self._is(user_id, item_id))).rowcount == 1

    def take(self, user_id: UUID, item_id: UUID) -> Item | None:
        """Remove a record and give it back as it was; None where it is gone already."""
        gone = sa.delete(self._table).where(self._is(user_id, item_id)).returning(*self._shown)
        with writing(self._table.name) as conn:
            row = conn.execute(gone).first()
        return None if row is None else self._show(row)

    def _with_folded(self, columns: dict[str, Any]) -> dict[str, Any]:
        texts = {name: columns[name] for name in self._folded if name in columns}
        return columns | {name + FOLDED: None if text is None else fold(text) for name, text in texts.items()}

    def _read(self, conn: sa.Connection, user_id: UUID, item_id: UUID) -> Item | None:
        row = conn.execute(sa.select(*self._shown).where(self._is(user_id, item_id))).first()
        return None if row is None else self._show(row)

    def _origin_now(self, conn: sa.Connection, user_id: UUID, item_id: UUID) -> dict[str, Any]:
        """What its columns of origin are to hold of a record that is changed now."""
        if not self._origin:
            return {}
        own = self._table.c
        query = sa.select(own.taint, own.sources).where(self._is(user_id, item_id)).with_for_update()
        row = conn.execute(query).first()
        return {} if row is None else origin_of_changed(row)

    def _show(self, row: sa.Row[Any]) -> Item:
        if self._origin:
            was_read(row)
        elif (trail := current()) is not None:
            trail.read(Taint.OUTSIDE)
        return self._item.model_validate({name: row._mapping[name] for name in self._item.model_fields})

    def _is(self, user_id: UUID, item_id: UUID) -> sa.ColumnElement[bool]:
        return sa.and_(self._table.c.id == item_id, self._table.c.user_id == user_id)
