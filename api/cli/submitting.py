"""Handing a job in from the shell: by the same path and under the same rules as through the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from api.cli.arguments import checked
from llmcoder.config import Config
from llmcoder.errors import BadInput, NotConfigured
from llmcoder.registry import AnyAction, Registry
from llmcoder.settings import EngineSettings
from models import taint
from models.db import Database
from models.jobs import Accepted
from workers import references
from workers.admission import Wish, look, new_job
from workers.outbox import Outbox
from workers.submit import Submitter


@contextmanager
def an_outbox(settings: EngineSettings) -> Iterator[Outbox]:
    """An outbox that is emptied at the end of the block, as far as the broker lets us."""
    outbox = Outbox(settings.broker_url, settings.redis_url, settings.doorbell_window)
    outbox.start()
    try:
        yield outbox
    finally:
        outbox.close()


def refuse_unconfigured(config: Config, action: AnyAction) -> None:
    """Say at once what would end the job anyway.

    Raises:
        NotConfigured: The detail names the settings.
    """
    for kind in action.requires:
        if missing := config.get(kind).missing():
            names = ", ".join(missing)
            raise NotConfigured(f"{action.name} needs {kind.title}: `llmcoder config set` {names}.")


def with_results(
    conn: sa.Connection, registry: Registry, user_id: UUID, action: AnyAction, given: Mapping[str, Any]
) -> tuple[str, tuple[UUID, ...]]:
    """The validated input, with what it refers to in its place, and the jobs that it refers to.

    Raises:
        BadInput: It is not what the action takes, or a result has nothing at that place.
        NotFound, NoResultYet: It refers to a result that cannot be had.
    """
    named = references.find(dict(given))
    found = taint.look_up(conn, user_id, named, registry.outside)
    return checked(action.input, references.resolve(dict(given), found)), tuple(named)


def wish_of(
    action: AnyAction,
    user_id: UUID,
    text: str,
    *,
    sources: Sequence[UUID] = (),
    priority: int,
    due_at: datetime | None,
    key: str | None,
) -> Wish:
    """The submission of a validated input.

    Raises:
        HttpError: The idempotency key cannot be kept.
    """
    fingerprint = None
    if key is not None:
        from api.submission import checked_key
        from api.submission import fingerprint as fingerprint_of

        key = checked_key(key)
        fingerprint = fingerprint_of(action.name, text, due_at, priority)
    return Wish(
        user_id,
        action,
        text,
        sources=tuple(sources),
        due_at=due_at,
        priority=priority,
        key=key,
        fingerprint=fingerprint,
    )


def submit(db: Database, outbox: Outbox, registry: Registry, wish: Wish) -> Accepted:
    """Commit a job and ring for it; under a key that came before, find the first one.

    Raises:
        BadInput: The key belongs to another submission.
        NotFound: A source is not there, or somebody else's.
    """
    with db.read() as conn:
        standing = look(conn, wish, registry)
    accepted = Submitter(db, outbox).submit_now([new_job(wish, standing, db.now())])[0]
    if accepted.conflict:
        raise BadInput("The idempotency key came with another submission before. Take a new key for a new job.")
    return accepted
