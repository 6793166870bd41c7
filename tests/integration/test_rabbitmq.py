"""RabbitMQ as the broker: a real one, with real workers and a scheduler; Redis carries the push and no doorbell."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery
from engine_kit import Engine, engine_on, eventually, freeze, job_of, load_testkit
from kombu import Connection
from kombu.exceptions import OperationalError

from engine.doorbells import Bell, Ring, connect_bell, window_of
from engine.outbox import Outbox
from engine.submitter import Submitter
from llmcoder.declare.action import Action
from llmcoder.errors import Transient
from llmcoder.ids import new_id
from llmcoder.states import State
from tests.conftest import missing
from tests.ports import free_port

# Debian's command on PATH is a wrapper that becomes another user and drops the environment.
PROGRAMS = ("/usr/lib/rabbitmq/bin/rabbitmq-server", shutil.which("rabbitmq-server") or "")
STARTS_WITHIN_S = 120.0
WINDOW = 20
SOON_S = 3.5  # a question to a hung broker ends after two seconds, be it an old connection or a new one
AT_ONCE_S = 0.5

kit = load_testkit()


@dataclass
class OwnRabbit:
    """A private RabbitMQ on loopback: its own node, port, data and name server, all of which end with it."""

    program: str
    folder: Path
    port: int = field(default_factory=lambda: free_port())
    names_port: int = field(default_factory=lambda: free_port())
    names: subprocess.Popen[bytes] | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        if self.names is None:  # else the broker starts one that outlives it
            self.names = subprocess.Popen(["epmd", "-address", "127.0.0.1", "-port", str(self.names_port)])
        (self.folder / "none").write_text("[].")
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [self.program, "-noinput"], env=self._environ(), stdout=output, stderr=output
            )
        eventually(self._answers, STARTS_WITHIN_S, "RabbitMQ starts")

    def kill(self) -> None:
        """As a power cut does, and with all its data gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(120)
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def close(self) -> None:
        self.kill()
        if self.names is not None:
            self.names.kill()
            self.names.wait(120)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def hung(self) -> Iterator[None]:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, (self.folder / "output").read_text()
        try:
            with Connection(self.url, connect_timeout=2) as connection:
                connection.ensure_connection(max_retries=1, interval_start=0)
        except OperationalError:
            return False
        return True

    def _environ(self) -> dict[str, str]:
        return os.environ | {
            "HOME": str(self.folder),  # the nodes' shared secret is made there
            "RABBITMQ_NODENAME": f"llmcoder{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(self.names_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "none"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "absent"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "absent"),
            "RABBITMQ_ALLOW_INPUT": "1",  # the script becomes the server instead of waiting for it: signals reach it
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
        }


@pytest.fixture(scope="session")
def rabbit() -> Iterator[OwnRabbit]:
    program = next((path for path in PROGRAMS if Path(path).is_file()), None)
    if program is None or shutil.which("epmd") is None:
        missing("no RabbitMQ: apt-get install --no-install-recommends rabbitmq-server")
    with closing(OwnRabbit(program, Path(tempfile.mkdtemp(prefix="llmcoder-rabbit-")))) as server:
        server.start()
        yield server


class OnRabbit(Engine):
    """The engine's processes with doorbells in RabbitMQ."""

    @property
    def broker_url(self) -> str:
        return self.environ["BROKER_URL"]

    @contextmanager
    def submitter(self) -> Iterator[Submitter]:
        """As the API submits: with doorbells."""
        with closing(Outbox(self.broker_url, self.redis.url, WINDOW)) as outbox:
            outbox.start()
            yield Submitter(self.db, outbox)

    def submit_rung(self, submitter: Submitter, action: Action[Any, Any], times: int, **wanted: Any) -> list[Any]:
        """Submit one by one, each of which takes no time whatever the broker does."""
        ids = []
        for _ in range(times):
            about = {"action": action.name, "effect": action.effect.value, "queue": action.queue.value}
            started = time.monotonic()
            ids.append(submitter.submit_now([job_of(self.user, **about, **wanted)])[0].job.id)
            assert time.monotonic() - started < AT_ONCE_S
        return ids

    def heavy_workers(self) -> list[subprocess.Popen[bytes]]:
        """Those that still run."""
        started_ones = [one for one in self.processes if one.args[-1] == "heavy"]  # type: ignore[index]
        return [one for one in started_ones if one.poll() is None]


