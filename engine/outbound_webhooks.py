"""What a person may do with outbound webhooks, the same through every door. In its caller's transaction."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from engine.scheduling import TooMany
from llmcoder import strict_json
from llmcoder.errors import BadInput, NotFound
from llmcoder.ids import new_id
from llmcoder.net.guard import Target, parse_target
from llmcoder.signatures import key_of, new_secret
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.jobs.store import revision
from models.schedules.store import ChangedMeanwhile
from models.webhooks import outbound as webhooks
from models.webhooks.outbound import Delivery, Webhook
from models.webhooks.signing import Secret, renewed

MOST_WEBHOOKS = 50
SECRET_BYTES = 32


def find(conn: sa.Connection, user_id: UUID, webhook_id: UUID, *, locked: bool = False) -> Webhook:
    """The user's webhook.

    Raises:
        NotFound: There is none of that id, or it is somebody else's.
    """
    found = webhooks.get(conn, user_id, webhook_id, locked=locked)
    if found is None:
        raise NotFound(f"You have no outbound webhook {webhook_id}.")
    return found


def add(
    conn: sa.Connection, user_id: UUID, wanted: Mapping[str, Any], secret: str | None, now: datetime
) -> tuple[Webhook, str]:
    """Keep a new webhook, and say its secret. It hears of what changes from now on.

    Args:
        wanted: Its columns.

    Raises:
        BadInput: The address or the secret makes no sense.
        TooMany: The user has as many as anybody may have.
    """
    new = Webhook(
        **wanted, id=new_id(), user_id=user_id, note=None, rev=revision(conn, user_id), failures=0,
        failing_since=None, resting_until=None, version=1, created_at=now, updated_at=now,
    )  # fmt: skip
    _check(new)
    target = _target(new.url)
    if webhooks.count(conn, user_id) >= MOST_WEBHOOKS:
        raise TooMany(f"A user has at most {MOST_WEBHOOKS} outbound webhooks. Remove one first.")
    text = _secret(secret)
    webhooks.add(conn, new, Secret(text), now)
    host = target.host
    audit.append(conn, [Entry(Event.WEBHOOK_ADDED, str(new.id), user_id, {"host": host})], now)
    return new, text


def change(
    conn: sa.Connection, user_id: UUID, webhook_id: UUID, values: Mapping[str, Any], seen: int | None, now: datetime
) -> Webhook:
    """Set columns of a webhook. One that is enabled again begins anew, with what changed meanwhile.

    Args:
        seen: The version that the values were made for; None for any.

    Raises:
        ChangedMeanwhile: It has another version.
        BadInput, NotFound: As `add` and `find`.
    """
    found = find(conn, user_id, webhook_id, locked=True)
    if seen is not None and seen != found.version:
        raise ChangedMeanwhile(f"It has version {found.version}, and you saw {seen}. Read it again.")
    _check(replace(found, **values))
    if "url" in values:
        _target(values["url"])
    anew: dict[str, Any] = {}
    if values.get("enabled") and not found.enabled:
        anew = {"note": None, "failures": 0, "failing_since": None, "resting_until": None}
    return _keep(conn, found, {**values, **anew}, now)


def renew_secret(
    conn: sa.Connection, user_id: UUID, webhook_id: UUID, secret: str | None, overlap_s: int, now: datetime
) -> tuple[Webhook, str]:
    """Give it another secret; for a while messages are signed with both.

    Raises:
        BadInput, NotFound: As `add` and `find`.
    """
    found = find(conn, user_id, webhook_id, locked=True)
    text = _secret(secret)
    until = now + timedelta(seconds=overlap_s)
    webhooks.set_secrets(conn, found, renewed(webhooks.secrets_of(conn, found), text, until), now)
    return _keep(conn, found, {}, now), text


def remove(conn: sa.Connection, user_id: UUID, webhook_id: UUID, now: datetime) -> None:
    """Delete a webhook with its messages. Raises as `find`."""
    find(conn, user_id, webhook_id, locked=True)
    webhooks.remove(conn, webhook_id)
    audit.append(conn, [Entry(Event.WEBHOOK_REMOVED, str(webhook_id), user_id)], now)


def test(conn: sa.Connection, user_id: UUID, webhook_id: UUID, now: datetime) -> Delivery:
    """Send a message that says nothing. Raises as `find`."""
    found = find(conn, user_id, webhook_id)
    message_id = webhooks.add_test(conn, found, now)
    return next(one for one in webhooks.messages(conn, found.id, None, None, 10) if one.id == message_id)


def send_again(conn: sa.Connection, user_id: UUID, webhook_id: UUID, message_id: UUID, now: datetime) -> Delivery:
    """Send a message once more, whatever became of it.

    Raises:
        NotFound: There is no such webhook or message.
    """
    find(conn, user_id, webhook_id)
    found = webhooks.send_again(conn, webhook_id, message_id, now)
    if found is None:
        raise NotFound(f"The webhook has no message {message_id}; those that ended long ago are forgotten.")
    return found


def _check(webhook: Webhook) -> None:
    if not strict_json.read_lenient(webhook.events):
        raise BadInput("events: name at least one.")


def _target(url: str) -> Target:
    """The address as the guard will read it when there is something to send; private ones are its business then."""
    try:
        return parse_target(url)
    except BadInput as error:
        raise BadInput(f"url: {error.detail}") from None


def _secret(given: str | None) -> str:
    if given is None:
        return new_secret(secrets.token_bytes(SECRET_BYTES))
    key_of(given)
    return given


def _keep(conn: sa.Connection, found: Webhook, values: Mapping[str, Any], now: datetime) -> Webhook:
    webhooks.change(conn, found.id, {**values, "version": found.version + 1, "updated_at": now})
    audit.append(conn, [Entry(Event.WEBHOOK_CHANGED, str(found.id), found.user_id)], now)
    return find(conn, found.user_id, found.id)
