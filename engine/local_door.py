"""The engine for doors that are not the API: the shell, listeners, hooks. Works in threads, straight on SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from engine import commands, references
from engine.administrators import refusals_audited, refuse_others
from engine.admission import JobSubmission, look, new_job, refuse_unconfigured
from engine.outbox import Outbox
from engine.submitter import Submitter, refuse_too_large
from llmcoder import strict_json
from llmcoder.arguments import checked
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.connection import S
from llmcoder.declare.door import Door, JobStatus
from llmcoder.errors import BadInput, Transient
from llmcoder.registry import AnyAction, Registry
from llmcoder.settings import EngineSettings
from models.accounts import users
from models.connections import store as connections
from models.db.database import TRANSIENT_ERRORS, Database
from models.jobs import approvals, taint
from models.jobs import store as jobs
from models.jobs.store import Accepted, Filter, Job


class EngineDoor(Door):
    """The door of one process.

    Args:
        outbox: Started by whoever made it, and closed by them.
    """

    def __init__(self, db: Database, outbox: Outbox, registry: Registry, config: Config) -> None:
        self.registry = registry
        self._db = db
        self._outbox = outbox
        self._config = config

    def settings(self, kind: type[S]) -> S:
        return self._config.get(kind)

    def user_of(self, provider: str, account: str) -> User | None:
        with self._reading() as conn:
            found = connections.holders(conn, provider, account, limit=2)
            return _user(users.by_id(conn, found[0])) if len(found) == 1 else None

    def user_by_email(self, email: str) -> User | None:
        with self._reading() as conn:
            return _user(users.by_email(conn, email.strip().lower()))

    def may_run(self, user: User, action: str) -> bool:
        facts = self.registry.facts.get(action)
        if not (facts or self.registry.find(action)).administrators_only:  # that says what is near
            return True
        with self._reading() as conn:
            return users.is_administrator(conn, user.id)

    def submit(
        self, user: User, action: str, given: Mapping[str, Any], *, key: str, sources: Sequence[UUID] = ()
    ) -> JobStatus:
        found = self.registry.find(action)
        with self._reading() as conn:
            text, named = with_results(conn, self.registry, user.id, found, given)
        refuse_unconfigured(self._config.get, found)
        refuse_too_large(text, self._config.get(EngineSettings).max_input_bytes)
        fingerprint = hashlib.sha256(key.encode()).hexdigest()  # the key alone says which submission it is
        submission = JobSubmission(user.id, found, text, sources=(*named, *sources), key=key, fingerprint=fingerprint)
        with _transient():
            return status(submit(self._db, self._outbox, self.registry, submission).job)

    def job(self, user: User, job_id: UUID) -> JobStatus:
        with self._reading() as conn:
            return status(approvals.find(conn, user.id, job_id) or commands.find(conn, user.id, job_id))

    def jobs(self, user: User, limit: int) -> list[JobStatus]:
        with self._reading() as conn:
            return [status(job) for job in jobs.listed(conn, user.id, Filter(), limit)]

    def waiting(self, user: User, limit: int) -> list[JobStatus]:
        with self._reading() as conn:
            return [status(one.job) for one in approvals.pending(conn, user.id, None, limit)]

    def cancel(self, user: User, job_id: UUID) -> JobStatus:
        return self._do(lambda conn: commands.cancel(conn, user.id, job_id, self._db.now()))

    def approve(self, user: User, job_id: UUID, input_sha256: str) -> JobStatus:
        now = self._db.now()
        return self._do(lambda conn: commands.approve(conn, self.registry, user.id, job_id, input_sha256, None, now))

    def reject(self, user: User, job_id: UUID, reason: str | None) -> JobStatus:
        return self._do(lambda conn: commands.reject(conn, user.id, job_id, reason, self._db.now()))

    def _do(self, change: Callable[[sa.Connection], Job]) -> JobStatus:
        with _transient(), refusals_audited(self._db), self._db.write() as conn:
            job = change(conn)
        self._outbox.announce([job])
        return status(job)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _transient(), refusals_audited(self._db), self._db.read() as conn:
            yield conn


def with_results(
    conn: sa.Connection, registry: Registry, user_id: UUID, action: AnyAction, given: Mapping[str, Any]
) -> tuple[str, tuple[UUID, ...]]:
    """The validated input, with what it refers to in its place, and the jobs that it refers to.

    Raises:
        BadInput: It is not what the action takes, or a result has nothing at that place.
        NotFound, NoResultYet: It refers to a result that cannot be had.
        AdministratorsOnly: The user may not have the action run.
    """
    refuse_others(conn, action, user_id)
    named = references.find(dict(given))
    found = taint.look_up(conn, user_id, named, registry.outside)
    return checked(action.input, references.resolve(dict(given), found)), tuple(named)


class KeyReused(BadInput):
    """The idempotency key came with another submission before; nothing was accepted."""

    slug, title = "idempotency-key-reused", "The idempotency key belongs to another submission"


def submit(db: Database, outbox: Outbox, registry: Registry, submission: JobSubmission) -> Accepted:
    """Commit a job and ring for it; under a key that came before, find the first one.

    Raises:
        BadInput: The key belongs to another submission, or to one whose job is gone.
        NotFound: A source is not there, or somebody else's.
        AdministratorsOnly: The user may not have the action run.
    """
    with refusals_audited(db), db.read() as conn:
        standing = look(conn, submission, registry, db.now())
    accepted = Submitter(db, outbox).submit_now([new_job(submission, standing, db.now())])[0]
    if accepted.conflict:
        raise KeyReused("The idempotency key came with another submission before. Take a new key for a new job.")
    if accepted.gone:
        raise BadInput(f"The idempotency key made the job {accepted.job.id}, which is over and no longer kept.")
    return accepted


def status(job: Job) -> JobStatus:
    """The job, as doors of domains see it."""
    return JobStatus(
        id=job.id,
        user_id=job.user_id,
        action=job.action,
        state=job.state,
        reason=job.reason,
        ended=job.ended,
        input=strict_json.read_lenient(job.input),
        input_sha256=approvals.sha256(job.input),
        result=_object(job.result),
        error=_object(job.error),
        progress=job.progress_fraction,
        origin=job.origin,
        created_at=job.created_at,
        due_at=job.due_at,
        expires_at=job.expires_at,
        note=job.note,
    )


def _object(text: str | None) -> Any:
    return None if text is None else strict_json.read_lenient(text)


def _user(account: users.Account | None) -> User | None:
    return None if account is None or not account.is_active else User(account.id, account.email)


@contextmanager
def _transient() -> Iterator[None]:
    try:
        yield
    except TRANSIENT_ERRORS as error:
        raise Transient("The database is busy or away. Try again in a moment.") from error
