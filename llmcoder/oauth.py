"""OAuth from the client's side: the address a browser is sent to, the exchange of the code, new access tokens.

Two requests, both form posts to the provider's token address (RFC 6749, 4.1.3 and 6). The errors of all providers are
mapped here: `invalid_grant` is a person's to mend, `invalid_client` an operator's, trouble on the way passes.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from pydantic import SecretStr

from llmcoder import strict_json
from llmcoder.declare.connection import Answer, Grant, OAuth, OAuthClient
from llmcoder.errors import ActionError, NeedsReconnect, NotConfigured, RateLimited, Refused, Transient
from llmcoder.retry_after import retry_at

CONNECT_S = 5.0
SILENCE_S = 10.0
LONGEST_S = 20.0
LARGEST_ANSWER_BYTES = 262_144
#: `expires_in` beyond this is no life of a token.
LONGEST_LIFE_S = 10 * 365 * 86_400

#: The names of RFC 6749, 5.2, and what Slack says in their place.
DEAD = {"invalid_grant", "invalid_refresh_token", "token_revoked", "token_expired", "invalid_auth", "invalid_code",
        "code_already_used", "code_expired"}  # fmt: skip
OUR_FAULT = {"invalid_client", "unauthorized_client", "bad_client_secret", "invalid_client_id", "bad_redirect_uri",
             "redirect_uri_mismatch"}  # fmt: skip
PASSING = {"server_error", "temporarily_unavailable", "internal_error", "fatal_error", "service_unavailable"}
LIMITED = {"ratelimited", "rate_limited", "slow_down"}


def new_verifier() -> str:
    """A secret of one sign-in (RFC 7636, 4.1)."""
    return secrets.token_urlsafe(48)


def challenge_of(verifier: str) -> str:
    """What the provider is shown of it: S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorize_url(oauth: OAuth[Any], client: OAuthClient, *, redirect_uri: str, state: str, verifier: str) -> str:
    """Where the user's browser is sent."""
    asked = {
        **oauth.authorize,
        "response_type": "code",
        "client_id": client.id,
        "redirect_uri": redirect_uri,
        oauth.scope_parameter: oauth.scope_separator.join(oauth.scopes),
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    joint = "&" if urlsplit(client.authorize_url).query else "?"
    return f"{client.authorize_url}{joint}{urlencode(asked)}"


def exchange(
    oauth: OAuth[Any], client: OAuthClient, *, code: str, verifier: str, redirect_uri: str, within_s: float
) -> tuple[Grant, Answer]:
    """Take the code that the browser brought to the provider.

    Returns:
        The grant, and the whole answer.

    Raises:
        NeedsReconnect: The code is not good, or not any more.
        NotConfigured: The provider does not know our client, or not with this redirect address.
        Transient, RateLimited, Refused: As they say.
    """
    asked_at = datetime.now(UTC)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    answer = _post(client, form, within_s)
    return read_grant(oauth, answer, None, asked_at), answer


def refresh(oauth: OAuth[Any], client: OAuthClient, grant: Grant, within_s: float) -> Grant:
    """A new access token.

    Raises:
        NeedsReconnect: The grant is dead, or has nothing to renew it with.
        NotConfigured: The provider does not know our client.
        Transient, RateLimited, Refused: As they say.
    """
    if grant.refresh_token is None:
        raise NeedsReconnect("The access has ended, and the provider gave nothing to renew it with. Connect again.")
    asked_at = datetime.now(UTC)
    form = {"grant_type": "refresh_token", "refresh_token": grant.refresh_token.get_secret_value()}
    return read_grant(oauth, _post(client, form, within_s), grant, asked_at)


def read_grant(oauth: OAuth[Any], answer: Answer, before: Grant | None, asked_at: datetime) -> Grant:
    """What an answer grants; what it leaves out, or says null to, stays as it was.

    Raises:
        Refused: There is no access token in it.
    """
    tokens = oauth.tokens(answer)
    access = tokens.get("access_token")
    if not isinstance(access, str) or not access:
        raise Refused("The provider answered without an access token.")
    renewal, scope = tokens.get("refresh_token"), tokens.get("scope")
    kept = before.refresh_token if before is not None else None
    listed = scope.replace(",", " ").split() if isinstance(scope, str) else None
    unsaid = before.scopes if before is not None else oauth.scopes  # RFC 6749, 5.1: as asked for
    return Grant(
        access_token=SecretStr(access),
        refresh_token=SecretStr(renewal) if isinstance(renewal, str) and renewal else kept,
        expires_at=_expires_at(tokens.get("expires_in"), asked_at),
        scopes=tuple(listed) if listed else unsaid,
    )


def _expires_at(expires_in: object, asked_at: datetime) -> datetime | None:
    """Some providers write the number as text."""
    try:
        life_s = float(expires_in)  # type: ignore[arg-type]  # whatever the provider sent
    except (TypeError, ValueError):
        return None
    return asked_at + timedelta(seconds=life_s) if 0 < life_s < LONGEST_LIFE_S else None


def _post(client: OAuthClient, form: Mapping[str, str], within_s: float) -> Answer:
    host = urlsplit(client.token_url).hostname or "the provider"
    sent = {**form, "client_id": client.id}
    if client.secret is not None:
        sent["client_secret"] = client.secret.get_secret_value()
    try:
        status, headers, body = _answered(client.token_url, sent, min(within_s, LONGEST_S))
    except httpx.InvalidURL as error:
        raise NotConfigured(f"The token address of {host} cannot be used.") from error
    except httpx.HTTPError as error:  # what was sent twice is refused the second time, and nothing worse
        raise Transient(f"{host} could not be asked for an access token ({type(error).__name__}).") from error
    return _read(host, status, headers, body)


def _answered(url: str, form: Mapping[str, str], within_s: float) -> tuple[int, httpx.Headers, bytes]:
    until = time.monotonic() + max(within_s, 0.1)
    timeout = httpx.Timeout(max(min(SILENCE_S, within_s), 0.1), connect=max(min(CONNECT_S, within_s), 0.1))
    body = b""
    with (
        httpx.Client(timeout=timeout, follow_redirects=False) as http,
        http.stream("POST", url, data=dict(form), headers={"accept": "application/json"}) as answer,
    ):
        for piece in answer.iter_bytes():
            body += piece
            if len(body) > LARGEST_ANSWER_BYTES or time.monotonic() > until:
                raise httpx.ReadTimeout("more or slower than a token answer is")
        return answer.status_code, answer.headers, body


def _read(host: str, status: int, headers: httpx.Headers, body: bytes) -> Answer:
    try:
        answer = strict_json.read_lenient(body)
    except strict_json.NotJson:
        answer = None
    members: dict[str, Any] = answer if isinstance(answer, dict) else {}
    error = members.get("error")
    if status == httpx.codes.OK and members and not error:
        return members
    raise _error(host, status, str(error or ""), headers)


def _error(host: str, status: int, name: str, headers: httpx.Headers) -> ActionError:
    """The provider's own description is left out: it may quote what we sent."""
    said = f"{host} answered {status}" + (f" ({name[:60]})" if name.isprintable() and name else "")
    if name in LIMITED or status == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimited(f"{said}.", retry_at(headers, datetime.now(UTC)))
    if name in DEAD:
        return NeedsReconnect(f"{said}: the access was withdrawn or has ended. Connect the account again.")
    if name in OUR_FAULT or status == httpx.codes.UNAUTHORIZED:
        return NotConfigured(
            f"{said}: it does not know this installation. Look at the client id, the secret and the redirect address."
        )
    if name in PASSING or status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Transient(f"{said}; no access token was had.")
    return Refused(f"{said} when asked for an access token.")
