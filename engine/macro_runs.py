"""Moves the runs of macros on: takes in how steps ended, submits the next ones, ends the run.

Any process may do it at any time: a run is locked while somebody looks at it, and a step's job and the row that names
it are written in one transaction. What happens next is decided in `models/macros/progress.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog

from engine.admission import Wish, admit
from engine.doorbells import Ring
from engine.outbox import Outbox
from llmcoder import faults, strict_json
from llmcoder.config import config
from llmcoder.errors import ActionError, BadInput, Uncertain, problem_type
from llmcoder.problems import problem_of
from llmcoder.registry import AnyAction, Registry
from llmcoder.settings import EngineSettings
from models.db.database import TRANSIENT_ERRORS, Database
from models.jobs import store as jobs
from models.jobs import tables, taint
from models.jobs.approvals import Origin
from models.jobs.machine import ENDED, Move, Moved, Reason, State, apply, wait_for
from models.jobs.store import Job, NewJob
from models.macros import plan, store
from models.macros.computing import Computations
from models.macros.document import AWAIT, LONGEST_WAIT_S, Step
from models.macros.evaluation import Postponed
from models.macros.progress import WHOLE, Allowance, Finish, Progress, Row, StepState, Submit
from models.macros.store import PLAN
from models.macros.stored_values import Kept

log = structlog.get_logger(__name__)

#: Steps and items that one look begins; the rest is for the run's next turn.
PORTION = 50
#: A look that has taken so long leaves the rest for the run's next turn, too.
LOOK_S = 0.25
#: So long one tick goes on; endings of steps are noticed so often meanwhile.
SLICE_S, NOTICE_EVERY_S = 2.0, 0.2
#: How long a run rests after each look that broke; the one after the last ends it.
RESTS_S = (1, 5, 30, 120)
PUT_OFF = timedelta(seconds=1)
#: A run is looked at so often although nothing was noticed: no defect of ours in noticing may lose it.
LOOK_AT_LEAST_EVERY = timedelta(hours=1)
#: Actions that stand for waiting; they live with the others, so that a wait is a job like any other.
ASK, PASS = "tasks.ask_person", "tasks.pass_time"
START = "tasks.start_macro"
UnderWay = Mapping[tuple[str, int], tuple[Job, datetime | None]]
#: The run's own job is still in a worker's hands; it is about to wait.
SOON = timedelta(seconds=1)


class Macros:
    """Moves runs on, for one process."""

    def __init__(self, db: Database, outbox: Outbox, registry: Registry) -> None:
        self._db = db
        self._outbox = outbox
        self._registry = registry
        self._last_user: UUID | None = None
        self._noticed_at = -math.inf

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
        self._follow(self._moved_on(Turn(run_id=run_id), config().get(EngineSettings)))

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
        turn = Turn(user_id)
        try:
            made = self._moved_on(turn, settings)
        except TRANSIENT_ERRORS as error:
            if turn.run_id is None:
                raise
            self._put_off(turn.run_id, error)
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

    def _moved_on(self, turn: Turn, settings: EngineSettings) -> Made | None:
        """One look, which is repeated for what it had to compute first; None when there is nothing to look at."""
        computations = Computations(postpones=True)
        while True:
            try:
                with self._db.write() as conn:
                    return self._look(conn, turn, settings, computations)
            except Postponed:
                computations.catch_up()

    def _look(
        self, conn: sa.Connection, turn: Turn, settings: EngineSettings, computations: Computations
    ) -> Made | None:  # fmt: skip
        if turn.run_id is None and turn.user_id is not None:
            turn.run_id = store.next_due(conn, turn.user_id, self._db.now())
        run = None if turn.run_id is None else store.take(conn, turn.run_id)
        if run is None:
            return None
        run_id = run.job.id
        made = Look(conn, run, self._registry, self._db.now(), self._outbox.reserve, settings, computations).go()
        store.looked_well(conn, run_id)
        faults.reach("macros.before_commit")
        return made

    def _follow(self, made: Made | None) -> None:
        if made is None:
            return
        self._outbox.ring(made.rings)
        self._outbox.wake(made.changed)
        if made.progress is not None:
            self._outbox.live(*made.progress)

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

    def _after_break(self, conn: sa.Connection, run_id: UUID, problem: dict[str, str]) -> Made:
        now, made = self._db.now(), Made()
        failures = store.lock_open(conn, run_id)
        if failures is None:
            return made
        if failures < len(RESTS_S):
            store.rest(conn, run_id, now + timedelta(seconds=RESTS_S[failures]), failures + 1)
            return made
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
                return made
            made.changed.append((moved.user_id, moved.job_id))
        made.changed += _cancelled(conn, store.job_ids(conn, run_id), now)
        store.fail_under_way(conn, run_id, problem)
        store.close(conn, run_id)
        return made


@dataclass
class Turn:
    """A look that is due: at a run, or at the one of the user that has waited longest."""

    user_id: UUID | None = None
    run_id: UUID | None = None


@dataclass
class Made:
    """What follows the commit."""

    rings: list[Ring] = field(default_factory=list)
    changed: list[tuple[UUID, UUID]] = field(default_factory=list)
    progress: tuple[UUID, dict[str, Any]] | None = None


class Look:
    """One look at a run, in one transaction."""

    def __init__(
        self, conn: sa.Connection, run: store.Run, registry: Registry, now: datetime, reserve: Callable[[str], bool],
        settings: EngineSettings, computations: Computations,
    ) -> None:  # fmt: skip
        computations.begin()
        self._computations = computations
        self._conn = conn
        self._run = run
        self._registry = registry
        self._now = now
        self._reserve = reserve
        self._settings = settings
        self._began_at = time.monotonic()
        self._made = Made()
        self._rows: dict[tuple[str, int], Row] = {}
        self._deadlines: dict[tuple[str, int], datetime] = {}
        self._new: list[NewJob] = []

    def go(self) -> Made:
        """Do what there is to do."""
        steps, runs = store.budget(self._conn, self._run.root_id)
        under_way = store.jobs_of(self._conn, self._run.job.id)
        if self._run.job.ended:
            self._give_up(under_way)
            return self._made
        if (size := store.size_bytes(self._conn, self._run.job.id)) > self._settings.macro_max_bytes:
            self._break_off(under_way, _too_large(size, self._settings.macro_max_bytes))
            return self._made
        most = self._settings.macro_max_steps
        allowance = Allowance(max(most - steps, 0), most, PORTION, self._is_tired)
        self._may_start = self._settings.macro_max_runs - runs
        progress = self._progress(allowance)
        for (step, item), (job, deadline_at) in under_way.items():
            self._take_in(progress, step, item, job, deadline_at)
        finish = self._go_on(progress)
        if finish is not None and self._run.mode == PLAN:
            finish = self._planned(progress, finish)
        if progress.failed is not None:
            self._cancel(job for job, _ in under_way.values() if not job.ended)
        if allowance.begun:
            begun = {"steps": steps + allowance.begun, "runs": self._settings.macro_max_runs - self._may_start}
            store.count_begun(self._conn, self._run.root_id, **begun)
        self._write(progress, finish, under_way)
        return self._made

    def _progress(self, allowance: Allowance) -> Progress:
        about = {"id": str(self._run.job.id), "webhooks": self._addresses()}
        rows = store.steps(self._conn, self._run.job.id)
        return Progress(self._run.macro, self._run.given, rows, about, allowance, self._computations)

    def _is_tired(self) -> bool:
        return time.monotonic() - self._began_at > LOOK_S

    def _planned(self, progress: Progress, finish: Finish) -> Finish:
        sources = progress.sources()
        try:
            planned = plan.planned(progress, finish, self._settings.max_result_bytes)
            return Finish(result=planned, sources=sources)
        except Exception as error:  # noqa: BLE001  of what the steps came to, which may be anything
            return Finish(error=problem_of(error, "The plan: "), sources=sources)

    def _addresses(self) -> dict[str, str]:
        """By step, where to call it. A plan's steps have none: there the expression stands for it."""
        if self._run.mode == PLAN:
            return {step: f"${{{{ run.webhooks.{step} }}}}" for step in self._run.macro.awaiting()}
        return self._run.addresses(self._settings.reached_at)

    # --- what ended

    def _take_in(self, progress: Progress, step: str, item: int, job: Job, deadline_at: datetime | None) -> None:
        """What a step's job came to; one past its deadline is told to end."""
        late = deadline_at is not None and deadline_at <= self._now
        if job.reason == Reason.CALL and not late and (called := self._answered(job, step)) is not None:
            job = called
        row = progress.row(step, item)
        if job.state in store.TELLING:
            progress.settle(self._ended(progress, step, item, job, late))
        elif job.state == State.UNCERTAIN:
            self._take_in_doubt(progress, row, job, deadline_at, late)
        elif late:
            self._cancel([job])
        elif row.state is StepState.UNCERTAIN:  # it was queued again
            progress.settle(replace(row, state=StepState.SUBMITTED, error=None))

    def _take_in_doubt(
        self, progress: Progress, row: Row, job: Job, deadline_at: datetime | None, late: bool
    ) -> None:  # fmt: skip
        """A step that nobody can tell the end of waits for the person who can, unless the run goes on without it."""
        goes_on = late or self._run.macro.step(row.step).on_error == "continue"
        if not goes_on and row.state is StepState.UNCERTAIN:
            return
        state = StepState.FAILED if goes_on else StepState.UNCERTAIN
        progress.settle(replace(row, state=state, error=_doubt(job, late), job_id=job.id))
        if not goes_on and deadline_at is None:
            self._deadlines[row.step, row.item] = self._now + timedelta(seconds=LONGEST_WAIT_S)

    def _answered(self, job: Job, step: str) -> Job | None:
        """The job of a step that waits for a call, ended by the one that came; None while none did."""
        result = store.call_of(self._conn, self._run.job.id, step)
        if result is None:
            return None
        move = Move(job.id, State.SUCCEEDED, only_from=frozenset({State.WAITING}), values={"result": result})
        moved = apply(self._conn, [move], self._now)[0]
        return replace(job, state=State.SUCCEEDED.value, result=result) if self._tell(moved) else None

    def _has_unheard_calls(self, progress: Progress) -> bool:
        """Whether a step was called whose job has not come to wait for it yet."""
        waiting = [step for step in self._run.macro.awaiting() if progress.is_under_way(step)]
        return any(store.call_of(self._conn, self._run.job.id, step) is not None for step in waiting)

    def _ended(self, progress: Progress, step: str, item: int, job: Job, late: bool) -> Row:
        try:
            if job.state == State.SUCCEEDED:
                return self._row(progress, step, item, StepState.SUCCEEDED, job)
            return self._row(progress, step, item, StepState.FAILED, job, _why(job, late))
        except (ValueError, TypeError, RecursionError) as error:  # what the row holds is no JSON of that kind
            place = progress.row(step, item)
            return replace(place, state=StepState.FAILED, error=problem_of(error), job_id=job.id)

    def _row(self, progress: Progress, step: str, item: int, state: StepState, job: Job, error: Any = None) -> Row:
        result = None if job.result is None else Kept(lambda: job.result)
        if job.action == START and self._run.mode == PLAN and state is StepState.SUCCEEDED:
            state = StepState.PLANNED  # its result says what the macro in the macro would do
        return replace(progress.row(step, item), state=state, result=result, error=error, job_id=job.id)

    # --- what begins

    def _go_on(self, progress: Progress) -> Finish | None:
        while True:
            then = progress.next()
            self._note(then.changed)
            if not then.submits:
                return then.finish
            for wanted in then.submits:
                self._submit(progress, wanted)

    def _submit(self, progress: Progress, wanted: Submit) -> None:
        place = Row(wanted.step.id, wanted.item, StepState.SUBMITTED, value=_item_of(progress, wanted))
        try:
            if self._run.mode == PLAN and (said := self._written_down(wanted)) is not None:
                progress.settle(replace(place, state=StepState.PLANNED, result=said))
                return
            job = self._within_budget(wanted)
        except sa.exc.SQLAlchemyError:
            raise  # the transaction is lost with it
        except Exception as error:  # noqa: BLE001  a value that nobody can write down, whatever it is: this step's failure alone
            progress.settle(replace(place, state=StepState.FAILED, error=problem_of(error)))
            return
        self._new.append(job)
        progress.settle(replace(place, job_id=job.id))
        if (seconds := _seconds(wanted.step)) is not None:
            self._deadlines[wanted.step.id, wanted.item] = self._now + timedelta(seconds=seconds)

    def _written_down(self, wanted: Submit) -> dict[str, Any] | None:
        """What a plan says instead of doing it; None for what a plan does, too.

        Raises:
            ActionError: The run could not do it either.
        """
        if wanted.step.wait_for is not None:
            return plan.record(wanted, None, asks=wanted.step.wait_for.approval is not None)
        action, given, _ = self._meant(wanted)
        effect, keeps = action.effect, action.leaves_something(given)
        if not keeps and not (wanted.blind or wanted.unsure):
            return None
        if wanted.blind:
            return plan.record(wanted, effect.value, asks=False, keeps=keeps)
        job = self._admitted(wanted)
        wanted = replace(wanted, given=strict_json.read_lenient(job.input))  # with all that the action adds to it
        return plan.record(wanted, effect.value, asks=job.approval_expires_at is not None, keeps=keeps)

    def _within_budget(self, wanted: Submit) -> NewJob:
        if wanted.step.action != START:
            return self._admitted(wanted)
        if self._may_start <= 0:
            raise store.too_many_runs(self._settings.macro_max_runs)
        job = self._admitted(wanted)
        self._may_start -= 1
        return job

    def _admitted(self, wanted: Submit) -> NewJob:
        return admit(self._conn, self._wish(wanted), self._registry, config().get, self._now)

    def _wish(self, wanted: Submit) -> Wish:
        action, given, due_at = self._meant(wanted)
        return Wish(
            self._run.job.user_id,
            action,
            strict_json.write(given),
            origin=self._origin(),
            sources=wanted.sources,
            due_at=due_at,
            priority=self._run.job.priority,
            parent_id=self._run.job.id,
            tainted=self._run.job.tainted,
            must_ask=wanted.step.wait_for is not None and wanted.step.wait_for.approval is not None,
            attempts=wanted.step.retry.attempts if wanted.step.retry else None,
        )

    def _origin(self) -> Origin:
        """Whoever acts in the user's name by its own lights does so in the steps of its runs, too."""
        began = Origin(self._run.job.origin)
        return began if began.delegated else Origin.MACRO

    def _meant(self, wanted: Submit) -> tuple[AnyAction, Mapping[str, Any], datetime | None]:
        """Which action with which input, and when."""
        waits = wanted.step.wait_for
        if waits is None:
            assert wanted.step.action is not None
            given = {**wanted.given, "mode": PLAN} if self._plans_another(wanted.step) else wanted.given
            return self._registry.find(wanted.step.action), given, None
        if waits.approval is not None:
            return self._registry.find(ASK), {"question": str(wanted.given["approval"])}, None
        if waits.webhook:
            return self._registry.find(AWAIT), {}, None
        if waits.seconds is not None:
            return self._registry.find(PASS), {}, self._now + timedelta(seconds=waits.seconds)
        return self._registry.find(PASS), {}, _instant(wanted.given["until"])

    def _plans_another(self, step: Step) -> bool:
        return self._run.mode == PLAN and step.action == START

    # --- what is written

    def _note(self, rows: list[Row]) -> None:
        for row in rows:
            self._rows[row.step, row.item] = row

    def _write(
        self,
        progress: Progress,
        finish: Finish | None,
        under_way: Mapping[tuple[str, int], tuple[Job, datetime | None]],
    ) -> None:
        self._insert()
        kept = {place: at for place, (_, at) in under_way.items() if at is not None}
        store.keep(self._conn, self._run.job.id, list(self._rows.values()), kept | self._deadlines)
        if finish is not None and self._end(finish):
            store.close(self._conn, self._run.job.id)
            return
        store.look_again(self._conn, self._run.job.id, self._next_look(progress, finish, kept))
        waits_for = Reason.UNCERTAIN_STEP if progress.doubtful else Reason.STEPS
        self._tell(wait_for(self._conn, self._run.job.id, waits_for))
        ended, steps = progress.ended, len(self._run.macro.steps)
        message = f"{ended} of {steps} steps have ended"
        store.show(self._conn, self._run.job.id, ended / steps, message)
        shown = {"type": "progress", "job_id": str(self._run.job.id), "fraction": ended / steps, "message": message}
        self._made.progress = self._run.job.user_id, shown

    def _next_look(
        self, progress: Progress, finish: Finish | None, kept: Mapping[tuple[str, int], datetime]
    ) -> datetime:  # fmt: skip
        """When somebody has to look again, whatever ends until then."""
        if progress.more:
            return self._now
        hands_over = progress.doubtful and self._run.job.state != State.WAITING
        if finish is not None or hands_over or self._has_unheard_calls(progress):
            return self._now + SOON
        times = [at for at in (*kept.values(), *self._deadlines.values()) if at > self._now]
        return min([*times, self._now + LOOK_AT_LEAST_EVERY])

    def _insert(self) -> None:
        if not self._new:
            return
        rung = [(one.due_at is None or one.due_at <= self._now) and self._reserve(one.queue) for one in self._new]
        for done, bell in zip(jobs.insert(self._conn, self._new, self._now, rung=rung), rung, strict=True):
            self._made.changed.append((done.job.user_id, done.job.id))
            if bell and done.job.state == State.QUEUED:
                self._made.rings.append(Ring(done.job.id, done.job.attempt, done.job.action, done.job.queue))

    def _end(self, finish: Finish) -> bool:
        """End the run's own job, if it waits by now."""
        to = State.FAILED if finish.error is not None else State.SUCCEEDED
        try:
            result = None if finish.result is None else _written(finish.result, self._settings.max_result_bytes)
        except Exception as why:  # noqa: BLE001  whatever the writer refuses, and however
            unwritable = BadInput(f"The output cannot be kept as JSON: {why}. Say something else in `output`.")
            return self._end(Finish(error=problem_of(unwritable), sources=finish.sources))
        limit = self._settings.max_result_bytes
        if result is not None and len(result) > limit:
            error = BadInput(f"The result has {len(result)} bytes; at most {limit} are kept. Say less in `output`.")
            return self._end(Finish(error=error.as_problem()))
        values: dict[str, object] = {
            "result": result,
            "error": None if finish.error is None else strict_json.write(dict(finish.error)),
            "result_taint": taint.of_results(self._conn, self._run.job.user_id, finish.sources, self._registry),
            "sources": taint.as_column(taint.merged(taint.ids_of(self._run.job.sources), finish.sources)),
        }
        if finish.error is None:
            values |= {"progress_fraction": 1.0, "progress_message": "All steps have ended"}
        move = Move(self._run.job.id, to, only_from=frozenset({State.WAITING}), values=values)
        return self._tell(apply(self._conn, [move], self._now)[0])

    def _give_up(self, under_way: UnderWay) -> None:
        """The run's own job has ended, since somebody cancelled it: so does everything of it."""
        error = {"type": problem_type("cancelled"), "title": "Cancelled", "detail": "The run was cancelled."}
        self._cancel(job for job, _ in under_way.values() if not job.ended)
        store.fail_under_way(self._conn, self._run.job.id, error)
        store.close(self._conn, self._run.job.id)

    def _break_off(self, under_way: UnderWay, error: ActionError) -> None:
        """The run cannot go on: it fails, and everything of it is cancelled."""
        if not self._end(Finish(error=problem_of(error))):
            store.look_again(self._conn, self._run.job.id, self._now + SOON)
            return
        self._cancel(job for job, _ in under_way.values() if not job.ended)
        store.fail_under_way(self._conn, self._run.job.id, problem_of(error))
        store.close(self._conn, self._run.job.id)

    def _cancel(self, of: Any) -> None:
        for job in of:
            self._tell(jobs.request_cancel(self._conn, job, self._now))

    def _tell(self, moved: Moved | None) -> bool:
        if moved is not None:
            self._made.changed.append((moved.user_id, moved.job_id))
        return moved is not None


