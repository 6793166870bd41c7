"""Accounts for tests that need more users than one."""

from __future__ import annotations

import sqlalchemy as sa

from llmcoder.context import User
from models.accounts import users
from models.accounts.tables import users as accounts
from models.db.database import Database


def account(db: Database, email: str, *, is_admin: bool = False) -> User:
    """A user who may own anything and cannot log in with a password."""
    with db.write() as conn:
        made = users.register(conn, email, "!", db.now(), open_to_all=True)
        conn.execute(sa.update(accounts).where(accounts.c.id == made.id).values(is_admin=is_admin))
    return User(id=made.id, email=email)
