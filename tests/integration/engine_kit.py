"""Jobs made by hand, and the engine's own processes started for a test."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa

from llmcoder.context import User
from llmcoder.declare.action import Action
from llmcoder.ids import new_id
from llmcoder.states import State
from models.accounts.users import register
from models.db.database import Database
from models.jobs.claims import Claimed, claimed, pick, taking
from models.jobs.machine import Move, Moved, apply
from models.jobs.store import Accepted, Job, NewJob, get, insert
from models.jobs.tables import jobs
from tests.integration.forks import NOTHING, ForkServer
from tests.integration.own_redis import OwnRedis, own_redis
from tests.integration.waiting import TIRELESS_S, eventually

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "tests" / "plugin"
LEASE_S = 3
KEPT = ("PATH", "HOME", "LANG", "LLMCODER_FAULTS")
USUAL = {"PYTHONPATH": str(PLUGIN), "PYTHONWARNINGS": "default", "LLMCODER_TIMING": "0.2"}


def load_testkit() -> ModuleType:
    """The test actions, as declarations; workers find them through the entry point."""
    import testkit_actions

    return testkit_actions


# --- jobs by hand


def job_of(user: User, **wanted: Any) -> NewJob:
    plain = {"action": "test.do_nothing", "effect": "draft", "queue": "io", "input": "{}", "max_attempts": 3}
    return NewJob(new_id(), user.id, **(plain | wanted))


def accept(db: Database, new: Collection[NewJob], *, rung: bool = False) -> list[Accepted]:
    with db.write() as conn:
        return insert(conn, list(new), db.now(), rung=[rung] * len(new))


def accept_one(db: Database, user: User, **wanted: Any) -> Job:
    return accept(db, [job_of(user, **wanted)])[0].job


def take(db: Database, *ids: UUID, worker: str = "w1", lease_s: float = 30.0) -> list[Claimed]:
    """Claim jobs by name."""
    now = db.now()
    with db.write() as conn:
        picked = pick(conn, ids, "io", 0)
        return claimed(picked, apply(conn, taking(picked, worker, lease_s, now), now, held=picked), now)


def take_next(db: Database, limit: int, worker: str = "w1", queue: str = "io") -> list[Claimed]:
    now = db.now()
    with db.write() as conn:
        picked = pick(conn, (), queue, limit)
        return claimed(picked, apply(conn, taking(picked, worker, 30.0, now), now, held=picked), now)


def move(db: Database, job_id: UUID, to: State, attempt: int | None = None, **more: Any) -> Moved | None:
    with db.write() as conn:
        return apply(conn, [Move(job_id, to, attempt, **more)], db.now())[0]


def row(db: Database, job_id: UUID) -> Any:
    with db.read() as conn:
        return conn.execute(sa.select(jobs).where(jobs.c.id == job_id)).one()


def set_columns(db: Database, job_id: UUID, **values: Any) -> None:
    """Put a job where no transition of a test could put it in time, such as past its lease."""
    with db.write() as conn:
        conn.execute(sa.update(jobs).where(jobs.c.id == job_id).values(**values))


def stand_in(db: Database, user: User, state: State, **wanted: Any) -> Job:
    """A job in that state, brought there by the transitions of the table."""
    job = accept_one(db, user, **wanted)
    if state is State.CANCELLED:
        move(db, job.id, state)
    elif state is State.SCHEDULED:
        take(db, job.id)
        move(db, job.id, state, values={"due_at": db.now() + timedelta(hours=1)})
    elif state is not State.QUEUED:
        take(db, job.id)
        if state is not State.RUNNING:
            move(db, job.id, state)
    return now_of(db, user, job.id)


def now_of(db: Database, user: User, job_id: UUID) -> Job:
    with db.read() as conn:
        found = get(conn, user.id, job_id)
    assert found is not None
    return found


# --- the engine's processes

AnyEngine = TypeVar("AnyEngine", bound="Engine")


@dataclass
class Engine:
    """A database, a Redis, and the processes that a test starts on them."""

    db: Database
    user: User
    redis: OwnRedis
    folder: Path
    environ: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def own_environ(self) -> dict[str, str]:
        """For a configuration of the test's own process, which waits as usual and refuses leases as short as theirs."""
        return {name: value for name, value in self.environ.items() if name != "LEASE_S"}

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[bytes]:
        """`python -m ARGUMENTS`, ended with the engine."""
        log = self.folder / f"{arguments[-1]}-{len(self.processes)}.log"
        log.touch()
        self.processes.append(started(arguments, self.environ | environ, log))
        return self.processes[-1]

    def start_worker(self, queue: str = "io", **environ: str) -> subprocess.Popen[bytes]:
        """A worker, ready to take jobs."""
        process = self.start("workers", queue, **environ)
        eventually(lambda: process.pid in self.worker_pids(), TIRELESS_S, f"the {queue} worker starts")
        return process

    def worker_pids(self) -> set[int]:
        from models.jobs.claims import workers_seen

        with self.db.read() as conn:
            return {seen.pid for seen in workers_seen(conn, datetime.now(UTC) - timedelta(minutes=1))}

    def submit(self, action: Action[Any, Any], /, **given: Any) -> UUID:
        """Accept a job without a doorbell; the dispatcher rings, or an idle worker looks."""
        return self.submit_many(action, 1, **given)[0]

    def submit_many(self, action: Action[Any, Any], times: int, /, **given: Any) -> list[UUID]:
        about = {
            "action": action.name,
            "effect": action.effect.value,
            "queue": action.queue.value,
            "input": json.dumps(given),
            "max_attempts": action.retry.attempts,
        }
        return [done.job.id for done in accept(self.db, [job_of(self.user, **about) for _ in range(times)])]

    def job(self, job_id: UUID) -> Job:
        return now_of(self.db, self.user, job_id)

    def until(self, job_id: UUID, *states: State, within_s: float = TIRELESS_S) -> Job:
        """The job, once it is in one of the states."""
        eventually(lambda: self.job(job_id).state in states, within_s, f"{states} of {self.job(job_id)}")
        return self.job(job_id)

    def until_all_ended(self, ids: Iterable[UUID], within_s: float = TIRELESS_S) -> list[Job]:
        wanted = list(ids)
        eventually(lambda: all(self.job(job_id).ended for job_id in wanted), within_s, "all end")
        return [self.job(job_id) for job_id in wanted]

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    def close(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGKILL)
                process.wait(120)


