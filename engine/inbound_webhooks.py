"""Inbound webhooks: what a person may do with their addresses, and what a call becomes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from engine.administrators import refuse_others
from engine.admission import JobSubmission, admit
from engine.inbound_call import InboundCall, payload_of
from engine.scheduling import TooMany
from engine.unknown_actions import UnknownToCalled, words
from llmcoder import strict_json
from llmcoder.config import config
from llmcoder.errors import ActionError, BadInput, NotFound
from llmcoder.ids import new_id
from llmcoder.registry import Registry
from llmcoder.signatures import Forged, Scheme, key_of, new_secret, verify
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.jobs.approvals import Origin
from models.jobs.store import NewJob
from models.macros import expressions
from models.macros.evaluation import EvaluationBudget
from models.schedules.store import ChangedMeanwhile
from models.webhooks import inbound
from models.webhooks.inbound import InboundHook
from models.webhooks.signing import Secret, renewed

MOST_HOOKS = 200
SECRET_BYTES = 32
ROOTS = ("payload", "headers")
LONGEST_ERROR_CHARS = 1_000
LONGEST_KEY = 255
#: Of a template whose values are not known yet.
LARGEST_TEMPLATE_BYTES = 64 * 1024
#: A call is a small thing, and strangers send it.
MOST_WORK = 100_000


def find(conn: sa.Connection, user_id: UUID, hook_id: UUID, *, locked: bool = False) -> InboundHook:
    """The user's inbound webhook.

    Raises:
        NotFound: There is none of that id, or it is somebody else's.
    """
    found = inbound.get(conn, user_id, hook_id, locked=locked)
    if found is None:
        raise NotFound(f"You have no inbound webhook {hook_id}.")
    return found


def add(
    conn: sa.Connection, registry: Registry, new: InboundHook, secret: str | None, now: datetime
) -> tuple[InboundHook, str]:
    """Keep a new address, and say its secret.

    Args:
        secret: What the sender signs with already; a new one when not given.

    Raises:
        BadInput, NotFound: The action, its input's template or the secret makes no sense.
        TooMany: The user has as many as anybody may have.
        AdministratorsOnly: The action is for administrators, and the user is none.
    """
    refuse_others(conn, registry.find(new.action), new.user_id)
    _check(registry, new)
    if inbound.count(conn, new.user_id) >= MOST_HOOKS:
        raise TooMany(f"A user has at most {MOST_HOOKS} inbound webhooks. Remove one first.")
    text = _secret(Scheme(new.scheme), secret)
    inbound.add(conn, new, Secret(text), now)
    audit.append(conn, [Entry(Event.HOOK_ADDED, str(new.id), new.user_id, {"action": new.action})], now)
    return new, text


def change(
    conn: sa.Connection, registry: Registry, user_id: UUID, hook_id: UUID, values: Mapping[str, Any], seen: int | None,
    now: datetime,
) -> InboundHook:  # fmt: skip
    """Set columns of an inbound webhook.

    Args:
        seen: The version that the values were made for; None for any.

    Raises:
        ChangedMeanwhile: It has another version.
        BadInput, NotFound, AdministratorsOnly: As `add` and `find`.
    """
    found = find(conn, user_id, hook_id, locked=True)
    refuse_others(conn, registry.find(replace(found, **values).action), user_id)
    if seen is not None and seen != found.version:
        raise ChangedMeanwhile(f"It has version {found.version}, and you saw {seen}. Read it again.")
    _check(registry, replace(found, **values))
    return _keep(conn, found, values, now)


def renew_secret(
    conn: sa.Connection, user_id: UUID, hook_id: UUID, secret: str | None, overlap_s: int, now: datetime
) -> tuple[InboundHook, str]:
    """Give it another secret; the one before counts for a while yet.

    Raises:
        BadInput, NotFound: As `add` and `find`.
    """
    found = find(conn, user_id, hook_id, locked=True)
    text = _secret(Scheme(found.scheme), secret)
    until = now + timedelta(seconds=overlap_s)
    inbound.set_secrets(conn, found, renewed(inbound.secrets_of(conn, found), text, until), now)
    return _keep(conn, found, {}, now), text


def remove(conn: sa.Connection, user_id: UUID, hook_id: UUID, now: datetime) -> None:
    """Delete an inbound webhook; jobs that it made stay. Raises as `find`."""
    find(conn, user_id, hook_id)
    inbound.remove(conn, hook_id)
    audit.append(conn, [Entry(Event.HOOK_REMOVED, str(hook_id), user_id)], now)


def called(conn: sa.Connection, hook_id: UUID, call: InboundCall, now: datetime) -> tuple[InboundHook, str | None]:
    """The inbound webhook that a call proved to be meant for, and what tells the call from others.

    Raises:
        Forged: The caller does not prove who it is, or there is no such address: nobody learns which.
    """
    found = inbound.called(conn, hook_id, now)
    if found is None:
        raise Forged
    hook, known = found
    proven = verify(Scheme(hook.scheme), known, call.headers, call.body, now.timestamp(), hook.replay_window_s)
    return hook, proven.delivery


def input_of(hook: InboundHook, call: InboundCall) -> str:
    """What the webhook's action is given for a call, as JSON. Takes a thread for up to a few tenths of a second.

    Raises:
        BadInput: The body is not what it says it is, or an expression cannot be computed.
    """
    scope = {"payload": payload_of(call), "headers": dict(call.headers)}
    template = strict_json.read_lenient(hook.input)
    return strict_json.write(expressions.value_of(template, scope, budget=EvaluationBudget(MOST_WORK)))


def job_of(
    conn: sa.Connection, registry: Registry, hook: InboundHook, given: str, delivery: str | None, now: datetime
) -> NewJob:
    """The job that a call becomes: tainted, since a stranger wrote it; the same for a call that is repeated.

    Args:
        given: From `input_of`.

    Raises:
        ActionError: It cannot become one.
    """
    if hook.action not in registry:
        raise UnknownToCalled(words(hook.action))
    submission = JobSubmission(
        hook.user_id,
        registry[hook.action],
        given,
        origin=Origin.WEBHOOK,
        tainted=True,
        key=None if delivery is None else _key(hook, delivery),
    )
    return admit(conn, submission, registry, config().get, now)


def _key(hook: InboundHook, delivery: str) -> str:
    """Of a delivery: one that is too long to be kept goes by its hash, since two may begin alike.

    A tab stands in no key that comes over HTTP, so nobody can take a call's before it comes.
    """
    key = f"hook\t{hook.id}:{delivery}"
    return key if len(key) <= LONGEST_KEY else f"hook\t{hook.id}:{hashlib.sha256(delivery.encode()).hexdigest()}"


def remember_error(conn: sa.Connection, hook: InboundHook, error: ActionError | None, now: datetime) -> None:
    """So that the webhook's owner sees why calls become no jobs; None when one did again."""
    said = None if error is None else strict_json.storable(error.detail[:LONGEST_ERROR_CHARS])
    inbound.change(conn, hook.id, {"error": said, "error_at": None if said is None else now})


