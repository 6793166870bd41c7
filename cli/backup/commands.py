"""`llmcoder backup` and `llmcoder restore`: everything an installation cannot make again, as one file, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.output import say


def backup(
    path: Annotated[Path, typer.Argument(help="The file to write, or a folder; a name ending in .gz is compressed.")],
    without_secrets: Annotated[
        bool, typer.Option("--without-secrets", help="Leave out keys, passwords and the secrets of config.json.")
    ] = False,
    without_files: Annotated[
        bool, typer.Option("--without-files", help="Leave out what files hold, as where a bucket is backed up itself.")
    ] = False,
) -> None:
    """Write the database, the configuration, the keys and the files to one file, also while the engine runs."""
    from contextlib import closing

    from cli.backup.making import make
    from cli.engine import whole_config
    from models.db.database import database

    with closing(database()) as db, _disk(path):
        made = make(
            whole_config(), db, path.expanduser(), with_secrets=not without_secrets, with_files=not without_files
        )
    typer.echo(str(made.path))
    say(f"{made.bytes / 1e6:.1f} MB, as of {made.manifest.created_at:%Y-%m-%d %H:%M:%S} UTC")
    if made.manifest.secrets:
        say("It holds this installation's secrets: keep it as safe as them.")
    else:
        say("Without secrets: after a restore they must be set again, and the audit log cannot be verified.")
    if made.contents is None:
        say("Without files: a restore needs the store where they are now, with what is in it.")
    elif made.contents.missing:
        say(f"{made.contents.missing} files are not in their store, or damaged there, and are not in the backup.")
    if made.unaudited is not None:
        say(f"The audit log does not say so: {made.unaudited}")


def restore(
    path: Annotated[Path, typer.Argument(help="A file that `llmcoder backup` wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Over what is there; it is kept under another name.")] = False,
    nothing_ran_since: Annotated[
        bool,
        typer.Option(
            "--nothing-ran-since",
            help="The engine was stopped before the backup and not started since, as for a move to another machine.",
        ),
    ] = False,
) -> None:
    """Put a backup back, while the engine is stopped. Unfinished writes become uncertain: they may have run since."""
    from cli.backup.restoring import RestoreOptions, restore
    from cli.engine import whole_config
    from llmcoder.registry import registry

    config = whole_config()
    config.begin()
    with _disk(path):
        done = restore(config, registry(), path.expanduser(), RestoreOptions(force, nothing_ran_since))
    made_at = f"{done.manifest.created_at:%Y-%m-%d %H:%M:%S} UTC"
    typer.echo(f"Restored the backup of {made_at}. Everybody logs in again.")
    settled = done.settled
    if settled.uncertain:
        say(f"{settled.uncertain} jobs may have run after the backup: `llmcoder jobs list --state uncertain`.")
    if settled.asked:
        say(f"{settled.asked} jobs ask their provider first whether it happened.")
    say(f"{settled.kept} unfinished jobs go on.")
    if not done.manifest.secrets:
        say("The backup was made without secrets: set them again (`llmcoder config set`).")
    if done.files is not None and done.files.lost:
        say(f"{done.files.lost} files are not in the backup and are gone; what their jobs returned is there.")
    for old in done.kept:
        say(f"What was there is kept as {old}; remove it when you do not need it.")


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Whatever a file system may say, for a person."""
    from cli.backup.archive import BackupError

    try:
        yield
    except OSError as error:
        raise BackupError(f"{error.filename or path}: {error.strerror or error}.") from error
