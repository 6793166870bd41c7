"""Who sent a webhook: the published schemes by which providers sign what they send, and the one by which we do. Pure.

Every comparison takes the same time whatever is wrong, and nothing says what was.

Sources: docs.github.com "Validating webhook deliveries", docs.slack.dev "Verifying requests from Slack",
docs.stripe.com/webhooks "Verify webhook signatures manually", github.com/standard-webhooks/standard-webhooks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from llmcoder import strict_json
from llmcoder.errors import ActionError, BadInput

SECRET_PREFIX = "whsec_"


class Scheme(StrEnum):
    """How a sender proves who it is."""

    GITHUB = "github"
    SLACK = "slack"
    STRIPE = "stripe"
    STANDARD_WEBHOOKS = "standard_webhooks"
    HMAC = "hmac"  # X-Signature-256: the body's HMAC-SHA256 in hex
    TOKEN = "token"  # X-Webhook-Token, or Authorization: Bearer: the secret itself


class Forged(ActionError):
    """The signature is missing, wrong, or too old."""

    slug, title, status = "wrong-signature", "The signature is wrong", 403

    def __init__(self) -> None:
        super().__init__("It was not signed with the secret of this address, or too long ago.")


@dataclass(frozen=True, slots=True)
class Proven:
    """What a signature proves.

    Attributes:
        delivery: The same for a call that is repeated, by its sender or by somebody who overheard it; None where the
            scheme has nothing to tell one call from another.
    """

    delivery: str | None


def verify(
    scheme: Scheme, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now_s: float, window_s: float
) -> Proven:
    """Prove who sent it.

    Args:
        secrets: Those that count now; one is enough.
        headers: By name in lower case.
        window_s: How far the sender's clock, where the scheme signs it, may be from ours.

    Raises:
        Forged: It is not proven.
    """
    matches = [_SCHEMES[scheme](secret, headers, body) for secret in secrets]
    found = next((one for one in matches if one is not None), None)
    if found is None or (found.sent_at_s is not None and abs(now_s - found.sent_at_s) > window_s):
        raise Forged
    return Proven(found.delivery)


@dataclass(frozen=True, slots=True)
class _Match:
    delivery: str | None
    sent_at_s: float | None = None


def _github(secret: str, headers: Mapping[str, str], body: bytes) -> _Match | None:
    signed = headers.get("x-hub-signature-256") or headers.get("x-hub-signature", "")  # where Bitbucket has it
    if not _same_hex(f"sha256={_hex(secret, body)}", signed):
        return None
    # GitHub's own way to know a redelivery ("Best practices for using webhooks"), and Gitea's and Forgejo's. It is not
    # signed: whoever overhears calls could send one again under another id. The body alone would make one of two
    # events that say the same.
    return _Match(headers.get("x-github-delivery") or _digest(body))


def _slack(secret: str, headers: Mapping[str, str], body: bytes) -> _Match | None:
    sent_at = headers.get("x-slack-request-timestamp", "")
    signed = headers.get("x-slack-signature", "")
    expected = f"v0={_hex(secret, b'v0:' + sent_at.encode() + b':' + body)}"
    if not _same_hex(expected, signed):
        return None
    # Slack sends an event again under a new time; what has no id is not sent again.
    return _Match(_member(body, "event_id") or expected, _seconds(sent_at))


def _stripe(secret: str, headers: Mapping[str, str], body: bytes) -> _Match | None:
    parts = [part.strip().partition("=") for part in headers.get("stripe-signature", "").split(",")]
    sent_at = next((value for name, _, value in parts if name == "t"), "")
    expected = _hex(secret, sent_at.encode() + b"." + body)
    if not any(_same_hex(expected, value) for name, _, value in parts if name == "v1"):
        return None
    # Stripe sends an event again under a new time, too
    return _Match(_member(body, "id") or _digest(body), _seconds(sent_at))


def _standard(secret: str, headers: Mapping[str, str], body: bytes) -> _Match | None:
    brand = "webhook" if "webhook-id" in headers else "svix"  # as Svix, whose scheme it was, names the headers yet
    delivery, sent_at, signed = (headers.get(f"{brand}-{name}", "") for name in ("id", "timestamp", "signature"))
    expected = sign(secret, delivery, sent_at, body)
    if not delivery or not any(_same(expected, one) for one in signed.split(" ")):
        return None
    return _Match(delivery, _seconds(sent_at))


def _hmac(secret: str, headers: Mapping[str, str], body: bytes) -> _Match | None:
    signed = headers.get("x-signature-256", "").strip()
    digest = signed[len("sha256=") :] if signed.lower().startswith("sha256=") else signed
    return _Match(_digest(body)) if _same_hex(_hex(secret, body), digest) else None


def _token(secret: str, headers: Mapping[str, str], _body: bytes) -> _Match | None:
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    given = headers.get("x-webhook-token") or (bearer if kind.lower() == "bearer" else "")
    return _Match(headers.get("idempotency-key")) if _same(secret, given) else None


_SCHEMES = {
    Scheme.GITHUB: _github,
    Scheme.SLACK: _slack,
    Scheme.STRIPE: _stripe,
    Scheme.STANDARD_WEBHOOKS: _standard,
    Scheme.HMAC: _hmac,
    Scheme.TOKEN: _token,
}


# --- Standard Webhooks, which we send by


def sign(secret: str, delivery: str, sent_at: str, body: bytes) -> str:
    """The `webhook-signature` of a body, in version v1.

    Args:
        secret: `whsec_` and the key in base64.
        sent_at: Seconds since 1970, as in `webhook-timestamp`.
    """
    text = f"{delivery}.{sent_at}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key_of(secret), text, 'sha256')).decode()}"


def key_of(secret: str) -> bytes:
    """The key of a Standard Webhooks secret.

    Raises:
        BadInput: It is none.
    """
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:  # binascii.Error is one, and what is not ASCII raises another
        raise BadInput(f"A secret of Standard Webhooks is {SECRET_PREFIX} and a key in base64.") from None


def new_secret(key: bytes) -> str:
    return SECRET_PREFIX + base64.b64encode(key).decode()


# --- what they share


def _hex(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode())


def _same_hex(expected: str, given: str) -> bool:
    """.NET, Delphi and databases write hexadecimal digits in capitals."""
    return _same(expected, given.strip().lower())


def _seconds(text: str) -> float:
    """When it was sent; never, where that is no number."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 15 else float("-inf")


def _member(body: bytes, name: str) -> str | None:
    """A text of the object that the body is, which is proven by now; None where there is none."""
    try:
        found = strict_json.read_lenient(body)
    except ValueError:
        return None
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) and value else None
