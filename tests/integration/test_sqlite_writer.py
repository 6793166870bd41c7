"""Whoever wants to write into SQLite gets his turn, whoever else writes all the time; and nobody frozen keeps it."""

from __future__ import annotations

import fcntl
import itertools
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from engine_kit import eventually

from models.db import database as database_module
from models.db.database import Database
from models.db.sqlite_writer import IMPATIENT_FOR_S, PATIENCE_S, SUFFIX, FairLock, Writers

#: One who waits is passed over by so many writes at most. SQLite's own waiting lets thousands pass, at times.
MOST_PASSED = 200
WRITES_FOR_S, HOLDS_S = 5.0, 0.0005


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with one table, `turns`, in which writers note who they are."""
    path = tmp_path / "turns.db"
    path.touch()
    with closing(Database(f"sqlite:///{path}")) as db, db.write() as conn:
        conn.exec_driver_sql("CREATE TABLE turns (number INTEGER PRIMARY KEY, writer TEXT)")
    return path


@pytest.fixture
def db(file: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{file}")) as made:
        yield made


def note(db: Database, writer: str) -> None:
    with db.write(durable=False) as conn:
        conn.execute(sa.text("INSERT INTO turns (writer) VALUES (:writer)"), {"writer": writer})
        time.sleep(HOLDS_S)


def write_all_the_time(file: Path, writer: str, threads: int) -> None:
    ends_at = time.monotonic() + WRITES_FOR_S

    def write() -> None:
        while time.monotonic() < ends_at:
            note(db, writer)

    with closing(Database(f"sqlite:///{file}")) as db:
        started = [threading.Thread(target=write) for _ in range(threads)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()


def test_processes_take_turns_however_many_threads_one_has(file: Path, db: Database) -> None:
    spawn = multiprocessing.get_context("spawn")
    greedy = spawn.Process(target=write_all_the_time, args=(file, "greedy", 8))
    other = spawn.Process(target=write_all_the_time, args=(file, "other", 1))
    for process in (greedy, other):
        process.start()
    for process in (greedy, other):
        process.join(60)
        assert process.exitcode == 0

    with db.read() as conn:
        writers = list(conn.execute(sa.text("SELECT writer FROM turns ORDER BY number")).scalars())
    both = writers[writers.index("other") : len(writers) - writers[::-1].index("other")]
    passed = [len(list(run)) for writer, run in itertools.groupby(both) if writer == "greedy"]
    print(f"{len(both)} writes, {both.count('other')} of the other; at most {max(passed)} passed it")
    assert len(passed) > 10
    assert max(passed) <= MOST_PASSED


def test_threads_write_in_the_order_in_which_they_came(db: Database) -> None:
    waiting: list[threading.Thread] = []
    with db.write():
        for number in range(6):
            thread = threading.Thread(target=note, args=(db, str(number)))
            thread.start()
            waiting.append(thread)
            eventually(lambda number=number: len(db._writers._threads._waiting) > number)
    for thread in waiting:
        thread.join(30)
    with db.read() as conn:
        assert list(conn.execute(sa.text("SELECT writer FROM turns ORDER BY number")).scalars()) == list("012345")


def test_one_that_is_frozen_as_the_next_stops_nobody(file: Path, db: Database) -> None:
    holds = f"import fcntl, sys; f = open({f'{file}{SUFFIX}'!r}, 'w'); fcntl.flock(f, 2); print('has it', flush=True)"
    command = [sys.executable, "-c", f"{holds}; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as frozen:
        assert frozen.stdout is not None and frozen.stdout.readline() == b"has it\n"
        frozen.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        for _ in range(20):
            note(db, "x")
        took_s = time.monotonic() - began
        frozen.kill()
    assert took_s < 20 * PATIENCE_S, "only the first waited for it"
    assert IMPATIENT_FOR_S > PATIENCE_S


def test_one_that_dies_as_the_next_lets_it_go(file: Path, db: Database) -> None:
    descriptor = os.open(f"{file}{SUFFIX}", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.close(descriptor)  # as the kernel does for who dies
    note(db, "x")
    assert db._writers._impatient_until == 0.0


def test_a_transaction_that_fails_gives_the_turn_to_the_next(db: Database) -> None:
    for _ in range(3):
        with pytest.raises(sa.exc.SQLAlchemyError), db.write() as conn:
            conn.exec_driver_sql("INSERT INTO nothing VALUES (1)")
        with pytest.raises(ZeroDivisionError), db.write():
            raise ZeroDivisionError
    note(db, "x")


def test_a_writer_that_never_ends_makes_the_others_fail_in_time(
    file: Path, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_S", 0.3)
    with closing(Database(f"sqlite:///{file}")) as other, other.write():
        with pytest.raises(sa.exc.OperationalError, match="database is locked"):
            note(db, "x")
        with pytest.raises(sa.exc.OperationalError, match="database is locked"):  # within this process, too
            note(other, "x")
    note(db, "x")


def test_a_folder_without_room_for_the_lock_is_written_all_the_same(tmp_path: Path) -> None:
    writers = Writers(str(tmp_path / "no such folder" / "x.db"))
    with closing(Database("sqlite:///:memory:")) as db, db.write() as conn:
        conn.exec_driver_sql("COMMIT")
        with writers.turn(30.0):
            writers.begin(conn)


def test_a_child_does_not_hold_what_its_parents_threads_held(db: Database) -> None:
    with db.write():
        child = os.fork()
        if child == 0:
            db.forget()
            os._exit(1 if db._writers._threads.acquire(0.0) is None else 0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    note(db, "x")


def test_a_turn_that_another_thread_ended_is_not_ended_twice(db: Database) -> None:
    """As of a trigger that hangs in its transaction: others write, and when it comes back they still do so by turns."""
    with db.write() as hanging:
        hanging.connection.dbapi_connection.execute("ROLLBACK")  # type: ignore[union-attr]
        db.let_go(hanging)
        note(db, "x")
        with db.write(durable=False) as conn:
            db.let_go(hanging)
            assert db._writers._threads._holder is conn.info[database_module.PLACE]
    note(db, "y")
    assert db._writers._threads._holder is None


def test_who_waited_long_enough_goes_away_and_the_lock_passes_by_him() -> None:
    lock = FairLock()
    first = lock.acquire(1.0)
    assert first is not None
    assert lock.acquire(0.01) is None
    had: list[threading.Lock | None] = []
    thread = threading.Thread(target=lambda: had.append(lock.acquire(30.0)))
    thread.start()
    eventually(lambda: lock._waiting)
    lock.release(first)
    thread.join(30)
    assert had[0] is not None
    lock.release(first)
    assert lock.acquire(0.0) is None, "a place that was left gives nothing up"
    lock.release(had[0])
    assert lock.acquire(0.0) is not None
