"""Access tokens: short-lived JWTs, signed with the key of this installation; and the making of refresh tokens.

The key is DATA_DIR/signing.key: 32 random bytes, mode 0600, made at the first start. Every API process of an
installation must have the same one. Whoever deletes it and restarts ends every access token at once.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import jwt

from llmcoder import keyfile
from llmcoder.ids import new_id
from llmcoder.keyfile import KEY_BYTES
from models.jobs.approvals import Origin

ALGORITHM = "HS256"
ISSUER = "llmcoder"
AUDIENCE = "llmcoder-api"
#: Of device tokens, so that none can ever pass for an access token, nor the other way round.
DEVICE_AUDIENCE = "llmcoder-device"
DEVICE_LIVES = timedelta(days=400)
#: The one header we write, so that no other (`crit`, `jwk`, `jku`, `kid`, …) can mean anything to us.
HEADER = {"alg": ALGORITHM, "typ": "JWT"}
CLAIMS = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "origin"]
LONGEST_TOKEN_CHARS = 2048


class InvalidToken(Exception):
    """The token proves nothing; the message says why, to whoever sent it."""


class UnusableKey(RuntimeError):
    """signing.key is not what this engine wrote."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a genuine token says. Whether its holder still may do anything is for the database to say."""

    user_id: UUID
    session_id: UUID
    jti: str
    expires_at: datetime
    origin: Origin


def signing_key(folder: Path) -> bytes:
    """The key of the installation whose data folder this is, made if there is none.

    Processes that start at the same moment agree on one.

    Raises:
        UnusableKey: The file does not hold a key.
        OSError: The folder cannot be written.
    """
    path = folder / "signing.key"
    key = keyfile.read_or_make(path)
    if len(key) != KEY_BYTES:
        raise UnusableKey(f"{path} does not hold {KEY_BYTES} bytes. Delete it, and everybody logs in again.")
    return key


def issue(
    key: bytes, user_id: UUID, session_id: UUID, lives_s: int, now: datetime, origin: Origin = Origin.PERSON
) -> str:
    """A new access token of one session."""
    issued_at = int(now.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "sid": str(session_id),
        "origin": origin.value,
        "jti": str(new_id()),
        "iat": issued_at,
        "exp": issued_at + lives_s,
    }
    return jwt.encode(claims, key, ALGORITHM, HEADER)


def read(key: bytes, token: str) -> Claims:
    """The claims of a token that this installation signed and that has not expired.

    Raises:
        InvalidToken: It is none of ours, was changed, or has expired.
    """
    try:
        return _read(key, token)
    except jwt.ExpiredSignatureError:
        reason = "The access token has expired. Get a new one with POST /auth/refresh."
    except (jwt.InvalidTokenError, ValueError):
        reason = "The access token is not valid here. Log in again."
    # Raised outside the handler: the causes may quote the token.
    raise InvalidToken(reason)


def _read(key: bytes, token: str) -> Claims:
    if len(token) > LONGEST_TOKEN_CHARS or not token.isascii():
        raise ValueError
    found = jwt.decode_complete(
        token,
        key,
        algorithms=[ALGORITHM],
        issuer=ISSUER,
        audience=AUDIENCE,
        # `iat` in the future: another of our hosts has a fast clock, no reason to refuse
        options={"require": CLAIMS, "strict_aud": True, "verify_iat": False},
    )
    if found["header"] != HEADER:
        raise ValueError
    claims = found["payload"]
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    return Claims(UUID(claims["sub"]), UUID(claims["sid"]), claims["jti"], expires_at, Origin(claims["origin"]))


def issue_device(key: bytes, user_id: UUID, now: datetime) -> str:
    """A token that opens nothing: it says that its holder has logged in to an account before."""
    claims = {
        "iss": ISSUER,
        "aud": DEVICE_AUDIENCE,
        "sub": str(user_id),
        "jti": str(new_id()),
        "exp": int((now + DEVICE_LIVES).timestamp()),
    }
    return jwt.encode(claims, key, ALGORITHM, HEADER)


def device_of(key: bytes, token: str) -> tuple[UUID, str] | None:
    """Whose account and which device a device token is for; None for whatever is none."""
    if not token or len(token) > LONGEST_TOKEN_CHARS or not token.isascii():
        return None
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=DEVICE_AUDIENCE,
            options={"require": ["iss", "aud", "sub", "jti", "exp"], "strict_aud": True},
        )
        return UUID(claims["sub"]), str(UUID(claims["jti"]))
    except (jwt.InvalidTokenError, ValueError):  # whoever has none is a stranger, and waits like one
        return None


def new_refresh_token() -> str:
    """256 random bits; it says nothing by itself."""
    return secrets.token_urlsafe(32)


def fingerprint(refresh_token: str) -> str:
    """What the database keeps of a refresh token."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()
