"""How a list of records is asked of SQL: a declared filter as conditions, an order, and the place where a page ended.

Both stores give the same records in the same order: text is compared by its folded form in code-point order, whatever
the locale of a database is, and what has no value comes last in either direction. Every statement is narrowed by the
user first, from the table's index on (user_id, id); newest first walks that index, any other order sorts what is the
user's, unless the column is never empty and there is an index on (user_id, column, id), which is then walked.

Words are looked for in a table with a text index (`models.text_index`) before the list is: where few records have them,
only those are asked further; where many have, the walk meets some soon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, get_args
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.caseless import fold
from llmcoder.declare import cursor as cursors
from llmcoder.declare.filter import (
    LARGEST,
    AnyMark,
    AtLeast,
    AtMost,
    Before,
    Equals,
    Filter,
    HasPassage,
    HasWords,
    IsSet,
    Mark,
    words_of,
)
from llmcoder.errors import BadInput, DeclarationError
from models.text_index import FOLDED, may_contain

Condition = sa.ColumnElement[bool]
#: Texts sort by so many of their folded characters, so that a cursor fits into an address; then by age.
SORTED_CHARS = 200
#: Where more records than these have the words, the list is walked until a page is full.
FEW_HITS = 1_000
#: Newest or oldest first: ids are UUIDv7.
CREATED = "created"


def folded_column(name: str, *, indexed: bool = False) -> sa.Column[Any]:
    """The column beside a text that `HasWords` or `HasPassage` looks into, or that sorts.

    `OwnedRows` fills it. Where it is null, which only an earlier version leaves, the text itself counts.

    Args:
        indexed: It has been there as long as its table, so it is null only where the text is, and the table's migration
            makes a text index of it (`models.text_index`).
    """
    return sa.Column(name + FOLDED, sa.Text, info={_INDEXED: indexed})


_INDEXED = "text index"


@dataclass(frozen=True)
class PageOrder:
    """One order of a list.

    Attributes:
        name: As a caller writes it, such as `-due`.
        column: Whose values it sorts; None for the records' age.
    """

    name: str
    column: str | None

    @property
    def descending(self) -> bool:
        return self.name.startswith("-")


class RecordList:
    """The lists that can be made of one table.

    Args:
        table: With `id` and `user_id`.
        wanted: The filter; a field without a mark is left to `own`.
        sorts: By name of the order, its column. `created` is always there.
        own: Makes the condition of a field without a mark; None where there is no such field.

    Raises:
        DeclarationError: The filter and the table do not fit; at import.
    """

    def __init__(
        self,
        table: sa.Table,
        wanted: type[Filter],
        sorts: Mapping[str, str],
        own: Callable[[str, Any], Condition] | None,
    ) -> None:
        self._table = table
        self._marks = dict(wanted.marks())
        self._sorts = {CREATED: None, **sorts}
        self._own = own
        self._is_asked_for = bool(wanted.model_fields)
        for broken, rule in self._rules(wanted):
            if broken:
                raise DeclarationError(f"{table.name}: {rule}")

    def _rules(self, wanted: type[Filter]) -> list[tuple[bool, str]]:
        columns = set(self._table.c.keys())
        marked = [one for one in self._marks.values() if one is not None]
        named = {name for one in marked for name in (one.columns if isinstance(one, HasWords) else (one.column,))}
        searched = {name for one in marked for name in _searched_columns(one)}
        texts = {name for name in self._sorts.values() if name and self._is_text(name)}
        unfolded = {name for name in searched | texts if name + FOLDED not in columns}
        missing = (named | {name for name in self._sorts.values() if name}) - columns
        silent = sorted(name for name, one in self._marks.items() if one is None)
        return [
            (bool(missing), f"the filter names columns that are not there: {', '.join(sorted(missing))}"),
            (bool(unfolded), f"a text that is searched or sorted has a folded_column(): {', '.join(sorted(unfolded))}"),
            (bool(silent) and self._own is None, f"a field of the filter has a mark; not so {', '.join(silent)}"),
            (
                _orders_of(wanted) != {sign + name for name in self._sorts for sign in ("", "-")},
                f"the field `sort` of {wanted.__name__} is a Literal of {', '.join(self._sorts)}, each with - as well",
            ),
        ]

    def _is_text(self, name: str) -> bool:
        return name in self._table.c and isinstance(self._table.c[name].type, sa.String)

    def statement(
        self, shown: list[sa.ColumnElement[Any]], user_id: UUID, wanted: Filter, cursor: str | None, dialect: str
    ) -> sa.Select[Any]:
        """The records from a place on, in order; each with its `sort_key`.

        Raises:
            BadInput: The cursor is none of this list, sort and filter.
        """
        order = PageOrder(wanted.order, self._sorts[wanted.order.removeprefix("-")])
        key = self._key(order, dialect)
        own = self._table.c
        after = [] if cursor is None else [self._after(key, order, *self._place(cursor, wanted, order))]
        query = sa.select(*shown, key.label("sort_key")).where(
            own.user_id == user_id, *self._conditions(wanted), *after
        )
        if order.column is None:
            return query.order_by(own.id.desc() if order.descending else own.id)
        if self._always_set(order):  # an index on it and the id gives this order, and not that with NULLS LAST
            return query.order_by(*((key.desc(), own.id.desc()) if order.descending else (key, own.id)))
        if order.descending:
            return query.order_by(key.desc().nulls_last(), own.id.desc())
        return query.order_by(key.asc().nulls_last(), own.id)

    def rows(
        self,
        conn: sa.Connection,
        shown: list[sa.ColumnElement[Any]],
        user_id: UUID,
        wanted: Filter,
        cursor: str | None,
        limit: int,
    ) -> Sequence[sa.Row[Any]]:
        """As `statement`, up to so many.

        Raises:
            BadInput: The cursor is none of this list, sort and filter.
        """
        query = self.statement(shown, user_id, wanted, cursor, conn.dialect.name)
        hits = self._hits(conn, user_id, wanted)
        if hits is not None and len(hits) <= FEW_HITS:
            query = query.where(self._table.c.id.in_(hits))
        return conn.execute(query.limit(limit)).all()

    def _hits(self, conn: sa.Connection, user_id: UUID, wanted: Filter) -> Sequence[UUID] | None:
        """Records whose texts have the words, one more than are few at most; None where no text index is asked."""
        own = self._table.c
        searched = [
            sa.or_(*(self._in_index(column, text, user_id, conn.dialect.name) for column in columns))
            for name, value in wanted.given().items()
            if (columns := _searched_columns(mark := self._marks[name])) and all(map(self._is_indexed, columns))
            for text in _searched_texts(mark, value)
        ]
        if not searched:
            return None
        query = sa.select(own.id).where(own.user_id == user_id, *searched).limit(FEW_HITS + 1)
        return conn.execute(query).scalars().all()

    def _in_index(self, name: str, folded: str, user_id: UUID, dialect: str) -> Condition:
        contains, own = self._has(name, folded), self._table.c
        may = may_contain(own[name + FOLDED], own.user_id, user_id, folded, dialect)
        return contains if may is None else sa.and_(may, contains)

    def cursor_after(self, row: sa.Row[Any], wanted: Filter) -> str:
        """The cursor of the page that follows a record; its id, in a list that is asked for in one way only."""
        if not self._is_asked_for:
            return str(row._mapping["id"])
        return cursors.written(self._scope(wanted), [_plain(row._mapping["sort_key"]), row._mapping["id"].hex])

    def _scope(self, wanted: Filter) -> list[Any]:
        given = {name: _plain_all(value) for name, value in wanted.given().items()}
        return [self._table.name, wanted.order, given]

    def _place(self, cursor: str, wanted: Filter, order: PageOrder) -> tuple[Any, UUID]:
        if order.column is None and order.descending and (record := _as_id(cursor)) is not None:
            return record, record
        place = cursors.read(self._scope(wanted), cursor)
        try:
            value, record_id = place
            return _typed(value, self._kind(order)), UUID(record_id)
        except (ValueError, TypeError, AttributeError, OverflowError):  # one that somebody made, sums and all
            raise BadInput("The cursor is none that was given out. Take `next` of a page as it is.") from None

    def _kind(self, order: PageOrder) -> type[Any]:
        """Of the values that it sorts."""
        if order.column is None:
            return UUID
        found = self._table.c[order.column].type
        return found.impl_instance.python_type if isinstance(found, sa.TypeDecorator) else found.python_type

    def _key(self, order: PageOrder, dialect: str) -> sa.ColumnElement[Any]:
        if order.column is None:
            return self._table.c.id
        if not self._is_text(order.column):
            return self._table.c[order.column]
        key: sa.ColumnElement[Any] = sa.func.substr(self._folded(order.column), 1, SORTED_CHARS, type_=sa.Text())
        return sa.collate(key, "C") if dialect == "postgresql" else key

    def _after(self, key: sa.ColumnElement[Any], order: PageOrder, value: Any, record_id: UUID) -> Condition:
        own = self._table.c
        later = own.id < record_id if order.descending else own.id > record_id
        if order.column is None:
            return later
        if value is None:
            return sa.and_(key.is_(None), later)
        here = _bound(value, key)
        if self._always_set(order):  # as one comparison, so that the walk of an index begins there
            last, place = sa.tuple_(key, own.id), sa.tuple_(here, sa.literal(record_id, own.id.type))
            return last < place if order.descending else last > place
        beyond = key < here if order.descending else key > here
        return sa.or_(beyond, sa.and_(key == here, later), key.is_(None))

    def _always_set(self, order: PageOrder) -> bool:
        return order.column is not None and not self._table.c[order.column].nullable

    def _conditions(self, wanted: Filter) -> list[Condition]:
        found: list[Condition] = []
        for name, value in wanted.given().items():
            mark = self._marks[name]
            if isinstance(mark, HasWords):
                found += [sa.or_(*(self._has(column, word) for column in mark.columns)) for word in words_of(value)]
            elif mark is not None:
                found.append(self._holds(mark, value))
            else:
                assert self._own is not None  # checked when it was declared
                found.append(self._own(name, value))
        return found

    def _holds(self, mark: Mark, value: Any) -> Condition:
        column: sa.ColumnElement[Any] = self._table.c[mark.column]
        held: Condition
        match mark:
            case HasPassage():
                held = self._has(mark.column, *_searched_texts(mark, value))
            case IsSet():
                held = column.is_not(None) if value else column.is_(None)
            case AtLeast():
                held = column >= _bound(value, column)
            case AtMost():
                held = column <= _bound(value, column)
            case Before():
                held = column < _bound(value, column)
            case Equals():
                values = value if isinstance(value, list) else [value]
                held = column.in_([_bound(one, column) for one in values])
            case _:
                raise NotImplementedError(type(mark).__name__)
        return held

    def _has(self, name: str, folded: str) -> Condition:
        return self._folded(name).contains(folded, autoescape=True)

    def _folded(self, name: str) -> sa.ColumnElement[Any]:
        own = self._table.c
        if self._is_indexed(name):
            return own[name + FOLDED]
        return sa.func.coalesce(own[name + FOLDED], sa.func.lower(own[name]), type_=sa.Text())

    def _is_indexed(self, name: str) -> bool:
        return bool(self._table.c[name + FOLDED].info.get(_INDEXED))


def _searched_columns(mark: AnyMark | None) -> tuple[str, ...]:
    match mark:
        case HasWords():
            return mark.columns
        case HasPassage():
            return (mark.column,)
        case _:
            return ()


def _searched_texts(mark: AnyMark | None, value: Any) -> list[str]:
    """What is looked for, folded: each is in one of the columns."""
    return words_of(value) if isinstance(mark, HasWords) else [fold(value)]


def _bound(value: Any, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """As a parameter. A whole number is a large one, since PostgreSQL would refuse what its column cannot hold."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return sa.literal(value, sa.BigInteger() if whole else column.type)


def _orders_of(wanted: type[Filter]) -> set[str]:
    field = wanted.model_fields.get("sort")
    return {CREATED, f"-{CREATED}"} if field is None else set(get_args(field.annotation))


def _as_id(cursor: str) -> UUID | None:
    try:
        return UUID(cursor)
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    """As JSON says it."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def _plain_all(value: Any) -> Any:
    found = [_plain(one) for one in value] if isinstance(value, list) else _plain(value)
    return strict_json.plain(found)


def _typed(value: Any, kind: type[Any]) -> Any:
    """As the column has it, of what `_plain` made."""
    if value is None:
        return None
    if issubclass(kind, UUID):
        return UUID(value)
    if issubclass(kind, datetime | date):
        return kind.fromisoformat(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError
    if isinstance(value, int) and abs(value) > LARGEST:
        raise OverflowError
    return value
