"""A guarded connection for protocols of lines: where it may lead, and how every wait ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from llmcoder.errors import BadInput, Cancelled, Transient
from llmcoder.net import AllowList
from llmcoder.net.dial import Budget
from llmcoder.net.line import Broken, Line, Silent

HERE = AllowList.parse(["127.0.0.1"])


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def dialled(listener: socket.socket, budget: Budget | None = None) -> tuple[Line, socket.socket]:
    port: int = listener.getsockname()[1]
    line = Line("127.0.0.1", port, allow=HERE, ports=(), budget=budget or Budget(), step_s=0.3)
    return line, listener.accept()[0]


def test_lines_and_bytes_come_as_they_were_sent(listener: socket.socket) -> None:
    line, other = dialled(listener)
    with other:
        other.sendall(b"one\r\ntwo\nfour bytes and the rest")
        assert (line.readline(), line.readline(2), line.readline(99)) == (b"one\r\n", b"tw", b"o\n")
        assert line.read(4) == b"four"
        line.sendall(b"answer")
        assert other.recv(100) == b"answer"
        other.shutdown(socket.SHUT_WR)
        assert (line.read(99), line.readline(), line.read(1)) == (b" bytes and the rest", b"", b"")
    line.close()


def test_silence_a_reset_and_a_cancellation_end_a_wait(listener: socket.socket) -> None:
    cancelled = threading.Event()

    def check() -> None:
        if cancelled.is_set():
            raise Cancelled("enough")

    line, other = dialled(listener, Budget(None, check))
    with pytest.raises(Silent):
        line.readline()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    other.close()
    with pytest.raises(Broken):
        line.readline()
    cancelled.set()
    with pytest.raises(Cancelled):
        line.readline()
    line.close()


def test_the_budget_counts_for_the_whole_conversation(listener: socket.socket) -> None:
    line, other = dialled(listener, Budget(0.2))
    line.step_s = 30
    began = time.monotonic()
    with other, pytest.raises(Silent):
        line.readline()
    assert time.monotonic() - began < 20
    with pytest.raises(Silent):
        line.sendall(b"late")
    line.close()


def test_only_the_ports_of_the_protocol_are_open_and_private_places_are_not() -> None:
    def dial(host: str, port: int, *ports: int) -> None:
        Line(host, port, allow=AllowList.parse([]), ports=ports, budget=Budget(2.0), step_s=0.2).close()

    with pytest.raises(BadInput, match="another protocol"):
        dial("10.0.0.1", 993)
    for host in ("10.0.0.1", "127.0.0.1", "169.254.169.254", "::1"):
        with pytest.raises(BadInput, match="not public"):
            dial(host, 993, 993)
    with pytest.raises(BadInput):
        dial("0x7f.1", 993, 993)


def test_where_nobody_listens_nothing_was_sent(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    with pytest.raises(Transient, match="Nothing was sent"):
        Line("127.0.0.1", port, allow=HERE, ports=(), budget=Budget(), step_s=1.0)
