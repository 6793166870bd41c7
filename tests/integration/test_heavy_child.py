"""The heavy worker's child: made by the first job that needs it, gone after a while without; no job is lost by that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from uuid import UUID

import psutil
import pytest
from engine_kit import ROOT, Engine, engine_on, eventually, freeze, job_of, load_testkit

from engine.outbox import Outbox
from engine.submitter import Submitter
from llmcoder.states import Reason, State

kit = load_testkit()
NEVER_S, SOON_S = 3600.0, 0.5


class Heavy(Engine):
    """A scheduler and one heavy worker."""

    def worker(self, idle_s: float = NEVER_S) -> psutil.Process:
        process = self.start("tests.integration.held_heavy_worker", str(self.folder), str(idle_s), "heavy")
        eventually(lambda: process.pid in self.worker_pids(), what="the heavy worker starts")
        return psutil.Process(process.pid)

    def nap(self, seconds: float = 0.0) -> UUID:
        """As the API submits: with a doorbell."""
        action = kit.take_heavy_nap
        about = {"action": action.name, "effect": action.effect.value, "queue": action.queue.value}
        with closing(Outbox(self.redis.url, self.redis.url, 400)) as outbox:
            outbox.start()
            job = job_of(self.user, input=json.dumps({"seconds": seconds}), **about)
            return Submitter(self.db, outbox).submit_now([job])[0].job.id

    @contextmanager
    def nobody_rings_again(self) -> Iterator[None]:
        """What the pool forgets then stays undone."""
        scheduler = self.processes[0]
        freeze(scheduler, self.db)
        try:
            yield
        finally:
            scheduler.send_signal(signal.SIGCONT)

    def wait_at(self, moment: str) -> None:
        for name in ("met", "go"):
            (self.folder / name).unlink(missing_ok=True)
        (self.folder / "waits").write_text(moment)

    def met(self) -> None:
        eventually((self.folder / "met").exists, what="the child comes to that moment")

    def go(self) -> None:
        (self.folder / "go").touch()

    def stop(self, worker: psutil.Process) -> int | None:
        [process] = [one for one in self.processes if one.pid == worker.pid]
        process.send_signal(signal.SIGTERM)
        return process.wait(120)


@pytest.fixture
def engine(db_url: str, tmp_path: Path) -> Iterator[Heavy]:
    with engine_on(Heavy, db_url, tmp_path) as made:
        yield made


def children(worker: psutil.Process) -> list[int]:
    return [child.pid for child in worker.children()]


def test_an_idle_worker_has_no_child_and_the_first_job_makes_one_that_stays(engine: Heavy) -> None:
    worker = engine.worker()
    assert children(worker) == []
    with engine.nobody_rings_again():
        assert engine.until(engine.nap(), State.SUCCEEDED).attempt == 1
        [child] = children(worker)
        for _ in range(3):
            engine.until(engine.nap(), State.SUCCEEDED)
        assert children(worker) == [child]
    assert engine.stop(worker) == 0


def test_a_child_without_work_ends_while_its_worker_lives_and_the_next_job_makes_another(engine: Heavy) -> None:
    worker = engine.worker(idle_s=SOON_S)
    with engine.nobody_rings_again():
        for _ in range(3):
            engine.until(engine.nap(), State.SUCCEEDED)
            assert len(children(worker)) <= 1
            eventually(lambda: children(worker) == [], what="the idle child ends")
        assert worker.status() != psutil.STATUS_ZOMBIE
    assert "exited with" not in engine.logs(), "Celery's words for a child that should not have ended"
    assert engine.stop(worker) == 0


def test_a_child_that_works_is_never_idle(engine: Heavy) -> None:
    worker = engine.worker(idle_s=SOON_S)
    nap = engine.nap(seconds=SOON_S * 8)
    engine.until(nap, State.RUNNING)
    [child] = children(worker)
    done = engine.until(nap, State.SUCCEEDED)
    assert done.attempt == 1
    assert children(worker) in ([child], [])


def test_a_job_that_comes_while_the_child_ends_is_done_by_the_next_one(engine: Heavy) -> None:
    """With nobody to ring again: a job that the pool wrote to a child which had decided to end is not forgotten."""
    worker = engine.worker(idle_s=SOON_S)
    with engine.nobody_rings_again():
        engine.wait_at("ends")
        engine.until(engine.nap(), State.SUCCEEDED)
        [ending] = children(worker)
        engine.met()
        late = [engine.nap(), engine.nap()]
        engine.go()
        assert [job.attempt for job in engine.until_all_ended(late)] == [1, 1]
        assert {engine.job(job_id).state for job_id in late} == {State.SUCCEEDED}
        assert ending not in children(worker)


def test_a_child_killed_in_the_middle_of_a_job_costs_one_attempt_and_the_next_job_makes_another(engine: Heavy) -> None:
    worker = engine.worker()
    nap = engine.nap(seconds=3)
    engine.until(nap, State.RUNNING)
    [child] = children(worker)
    waiting = engine.nap()
    os.kill(child, signal.SIGKILL)
    assert engine.until(waiting, State.SUCCEEDED).attempt == 1
    again = engine.until(nap, State.SUCCEEDED)
    assert again.attempt == 2, "after its lease"
    assert child not in children(worker)


def test_a_child_killed_without_work_is_not_replaced_until_there_is_some(engine: Heavy) -> None:
    worker = engine.worker()
    engine.until(engine.nap(), State.SUCCEEDED)
    [child] = children(worker)
    os.kill(child, signal.SIGKILL)
    eventually(lambda: children(worker) == [], what="the killed child is buried")
    with engine.nobody_rings_again():
        engine.until(engine.nap(), State.SUCCEEDED)
    assert len(children(worker)) == 1


@pytest.mark.parametrize("has_worked", [False, True])
def test_a_worker_that_is_told_to_stop_ends_with_or_without_a_child(engine: Heavy, has_worked: bool) -> None:
    worker = engine.worker()
    if has_worked:
        engine.until(engine.nap(), State.SUCCEEDED)
    below = worker.children()
    assert len(below) == has_worked
    assert engine.stop(worker) == 0
    assert not [child for child in below if child.is_running()]


@pytest.mark.parametrize("moment", ["starts", "ends"])
def test_a_worker_that_is_told_to_stop_while_its_child_starts_or_ends_loses_nothing(engine: Heavy, moment: str) -> None:
    worker = engine.worker(idle_s=SOON_S)
    engine.wait_at(moment)
    if moment == "ends":
        engine.until(engine.nap(), State.SUCCEEDED)
        engine.met()
    late = engine.nap()
    if moment == "starts":
        engine.met()
    worker.send_signal(signal.SIGTERM)
    engine.go()
    assert engine.stop(worker) == 0
    assert engine.job(late).state in (State.QUEUED, State.SUCCEEDED)
    engine.worker()
    assert engine.until(late, State.SUCCEEDED).attempt == 1


def test_a_child_that_is_told_of_the_stop_before_it_claims_claims_nothing(engine: Heavy) -> None:
    """It was told nothing as long as it had no runtime, and ran its first job to the end, or until it was killed."""
    worker = engine.worker()
    engine.wait_at("begins")
    nap = engine.nap(seconds=25)
    engine.met()
    assert engine.stop(worker) == 0
    assert (engine.job(nap).state, engine.job(nap).attempt) == (State.QUEUED, 0)


def test_a_job_that_runs_at_the_stop_is_given_back(engine: Heavy) -> None:
    worker = engine.worker()
    nap = engine.nap(seconds=25)
    engine.until(nap, State.RUNNING)
    assert engine.stop(worker) == 0
    assert (engine.job(nap).state, engine.job(nap).reason) == (State.QUEUED, Reason.RELEASED)


def sockets_of(pid: int) -> set[str]:
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(path.readlink()))
    return {one for one in found if one.startswith("socket:")}


def test_a_child_leaves_its_parent_the_connections_that_came_with_it(engine: Heavy) -> None:
    """Or one that the parent gives up stays open, and the parent waits for an answer on another that has its number."""
    worker = engine.worker()
    engine.until(engine.nap(), State.SUCCEEDED)
    [child] = children(worker)
    assert sockets_of(worker.pid) and sockets_of(child)
    assert sockets_of(worker.pid) & sockets_of(child) == set()


def test_a_worker_whose_connections_break_goes_on_with_the_child_that_it_has(engine: Heavy) -> None:
    worker = engine.worker()
    engine.until(engine.nap(), State.SUCCEEDED)
    [child] = children(worker)
    for _ in range(3):
        with closing(engine.redis.client()) as client:
            for kind in ("pubsub", "normal"):
                client.client_kill_filter(_type=kind, skipme=True)
        assert engine.until(engine.nap(), State.SUCCEEDED).attempt == 1
    assert children(worker) == [child]
    assert engine.stop(worker) == 0


def test_a_worker_may_be_told_to_stop_while_it_is_being_told() -> None:
    """Celery's signal of that is sent in a handler, which comes amid itself; the second one waited for the first."""
    program = (
        "from celery import signals\n"
        "import workers.app\n"
        "lock = signals.worker_shutting_down.lock\n"
        "with lock:\n"
        "    assert lock.acquire(blocking=False)\n"
    )
    env = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0"}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env, check=True, timeout=120)
