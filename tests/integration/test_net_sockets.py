"""Checked sockets with real client libraries and real servers: MQTT over mosquitto, WebSocket over websockets."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import websockets.sync.client
import websockets.sync.server
from net_kit import RawServer, Serve, TlsContexts, mosquitto, raw_servers, tls_contexts, until_closed

from llmcoder.errors import BadInput, Cancelled, Transient
from llmcoder.net import Network, SocketLimits, verifying_context

HERE = ["127.0.0.1"]
#: Generous: how long something may take that takes no time.
SOON_S = 20.0


def at_home(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.fixture
def net() -> Iterator[Network]:
    with closing(Network(allow=HERE, resolve=at_home)) as made:
        yield made


@pytest.fixture
def serve() -> Iterator[Serve]:
    with raw_servers() as start:
        yield start


@pytest.fixture(scope="module")
def tls_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def tls(tls_folder: Path) -> TlsContexts:
    return tls_contexts(tls_folder)


# --- MQTT


@pytest.fixture(scope="module")
def broker(tls: TlsContexts, tls_folder: Path) -> Iterator[tuple[int, int]]:
    with mosquitto(tls_folder) as ports:
        yield ports


class CheckedMqtt(mqtt.Client):
    """As docs/adding-an-integration.md shows it."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        super().__init__(mqtt.CallbackAPIVersion.VERSION2)
        self._connect_checked = connect

    def _create_socket(self) -> socket.socket:
        return self._connect_checked()


@pytest.mark.parametrize("secure", [False, True])
def test_mqtt_speaks_through_a_checked_socket(
    net: Network, broker: tuple[int, int], tls: TlsContexts, secure: bool
) -> None:
    heard: SimpleQueue[bytes] = SimpleQueue()
    subscribed = threading.Event()
    client = CheckedMqtt(lambda: net.connect("tls.example", broker[secure], tls=tls[1] if secure else False))
    client.on_connect = lambda *_: client.subscribe("house/#", qos=1)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = lambda _client, _own, message: heard.put(message.payload)
    client.connect("tls.example", broker[secure])
    client.loop_start()
    assert subscribed.wait(SOON_S)
    sent = client.publish("house/lamp", b"on" * 50_000, qos=1)
    sent.wait_for_publish(SOON_S)
    assert sent.is_published()
    assert heard.get(timeout=SOON_S) == b"on" * 50_000
    client.disconnect()
    client.loop_stop()


def test_mqtt_with_tls_of_the_library_s_own_goes_through_as_well(
    net: Network, broker: tuple[int, int], tls: TlsContexts
) -> None:
    class OwnTls(mqtt.Client):
        def _create_socket_connection(self) -> socket.socket:
            return net.connect("tls.example", broker[1])

    connected = threading.Event()
    client = OwnTls(mqtt.CallbackAPIVersion.VERSION2)
    client.tls_set_context(tls[1])
    client.on_connect = lambda *_: connected.set()
    client.connect("tls.example", broker[1])
    client.loop_start()
    assert connected.wait(SOON_S)
    client.disconnect()
    client.loop_stop()


def test_what_was_published_last_goes_out_although_the_job_ends_at_once(broker: tuple[int, int]) -> None:
    """QoS 0 has no answer to wait for: what the library has written when the job ends is on its way still."""
    heard: SimpleQueue[bytes] = SimpleQueue()
    subscribed = threading.Event()
    listener = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    listener.on_connect = lambda *_: listener.subscribe("last/#")
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.on_message = lambda _client, _own, message: heard.put(message.payload)
    listener.connect("127.0.0.1", broker[0])
    listener.loop_start()
    assert subscribed.wait(SOON_S)
    for number in range(20):
        net = Network(allow=HERE)
        connected = threading.Event()
        client = CheckedMqtt(lambda: net.connect("127.0.0.1", broker[0]))  # noqa: B023
        client.on_connect = lambda *_: connected.set()  # noqa: B023
        client.connect("127.0.0.1", broker[0])
        while not connected.is_set():
            client.loop(0.1)
        client.publish("last/words", b"%d" % number + b"x" * 200_000)
        while client.want_write():
            client.loop_write()
        net.close()
        assert heard.get(timeout=SOON_S).startswith(b"%d" % number)
        client.loop(0.1)  # it notices that its connection is gone
    listener.disconnect()
    listener.loop_stop()


# --- WebSocket


@pytest.fixture
def echoing(tls: TlsContexts) -> Iterator[Callable[[bool], int]]:
    """Starts a WebSocket server that sends back what it hears; returns its port."""
    started: list[tuple[Any, threading.Thread]] = []

    def answer(connection: Any) -> None:
        for message in connection:
            connection.send(message)

    def start(secure: bool) -> int:
        server = websockets.sync.server.serve(answer, "127.0.0.1", 0, ssl=tls[0] if secure else None)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        started.append((server, thread))
        return int(server.socket.getsockname()[1])

    yield start
    for server, thread in started:
        server.shutdown()
        thread.join(SOON_S)


