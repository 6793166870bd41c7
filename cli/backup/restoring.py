"""The way back: a backup becomes the installation's database, configuration and keys, all of it or nothing.

Everything is unpacked, looked at, migrated and settled beside the place where it will stand. Only then do the files get
their names, the database last.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from cli.backup.archive import DATABASE, Archive, BackupError, Manifest, opened
from cli.backup.contents import PutBack, put_back
from cli.backup.making import CONFIG, SIGNING_KEY
from cli.up.preflight import take_lock
from llmcoder.config import Config, use
from llmcoder.config_file import read_values
from llmcoder.registry import Registry
from llmcoder.settings import EngineSettings, unset
from llmcoder.startup import UpError
from models.audit.log import Entry, Event, append
from models.db.database import Database
from models.db.migrate import unknown, upgrade
from models.db.replacement import DatabaseLocation, place_of, sync
from models.restored import Settled, settle


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
        kept: What the things are called now that stood there before.
        files: What became of the files; None where the backup was made without their contents.
    """

    manifest: Manifest
    settled: Settled
    kept: list[str]
    files: PutBack | None = None


@dataclass(frozen=True)
class RestoreOptions:
    """What the operator said.

    Attributes:
        force: What stands there may give way; it is kept under other names.
        nothing_ran_since: The engine was stopped before the backup was made, and never started since.
    """

    force: bool = False
    nothing_ran_since: bool = False


