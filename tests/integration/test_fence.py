"""The fence of a write: whatever happens between arming and sending, what may be another's by then is not sent.

The provider is a server on loopback that keeps what it read; the clocks are moved as a freeze or a sleep moves them.
"""

from __future__ import annotations

import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from engine_kit import accept_one, move, set_columns, take

from engine.outbox import Outbox
from llmcoder import Context, Effect, Model, action, moment
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.errors import ActionError, Cancelled, Transient, Uncertain
from llmcoder.moment import Moment
from llmcoder.net import GuardedClient
from llmcoder.states import State
from models.db.database import Database
from models.jobs.claims import Claimed
from workers import context as context_module
from workers import watch as watch_module
from workers.attempt import Attempt, End
from workers.context import JobContext
from workers.ledger import Ledger
from workers.watch import Watch

pytestmark = pytest.mark.both_stores

LEASE_S = 30.0
NO_BROKER = "unix:///nowhere/redis.sock?db=0"


class Nothing(Model):
    """No input."""


@action("trial.send", effect=Effect.WRITE, repeatable=False, timeout_s=20)
def send(given: Nothing, ctx: Context) -> Nothing:
    """Never run here; its declaration says how long an attempt may take."""
    return given


class Clocks:
    """The clocks of this machine as a process sees them that wakes up."""

    CLOCK_BOOTTIME = moment.time.CLOCK_MONOTONIC

    def __init__(self) -> None:
        self.frozen_s = self.asleep_s = 0.0

    def monotonic(self) -> float:
        return moment_time.monotonic() + self.frozen_s

    def clock_gettime(self, clock: int) -> float:
        return moment_time.clock_gettime(clock) + self.frozen_s + self.asleep_s


moment_time = moment.time


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    clocks = Clocks()
    monkeypatch.setattr(moment, "time", clocks)
    return clocks


