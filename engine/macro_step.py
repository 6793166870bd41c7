"""One look at a run of a macro: what its ended steps mean, and which are next; all in one transaction."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from engine.administrators import entries_of, refuse_others
from engine.admission import JobSubmission, admit
from engine.enqueue import AfterCommit, Reserve, enqueue
from llmcoder import strict_json
from llmcoder.config import config
from llmcoder.declare.action import Role
from llmcoder.errors import ActionError, BadInput, Uncertain, problem_type
from llmcoder.problems import problem_of
from llmcoder.registry import AnyAction, Registry
from llmcoder.settings import EngineSettings
from llmcoder.states import Reason, State
from models.audit import log as audit
from models.jobs import store as jobs
from models.jobs import taint
from models.jobs.approvals import Origin
from models.jobs.machine import Move, apply, wait_for
from models.jobs.store import Job, NewJob
from models.macros import plan, store
from models.macros.computing import Computations
from models.macros.document import LONGEST_WAIT_S, Step
from models.macros.progress import WHOLE, Allowance, Finish, Progress, Row, StepState, WantedJob
from models.macros.store import PLAN
from models.macros.stored_values import StoredValue

#: Steps and items that one look begins; the rest is for the run's next turn.
PORTION = 50
#: A look that has taken so long leaves the rest for the run's next turn, too.
LOOK_S = 0.25
#: A run is looked at so often although nothing was noticed: no defect of ours in noticing may lose it.
LOOK_AT_LEAST_EVERY = timedelta(hours=1)
UnderWay = Mapping[tuple[str, int], tuple[Job, datetime | None]]
#: The run's own job is still in a worker's hands; it is about to wait.
SOON = timedelta(seconds=1)


class UnknownStep(Exception):
    """This process does not know the action of a run's next step: nothing of the look is kept, another may know it."""

    def __init__(self, action: str) -> None:
        super().__init__(action)
        self.action = action


