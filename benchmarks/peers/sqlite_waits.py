"""A writer who finds SQLite taken asks again after up to 100 ms, as SQLite does it: how it was before the turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from models.db.database import BUSY_TIMEOUT_S, Database
from models.db.sqlite_writer import Writers


class AskingLater(Writers):
    @contextmanager
    def turn(self, timeout_s: float) -> Iterator[None]:
        yield

    def begin(self, conn: sa.Connection) -> None:
        conn.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1_000}")
        conn.exec_driver_sql("BEGIN IMMEDIATE")


def asking_later(url: str) -> Database:
    """A database whose writers wait like that."""
    db = Database(url)
    db._writers = AskingLater(db.url.database)
    return db
