"""Asks one trigger of a domain which of its rows want a job now. Any number of schedulers may ask at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
import structlog

from llmcoder import strict_json
from llmcoder.action import Effect, Queue
from llmcoder.config import config
from llmcoder.errors import ActionError, Refused
from llmcoder.ids import new_id
from llmcoder.registry import Registry
from llmcoder.trigger import Due, Trigger
from models import jobs, taint
from models.approvals import Origin
from models.db import Database
from models.jobs import NewJob
from models.machine import Move, State, apply
from models.problems import problem_of
from workers.admission import Wish, admit
from workers.bell import Ring
from workers.outbox import Outbox

log = structlog.get_logger(__name__)

BATCH = 100
#: So that a trigger whose rows stay due for ever does not keep its thread.
MOST_BATCHES = 50


class Asking:
    """Makes the jobs of one trigger.

    Args:
        known: The actions.
    """

    def __init__(self, db: Database, outbox: Outbox, known: Registry, trigger: Trigger) -> None:
        self._db = db
        self._outbox = outbox
        self._registry = known
        self._trigger = trigger

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
        with self._db.read() as conn:
            return self._trigger.any_due(conn, self._db.now())

    def _batch(self) -> int | None:
        now = self._db.now()
        with self._db.write() as conn:
            due = self._trigger.take(conn, now, BATCH)
            failures: dict[UUID, dict[str, str]] = {}
            new = [job for one in due if (job := self._job(conn, one, failures, now)) is not None]
            rung = [job.due_at is None and job.id not in failures and self._outbox.reserve(job.queue) for job in new]
            accepted = jobs.insert(conn, new, now, rung=rung) if new else []
            apply(conn, [_failing(job_id, problem) for job_id, problem in failures.items()], now)
        fresh = [(one.job, bell) for one, bell in zip(accepted, rung, strict=True) if not one.replayed]
        self._outbox.ring(
            Ring(job.id, job.attempt, job.action, job.queue) for job, bell in fresh if bell and job.state == "queued"
        )
        self._outbox.wake((job.user_id, job.id) for job, _ in fresh)
        return sum(job.id not in failures for job, _ in fresh) if due else None

    def _job(self, conn: sa.Connection, due: Due, failures: dict[UUID, dict[str, str]], now: datetime) -> NewJob | None:
        """The job; one that tells its user something and cannot be made becomes one of the `failures`."""
        try:
            if due.refusal is not None:
                raise Refused(due.refusal)
            wish = Wish(
                due.user_id,
                self._registry.find(due.action),
                strict_json.write(due.given),
                origin=Origin.SCHEDULE,
                sources=due.sources,
                key=self._trigger.job_key(due.key),
                to_self=due.to_self,
                tainted=due.tainted,
            )
            return admit(conn, wish, self._registry, config().get, now)
        except sa.exc.SQLAlchemyError:
            raise  # the transaction is lost with it
        except Exception as error:  # noqa: BLE001  this row's fault, and no other's
            problem = error.as_problem() if isinstance(error, ActionError) else problem_of(error)
        log.info("a trigger's job was refused", trigger=self._trigger.name, row=str(due.row_id), why=problem["type"])
        self._trigger.refused(conn, due, problem["detail"], now)
        if not due.to_self:
            return None
        job = _untold(due, self._trigger.job_key(due.key), self._registry)
        failures[job.id] = problem
        return job


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


def _failing(job_id: UUID, problem: Mapping[str, str]) -> Move:
    return Move(job_id, State.FAILED, only_from=frozenset({State.QUEUED}), values={"error": strict_json.write(problem)})
