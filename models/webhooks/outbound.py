"""Webhooks that go out: where their users want to hear of their jobs, and each message that is sent there.

Messages are made from the user's revisions: each webhook knows up to which it has come, so no change is passed over,
whoever was down meanwhile. A message is taken for a while by moving its `due_at`; who dies with it lets it come again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.ids import new_id
from llmcoder.states import Reason, State
from models.accounts.tables import revisions
from models.audit import log as audit
from models.audit.log import Entry, Event
from models.db import batch
from models.db.due_rows import each_alone
from models.db.literals import literal
from models.jobs.store import Job, changes
from models.webhooks import signing
from models.webhooks.signing import Secret
from models.webhooks.tables import DeliveryState, webhook_deliveries, webhooks

#: What may be heard of; `job.waiting` is a job that waits for a person.
EVENTS = ("job.succeeded", "job.failed", "job.cancelled", "job.uncertain", "job.waiting")
TEST = "webhook.test"
LARGEST_RESULT_BYTES = 256 * 1024
#: What a person can end.
_FOR_A_PERSON = (Reason.APPROVAL, Reason.RECONNECT)


@dataclass(frozen=True, slots=True)
class Webhook:
    """One address. `events` is JSON text.

    Attributes:
        actions: Whose jobs: a name, `domain.*` or `*`.
        rev: Changes up to it have become messages.
        failures: One after the other, since `failing_since`.
    """

    id: UUID
    user_id: UUID
    name: str
    url: str
    events: str
    actions: str
    with_result: bool
    enabled: bool
    note: str | None
    rev: int
    failures: int
    failing_since: datetime | None
    resting_until: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime

    def wants(self, event: str, action: str) -> bool:
        pattern = self.actions
        fits = pattern in ("*", action) or (pattern.endswith(".*") and action.startswith(pattern[:-1]))
        return fits and event in strict_json.read_lenient(self.events)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message."""

    id: UUID
    webhook_id: UUID
    event: str
    job_id: UUID | None
    state: str
    tries: int
    due_at: datetime
    status: int | None
    error: str | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A message that somebody sends now.

    Attributes:
        secrets: Those that sign it.
        created_at: Of the message.
    """

    id: UUID
    webhook: Webhook
    payload: str
    tries: int
    secrets: tuple[str, ...]
    created_at: datetime


COLUMNS = tuple(webhooks.c[name] for name in Webhook.__slots__)
_DELIVERY = tuple(webhook_deliveries.c[name] for name in Delivery.__slots__)


# --- a user's own


def add(conn: sa.Connection, new: Webhook, secret: Secret, now: datetime) -> None:
    values = {name: getattr(new, name) for name in Webhook.__slots__}
    kept = signing.sealed(conn, [secret], (new.id, new.user_id), now)
    conn.execute(sa.insert(webhooks).values(**values, **kept))


def listed(conn: sa.Connection, user_id: UUID, before: UUID | None, limit: int) -> list[Webhook]:
    """The user's, the newest first."""
    query = sa.select(*COLUMNS).where(webhooks.c.user_id == user_id)
    if before is not None:
        query = query.where(webhooks.c.id < before)
    return [Webhook(*row) for row in conn.execute(query.order_by(webhooks.c.id.desc()).limit(limit))]


def get(conn: sa.Connection, user_id: UUID, webhook_id: UUID, *, locked: bool = False) -> Webhook | None:
    """The user's; None also when it is somebody else's."""
    query = sa.select(*COLUMNS).where(webhooks.c.id == webhook_id, webhooks.c.user_id == user_id)
    row = conn.execute(query.with_for_update() if locked else query).first()
    return None if row is None else Webhook(*row)


def change(conn: sa.Connection, webhook_id: UUID, values: Mapping[str, Any]) -> None:
    conn.execute(sa.update(webhooks).where(webhooks.c.id == webhook_id).values(values))


def remove(conn: sa.Connection, webhook_id: UUID) -> None:
    """With its messages."""
    conn.execute(sa.delete(webhooks).where(webhooks.c.id == webhook_id))


def count(conn: sa.Connection, user_id: UUID) -> int:
    found: int = conn.execute(
        sa.select(sa.func.count()).select_from(webhooks).where(webhooks.c.user_id == user_id)
    ).scalar_one()
    return found


