"""Doorbells: a prepared envelope is, to Celery and kombu, what Celery's own publisher sends. And their window."""

from __future__ import annotations

import json
import socket
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
import redis
from celery import Celery
from celery.contrib.testing.worker import start_worker
from kombu.transport.virtual import Message

from engine.broker import PREFIX, for_kombu, transport_options
from engine.doorbells import Bell, DoorbellWindow, KombuBell, RedisBell, Ring, connect_bell, envelope
from llmcoder.errors import Transient
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover

#: The package of actions that tests have, found by its entry point.
PLUGIN = Path(__file__).parents[1] / "plugin"
OWN_WORDS = {"origin", "argsrepr", "kwargsrepr", "ignore_result"}  # where ours says less, or names itself


def ring(queue: str = "io", action: str = "test.echo") -> Ring:
    return Ring(new_id(), 3, action, queue)


@pytest.fixture
def app(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """A Celery app as plain as can be, on the broker settings of the engine, which know the tests' actions."""
    monkeypatch.syspath_prepend(PLUGIN)
    known = Registry(discover())  # the process's own may have been loaded before them
    monkeypatch.setattr("engine.transport.registry", lambda: known)
    app = Celery("plain", broker=for_kombu(redis_url), set_as_current=False)
    options = transport_options(redis_url)
    app.conf.update(broker_transport_options=options, result_backend=None, task_default_queue="io")
    yield app
    app.close()


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(redis_url)) as client:
        yield client


def standing(client: redis.Redis, queue: str) -> list[dict[str, Any]]:
    return [json.loads(message) for message in client.lrange(PREFIX + queue, 0, -1)]


def test_an_envelope_means_what_celerys_own_publisher_sends(app: Celery, redis_client: redis.Redis) -> None:
    one = ring()
    app.send_task(one.action, args=[str(one.job_id), one.attempt], task_id=str(one.job_id), queue="io")
    theirs = standing(redis_client, "io")[0]
    ours = json.loads(envelope(one))
    assert set(ours) == set(theirs)
    assert json.loads(b64decode(ours["body"])) == json.loads(b64decode(theirs["body"]))
    for name in ("content-type", "content-encoding"):
        assert ours[name] == theirs[name]
    known = set(theirs["headers"]) & set(ours["headers"]) - OWN_WORDS
    assert {name: ours["headers"][name] for name in known} == {name: theirs["headers"][name] for name in known}
    assert set(ours["headers"]) <= set(theirs["headers"])
    for name in ("correlation_id", "delivery_mode", "body_encoding", "priority"):
        assert ours["properties"][name] == theirs["properties"][name]
    assert ours["properties"]["delivery_info"]["routing_key"] == theirs["properties"]["delivery_info"]["routing_key"]


def test_kombu_decodes_an_envelope(app: Celery) -> None:
    one = ring()
    with app.connection_for_read() as connection, connection.channel() as channel:
        message = Message(json.loads(envelope(one)), channel=channel)
        args, kwargs, embed = message.decode()
        assert (args, kwargs) == ([str(one.job_id), 3], {})
        assert set(embed.values()) == {None}
        assert message.headers["task"] == "test.echo"


def test_an_envelope_carries_an_id_and_an_attempt_and_nothing_else() -> None:
    one = ring()
    message = json.loads(envelope(one))
    assert json.loads(b64decode(message["body"]))[0] == [str(one.job_id), 3]
    assert (message["headers"]["argsrepr"], message["headers"]["kwargsrepr"]) == ("", "")


@pytest.mark.parametrize("kind", [RedisBell, KombuBell])
def test_a_celery_task_consumes_what_a_bell_rings(app: Celery, redis_url: str, kind: type[Bell]) -> None:
    taken: dict[str, int] = {}
    all_there = threading.Event()
    rings = [ring() for _ in range(20)]

    @app.task(name="test.echo", shared=False)
    def echo(job_id: str, attempt: int) -> None:
        taken[job_id] = attempt
        if len(taken) == len(rings):
            all_there.set()

    bell = kind(redis_url)  # type: ignore[call-arg]
    try:
        bell.ring(rings)
        assert bell.out("io") == 20
        with start_worker(app, perform_ping_check=False, pool="solo", shutdown_timeout=10):
            assert all_there.wait(120)
        assert bell.out("io") == 0
    finally:
        bell.close()
    assert taken == {str(one.job_id): 3 for one in rings}


def test_bells_ring_on_the_queue_of_the_job(redis_url: str, redis_client: redis.Redis) -> None:
    bell = connect_bell(redis_url)
    bell.ring([ring("io"), ring("heavy"), ring("heavy")])
    assert (bell.out("io"), bell.out("heavy")) == (1, 2)
    bell.close()


BROKERS = ["redis://127.0.0.1:{port}/0", "amqp://guest:guest@127.0.0.1:{port}//"]


@pytest.mark.parametrize("url", ["unix:///nowhere/redis.sock?db=0", *BROKERS])
def test_a_broker_that_is_away_is_a_passing_trouble_and_is_noticed_soon(url: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        bell = connect_bell(url.format(port=nobody.getsockname()[1]))
        assert_trouble_soon(lambda: bell.ring([ring()]))
        assert_trouble_soon(lambda: bell.out("io"))
        bell.close()


@pytest.mark.parametrize("url", BROKERS)
def test_a_broker_that_hangs_is_a_passing_trouble_and_is_noticed_soon(url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        bell = connect_bell(url.format(port=silent.getsockname()[1]))
        assert_trouble_soon(lambda: bell.ring([ring()]))
        bell.close()


def test_a_bell_of_any_broker_rings_again_after_a_failure() -> None:
    bell = KombuBell("memory://")
    bell.ring([ring()])
    bell._connection.close()  # what it does itself when the broker fails
    bell.ring([ring()])
    assert bell.out("io") == 2
    bell.close()


def assert_trouble_soon(call: Callable[[], object]) -> None:
    outcome: Queue[Exception | None] = Queue()

    def ask() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  the test looks which one it is
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=ask, daemon=True).start()
    assert isinstance(outcome.get(timeout=12), Transient)


# --- the window


def test_a_window_lets_so_many_out_and_no_more_until_it_has_looked(redis_url: str) -> None:
    bell = connect_bell(redis_url)
    window = DoorbellWindow(bell, 10)
    rings = [ring() for _ in range(20) if window.take("io")]
    assert len(rings) == 10
    bell.ring(rings[:8])
    window.look()
    assert [window.take("io") for _ in range(3)] == [True, True, False]
    assert window.take("heavy"), "each queue has a window of its own"
    bell.close()


def test_the_smallest_window_opens_again(redis_url: str) -> None:
    bell = connect_bell(redis_url)
    window = DoorbellWindow(bell, 1)
    assert [window.take("io"), window.take("io")] == [True, False]
    window.look()
    assert window.take("io")
    bell.close()


def test_a_window_may_be_taken_from_while_it_waits_for_the_broker() -> None:
    class SlowBell(Bell):
        def ring(self, rings: Sequence[Ring]) -> None: ...

        def out(self, queue: str) -> int:
            window.take("heavy")  # another thread, meanwhile
            return 0

        def close(self) -> None: ...

    window = DoorbellWindow(SlowBell(), 1)
    window.take("io")
    window.look()
    assert window.take("io")


def test_a_window_rests_after_a_failure(redis_url: str) -> None:
    bell = connect_bell(redis_url)
    window = DoorbellWindow(bell, 10)
    window.failed()
    assert not window.take("io")
    bell.close()
