"""From a token to the person: the check that every request passes, and the dependencies for ordinary routes.

A token's signature is checked once and the database asked at most every few seconds for each token, so that a request
costs a dictionary look-up. The price: a revoked token or a disabled account keeps its access for up to `TRUSTED_FOR_S`
in the processes that saw it before.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Protocol, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer
from starlette.concurrency import run_in_threadpool

from api.auth import tokens
from api.http.problems import HttpError
from llmcoder.errors import Forbidden
from llmcoder.settings import EngineSettings
from models.accounts import users
from models.db.database import Database
from models.jobs.approvals import Origin

TRUSTED_FOR_S = 5.0
MOST_CACHED = 10_000


class Unauthorized(HttpError):
    """Nobody we know, or a token that no longer counts."""

    slug, title, status = "unauthorized", "Not logged in", 401
    default_headers: ClassVar[Mapping[str, str]] = {"www-authenticate": "Bearer"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, as of a few seconds ago.

    Attributes:
        jti: Of the token that said so.
        expires_at: When that token ends.
        session_id: The login that the token belongs to.
        origin: Who acts: the user in person, or an agent in the user's name.
    """

    user_id: UUID
    email: str
    is_admin: bool
    jti: str
    expires_at: datetime
    session_id: UUID
    origin: Origin = Origin.PERSON


class Identities:
    """Verifies access tokens and issues them. Safe to share between threads.

    Args:
        db: Where accounts and revocations stand.
        key: From `tokens.signing_key`.
        trusted_for_s: How long one look at the database is good for.
    """

    def __init__(self, db: Database, key: bytes, trusted_for_s: float = TRUSTED_FOR_S) -> None:
        self._db = db
        self._key = key
        self._trusted_for_s = trusted_for_s
        self._seen: dict[str, tuple[Identity, float]] = {}
        self._lock = threading.Lock()

    def known(self, token: str) -> Identity | None:
        """The holder of a token that was verified a moment ago; None means: ask `verify`. Never waits."""
        found = self._seen.get(token)
        return found[0] if found is not None and found[1] > time.monotonic() else None

    def verify(self, token: str) -> Identity:
        """The holder of a token. Asks the database for a token that was not seen lately, so it may wait.

        Raises:
            Unauthorized: It is forged, expired or revoked, or its account is gone or disabled.
        """
        return self.known(token) or self._verify(token)

    async def authenticate(self, token: str) -> Identity:
        """As `verify`, for the event loop: what may wait happens in a thread.

        Raises:
            Unauthorized: As `verify`.
        """
        who = self.known(token)
        return who if who is not None else await run_in_threadpool(self._verify, token)

    async def identify(self, headers: Mapping[str, str]) -> Identity:
        """The sender of a request, by its header `Authorization: Bearer <token>`.

        Raises:
            Unauthorized: There is no such header, or as `verify`.
        """
        return await self.authenticate(bearer(headers.get("authorization", "")))

    def issue(self, user_id: UUID, session_id: UUID, lives_s: int, origin: Origin = Origin.PERSON) -> str:
        """A new access token of one session."""
        return tokens.issue(self._key, user_id, session_id, lives_s, self._db.now(), origin)

    def issue_device(self, user_id: UUID) -> str:
        """A new device token, for somebody who has just logged in."""
        return tokens.issue_device(self._key, user_id, self._db.now())

    def device_of(self, token: str) -> tuple[UUID, str] | None:
        """Whose account and which device; None for what is no device token of ours."""
        return tokens.device_of(self._key, token)

    def forget(self, session_id: UUID) -> None:
        """Trust no token of a session any longer without asking; other processes find out by themselves."""
        with self._lock:
            for token in [token for token, (who, _) in self._seen.items() if who.session_id == session_id]:
                del self._seen[token]

    def _verify(self, token: str) -> Identity:
        asked_at = time.monotonic()
        try:
            claims = tokens.read(self._key, token)
        except tokens.InvalidToken as error:
            raise Unauthorized(str(error), www_authenticate='Bearer error="invalid_token"') from None
        with self._db.read() as conn:
            standing = users.standing(conn, claims.user_id, claims.jti, claims.session_id)
        if standing is None:
            detail = "This login has ended, or the account was disabled. Log in again."
            raise Unauthorized(detail, www_authenticate='Bearer error="invalid_token"')
        who = Identity(
            user_id=claims.user_id,
            email=standing.email,
            is_admin=standing.is_admin and claims.origin is Origin.PERSON,
            jti=claims.jti,
            expires_at=claims.expires_at,
            session_id=claims.session_id,
            origin=claims.origin,
        )
        left_s = (claims.expires_at - datetime.now(UTC)).total_seconds()
        self._remember(token, who, asked_at + min(left_s, self._trusted_for_s))
        return who

    def _remember(self, token: str, who: Identity, until: float) -> None:
        with self._lock:
            self._seen.pop(token, None)  # so that the oldest look at the database stands first
            while len(self._seen) >= MOST_CACHED:
                del self._seen[next(iter(self._seen))]
            self._seen[token] = (who, until)


def bearer(authorization: str) -> str:
    """The token of an Authorization header.

    Raises:
        Unauthorized: There is none.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("Log in with POST /auth/login and send the header `Authorization: Bearer <access_token>`.")
    return token.strip()


class AuthServices(Protocol):
    """What this package needs of the application: `app.state.services` has it."""

    db: Database
    identities: Identities

    def settings(self) -> EngineSettings: ...


def services(request: Request) -> AuthServices:
    return cast(AuthServices, request.app.state.services)


# Only for the OpenAPI document and its "Authorize" button; `current` reads the header itself.
_SCHEME = OAuth2PasswordBearer(tokenUrl="/auth/login", auto_error=False)


async def current(request: Request, _documented: Annotated[str | None, Depends(_SCHEME)] = None) -> Identity:
    """Dependency: who is asking.

    Raises:
        Unauthorized: Nobody we know. A token in the address does not count, since addresses are logged.
    """
    return await services(request).identities.identify(request.headers)


async def person(who: Annotated[Identity, Depends(current)]) -> Identity:
    """Dependency: who is asking, in person.

    Raises:
        Forbidden: An agent asks in the user's name.
    """
    if who.origin is not Origin.PERSON:
        raise Forbidden("Only the user in person may do this, not an agent with a token of its own.")
    return who


async def admin(who: Annotated[Identity, Depends(current)]) -> Identity:
    """Dependency: who is asking, an administrator.

    Raises:
        Forbidden: Somebody else.
    """
    if not who.is_admin:
        raise Forbidden("Only an administrator may do this.")
    return who