def secrets_of(conn: sa.Connection, webhook: Webhook) -> list[Secret]:
    """The newest first."""
    query = sa.select(webhooks.c.key_version, webhooks.c.secret).where(webhooks.c.id == webhook.id)
    row = conn.execute(query).one()
    return signing.opened(conn, row, (webhook.id, webhook.user_id))


def set_secrets(conn: sa.Connection, webhook: Webhook, secrets: Sequence[Secret], now: datetime) -> None:
    change(conn, webhook.id, signing.sealed(conn, secrets, (webhook.id, webhook.user_id), now))


# --- making messages


def any_behind(conn: sa.Connection, _now: datetime) -> bool:
    return bool(_behind(conn, None, 1))


def _behind(conn: sa.Connection, after: UUID | None, limit: int) -> list[UUID]:
    """Webhooks whose users' jobs have changed since they looked: those after one first, then the others."""
    newer = revisions.c.rev > webhooks.c.rev
    joined = webhooks.join(revisions, revisions.c.user_id == webhooks.c.user_id)
    query = sa.select(webhooks.c.id).select_from(joined).where(webhooks.c.enabled.is_(True), newer)
    query = query.order_by(webhooks.c.id)
    if after is None:
        return list(conn.execute(query.limit(limit)).scalars())
    later = list(conn.execute(query.where(webhooks.c.id > after).limit(limit)).scalars())
    rest = query.where(webhooks.c.id <= after).limit(limit - len(later))
    return later if len(later) == limit else [*later, *conn.execute(rest).scalars()]


def make_messages(
    conn: sa.Connection, now: datetime, webhooks_at_once: int, changes_at_once: int, after: UUID | None = None
) -> list[UUID]:
    """Make messages of what has changed; returns the webhooks that were looked at.

    Args:
        changes_at_once: Of one webhook; and when all have so many messages together, the rest is for the next time.
        after: The webhook whose turn was the last.
    """
    ids = _behind(conn, after, webhooks_at_once)
    query = sa.select(*COLUMNS).where(webhooks.c.id.in_(ids))
    found = [Webhook(*row) for row in conn.execute(query.with_for_update(skip_locked=True))]
    found.sort(key=lambda one: ids.index(one.id))
    looked_at: list[UUID] = []
    messages = 0

    def make(webhook: Webhook) -> tuple[()]:
        nonlocal messages
        if messages < changes_at_once:
            looked_at.append(webhook.id)
            messages += _make_messages_of(conn, webhook, changes_at_once, now)
        return ()

    each_alone(conn, found, make, lambda webhook, why: _set_aside(conn, webhook.id, why, now))
    return looked_at


def _make_messages_of(conn: sa.Connection, webhook: Webhook, changes_at_once: int, now: datetime) -> int:
    changed = changes(conn, webhook.user_id, webhook.rev, changes_at_once)
    new = [(event, job) for job in changed.jobs if (event := event_of(job)) and webhook.wants(event, job.action)]
    if new:
        rows = [_message(webhook, event, job, now) for event, job in new]
        batch.insert_new(conn, webhook_deliveries, rows)
    change(conn, webhook.id, {"rev": changed.rev})
    return len(new)


def _set_aside(conn: sa.Connection, webhook_id: UUID, why: str, now: datetime) -> None:
    """One that cannot be served stops no other: its owner sees why, and what it has not told is told once it is on."""
    set_aside = sa.update(webhooks).where(webhooks.c.id == webhook_id).returning(webhooks.c.user_id)
    user_id = conn.execute(set_aside.values(enabled=False, note=f"Disabled: {why}")).scalar_one()
    audit.append(conn, [Entry(Event.WEBHOOK_DISABLED, str(webhook_id), user_id)], now)


def event_of(job: Job) -> str | None:
    """What a job's present state is called; None where nobody hears of it."""
    if job.state == State.WAITING and job.reason not in _FOR_A_PERSON:
        return None
    name = f"job.{job.state}"
    return name if name in EVENTS else None


