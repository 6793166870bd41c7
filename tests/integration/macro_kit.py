"""Runs of macros moved on by hand, look by look: no process but the test's, so that a table of hundreds is quick."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from engine_kit import accept_one, move, take

from engine.macro_runs import Macros
from engine.outbox import Outbox
from llmcoder.context import User
from llmcoder.errors import ActionError
from llmcoder.registry import Registry, discover
from llmcoder.states import Reason, State
from models.db.database import Database
from models.jobs import store as jobs
from models.jobs.store import Job
from models.jobs.tables import jobs as table
from models.macros import store
from models.macros.document import Macro

#: More rounds than any run of a test takes.
MOST_ROUNDS = 2_000


def echo(step_id: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"id": step_id, "action": "test.echo", "with": {"text": text}, **more}


@contextmanager
def runs_on(db: Database, redis_url: str, user: User) -> Iterator[Runs]:
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    yield Runs(db, outbox, user)
    outbox.close()


@dataclass
class Runs:
    """The runs of a database, its scheduler, and a worker that does what `test.echo` does."""

    db: Database
    outbox: Outbox
    user: User
    registry: Registry = field(default_factory=lambda: Registry(discover()))

    def __post_init__(self) -> None:
        self.macros = Macros(self.db, self.outbox, self.registry)

    def start(
        self, steps: list[dict[str, Any]], given: Mapping[str, Any] | None = None, mode: str = "run",
        user: User | None = None, **more: Any,
    ) -> UUID:  # fmt: skip
        document = {"name": "test", "steps": steps, **more}
        text = json.dumps({"document": document, "input": dict(given or {}), "mode": mode})
        job = accept_one(self.db, user or self.user, action="tasks.start_macro", input=text)
        self._begin(job)
        return job.id

    def pass_time(self, seconds: float) -> None:
        """Set the database's clock ahead."""
        now = self.db.now() + timedelta(seconds=seconds)
        self.db.now = lambda: now  # type: ignore[method-assign]

    def job(self, job_id: UUID) -> Job:
        with self.db.read() as conn:
            return Job(*conn.execute(sa.select(*jobs.COLUMNS).where(table.c.id == job_id)).one())

    def steps_of(self, run: UUID) -> list[Job]:
        with self.db.read() as conn:
            rows = conn.execute(sa.select(*jobs.COLUMNS).where(table.c.parent_id == run).order_by(table.c.id))
            return [Job(*row) for row in rows]

    def error_of(self, job_id: UUID) -> dict[str, str]:
        error: dict[str, str] = json.loads(self.job(job_id).error or "{}")
        return error

    def work(self, limit: int = 10_000) -> int:
        """Do what is queued; returns how much that was."""
        query = sa.select(*jobs.COLUMNS).where(table.c.state == State.QUEUED).order_by(table.c.id).limit(limit)
        with self.db.read() as conn:
            found = [Job(*row) for row in conn.execute(query)]
        for job in found:
            self.do(job)
        return len(found)

    def do(self, job: Job) -> None:
        """Run one job to its end."""
        if job.action == "tasks.start_macro":
            self._begin(job)
            return
        take(self.db, job.id)
        text = json.loads(job.input).get("text", "")
        move(self.db, job.id, State.SUCCEEDED, values={"result": json.dumps({"text": text})})

    def look(self, times: int = 1) -> None:
        """Ticks of a scheduler that notices at once what has ended."""
        for _ in range(times):
            self.macros._noticed_at = -math.inf
            self.macros.advance()

    def settle(self, *runs: UUID) -> None:
        """Work and look until the runs have ended."""
        for _ in range(MOST_ROUNDS):
            if all(self.job(run).ended for run in runs):
                return
            self.look()
            self.work()
        raise AssertionError([self.job(run) for run in runs])

    def _begin(self, job: Job) -> None:
        """As `tasks.start_macro` does."""
        take(self.db, job.id)
        given = json.loads(job.input)
        try:
            with self.db.write() as conn:
                source = store.named(conn, job.user_id, given["macro"]) if given.get("macro") else None
                macro = Macro.model_validate(given["document"] if source is None else json.loads(source.document))
                inputs = macro.input_of(given.get("input") or {})
                mode = given.get("mode") or "run"
                store.begin(conn, job.id, job.user_id, macro, inputs, mode, source, self.db.now(), counted=True)
        except ActionError as error:
            move(self.db, job.id, State.FAILED, values={"error": json.dumps(error.as_problem())})
            return
        move(self.db, job.id, State.WAITING, reason=Reason.STEPS)
