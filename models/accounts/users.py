"""Accounts and what proves them: users, sessions of refresh tokens, revoked access tokens, failed logins.

Only hashes of passwords and of refresh tokens come here. A session is one login: the family of refresh tokens that
follow each other, whose id every access token of that login carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from llmcoder.errors import ActionError, Forbidden
from llmcoder.ids import new_id
from models.accounts.tables import login_attempts, login_places, refresh_tokens, revisions, revoked_tokens, users

#: A session stays revoked for the longest life that ACCESS_TOKEN_EXPIRE_MINUTES may give to its last access token.
SESSION_REVOKED_FOR = timedelta(minutes=43_200)
#: Failed logins are looked back at no further than this.
FAILURES_KEPT_FOR = timedelta(hours=1)
#: A place from where nobody logged in for so long is one like any other.
PLACES_KEPT_FOR = timedelta(days=180)


class EmailTaken(ActionError):
    """Somebody registered that address before."""

    slug, title, status = "email-taken", "The address is taken", 409


class RegistrationClosed(Forbidden):
    """Strangers may not register here."""

    slug, title = "registration-closed", "Registration is closed"


@dataclass(frozen=True, slots=True)
class Account:
    """One user."""

    id: UUID
    email: str
    password_hash: str = field(repr=False)
    is_admin: bool
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """What a token's claims do not say, since it may change during their life."""

    email: str
    is_admin: bool


@dataclass(frozen=True, slots=True)
class Session:
    """One login.

    Attributes:
        origin: Who acts under it: `person`, or `agent` for one that the user handed out.
        reused: A refresh token that was used before came back: two parties hold it, and the session was ended.
    """

    id: UUID
    user_id: UUID
    origin: str = "person"
    reused: bool = False


_ACCOUNT = sa.select(*(users.c[name] for name in Account.__slots__))


def register(conn: sa.Connection, email: str, password_hash: str, now: datetime, *, open_to_all: bool) -> Account:
    """Add a user, with the revision counter of their jobs. The first one is the administrator.

    Args:
        email: Normalised, in lower case.
        open_to_all: Whether anybody after the first may come.

    Raises:
        RegistrationClosed: Somebody registered before, and the door is closed.
        EmailTaken: The address has an account.
    """
    lock(conn, "register")
    first = nobody_yet(conn)
    if not (first or open_to_all):
        raise RegistrationClosed("Registration is closed. Ask an administrator for an account.")
    if by_email(conn, email):
        raise EmailTaken(f"{email} has an account. Log in with it.")
    account = Account(new_id(), email, password_hash, is_admin=first, is_active=True, created_at=now)
    conn.execute(sa.insert(users).values({name: getattr(account, name) for name in Account.__slots__}))
    conn.execute(sa.insert(revisions).values(user_id=account.id, rev=0))
    return account


def nobody_yet(conn: sa.Connection) -> bool:
    return conn.execute(sa.select(users.c.id).limit(1)).first() is None


def by_email(conn: sa.Connection, email: str) -> Account | None:
    row = conn.execute(_ACCOUNT.where(users.c.email == email)).first()
    return None if row is None else Account(*row)


def by_id(conn: sa.Connection, user_id: UUID) -> Account | None:
    row = conn.execute(_ACCOUNT.where(users.c.id == user_id)).first()
    return None if row is None else Account(*row)


def is_administrator(conn: sa.Connection, user_id: UUID) -> bool:
    """Whether the account has an administrator's rights now; one that is disabled has none."""
    wanted = sa.select(users.c.id).where(users.c.id == user_id, users.c.is_admin, users.c.is_active)
    return conn.execute(wanted).first() is not None


def set_password_hash(conn: sa.Connection, user_id: UUID, password_hash: str) -> None:
    conn.execute(sa.update(users).where(users.c.id == user_id).values(password_hash=password_hash))


def set_active(conn: sa.Connection, user_id: UUID, is_active: bool) -> None:
    """Let a user in or shut them out; their access tokens follow within seconds."""
    conn.execute(sa.update(users).where(users.c.id == user_id).values(is_active=is_active))


def standing(conn: sa.Connection, user_id: UUID, jti: str, session_id: UUID) -> AccountStatus | None:
    """Who holds an access token now; None when the account is gone or disabled, or the token was revoked."""
    row = conn.execute(_STANDING, {"user": user_id, "jti": jti, "session": str(session_id)}).first()
    return None if row is None else AccountStatus(*row)


_STANDING = sa.select(users.c.email, users.c.is_admin).where(
    users.c.id == sa.bindparam("user"),
    users.c.is_active,
    ~sa.exists().where(revoked_tokens.c.jti.in_([sa.bindparam("jti"), sa.bindparam("session")])),
)


def revoke(conn: sa.Connection, token_id: str, until: datetime) -> None:
    """End one access token by its `jti`, or all of a session by the session's id, until they have expired anyway."""
    conn.execute(_REVOKE, {"jti": token_id, "until": until})


_REVOKE = sa.text(
    "INSERT INTO revoked_tokens (jti, expires_at) VALUES (:jti, :until) ON CONFLICT DO NOTHING"
).bindparams(sa.bindparam("until", type_=revoked_tokens.c.expires_at.type))


def start_session(
    conn: sa.Connection, user_id: UUID, token_hash: str, now: datetime, expires_at: datetime, origin: str = "person"
) -> Session:
    """Keep the first refresh token of a new login."""
    session = Session(new_id(), user_id, origin)
    _keep(conn, session, token_hash, now, expires_at)
    return session