def _message(webhook: Webhook, event: str, job: Job, now: datetime) -> dict[str, Any]:
    return _row(webhook, event, job.id, job.attempt, _payload(webhook, event, job, now), now)


def _row(
    webhook: Webhook, event: str, job_id: UUID | None, attempt: int, payload: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    return {
        "id": new_id(), "webhook_id": webhook.id, "event": event, "job_id": job_id, "attempt": attempt,
        "payload": strict_json.write(payload), "state": DeliveryState.PENDING, "tries": 0, "due_at": now,
        "created_at": now,
    }  # fmt: skip


def _payload(webhook: Webhook, event: str, job: Job, now: datetime) -> dict[str, Any]:
    """As Standard Webhooks recommends: what happened, when, and to what."""
    data: dict[str, Any] = {
        "id": str(job.id), "action": job.action, "state": job.state, "reason": job.reason, "origin": job.origin,
        "attempt": job.attempt, "error": strict_json.read_lenient(job.error) if job.error else None, "note": job.note,
        "created_at": _written(job.created_at), "finished_at": _written(job.finished_at),
        "schedule_id": _written(job.schedule_id), "parent_id": _written(job.parent_id),
    }  # fmt: skip
    if webhook.with_result and job.result is not None:
        large = len(job.result) > LARGEST_RESULT_BYTES
        data |= {"result": None, "result_left_out": True} if large else {"result": strict_json.read_lenient(job.result)}
    return {"type": event, "timestamp": _written(job.finished_at or now), "data": data}


def add_test(conn: sa.Connection, webhook: Webhook, now: datetime) -> UUID:
    """A message that says nothing."""
    data = {"webhook_id": str(webhook.id), "name": webhook.name}
    row = _row(webhook, TEST, None, 0, {"type": TEST, "timestamp": _written(now), "data": data}, now)
    conn.execute(sa.insert(webhook_deliveries).values(row))
    message_id: UUID = row["id"]
    return message_id


def _written(value: Any) -> str | None:
    return None if value is None else value.isoformat() if isinstance(value, datetime) else str(value)


# --- sending them


def users_to_send(conn: sa.Connection, now: datetime, busy: Collection[UUID] = ()) -> list[UUID]:
    """Users with a message that may be sent, in the order of their ids, but for those who are busy.

    A walk over the index from user to user, so that it costs the same however many webhooks one of them has.
    """
    users = sa.select(_next_user(None).label("id")).cte("users", recursive=True)
    users = users.union_all(sa.select(_next_user(users.c.id)).where(users.c.id.is_not(None)))
    has_any = sa.exists().where(webhooks.c.user_id == users.c.id, *_sendable(now))
    query = sa.select(users.c.id).where(users.c.id.is_not(None), has_any)
    return [user_id for user_id in conn.execute(query).scalars() if user_id not in busy]


def _next_user(after: sa.ColumnElement[UUID] | None) -> sa.ScalarSelect[UUID]:
    of = webhooks.alias()
    query = sa.select(of.c.user_id)
    if after is not None:
        query = query.where(of.c.user_id > after)
    return query.order_by(of.c.user_id).limit(1).scalar_subquery()


def _sendable(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Of webhooks that may be called and have a message that is due."""
    rested = sa.or_(webhooks.c.resting_until.is_(None), webhooks.c.resting_until <= now)
    due = _due(now).where(webhook_deliveries.c.webhook_id == webhooks.c.id)
    return webhooks.c.enabled.is_(True), rested, sa.exists(due)


def _due(now: datetime) -> sa.Select[UUID]:
    own = webhook_deliveries.c
    return sa.select(own.id).where(own.state == literal(DeliveryState.PENDING), own.due_at <= now)


def take(
    conn: sa.Connection, user_id: UUID, now: datetime, busy: Mapping[UUID, int], each: int, limit: int, for_s: float
) -> list[ClaimedDelivery]:
    """Take a user's messages to send, up to so many of each webhook at a time; first those that wait longest.

    Args:
        busy: By webhook: how many of its messages the caller has under way.
        for_s: How long they are the caller's; then they are due again.
    """
    own = webhook_deliveries.c
    waits_since = (
        sa.select(sa.func.min(own.due_at))
        .where(own.webhook_id == webhooks.c.id, own.state == literal(DeliveryState.PENDING))
        .scalar_subquery()
    )
    query = sa.select(webhooks.c.id).where(webhooks.c.user_id == user_id, *_sendable(now)).order_by(waits_since)
    left = limit

    def take_some(webhook_id: UUID) -> list[ClaimedDelivery]:
        nonlocal left
        room = min(each - busy.get(webhook_id, 0), left)
        taken = take_of(conn, webhook_id, now, room, for_s) if room > 0 else []
        left -= len(taken)
        return taken

    ids = list(conn.execute(query).scalars())
    return each_alone(conn, ids, take_some, lambda webhook_id, why: _set_aside(conn, webhook_id, why, now))


def take_of(conn: sa.Connection, webhook_id: UUID, now: datetime, room: int, for_s: float) -> list[ClaimedDelivery]:
    """Of one webhook; nothing where it is disabled, or gone. See `take`."""
    enabled = sa.and_(webhooks.c.id == webhook_id, webhooks.c.enabled.is_(True))
    row = conn.execute(sa.select(*COLUMNS).where(enabled)).first()
    if row is None:
        return []
    webhook, own = Webhook(*row), webhook_deliveries.c
    query = sa.select(own.id, own.payload, own.tries, own.created_at).where(
        own.webhook_id == webhook_id, own.state == literal(DeliveryState.PENDING), own.due_at <= now
    )
    if webhook.failures:
        room = 1  # one finds out whether it works again
    rows = conn.execute(query.order_by(own.due_at, own.id).limit(room).with_for_update(skip_locked=True)).all()
    if not rows:
        return []
    until = now + timedelta(seconds=for_s)
    ids = [one.id for one in rows]
    conn.execute(sa.update(webhook_deliveries).where(own.id.in_(ids)).values(due_at=until, tries=own.tries + 1))
    secrets = signing.counting(secrets_of(conn, webhook), now)
    return [ClaimedDelivery(one.id, webhook, one.payload, one.tries + 1, secrets, one.created_at) for one in rows]


def end(
    conn: sa.Connection, taken: ClaimedDelivery, state: str, status: int | None, error: str | None,
    due_at: datetime | None, now: datetime,
) -> None:  # fmt: skip
    """Write down how a try went, if nobody else has it by now.

    Args:
        due_at: When the next one is, of one that stays pending.
    """
    values: dict[str, Any] = {"state": state, "status": status, "error": error}
    values |= {"ended_at": now} if due_at is None else {"due_at": due_at}
    own = webhook_deliveries.c
    mine = sa.and_(own.id == taken.id, own.state == DeliveryState.PENDING, own.tries == taken.tries)
    conn.execute(sa.update(webhook_deliveries).where(mine).values(values))


def messages(
    conn: sa.Connection, webhook_id: UUID, state: str | None, before: UUID | None, limit: int
) -> list[Delivery]:
    """Of one webhook, the newest first."""
    own = webhook_deliveries.c
    query = sa.select(*_DELIVERY).where(own.webhook_id == webhook_id)
    if state is not None:
        query = query.where(own.state == state)
    if before is not None:
        query = query.where(own.id < before)
    return [Delivery(*row) for row in conn.execute(query.order_by(own.id.desc()).limit(limit))]


def send_again(conn: sa.Connection, webhook_id: UUID, message_id: UUID, now: datetime) -> Delivery | None:
    """Have a message sent once more, whatever became of it; None where there is none."""
    own = webhook_deliveries.c
    which = sa.and_(own.id == message_id, own.webhook_id == webhook_id)
    values = {"state": DeliveryState.PENDING, "due_at": now, "ended_at": None, "error": None}
    row = conn.execute(sa.update(webhook_deliveries).where(which).values(values).returning(*_DELIVERY)).first()
    return None if row is None else Delivery(*row)


def prune(conn: sa.Connection, before: datetime, limit: int) -> int:
    """Forget messages that ended before; returns how many."""
    own = webhook_deliveries.c
    old = sa.select(own.id).where(own.ended_at < before).order_by(own.ended_at).limit(limit)
    return conn.execute(sa.delete(webhook_deliveries).where(own.id.in_(old))).rowcount