def _check(registry: Registry, hook: InboundHook) -> None:
    action = registry.find(hook.action)
    if len(hook.input) > LARGEST_TEMPLATE_BYTES:
        raise BadInput(f"The input has {len(hook.input)} bytes; at most {LARGEST_TEMPLATE_BYTES} are kept.")
    template = strict_json.read_lenient(hook.input)
    expressions.refuse_too_many(template)
    for expression in expressions.expressions_in(template):
        expressions.check(expression, ROOTS)
    fields = {one.alias or name for name, one in action.input.model_fields.items()}
    for name in sorted(set(template) - fields):
        raise BadInput(f"{hook.action} takes no {name!r}; it takes {', '.join(sorted(fields)) or 'nothing'}.")


def _secret(scheme: Scheme, given: str | None) -> str:
    if scheme is Scheme.STANDARD_WEBHOOKS and given is not None:
        key_of(given)
    if given is not None:
        return given
    key = secrets.token_bytes(SECRET_BYTES)
    return new_secret(key) if scheme is Scheme.STANDARD_WEBHOOKS else key.hex()


def _keep(conn: sa.Connection, found: InboundHook, values: Mapping[str, Any], now: datetime) -> InboundHook:
    inbound.change(conn, found.id, {**values, "version": found.version + 1, "updated_at": now})
    audit.append(conn, [Entry(Event.HOOK_CHANGED, str(found.id), found.user_id)], now)
    return find(conn, found.user_id, found.id)


def made_of(user_id: UUID, wanted: Mapping[str, Any], now: datetime) -> InboundHook:
    """The inbound webhook that somebody wants, not yet checked."""
    return InboundHook(
        **wanted, id=new_id(), user_id=user_id, error=None, error_at=None, version=1, created_at=now, updated_at=now
    )