@pytest.mark.parametrize("tls_by", ["nobody", "guard", "library"])
def test_a_websocket_speaks_through_a_checked_socket(
    net: Network, echoing: Callable[[bool], int], tls: TlsContexts, tls_by: str
) -> None:
    port = echoing(tls_by != "nobody")
    checked = net.connect("tls.example", port, tls=tls[1] if tls_by == "guard" else False)
    scheme, own = ("wss", {"ssl": tls[1]}) if tls_by == "library" else ("ws", {})
    with websockets.sync.client.connect(f"{scheme}://tls.example:{port}/", sock=checked, **own) as connection:
        for message in ("hello", "x" * 500_000, b"bytes"):
            connection.send(message)
            assert connection.recv(SOON_S) == message


# --- TLS


def test_the_guard_verifies_the_name_and_the_authority(net: Network, serve: Serve, tls: TlsContexts) -> None:
    server = serve(lambda *_: None, tls=tls[0])
    with pytest.raises(BadInput, match=r"other\.example: its certificate is not valid"):
        net.connect("other.example", server.port, tls=tls[1])
    with pytest.raises(BadInput, match="certificate"):
        net.connect("tls.example", server.port, tls=True)
    assert server.requests == []


def test_a_context_that_does_not_verify_is_not_taken(net: Network) -> None:
    for weaken in ({"check_hostname": False}, {"check_hostname": False, "verify_mode": ssl.CERT_NONE}):
        context = ssl.create_default_context()
        for name, value in weaken.items():
            setattr(context, name, value)
        with pytest.raises(ValueError, match="verifies"):
            net.connect("tls.example", 443, tls=context)
    assert verifying_context().check_hostname


# --- how it ends


def silent(connection: socket.socket, _: bytes) -> None:
    until_closed(connection)


def broken(checked: socket.socket) -> bool:
    """Whether the socket is reset, and not ended as if all had been said."""
    checked.settimeout(SOON_S)
    with pytest.raises(ConnectionError):
        while checked.recv(65_536):
            pass
    return True


def test_the_deadline_ends_it_and_says_so(serve: Serve) -> None:
    server = serve(silent)
    with closing(Network(allow=HERE, remaining_s=lambda: 2.0)) as net:
        checked = net.connect("127.0.0.1", server.port)
        assert broken(checked)
        assert isinstance(checked.fault, Transient)
        assert "time" in checked.fault.detail
        checked.close()


def test_silence_ends_it_and_traffic_keeps_it(net: Network, serve: Serve) -> None:
    def tick(connection: socket.socket, _: bytes) -> None:
        for _number in range(8):
            if not waited(connection, 0.5):
                connection.sendall(b"tick")
        connection.settimeout(SOON_S)
        until_closed(connection)

    server = serve(tick)
    checked = net.connect("127.0.0.1", server.port, limits=SocketLimits(idle_s=3))
    checked.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert read_exactly(checked, 32) == b"tick" * 8
    assert broken(checked)
    assert checked.fault is not None
    assert "3 s" in checked.fault.detail
    checked.close()


def waited(connection: socket.socket, seconds: float) -> bool:
    connection.settimeout(seconds)
    with suppress(TimeoutError):
        return not connection.recv(1, socket.MSG_PEEK)
    return False


def read_exactly(checked: socket.socket, size: int) -> bytes:
    checked.settimeout(SOON_S)
    read = b""
    while len(read) < size and (piece := checked.recv(size - len(read))):
        read += piece
    return read


@pytest.mark.parametrize("direction", ["in", "out"])
def test_too_many_bytes_end_it(net: Network, serve: Serve, direction: str) -> None:
    def endless(connection: socket.socket, _: bytes) -> None:
        with suppress(OSError):
            while True:
                connection.sendall(b"x" * 65_536)

    server = serve(endless if direction == "in" else silent)
    checked = net.connect("127.0.0.1", server.port, limits=SocketLimits(total_bytes=2_000_000))
    checked.settimeout(SOON_S)
    with pytest.raises(ConnectionError):
        if direction == "in":
            checked.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while checked.recv(65_536) if direction == "in" else checked.send(b"x" * 65_536):
            pass
    assert isinstance(checked.fault, BadInput)
    checked.close()


@pytest.mark.parametrize("interruptible", [True, False])
def test_a_cancellation_ends_it_unless_it_waits_for_the_outcome_of_a_write(serve: Serve, interruptible: bool) -> None:
    cancelled, late = threading.Event(), threading.Event()

    def raise_if(event: threading.Event) -> None:
        if event.is_set():
            raise Cancelled("enough")

    server = serve(lambda connection, _: connection.sendall(b"done"))
    with closing(Network(allow=HERE, check=lambda: raise_if(cancelled), check_owner=lambda: raise_if(late))) as net:
        checked = net.connect("127.0.0.1", server.port, interruptible=interruptible)
        cancelled.set()
        if not interruptible:
            checked.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert read_exactly(checked, 4) == b"done"
            late.set()
        assert broken(checked)
        assert isinstance(checked.fault, Cancelled)
        checked.close()


