"""As whom the operator acts, and what an operator may do to accounts that their owners may not."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from pydantic import JsonValue

from llmcoder.errors import BadInput, NotFound
from models.accounts import users
from models.accounts.tables import refresh_tokens
from models.accounts.tables import users as users_table
from models.accounts.users import Account
from models.audit import log as audit
from models.audit.log import Entry, Event


def everyone(conn: sa.Connection) -> list[Account]:
    """All accounts, the oldest first."""
    columns = [users_table.c[name] for name in Account.__slots__]
    return [Account(*row) for row in conn.execute(sa.select(*columns).order_by(users_table.c.created_at))]


def by_email(conn: sa.Connection, email: str) -> Account:
    """The account of an address.

    Raises:
        NotFound: There is none.
    """
    account = users.by_email(conn, email.strip().lower())
    if account is None:
        raise NotFound(f"There is no user {email!r}: `llmcoder user list` shows them.")
    return account


def acting(conn: sa.Connection, email: str | None) -> Account:
    """As whom to act.

    Raises:
        NotFound: That user does not exist, or nobody does.
        BadInput: That user is disabled, or several could be meant.
    """
    if email is None:
        return _only_one([account for account in everyone(conn) if account.is_active])
    account = by_email(conn, email)
    if not account.is_active:
        raise BadInput(f"{account.email} is disabled: `llmcoder user enable {account.email}`.")
    return account


def _only_one(active: Sequence[Account]) -> Account:
    if not active:
        raise NotFound("Nobody can own a job yet: `llmcoder user create you@example.org` makes the first user.")
    admins = [account for account in active if account.is_admin]
    if len(active) > 1 and not admins:
        raise BadInput("There are several users and no administrator: say --user EMAIL.")
    return admins[0] if len(active) > 1 else active[0]


def make_admin(conn: sa.Connection, user_id: UUID) -> None:
    conn.execute(sa.update(users_table).where(users_table.c.id == user_id).values(is_admin=True))


def end_sessions(conn: sa.Connection, user_id: UUID, now: datetime) -> None:
    """Log a user out everywhere; access tokens follow within seconds."""
    mine = sa.select(refresh_tokens.c.family).where(refresh_tokens.c.user_id == user_id).distinct()
    for session_id in sorted(conn.scalars(mine)):
        users.end_session(conn, session_id, now)


def operator() -> dict[str, JsonValue]:
    """Who is at the command line, as the audit log names them: they have no account here, but one on this machine."""
    try:
        return {"operator": pwd.getpwuid(os.getuid()).pw_name}
    except KeyError:  # a container may run under a number that nobody gave a name
        return {"operator": str(os.getuid())}


def write_down(conn: sa.Connection, event: Event, email: str, now: datetime, **more: JsonValue) -> None:
    """Keep in the audit log what the operator did to an account."""
    audit.append(conn, [Entry(event, email, detail={**operator(), **more})], now)