@pytest.fixture(scope="module")
def engine(rabbit: OwnRabbit, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnRabbit]:
    """A scheduler and an io worker; see `heavy` for another."""
    folder = tmp_path_factory.mktemp("engine")
    shutil.copyfile(sqlite_template, folder / "llmcoder.db")
    url = f"sqlite:///{folder / 'llmcoder.db'}"
    about = {"BROKER_URL": rabbit.url, "DOORBELL_WINDOW": str(WINDOW)}
    with engine_on(OnRabbit, url, folder, **about) as made:
        made.start_worker("io")
        yield made


@pytest.fixture
def heavy(engine: OnRabbit) -> subprocess.Popen[bytes]:
    """The one heavy worker, of an earlier test or new: any test may be the first of its process."""
    return next(iter(engine.heavy_workers()), None) or engine.start_worker("heavy")


@pytest.fixture
def nobody_heavy(engine: OnRabbit) -> None:
    """No heavy worker, whichever test ran before."""
    for worker in engine.heavy_workers():
        worker.terminate()
        assert worker.wait(120) == 0


@pytest.fixture
def bell(rabbit: OwnRabbit) -> Iterator[Bell]:
    with closing(connect_bell(rabbit.url)) as made:
        yield made


NAP = '{"seconds": 0}'


@pytest.mark.usefixtures("nobody_heavy")
def test_doorbells_stay_within_the_window_until_somebody_takes_them(engine: OnRabbit, bell: Bell) -> None:
    ids = engine.submit_many(kit.take_heavy_nap, 3 * WINDOW, seconds=0)
    eventually(lambda: bell.out("heavy") == window_of("heavy", WINDOW))
    rounds = time.monotonic() + 1.5
    while time.monotonic() < rounds:
        assert bell.out("heavy") == window_of("heavy", WINDOW)
    engine.start_worker("heavy")
    jobs = engine.until_all_ended(ids)
    assert {job.state for job in jobs} == {State.SUCCEEDED}


@pytest.mark.long("a worker without the package of the others starts in a Python of its own")
@pytest.mark.usefixtures("heavy")
def test_a_worker_drops_the_doorbells_of_what_only_another_knows(engine: OnRabbit) -> None:
    old = engine.start_worker("heavy", PYTHONPATH="")
    jobs = engine.until_all_ended(engine.submit_many(kit.take_heavy_nap, 8, seconds=0))
    old.kill()
    old.wait(120)
    assert {(job.state, job.attempt) for job in jobs} == {(State.SUCCEEDED, 1)}
    assert "unregistered task" not in engine.logs()


@pytest.mark.usefixtures("heavy")
def test_workers_and_bells_declare_the_queues_equally_and_keep_none_for_delays(engine: OnRabbit, bell: Bell) -> None:
    bell.ring([Ring(new_id(), 0, "test.do_nothing", queue) for queue in ("io", "heavy")])  # of jobs that are not there
    eventually(lambda: bell.out("io") == bell.out("heavy") == 0)
    assert "PRECONDITION_FAILED" not in engine.logs()
    with Connection(engine.broker_url) as connection:
        with connection.channel() as channel:
            assert channel.queue_declare("io", passive=True).consumer_count == 1
        with pytest.raises(connection.channel_errors, match="NOT_FOUND"), connection.channel() as channel:
            channel.queue_declare("celery_delayed_0", passive=True)


def test_a_second_worker_of_a_queue_may_run_on_the_same_host(engine: OnRabbit) -> None:
    second = engine.start_worker("io")
    with Connection(engine.broker_url) as connection, connection.channel() as channel:
        eventually(lambda: channel.queue_declare("io", passive=True).consumer_count == 2)
        assert second.poll() is None
        second.terminate()
        assert second.wait(120) == 0
        eventually(lambda: channel.queue_declare("io", passive=True).consumer_count == 1)


