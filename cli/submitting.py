"""Handing a job in from the shell: by the same path and under the same rules as through the API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from engine.admission import JobSubmission
from engine.outbox import Outbox
from llmcoder.config import Config
from llmcoder.errors import NotConfigured
from llmcoder.registry import AnyAction
from llmcoder.settings import EngineSettings


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


def submission_of(
    action: AnyAction,
    user_id: UUID,
    text: str,
    *,
    sources: Sequence[UUID] = (),
    priority: int,
    due_at: datetime | None,
    key: str | None,
) -> JobSubmission:
    """The submission of a validated input.

    Raises:
        HttpError: The idempotency key cannot be kept.
    """
    fingerprint = None
    if key is not None:
        from engine.idempotency import checked_key
        from engine.idempotency import fingerprint as fingerprint_of

        key = checked_key(key)
        fingerprint = fingerprint_of(action.name, text, due_at, priority)
    return JobSubmission(
        user_id,
        action,
        text,
        sources=tuple(sources),
        due_at=due_at,
        priority=priority,
        key=key,
        fingerprint=fingerprint,
    )
