"""All commands of `llmcoder`, and how their errors are told.

They speak to the database themselves, so they work while the API is down; what they may do is decided by who may read
the data folder. A command that only shows changes no file: what starts an engine or changes a setting calls
`Config.begin` or `Config.patch`, which make config.json of `.env`. Somebody waits for `llmcoder --help`, so what is
heavy is imported inside the commands.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli import (
    actions,
    approvals,
    audit,
    configuration,
    connections,
    doctor,
    files,
    jobs,
    macros,
    preferences,
    processes,
    run,
    schedules,
    user,
)
from cli.backup import commands as backup

app = typer.Typer(
    name="llmcoder",
    help="A self-hosted engine for background work: every action a durable job.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from llmcoder.version import VERSION

        typer.echo(f"llmcoder {VERSION}")
        raise typer.Exit


@app.callback()
def before_every_command(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    from llmcoder.config import only_look
    from llmcoder.private import keep_private

    keep_private()
    only_look()


app.command()(processes.up)
app.command()(processes.api)
app.command()(processes.worker)
app.command()(processes.scheduler)
app.command()(processes.listeners)
app.command()(processes.migrate)
app.add_typer(configuration.app, name="config")
app.add_typer(user.app, name="user")
app.command()(actions.actions)
app.command()(run.run)
app.add_typer(jobs.app, name="jobs")
app.add_typer(files.app, name="files")
app.add_typer(approvals.app, name="approvals")
app.add_typer(schedules.app, name="schedules")
app.add_typer(macros.app, name="macros")
app.add_typer(preferences.app, name="preferences")
app.add_typer(connections.app, name="connections")
app.add_typer(audit.app, name="audit")
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(backup.restore)


def main() -> None:
    """Run the command line; an error that somebody can remedy is one line on standard error."""
    try:
        app()
    except Exception as error:  # the end of the process: what is no known kind of error goes on as it was
        from cli.errors import explained

        known = explained(error)
        if known is None:
            raise
        sys.stderr.write(f"llmcoder: {known.line}\n")
        sys.exit(known.exit_code)
