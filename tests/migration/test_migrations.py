"""The migrations, from an empty database to the newest schema and back, on every store."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.util import CommandError

from models.accounts.tables import users
from models.db.database import Database
from models.db.migrate import alembic_config, is_current, is_declared, upgrade
from models.tables import metadata
from tests.conftest import STORES

pytestmark = pytest.mark.both_stores

ROOT = Path(__file__).parents[2]
UPGRADERS = 3
ENDS_WITHIN_S = 120


@pytest.fixture(params=STORES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without a single table, for each store."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: sa.URL = request.getfixturevalue("postgres_url")
    name = f"empty_{uuid.uuid4().hex}"
    administer(server, f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    administer(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty(empty_url: str) -> Iterator[Database]:
    with closing(Database(empty_url, pool_size=1)) as database:
        yield database


def administer(server: sa.URL, statement: str) -> None:
    """Run what cannot stand in a transaction."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.execute(sa.text(statement))
    engine.dispose()


def add_user(db: Database) -> uuid.UUID:
    row = {"id": uuid.uuid4(), "email": "alice@example.org", "password_hash": "!", "created_at": db.now()}
    with db.write() as conn:
        conn.execute(sa.insert(users).values(**row))
    return row["id"]


def user_ids(db: Database) -> list[uuid.UUID]:
    with db.read() as conn:
        return list(conn.execute(sa.select(users.c.id)).scalars())


def tables(db: Database) -> set[str]:
    with db.read() as conn:
        return set(sa.inspect(conn).get_table_names()) - {"alembic_version"}


def applied(db: Database) -> list[str]:
    with db.read() as conn:
        return sorted(conn.execute(sa.text("SELECT version_num FROM alembic_version")).scalars())


def test_the_migrations_make_exactly_the_tables_that_the_code_knows(empty_url, empty):
    upgrade(empty_url)
    command.check(alembic_config(empty_url))
    assert {name for name in tables(empty) if is_declared(name, "table")} == set(metadata.tables)


def test_a_table_that_drifted_is_noticed(empty_url, empty):
    """So that the test above means something."""
    upgrade(empty_url)
    with empty.write() as conn:
        conn.execute(sa.text("DROP INDEX ix_notes_user"))
    with pytest.raises(CommandError, match="ix_notes_user"):
        command.check(alembic_config(empty_url))


def test_upgrading_twice_changes_nothing(empty_url, empty):
    upgrade(empty_url)
    before, user_id = applied(empty), add_user(empty)
    upgrade(empty_url)
    assert applied(empty) == before
    assert user_ids(empty) == [user_id]


def test_processes_that_upgrade_at_once_wait_for_each_other(empty_url, empty, tmp_path):
    environ = {**os.environ, "DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    upgraders = [
        subprocess.Popen([sys.executable, "-m", "models", "upgrade"], cwd=tmp_path, env=environ, stderr=subprocess.PIPE)
        for _ in range(UPGRADERS)
    ]
    endings = [(process.communicate(timeout=ENDS_WITHIN_S)[1], process.returncode) for process in upgraders]
    assert [code for _, code in endings] == [0] * UPGRADERS, endings
    assert is_current(empty)


