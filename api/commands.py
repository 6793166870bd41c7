"""What a user may tell a job to do, the same through every door."""

from __future__ import annotations

from uuid import UUID

import orjson
import sqlalchemy as sa

from api.problems import HttpError
from api.services import Services
from llmcoder.errors import NotFound, problem_type
from models import jobs
from models.jobs import Job
from models.machine import Moved
from workers.bell import Ring


class WrongState(HttpError):
    """The job is where this cannot be done."""

    slug, title, status = "wrong-state", "The job's state does not allow it", 409


def find(conn: sa.Connection, user_id: UUID, job_id: UUID) -> Job:
    """The user's job.

    Raises:
        NotFound: There is none of that id, or it is somebody else's.
    """
    job = jobs.get(conn, user_id, job_id)
    if job is None:
        raise NotFound(f"You have no job {job_id}.")
    return job


async def cancel(services: Services, user_id: UUID, job_id: UUID) -> Job:
    """Cancel a job, or ask the running attempt to end.

    Raises:
        NotFound: The user has no such job.
        WrongState: It has ended.
    """

    def change(conn: sa.Connection) -> Job:
        job = find(conn, user_id, job_id)
        moved = jobs.request_cancel(conn, job, services.db.now())
        job = find(conn, user_id, job_id)
        if moved is None and job.ended:
            raise WrongState(f"The job has ended: {job.state}.")
        return job

    job = await services.sql.write(change)
    services.outbox.wake([(user_id, job_id)])
    return job


async def retry(services: Services, user_id: UUID, job_id: UUID) -> Job:
    """Queue a failed or cancelled job again, with the action's attempts anew.

    Raises:
        NotFound: The user has no such job, or its action is not installed any more.
        WrongState: It is in another state.
    """

    def change(conn: sa.Connection) -> Job:
        job = find(conn, user_id, job_id)
        attempts = services.registry.find(job.action).retry.attempts
        moved = jobs.retry(conn, job, attempts, services.db.now())
        _require(moved, job, "Only a failed or cancelled job can be retried")
        return find(conn, user_id, job_id)

    job = await services.sql.write(change)
    services.outbox.wake([(user_id, job_id)])
    if services.outbox.reserve(job.queue):
        services.outbox.ring([Ring(job.id, job.attempt, job.action, job.queue)])
    return job


async def resolve(services: Services, user_id: UUID, job_id: UUID, *, happened: bool, note: str | None) -> Job:
    """Settle an uncertain job by its user's word.

    Args:
        note: Becomes the detail of the error when it did not happen.

    Raises:
        NotFound: The user has no such job.
        WrongState: It is in another state.
    """
    detail = note or "Its user looked, and found that it did not happen."
    error = {"type": problem_type("did-not-happen"), "title": "It did not happen", "detail": detail}

    def change(conn: sa.Connection) -> Job:
        job = find(conn, user_id, job_id)
        text = None if happened else orjson.dumps(error).decode()
        moved = jobs.resolve(conn, job, happened=happened, error=text, now=services.db.now())
        _require(moved, job, "Only an uncertain job can be resolved")
        return find(conn, user_id, job_id)

    job = await services.sql.write(change)
    services.outbox.wake([(user_id, job_id)])
    return job


def _require(moved: Moved | None, job: Job, rule: str) -> None:
    if moved is None:
        raise WrongState(f"{rule}; this one is {job.state}.")
