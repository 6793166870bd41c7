"""Moves the runs of macros on: takes in how steps ended, submits the next ones, ends the run.

Any process may do it at any time: a run is locked while somebody looks at it, and a step's job and the row that names
it are written in one transaction. What happens next is decided in `models/macros/progress.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import faults, strict_json
from llmcoder.config import config
from llmcoder.errors import BadInput
from llmcoder.registry import AnyAction, Registry
from llmcoder.settings import EngineSettings
from models import jobs, taint
from models.approvals import Origin
from models.db import Database
from models.jobs import Job, NewJob
from models.machine import Move, Moved, Reason, State, apply
from models.macros import plan, store
from models.macros.document import AWAIT, Step
from models.macros.problems import problem_of
from models.macros.progress import WHOLE, Finish, Progress, Row, StepState, Submit
from models.macros.store import PLAN
from workers.admission import Wish, admit
from workers.bell import Ring
from workers.outbox import Outbox

BATCH = 50
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

    def advance(self) -> int:
        """Look at the runs for which there may be something to do; returns how many."""
        with self._db.read() as conn:
            found = store.to_look_at(conn, self._db.now(), BATCH)
        for run_id in found:
            self.look(run_id)
        return len(found)

    def look(self, run_id: UUID) -> None:
        """Move one run on as far as it goes now."""
        with self._db.write() as conn:
            run = store.take(conn, run_id)
            if run is None:
                return
            made = Look(conn, run, self._registry, self._db.now(), self._outbox.reserve).go()
            faults.reach("macros.before_commit")
        self._outbox.ring(made.rings)
        self._outbox.wake(made.changed)
        if made.progress is not None:
            self._outbox.live(run.job.user_id, made.progress)


@dataclass
class Made:
    """What follows the commit."""

    rings: list[Ring] = field(default_factory=list)
    changed: list[tuple[UUID, UUID]] = field(default_factory=list)
    progress: dict[str, Any] | None = None


class Look:
    """One look at a run, in one transaction."""

    def __init__(
        self, conn: sa.Connection, run: store.Run, registry: Registry, now: datetime, reserve: Callable[[str], bool]
    ) -> None:
        self._conn = conn
        self._run = run
        self._registry = registry
        self._now = now
        self._reserve = reserve
        self._made = Made()
        self._rows: dict[tuple[str, int], Row] = {}
        self._deadlines: dict[tuple[str, int], datetime] = {}
        self._new: list[NewJob] = []

    def go(self) -> Made:
        """Do what there is to do."""
        under_way = store.jobs_of(self._conn, self._run.job.id)
        if self._run.job.ended:
            self._give_up(under_way)
            return self._made
        about = {"id": str(self._run.job.id), "webhooks": self._addresses()}
        rows = store.steps(self._conn, self._run.job.id)
        progress = Progress(self._run.macro, self._run.given, rows, about)
        for (step, item), (job, deadline_at) in under_way.items():
            self._take_in(progress, step, item, job, deadline_at)
        finish = self._go_on(progress)
        if finish is not None and self._run.mode == PLAN:
            finish = self._planned(progress, finish)
        if progress.failed is not None:
            self._cancel(job for job, _ in under_way.values() if not job.ended)
        self._write(progress, finish, under_way)
        return self._made

    def _planned(self, progress: Progress, finish: Finish) -> Finish:
        sources = progress.sources()
        try:
            planned = plan.planned(progress, finish, config().get(EngineSettings).max_result_bytes)
            return Finish(result=planned, sources=sources)
        except Exception as error:  # noqa: BLE001  of what the steps came to, which may be anything
            return Finish(error=problem_of(error, "The plan: "), sources=sources)

    def _addresses(self) -> dict[str, str]:
        """By step, where to call it. A plan's steps have none: there the expression stands for it."""
        if self._run.mode == PLAN:
            return {step: f"${{{{ run.webhooks.{step} }}}}" for step in self._run.macro.awaiting()}
        return self._run.addresses(config().get(EngineSettings).reached_at)

    # --- what ended

    def _take_in(self, progress: Progress, step: str, item: int, job: Job, deadline_at: datetime | None) -> None:
        """What a step's job came to; one past its deadline is told to end."""
        late = deadline_at is not None and deadline_at <= self._now
        if job.reason == Reason.CALL and not late and (called := self._answered(job, step)) is not None:
            job = called
        if job.state in store.TELLING:
            progress.settle(self._ended(progress, step, item, job, late))
        elif late and job.state != State.UNCERTAIN:
            self._cancel([job])

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
        result = None if job.result is None else strict_json.read_lenient(job.result)
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
            job = self._admitted(wanted)
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
        effect = self._meant(wanted)[0].effect
        if not effect.writes and not (wanted.blind or wanted.unsure):
            return None
        if wanted.blind:
            return plan.record(wanted, effect.value, asks=False)
        job = self._admitted(wanted)
        wanted = replace(wanted, given=strict_json.read_lenient(job.input))  # with all that the action adds to it
        return plan.record(wanted, effect.value, asks=job.approval_expires_at is not None)

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
        times = [at for at in (*kept.values(), *self._deadlines.values()) if at > self._now]
        soon = finish is not None or self._has_unheard_calls(progress)
        at = self._now + SOON if soon else min(times, default=None)
        store.look_again(self._conn, self._run.job.id, at)
        ended, steps = progress.ended, len(self._run.macro.steps)
        message = f"{ended} of {steps} steps have ended"
        store.show(self._conn, self._run.job.id, ended / steps, message)
        self._made.progress = {
            "type": "progress", "job_id": str(self._run.job.id), "fraction": ended / steps, "message": message,
        }  # fmt: skip

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
            result = None if finish.result is None else _written(finish.result)
        except strict_json.Unwritable as why:
            unwritable = BadInput(f"The output cannot be kept as JSON: {why}. Say something else in `output`.")
            return self._end(Finish(error=problem_of(unwritable), sources=finish.sources))
        limit = config().get(EngineSettings).max_result_bytes
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
        self._cancel(job for job, _ in under_way.values() if not job.ended)
        known = {(row.step, row.item): row for row in store.steps(self._conn, self._run.job.id)}
        error = {"type": "urn:llmcoder:problem:cancelled", "title": "Cancelled", "detail": "The run was cancelled."}
        ended = [replace(known[place], state=StepState.FAILED, error=error) for place in under_way]
        store.keep(self._conn, self._run.job.id, ended, {})
        store.close(self._conn, self._run.job.id)

    def _cancel(self, of: Any) -> None:
        for job in of:
            self._tell(jobs.request_cancel(self._conn, job, self._now))

    def _tell(self, moved: Moved | None) -> bool:
        if moved is not None:
            self._made.changed.append((moved.user_id, moved.job_id))
        return moved is not None


def _written(result: Mapping[str, Any]) -> str:
    """The result as JSON, the way every reader takes it.

    Raises:
        Unwritable: It holds what JSON or UTF-8 cannot say.
    """
    return strict_json.write_exact(result)


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