def test_an_older_version_leaves_a_newer_database_as_it_is_and_says_why(empty_url, empty, tmp_path):
    upgrade(empty_url)
    with empty.write() as conn:
        conn.execute(
            sa.text("UPDATE alembic_version SET version_num = '9999_of_tomorrow' WHERE version_num LIKE '00%'")
        )
    before = applied(empty)
    environ = {**os.environ, "DATABASE_URL": empty_url, "DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "models", "upgrade"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=ENDS_WITHIN_S)
    assert done.returncode == 1
    assert "9999_of_tomorrow" in done.stderr and "Traceback" not in done.stderr
    assert applied(empty) == before


def test_a_database_is_current_only_with_every_migration(empty_url, empty):
    assert not is_current(empty)
    command.upgrade(alembic_config(empty_url), "0001_engine")
    assert not is_current(empty), "the engine's tables are there, a domain's are not"
    upgrade(empty_url)
    assert is_current(empty)


def test_a_domain_goes_and_comes_back_without_touching_the_engine(empty_url, empty):
    upgrade(empty_url)
    user_id = add_user(empty)
    command.downgrade(alembic_config(empty_url), "general@base")
    assert not {"notes", "todos"} & tables(empty)
    assert not is_current(empty)
    upgrade(empty_url)
    assert is_current(empty)
    assert user_ids(empty) == [user_id]


def test_everything_goes_and_comes_back(empty_url, empty):
    upgrade(empty_url)
    command.downgrade(alembic_config(empty_url), "base")
    assert tables(empty) == set()
    assert applied(empty) == []
    upgrade(empty_url)
    command.check(alembic_config(empty_url))


def test_records_of_an_older_folder_are_their_users_own_only_where_their_job_says_so(empty_url, empty):
    """Nobody took note of whose words they hold; an agent could write past a job, and jobs are pruned."""
    config = alembic_config(empty_url)
    for older in ("0013_duties", "general_0001", "email_0001", "reminders_0001"):
        command.upgrade(config, older)
    user_id, now = add_user(empty), empty.now()
    made: dict[str, uuid.UUID] = {}

    def add_job(name: str, action: str = "general.add_note", **more: object) -> uuid.UUID:
        made[name] = uuid.uuid4()
        plain = {"effect": "write", "queue": "io", "state": "succeeded", "origin": "person", "input": "{}"}
        about = {
            "attempt": 1,
            "max_attempts": 1,
            "losses": 0,
            "priority": 5,
            "due_at": now,
            "created_at": now,
            "rev": 1,
        }
        values = {"id": made[name], "user_id": user_id, "action": action, **plain, **about, **more}
        with empty.write() as conn:
            conn.execute(sa.insert(metadata.tables["jobs"]).values(values))
        return made[name]

    def add_note(job_id: uuid.UUID, changed: bool = False) -> None:
        later = now + timedelta(seconds=1) if changed else now
        values = {"id": job_id, "user_id": user_id, "text": "x", "created_at": now, "updated_at": later}
        with empty.write() as conn:
            conn.execute(sa.insert(metadata.tables["notes"]).values(values))

    add_note(add_job("typed"))
    add_note(add_job("by the clock", origin="schedule"))
    add_note(add_job("changed since"), changed=True)
    add_note(add_job("by an agent", origin="agent"))
    add_note(add_job("by a macro, which may have washed it", origin="macro"))
    add_note(add_job("approved", tainted=True))
    made["without a job"] = uuid.uuid4()
    add_note(made["without a job"])
    add_job("read", action="general.list_notes", result="{}")
    add_job("failed", action="slack.post_message", state="failed", error="{}")
    add_job("done", action="slack.post_message", result="{}")

    upgrade(empty_url)
    with empty.read() as conn:
        notes, jobs = metadata.tables["notes"].c, metadata.tables["jobs"].c
        taints = {row.id: row.taint for row in conn.execute(sa.select(notes.id, notes.taint))}
        results = {row.id: row.result_taint for row in conn.execute(sa.select(jobs.id, jobs.result_taint))}
    own = {name for name, one in made.items() if one in taints and taints[one] is None}
    assert own == {"typed", "by the clock"}
    assert {name for name, one in made.items() if results.get(one) == "outside"} == {"read", "failed"}


def test_notes_of_an_older_folder_are_found_in_any_case(empty_url, empty):
    """More of them than are folded at once."""
    config = alembic_config(empty_url)
    for older in ("0014_provenance", "general_0002"):
        command.upgrade(config, older)
    user_id, now = add_user(empty), empty.now()
    row = {"user_id": user_id, "text": "Straße", "created_at": now, "updated_at": now}
    with empty.write() as conn:
        conn.execute(sa.insert(metadata.tables["notes"]), [row | {"id": uuid.uuid4()} for _ in range(1_001)])

    upgrade(empty_url)
    with empty.read() as conn:
        folded = conn.execute(sa.select(metadata.tables["notes"].c.text_folded).distinct()).scalars().all()
    assert folded == ["strasse"]


def test_calls_of_an_older_folder_are_known_again_and_nobody_else_s_key_is_touched(empty_url, empty):
    """A call that comes again after the upgrade is done once, as before."""
    command.upgrade(alembic_config(empty_url), "0017_macro_roots")
    user_id, hook_id, now = add_user(empty), uuid.uuid4(), empty.now()
    of_call, of_person, other = f"hook:{hook_id}:a", f"hook:{hook_id}:b", "hook: mine"
    plain = {"user_id": user_id, "action": "test.echo", "effect": "read", "queue": "io", "state": "succeeded"}
    plain |= {"input": "{}", "attempt": 1, "max_attempts": 1, "losses": 0, "priority": 5, "rev": 1}
    plain |= {"due_at": now, "created_at": now}
    rows = [(of_call, "webhook"), (of_person, "person"), (other, "person")]
    with empty.write() as conn:
        for key, origin in rows:
            values = plain | {"id": uuid.uuid4(), "idempotency_key": key, "origin": origin}
            conn.execute(sa.insert(metadata.tables["jobs"]).values(values))
        for key in (f"hook:{hook_id}:c", other):
            spent = {"user_id": user_id, "idempotency_key": key, "job_id": uuid.uuid4(), "kept_until": now}
            conn.execute(sa.insert(metadata.tables["spent_keys"]).values(spent))

    upgrade(empty_url)
    with empty.read() as conn:
        kept = [
            set(conn.execute(sa.select(metadata.tables[name].c.idempotency_key)).scalars())
            for name in ("jobs", "spent_keys")
        ]
    assert kept == [{f"hook\t{hook_id}:a", of_person, other}, {f"hook\t{hook_id}:c", other}]
