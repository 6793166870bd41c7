"""`llmcoder jobs`: what became of jobs, and what a person can still do about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from cli.files import To
from cli.options import ExitCode, Output, OutputOption, UserOption
from cli.output import local, say, show_json, show_table
from llmcoder.states import Reason, State

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from llmcoder.states import State
    from models.jobs.store import Job

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

    from cli import accounts
    from llmcoder import strict_json
    from models.db.database import database
    from models.jobs.store import Filter, listed

    wanted = Filter(action=action, states=_states(state or []), before=before)
    with closing(database()) as db, db.read() as conn:
        found = listed(conn, accounts.acting(conn, user).id, wanted, limit)
    if output is Output.JSON:
        return show_json([strict_json.Fragment(job.as_json()) for job in found])
    rows = ((str(job.id), job.action, _standing(job), local(job.created_at), _took(job), _why(job)) for job in found)
    show_table(("ID", "ACTION", "STATE", "CREATED", "TOOK", "WHY"), rows, long="WHY")
    if len(found) == limit:
        say(f"There may be more: --before {found[-1].id}")


@app.command()
def show(job_id: JobId, user: UserOption = None, output: OutputOption = Output.TEXT) -> None:
    """Show all of one job."""
    from contextlib import closing

    from cli import accounts
    from llmcoder import strict_json
    from models.db.database import database

    with closing(database()) as db, db.read() as conn:
        job = _find(conn, accounts.acting(conn, user).id, job_id)
    if output is Output.JSON:
        return show_json(strict_json.Fragment(job.as_json()))
    _explain(job)


@app.command()
def cancel(job_id: JobId, user: UserOption = None) -> None:
    """Cancel a job that waits, or ask a running one to end."""
    from cli.write import change
    from engine import commands

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> Sequence[Job]:
        return [commands.cancel(conn, user_id, _find(conn, user_id, job_id).id, now)]

    job = change(user, do)
    if job.state == State.UNCERTAIN:
        typer.echo(f"{job.id} has ended, but its effect may have happened: look, then `llmcoder jobs resolve`.")
        raise typer.Exit(ExitCode.UNCERTAIN)
    typer.echo(f"{job.id} is cancelled." if job.ended else f"{job.id} runs, and was asked to end.")


@app.command()
def retry(job_id: JobId, user: UserOption = None) -> None:
    """Queue a job again that failed or was cancelled."""
    from cli.write import change
    from engine import commands
    from llmcoder.registry import registry

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> Sequence[Job]:
        return [commands.retry(conn, registry(), user_id, _find(conn, user_id, job_id).id, now)]

    job = change(user, do)
    waits = job.state == State.WAITING
    typer.echo(f"{job.id} waits for approval again." if waits else f"{job.id} is queued again.")


@app.command()
def resolve(
    job_id: JobId,
    happened: Annotated[bool, typer.Option("--happened/--did-not-happen", help="What you found when you looked.")],
    note: Annotated[str | None, typer.Option(help="Kept as the error's detail when it did not happen.")] = None,
    user: UserOption = None,
) -> None:
    """Say how an uncertain job ended, after looking."""
    from cli.write import change
    from engine import commands

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> Sequence[Job]:
        found = _find(conn, user_id, job_id)
        return [commands.resolve(conn, user_id, found.id, happened=happened, note=note, now=now)]

    job = change(user, do)
    typer.echo(f"{job.id} is {job.state}, by your word.")


@app.command()
def undo(job_id: JobId, user: UserOption = None, output: OutputOption = Output.TEXT) -> None:
    """Take back what a job did, by a job of its own; asking again finds the first one."""
    from cli.screen import standing_in_words
    from cli.write import change
    from engine import commands
    from llmcoder import strict_json
    from llmcoder.registry import registry
    from models.jobs.approvals import Origin

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> Sequence[Job]:
        found = _find(conn, user_id, job_id)
        return [commands.undo(conn, registry(), user_id, found.id, Origin.PERSON, now).job, found]

    job = change(user, do)
    if output is Output.JSON:
        return show_json(strict_json.Fragment(job.as_json()))
    typer.echo(str(job.id))
    say(f"{job.action} takes it back; {standing_in_words(job)}")


@app.command()
def save(
    job_id: JobId,
    name: Annotated[str | None, typer.Argument(help="Which file; may be left out where there is one.")] = None,
    to: To = None,
    user: UserOption = None,
) -> None:
    """Write a file that a job has attached to the disk."""
    from contextlib import closing

    from cli import accounts
    from cli.files import write_out
    from llmcoder.errors import BadInput, NotFound
    from models.db.database import database
    from models.files import store as rows

    with closing(database()) as db:
        with db.read() as conn:
            user_id = accounts.acting(conn, user).id
            _find(conn, user_id, job_id)
            found = rows.of_job(conn, user_id, job_id, name)
        if not found:
            raise NotFound(f"The job {job_id} has no file{'' if name is None else ' of that name'}.")
        if len(found) > 1:
            raise BadInput(f"The job has several files; name one: {', '.join(file.name for file in found)}.")
        write_out(db, found[0], to)


def _find(conn: sa.Connection, user_id: UUID, job_id: UUID) -> Job:
    from llmcoder.errors import NotFound
    from models.jobs import store as jobs

    job = jobs.get(conn, user_id, job_id)
    if job is None:
        raise NotFound(f"This user has no job {job_id}; --user EMAIL acts as another one.")
    return job


def _states(names: list[str]) -> tuple[State, ...]:
    from llmcoder.errors import BadInput
    from llmcoder.states import State

    try:
        return tuple(State(name) for name in names)
    except ValueError:
        raise BadInput(f"--state is one of {', '.join(State)}.") from None


# --- in words


def _explain(job: Job) -> None:
    from llmcoder import strict_json

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
        "note": job.note or "",
        "files": _files(job),
        **_origin(job),
    }
    show_table(("", ""), [(name, value) for name, value in lines.items() if value])
    for name, text in (("input", job.input), ("proposed input", job.proposed_input), ("result", job.result)):
        if text is not None:
            typer.echo(f"\n{name}:")
            show_json(strict_json.read_lenient(text))
    if (job.state, job.reason) == (State.WAITING, Reason.APPROVAL):
        say(f"A person must approve it: `llmcoder approvals approve {job.id}` shows why, and asks.")


def _origin(job: Job) -> dict[str, str]:
    """Where the job came from, and what came of it besides its result."""
    from llmcoder import strict_json

    return {
        "origin": "" if job.origin == "person" else job.origin,
        "tainted": "its input holds untrusted content" if job.tainted else "",
        "made of": ", ".join(strict_json.read_lenient(job.sources)) if job.sources else "",
        "approve until": local(job.expires_at) if job.state == State.WAITING else "",
        "decided": local(job.decided_at),
        "takes back": str(job.undo_of or ""),
        "taken back by": str(job.undone_by or ""),
    }


def _files(job: Job) -> str:
    from llmcoder import strict_json

    attached = strict_json.read_lenient(job.files) if job.files else []
    return ", ".join(f"{one['name']} ({one['size_bytes']:,} bytes)" for one in attached)


def _standing(job: Job) -> str:
    return f"{job.state} ({job.reason})" if job.reason else job.state


def _progress(job: Job) -> str:
    return "" if job.progress_fraction is None else f"{job.progress_fraction:.0%} {job.progress_message or ''}"


def _took(job: Job) -> str:
    if job.started_at is None or job.finished_at is None:
        return ""
    return f"{(job.finished_at - job.started_at).total_seconds():.1f} s"


def _why(job: Job) -> str:
    from llmcoder import strict_json

    error = strict_json.read_lenient(job.error) if job.error else {}
    return " ".join(str(error.get("detail") or error.get("title") or "").split())
