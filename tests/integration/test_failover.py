"""A PostgreSQL that takes no writes for a while, as in every failover, under real processes with work to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from engine_kit import Engine, environment, eventually, load_testkit, own_redis
from served import serving

from llmcoder.context import User
from llmcoder.states import State
from models.db.database import Database

pytestmark = pytest.mark.both_stores

kit = load_testkit()
NOTES = 8


@pytest.fixture
def engine(
    db: Database, db_url: str, user: User, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    if db.is_sqlite:
        pytest.skip("SQLite fails over to nothing")
    with own_redis() as redis, closing(Engine(db, user, redis, tmp_path, environment(db_url, redis, tmp_path))) as made:
        yield made


@contextmanager
def read_only(db: Database, server: sa.URL) -> Iterator[None]:
    """Every session there is gets ended, and every new one may only read."""
    url = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {db.url.database} SET default_transaction_read_only = on".encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [db.url.database])
        yield
        admin.execute(f"ALTER DATABASE {db.url.database} RESET default_transaction_read_only".encode())


def test_a_database_that_only_reads_for_a_while_costs_no_job_and_ends_no_thread(
    engine: Engine, user: User, redis_url: str, postgres_url: sa.URL, tmp_path: Path
) -> None:
    scheduler, worker = engine.start("schedules"), engine.start_worker()
    with serving(engine.db, redis_url, tmp_path / "api") as served, served.client(user) as client:
        accepted = []
        naps = engine.submit_many(kit.take_nap, 4, seconds=2)
        for nap in naps:
            engine.until(nap, State.RUNNING)
        with read_only(engine.db, postgres_url):
            for number in range(NOTES):
                answer = client.post("/general/add_note", json={"text": f"note {number}"})
                assert (answer.status_code, answer.json()["type"]) == (503, "urn:llmcoder:problem:database-unavailable")
            eventually(lambda: "cannot look for due jobs" in engine.logs(), what="the pull meets it")
            eventually(lambda: "an ending is kept" in engine.logs(), what="the naps end meanwhile")
        for number in range(NOTES):
            answer = client.post("/general/add_note", json={"text": f"note {number}"})
            assert answer.status_code == 202
            accepted.append(answer.json()["id"])
    ended = engine.until_all_ended([*naps, *map(UUID, accepted)])
    assert {job.state for job in ended} == {State.SUCCEEDED}
    after = engine.submit(kit.do_nothing)  # without a doorbell: only the pull, or the dispatcher, sees it
    engine.until(after, State.SUCCEEDED)
    assert (scheduler.poll(), worker.poll()) == (None, None)
    assert "Traceback" not in engine.logs()


def test_jobs_that_write_here_while_the_database_only_reads_are_tried_again(
    engine: Engine, user: User, redis_url: str, postgres_url: sa.URL, tmp_path: Path
) -> None:
    """The database goes read-only and back every few hundred milliseconds, under jobs that write to it themselves."""
    engine.start("schedules"), engine.start_worker()
    done = threading.Event()
    refused = 0
    accepted: list[str] = []

    def fail_over() -> None:
        while not done.is_set():
            with read_only(engine.db, postgres_url):
                done.wait(0.4)
            done.wait(0.4)

    failing = threading.Thread(target=fail_over)
    failing.start()
    try:
        with serving(engine.db, redis_url, tmp_path / "api") as served, served.client(user) as client:
            while len(accepted) < 60:
                answer = client.post("/general/add_note", json={"text": f"note {len(accepted)}"})
                assert answer.status_code in (202, 503), answer.text
                if answer.status_code == 202:
                    accepted.append(answer.json()["id"])
                else:
                    refused += 1
    finally:
        done.set()
        failing.join()
    ended = engine.until_all_ended(map(UUID, accepted))
    assert refused and not [job for job in ended if job.state is State.FAILED]
    unclear = [job for job in ended if job.state is State.UNCERTAIN]
    assert len(unclear) <= 3, [job.error for job in unclear]  # a session that was ended in the middle of its commit
    assert "Traceback" not in engine.logs()
