"""What a person sees on standard error while a job runs: a bar that moves, streamed text, log lines.

Where standard error is no terminal it is plain lines, and few of them.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cli.output import harmless, local
from llmcoder.states import Reason, State
from models.jobs.store import Job

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: A plain line is written when the message is another one, or after this much more of the way.
STEP = 0.1
#: What a job in some state waits for, where the state does not say it.
REMEDIES = {
    Reason.STEPS: "its steps must end",
    Reason.UNCERTAIN_STEP: "a person must say whether a step's effect took place, GET /jobs/{id}/explain names it",
    Reason.CALL: "somebody outside must call its address",
    Reason.PREVIOUS: "the job before it must end",
    Reason.RECONNECT: "the account must be connected again",
    Reason.UNKNOWN_ACTION: "no running worker knows its action; one that does must be started",
    Reason.UNKNOWN_STEP: "no scheduler that looked knows the action of its next step; one that does must be started",
    Reason.RATE_LIMITED: "the provider asked to wait",
    Reason.RETRY: "it is tried again",
    Reason.DELAY: "it is not due yet",
    Reason.RECONCILE: "the provider is asked whether it happened",
    Reason.APPROVAL: "a person must approve it, `llmcoder approvals approve {id}`",
    Reason.UNDO_WINDOW: "until then it can be cancelled for certain, `llmcoder jobs cancel {id}`",
}


class Screen:
    """Shows one job. Close it before anything else is written."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._standing: tuple[str, str | None] | None = None
        self._shown: tuple[float, str] = (-1.0, "")
        self._in_line = False

    def job(self, job: Job) -> None:
        """A job as SQL has it; says something when it stands elsewhere than before."""
        if job.progress_fraction is not None and not job.ended:
            self.progress(job.progress_fraction, job.progress_message or "")
        standing = (job.state, job.reason)
        if standing == self._standing:
            return
        self._standing = standing
        if job.state in (State.SCHEDULED, State.WAITING):
            self._line(standing_in_words(job))

    def live(self, message: Mapping[str, Any]) -> None:
        """A message that is sent only once: progress, token or log."""
        match message.get("type"):
            case "progress":
                self.progress(float(message.get("fraction", 0)), str(message.get("message", "")))
            case "token":
                self._token(str(message.get("text", "")))
            case "log":
                fields = message.get("fields") or {}
                said = [str(message.get("message", "")), *(f"{name}={value}" for name, value in fields.items())]
                self._line(" ".join(said))

    def progress(self, fraction: float, message: str) -> None:
        message = " ".join(harmless(message).split())
        before, said = self._shown
        if (fraction, message) == self._shown:
            return
        if self._is_terminal:
            self._shown = (fraction, message)
            self._end_line()
            self._move_bar(fraction, message)
        elif message != said or fraction - before >= STEP or fraction >= 1 > before:
            self._shown = (fraction, message)
            self._line(f"{fraction:4.0%} {message}")

    def remark(self, text: str) -> None:
        """A line of ours."""
        self._line(text)

    def close(self) -> None:
        self._end_line()
        self._drop_bar()

    def _token(self, text: str) -> None:
        self._drop_bar()  # a bar is drawn anew on its own line, which would tear the text
        sys.stderr.write(harmless(text))
        sys.stderr.flush()
        self._in_line = not text.endswith("\n")

    def _line(self, text: str) -> None:
        self._end_line()
        if self._bar is not None:
            self._bar.console.print(harmless(text), markup=False, highlight=False, soft_wrap=True)
        else:
            sys.stderr.write(harmless(text).rstrip() + "\n")
            sys.stderr.flush()

    def _end_line(self) -> None:
        if self._in_line:
            sys.stderr.write("\n")
        self._in_line = False

    def _move_bar(self, fraction: float, message: str) -> None:
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        if self._bar is None:
            columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=1.0)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=fraction, description=escape(message))

    def _drop_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._bar = None


def standing_in_words(job: Job) -> str:
    """Where a job stands, and what it waits for."""
    until = f" until {local(job.due_at)}" if job.state == State.SCHEDULED else ""
    why = f": {REMEDIES[Reason(job.reason)].format(id=job.id)}" if job.reason in REMEDIES else ""
    return f"{job.state}{until}{why}"