def test_a_cancellation_does_not_wait_for_a_host_that_swallows_packets() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
            fillers.append(filler)
        looks = iter(range(10_000))

        def check() -> None:
            if next(looks) > 3:
                raise Cancelled("enough")

        net = Network(allow=HERE, check=check)
        with pytest.raises(Cancelled):
            net.connect("127.0.0.1", listener.getsockname()[1], limits=SocketLimits(connect_s=600))
        for filler in fillers:
            filler.close()


def test_a_cancellation_does_not_wait_for_a_handshake_that_does_not_come() -> None:
    looks = iter(range(10_000))

    def check() -> None:
        if next(looks) > 3:
            raise Cancelled("enough")

    with socket.create_server(("127.0.0.1", 0)) as listener, closing(Network(allow=HERE, check=check)) as net:
        with pytest.raises(Cancelled):
            net.connect("127.0.0.1", listener.getsockname()[1], tls=True, limits=SocketLimits(connect_s=600))
        with pytest.raises(Transient, match="handshake"):
            Network(allow=HERE).connect(
                "127.0.0.1", listener.getsockname()[1], tls=True, limits=SocketLimits(connect_s=0.3)
            )


def test_nothing_goes_out_after_the_lease(serve: Serve) -> None:
    """Before the first byte, and before each piece after it; what was asked last is what counts."""
    server = serve(lambda connection, _: connection.sendall(b"done"))
    asked: list[str] = []
    may = [True]

    def may_send() -> bool:
        return may[0]

    with closing(Network(allow=HERE, before_send=lambda: asked.append("first"), may_send=may_send)) as net:
        checked = net.connect("127.0.0.1", server.port)
        assert asked == []
        for _ in range(3):
            checked.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert read_exactly(checked, 4) == b"done"
        assert asked == ["first"]
        may[0] = False
        checked.sendall(b"GET /late HTTP/1.1\r\n\r\n")
        assert broken(checked)
        assert isinstance(checked.fault, Transient)
        checked.close()
    assert [b"late" in request for request in server.requests] == [False] * 3


def test_what_may_not_be_sent_at_all_sends_no_byte(serve: Serve) -> None:
    def refuse() -> None:
        raise Cancelled("another has the job")

    server: RawServer = serve(silent)
    with closing(Network(allow=HERE, before_send=refuse)) as net:
        checked = net.connect("127.0.0.1", server.port)
        checked.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert broken(checked)
        assert isinstance(checked.fault, Cancelled)
        checked.close()
    assert server.requests == []


def test_the_end_of_the_job_ends_what_was_left_open(serve: Serve) -> None:
    gone = threading.Semaphore(0)

    def note(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"done")
        until_closed(connection)
        gone.release()

    server = serve(note)
    net = Network(allow=HERE)
    left = [net.connect("127.0.0.1", server.port) for _ in range(5)]
    for checked in left:
        checked.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert read_exactly(checked, 4) == b"done"
    net.close()
    for checked in left:
        assert gone.acquire(timeout=SOON_S)
        checked.close()
    for late in (net, net.allowing("localhost")):
        with pytest.raises(Cancelled):
            late.connect("127.0.0.1", server.port)
        with pytest.raises(Cancelled):
            late.proxy()


@pytest.mark.parametrize("size", [0, 3, 4_000_000])
def test_an_end_comes_through_as_an_end_with_all_that_was_said_before(net: Network, serve: Serve, size: int) -> None:
    def say_and_end(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"x" * size)
        connection.shutdown(socket.SHUT_RDWR)

    checked = net.connect("127.0.0.1", serve(say_and_end).port)
    checked.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert len(read_exactly(checked, size + 1)) == size
    assert checked.fault is None
    checked.close()


def test_half_an_end_lets_the_answer_through(net: Network) -> None:
    """A client that says by its end that it has asked all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        checked = net.connect("127.0.0.1", listener.getsockname()[1])
        other = listener.accept()[0]
        with other, checked:
            checked.sendall(b"question")
            checked.shutdown(socket.SHUT_WR)
            assert read_exactly(other, 99) == b"question"
            other.sendall(b"answer")
            assert read_exactly(checked, 6) == b"answer"


def test_a_port_that_does_not_exist_is_refused(net: Network) -> None:
    for port in (0, -1, 65_536):
        with pytest.raises(BadInput, match="port"):
            net.connect("127.0.0.1", port)


def test_no_thread_is_left(serve: Serve) -> None:
    server = serve(lambda connection, _: connection.sendall(b"done"))

    def one() -> None:
        net = Network(allow=HERE)
        with net.connect("127.0.0.1", server.port) as checked:
            checked.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert read_exactly(checked, 4) == b"done"
        net.close()

    one()
    before = threads()
    for _ in range(30):
        one()
    assert threads() <= before


def threads() -> int:
    return sum(thread.name == "relay" for thread in threading.enumerate())