class MacroStep:
    """One look at a run, in one transaction."""

    def __init__(
        self, conn: sa.Connection, run: store.MacroRun, registry: Registry, now: datetime, reserve: Reserve,
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
        self._after = AfterCommit()
        self._rows: dict[tuple[str, int], Row] = {}
        self._deadlines: dict[tuple[str, int], datetime] = {}
        self._new: list[NewJob] = []
        self._refusals: list[Exception] = []

    def go(self) -> AfterCommit:
        """Do what there is to do."""
        steps, runs = store.budget(self._conn, self._run.root_id)
        under_way = store.jobs_of(self._conn, self._run.job.id)
        if self._run.job.ended:
            self._give_up(under_way)
            return self._after
        if (size := store.size_bytes(self._conn, self._run.job.id)) > self._settings.macro_max_bytes:
            self._break_off(under_way, _too_large(size, self._settings.macro_max_bytes))
            return self._after
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
        audit.append(self._conn, entries_of(self._refusals), self._now)
        return self._after

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
        return replace(job, state=State.SUCCEEDED.value, result=result) if self._after.saw(moved) else None

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
        result = None if job.result is None else StoredValue(lambda: job.result)
        if self._run.mode == PLAN and self._starts_macro(job.action) and state is StepState.SUCCEEDED:
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

    def _submit(self, progress: Progress, wanted: WantedJob) -> None:
        if wanted.step.action is not None and wanted.step.action not in self._registry:
            raise UnknownStep(wanted.step.action)
        place = Row(wanted.step.id, wanted.item, StepState.SUBMITTED, value=_item_of(progress, wanted))
        try:
            if self._run.mode == PLAN and (said := self._written_down(wanted)) is not None:
                progress.settle(replace(place, state=StepState.PLANNED, result=said))
                return
            job = self._within_budget(wanted)
        except sa.exc.SQLAlchemyError:
            raise  # the transaction is lost with it
        except Exception as error:  # noqa: BLE001  a value that nobody can write down, whatever it is: this step's failure alone
            self._refusals.append(error)
            progress.settle(replace(place, state=StepState.FAILED, error=problem_of(error)))
            return
        self._new.append(job)
        progress.settle(replace(place, job_id=job.id))
        if (seconds := _seconds(wanted.step)) is not None:
            self._deadlines[wanted.step.id, wanted.item] = self._now + timedelta(seconds=seconds)

    def _written_down(self, wanted: WantedJob) -> dict[str, Any] | None:
        """What a plan says instead of doing it; None for what a plan does, too.

        Raises:
            ActionError: The run could not do it either.
        """
        if wanted.step.wait_for is not None:
            return plan.record(wanted, None, asks=wanted.step.wait_for.approval is not None)
        action, given, _ = self._meant(wanted)
        refuse_others(self._conn, action, self._run.job.user_id, self._origin())
        effect, keeps = action.effect, action.leaves_something(given)
        if not keeps and not (wanted.blind or wanted.unsure):
            return None
        if wanted.blind:
            return plan.record(wanted, effect.value, asks=False, keeps=keeps)
        job = self._admitted(wanted)
        wanted = replace(wanted, given=strict_json.read_lenient(job.input))  # with all that the action adds to it
        return plan.record(wanted, effect.value, asks=job.approval_expires_at is not None, keeps=keeps)

    def _within_budget(self, wanted: WantedJob) -> NewJob:
        if not self._starts_macro(wanted.step.action):
            return self._admitted(wanted)
        if self._may_start <= 0:
            raise store.too_many_runs(self._settings.macro_max_runs)
        job = self._admitted(wanted)
        self._may_start -= 1
        return job

    def _admitted(self, wanted: WantedJob) -> NewJob:
        return admit(self._conn, self._submission(wanted), self._registry, config().get, self._now)

    def _submission(self, wanted: WantedJob) -> JobSubmission:
        action, given, due_at = self._meant(wanted)
        return JobSubmission(
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

    def _meant(self, wanted: WantedJob) -> tuple[AnyAction, Mapping[str, Any], datetime | None]:
        """Which action with which input, and when."""
        waits = wanted.step.wait_for
        if waits is None:
            assert wanted.step.action is not None
            given = {**wanted.given, "mode": PLAN} if self._plans_another(wanted.step) else wanted.given
            return self._registry.find(wanted.step.action), given, None
        action = self._registry.in_role(waits.role)  # a wait is a job like any other
        if waits.approval is not None:
            return action, {"question": str(wanted.given["approval"])}, None
        if waits.webhook:
            return action, {}, None
        if waits.seconds is not None:
            return action, {}, self._now + timedelta(seconds=waits.seconds)
        return action, {}, _instant(wanted.given["until"])

    def _plans_another(self, step: Step) -> bool:
        return self._run.mode == PLAN and self._starts_macro(step.action)

    def _starts_macro(self, action: str | None) -> bool:
        return self._registry.plays(action, Role.START_MACRO)

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
        self._after.saw(wait_for(self._conn, self._run.job.id, waits_for))
        ended, steps = progress.ended, len(self._run.macro.steps)
        message = f"{ended} of {steps} steps have ended"
        store.show(self._conn, self._run.job.id, ended / steps, message)
        shown = {"type": "progress", "job_id": str(self._run.job.id), "fraction": ended / steps, "message": message}
        self._after.live.append((self._run.job.user_id, shown))

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
        enqueue(self._conn, self._new, self._now, self._reserve, self._after)

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
        return self._after.saw(apply(self._conn, [move], self._now)[0])

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
            self._after.saw(jobs.request_cancel(self._conn, job, self._now))


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
    if len(text) <= most_bytes and any(isinstance(value, StoredValue) for value in result.values()):
        strict_json.read_lenient(text)
    return text


def _as_it_is_kept(value: Any) -> Any:
    return strict_json.Fragment(value.text or "null") if isinstance(value, StoredValue) else value


def _item_of(progress: Progress, wanted: WantedJob) -> Any:
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
