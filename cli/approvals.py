"""`llmcoder approvals`: what waits for a person, and that person's decision about exactly what they were shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from cli.options import ExitCode, Output, OutputOption, UserOption
from cli.output import local, say, show_json, show_table

if TYPE_CHECKING:
    from datetime import datetime

    import sqlalchemy as sa

    from models.jobs.approvals import Pending
    from models.jobs.store import Job

app = typer.Typer(help="Jobs that wait for a person's decision.", no_args_is_help=True)
JobId = Annotated[UUID, typer.Argument(help="Its id, from `llmcoder approvals list`.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 20,
    before: Annotated[UUID | None, typer.Option(help="Older than this job: the next page.")] = None,
    user: UserOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show the jobs that wait for a user's decision, the newest first."""
    from contextlib import closing

    from cli import accounts
    from engine.views.approvals import approval
    from llmcoder.registry import registry
    from models.db.database import database
    from models.jobs import approvals

    with closing(database()) as db, db.read() as conn:
        found = approvals.pending(conn, accounts.acting(conn, user).id, before, limit)
        items = [approval(conn, registry(), one) for one in found]
    if output is Output.JSON:
        return show_json(items)
    columns = ("ID", "OWNER", "ACTION", "ORIGIN", "UNTIL", "WHY")
    show_table(columns, (_row(one, about) for one, about in zip(found, items, strict=True)), long="WHY")
    if len(found) == limit:
        say(f"There may be more: --before {found[-1].job.id}")


@app.command()
def approve(
    job_id: JobId,
    edited: Annotated[
        str | None, typer.Option("--input", metavar="JSON", help="Another input to run with; the first is kept.")
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="Only if its input is the one with this hash in `list`.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    user: UserOption = None,
) -> None:
    """Show a job with all that led to it, ask, and let it run with exactly the input that was shown."""
    from cli.screen import standing_in_words
    from cli.write import change
    from engine import commands
    from llmcoder.registry import registry

    one, about = _waiting(job_id, user)
    instead = None if edited is None else _checked(one.job, edited)
    _show(one, about, instead)
    if not yes and not typer.confirm("Let it run?", err=True):
        say("Nothing was decided.")
        raise typer.Exit(ExitCode.FAILED)
    seen = about["sha256"] if sha256 is None else sha256.strip().lower()

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> Sequence[Job]:
        return [commands.approve(conn, registry(), user_id, job_id, seen, instead, now)]

    typer.echo(f"{job_id} is approved: {standing_in_words(change(user, do))}")


@app.command()
def reject(
    job_id: JobId,
    reason: Annotated[str | None, typer.Option(help="Kept as the job's note.")] = None,
    user: UserOption = None,
) -> None:
    """Cancel a job that waits for approval."""
    from cli.write import change
    from engine import commands

    def do(conn: sa.Connection, user_id: UUID, now: datetime) -> Sequence[Job]:
        return [commands.reject(conn, user_id, job_id, reason, now)]

    typer.echo(f"{change(user, do).id} is rejected.")


def _waiting(job_id: UUID, user: str | None) -> tuple[Pending, dict[str, Any]]:
    """The job, and what its approver should know."""
    from contextlib import closing

    from cli import accounts
    from engine.commands import to_decide
    from engine.views.approvals import approval
    from llmcoder.registry import registry
    from models.accounts import users
    from models.db.database import database
    from models.jobs.approvals import Pending

    with closing(database()) as db, db.read() as conn:
        job = to_decide(conn, accounts.acting(conn, user).id, job_id)
        owner = users.by_id(conn, job.user_id)
        assert owner is not None  # a user's jobs go with them
        one = Pending(job, owner.email)
        return one, approval(conn, registry(), one)


def _checked(job: Job, edited: str) -> str:
    from llmcoder import strict_json
    from llmcoder.arguments import checked
    from llmcoder.errors import BadInput
    from llmcoder.registry import registry

    try:
        given = strict_json.read(edited)
    except strict_json.NotJson as error:
        raise BadInput(f"--input is not JSON that can be kept: {error}.") from None
    return checked(registry().find(job.action).input, given)


# --- in words


def _row(one: Pending, about: Mapping[str, Any]) -> tuple[str, ...]:
    job = one.job
    return str(job.id), one.email, job.action, job.origin, local(job.expires_at), _why(about)


def _why(about: Mapping[str, Any]) -> str:
    return " ".join(reason["detail"] for reason in about["why"])


def _show(one: Pending, about: Mapping[str, Any], instead: str | None) -> None:
    from llmcoder import strict_json

    job = one.job
    lines = {
        "id": str(job.id),
        "owner": one.email,
        "action": f"{job.action} ({job.effect})",
        "origin": job.origin,
        "why": _why(about),
        "until": local(job.expires_at),
        "sha256": about["sha256"],
    }
    show_table(("", ""), lines.items())
    _show_chain(about["chain"])
    typer.echo("\ninput:" if instead is None else "\nproposed input:")
    show_json(strict_json.read_lenient(job.input))
    if instead is not None:
        typer.echo("\ninput to run with:")
        show_json(strict_json.read_lenient(instead))


def _show_chain(chain: Sequence[Mapping[str, Any]]) -> None:
    if chain:
        typer.echo("\nits input was made of the results of:")
        rows = ((str(one["job_id"]), one["action"], one["origin"], _whose_words(one)) for one in chain)
        show_table(("ID", "ACTION", "ORIGIN", "WORDS"), rows)


def _whose_words(link: Mapping[str, Any]) -> str:
    if link["outside"]:
        return "brought in untrusted content"
    return "made of untrusted content" if link["tainted"] else ""