def _cancelled(conn: sa.Connection, job_ids: Sequence[UUID], now: datetime) -> list[tuple[UUID, UUID]]:
    moved = [jobs.cancel_one(conn, job_id, now) for job_id in job_ids]
    return [(one.user_id, one.job_id) for one in moved if one is not None]


def _too_large(size: int, most: int) -> BadInput:
    return BadInput(
        f"What its steps returned has {size:,} bytes altogether; at most {most:,} are kept of one run "
        "(MACRO_MAX_BYTES). Have them return less, or take the list in parts."
    )


def _doubt(job: Job, late: bool) -> dict[str, str]:
    """The error of a step whose effect may have happened."""
    last = " Nobody said so in time." if late else ""
    doubt = Uncertain(
        f"Its effect may have happened, and nobody could tell. Look there, then POST /jobs/{job.id}/resolve.{last}"
    )
    return doubt.as_problem()


def _written(result: Mapping[str, Any], most_bytes: int) -> str:
    """The result as JSON, the way every reader takes it.

    Args:
        most_bytes: What is longer is not checked, since nobody will keep it.

    Raises:
        Unwritable: It holds what JSON or UTF-8 cannot say.
        NotJson: What is kept of a step is none.
    """
    text = strict_json.write_exact({name: _as_it_is_kept(value) for name, value in result.items()})
    if len(text) <= most_bytes and any(isinstance(value, Kept) for value in result.values()):
        strict_json.read_lenient(text)
    return text


