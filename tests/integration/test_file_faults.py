"""A process dies at every point of a file's life: nothing that was answered is lost, and nothing is left for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from engine_kit import PLUGIN, ROOT

from engine.files.storage import LEASE, Files
from engine.files.sweep import STRAY_AFTER, Sweep
from llmcoder.context import User
from llmcoder.settings import EngineSettings
from models.db.database import Database
from models.files import store as rows
from models.files.tables import file_spaces
from models.files.tables import files as table

pytestmark = pytest.mark.both_stores

CONTENT = b"0123456789" * 300_000
UPLOAD = """
import sys
from uuid import UUID
from engine.files.storage import Files
from engine.files.sweep import Sweep
from llmcoder.config import config
from llmcoder.settings import EngineSettings
from models.db.database import Database

settings = config().get(EngineSettings)
files = Files(Database(settings.database_url), lambda: settings)
if sys.argv[1] == "sweep":
    Sweep(files).sweep_files()
else:
    incoming = files.receive(UUID(sys.argv[1]), "a.bin", origin="person", taint="outside")
    for _ in range(3):
        incoming.write(b"0123456789" * 100_000)
    print(incoming.finish().id)
"""


@pytest.fixture
def files(db: Database, tmp_path: Path) -> Iterator[Files]:
    settings = EngineSettings(data_dir=tmp_path / "data")
    yield Files(db, lambda: settings)


def run(db: Database, tmp_path: Path, what: str, fault: str = "") -> subprocess.CompletedProcess[str]:
    """A process that uploads for a user, or sweeps; dead at the planted point."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{ROOT}:{PLUGIN}",
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": db.url.render_as_string(hide_password=False),
        "LLMCODER_FAULTS": fault,
    }
    command = [sys.executable, "-c", UPLOAD, what]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120)


def blobs(tmp_path: Path) -> list[Path]:
    return [one for one in (tmp_path / "data" / "files").rglob("*") if one.is_file() and one.name != "mark"]


def states(db: Database) -> list[str]:
    with db.read() as conn:
        return list(conn.execute(sa.select(table.c.state)).scalars())


def later(db: Database, by: timedelta) -> None:
    """Have everything be so much older."""
    with db.write() as conn:
        for one in conn.execute(sa.select(table.c.id, table.c.kept_until)).all():
            conn.execute(sa.update(table).where(table.c.id == one.id).values(kept_until=one.kept_until - by))


@pytest.mark.parametrize("point", ["files.while_writing", "files.before_publish"])
def test_a_writer_that_dies_before_its_file_is_complete_leaves_nothing(
    files: Files, user: User, db: Database, tmp_path: Path, point: str
) -> None:
    done = run(db, tmp_path, str(user.id), f"{point}=kill")
    assert (done.returncode, done.stdout) == (-9, "")
    assert (states(db), len(blobs(tmp_path))) == (["writing"], 1)
    with db.read() as conn:
        assert rows.listed(conn, user.id, None, 10) == []
        assert rows.usage(conn, user.id).count == 1, "its room is taken as long as its writer may live"

    assert Sweep(files).sweep_files() == 0
    assert len(blobs(tmp_path)) == 1
    later(db, LEASE)
    assert Sweep(files).sweep_files() == 1
    assert (states(db), blobs(tmp_path)) == ([], [])
    with db.read() as conn:
        assert rows.usage(conn, user.id) == rows.Quota(0, 0)


def test_a_file_that_is_complete_is_there_although_nobody_was_told(
    files: Files, user: User, db: Database, tmp_path: Path
) -> None:
    assert run(db, tmp_path, str(user.id), "files.after_publish=kill").returncode == -9
    Sweep(files).sweep_files()
    with db.read() as conn:
        (found,) = rows.listed(conn, user.id, None, 10)
    assert b"".join(files.read(found)) == CONTENT


@pytest.mark.parametrize("point", ["files.before_remove", "files.after_remove"])
def test_a_sweep_that_dies_is_finished_by_the_next(
    files: Files, user: User, db: Database, tmp_path: Path, point: str
) -> None:
    done = run(db, tmp_path, str(user.id))
    assert done.returncode == 0, done.stderr
    later(db, timedelta(days=2))
    assert run(db, tmp_path, "sweep", f"{point}=kill").returncode == -9
    with db.read() as conn:
        assert rows.get(conn, user.id, UUID(done.stdout.strip())) is None, "what is half removed is nobody's"
    assert Sweep(files).sweep_files() == 1
    assert (states(db), blobs(tmp_path)) == ([], [])


def test_a_writer_that_was_given_up_completes_nothing_and_leaves_nothing(
    files: Files, user: User, db: Database, tmp_path: Path
) -> None:
    """It was frozen for longer than its lease, and then went on."""
    incoming = files.receive(user.id, "a", origin="person", taint=None)
    incoming.write(CONTENT)
    later(db, LEASE)
    assert Sweep(files).sweep_files() == 1
    with pytest.raises(Exception, match=r"cannot be used|given up"):
        incoming.finish()
    incoming.abort()
    assert (states(db), blobs(tmp_path)) == ([], [])


def test_one_that_was_given_up_between_its_last_byte_and_its_row_is_removed(
    files: Files, user: User, db: Database, tmp_path: Path
) -> None:
    incoming = files.receive(user.id, "a", origin="person", taint=None)
    incoming.write(CONTENT)
    incoming._writer.finish()
    with db.write() as conn:
        conn.execute(sa.delete(table))  # somebody swept meanwhile, and the bytes got their name after that
        conn.execute(sa.update(file_spaces).values(swept_at=None))
    (blob,) = blobs(tmp_path)
    old_s = blob.stat().st_mtime - STRAY_AFTER.total_seconds() - 10
    os.utime(blob, (old_s, old_s))
    assert Sweep(files).sweep_files() == 1
    assert blobs(tmp_path) == []


def test_rooms_are_counted_on_one_connection_at_a_time(db: Database, user: User, tmp_path: Path) -> None:
    """Two processes reserve at once, and the quota holds one of them."""
    settings = EngineSettings(data_dir=tmp_path / "data", file_quota_bytes=1_000_000)
    with closing(Database(db.url.render_as_string(hide_password=False))) as other_db:
        one, other = (Files(each, lambda: settings) for each in (db, other_db))
        first = one.receive(user.id, "a", origin="person", taint=None, size_bytes=900_000)
        with pytest.raises(rows.QuotaReached):
            other.receive(user.id, "b", origin="person", taint=None, size_bytes=900_000)
        first.abort()
        other.receive(user.id, "b", origin="person", taint=None, size_bytes=900_000).abort()
