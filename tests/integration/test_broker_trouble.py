"""A Redis that answers and refuses: jobs are accepted and run from SQL meanwhile, and doorbells come back after it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
import redis
from engine_kit import ROOT, Engine, engine_on, eventually, job_of, load_testkit

from engine.broker import KEY_TYPES, PREFIX, PRIORITY_MARK, mend_keys
from engine.doorbells import RedisBell, Ring
from engine.outbox import Outbox
from engine.submitter import Submitter
from llmcoder.states import State

kit = load_testkit()
JOBS = 6


class Carried(Engine):
    """A scheduler and a worker of each queue, which must all be the same processes in the end."""

    def submit_as_the_api_does(self, times: int) -> list[UUID]:
        with closing(Outbox(self.redis.url, self.redis.url, 400)) as outbox:
            outbox.start()
            submitter = Submitter(self.db, outbox)
            new = [job_of(self.user, action="test.echo", input='{"text":"a"}') for _ in range(times)]
            return [done.job.id for done in submitter.submit_now(new)]

    def codes(self) -> list[int | None]:
        return [process.poll() for process in self.processes]


@pytest.fixture(scope="module")
def shared_engine(module_db_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    with engine_on(Carried, module_db_url, tmp_path_factory.mktemp("engine"), scheduler=False) as made:
        yield made


@pytest.fixture
def engine(shared_engine: Carried) -> Carried:
    """A scheduler and a worker of each queue, of an earlier test or new: any may come after the one that ends them."""
    if not shared_engine.processes:
        shared_engine.start("schedules")
        for queue in ("io", "heavy"):
            shared_engine.start_worker(queue)
    return shared_engine


@pytest.fixture
def broker(engine: Carried) -> Iterator[redis.Redis]:
    with closing(engine.redis.client()) as client:
        yield client


# --- keys of a wrong type


def put_text(client: redis.Redis, *keys: str) -> None:
    for key in keys:
        client.set(key, "x")


def put_list(client: redis.Redis, *keys: str) -> None:
    with client.pipeline() as both:  # at once, or a worker declares it in between
        for key in keys:
            both.delete(key).rpush(key, "x")
        both.execute()


def every_key(client: redis.Redis, *_: str) -> None:
    names = {key.decode() for key in client.scan_iter(f"{PREFIX}*")}
    put_text(client, *names, f"{PREFIX}io", f"{PREFIX}heavy", f"{PREFIX}_kombu.binding.celery.pidbox")


KEYS: list[tuple[Callable[..., None], str]] = [
    (put_text, "io"),
    (put_text, "heavy"),
    (put_text, f"io{PRIORITY_MARK}3"),
    (put_text, "_kombu.binding.celery.pidbox"),
    (put_text, "_kombu.binding.celeryev"),
    (put_list, "_kombu.binding.celery.pidbox"),
    (put_text, "unacked"),
    (put_text, "unacked_index"),
    (put_list, "epoch"),
    (every_key, ""),
]


@pytest.mark.parametrize(("put", "name"), KEYS, ids=[f"{put.__name__} {name!r}" for put, name in KEYS])
def test_a_key_of_a_wrong_type_stops_nobody_and_is_made_anew(
    engine: Carried, broker: redis.Redis, put: Callable[..., None], name: str
) -> None:
    for _ in range(3):  # also while the workers are still coming back from the time before
        put(broker, PREFIX + name)
        ids = engine.submit_as_the_api_does(JOBS)
        assert {job.state for job in engine.until_all_ended(ids)} == {State.SUCCEEDED}
    assert_doorbells_are_back(engine)


def assert_doorbells_are_back(engine: Carried) -> None:
    """A heavy job is only ever called for by a doorbell."""
    heavy = engine.submit(kit.take_heavy_nap, seconds=0)
    engine.until(heavy, State.SUCCEEDED)
    io = engine.submit(kit.echo, text="a")
    with closing(RedisBell(engine.redis.url)) as bell:
        bell.ring([Ring(io, 0, kit.echo.name, "io")])
        engine.until(io, State.SUCCEEDED)
        eventually(lambda: bell.out("io") == 0, what="the doorbell is taken")
    assert engine.codes() == [None] * len(engine.processes)


def test_only_what_is_ours_and_wrong_is_deleted(engine: Carried, broker: redis.Redis) -> None:
    true = {"string": b"x", "list": [b"x"], "set": {b"x"}, "hash": {b"x": b"1"}, "zset": {b"x": 1}}
    fill: dict[str, Callable[[str], object]] = {
        "string": lambda key: broker.set(key, "x"),
        "list": lambda key: broker.rpush(key, "x"),
        "set": lambda key: broker.sadd(key, "x"),
        "hash": lambda key: broker.hset(key, "x", "1"),
        "zset": lambda key: broker.zadd(key, {"x": 1}),
    }
    made = [(f"{PREFIX}{beginning}test.{kind}", kind, kind == right) for beginning, right in KEY_TYPES for kind in true]
    made += [(f"{PREFIX}somebodys.{kind}", kind, True) for kind in true]
    made += [(f"other:io.{kind}", kind, True) for kind in true]
    for key, kind, _ in made:
        fill[kind](key)
    gone = mend_keys(broker)
    assert set(gone) >= {key for key, _, stays in made if not stays}
    assert {key for key, _, _ in made if broker.exists(key)} == {key for key, _, stays in made if stays}
    broker.delete(*(key for key, _, _ in made))


# --- a Redis that refuses commands


def out_of_memory(client: redis.Redis, folder: Path) -> None:
    client.config_set("maxmemory", 1)


def no_writes_since_it_is_a_replica(client: redis.Redis, folder: Path) -> None:
    client.replicaof("127.0.0.1", 1)


def no_password(client: redis.Redis, folder: Path) -> None:
    client.config_set("requirepass", "secret")
    client.client_kill_filter(_type="normal", skipme=True)
    client.client_kill_filter(_type="pubsub", skipme=True)


def no_permission(client: redis.Redis, folder: Path) -> None:
    client.acl_setuser("default", commands=["-@list", "-set", "-@set"])


def no_permission_at_all(client: redis.Redis, folder: Path) -> None:
    client.acl_setuser("default", commands=["-@all", "+config", "+acl", "+auth", "+ping", "+client", "+replicaof"])


def disk_full(client: redis.Redis, folder: Path) -> None:
    (folder / "dump.rdb").mkdir(exist_ok=True)  # no snapshot can take that name
    client.config_set("save", "1 1")
    client.set("somebodys", "x")
    client.bgsave()
    eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", what="the snapshot fails")


def undo(client: redis.Redis) -> None:
    client.acl_setuser("default", commands=["+@all"])
    client.config_set("requirepass", "")
    client.acl_setuser("default", enabled=True, nopass=True, keys=["*"], channels=["*"])
    client.replicaof("NO", "ONE")
    client.config_set("maxmemory", 0)
    client.config_set("save", "")
    client.config_set("stop-writes-on-bgsave-error", "no")
    client.config_set("stop-writes-on-bgsave-error", "yes")


REFUSALS = [
    out_of_memory, no_writes_since_it_is_a_replica, no_password, no_permission, no_permission_at_all, disk_full,
]  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda one: one.__name__)
def test_a_broker_that_refuses_is_one_that_is_away(
    engine: Carried, broker: redis.Redis, refusal: Callable[[redis.Redis, Path], None]
) -> None:
    refusal(broker, engine.redis.folder)
    try:
        for _ in range(3):
            ids = engine.submit_as_the_api_does(JOBS)
            assert {job.state for job in engine.until_all_ended(ids)} == {State.SUCCEEDED}
        assert engine.codes() == [None] * len(engine.processes)
        late = engine.submit_as_the_api_does(1)  # a worker that starts into it works from SQL, too
        new = engine.start_worker("io")
        engine.until_all_ended(late)
    finally:
        undo(broker)
    assert "the broker is away" in engine.logs()
    assert_doorbells_are_back(engine)
    new.terminate()
    assert new.wait(25) == 0
    engine.processes.remove(new)


# --- an end that is a failure


def test_a_worker_that_cannot_go_on_says_so_by_its_code(engine: Carried, tmp_path: Path) -> None:
    process = engine.start("workers", "io", REDIS_URL="redis://localhost:notaport")
    assert process.wait(60) not in (0, None)
    engine.processes.remove(process)


BROKEN = """
import sys
from celery import Celery
from workers.__main__ import run
app = Celery("broken", broker="memory://")
app.conf.worker_consumer = "no.such:Consumer"
sys.exit(run(app, ["--pool=solo", "--loglevel=CRITICAL"]))
"""


def test_the_exit_code_of_celerys_worker_is_that_of_the_process() -> None:
    """Celery's `worker_main` forgets it: workers that crashed were started anew, for ever, with code 0."""
    command = [sys.executable, "-W", "ignore", "-c", BROKEN]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60).returncode == 1


def test_everything_that_is_started_ends_well(engine: Carried) -> None:
    for process in engine.processes:
        process.terminate()
    codes = [_wait(process) for process in engine.processes]
    engine.processes.clear()  # the next test starts others
    assert codes == [0] * len(codes)


def _wait(process: subprocess.Popen[bytes]) -> int:
    return process.wait(30)
