"""A backup holds what files say, wherever they are kept; a restore gives it back whole or changes nothing."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from engine_kit import load_testkit, move, take
from test_backup import Installation, here, programs, there
from test_file_stores import bucket, s3_server

from cli.backup.archive import BackupError
from engine.files.storage import Files
from engine.files.sweep import Sweep
from llmcoder.context import User
from llmcoder.errors import NotConfigured
from llmcoder.ids import new_id
from llmcoder.settings import EngineSettings
from llmcoder.states import State
from models import attached_files
from models.db.database import Database
from models.files import links
from models.files import store as rows
from models.files.store import File
from models.files.tables import files as table
from models.jobs.store import NewJob, get, insert

__all__ = ["bucket", "here", "programs", "s3_server", "there"]
load_testkit()
LARGE = bytes(range(256)) * 40_000


def files_of(place: Installation, db: Database) -> Files:
    config = place.config
    return Files(db, lambda: config.get(EngineSettings))


def upload(files: Files, user: User, content: bytes, name: str = "a.bin") -> File:
    incoming = files.receive(user.id, name, origin="person", taint="outside")
    incoming.write(content)
    return incoming.finish()


def attached(files: Files, user: User, content: bytes, keeps: File) -> Any:
    """A job that names one file and has attached another."""
    job = NewJob(new_id(), user.id, "test.export", "draft", "io", "{}", 3)
    with files.db.write() as conn:
        insert(conn, [job], files.db.now(), rung=[False])
        links.keep_inputs(conn, [(job.id, keeps.id)])
    take(files.db, job.id)
    incoming = files.receive(user.id, "export.bin", origin="person", taint=None, job_id=job.id)
    incoming.write(content)
    incoming.finish(also=lambda conn, file: _is_the_jobs(conn, job.id, file))
    move(files.db, job.id, State.SUCCEEDED)
    return job.id


def _is_the_jobs(conn: sa.Connection, job_id: Any, file: File) -> None:
    assert attached_files.attach(conn, job_id, 1, file.id, file.name, 9)


@pytest.fixture(params=["disk", "s3"])
def stored(request: pytest.FixtureRequest, here: Installation, there: Installation) -> Iterator[str]:
    """Where both installations keep their files: each on its own disk, or both in one bucket."""
    if request.param == "s3":
        address = request.getfixturevalue("bucket")
        told = {"FILES_URL": address, "FILES_ENDPOINT": request.getfixturevalue("s3_server")}
        told |= {"FILES_ACCESS_KEY": "key", "FILES_SECRET_KEY": "secret"}
        for place in (here, there):
            place.environ |= told
    yield request.param


def contents(files: Files, user: User) -> dict[str, bytes]:
    with files.db.read() as conn:
        found = rows.listed(conn, user.id, None, 100)
    return {f"{file.name} {file.id}": b"".join(files.read(file)) for file in found}


def test_files_come_back_with_the_jobs_that_use_them(
    here: Installation, there: Installation, stored: str, db: Database, user: User, tmp_path: Path
) -> None:
    files = files_of(here, db)
    mine = upload(files, user, LARGE)
    job_id = attached(files, user, b"a,b\n", mine)
    upload(files, user, b"")
    before = contents(files, user)
    under_way = files.receive(user.id, "under way", origin="person", taint=None)
    under_way.write(b"x")
    made = here.backup(tmp_path / "backup.tar")
    assert made.contents is not None and (made.contents.count, made.contents.missing) == (3, 0)
    done = there.restore(made.path)
    assert done.files is not None and (done.files.count, done.files.lost) == (3, 0)
    with closing(Database(there.url)) as copy:
        restored = files_of(there, copy)
        assert contents(restored, user) == before
        restored.check()
        with copy.read() as conn:
            job = get(conn, user.id, job_id)
        assert job is not None and job.files is not None and "export.bin" in job.files
        assert restored.space() != files.space(), "neither removes what is the other's"
        later = copy.now
        copy.now = lambda: later() + timedelta(days=400)  # type: ignore[method-assign]
        Sweep(restored).sweep_files()
        with copy.read() as conn:
            assert {one.name for one in rows.listed(conn, user.id, None, 9)} == {"a.bin", "export.bin"}
    assert contents(files, user) == before
    under_way.abort()


def test_the_same_place_gets_its_files_back_and_keeps_those_of_before(
    here: Installation, db: Database, db_url: str, user: User, tmp_path: Path
) -> None:
    files = files_of(here, db)
    upload(files, user, b"then")
    before = contents(files, user)
    made = here.backup(tmp_path / "backup.tar.gz")
    upload(files, user, b"later")
    db.close()
    done = here.restore(made.path, force=True)
    assert any(str(here.folder / "files") in one for one in done.kept), done.kept
    with closing(Database(db_url)) as again:
        assert contents(files_of(here, again), user) == before


def test_what_is_not_in_the_store_is_said_and_shown_by_no_job_afterwards(
    here: Installation, there: Installation, db: Database, user: User, tmp_path: Path
) -> None:
    files = files_of(here, db)
    missing, damaged = upload(files, user, b"missing"), upload(files, user, b"damaged")
    job_id = attached(files, user, b"kept", missing)
    (here.folder / "files" / missing.blob).unlink()
    (here.folder / "files" / damaged.blob).write_bytes(b"damage!")
    made = here.backup(tmp_path / "backup.tar")
    assert made.contents is not None and (made.contents.count, made.contents.missing) == (1, 2)
    done = there.restore(made.path)
    assert done.files is not None and done.files.lost == 2
    with closing(Database(there.url)) as copy:
        restored = files_of(there, copy)
        assert list(contents(restored, user).values()) == [b"kept"]
        Sweep(restored).sweep_files()
        with copy.read() as conn:
            assert len(conn.execute(sa.select(table)).all()) == 1
            assert get(conn, user.id, job_id) is not None


@pytest.mark.parametrize("what", ["changed", "cut", "another"])
def test_a_damaged_backup_changes_nothing(
    here: Installation, there: Installation, db: Database, user: User, tmp_path: Path, what: str
) -> None:
    files = files_of(here, db)
    upload(files, user, LARGE)
    upload(files, user, b"second")
    made = here.backup(tmp_path / "backup.tar")
    broken = rewritten(made.path, tmp_path / "broken.tar", what)
    with pytest.raises(BackupError):
        there.restore(broken)
    assert [one for one in (there.folder / "files").rglob("*") if one.is_file()] == []
    with pytest.raises((sa.exc.DBAPIError, AssertionError)):
        there.rows()
        raise AssertionError("an empty database may be there, with no table in it") from None


def rewritten(path: Path, to: Path, what: str) -> Path:
    with tarfile.open(path) as tar, tarfile.open(to, "w") as out:
        for member in tar.getmembers():
            source = tar.extractfile(member)
            assert source is not None
            content = source.read()
            if member.name.startswith("file_") and what == "changed":
                content = b"?" + content[1:]
            if what == "cut" and member.name == "files.json":
                continue
            if what == "another" and member.name == "files.json":
                content = b'{"count":7}'
                member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return to


def test_a_backup_without_files_leaves_them_where_they_are(
    here: Installation, there: Installation, db: Database, user: User, tmp_path: Path
) -> None:
    from cli.backup.making import make
    from llmcoder.config import use

    shared = {"FILES_URL": f"file://{tmp_path}/shared"}
    for place in (here, there):
        place.environ |= shared
    files = files_of(here, db)
    upload(files, user, b"in the shared folder")
    before = contents(files, user)
    with use(here.config):
        made = make(here.config, db, tmp_path / "backup.tar", with_secrets=True, with_files=False)
    assert made.contents is None
    assert there.restore(made.path).files is None
    with closing(Database(there.url)) as copy:
        assert contents(files_of(there, copy), user) == before


def test_a_store_that_does_not_take_them_leaves_all_as_it_was(
    here: Installation, there: Installation, db: Database, user: User, tmp_path: Path, bucket: str, s3_server: str
) -> None:
    upload(files_of(here, db), user, b"x")
    made = here.backup(tmp_path / "backup.tar")
    there.environ |= {"FILES_URL": "s3://no-such-bucket", "FILES_ENDPOINT": s3_server}
    there.environ |= {"FILES_ACCESS_KEY": "key", "FILES_SECRET_KEY": "secret"}
    with pytest.raises(NotConfigured, match="no-such-bucket"):
        there.restore(made.path)
    assert not (there.folder / "audit.key").exists()
