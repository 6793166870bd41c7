"""Brings a database to the newest schema: the engine's migrations and those of every domain that has tables.

A domain keeps its own in `tasks/<domain>/migrations/`, as a branch labelled with its name, so that adding an
integration touches its folder alone.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Collection, Iterable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from llmcoder.errors import ActionError
from llmcoder.private import shut
from models.db.database import Database
from models.text_index import PREFIX as TEXT_INDEX

if TYPE_CHECKING:
    from alembic.config import Config

HERE = Path(__file__).parents[1] / "migrations"
#: What a migration makes by hand: a full-text index, and the tables that SQLite's FTS5 makes behind one.
BY_HAND = re.compile(r".+_fts(_data|_idx|_docsize|_config|_content)?")


class NewerDatabase(ActionError):
    """Another version of the engine, or one with other domains, has migrated the database further."""

    slug, title, status = "newer-database", "The database is of a newer version", 409


def upgrade(url: str) -> None:
    """Run every migration that is missing; safe to call from several processes at once.

    Raises:
        NewerDatabase: It has migrations that this code does not have, and so nobody knows what is missing.
    """
    from alembic import command

    with closing(Database(url, pool_size=1)) as db:
        newer = unknown(applied(db))
    if newer:
        raise NewerDatabase(
            f"The database has migrations that this version does not have: {', '.join(newer)}. Migrate with the "
            "version that made them. Processes of this one (api, worker, scheduler) may run on it meanwhile; see "
            "docs/operations.md, Upgrading while it runs."
        )
    command.upgrade(alembic_config(url), "heads")


def make_file(url: sa.URL) -> None:
    """Make the file of a SQLite database that is not there yet, and have it, and what stands beside it, ours alone."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return
    path = Path(url.database)
    path.touch(mode=0o600)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        shut(path.with_name(name))


def is_current(db: Database) -> bool:
    """Whether the database has every migration that this code has."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    if not db.is_there:
        return False
    script = ScriptDirectory.from_config(alembic_config(db.url.render_as_string(hide_password=False)))
    with db.read() as conn:
        applied = set(MigrationContext.configure(conn).get_current_heads())
    # a head that another branch depends on is implied by it and not recorded on its own
    pending = set(applied)
    while pending:
        revision = script.get_revision(pending.pop())
        older = {*_as_tuple(revision.down_revision), *_as_tuple(revision.dependencies)} - applied
        applied |= older
        pending |= older
    return set(script.get_heads()) <= applied


def applied(db: Database) -> list[str]:
    """The newest migrations that the database has; empty when it has no tables."""
    from alembic.migration import MigrationContext

    if not db.is_there:
        return []
    with db.read() as conn:
        return sorted(MigrationContext.configure(conn).get_current_heads())


def unknown(revisions: Iterable[str]) -> list[str]:
    """Those migrations that this code does not have: whoever applied them is newer, or has other domains."""
    from alembic.script import ScriptDirectory

    # the address does not matter: only the folders are read
    known = {found.revision for found in ScriptDirectory.from_config(alembic_config("sqlite://")).walk_revisions()}
    return sorted(set(revisions) - known)


def _as_tuple(revisions: str | Collection[str] | None) -> tuple[str, ...]:
    return (revisions,) if isinstance(revisions, str) else tuple(revisions or ())


def alembic_config(url: str) -> Config:
    """Alembic's settings, made here since the folders are found and not listed."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("version_path_separator", "os")
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", ":".join(str(path) for path in [HERE / "versions", *domain_folders()]))
    config.attributes["url"] = url
    return config


def domain_folders() -> list[Path]:
    """`tasks/<domain>/migrations` of every domain that has tables."""
    spec = find_spec("tasks")
    roots = [Path(root) for root in (spec.submodule_search_locations or [])] if spec else []
    return sorted(folder for root in roots for folder in root.glob("*/migrations") if folder.is_dir())


def is_declared(name: str | None, kind: str, _parents: object = None) -> bool:
    """Whether an object of the database has to be one that the metadata knows."""
    if name is None:
        return True
    if kind == "index":
        return not name.startswith(TEXT_INDEX)
    return kind != "table" or BY_HAND.fullmatch(name) is None


def load_domain_tables() -> None:
    """Import every domain's tables, so that the metadata is whole."""
    spec = find_spec("tasks")
    for domain in pkgutil.iter_modules(spec.submodule_search_locations or [] if spec else []):
        if find_spec(f"tasks.{domain.name}.tables"):
            importlib.import_module(f"tasks.{domain.name}.tables")
