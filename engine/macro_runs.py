"""Moves the runs of macros on: takes in how steps ended, submits the next ones, ends the run.

Any process may do it at any time: a run is locked while somebody looks at it, and a step's job and the row that names
it are written in one transaction. What happens next is decided in `models/macros/progress.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa

from engine.enqueue import AfterCommit
from engine.macro_step import MacroStep, UnknownStep
from engine.outbox import Outbox
from llmcoder import faults, strict_json
from llmcoder.config import config
from llmcoder.logger import get_logger
from llmcoder.problems import problem_of
from llmcoder.registry import Registry
from llmcoder.settings import EngineSettings
from llmcoder.states import Reason, State
from models.db.database import TRANSIENT_ERRORS, Database
from models.jobs import store as jobs
from models.jobs import tables
from models.jobs.machine import ENDED, Move, apply, wait_for
from models.macros import store
from models.macros.computing import Computations
from models.macros.evaluation import Postponed

log = get_logger(__name__)

#: So long one tick goes on; endings of steps are noticed so often meanwhile.
SLICE_S, NOTICE_EVERY_S = 2.0, 0.2
#: How long a run rests after each look that broke; the one after the last ends it.
RESTS_S = (1, 5, 30, 120)
PUT_OFF = timedelta(seconds=1)
#: So long this process looks at no run again whose next step it does not know; one that does is not held up.
PASSED_OVER_S = 30.0


class Macros:
    """Moves runs on, for one process."""

    def __init__(self, db: Database, outbox: Outbox, registry: Registry) -> None:
        self._db = db
        self._outbox = outbox
        self._registry = registry
        self._last_user: UUID | None = None
        self._noticed_at = -math.inf
        self._passed_over: dict[UUID, float] = {}

    def advance(self) -> int:
        """Look at the runs for which there may be something to do; returns how many.

        By turns: one run of each user, and again, so that nobody waits for more than one look at a run of another.
        """
        settings = config().get(EngineSettings)
        ends_at = time.monotonic() + SLICE_S
        total = 0
        while users := self._turns():
            before = total
            for user_id in users:
                self._last_user = user_id
                total += self._look_at_next(user_id, settings)
                if time.monotonic() > ends_at:
                    return total
            if total == before:  # other processes are at them, or they rest
                return total
        return total

    def look(self, run_id: UUID) -> None:
        """Move one run on as far as it goes now."""
        self._follow(self._moved_on(RunTurn(run_id=run_id), config().get(EngineSettings)))

    def _turns(self) -> list[UUID]:
        """Users whose turn it is, beginning after the one who had the last."""
        self._notice()
        with self._db.read() as conn:
            users = store.users_due(conn, self._db.now())
        last = self._last_user
        return users if last is None else [*(u for u in users if u > last), *(u for u in users if u <= last)]

    def _notice(self) -> None:
        if time.monotonic() - self._noticed_at < NOTICE_EVERY_S:
            return
        with self._db.read() as conn:
            waiting = store.to_notice(conn, self._db.now())
        if waiting:
            with self._db.write(durable=False) as conn:
                store.notice(conn, waiting, self._db.now())
        self._noticed_at = time.monotonic() if len(waiting) < store.NOTICED_AT_ONCE else -math.inf

    def _look_at_next(self, user_id: UUID, settings: EngineSettings) -> int:
        """Look at the user's next run; returns 1 where there was one. Whatever it raises, the others go on."""
        turn = RunTurn(user_id)
        try:
            made = self._moved_on(turn, settings)
        except TRANSIENT_ERRORS as error:
            if turn.run_id is None:
                raise
            self._put_off(turn.run_id, error)
            return 1
        except UnknownStep as error:
            assert turn.run_id is not None
            self._pass_over(turn.run_id, error)
            return 1
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # also what a library's own language raises, or memory's end
            if turn.run_id is None:
                raise
            self._broke(turn.run_id, error)
            return 1
        self._follow(made)
        return int(turn.run_id is not None)

    def _moved_on(self, turn: RunTurn, settings: EngineSettings) -> AfterCommit | None:
        """One look, which is repeated for what it had to compute first; None when there is nothing to look at."""
        computations = Computations(postpones=True)
        while True:
            try:
                with self._db.write() as conn:
                    return self._look(conn, turn, settings, computations)
            except Postponed:
                computations.catch_up()

    def _look(
        self, conn: sa.Connection, turn: RunTurn, settings: EngineSettings, computations: Computations
    ) -> AfterCommit | None:  # fmt: skip
        if turn.run_id is None and turn.user_id is not None:
            turn.run_id = store.next_due(conn, turn.user_id, self._db.now(), self._unmovable())
        run = None if turn.run_id is None else store.take(conn, turn.run_id)
        if run is None:
            return None
        run_id = run.job.id
        made = MacroStep(conn, run, self._registry, self._db.now(), self._outbox.reserve, settings, computations).go()
        store.looked_well(conn, run_id)
        faults.reach("macros.before_commit")
        return made

    def _follow(self, after: AfterCommit | None) -> None:
        if after is not None:
            self._outbox.follow(after)

    # --- runs for others

    def _unmovable(self) -> list[UUID]:
        """Runs that this process could not move on a moment ago."""
        now = time.monotonic()
        self._passed_over = {run_id: until for run_id, until in self._passed_over.items() if until > now}
        return list(self._passed_over)

    def _pass_over(self, run_id: UUID, error: UnknownStep) -> None:
        """Leave a run to a scheduler that knows its next step, and say so to its user."""
        self._passed_over[run_id] = time.monotonic() + PASSED_OVER_S
        log.info("a run is left to a scheduler that knows its step", run=str(run_id), action=error.action)
        after = AfterCommit()
        with self._db.write() as conn:
            after.saw(wait_for(conn, run_id, Reason.UNKNOWN_STEP))
        self._follow(after)

    # --- looks that broke

    def _put_off(self, run_id: UUID, error: Exception) -> None:
        """The database refused for the moment, or is away: then this raises as well, and all runs wait for it."""
        log.warning("a run could not be looked at for the moment", run=str(run_id), error=type(error).__name__)
        with self._db.write(durable=False) as conn:
            store.rest(conn, run_id, self._db.now() + PUT_OFF)

    def _broke(self, run_id: UUID, error: BaseException) -> None:
        """A look raised: the run rests, and after some of them it has failed."""
        problem = problem_of(error)
        try:
            with self._db.write() as conn:
                made = self._after_break(conn, run_id, problem)
        except TRANSIENT_ERRORS:
            raise
        except Exception:
            log.exception("a run that breaks cannot be ended", run=str(run_id))
            with self._db.write() as conn:
                store.rest(conn, run_id, self._db.now() + timedelta(seconds=RESTS_S[-1]))
            return
        self._follow(made)

    def _after_break(self, conn: sa.Connection, run_id: UUID, problem: dict[str, str]) -> AfterCommit:
        now, after = self._db.now(), AfterCommit()
        failures = store.lock_open(conn, run_id)
        if failures is None:
            return after
        if failures < len(RESTS_S):
            store.rest(conn, run_id, now + timedelta(seconds=RESTS_S[failures]), failures + 1)
            return after
        job_state = conn.execute(sa.select(tables.jobs.c.state).where(tables.jobs.c.id == run_id)).scalar_one()
        if job_state not in ENDED:
            values = {
                "error": strict_json.write(
                    problem | {"detail": f"{problem['detail']} It was tried {failures + 1} times."}
                )
            }
            move = Move(run_id, State.FAILED, only_from=frozenset({State.WAITING}), values=values)
            moved = apply(conn, [move], now)[0]
            if moved is None:  # a worker has it yet
                store.rest(conn, run_id, now + timedelta(seconds=RESTS_S[-1]), failures)
                return after
            after.changed.append((moved.user_id, moved.job_id))
        after.changed += _cancelled(conn, store.job_ids(conn, run_id), now)
        store.fail_under_way(conn, run_id, problem)
        store.close(conn, run_id)
        return after


@dataclass
class RunTurn:
    """A look that is due: at a run, or at the one of the user that has waited longest."""

    user_id: UUID | None = None
    run_id: UUID | None = None


def _cancelled(conn: sa.Connection, job_ids: Sequence[UUID], now: datetime) -> list[tuple[UUID, UUID]]:
    moved = [jobs.cancel_one(conn, job_id, now) for job_id in job_ids]
    return [(one.user_id, one.job_id) for one in moved if one is not None]
