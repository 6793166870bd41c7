"""The messages that go out to people in Slack, and who these people are: every step is a row before it is taken.

    pending ──► posting ──► posted ──► settled      (approvals, once somebody has decided)
       ▲           │ ├────► uncertain               (nobody can see whether it stands there)
       └───────────┘ └────► failed                  (it cannot be posted)

Whoever takes a row from `pending` to `posting` posts it; when its time is over without a word, whoever comes first
looks whether the message stands in Slack. Any number of processes may do this.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder.ids import new_id
from models.connections import store as connections
from models.db import conflicts
from models.db.database import database, reading, writing
from models.jobs import inquiries
from tasks.slack.account import account_name
from tasks.slack.errors import PROVIDER
from tasks.slack.tables import messages, people

WHAT = "messages to Slack"
#: Whoever posts is done or dead by then; requests have less, see `messenger.REQUEST_S`.
POSTING = timedelta(seconds=10)
FORGET_AFTER = timedelta(days=30)
#: A submission that came to nothing, because it was refused or its process died.
NO_JOB_AFTER = timedelta(hours=1)
AT_ONCE = 20
DETAIL_LIMIT = 500


class MessageKind(StrEnum):
    """What a message is about."""

    OUTCOME = "outcome"  # how a job ended that was submitted from Slack
    APPROVAL = "approval"  # a job that waits for a person


class MessageState(StrEnum):
    """How far a message is."""

    PENDING = "pending"
    POSTING = "posting"
    POSTED = "posted"
    SETTLED = "settled"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class OutgoingMessage:
    """One message.

    Attributes:
        id: Also what the message says of itself in its metadata.
        job_id: What it is about.
        channel: Where it is wanted; None: a direct message.
        armed_at: Since when it may stand in Slack.
        posted_in: The channel that it went to, or was about to.
    """

    id: UUID
    user_id: UUID
    kind: str
    job_id: UUID
    team: str
    person: str
    channel: str | None
    thread_ts: str | None
    failures: int
    armed_at: datetime | None
    posted_in: str | None
    ts: str | None
    created_at: datetime


_OWN = [messages.c[name] for name in ("id", "user_id", "kind")]
_REST = [
    messages.c[name]
    for name in (
        "team", "person", "channel", "thread_ts", "failures", "armed_at", "posted_in", "ts", "created_at",
    )
]  # fmt: skip


@dataclass(frozen=True)
class SlackUser:
    """Somebody who uses the engine from Slack."""

    user_id: UUID
    team: str
    person: str

    @property
    def account(self) -> str:
        return account_name(self.team, self.person)


# --- people


def remember_user(user_id: UUID, team: str, person: str) -> None:
    """Remember from where somebody writes: that is where they are asked for approvals."""
    now = database().now()
    row = {"user_id": user_id, "team": team, "person": person, "updated_at": now}
    with reading(WHAT) as conn:
        mine = sa.select(people.c.user_id).where(people.c.user_id == user_id, people.c.team == team)
        if conn.execute(mine.where(people.c.person == person)).first() is not None:
            return
    with writing(WHAT) as conn:
        made = conflicts.insert(conn.dialect.name, people).values(row)
        conn.execute(made.on_conflict_do_update(index_elements=[people.c.user_id], set_=row))


def set_asked(user_id: UUID, asked: bool) -> None:
    """Have somebody asked for approvals in Slack, or not any more."""
    with writing(WHAT) as conn:
        conn.execute(sa.update(people).where(people.c.user_id == user_id).values(asked=asked))


def approvers() -> list[SlackUser]:
    """Those who are asked for approvals in Slack, and have that account connected still; none while nothing waits."""
    query = sa.select(people.c.user_id, people.c.team, people.c.person).where(people.c.asked)
    with reading(WHAT) as conn:
        if not inquiries.any_for_approval(conn):
            return []
        asked = [SlackUser(*row) for row in conn.execute(query)]
        connected = connections.in_use(conn, PROVIDER, [(one.user_id, one.account) for one in asked])
        return [one for one in asked if (one.user_id, one.account) in connected]


# --- what is to be posted


def queue_outcome(user_id: UUID, key: str, team: str, person: str, channel: str | None, thread_ts: str | None) -> None:
    """Queue the outcome of the job that is about to be submitted under the key; once, however often it is."""
    _queue(
        MessageKind.OUTCOME, user_id, key, {"team": team, "person": person, "channel": channel, "thread_ts": thread_ts}
    )


def queue_approval(to: SlackUser, job_id: UUID, sha256: str) -> None:
    """Queue for somebody the question whether a job may run with that input; once."""
    named = {"team": to.team, "person": to.person, "job_id": job_id}
    _queue(MessageKind.APPROVAL, to.user_id, f"{job_id}:{sha256}", named)


def _queue(kind: MessageKind, user_id: UUID, key: str, more: dict[str, Any]) -> None:
    now = database().now()
    row = {"id": new_id(), "user_id": user_id, "kind": kind, "key": key, "state": MessageState.PENDING, "due_at": now}
    with writing(WHAT) as conn:
        conn.execute(
            conflicts.insert(conn.dialect.name, messages)
            .values({**row, "created_at": now, **more})
            .on_conflict_do_nothing()
        )


def known_approvals(user_id: UUID, job_ids: list[UUID]) -> set[str]:
    """Keys of the questions that somebody has been asked, or is about to be."""
    mine = sa.and_(
        messages.c.user_id == user_id, messages.c.kind == MessageKind.APPROVAL, messages.c.job_id.in_(job_ids)
    )
    with reading(WHAT) as conn:
        return set(conn.execute(sa.select(messages.c.key).where(mine)).scalars())


def withdraw_outcome(user_id: UUID, key: str) -> None:
    """Take back what was to be posted for a submission that was refused."""
    unborn = sa.and_(_of_outcome(user_id, key), messages.c.state == MessageState.PENDING)
    with writing(WHAT) as conn:
        conn.execute(sa.delete(messages).where(unborn))


def _of_outcome(user_id: UUID, key: str) -> sa.ColumnElement[bool]:
    return sa.and_(messages.c.user_id == user_id, messages.c.kind == MessageKind.OUTCOME, messages.c.key == key)


# --- what is due

_JOB = inquiries.id_of_key(messages.c.user_id, messages.c.key)
_ENDED = inquiries.has_ended(messages.c.user_id, messages.c.key)


def due() -> list[OutgoingMessage]:
    """Messages that can be posted now, the oldest first: outcomes of jobs that have ended, questions."""
    waiting = sa.and_(messages.c.state == MessageState.PENDING, messages.c.due_at <= database().now())
    ended = sa.and_(messages.c.kind == MessageKind.OUTCOME, _ENDED)
    outcomes = sa.select(*_OWN, _JOB, *_REST).where(waiting, ended)
    questions = sa.select(*_OWN, messages.c.job_id, *_REST).where(waiting, messages.c.kind == MessageKind.APPROVAL)
    with reading(WHAT) as conn:
        found = [OutgoingMessage(*row) for query in (outcomes, questions) for row in conn.execute(_oldest(query))]
    return sorted(found, key=lambda one: one.created_at)


def unconfirmed() -> list[OutgoingMessage]:
    """Messages whose poster has not said what became of them, and by now will not."""
    over = sa.and_(messages.c.state == MessageState.POSTING, messages.c.due_at <= database().now())
    with reading(WHAT) as conn:
        return [OutgoingMessage(*row) for row in conn.execute(_oldest(_WITH_JOB.where(over)))]


def decided() -> list[OutgoingMessage]:
    """Questions that stand in Slack and that are no question any more."""
    standing = sa.and_(
        messages.c.state == MessageState.POSTED,
        messages.c.kind == MessageKind.APPROVAL,
        messages.c.due_at <= database().now(),
    )
    query = sa.select(*_OWN, messages.c.job_id, *_REST)
    gone = sa.not_(inquiries.waits_for_approval(messages.c.job_id))
    with reading(WHAT) as conn:
        return [OutgoingMessage(*row) for row in conn.execute(_oldest(query.where(standing, gone)))]


_WITH_JOB = sa.select(*_OWN, sa.func.coalesce(messages.c.job_id, _JOB), *_REST)


def _oldest(query: sa.Select[Any]) -> sa.Select[Any]:
    return query.order_by(messages.c.created_at, messages.c.id).limit(AT_ONCE)


# --- steps


def begin(message: OutgoingMessage, channel: str) -> OutgoingMessage | None:
    """Say that it may stand in the channel from here on; None where somebody else has begun."""
    now = database().now()
    begun = _step(
        message, MessageState.PENDING, MessageState.POSTING, due_at=now + POSTING, armed_at=now, posted_in=channel
    )
    return replace(message, armed_at=now, posted_in=channel) if begun else None


def posted(message: OutgoingMessage, ts: str) -> bool:
    """It stands there."""
    return _step(message, MessageState.POSTING, MessageState.POSTED, ts=ts, due_at=database().now())


def again(message: OutgoingMessage, at: datetime, why: str, *, counted: bool = True, directly: bool = False) -> bool:
    """It does not stand there, and is to be posted later.

    Args:
        counted: As a failure.
        directly: As a direct message, since the channel does not take it.
    """
    more: dict[str, Any] = {"due_at": at, "detail": why[:DETAIL_LIMIT], "failures": message.failures + counted}
    if directly:
        more |= {"channel": None, "thread_ts": None}
    return _step(message, (MessageState.PENDING, MessageState.POSTING), MessageState.PENDING, **more)


def check_later(message: OutgoingMessage, at: datetime) -> None:
    """Whether it stands there could not be seen; somebody looks again later."""
    _step(message, MessageState.POSTING, MessageState.POSTING, due_at=at)


def give_up(message: OutgoingMessage, state: MessageState, why: str) -> None:
    """Nothing more is done about it."""
    _step(message, (MessageState.PENDING, MessageState.POSTING), state, detail=why[:DETAIL_LIMIT])


def settle(message: OutgoingMessage) -> None:
    """The message says what was decided, or need not any more."""
    _step(message, (MessageState.PENDING, MessageState.POSTED), MessageState.SETTLED)


def settle_later(message: OutgoingMessage, at: datetime) -> None:
    """The message could not be changed for now."""
    _step(message, MessageState.POSTED, MessageState.POSTED, due_at=at)


def _step(
    message: OutgoingMessage, before: MessageState | tuple[MessageState, ...], after: MessageState, **values: Any
) -> bool:
    only = before if isinstance(before, tuple) else (before,)
    fence = sa.and_(messages.c.id == message.id, messages.c.state.in_(only))
    if MessageState.POSTING in only:  # by whoever began it; another may have found it forsaken and begun anew
        fence = sa.and_(fence, sa.or_(messages.c.state != MessageState.POSTING, _armed(message)))
    with writing(WHAT) as conn:
        return conn.execute(sa.update(messages).where(fence).values(state=after, **values)).rowcount == 1


def _armed(message: OutgoingMessage) -> sa.ColumnElement[bool]:
    return sa.true() if message.armed_at is None else messages.c.armed_at == message.armed_at


def forget() -> None:
    """Remove what is long over, and what was queued for submissions that came to nothing."""
    now = database().now()
    old = messages.c.created_at < now - FORGET_AFTER
    unborn = sa.and_(
        messages.c.kind == MessageKind.OUTCOME,
        messages.c.state == MessageState.PENDING,
        messages.c.created_at < now - NO_JOB_AFTER,
        sa.not_(inquiries.is_submitted(messages.c.user_id, messages.c.key)),
    )
    with writing(WHAT) as conn:
        conn.execute(sa.delete(messages).where(sa.or_(old, unborn)))
