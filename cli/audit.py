"""`llmcoder audit`: who did what, and whether anybody has tampered with what was written about it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import ExitCode, Output, OutputOption
from cli.output import local, say, show_json, show_table

if TYPE_CHECKING:
    from models.audit.log import Event, Head, Record

app = typer.Typer(help="Who did what, in a log that shows every change to it.", no_args_is_help=True)


@app.command("list")
def list_(
    event: Annotated[str | None, typer.Option(help="Only of this kind, such as login.failed.")] = None,
    user: Annotated[str | None, typer.Option(help="Only what the user with this address did.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only what was done to it: a job's id, a setting, …")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only what was done then or later, by this clock.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most entries to show.")] = 50,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what was done, newest first."""
    from contextlib import closing

    from cli import accounts
    from models.audit.log import EntryFilter, listed
    from models.db.database import database

    kind = None if event is None else _event(event)
    with closing(database()) as db, db.read() as conn:
        actor_id = None if user is None else accounts.by_email(conn, user).id
        wanted = EntryFilter(kind, actor_id, subject, None if since is None else since.astimezone())
        found = listed(conn, wanted, limit)
        names = {account.id: account.email for account in accounts.everyone(conn)}
    shown = [_shown(row, names) for row in found]
    if output is Output.JSON:
        return show_json(shown)
    show_table(
        ("SEQ", "AT", "WHO", "WHAT", "TO WHAT", "DETAIL"),
        ((str(one["seq"]), local(one["at"]), one["actor"], one["event"], one["subject"], _words(one)) for one in shown),
        long="DETAIL",
    )


@app.command()
def verify(
    head: Annotated[str | None, typer.Option(metavar="SEQ:HASH", help="A head that was printed earlier.")] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look whether the log is as it was written, and print its head. Exits with 1 if it is not.

    Keep the head somewhere else: with --head it shows later that nothing up to it was cut off.
    """
    from contextlib import closing
    from dataclasses import asdict

    from llmcoder.config import config
    from llmcoder.settings import EngineSettings
    from models.audit import log as audit
    from models.db.database import database

    expected = None if head is None else _head(head)
    known = audit.keys(config().get(EngineSettings).data_dir, make=False)
    with closing(database()) as db, db.read() as conn:
        verdict = audit.verify(conn, known, expected)
    if output is Output.JSON:
        show_json({"head": verdict.head and str(verdict.head), "fault": verdict.fault and asdict(verdict.fault)})
    elif verdict.head is not None:
        typer.echo(f"head {verdict.head}")
    if verdict.fault is not None:
        fault = verdict.fault
        say(f"The log is not as it was written. The first bad entry is {fault.seq}: {fault.what}.")
        raise typer.Exit(ExitCode.FAILED)
    say("Every entry is as it was written.")


def _event(name: str) -> Event:
    from llmcoder.errors import BadInput
    from models.audit.log import Event

    try:
        return Event(name)
    except ValueError:
        raise BadInput(f"There is no event {name!r}; they are {', '.join(Event)}.") from None


def _head(text: str) -> Head:
    from llmcoder.errors import BadInput
    from models.audit.log import Head

    seq, _, sealed = text.strip().partition(":")
    if not (seq.isascii() and seq.isdigit() and len(sealed) == 64):
        raise BadInput(f"{text!r} is not SEQ:HASH, as `llmcoder audit verify` prints it.")
    return Head(int(seq), sealed.lower())


def _shown(row: Record, names: dict[Any, str]) -> dict[str, Any]:
    from llmcoder import strict_json

    actor = "" if row.actor_id is None else names.get(row.actor_id, str(row.actor_id))
    return {
        "seq": row.seq,
        "at": row.at,
        "actor": actor,
        "event": row.event,
        "subject": row.subject,
        "detail": strict_json.read_lenient(row.detail),
        "hash": row.hash,
    }


def _words(one: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in one["detail"].items())
