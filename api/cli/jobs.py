"""`llmcoder jobs`: what became of jobs, and what a person can still do about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from api.cli.options import ExitCode, Output, OutputOption, UserOption
from api.cli.output import local, say, show_json, show_table

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from models.jobs import Job
    from models.machine import State

    Change = Callable[[sa.Connection, Job, datetime], Job]

app = typer.Typer(help="Jobs: what became of them, and what can still be done.", no_args_is_help=True)
JobId = Annotated[UUID, typer.Argument(help="Its id, from `llmcoder jobs list`.")]


@app.command("list")
def list_(
    action: Annotated[str | None, typer.Option(help="Of this action only.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="In this state only; may come several times.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 20,
    before: Annotated[UUID | None, typer.Option(help="Older than this job: the next page.")] = None,
    user: UserOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a user's jobs, the newest first."""
    from contextlib import closing

    import orjson

    from api.cli import accounts
    from models.db import database
    from models.jobs import Filter, listed

    wanted = Filter(action=action, states=_states(state or []), before=before)
    with closing(database()) as db, db.read() as conn:
        found = listed(conn, accounts.acting(conn, user).id, wanted, limit)
    if output is Output.JSON:
        return show_json([orjson.Fragment(job.as_json()) for job in found])
    rows = ((str(job.id), job.action, _standing(job), local(job.created_at), _took(job), _why(job)) for job in found)
    show_table(("ID", "ACTION", "STATE", "CREATED", "TOOK", "WHY"), rows, long="WHY")
    if len(found) == limit:
        say(f"There may be more: --before {found[-1].id}")


@app.command()
def show(job_id: JobId, user: UserOption = None, output: OutputOption = Output.TEXT) -> None:
    """Show all of one job."""
    from contextlib import closing

    import orjson

    from api.cli import accounts
    from models.db import database

    with closing(database()) as db, db.read() as conn:
        job = _find(conn, accounts.acting(conn, user).id, job_id)
    if output is Output.JSON:
        return show_json(orjson.Fragment(job.as_json()))
    _explain(job)


@app.command()
def cancel(job_id: JobId, user: UserOption = None) -> None:
    """Cancel a job that waits, or ask a running one to end."""
    from workers import commands

    def change(conn: sa.Connection, job: Job, now: datetime) -> Job:
        return commands.cancel(conn, job.user_id, job.id, now)

    job = _change(job_id, user, change)
    if job.state == "uncertain":
        typer.echo(f"{job.id} has ended, but its effect may have happened: look, then `llmcoder jobs resolve`.")
        raise typer.Exit(ExitCode.UNCERTAIN)
    typer.echo(f"{job.id} is cancelled." if job.ended else f"{job.id} runs, and was asked to end.")


@app.command()
def retry(job_id: JobId, user: UserOption = None) -> None:
    """Queue a job again that failed or was cancelled."""
    from llmcoder.registry import registry
    from workers import commands

    def change(conn: sa.Connection, job: Job, now: datetime) -> Job:
        return commands.retry(conn, registry(), job.user_id, job.id, now)

    job = _change(job_id, user, change)
    waits = job.state == "waiting"
    typer.echo(f"{job.id} waits for approval again." if waits else f"{job.id} is queued again.")


@app.command()
def resolve(
    job_id: JobId,
    happened: Annotated[bool, typer.Option("--happened/--did-not-happen", help="What you found when you looked.")],
    note: Annotated[str | None, typer.Option(help="Kept as the error's detail when it did not happen.")] = None,
    user: UserOption = None,
) -> None:
    """Say how an uncertain job ended, after looking."""
    from workers import commands

    def change(conn: sa.Connection, job: Job, now: datetime) -> Job:
        return commands.resolve(conn, job.user_id, job.id, happened=happened, note=note, now=now)

    job = _change(job_id, user, change)
    typer.echo(f"{job.id} is {job.state}, by your word.")


def _change(job_id: UUID, user: str | None, change: Change) -> Job:
    """Change a job of the user and tell everybody; the job as it is then."""
    from contextlib import closing

    from api.cli import accounts
    from api.cli.engine import whole_config
    from api.cli.submitting import an_outbox
    from llmcoder.settings import EngineSettings
    from models.db import database
    from models.machine import State
    from workers.bell import Ring

    settings = whole_config().get(EngineSettings)
    with closing(database()) as db:
        now = db.now()
        with db.write() as conn:
            owner = accounts.acting(conn, user).id
            change(conn, _find(conn, owner, job_id), now)
            job = _find(conn, owner, job_id)
        with an_outbox(settings) as outbox:
            outbox.wake([(owner, job.id)])
            if job.state == State.QUEUED and outbox.reserve(job.queue):
                outbox.ring([Ring(job.id, job.attempt, job.action, job.queue)])
    return job


def _find(conn: sa.Connection, user_id: UUID, job_id: UUID) -> Job:
    from llmcoder.errors import NotFound
    from models import jobs

    job = jobs.get(conn, user_id, job_id)
    if job is None:
        raise NotFound(f"This user has no job {job_id}; --user EMAIL acts as another one.")
    return job


def _states(names: list[str]) -> tuple[State, ...]:
    from llmcoder.errors import BadInput
    from models.machine import State

    try:
        return tuple(State(name) for name in names)
    except ValueError:
        raise BadInput(f"--state is one of {', '.join(State)}.") from None


# --- in words


def _explain(job: Job) -> None:
    import orjson

    lines = {
        "id": str(job.id),
        "action": f"{job.action} ({job.effect}, queue {job.queue})",
        "state": _standing(job),
        "attempt": f"{job.attempt} of {job.max_attempts}",
        "priority": str(job.priority),
        "created": local(job.created_at),
        "due": local(job.due_at),
        "started": local(job.started_at),
        "finished": local(job.finished_at),
        "progress": _progress(job),
        "error": _why(job),
    }
    show_table(("", ""), [(name, value) for name, value in lines.items() if value])
    for name, text in (("input", job.input), ("result", job.result)):
        if text is not None:
            typer.echo(f"\n{name}:")
            show_json(orjson.loads(text))


def _standing(job: Job) -> str:
    return f"{job.state} ({job.reason})" if job.reason else job.state


def _progress(job: Job) -> str:
    return "" if job.progress_fraction is None else f"{job.progress_fraction:.0%} {job.progress_message or ''}"


def _took(job: Job) -> str:
    if job.started_at is None or job.finished_at is None:
        return ""
    return f"{(job.finished_at - job.started_at).total_seconds():.1f} s"


def _why(job: Job) -> str:
    import orjson

    error = orjson.loads(job.error) if job.error else {}
    return " ".join(str(error.get("detail") or error.get("title") or "").split())
