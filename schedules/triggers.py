"""Asks one trigger of a domain which of its rows want a job now. Any number of schedulers may ask at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from engine.administrators import entries_of
from engine.admission import JobSubmission, admit
from engine.enqueue import AfterCommit, Reserve, enqueue
from engine.outbox import Outbox
from llmcoder import strict_json
from llmcoder.config import config
from llmcoder.declare.action import Effect, Queue
from llmcoder.declare.trigger import Due, Trigger
from llmcoder.errors import ActionError, Refused
from llmcoder.ids import new_id
from llmcoder.logger import get_logger
from llmcoder.problems import problem_of
from llmcoder.registry import Registry
from llmcoder.states import State
from models.audit import log as audit
from models.db.database import TRANSIENT_ERRORS, Database
from models.jobs import taint
from models.jobs.approvals import Origin
from models.jobs.machine import Move, apply
from models.jobs.store import NewJob

log = get_logger(__name__)

BATCH = 100
#: So that a trigger whose rows stay due for ever does not keep its thread.
MOST_BATCHES = 50


class Abandoned(Exception):
    """The trigger took longer than it may; what it did is not kept, and another thread asks it."""


class TriggerTick:
    """Makes the jobs of one trigger.

    Args:
        known: The actions.
    """

    def __init__(self, db: Database, outbox: Outbox, known: Registry, trigger: Trigger) -> None:
        self._db = db
        self._outbox = outbox
        self._registry = known
        self._trigger = trigger
        self._conn: sa.Connection | None = None  # on which the domain's code is at work
        self._refusals: list[Exception] = []  # of the batch under way
        self._abandoned = False

    @property
    def is_abandoned(self) -> bool:
        return self._abandoned

    def abandon(self) -> None:
        """From another thread: nothing of what hangs is committed any more, and the locks that it holds are free."""
        self._abandoned = True
        conn = self._conn
        if conn is not None:
            cut_off(self._db, conn)

    def ask(self) -> int:
        """Make jobs of what is due, a batch at a time; returns how many."""
        total = 0
        for _ in range(MOST_BATCHES):
            made = self._batch() if self._is_due() else None
            if made is None:
                break  # nothing is due, or another scheduler has it
            total += made
        return total

    def _is_due(self) -> bool:
        with self._db.read() as conn, self._open(conn):
            return self._trigger.any_due(conn, self._db.now())

    @contextmanager
    def _open(self, conn: sa.Connection) -> Iterator[None]:
        """While the domain's code is at work, which may never come back."""
        self._conn = conn
        try:
            yield
        finally:
            self._conn = None
            if self._abandoned:
                conn.invalidate()
        if self._abandoned:
            raise Abandoned(self._trigger.name)

    def _batch(self) -> int | None:
        now = self._db.now()
        self._refusals = []
        with self._db.write() as conn, self._open(conn):
            due = self._trigger.take(conn, now, BATCH)
            failures: dict[UUID, dict[str, str]] = {}
            new = [(one, job) for one in due if (job := self._job(conn, one, failures, now)) is not None]
            after = AfterCommit()
            self._insert(conn, [one for one in new if one[1].id not in failures], self._outbox.reserve, after, now)
            made = len(after.changed)
            for one in new:
                if one[1].id in failures and self._insert(conn, [one], _not_rung, after, now):
                    apply(conn, [_failing(one[1].id, failures[one[1].id])], now)
            audit.append(conn, entries_of(self._refusals), now)
        self._outbox.follow(after)
        return made if due else None

    def _insert(
        self,
        conn: sa.Connection,
        new: Sequence[tuple[Due, NewJob]],
        reserve: Reserve,
        after: AfterCommit,
        now: datetime,
    ) -> bool:
        """All at once; where that fails each alone, so that one row's job keeps no other's from being made.

        Returns:
            Whether all of them are made.
        """
        if not new:
            return True
        try:
            with conn.begin_nested():
                enqueue(conn, [job for _, job in new], now, reserve, after)
            return True
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001  told with its trace where it is alone
            if len(new) == 1:
                self._refuse(conn, new[0][0], error, now)
                return False
        alone = [self._insert(conn, [one], reserve, after, now) for one in new]
        return all(alone)

    def _job(self, conn: sa.Connection, due: Due, failures: dict[UUID, dict[str, str]], now: datetime) -> NewJob | None:
        """The job; one that tells its user something and cannot be made becomes one of the `failures`.

        Whatever a row raises is this row's fault, and no other's.
        """
        try:
            with conn.begin_nested():
                return self._wanted(conn, due, now)
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001  told, with its trace where it is a defect
            problem = self._refuse(conn, due, error, now)
        try:
            job = _untold(due, self._trigger.job_key(due.key), self._registry) if due.to_self else None
        except Exception:
            log.exception("a trigger's row cannot even be shown", trigger=self._trigger.name, row=str(due.row_id))
            return None
        if job is not None:
            failures[job.id] = problem
        return job

    def _wanted(self, conn: sa.Connection, due: Due, now: datetime) -> NewJob:
        if due.refusal is not None:
            raise Refused(due.refusal)
        submission = JobSubmission(
            due.user_id,
            self._registry.find(due.action),
            strict_json.write(due.given),
            origin=Origin.SCHEDULE,
            sources=due.sources,
            key=self._trigger.job_key(due.key),
            to_self=due.to_self,
            tainted=due.tainted,
        )
        return admit(conn, submission, self._registry, config().get, now)

    def _refuse(self, conn: sa.Connection, due: Due, error: Exception, now: datetime) -> dict[str, str]:
        """Let the domain write down why; returns the problem."""
        expected = isinstance(error, ActionError)
        problem = error.as_problem() if isinstance(error, ActionError) else problem_of(error)
        row = {"trigger": self._trigger.name, "row": str(due.row_id), "why": problem["type"]}
        log.info("a trigger's job was refused", **row, exc_info=None if expected else error)
        self._refusals.append(error)
        try:
            with conn.begin_nested():
                self._trigger.refused(conn, due, problem["detail"], now)
        except TRANSIENT_ERRORS:
            raise
        except Exception:
            log.exception("a trigger could not write down a refusal", **row)
        return problem


