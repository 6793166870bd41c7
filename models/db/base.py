"""What every table is made with: the one metadata and the types that both stores read alike.

The engine's tables stand in `models/<room>/tables.py` and a domain's own in `tasks/<domain>/tables.py`. Beside each
index stands the query it is for. JSON is kept as text exactly as it was written: the engine passes it through and only
actions read it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


class Instant(sa.TypeDecorator[datetime]):
    """An aware UTC instant on both stores; SQLite keeps it as ISO text without the zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        return as_text if dialect.name == "sqlite" else _in_utc

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        return _from_text if dialect.name == "sqlite" else _in_utc


# A batch of jobs carries the same few instants in every row, and writing one down costs more than remembering it.
@lru_cache(256)
def as_text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


@lru_cache(256)
def _from_text(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def _in_utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


class Id(sa.Uuid[UUID]):
    """An identifier; SQLite keeps it as 32 hexadecimal digits."""

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        return _from_hex if dialect.name == "sqlite" else super().result_processor(dialect, coltype)  # type: ignore[no-untyped-call]


# A job is read several times in its life and its user with each job; taking the digits apart costs more than knowing.
@lru_cache(4096)
def _from_hex(digits: str | None) -> UUID | None:
    return None if digits is None else UUID(digits)