def rotate(conn: sa.Connection, old_hash: str, new_hash: str, now: datetime, expires_at: datetime) -> Session | None:
    """Exchange a refresh token for the next one of its session, once.

    Returns:
        The session; with `reused` when the token was used before, in which case no new one was kept. None when the
        token is unknown or expired, or its user was disabled.
    """
    session = session_of(conn, old_hash)
    if session is None:
        return None
    lock(conn, f"session:{session.id}")
    old = conn.execute(_OLD, {"hash": old_hash}).first()
    if old is None:  # the session ended while we waited for the lock
        return None
    if old.used_at is not None:
        _end(conn, session.id, now)
        return replace(session, reused=True)
    if old.expires_at <= now or not old.is_active:
        return None
    conn.execute(sa.update(refresh_tokens).where(refresh_tokens.c.token_hash == old_hash).values(used_at=now))
    _keep(conn, session, new_hash, now, expires_at)
    return session


_OLD = (
    sa.select(refresh_tokens.c.used_at, refresh_tokens.c.expires_at, users.c.is_active)
    .join(users, users.c.id == refresh_tokens.c.user_id)
    .where(refresh_tokens.c.token_hash == sa.bindparam("hash"))
)


def session_of(conn: sa.Connection, token_hash: str) -> Session | None:
    """Whose login a refresh token belongs to, used and expired ones included."""
    wanted = sa.select(refresh_tokens.c.family, refresh_tokens.c.user_id, refresh_tokens.c.origin)
    row = conn.execute(wanted.where(refresh_tokens.c.token_hash == token_hash)).first()
    return None if row is None else Session(*row)


def end_session(conn: sa.Connection, session_id: UUID, now: datetime) -> None:
    """End a login: its refresh tokens at once, its access tokens within seconds."""
    lock(conn, f"session:{session_id}")
    _end(conn, session_id, now)


def _end(conn: sa.Connection, session_id: UUID, now: datetime) -> None:
    conn.execute(sa.delete(refresh_tokens).where(refresh_tokens.c.family == session_id))
    revoke(conn, str(session_id), now + SESSION_REVOKED_FOR)


def _keep(conn: sa.Connection, session: Session, token_hash: str, now: datetime, expires_at: datetime) -> None:
    row = {"token_hash": token_hash, "family": session.id, "user_id": session.user_id, "origin": session.origin}
    conn.execute(sa.insert(refresh_tokens).values(**row, created_at=now, expires_at=expires_at))


def failures(conn: sa.Connection, subject: str, now: datetime, limit: int) -> Sequence[datetime]:
    """When logins of the subject failed lately, newest first."""
    return conn.scalars(_FAILURES, {"subject": subject, "since": now - FAILURES_KEPT_FOR, "limit": limit}).all()


_FAILURES = (
    sa.select(login_attempts.c.at)
    .where(login_attempts.c.subject == sa.bindparam("subject"), login_attempts.c.at > sa.bindparam("since"))
    .order_by(login_attempts.c.at.desc())
    .limit(sa.bindparam("limit"))
)


def add_failure(conn: sa.Connection, subjects: Sequence[str], now: datetime) -> None:
    """Remember that a login failed."""
    conn.execute(sa.insert(login_attempts), [{"id": new_id(), "subject": subject, "at": now} for subject in subjects])


def forget_failures(conn: sa.Connection, subject: str) -> None:
    conn.execute(sa.delete(login_attempts).where(login_attempts.c.subject == subject))


def remember_place(conn: sa.Connection, user_id: UUID, place: str, now: datetime) -> None:
    """The user has logged in from there."""
    conn.execute(_REMEMBER, {"user": user_id, "place": place, "now": now})


_REMEMBER = sa.text(
    "INSERT INTO login_places (user_id, place, seen_at) VALUES (:user, :place, :now) "
    "ON CONFLICT (user_id, place) DO UPDATE SET seen_at = excluded.seen_at"
).bindparams(
    sa.bindparam("user", type_=login_places.c.user_id.type), sa.bindparam("now", type_=login_places.c.seen_at.type)
)


def has_logged_in_from(conn: sa.Connection, email: str, place: str) -> bool:
    """Whether that is a place of the account's; asked alike for an account that does not exist."""
    return conn.execute(_PLACE, {"email": email, "place": place}).first() is not None


_PLACE = (
    sa.select(login_places.c.place)
    .join(users, users.c.id == login_places.c.user_id)
    .where(users.c.email == sa.bindparam("email"), login_places.c.place == sa.bindparam("place"))
)


def prune(conn: sa.Connection, now: datetime) -> int:
    """Delete tokens that have expired and failures that no longer count. Returns how many rows went."""
    gone = (
        sa.delete(refresh_tokens).where(refresh_tokens.c.expires_at <= now),
        sa.delete(revoked_tokens).where(revoked_tokens.c.expires_at <= now),
        sa.delete(login_attempts).where(login_attempts.c.at <= now - FAILURES_KEPT_FOR),
        sa.delete(login_places).where(login_places.c.seen_at <= now - PLACES_KEPT_FOR),
    )
    return sum(conn.execute(statement).rowcount for statement in gone)


def lock(conn: sa.Connection, *names: str) -> None:
    """Until the end of the transaction, let nobody else in who locks one of these names.

    PostgreSQL shows a transaction only rows that were committed before its statement began, so "look, then insert"
    needs it. On SQLite a writing transaction is alone anyway.
    """
    if conn.dialect.name == "postgresql":
        for name in sorted(names):
            conn.execute(_LOCK, {"name": name})


_LOCK = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
