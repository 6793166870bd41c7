"""`llmcoder run`: one job from the shell, and what becomes of it."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from cli.options import ExitCode, Output, OutputOption, UserOption
from cli.output import say, show_json
from llmcoder.states import State

if TYPE_CHECKING:
    from cli.follow import JobEvents
    from models.db.database import Database
    from models.jobs.store import Job

EXIT_CODES: dict[str, ExitCode] = {State.SUCCEEDED: ExitCode.DONE, State.UNCERTAIN: ExitCode.UNCERTAIN}


def run(
    action: Annotated[str, typer.Argument(help="Its name; `llmcoder actions` lists them.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE",
            help="Fields of the input: key=text, key=@file, a.b=1; a key given twice fills a list.",
        ),
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Input as a JSON object; - reads standard input.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", "-w", help="Wait for the end, and show what happens.")] = False,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", min=0, metavar="SECONDS", help="Wait no longer than this.")
    ] = None,
    priority: Annotated[int, typer.Option(min=0, max=9, help="0 first, 9 last.")] = 5,
    due: Annotated[
        str | None, typer.Option(metavar="ISO", help="Not before, such as 2030-01-31T09:00; local time without a zone.")
    ] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="The same key never makes a second job.")] = None,
    derived_from: Annotated[
        list[UUID] | None,
        typer.Option(metavar="JOB", help="A job whose result the input was made of; may come several times."),
    ] = None,
    user: UserOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Run an action as a job. Exits with 0 succeeded, 1 failed, 2 bad input, 3 uncertain, 4 still running.

    In --json a value may refer to the result of an earlier job: {"$ref": "/jobs/ID#/result/text"}.
    """
    from contextlib import closing

    from cli import accounts, submitting
    from cli.engine import whole_config
    from cli.follow import listening
    from engine import local_door as door
    from engine.administrators import refusals_audited
    from engine.submitter import refuse_too_large
    from llmcoder.arguments import assembled
    from llmcoder.registry import registry
    from llmcoder.settings import EngineSettings
    from models.db.database import database

    found = registry().find(action)
    given = assembled(found.input_schema, words or [], _object_in(json_file))
    due_at = _instant(due)
    config = whole_config()
    settings = config.get(EngineSettings)
    with closing(database()) as db, listening(settings.redis_url) as ear:
        with refusals_audited(db), db.read() as conn:
            account = accounts.acting(conn, user)
            text, named = door.with_results(conn, registry(), account.id, found, given)
        submitting.refuse_unconfigured(config, found)
        refuse_too_large(text, settings.max_input_bytes)
        sources = [*named, *(derived_from or ())]
        submission = submitting.submission_of(
            found, account.id, text, sources=sources, priority=priority, due_at=due_at, key=key
        )
        with submitting.an_outbox(settings) as outbox:
            accepted = door.submit(db, outbox, registry(), submission)
        if accepted.replayed:
            say(f"The key came before; this is its job, {accepted.job.state}.")
        if not (wait or timeout_s is not None):
            return _show_accepted(accepted.job, output)
        job = wait_for(db, ear, accepted.job, timeout_s)
    show_ended(job, output)
    raise typer.Exit(EXIT_CODES.get(job.state, ExitCode.FAILED))


def wait_for(db: Database, ear: JobEvents, job: Job, timeout_s: float | None) -> Job:
    """The job as it ended; ends this process where that takes too long."""
    from cli.follow import StillRunning, follow
    from cli.screen import Screen

    screen = Screen()
    try:
        return follow(db, ear, screen, job, timeout_s)
    except StillRunning:
        screen.close()
        say(f"{job.id} has not ended after {timeout_s:g} s and goes on: `llmcoder jobs show {job.id}`")
        raise typer.Exit(ExitCode.TIMED_OUT) from None
    except KeyboardInterrupt:
        screen.close()
        say(f"{job.id} goes on: `llmcoder jobs show {job.id}`, `llmcoder jobs cancel {job.id}`")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    finally:
        screen.close()


def show_ended(job: Job, output: Output) -> None:
    """A result on standard output; how the job ended as a remark."""
    from llmcoder import strict_json

    if output is Output.JSON:
        return show_json(strict_json.Fragment(job.as_json()))
    if job.result is not None:
        show_json(strict_json.read_lenient(job.result))
    say(_ending(job))


def _ending(job: Job) -> str:
    from llmcoder import strict_json

    error = strict_json.read_lenient(job.error) if job.error else {}
    said = error.get("detail") or error.get("title") or job.note
    why = (f" ({job.reason})" if job.state == State.CANCELLED and job.reason else "") + (f": {said}" if said else "")
    hint = f" Settle it with `llmcoder jobs resolve {job.id}`." if job.state == State.UNCERTAIN else ""
    return f"{job.state}{why}{hint}"


def _show_accepted(job: Job, output: Output) -> None:
    from cli.screen import standing_in_words
    from llmcoder import strict_json

    if output is Output.JSON:
        return show_json(strict_json.Fragment(job.as_json()))
    typer.echo(str(job.id))
    say(f"{standing_in_words(job)}; `llmcoder jobs show {job.id}` says how it stands")


def _object_in(file: str | None) -> dict[str, Any]:
    from llmcoder import strict_json
    from llmcoder.errors import BadInput

    if file is None:
        return {}
    try:
        given = strict_json.read(sys.stdin.buffer.read() if file == "-" else Path(file).expanduser().read_bytes())
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from None
    except strict_json.NotJson as error:
        raise BadInput(f"{file} is not JSON that can be kept: {error}.") from None
    if not isinstance(given, dict):
        raise BadInput(f"{file} must hold one JSON object.")
    return given


def _instant(text: str | None) -> datetime | None:
    from llmcoder.errors import BadInput

    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise BadInput(f"--due: {text!r} is no ISO instant such as 2030-01-31T09:00:00+01:00.") from None