def freeze(process: subprocess.Popen[bytes], db: Database) -> None:
    """SIGSTOP, at a moment at which the process does not hold SQLite's lock: nobody could write until it woke up."""
    while True:
        process.send_signal(signal.SIGSTOP)
        if not db.is_sqlite or _can_write(str(db.url.database)):
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.01)


def _can_write(file: str) -> bool:
    """Others hold the lock for some milliseconds."""
    with closing(sqlite3.connect(file, timeout=1.0)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.rollback()
    return True


def started(arguments: Sequence[str], environ: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    """A process of the engine, forked from one that has its modules unless something is to happen while it loads."""
    if engine_server().can_start(environ):
        return engine_server().start(arguments[0], arguments[1:], environ, streams=(NOTHING, log, log))
    with log.open("wb") as open_log:
        command = [sys.executable, "-m", *arguments]
        return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=open_log, stderr=open_log)


@cache
def engine_server() -> ForkServer:
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    return ForkServer("engine", **kept | USUAL)


def environment(db_url: str, redis: OwnRedis, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    own = {"DATA_DIR": str(folder / "data"), "DATABASE_URL": db_url, "REDIS_URL": redis.url, "LEASE_S": str(LEASE_S)}
    return kept | USUAL | own


def new_user(db: Database) -> User:
    """One more user, who cannot log in."""
    with db.write() as conn:
        account = register(conn, f"{new_id().hex}@example.org", "!", db.now(), open_to_all=True)
    return User(id=account.id, email=account.email)


@contextmanager
def engine_on(
    kind: type[AnyEngine], db_url: str, folder: Path, *, scheduler: bool = True, **environ: str
) -> Iterator[AnyEngine]:
    """An engine with its own Redis, of which only the scheduler runs, or nothing yet."""
    with own_redis() as redis, closing(Database(db_url)) as db:
        made = kind(db, new_user(db), redis, folder, environment(db_url, redis, folder) | environ)
        with closing(made):
            if scheduler:
                made.start("schedules")
            yield made
