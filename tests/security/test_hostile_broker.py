"""Whoever can write to Redis: real workers are given everything but doorbells, and go on as if nothing was said."""

from __future__ import annotations

import json
import os
import pickle
import zlib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
import pytest
import sqlalchemy as sa
from celery import Celery
from engine_kit import Engine, engine_on, eventually, load_testkit

from engine.broker import PREFIX, for_kombu, transport_options
from engine.doorbells import RedisBell, Ring, envelope
from llmcoder.ids import new_id
from llmcoder.states import State
from models.jobs.tables import jobs

kit = load_testkit()
QUEUES = ("io", "heavy")
LARGE_BYTES = 5_000_000
MOST_GROWTH_BYTES = 60_000_000


class Workers(Engine):
    """An io and a heavy worker without a scheduler, so that nothing but a doorbell calls them."""

    def lives(self) -> list[int]:
        """The processes that must stay the same."""
        return [process.pid for process in self.processes if process.poll() is None]

    def push(self, queue: str, *messages: bytes) -> None:
        with closing(self.redis.client()) as client:
            client.lpush(PREFIX + queue, *messages)

    def waiting(self) -> int:
        with closing(self.redis.client()) as client:
            return sum(int(client.llen(PREFIX + queue)) for queue in QUEUES)

    def work(self) -> None:
        """A true doorbell on each queue, after whatever stands before it."""
        for action, given in ((kit.echo, {"text": "a"}), (kit.take_heavy_nap, {"seconds": 0})):
            job_id = self.submit(action, **given)
            with closing(RedisBell(self.redis.url)) as bell:
                bell.ring([Ring(job_id, 0, action.name, action.queue.value)])
            self.until(job_id, State.SUCCEEDED)
        eventually(lambda: self.waiting() == 0, what="every message is taken")


