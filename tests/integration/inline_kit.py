"""The engine in this thread: real admission, execution, runs of macros and triggers; no process, no broker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa

from engine import commands
from engine.admission import JobSubmission, admit
from engine.macro_runs import Macros
from engine.outbox import Outbox
from llmcoder.config import config
from llmcoder.context import User
from llmcoder.declare.trigger import Trigger
from llmcoder.registry import Registry
from llmcoder.states import State
from models.db.database import Database
from models.jobs import approvals
from models.jobs import store as jobs
from models.jobs.approvals import Origin
from models.jobs.claims import arm, claimed, pick, taking
from models.jobs.machine import apply
from models.jobs.store import Job
from models.jobs.tables import jobs as table
from models.macros.tables import macro_runs
from schedules.triggers import TriggerTick
from workers.attempt import Attempt
from workers.context import JobContext
from workers.execute import execute
from workers.ledger import Ledger

MOST_ROUNDS = 200


class Arming:
    """The part of a worker's ledger that a running action asks for."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def arm(self, job_id: UUID, attempt: int, marker: str) -> bool:
        with self._db.write() as conn:
            return arm(conn, job_id, attempt, marker, self._db.now())


class Quiet:
    """An outbox that nobody hears."""

    def reserve(self, queue: str) -> bool:
        return False

    def follow(self, after: object) -> None: ...

    def announce(self, jobs: object) -> None: ...

    def ring(self, rings: object) -> None: ...

    def wake(self, changed: object) -> None: ...

    def live(self, user_id: UUID, message: object) -> None: ...


@dataclass
class Inline:
    """One user's engine."""

    db: Database
    user: User
    known: Registry

    def submit(
        self,
        action: str,
        given: Mapping[str, Any],
        origin: Origin = Origin.PERSON,
        sources: Sequence[UUID] = (),
        *,
        tainted: bool = False,
    ) -> UUID:
        submission = JobSubmission(
            self.user.id, self.known.find(action), json.dumps(given), origin, tuple(sources), tainted=tainted
        )
        with self.db.write() as conn:
            new = admit(conn, submission, self.known, config().get, self.db.now())
            return jobs.insert(conn, [new], self.db.now(), rung=[False])[0].job.id

    def job(self, job_id: UUID) -> Job:
        with self.db.read() as conn:
            found = jobs.get(conn, self.user.id, job_id)
        assert found is not None
        return found

    def all(self, action: str) -> list[Job]:
        """The user's jobs of an action, oldest first."""
        with self.db.read() as conn:
            mine = sa.select(*jobs.COLUMNS).where(table.c.user_id == self.user.id, table.c.action == action)
            return [Job(*row) for row in conn.execute(mine.order_by(table.c.id))]

    def run(self) -> None:
        """Until nothing is left to do but what waits for a person, a call or the clock."""
        macros = Macros(self.db, cast("Outbox", Quiet()), self.known)
        for _ in range(MOST_ROUNDS):
            moved = self._run_queued()
            before = self._revision()
            with self.db.write() as conn:
                conn.execute(sa.update(macro_runs).where(macro_runs.c.open.is_(True)).values(look_at=self.db.now()))
            macros.advance()
            if not moved and self._revision() == before:
                return
        raise AssertionError("it does not come to rest")

    def ask(self, trigger: Trigger) -> None:
        TriggerTick(self.db, cast("Outbox", Quiet()), self.known, trigger).ask()

    def approve(self, job_id: UUID, edited: Mapping[str, Any] | None = None) -> None:
        with self.db.write() as conn:
            seen = approvals.sha256(self.job(job_id).input)
            text = None if edited is None else json.dumps(edited)
            commands.approve(conn, self.known, self.user.id, job_id, seen, text, self.db.now())
        self.run()

    def done(
        self,
        action: str,
        given: Mapping[str, Any],
        origin: Origin = Origin.PERSON,
        sources: Sequence[UUID] = (),
        *,
        tainted: bool = False,
    ) -> Job:
        """A job that has run, approved where it had to wait."""
        job_id = self.submit(action, given, origin, sources, tainted=tainted)
        self.run()
        if (self.job(job_id).state, self.job(job_id).reason) == ("waiting", "approval"):
            self.approve(job_id)
        return self.job(job_id)

    def macro(self, *steps: Mapping[str, Any], origin: Origin = Origin.PERSON, **more: Any) -> UUID:
        given = more.pop("given", {})
        document = {"name": "m", "steps": list(steps), **more}
        run = self.submit("tasks.start_macro", {"document": document, "input": given}, origin)
        self.run()
        return run

    def _revision(self) -> int:
        with self.db.read() as conn:
            return jobs.revision(conn, self.user.id)

    def _run_queued(self) -> int:
        now = self.db.now()
        with self.db.write() as conn:
            due = sa.and_(table.c.state == "scheduled", table.c.due_at <= now + timedelta(seconds=1))
            conn.execute(sa.update(table).where(due).values(state=State.QUEUED, reason=None))
            picked = pick(conn, (), "io", 100)
            taken = claimed(picked, apply(conn, taking(picked, "here", 30.0, now), now, held=picked), now)
        for one in taken:
            attempt = Attempt(one, self.known.get(one.action))
            attempt.start()
            ctx = JobContext(
                attempt, cast("Ledger", Arming(self.db)), cast("Outbox", Quiet()), lambda *_: None, self.db
            )
            ending = execute(attempt, ctx, self.db, 1_000_000)
            with self.db.write() as conn:
                apply(conn, [ending.move], self.db.now())
        return len(taken)
