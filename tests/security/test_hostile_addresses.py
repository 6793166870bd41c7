"""Addresses that point where nobody may go, through the actions that take one; a listener on this machine counts.

The guard itself has its tests in tests/unit/test_net_guard.py and tests/integration/test_net_client.py.
"""

from __future__ import annotations

import itertools
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from pydantic import ValidationError

from llmcoder.errors import BadInput
from llmcoder.net import GuardedClient, Limits
from llmcoder.testing import FakeContext, run_action
from tasks.document.actions import summarize
from tasks.http.actions import request

QUICK = Limits(connect_s=2, read_s=2, total_s=4)
TRIES = 1_000


class Listener:
    """Accepts on every address of this machine, counts, and answers all with the same bytes."""

    def __init__(self, reply: Callable[[str], bytes] = lambda path: b"") -> None:
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        self._socket = socket.create_server(
            ("", 0), family=family, dualstack_ipv6=family == socket.AF_INET6, backlog=100
        )
        self._reply = reply
        self.port = int(self._socket.getsockname()[1])
        self.connects: list[str] = []
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection:
                    self.connects.append(connection.getsockname()[0].removeprefix("::ffff:"))
                    connection.settimeout(2)
                    asked = connection.recv(65_536).split(b" ")
                    connection.sendall(self._reply(asked[1].decode()) if len(asked) > 1 else b"")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(120)
        self._socket.close()


@pytest.fixture
def listening() -> Iterator[Callable[..., Listener]]:
    started: list[Listener] = []

    def start(*arguments: Any) -> Listener:
        started.append(Listener(*arguments))
        return started[-1]

    yield start
    for listener in started:
        listener.close()


def looked_at(url: str) -> list[Callable[[FakeContext], object]]:
    """Every action that takes an address, given this one."""
    return [
        lambda ctx: run_action(summarize, {"url": url, "method": "extractive"}, ctx),
        lambda ctx: run_action(request, {"method": "GET", "url": url, "timeout_s": 3}, ctx),
        lambda ctx: run_action(request, {"method": "POST", "url": url, "text": "x", "timeout_s": 3}, ctx),
    ]


HOSTS = (
    "169.254.169.254", "[::ffff:a9fe:a9fe]", "100.100.100.200", "192.0.0.192", "[fd00:ec2::254]", "2130706433",
    "0x7f.1", "0177.0.0.1", "127.1", "0", "①②⑦.⓪.⓪.①", "localhost.", "[::]", "[::1]", "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]", "127.0.0.1", "127.0.0.1.", "localhost", "LOCALHOST", "0.0.0.0", "[::ffff:127.0.0.1]",
    "[fe80::1%25eth0]", "１２７.0.0.1", "127。0。0。1", "127.0.0.1%00.example.org", "%31%32%37.0.0.1", "017700000001",
)  # fmt: skip
URLS = (
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/_x", "ftp://127.0.0.1:{port}/", "data:text/html,x",
    "jar:http://127.0.0.1:{port}/!/", "dict://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/", "//127.0.0.1:{port}/",
    "http:127.0.0.1:{port}", "http:///127.0.0.1:{port}/", "http://a@127.0.0.1:{port}\\@b/", "http://a@127.0.0.1:{port}/",
    "http://8.8.8.8@127.0.0.1:{port}/", "http://127.0.0.1:{port}\\@8.8.8.8/", "http://127.0.0.1:{port}#@8.8.8.8/",
    "http://127.0.0.1:{port}/a\r\nHost: x", "http://127.0.0.1:{port}/a b", "http://127.0.0.1\t:{port}/",
    "http://127.0.0.1\x00:{port}/", " http://127.0.0.1:{port}/", "HTTP://127.0.0.1:{port}/", "http://127.0.0.1:{port}x/",
    "http://[::1]:{port}/", "http://[::1]x:{port}/", "http://[127.0.0.1]:{port}/", "http://::1:{port}/",
    "unix:///run/redis.sock", "javascript:alert(1)", "http://", "http://:{port}/", "",
)  # fmt: skip


