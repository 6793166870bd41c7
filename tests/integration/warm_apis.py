"""Applications that go on running from one test to the next: to start one costs more than what most tests do with it.

Each test meets an empty database, an empty file store and an empty Redis. What else a process keeps, such as counts for
its metrics, goes on, so that whoever counts everything, changes settings or kills something starts one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI

from llmcoder.registry import AnyAction
from models.db.database import Database, safe_sqlite
from models.tables import metadata
from tests.integration.served import Served, application, known_with, met, url_of

#: More than one, since tests with other settings stand between those with none.
MOST = 3


class WarmApis:
    """One test process's applications, on one database of each store.

    Args:
        template: The migrated SQLite file that a test begins with.
    """

    def __init__(self, redis_url: str, folder: Path, template: Path) -> None:
        self._redis_url = redis_url
        self._folder = folder
        self._template = template
        self._databases: dict[str, tuple[str, dict[sa.Table, list[Any]]]] = {}
        self._running: dict[tuple[Any, ...], tuple[ExitStack, FastAPI, str]] = {}
        self._made = ExitStack()

    def empty_database(self, store: str, new: Callable[[Path], AbstractContextManager[str]]) -> str:
        """The address of the store's database as the migrations made it; `new` makes one in a folder, once."""
        if store not in self._databases:
            url = self._made.enter_context(new(self._folder))
            self._databases[store] = (url, rows_of(url))
        else:
            url, first_rows = self._databases[store]
            if store == "sqlite":
                restore(self._template, Path(str(sa.make_url(url).database)))
            else:
                delete_all_but(url, first_rows)
            self._remove_files()
        return url

    @contextmanager
    def served(
        self, db: Database, settings: Mapping[str, str], more_actions: tuple[AnyAction, ...]
    ) -> Iterator[Served]:
        """A running application with these settings and actions."""
        key = (url_of(db), *sorted(settings.items()), *more_actions)
        if key in self._running:
            self._running[key] = self._running.pop(key)  # the newest
        else:
            self._running[key] = self._start(url_of(db), settings, more_actions)
        while len(self._running) > MOST:
            self._running.pop(next(iter(self._running)))[0].close()
        _, app, url = self._running[key]
        with met(db, self._redis_url, self._folder / "data", app, url) as served:
            yield served

    def close(self) -> None:
        for stack, _, _ in self._running.values():
            stack.close()
        self._made.close()

    def _start(
        self, db_url: str, settings: Mapping[str, str], more_actions: tuple[AnyAction, ...]
    ) -> tuple[ExitStack, FastAPI, str]:
        told = {"DATA_DIR": str(self._folder / "data"), "DATABASE_URL": db_url, "REDIS_URL": self._redis_url}
        stack = ExitStack()
        app, url = stack.enter_context(application({**told, **settings}, self._folder, known_with(more_actions)))
        return stack, app, url

    def _remove_files(self) -> None:
        """But not the mark that says whose folder it is."""
        for path in (self._folder / "data" / "files").rglob("*"):
            if path.is_file() and path.name != "mark":
                path.unlink()


def restore(template: Path, path: Path) -> None:
    """Put the template's pages in the place of all that a database has that others have open."""
    sqlite = safe_sqlite()
    with closing(sqlite.connect(template)) as source, closing(sqlite.connect(path, timeout=30)) as target:
        source.backup(target)


def rows_of(url: str) -> dict[sa.Table, list[Any]]:
    """What the migrations put into a database."""
    with closing(Database(url)) as db, db.read() as conn:
        found = {
            table: [dict(row) for row in conn.execute(sa.select(table)).mappings()] for table in metadata.sorted_tables
        }
    return {table: rows for table, rows in found.items() if rows}


def delete_all_but(url: str, first_rows: Mapping[sa.Table, list[Any]]) -> None:
    """Empty a PostgreSQL database, although its audit log is append-only."""
    with closing(Database(url)) as db, db.write(durable=False) as conn:
        conn.execute(sa.text("SET LOCAL session_replication_role = replica"))
        for table in reversed(metadata.sorted_tables):
            conn.execute(sa.delete(table))
        for table, rows in first_rows.items():
            conn.execute(sa.insert(table), rows)
