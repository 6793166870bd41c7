"""`python -m benchmarks.size [JOBS]`: where the bytes of a job go in SQLite, and what other layouts would take.

Jobs are accepted, claimed and ended as the engine does it. An object's size is what the file loses when it is dropped;
a layout's is that of a copy of the table, with its indexes, in the order of its ids.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.user import add_user
from llmcoder.config import Config, use
from llmcoder.ids import new_id
from llmcoder.states import State
from models.db.database import Database, safe_sqlite
from models.db.migrate import upgrade
from models.jobs import claims
from models.jobs.machine import Move, apply
from models.jobs.store import NewJob, insert

JOBS = 100_000
BATCH = 500
RESULT = '{"echo":"ok"}'
IDS = ("id", "user_id")
INSTANTS = ("due_at", "created_at", "started_at", "finished_at")
#: How a value of such a column would be written.
BLOB, MICROSECONDS = "unhex({})", "CAST(round((julianday({}) - 2440587.5) * 86400e6) AS INTEGER)"
LAYOUTS: dict[str, dict[str, str]] = {
    "as it is": {},
    "ids as 16 bytes": dict.fromkeys(IDS, BLOB),
    "instants as integers": dict.fromkeys(INSTANTS, MICROSECONDS),
    "both": dict.fromkeys(IDS, BLOB) | dict.fromkeys(INSTANTS, MICROSECONDS),
}
INDEXES = "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'jobs' AND type = 'index' AND sql IS NOT NULL"
#: What a filter of `GET /jobs` walks through a user's jobs for, where it has no index of its own.
FILTERS = ("ix_jobs_user_action", "ix_jobs_user_state")


def main(number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "llmcoder.db"
        with use(Config.open({"DATA_DIR": folder}, cwd=Path(folder))):
            fill(path, number)
        for name, size in objects(path):
            print(f"{name:<32} {size / number:8.1f} bytes a job")
        for name, changed in LAYOUTS.items():
            for without in ((), FILTERS):
                size, took_s = layout(path, changed, without)
                what = f"{name}, without {' and '.join(without)}" if without else name
                print(f"{what:<80} {size / number:8.1f} bytes a job, rewritten in {took_s:.1f} s")


def fill(path: Path, number: int) -> None:
    upgrade(f"sqlite:///{path}")
    with closing(Database(f"sqlite:///{path}")) as db:
        user_id = add_user(db)
        for _ in range(0, number, BATCH):
            new = [NewJob(new_id(), user_id, "general.list_todos", "read", "io", "{}", 3) for _ in range(BATCH)]
            run(db, new)


def run(db: Database, new: list[NewJob]) -> None:
    """The three writes of a job."""
    now = db.now()
    with db.write(durable=False) as conn:
        insert(conn, new, now, rung=[True] * len(new))
    with db.write(durable=False) as conn:
        picked = claims.pick(conn, (), "io", len(new))
        apply(conn, claims.taking(picked, "io@host:4711", 30.0, now), now, held=picked)
    with db.write(durable=False) as conn:
        ended = [Move(job.id, State.SUCCEEDED, 1, values={"result": RESULT}) for job in new]
        apply(conn, ended, db.now())


def objects(path: Path) -> Iterator[tuple[str, int]]:
    """The indexes of the jobs, then the table with its key, largest first; what takes nothing is left out."""
    with copied(path) as conn:
        found = {}
        for name, _ in conn.execute(INDEXES).fetchall():
            before = used_bytes(conn)
            conn.execute(f"DROP INDEX {name}")
            found[name] = before - used_bytes(conn)
        before = used_bytes(conn)
        conn.execute("CREATE TABLE rows_alone AS SELECT * FROM jobs")
        found["the rows, packed"] = used_bytes(conn) - before
        conn.execute("DROP TABLE rows_alone")
        before = used_bytes(conn)
        conn.execute("PRAGMA foreign_keys = OFF")
        conn.execute("DROP TABLE jobs")
        found["the table with its key, as it grew"] = before - used_bytes(conn)
    yield from sorted(((name, size) for name, size in found.items() if size > 4096), key=lambda one: -one[1])


def layout(path: Path, changed: dict[str, str], without: tuple[str, ...]) -> tuple[int, float]:
    """Bytes of the table and its indexes in another layout, and the seconds to make it."""
    with copied(path) as conn:
        names = [row[1] for row in conn.execute("PRAGMA table_info(jobs)")]
        indexes = [text for name, text in conn.execute(INDEXES).fetchall() if name not in without]
        before, began = used_bytes(conn), time.perf_counter()
        columns = ", ".join(f"{name} PRIMARY KEY" if name == "id" else name for name in names)
        values = ", ".join(changed.get(name, "{}").format(name) for name in names)
        conn.execute(f"CREATE TABLE other ({columns})")
        conn.execute(f"INSERT INTO other SELECT {values} FROM jobs ORDER BY id")
        for text in indexes:
            conn.execute(text.replace("INDEX ", "INDEX other_").replace(" ON jobs", " ON other"))
        return used_bytes(conn) - before, time.perf_counter() - began


@contextmanager
def copied(path: Path) -> Iterator[Any]:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        copy.write_bytes(path.read_bytes())
        with closing(safe_sqlite().connect(copy, isolation_level=None)) as conn:
            conn.execute("PRAGMA synchronous = OFF")
            yield conn


def used_bytes(conn: Any) -> int:
    pages, free, size = (
        conn.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    found: int = (pages - free) * size
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else JOBS)