@pytest.mark.parametrize("url", [*(f"http://{host}:{{port}}/latest/meta-data/" for host in HOSTS), *URLS])
def test_no_action_connects_where_nobody_may_go(listening: Callable[..., Listener], url: str) -> None:
    listener = listening()
    for look in looked_at(url.format(port=listener.port)):
        with pytest.raises((BadInput, ValidationError)):
            look(FakeContext())
    assert listener.connects == []


@pytest.mark.parametrize("location", [
    "http://127.0.0.2:{port}/", "http://localhost:{port}/", "http://[::1]:{port}/", "//0x7f.2:{port}/",
    "file:///etc/passwd", "gopher://127.0.0.1:{port}/", "http://u:p@127.0.0.1:{port}/", "http://127.0.0.1:25/",
    "/again",
])  # fmt: skip
def test_no_redirect_leads_there(listening: Callable[..., Listener], location: str) -> None:
    """127.0.0.1 is allowed, and stands for a public host; every other address of this machine does not."""
    there: list[str] = []

    def send_on(path: str) -> bytes:
        return f"HTTP/1.1 307 T\r\nContent-Length: 0\r\nLocation: {there[0]}\r\n\r\n".encode()

    listener = listening(send_on)
    there.append(location.format(port=listener.port))
    for look in looked_at(f"http://127.0.0.1:{listener.port}/start"):
        del listener.connects[:]
        with pytest.raises(BadInput):
            look(FakeContext(fetch_allow=(f"127.0.0.1:{listener.port}",)))
        assert set(listener.connects) == {"127.0.0.1"}
        assert len(listener.connects) <= 6, "the first and five redirects"


def test_a_name_that_turns_private_is_never_followed(listening: Callable[..., Listener]) -> None:
    """Every answer of the name server holds a private address somewhere: first, last, as A or as AAAA, or alone."""
    listener = listening()
    rng = random.Random(7)
    public, private = ["8.8.8.8", "1.1.1.1", "2606:4700::1111"], ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1"]
    refused = 0

    def answers(host: str, port: int) -> list[str]:
        found = [*rng.sample(public, rng.randint(0, 3)), *rng.sample(private, rng.randint(1, 4))]
        rng.shuffle(found)
        return found

    client = GuardedClient(limits=QUICK, resolve=answers)
    for number in range(TRIES):
        with pytest.raises(BadInput):
            client.request("GET", f"http://rebind{number}.example:{listener.port}/")
        refused += 1
    assert (refused, listener.connects) == (TRIES, [])


def test_only_the_address_that_was_checked_is_dialled(listening: Callable[..., Listener]) -> None:
    """The name answers with the allowed address once and with another one ever after."""
    listener = listening(lambda path: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    for _ in range(50):
        flips = itertools.chain([["127.0.0.1"]], itertools.repeat(["127.0.0.2"]))
        client = GuardedClient(allow=["127.0.0.1/32"], limits=QUICK, resolve=lambda host, port: next(flips))  # noqa: B023
        assert client.request("GET", f"http://rebind.example:{listener.port}/").body == b"ok"
    assert set(listener.connects) == {"127.0.0.1"}


NAMES = (
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/x", "C:%5Cwindows%5Cx", "CON", "NUL.txt", "a%00b",
    "%1b%5B31mred", "é" * 127, "%F0%9F%92%A3" * 60, "a%0d%0aSet-Cookie:%20x=1", "<script>alert(1)</script>", ".", "%ff",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_from_outside_is_a_text_and_never_a_path(
    listening: Callable[..., Listener], name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = b"This is a sentence about something that matters to somebody here. " * 5
    head = b'Content-Type: text/plain\r\nContent-Disposition: attachment; filename="../../evil"\r\nContent-Length: %d'
    listener = listening(lambda path: b"HTTP/1.1 200 OK\r\n" + head % len(page) + b"\r\n\r\n" + page)
    ctx = FakeContext(fetch_allow=("127.0.0.1",))
    given = {"url": f"http://127.0.0.1:{listener.port}/folder/{name}", "method": "extractive"}
    try:
        run = run_action(summarize, given, ctx)
    except (BadInput, ValidationError):
        return
    assert run.result.model_dump_json()
    assert list(tmp_path.rglob("*")) == []
