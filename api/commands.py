"""What a person may tell a job to do, for the event loop: a durable transaction, then everybody hears of it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa

from api.auth.identity import Identity
from api.services import Services
from engine import commands
from models.jobs.store import Accepted, Job


async def cancel(services: Services, who: Identity, job_id: UUID) -> Job:
    """See `engine.commands.cancel`, as for the others here."""
    return await _do(services, lambda conn: commands.cancel(conn, who.user_id, job_id, services.db.now(), who.origin))


async def retry(services: Services, who: Identity, job_id: UUID) -> Job:
    return await _do(
        services,
        lambda conn: commands.retry(conn, services.registry, who.user_id, job_id, services.db.now(), who.origin),
    )


async def resolve(services: Services, user_id: UUID, job_id: UUID, *, happened: bool, note: str | None) -> Job:
    return await _do(
        services,
        lambda conn: commands.resolve(conn, user_id, job_id, happened=happened, note=note, now=services.db.now()),
    )


async def approve(services: Services, who: Identity, job_id: UUID, seen: str, edited: str | None) -> Job:
    return await _do(
        services,
        lambda conn: commands.approve(conn, services.registry, who.user_id, job_id, seen, edited, services.db.now()),
    )


async def reject(services: Services, who: Identity, job_id: UUID, reason: str | None) -> Job:
    return await _do(services, lambda conn: commands.reject(conn, who.user_id, job_id, reason, services.db.now()))


async def undo(services: Services, who: Identity, job_id: UUID) -> Accepted:
    def change(conn: sa.Connection) -> Accepted:
        return commands.undo(conn, services.registry, who.user_id, job_id, who.origin, services.db.now())

    accepted = await services.sql.write(change)
    services.outbox.wake([(who.user_id, job_id)])
    services.outbox.announce([accepted.job])
    return accepted


async def _do(services: Services, change: Callable[[sa.Connection], Job]) -> Job:
    job = await services.sql.write(change)
    services.outbox.announce([job])
    return job