def restore(config: Config, declared: Registry, path: Path, options: RestoreOptions) -> Restored:
    """Put a backup back.

    Raises:
        BackupError: It is damaged or newer, does not fit, something would be lost, or an engine runs. Nothing changed.
        DumpError: The database cannot be used. Nothing changed.
        OSError: The disk does not take it.
    """
    settings = config.get(EngineSettings)
    folder = settings.data_dir.absolute()
    place = place_of(sa.make_url(settings.database_url), settings.pg_restore)
    with opened(path) as archive, _alone_in(folder):
        _refuse_unfit(archive.manifest, settings)
        place.refuse_if_in_use()
        with tempfile.TemporaryDirectory(prefix="restoring-", dir=folder) as work:
            ready = _unpacked(archive, Path(work), folder)
            _refuse_another_database(ready / CONFIG, config, settings)
            if not options.force:
                _refuse_losses(place, ready, folder)
            files: PutBack | None = None
            try:
                url = place.stage(Path(work) / DATABASE)
                settled = _made_ready(url, ready, archive.manifest, declared, options)
                if archive.manifest.contents:
                    files = _with_files(archive, url, _where_files_lie(ready, config))
                kept = _put(ready, folder)
                kept_database = place.swap()
            except BaseException:
                if files is not None:
                    files.discard()
                raise
            finally:
                place.discard()
    kept += [kept_database] if kept_database else []
    return Restored(archive.manifest, settled, kept + (files.kept if files is not None else []), files)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the lock that `llmcoder up` takes."""
    try:
        lock_fd = take_lock(folder)
    except UpError as error:
        raise BackupError(f"Nothing was restored: {error}.") from None
    try:
        yield
    finally:
        os.close(lock_fd)


def _refuse_unfit(manifest: Manifest, settings: EngineSettings) -> None:
    if newer := unknown(manifest.heads):
        raise BackupError(
            f"The backup was made by engine {manifest.engine}, which knows changes of the database that this one does "
            f"not ({', '.join(newer)}): install that version, or the domains that were installed there."
        )
    store = sa.make_url(settings.database_url).get_backend_name()
    if store != manifest.store:
        raise BackupError(
            f"The backup is of {manifest.store} and DATABASE_URL names {store}; one cannot become the other."
        )


def _unpacked(archive: Archive, work: Path, folder: Path) -> Path:
    """A data folder with the configuration and the keys of the backup; the database lies beside it."""
    archive.extract(work)
    ready = work / "data"
    ready.mkdir(mode=0o700)
    for name in archive.manifest.files:
        if name != DATABASE:
            (work / name).rename(ready / name)
    if not archive.manifest.secrets and (folder / CONFIG).exists():
        (ready / CONFIG).unlink(missing_ok=True)  # it lacks secrets that the one in place may have
    if not (ready / "audit.key").exists() and (folder / "audit.key").exists():
        shutil.copy2(folder / "audit.key", ready / "audit.key")
    return ready


def _refuse_another_database(restored: Path, config: Config, settings: EngineSettings) -> None:
    """A configuration of another machine may name a database there, which a test of a backup must never touch."""
    named = (read_values(restored) or {}).get("DATABASE_URL")
    fixed = any(view.name == "DATABASE_URL" and view.source == "environment" for view in config.describe())
    if unset(named) or fixed:
        return
    if EngineSettings(database_url=str(named)).database_url != settings.database_url:
        raise BackupError(
            "The configuration in the backup names another database than this installation uses. Say which one is "
            "meant with the environment variable DATABASE_URL, which goes before the configuration."
        )


def _refuse_losses(place: DatabaseLocation, ready: Path, folder: Path) -> None:
    taken = [name.name for name in sorted(ready.iterdir()) if _differs(name, folder / name.name)]
    if not place.is_empty():
        taken.insert(0, "the database")
    if taken:
        raise BackupError(
            f"There is something already: {', '.join(taken)}. With --force it gives way and is kept under another name."
        )


def _differs(new: Path, old: Path) -> bool:
    return old.exists() and old.read_bytes() != new.read_bytes()


def _made_ready(url: str, ready: Path, manifest: Manifest, declared: Registry, options: RestoreOptions) -> Settled:
    """Bring the staged database to the newest schema and settle it; its audit log says so."""
    upgrade(url)
    with use(Config.open({"DATA_DIR": str(ready), "DATABASE_URL": url}, cwd=ready)), closing(Database(url, 1)) as db:
        now = db.now()
        with db.write() as conn:
            settled = settle(conn, declared, manifest.created_at, now, nothing_ran_since=options.nothing_ran_since)
            made_at = manifest.created_at.isoformat(timespec="seconds")
            detail = {"nothing_ran_since": options.nothing_ran_since, "uncertain": settled.uncertain}
            append(conn, [Entry(Event.BACKUP_RESTORED, made_at, detail=detail)], now)
    return settled


def _with_files(archive: Archive, url: str, settings: EngineSettings) -> PutBack:
    with closing(Database(url, 1)) as db:
        return put_back(archive, db, settings)


def _where_files_lie(ready: Path, config: Config) -> EngineSettings:
    """The store that the engine will have: by the environment, else by the configuration that will be in place."""
    settings = config.get(EngineSettings)
    restored = read_values(ready / CONFIG)
    if restored is None:
        return settings
    fixed = {view.name: view.source == "environment" for view in config.describe()}
    names = [name for name in EngineSettings.names() if name.startswith("FILES_")]
    found = EngineSettings.read({name: restored[name] for name in names if name in restored})
    chosen = {
        name.lower(): getattr(settings if fixed.get(name) else found, name.lower()) for name in names
    }  # fmt: skip
    return settings.model_copy(update=chosen)


def _put(ready: Path, folder: Path) -> list[str]:
    """Give the files their names; returns what those that stood there are called now."""
    kept = []
    for new in sorted(ready.iterdir()):
        old = folder / new.name
        if new.name.endswith(".lock"):
            continue
        if _differs(new, old):
            aside = old.with_name(f"{old.name}.before-{ready.parent.name.removeprefix('restoring-')}")
            os.link(old, aside)
            kept.append(str(aside))
        new.chmod(0o600)
        new.replace(old)
    (folder / SIGNING_KEY).unlink(missing_ok=True)
    sync(folder)
    return kept