@pytest.fixture
def provider() -> Iterator[HTTPServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            if len(self.rfile.read(length)) < length:
                return
            server.effects.append(self.path)  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.effects = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


class Scene:
    """An attempt of worker w1 that has armed its effect, and what may happen to it."""

    def __init__(self, db: Database, user: User, clocks: Clocks, provider: HTTPServer, ledger: Ledger) -> None:
        self.db, self.clocks = db, clocks
        self.url = f"http://127.0.0.1:{provider.server_address[1]}/effect"
        self.effects: list[str] = provider.effects  # type: ignore[attr-defined]
        self.claimed: Claimed = take(db, accept_one(db, user, action="trial.send", effect="write").id)[0]
        self.attempt = Attempt(self.claimed, send)
        self.attempt.hold(Moment.now(), LEASE_S)
        self.attempt.start()
        self.context = JobContext(self.attempt, ledger, _never_started(), _no_pause, db)

    def arm(self) -> None:
        self.context.armed({})

    def send(self, content: bytes = b"x") -> None:
        self.context.http.request("POST", self.url, content=content)

    # --- what happens meanwhile

    def nothing(self) -> None: ...

    def rescued_and_running_elsewhere(self) -> None:
        move(self.db, self.claimed.id, State.QUEUED, self.claimed.attempt)
        assert [one.attempt for one in take(self.db, self.claimed.id, worker="w2")] == [2]

    def settled_by_another(self) -> None:
        self.rescued_and_running_elsewhere()
        move(self.db, self.claimed.id, State.SUCCEEDED, 2)

    def written_off(self) -> None:
        move(self.db, self.claimed.id, State.UNCERTAIN, self.claimed.attempt)

    def disarmed(self) -> None:
        set_columns(self.db, self.claimed.id, armed_at=None)

    def pruned(self) -> None:
        from models.jobs.tables import jobs

        with self.db.write() as conn:
            conn.execute(sa.delete(jobs).where(jobs.c.id == self.claimed.id))

    def frozen_past_the_lease(self) -> None:
        self.clocks.frozen_s = LEASE_S + 1

    def asleep_past_the_lease(self) -> None:
        self.clocks.asleep_s = LEASE_S + 1

    def frozen_past_the_deadline_only(self) -> None:
        self.clocks.frozen_s = send.timeout_s + 1

    def asleep_past_the_deadline_only(self) -> None:
        self.clocks.asleep_s = send.timeout_s + 1

    def asked_to_end_and_then_lost(self) -> None:
        self.attempt.ask_to_end(End.CANCELLED)
        self.rescued_and_running_elsewhere()

    def given_back(self) -> None:
        self.attempt.ask_to_end(End.LOST)


HINDRANCES = [
    name
    for name, value in vars(Scene).items()
    if callable(value) and name not in ("arm", "send", "nothing", "__init__")
]
#: Those that a clock tells; the others stand in SQL.
OF_CLOCKS = [name for name in HINDRANCES if name.startswith(("frozen", "asleep"))] + ["given_back"]


def _no_pause(provider: str, account: str, until: datetime) -> None:
    """Nobody else is to wait."""


def _never_started() -> Outbox:
    return Outbox(NO_BROKER, NO_BROKER, 400)


@pytest.fixture
def ledger(db: Database) -> Iterator[Ledger]:
    with closing(_never_started()) as outbox, closing(Ledger(db, outbox, "w1", "io", LEASE_S, {})) as made:
        made.start()
        yield made


@pytest.fixture
def scene(
    db: Database,
    user: User,
    clocks: Clocks,
    provider: HTTPServer,
    ledger: Ledger,
    configured: Config,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    made = Scene(db, user, clocks, provider, ledger)
    monkeypatch.setattr(made.context, "_http", GuardedClient(
        allow=("127.0.0.1",), before_send=made.context.check_fence, may_send=made.context._may_send,
    ))  # fmt: skip
    return made


def test_what_nobody_hindered_is_sent_once_with_one_look_into_sql(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    known = context_module.is_armed
    monkeypatch.setattr(context_module, "is_armed", lambda *about: looks.append(1) or known(*about))
    scene.send()
    assert (scene.effects, looks) == (["/effect"], []), "what is not armed pays nothing"
    scene.arm()
    scene.send()
    assert (scene.effects, looks) == (["/effect"] * 2, [1])


@pytest.mark.parametrize("hindrance", HINDRANCES)
def test_what_happens_between_arming_and_sending_keeps_it_from_being_sent(scene: Scene, hindrance: str) -> None:
    scene.arm()
    getattr(scene, hindrance)()
    with pytest.raises((Cancelled, Transient)):
        scene.send()
    assert scene.effects == []


@pytest.mark.parametrize("hindrance", OF_CLOCKS)
def test_a_freeze_between_the_look_into_sql_and_the_first_byte_keeps_it_from_being_sent(
    scene: Scene, hindrance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = context_module.is_armed

    def armed_and_then(*about: Any) -> bool:
        found = known(*about)
        getattr(scene, hindrance)()
        return found

    monkeypatch.setattr(context_module, "is_armed", armed_and_then)
    scene.arm()
    with pytest.raises((Cancelled, Transient)):
        scene.send()
    assert scene.effects == []


@pytest.mark.parametrize("hindrance", OF_CLOCKS)
def test_a_freeze_amid_a_request_leaves_it_without_its_end(scene: Scene, hindrance: str) -> None:
    scene.arm()
    pieces = 0

    def may_send() -> bool:
        nonlocal pieces
        pieces += 1
        if pieces == 2:  # the head is on its way
            getattr(scene, hindrance)()
        return scene.context._may_send()

    client = GuardedClient(allow=("127.0.0.1",), before_send=scene.context.check_fence, may_send=may_send)
    with pytest.raises(Uncertain):
        client.request("POST", scene.url, content=b"x" * 1000)
    assert (scene.effects, pieces) == ([], 2)


def test_a_database_that_cannot_be_asked_keeps_it_from_being_sent_and_that_is_certain(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_about: Any) -> bool:
        raise sa.exc.OperationalError("", {}, Exception("away"))

    scene.arm()
    monkeypatch.setattr(context_module, "is_armed", away)
    with pytest.raises(Transient, match="nothing was sent"):
        scene.send()
    assert scene.effects == []


def test_after_a_first_request_a_second_that_cannot_be_sent_leaves_doubt(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.arm()
    scene.send()
    scene.frozen_past_the_deadline_only()
    with pytest.raises(ActionError) as refused:
        scene.send()
    assert isinstance(refused.value, Uncertain), "the first may have been all there is to it"
    assert scene.effects == ["/effect"]


# --- connections of other protocols


HEAD = b"POST /effect HTTP/1.1\r\nHost: provider\r\nContent-Length: 1\r\n\r\n"


@pytest.fixture(params=["socket", "proxy"])
def opened(request: pytest.FixtureRequest, scene: Scene) -> Iterator[socket.socket]:
    """A connection on which something was said before the effect is armed; what is said next is the effect."""
    net = scene.context.net.allowing("127.0.0.1")
    port = urlsplit(scene.url).port or 0
    if request.param == "socket":
        connection: socket.socket = net.connect("127.0.0.1", port)
    else:
        proxy = net.proxy()
        password = b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        connection = socket.create_connection(("127.0.0.1", proxy.port))
        tunnel = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {password}\r\n\r\n"
        connection.sendall(tunnel.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    connection.settimeout(60)
    with connection:
        connection.sendall(HEAD)
        yield connection
    scene.context.close()


def test_an_armed_effect_goes_out_by_an_open_connection_with_one_look_into_sql(
    scene: Scene, opened: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    known = context_module.is_armed
    monkeypatch.setattr(context_module, "is_armed", lambda *about: looks.append(1) or known(*about))
    scene.arm()
    opened.sendall(b"x")
    assert opened.recv(1000).startswith(b"HTTP/1.0 200")
    assert (scene.effects, looks) == (["/effect"], [1])


@pytest.mark.parametrize("hindrance", HINDRANCES)
def test_what_happens_after_arming_keeps_it_from_going_out_by_an_open_connection(
    scene: Scene, opened: socket.socket, hindrance: str
) -> None:
    scene.arm()
    getattr(scene, hindrance)()
    with pytest.raises(ConnectionError):
        opened.sendall(b"x")
        while opened.recv(1000):
            pass
    assert scene.effects == []


@pytest.mark.parametrize("end", [End.CANCELLED, End.TIMED_OUT, End.LOST])
def test_an_attempt_that_is_asked_to_end_has_no_connection_any_more(
    scene: Scene, opened: socket.socket, end: End
) -> None:
    scene.attempt.ask_to_end(end)
    with pytest.raises(ConnectionError):
        while opened.recv(1000):
            pass


# --- the watch that wakes first


class Process:
    """What the watch needs of a worker."""

    name, queue, lease_s, slots_count, claimed_at = "w1", "io", LEASE_S, 1, None
    known: frozenset[str] = frozenset()

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def running(self) -> list[Attempt]:
        return [self._attempt]

    def overdue(self, attempt: Attempt) -> None: ...

    def write_again(self) -> None: ...

    def leave(self, why: str) -> None:
        raise AssertionError(why)


def frozen_watch(scene: Scene, monkeypatch: pytest.MonkeyPatch, seen: Callable[[], None]) -> Watch:
    """The watch of the attempt's process, which looks for the first time after a freeze; between the renewal of the
    leases and the look at whose jobs they are, `seen` is called."""
    watch = Watch(scene.db, Process(scene.attempt), beats=False)
    watch._renewed_at -= LEASE_S + 5
    known = watch_module.still_mine

    def look(*about: Any) -> Any:
        seen()
        return known(*about)

    monkeypatch.setattr(watch_module, "still_mine", look)
    return watch


def test_a_watch_that_wakes_first_gives_no_fresh_lease_to_an_attempt_that_lost_its_job(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    may: list[bool] = []
    scene.arm()
    scene.rescued_and_running_elsewhere()
    long_ago = Moment(Moment.now().monotonic_s - LEASE_S - 5, Moment.now().boot_s - LEASE_S - 5)
    scene.attempt.hold(long_ago, LEASE_S)
    frozen_watch(scene, monkeypatch, lambda: may.append(scene.attempt.may_send())).look()
    assert may == [False]
    assert scene.attempt.lost


def test_a_watch_renews_what_is_its_own_from_before_it_asked_the_clock(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = scene.db.now

    def frozen_while_asking() -> datetime:
        found = known()
        scene.clocks.frozen_s += LEASE_S + 1
        return found

    scene.arm()
    watch = frozen_watch(scene, monkeypatch, lambda: None)
    monkeypatch.setattr(scene.db, "now", frozen_while_asking)
    watch.look()
    assert not scene.attempt.may_send(), "in SQL the lease is over, too"
    monkeypatch.undo()
    with scene.db.read() as conn:
        from models.jobs.tables import jobs

        until = conn.execute(sa.select(jobs.c.lease_until).where(jobs.c.id == scene.claimed.id)).scalar_one()
    assert until < scene.db.now() + timedelta(seconds=LEASE_S)
