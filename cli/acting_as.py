"""What a command reads and changes in the name of a user, in one transaction of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

T = TypeVar("T")


def reading(user: str | None, question: Callable[[sa.Connection, UUID], T]) -> T:
    from contextlib import closing

    from cli import accounts
    from models.db.database import database

    with closing(database()) as db, db.read() as conn:
        return question(conn, accounts.acting(conn, user).id)


def writing(user: str | None, change: Callable[[sa.Connection, UUID, datetime], T]) -> T:
    from contextlib import closing

    from cli import accounts
    from engine.administrators import refusals_audited
    from models.db.database import database

    with closing(database()) as db, refusals_audited(db), db.write() as conn:
        return change(conn, accounts.acting(conn, user).id, db.now())