@pytest.mark.usefixtures("heavy")
def test_celerys_events_show_every_job_by_its_action(engine: OnRabbit) -> None:
    seen: dict[str, str] = {}
    ended: set[str] = set()
    listening, over = threading.Event(), threading.Event()
    app = Celery("listener", broker=engine.broker_url, set_as_current=False)

    def listen() -> None:
        with app.connection_for_read() as connection:
            handlers = {
                "task-received": lambda event: seen.update({event["uuid"]: event["name"]}),
                "task-succeeded": lambda event: ended.add(event["uuid"]),
            }
            receiver = app.events.Receiver(connection, handlers=handlers)
            with receiver.consumer_context(wakeup=False) as (own_connection, _, _):
                listening.set()
                while not over.is_set():
                    try:
                        own_connection.drain_events(timeout=0.2)
                    except TimeoutError:
                        continue

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        assert listening.wait(120)
        with engine.submitter() as submitter:
            ids = engine.submit_rung(submitter, kit.do_nothing, 20)
            ids += engine.submit_rung(submitter, kit.take_heavy_nap, 2, input=NAP)
            eventually(lambda: {str(one) for one in ids} <= ended)
    finally:
        over.set()
        thread.join(120)
        app.close()
    assert {seen[str(one)] for one in ids} == {"test.do_nothing", "test.take_heavy_nap"}


def test_a_bell_keeps_its_one_connection(bell: Bell, rabbit: OwnRabbit) -> None:
    def connections() -> int:
        here = psutil.Process().net_connections("tcp4")
        return sum(1 for one in here if one.raddr and one.raddr.port == rabbit.port)

    before = connections()
    for _ in range(50):
        bell.ring([Ring(new_id(), 0, "test.do_nothing", "io")])
        bell.out("heavy")
        assert connections() == before + 1


@pytest.mark.usefixtures("heavy")
def test_a_hung_broker_slows_no_submit_holds_nobody_for_ever_and_costs_no_job(
    engine: OnRabbit, bell: Bell, rabbit: OwnRabbit
) -> None:
    bell.out("io")
    with engine.submitter() as submitter:
        with rabbit.hung():
            ids = engine.submit_rung(submitter, kit.take_heavy_nap, 20, input=NAP)
            by_themselves = engine.submit_rung(submitter, kit.do_nothing, 20)
            for ask in (lambda: bell.out("io"), lambda: bell.ring([Ring(new_id(), 0, "test.do_nothing", "io")])):
                started = time.monotonic()
                with pytest.raises(Transient):
                    ask()
                assert time.monotonic() - started < SOON_S
            engine.until_all_ended(by_themselves)  # an idle io worker looks into SQL
        jobs = engine.until_all_ended(ids)
    assert {job.state for job in jobs} == {State.SUCCEEDED}


def test_what_a_killed_and_emptied_broker_knew_and_what_came_meanwhile_all_runs(
    engine: OnRabbit, heavy: subprocess.Popen[bytes], bell: Bell, rabbit: OwnRabbit
) -> None:
    """The dispatcher hears it from `out`, and rings again; whoever just rings gets through on a new connection."""
    with engine.submitter() as submitter, closing(connect_bell(rabbit.url)) as ringing:
        ringing.out("io")
        freeze(heavy, engine.db)
        ids = engine.submit_rung(submitter, kit.take_heavy_nap, 10, input=NAP)
        eventually(lambda: bell.out("heavy") > 0)
        rabbit.kill()
        heavy.send_signal(signal.SIGCONT)
        ids += engine.submit_rung(submitter, kit.take_heavy_nap, 10, input=NAP)
        ids += engine.submit_rung(submitter, kit.do_nothing, 10)
        rabbit.start()
        with pytest.raises(Transient):
            bell.out("io")
        ringing.ring([Ring(new_id(), 0, "test.do_nothing", "io")])
        jobs = engine.until_all_ended(ids)
        assert {job.state for job in jobs} == {State.SUCCEEDED}
        engine.until_all_ended(engine.submit_rung(submitter, kit.take_heavy_nap, 1, input=NAP))
