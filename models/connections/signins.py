"""Sign-ins at a provider that have begun: what must be known when the browser comes back, for ten minutes and once.

The browser carries the state, of which only a hash is kept; the PKCE verifier stays here, sealed.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from models.accounts import vault
from models.accounts.vault import Sealed
from models.connections.tables import oauth_states

LIVES = timedelta(minutes=10)
#: More of one user's at once are not begun by hand; the oldest go.
MOST_PER_USER = 20
LONGEST_STATE = 200


@dataclass(frozen=True, slots=True)
class Signin:
    """One that has begun."""

    user_id: UUID
    provider: str
    redirect_uri: str
    verifier: str = field(repr=False)


def begin(conn: sa.Connection, signin: Signin, now: datetime) -> str:
    """Write it down; returns the state for the browser.

    Raises:
        VaultError: This process lacks the key.
    """
    state = secrets.token_urlsafe(32)
    mark = _hash(state)
    sealed = vault.seal(conn, signin.verifier.encode(), (mark, signin.user_id, signin.provider), now)
    _make_room(conn, signin.user_id, now)
    row = {
        "state_hash": mark,
        "user_id": signin.user_id,
        "provider": signin.provider,
        "secret": sealed.box,
        "key_version": sealed.version,
        "redirect_uri": signin.redirect_uri,
        "expires_at": now + LIVES,
    }
    conn.execute(sa.insert(oauth_states).values(row))
    return state


def take(conn: sa.Connection, state: str, now: datetime) -> Signin | None:
    """The sign-in of a state, which is used up by that; None for one that is unknown, used or too old.

    Raises:
        VaultError: This process lacks the key.
    """
    if len(state) > LONGEST_STATE:
        return None
    mark = _hash(state)
    gone = sa.delete(oauth_states).where(oauth_states.c.state_hash == mark).returning(*oauth_states.c)
    row = conn.execute(gone).first()
    if row is None or row.expires_at <= now:
        return None
    verifier = vault.open_(conn, Sealed(row.key_version, row.secret), (mark, row.user_id, row.provider))
    return Signin(row.user_id, row.provider, row.redirect_uri, verifier.decode())


def _make_room(conn: sa.Connection, user_id: UUID, now: datetime) -> None:
    conn.execute(sa.delete(oauth_states).where(oauth_states.c.expires_at <= now))
    mine = sa.select(oauth_states.c.state_hash).where(oauth_states.c.user_id == user_id)
    newest = list(conn.execute(mine.order_by(oauth_states.c.expires_at.desc())).scalars())
    conn.execute(sa.delete(oauth_states).where(oauth_states.c.state_hash.in_(newest[MOST_PER_USER - 1 :])))


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode("utf-8", "replace")).hexdigest()