def _untold(due: Due, key: str, known: Registry) -> NewJob:
    """What could not be told: it can be retried, once what was in the way is gone."""
    action = known.get(due.action)
    return NewJob(
        id=new_id(),
        user_id=due.user_id,
        action=due.action,
        effect=(Effect.WRITE if action is None else action.effect).value,
        queue=(Queue.IO if action is None else action.queue).value,
        input=strict_json.write(due.given),
        max_attempts=1 if action is None else action.retry.attempts,
        origin=Origin.SCHEDULE.value,
        idempotency_key=key,
        provider="" if action is None else action.provider,
        tainted=due.tainted,
        sources=taint.as_column(due.sources),
    )


def _not_rung(_queue: str) -> bool:
    """For jobs that fail as soon as they are there."""
    return False


def _failing(job_id: UUID, problem: Mapping[str, str]) -> Move:
    return Move(job_id, State.FAILED, only_from=frozenset({State.QUEUED}), values={"error": strict_json.write(problem)})


def cut_off(db: Database, conn: sa.Connection) -> None:
    """End the transaction of a thread that does not come back, and keep it from writing should it come back.

    Raises:
        sqlalchemy.exc.OperationalError: The database is away, and the transaction with it.
    """
    driver = conn.connection.dbapi_connection
    assert driver is not None
    if not db.is_sqlite:
        with db.read() as other:
            other.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": driver.info.backend_pid})
        return
    driver.interrupt()
    if driver.in_transaction:
        driver.execute("ROLLBACK")
    db.let_go(conn)
    driver.execute("PRAGMA query_only = ON")
