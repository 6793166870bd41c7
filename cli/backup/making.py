"""Making a backup of an engine that may be running."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cli.backup.archive import (
    DATABASE,
    FORMAT,
    FORMAT_WITHOUT_CONTENTS,
    BackupError,
    Manifest,
    part_of,
    write,
)
from cli.backup.contents import End, write_contents
from engine.files.storage import Files
from llmcoder import strict_json
from llmcoder.config import Config
from llmcoder.config_file import Values
from llmcoder.settings import EngineSettings
from llmcoder.version import VERSION
from models.audit.log import AuditError, Entry, Event, append, keys
from models.db.database import TRANSIENT_ERRORS, Database
from models.db.dump import dump
from models.db.migrate import applied

CONFIG = "config.json"
#: Never in a backup: a restore makes another, which ends every access token that was signed with it.
SIGNING_KEY = "signing.key"
FLOWER_PASSWORD = "flower_password"


@dataclass(frozen=True)
class Made:
    """A backup that was made.

    Attributes:
        unaudited: Why the audit log does not say so; None when it does.
        contents: How many contents of files are in it; None where they were left out.
    """

    path: Path
    bytes: int
    manifest: Manifest
    unaudited: str | None
    contents: End | None = None


def make(config: Config, db: Database, to: Path, *, with_secrets: bool, with_files: bool = True) -> Made:
    """Write one file with the database, the configuration, the keys and the files of this installation.

    Args:
        config: With every installed domain's settings registered, so that it knows what is a secret.
        to: The file, or a folder in which it gets a name by the time.
        with_files: Whether the contents of files are in it, wherever they are kept.

    Raises:
        BackupError: A file of that name exists, or the database has no tables.
        DumpError: The database could not be copied.
        OSError: The disk does not take it, or the data folder cannot be read.
        StoreAway: The store of the files does not answer.
    """
    now = db.now()
    path = to / f"llmcoder-{now:%Y%m%dT%H%M%SZ}.tar" if to.is_dir() else to
    if path.exists():
        raise BackupError(f"{path} exists and is not overwritten; give the backup another name.")
    if not (heads := applied(db)):
        raise BackupError("The database has no tables yet, so there is nothing to keep: run `llmcoder migrate`.")
    settings = config.get(EngineSettings)
    # In the folder of the backup: on the same disk, so that it gets its name only when it is complete.
    with tempfile.TemporaryDirectory(prefix=".llmcoder-backup-", dir=path.parent) as work:
        folder = Path(work)
        dump(db.url, folder / DATABASE, settings.pg_dump)
        files = {DATABASE: folder / DATABASE} | dict(_kept(config, folder, with_secrets=with_secrets))
        manifest = Manifest(
            format=FORMAT if with_files else FORMAT_WITHOUT_CONTENTS,
            engine=VERSION,
            created_at=now,
            store="sqlite" if db.is_sqlite else "postgresql",
            heads=heads,
            secrets=with_secrets,
            contents=with_files,
            files={name: part_of(file) for name, file in files.items()},
        )
        contents: list[End] = []
        stored = Files(db, lambda: config.get(EngineSettings))
        write(
            folder / "whole",
            manifest,
            files,
            compressed=path.suffix == ".gz",
            # after the copy of the database: what it knows and nobody removed meanwhile is there
            more=(lambda tar: contents.append(write_contents(tar, stored, now))) if with_files else lambda tar: None,
        )
        unaudited = _write_down(db, path, with_secrets, now)
        (folder / "whole").rename(path)
    return Made(path, path.stat().st_size, manifest, unaudited, contents[0] if contents else None)


def _kept(config: Config, folder: Path, *, with_secrets: bool) -> Iterator[tuple[str, Path]]:
    """The files of the data folder that cannot be made again, by name."""
    values = config.in_file()
    if values is not None:
        copy = folder / CONFIG
        shown = values if with_secrets else _without_secrets(config, values)
        copy.write_text(strict_json.pretty(dict(sorted(shown.items()))) + "\n")
        yield CONFIG, copy
    if with_secrets:
        keys(config.path.parent)  # made now if nothing was sealed so far, so that what comes can be verified there too
        for path in secret_files(config.path.parent):
            yield path.name, path


def _without_secrets(config: Config, values: Values) -> Values:
    """A name that no kind of settings knows may be a secret of a domain that is not installed."""
    harmless = {view.name for view in config.describe() if not view.secret}
    return {name: value for name, value in values.items() if name in harmless}


def secret_files(folder: Path) -> list[Path]:
    """Keys and passwords that the installation made for itself."""
    made = [path for path in sorted(folder.glob("*.key")) if path.name != SIGNING_KEY]
    return [path for path in [*made, folder / FLOWER_PASSWORD] if path.is_file()]


def _write_down(db: Database, path: Path, with_secrets: bool, now: datetime) -> str | None:
    """Into the audit log. A database that takes no more writes is a reason for a backup, not against one."""
    entry = Entry(Event.BACKUP_MADE, path.name, detail={"secrets": with_secrets})
    try:
        with db.write() as conn:
            append(conn, [entry], now)
    except (*TRANSIENT_ERRORS, AuditError) as error:
        return str(getattr(error, "orig", None) or error)
    return None