@pytest.fixture(scope="module")
def shared_engine(module_db_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with engine_on(Workers, module_db_url, tmp_path_factory.mktemp("engine"), scheduler=False) as made:
        yield made


@pytest.fixture
def engine(shared_engine: Workers) -> Workers:
    """A worker of each queue, of an earlier test or new: any may come after the one that ends them."""
    if not shared_engine.processes:
        for queue in QUEUES:
            shared_engine.start_worker(queue)
        shared_engine.work()
    return shared_engine


class Bomb:
    """Whoever unpickles it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def message(queue: str, *, headers: Any = None, body: bytes | None = None, **more: Any) -> bytes:
    """A message as kombu writes it, with some of it forged."""
    true: dict[str, Any] = json.loads(envelope(Ring(new_id(), 0, "test.echo", queue)))
    if isinstance(headers, dict):
        true["headers"] |= headers
    elif headers is not None:
        true["headers"] = headers
    if body is not None:
        true["body"] = b64encode(body).decode()
    return json.dumps(true | more).encode()


def body(*args: Any, **embed: Any) -> bytes:
    return json.dumps([args, {}, embed]).encode()


def no_messages() -> list[bytes]:
    """What is no message at all."""
    nothing = [b"", b"x", b"{", b"null", b"[]", b"{}", b"1e999", b'"text"', b"\xff\xfe\x00", b"[" * 100_000]
    return [*nothing, pickle.dumps({"a": 1}), b'{"body": 1, "properties": {}}', b'{"properties": null}']


def forged(queue: str, made: Path) -> list[bytes]:
    """Messages that would do something, break something or run something."""
    job = str(new_id())
    signature = {"task": "test.echo", "args": [job, 0], "kwargs": {}, "options": {}, "subtask_type": None}
    other = {"application/x-python-serialize": pickle.dumps(Bomb(made)), "application/x-yaml": _yaml(made)}
    serialised = [
        message(queue, body=content, **{"content-type": kind, "content-encoding": "binary"})
        for kind, content in other.items()
    ]
    headers: list[Any] = [
        {"task": "os.system"}, {"task": "test.no_such_action"}, {"task": ["list"]}, {"task": None}, {"task": 1},
        {"task": "celery.chord_unlock"}, {"task": "celery.map"}, {"task": "celery.backend_cleanup"}, [], "text", 1,
        {"eta": "2099-01-01T00:00:00"}, {"eta": "never"}, {"expires": "x"}, {"retries": "x"}, {"timelimit": [1e-9, 1]},
        {"timelimit": "x"}, {"id": None}, {"id": {}}, {"id": "x" * 10_000}, {"reply_to": "llmcoder:heavy"},
        {"compression": "application/x-gzip"}, {"compression": "no such"}, {"stamped_headers": ["a"], "stamps": 1},
        {"lang": "java", "shadow": ["x"], "argsrepr": {}},
    ]  # fmt: skip
    bodies = [
        b"", b"[]", b"{}", b"null", b"\xff", body(), body("no id", 0), body(job), body(job, 0, 1), body(job, "x"),
        body([job], 0), body(1, 0), body(None, None), body(job, 0, callbacks=[signature]),
        body(job, 0, chord=signature, errbacks=[signature], chain=[signature]), body(job, 0, callbacks="x"),
        json.dumps([[job, 0], {"app": 1}, None]).encode(), body(job, 10**400), b"[" * 100_000,
    ]  # fmt: skip
    return [
        *serialised,
        *(message(queue, headers=one) for one in headers),
        *(message(queue, body=one) for one in bodies),
        message(queue, properties={}),
        message(queue, properties={"delivery_tag": [], "body_encoding": "base64"}),
        message(queue, properties={"delivery_tag": "x", "body_encoding": "no such"}),
        message(queue, properties={"delivery_tag": "x", "delivery_info": None, "priority": "x", "reply_to": 1}),
        message(queue, **{"content-type": "application/x-no-such"}),
        message(queue, **{"content-encoding": "rot13"}),
        message(queue, body=b"x" * LARGE_BYTES),
        message(queue, headers={"task": "x" * LARGE_BYTES}),
        message(queue, headers={"compression": "zlib"}, body=zlib.compress(bytes(500_000_000), 9)),
        envelope(Ring(new_id(), 0, "test.echo", queue)),
    ]


def _yaml(made: Path) -> bytes:
    return f"!!python/object/apply:os.system ['touch {made}']".encode()


def rss_bytes(pids: list[int]) -> int:
    return max(psutil.Process(pid).memory_info().rss for pid in pids)


@pytest.mark.parametrize("queue", QUEUES)
def test_what_is_no_message_ends_no_worker(engine: Workers, queue: str) -> None:
    before = engine.lives()
    for junk in no_messages():
        engine.push(queue, junk)
    engine.work()
    assert engine.lives() == before


@pytest.mark.parametrize("queue", QUEUES)
def test_forged_messages_run_nothing_and_end_no_worker(engine: Workers, queue: str, tmp_path: Path) -> None:
    before, size = engine.lives(), rss_bytes(engine.lives())
    for junk in forged(queue, tmp_path / "made"):
        engine.push(queue, junk)
    engine.work()
    assert engine.lives() == before
    assert list(tmp_path.iterdir()) == []
    assert rss_bytes(before) - size < MOST_GROWTH_BYTES
    assert_quotes_nothing(engine.logs())


def test_a_doorbell_for_a_job_that_is_not_due_leaves_it_alone(engine: Workers) -> None:
    """Whoever rings for somebody else's job has rung, and no more."""
    waiting = engine.submit(kit.echo, text="not yet")
    with engine.db.write() as conn:
        states = {"state": State.WAITING.value, "reason": "approval"}
        conn.execute(sa.update(jobs).where(jobs.c.id == waiting).values(**states))
    with closing(RedisBell(engine.redis.url)) as bell:
        bell.ring([Ring(waiting, attempt, "test.echo", "io") for attempt in (0, 1, 99)])
        bell.ring([Ring(waiting, 0, "test.take_heavy_nap", "heavy"), Ring(UUID(int=0), 0, "test.echo", "io")])
    engine.work()
    job = engine.job(waiting)
    assert (job.state, job.attempt) == (State.WAITING, 0)


COMMANDS: list[dict[str, Any]] = [
    {"method": "shutdown", "arguments": {}},
    {"method": "pool_restart", "arguments": {"modules": ["os"], "reload": True}},
    {"method": "pool_shrink", "arguments": {"n": 1000}},
    {"method": "cancel_consumer", "arguments": {"queue": "io"}},
    {"method": "add_consumer", "arguments": {"queue": "llmcoder.evil"}},
    {"method": "revoke", "arguments": {"task_id": "x", "terminate": True, "signal": "KILL"}},
    {"method": "time_limit", "arguments": {"task_name": "test.echo", "hard": 1e-6}},
    {"method": "rate_limit", "arguments": {"task_name": "test.echo", "rate_limit": "0.0001/h"}},
    {"method": "election", "arguments": {"id": "x", "topic": "task", "action": {"task": "test.echo"}}},
    {"method": "no_such"},
    {"method": ["list"], "arguments": 1},
    {},
]


def broadcast(command: Any) -> bytes:
    return json.dumps(
        {
            "body": b64encode(json.dumps(command).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"clock": 1, "expires": None},
            "properties": {
                "delivery_mode": 2,
                "delivery_info": {"exchange": "celery.pidbox", "routing_key": ""},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": str(new_id()),
            },
        }
    ).encode()


def asked(engine: Workers) -> set[str]:
    """Who answers a question, as Flower asks it; they hear it after whatever was broadcast before."""
    with Celery(broker=for_kombu(engine.redis.url)) as app:
        app.conf.broker_transport_options = transport_options(engine.redis.url)
        answers = app.control.inspect(timeout=1).stats() or {}
    return {name.partition("@")[0] for name in answers}


def test_remote_commands_change_nothing_and_questions_are_answered(engine: Workers) -> None:
    """Celery's broadcast channel takes `shutdown` from anybody who can publish."""
    before = engine.lives()
    junk = [*no_messages(), broadcast([]), broadcast("x"), broadcast(None), message("io", headers=[])]
    for messages in (list(map(broadcast, COMMANDS)), junk):  # some junk makes Celery listen anew
        with closing(engine.redis.client()) as client:
            for one in messages:
                client.publish(f"{PREFIX}/0.celery.pidbox", one)
        eventually(lambda: asked(engine) == set(QUEUES), what="both answer")
    engine.work()
    assert engine.lives() == before


def assert_quotes_nothing(log: str) -> None:
    assert "os.system" not in log and "xxxxxxxxxxxx" not in log


@pytest.mark.parametrize("queue", QUEUES)
def test_the_log_says_what_was_dropped_and_quotes_none_of_it(engine: Workers, queue: str) -> None:
    forged_one = {"task": "os.system", "id": "x" * 1_000, "timelimit": "x"}
    engine.push(queue, message(queue, headers=forged_one), message(queue, headers="x" * 1_000))
    engine.work()
    assert "no doorbell" in engine.logs()
    assert_quotes_nothing(engine.logs())


def test_the_workers_still_end_when_they_are_told(engine: Workers) -> None:
    for process in engine.processes:
        process.terminate()
    codes = [process.wait(120) for process in engine.processes]
    engine.processes.clear()  # the next test starts others
    assert codes == [0, 0]
