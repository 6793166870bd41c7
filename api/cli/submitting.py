"""Handing a job in from the shell: by the same path and under the same rules as through the API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from llmcoder.config import Config
from llmcoder.errors import BadInput, NotConfigured
from llmcoder.ids import new_id
from llmcoder.registry import AnyAction
from llmcoder.settings import EngineSettings
from models.db import Database
from models.jobs import Accepted, NewJob
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


def new_job(
    action: AnyAction, user_id: UUID, text: str, *, priority: int, due_at: datetime | None, key: str | None
) -> NewJob:
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
    return NewJob(
        id=new_id(),
        user_id=user_id,
        action=action.name,
        effect=action.effect.value,
        queue=action.queue.value,
        input=text,
        max_attempts=action.retry.attempts,
        priority=priority,
        due_at=due_at,
        idempotency_key=key,
        fingerprint=fingerprint,
    )


def submit(db: Database, outbox: Outbox, job: NewJob) -> Accepted:
    """Commit a job and ring for it; under a key that came before, find the first one.

    Raises:
        BadInput: The key belongs to another submission.
    """
    accepted = Submitter(db, outbox).submit_now([job])[0]
    if accepted.conflict:
        raise BadInput("The idempotency key came with another submission before. Take a new key for a new job.")
    return accepted
