"""Whether it is Plaid who calls: a JWT signed with ES256 over the hash of the body, at most five minutes old.

https://plaid.com/docs/api/webhooks/webhook-verification/
"""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from llmcoder.errors import Forbidden, Transient

HEADER = "plaid-verification"
ALGORITHM = "ES256"
OLDEST_S = 300
#: Clocks differ.
AHEAD_S = 60
LONGEST_TOKEN = 4_000
_KEY_ID = re.compile(r"[A-Za-z0-9_\-]{1,100}", re.ASCII)
#: Keys that Plaid has been asked for. Anybody may name one, so nobody makes us ask without end.
MOST_KEYS = 20
MOST_QUESTIONS, PER_S = 20, 60.0

GetKey = Callable[[str], Mapping[str, Any]]


class Keys:
    """Plaid's public keys, each asked for once an hour; those that it does not know, too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Mapping[str, Any] | None]] = OrderedDict()
        self._asked: list[float] = []

    def get(self, kid: str, ask: GetKey) -> Mapping[str, Any] | None:
        """The key of an id; None where Plaid has none.

        Raises:
            Transient: Too many unknown ones were named just now.
        """
        with self._lock:
            kept = self._known.get(kid)
            if kept is not None and time.monotonic() - kept[0] < 3600:
                return kept[1]
            self._count()
        found = ask(kid)
        with self._lock:
            self._known[kid] = (time.monotonic(), found or None)
            while len(self._known) > MOST_KEYS:
                self._known.popitem(last=False)
        return found or None

    def _count(self) -> None:
        now = time.monotonic()
        self._asked = [one for one in self._asked if now - one < PER_S]
        if len(self._asked) >= MOST_QUESTIONS:
            raise Transient("Too many webhooks name keys that nobody knows; call again in a minute.")
        self._asked.append(now)


def prove(headers: Mapping[str, str], body: bytes, ask: GetKey, keys: Keys, now: float) -> str:
    """Prove that Plaid has sent the body, and just now.

    Args:
        now: Seconds since 1970.

    Returns:
        What names this call, so that the same one twice is one.

    Raises:
        Forbidden: It has not.
        Transient: The key could not be had now.
    """
    token = headers.get(HEADER, "")
    if not token or len(token) > LONGEST_TOKEN:
        raise _forged()
    try:
        head = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise _forged() from None
    kid = head.get("kid")
    if head.get("alg") != ALGORITHM or not isinstance(kid, str) or not _KEY_ID.fullmatch(kid):
        raise _forged()
    key = keys.get(kid, ask)
    if key is None or key.get("expired_at") is not None or key.get("alg") not in (None, ALGORITHM):
        raise _forged()
    claims = _claims(token, key)
    issued, digest = claims.get("iat"), claims.get("request_body_sha256")
    fresh = isinstance(issued, int) and now - OLDEST_S <= issued <= now + AHEAD_S
    same = isinstance(digest, str) and hmac.compare_digest(digest.encode(), hashlib.sha256(body).hexdigest().encode())
    if not fresh or not same:
        raise _forged()
    return hashlib.sha256(token.encode()).hexdigest()[:40]


def _claims(token: str, key: Mapping[str, Any]) -> dict[str, Any]:
    public = {name: key[name] for name in ("kty", "crv", "x", "y") if isinstance(key.get(name), str)}
    options: Any = {"verify_aud": False, "verify_iat": False, "require": ["iat", "request_body_sha256"]}
    try:
        made = jwt.PyJWK.from_dict({**public, "alg": ALGORITHM})
        found: dict[str, Any] = jwt.decode(token, made.key, algorithms=[ALGORITHM], options=options)
    except jwt.PyJWTError:
        raise _forged() from None
    return found


def _forged() -> Forbidden:
    return Forbidden("The signature is none of Plaid's, or is too old.")
