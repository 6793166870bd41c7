"""Every thread of ours outlives what its items raise; should one break all the same, its process says so and ends."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from engine_kit import accept_one, eventually, now_of, row

from api.listen import ListenerThread
from engine.outbox import Outbox
from llmcoder.context import User
from llmcoder.log import OURS
from llmcoder.vital import EXIT_BROKEN
from models.db.database import Database
from models.db.group_commit import GroupCommit
from workers.attempt import Attempt
from workers.events import Events
from workers.ledger import Ledger
from workers.slots import Slots
from workers.watch import Watch

pytestmark = pytest.mark.both_stores

ROOT = Path(__file__).resolve().parents[2]
#: Somebody waits for the answer of these, with a time limit, and whatever they raise is the answer.
ANSWERING = {
    ("cli/integrations.py", "ask"),
    ("cli/up/supervisor.py", "ask"),
    ("llmcoder/net/dial.py", "look_up"),
    ("engine/account_access.py", "run"),
}
#: These serve a connection, or the browser, of one job: what breaks one closes that, and the job's library sees it.
OF_ONE_JOB = {
    ("llmcoder/net/network.py", "self._run"),
    ("llmcoder/net/proxy.py", "self._accept"),
    ("llmcoder/net/proxy.py", "self._run"),
}
THE_ONE = ("llmcoder/vital.py", "run")
Plant = Callable[..., None]


class Planted(Exception):
    """A fault that nobody foresaw."""


def plant(*_: Any, **__: Any) -> Any:
    raise Planted


# --- which there are


def calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
                    yield str(path.relative_to(ROOT)), node


def test_every_thread_is_one_that_cannot_end_in_silence_or_answers_somebody() -> None:
    found = [
        (path, *(ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "target"))
        for path, call in calls("Thread")
    ]
    assert sorted(found) == sorted(ANSWERING | OF_ONE_JOB | {THE_ONE})


def test_a_fault_is_planted_in_every_vital_thread() -> None:
    assert {(path, ast.unparse(call.args[0])) for path, call in calls("vital")} == {
        (path, name) for path, name, _ in VITAL
    }


# --- what they do with a fault in an item


def commits(db: Database, user: User) -> None:
    def work(batch: Sequence[int]) -> list[int]:
        if 13 in batch:
            raise Planted
        return [*batch]

    writer: GroupCommit[int, int] = GroupCommit("test", work)
    writer.start()
    with pytest.raises(Planted):
        writer.ask(13)
    short: GroupCommit[int, int] = GroupCommit("test", lambda batch: [])
    short.start()
    with pytest.raises(ValueError, match="shorter"):
        short.ask(1)
    assert writer.ask(1) == 1
    writer.close(), short.close()


class Claims:
    """A ledger whose first claims break."""

    def __init__(self, jobs: list[Any], breaks: int) -> None:
        self.jobs, self.breaks = jobs, breaks

    def claim_next(self, limit: int) -> list[Any]:
        if self.breaks:
            self.breaks -= 1
            raise Planted
        given, self.jobs = self.jobs[:limit], self.jobs[limit:]
        return given


class Claimed:
    def __init__(self, number: int) -> None:
        self.id = number


class Ran:
    """As much of an attempt as a slot asks for."""

    ran_s = 0.0

    def __init__(self, claimed: Claimed) -> None:
        self.claimed = claimed

    def start(self) -> None: ...

    def free_slot(self) -> bool:
        return True


def run_all(breaks: int, run: Callable[[Any], None], admit: Callable[[Any], Any], wanted: set[int]) -> None:
    done: set[int] = set()

    def noted(attempt: Any) -> None:
        done.add(attempt.claimed.id)
        run(attempt)

    ledger = Claims([Claimed(number) for number in range(20)], breaks)
    slots = Slots(2, cast("Ledger", ledger), noted, admit)
    slots.start()
    eventually(lambda: done >= wanted, what=f"{wanted - done} run")
    assert slots.drain(5.0), "no slot is lost to what broke"


def pull(db: Database, user: User) -> None:
    run_all(2, lambda attempt: None, Ran, set(range(20)))


def pull_whose_jobs_cannot_be_begun(db: Database, user: User) -> None:
    def admit(claimed: Claimed) -> Ran:
        if claimed.id % 2:
            raise Planted
        return Ran(claimed)

    run_all(0, lambda attempt: None, admit, set(range(0, 20, 2)))


def slot(db: Database, user: User) -> None:
    run_all(0, plant, Ran, set(range(20)))


class Watched:
    """A worker process whose every part breaks."""

    name, queue, lease_s, slots_count, claimed_at = "w1", "io", 30.0, 1, None
    known: frozenset[str] = frozenset()
    overdue = write_again = plant

    def __init__(self, running: list[Attempt]) -> None:
        self._running = running

    def running(self) -> list[Attempt]:
        return self._running

    def trouble(self) -> None:
        return None

    def leave(self, why: str) -> None: ...


def watch(db: Database, user: User) -> None:
    """Neither what breaks in one step, nor a progress that cannot be written, costs the others their leases."""
    from engine_kit import take

    job = accept_one(db, user)
    attempt = Attempt(take(db, job.id, lease_s=1.0)[0], None)
    attempt.show(0.5, cast("str", object()))
    before = row(db, job.id).lease_until
    process: Any = Watched([attempt])
    watching = Watch(db, process, beats=True)
    watching._renewed_at = float("-inf")
    watching.start()
    eventually(lambda: row(db, job.id).lease_until > before, what="the lease is renewed")
    assert watching._thread.is_alive()
    watching.close()


def outbox(db: Database, user: User, redis_url: str) -> None:
    box = Outbox(redis_url, redis_url, 10)
    sent = threading.Event()
    box._bell.ring = plant  # type: ignore[method-assign]
    box.start()
    box.ring([cast("Any", _ring())])
    eventually(lambda: box._window._rest_until > 0, what="the broken doorbell is dropped")
    box._publish = lambda pushes: sent.set()  # type: ignore[method-assign]
    box.live(user.id, {"type": "log"})
    assert sent.wait(10)
    box.close()


def _ring() -> Any:
    from engine.doorbells import Ring
    from llmcoder.ids import new_id

    return Ring(new_id(), 0, "test.echo", "io")


def events(db: Database, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.events.REST_AFTER_FAILURE_S", 0.0)
    asked = threading.Semaphore(0)

    class App:
        def connection_for_write(self) -> Any:
            asked.release()
            raise Planted

    told = Events(cast("Any", App()), "io@test")
    told.start()
    from engine_kit import take

    job = take(db, accept_one(db, user).id)[0]
    for _ in range(2):
        told.claimed(job)
        assert asked.acquire(timeout=10)
    told.close()


def listener(db: Database, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.listen.FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr("api.listen.LONGEST_PAUSE_S", 0.0)
    runs = threading.Semaphore(0)

    class Deaf:
        name, settings = "deaf", None

        def configured(self, _: Any) -> bool:
            return True

        def run(self, _: Any) -> None:
            runs.release()
            raise SystemExit(3)

    class Ear:
        def __init__(self, _: str) -> None:
            self._end, self.heard = threading.Event(), False
            self.wait, self.end = self._end.wait, self._end.set

        @property
        def ended(self) -> bool:
            return self._end.is_set()

        def hang_up(self) -> None: ...

    class Own:
        def get(self, _: Any) -> None: ...

    kept = ListenerThread(cast("Any", Deaf()), cast("Any", Own()), Ear)
    kept.look()
    for _ in range(3):
        assert runs.acquire(timeout=10)
    kept.end()


def trigger(db: Database, user: User) -> None:
    from engine.duties import Duties
    from schedules.deadlines import WatchedTrigger

    runs = threading.Semaphore(0)

    class Broken:
        is_abandoned = False

        def ask(self) -> int:
            runs.release()
            raise SystemExit(3)

    duties = Duties()
    asked = WatchedTrigger("ask test.broken", cast("Any", Broken), duties)
    for _ in range(3):
        asked.look()
        assert runs.acquire(timeout=10)
        assert asked._run is not None
        asked._run.thread.join(10)
    assert duties.all()["ask test.broken"].failures == 3


#: Where a vital thread is made, under which name, and what plants a fault in its items; those that have none, since
#: they do one thing and end their process by it, have the fault in that.
VITAL: list[tuple[str, str, Plant | None]] = [
    ("models/db/group_commit.py", "name", commits),
    ("workers/slots.py", "'pull'", pull),
    ("workers/slots.py", "'pull'", pull_whose_jobs_cannot_be_begun),
    ("workers/slots.py", "f'slot-{number}'", slot),
    ("workers/watch.py", "'watch'", watch),
    ("engine/outbox.py", "'outbox'", outbox),
    ("workers/events.py", "'events'", events),
    ("api/listen.py", "self.listener.name", listener),
    ("schedules/deadlines.py", "self.name", trigger),
    ("workers/runtime.py", "'give-back'", None),
    ("workers/runtime.py", "'leave'", None),
]


@pytest.mark.parametrize("planting", [one for *_, one in VITAL if one is not None], ids=lambda one: one.__name__)
def test_a_fault_in_one_item_ends_no_thread(
    planting: Plant, db: Database, user: User, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr("llmcoder.vital.end_process", ended.append)
    wanted = planting.__code__.co_varnames[2 : planting.__code__.co_argcount]
    planting(db, user, *(request.getfixturevalue(name) for name in wanted))
    assert ended == []
    assert now_of(db, user, accept_one(db, user).id) is not None


# --- what becomes of a process whose thread breaks all the same

BROKEN = """
import threading, time
from llmcoder.log import set_up_logging
from llmcoder.vital import vital
set_up_logging()
def loop():
    raise {kind}("planted")
vital("the-loop", loop).start()
time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["RuntimeError", "MemoryError", "SystemExit", "KeyboardInterrupt", "RecursionError"])
def test_a_thread_that_breaks_ends_its_process_with_a_failing_code_and_a_line(kind: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", BROKEN.format(kind=kind)], cwd=ROOT, capture_output=True, text=True, timeout=50
    )
    assert process.returncode == EXIT_BROKEN
    told = process.stdout + process.stderr
    assert "the-loop" in told and kind in told and "critical" in told.lower()