def _as_it_is_kept(value: Any) -> Any:
    return strict_json.Fragment(value.text or "null") if isinstance(value, Kept) else value


def _item_of(progress: Progress, wanted: Submit) -> Any:
    return None if wanted.item == WHOLE else progress.item(wanted.step.id, wanted.item)


def _seconds(step: Step) -> int | None:
    """Until when the step's job must have ended."""
    return step.wait_for.timeout_s if step.wait_for is not None and step.timeout_s is None else step.timeout_s


def _instant(text: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        raise BadInput(f"`until` is {text!r} and no instant such as 2030-06-01T09:00:00Z.") from None
    if found.tzinfo is None:
        raise BadInput(f"`until` is {text!r}, without a zone; write it such as 2030-06-01T09:00:00Z.")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise BadInput(f"`until` is {text!r}, which is beyond the years that there are in UTC.") from None


def _why(job: Job, late: bool) -> dict[str, str]:
    if job.state == State.FAILED and job.error is not None:
        found: dict[str, str] = strict_json.read_lenient(job.error)
        return found
    words = {Reason.REJECTED: "A person rejected it", Reason.EXPIRED: "Nobody approved it in time"}
    known: dict[str | None, str] = {reason.value: said for reason, said in words.items()}
    detail = "It took longer than it may" if late else known.get(job.reason, "It was cancelled")
    note = f": {job.note}" if job.note else "."
    return {"type": "urn:llmcoder:problem:cancelled", "title": "Cancelled", "detail": f"{detail}{note}"}
