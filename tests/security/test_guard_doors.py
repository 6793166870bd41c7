"""Where nobody may go, by every door of the guard: requests, SDKs, sockets, and both kinds of the browser's proxy."""

from __future__ import annotations

import base64
import itertools
import random
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest
from net_kit import BLOCKED_HOSTS, RawServer, Serve, answer, raw_servers, saying

from llmcoder.errors import BadInput
from llmcoder.net import GuardedClient, Limits, Network, guarded_transport

QUICK = Limits(connect_s=2, read_s=2, total_s=4)
TRIES = 200
Resolve = Callable[[str, int], Sequence[str]]
#: What came back, or BadInput where the guard refused.
Door = Callable[[str, Sequence[str], Resolve | None], bytes]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with raw_servers() as start:
        yield start


@pytest.fixture
def everywhere(serve: Serve) -> RawServer:
    """Listens on every address of this machine, so that a connection to any form of one is seen."""
    return serve(saying(answer(body=b"secret")), host="::" if socket.has_dualstack_ipv6() else "0.0.0.0")


def by_request(url: str, allow: Sequence[str], resolve: Resolve | None) -> bytes:
    return GuardedClient(allow=allow, limits=QUICK, resolve=resolve).request("GET", url).body


def by_sdk(url: str, allow: Sequence[str], resolve: Resolve | None) -> bytes:
    with httpx.Client(transport=guarded_transport(allow, resolve=resolve)) as client:
        try:
            return client.get(url).content
        except httpx.InvalidURL as error:
            raise BadInput(str(error)) from error


def by_socket(url: str, allow: Sequence[str], resolve: Resolve | None) -> bytes:
    host, port = named(url)
    plain = host.removeprefix("[").removesuffix("]")
    with closing(Network(allow=allow, resolve=resolve)) as net, net.connect(plain, port) as checked:
        checked.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return checked.recv(65_536).partition(b"\r\n\r\n")[2]


def by_tunnel(url: str, allow: Sequence[str], resolve: Resolve | None) -> bytes:
    host, port = named(url)
    with closing(Network(allow=allow, resolve=resolve)) as net, net.proxy() as proxy:
        headers = f"Host: x\r\nProxy-Authorization: {basic(proxy.username, proxy.password)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as client:
            client.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\n{headers}".encode())
            head = client.recv(65_536)
            if not head.startswith(b"HTTP/1.1 200 "):
                head += b"".join(iter(lambda: client.recv(65_536), b""))  # its words may come after it
                return refused_by(head, proxy.refusal_count)
            client.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            return client.recv(65_536).partition(b"\r\n\r\n")[2]


def by_proxied_request(url: str, allow: Sequence[str], resolve: Resolve | None) -> bytes:
    with closing(Network(allow=allow, resolve=resolve)) as net, net.proxy() as proxy:
        headers = f"Host: x\r\nProxy-Authorization: {basic(proxy.username, proxy.password)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", proxy.port), 5) as client:
            client.sendall(f"GET {url} HTTP/1.1\r\n{headers}".encode())
            head = b"".join(iter(lambda: client.recv(65_536), b""))
            if not head.startswith(b"HTTP/1.1 200 "):
                return refused_by(head, proxy.refusal_count)
            return head.partition(b"\r\n\r\n")[2]


def refused_by(head: bytes, refusals: int) -> bytes:
    assert head.split(b" ")[1] in (b"403", b"400"), head
    assert refusals == 1 or not head.startswith(b"HTTP/1.1 403"), "the action is told of it"
    raise BadInput(head.partition(b"\r\n\r\n")[2].decode())


def named(url: str) -> tuple[str, int]:
    host, _, port = urlsplit(url).netloc.rpartition(":")
    return host, int(port)


def basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


DOORS = pytest.mark.parametrize("door", [by_request, by_sdk, by_socket, by_tunnel, by_proxied_request])


@DOORS
@pytest.mark.parametrize("host", BLOCKED_HOSTS)
def test_no_connection_is_made_to_a_blocked_address(everywhere: RawServer, door: Door, host: str) -> None:
    with pytest.raises(BadInput):
        door(f"http://{host}:{everywhere.port}/latest/meta-data/", (), None)
    assert everywhere.connects == 0


@DOORS
@pytest.mark.parametrize("entry", ["*", "localhost", "localhost:{port}", "127.0.0.0/8"])
def test_what_an_operator_allows_is_reached(everywhere: RawServer, door: Door, entry: str) -> None:
    allow = [entry.format(port=everywhere.port)]
    assert door(f"http://localhost:{everywhere.port}/", allow, lambda host, port: ["127.0.0.1"]) == b"secret"


@DOORS
@pytest.mark.parametrize("port", [22, 25, 110, 3306, 5432, 6379, 6667])
def test_ports_of_other_protocols_are_refused(door: Door, port: int) -> None:
    with pytest.raises(BadInput, match="another protocol"):
        door(f"http://some.example:{port}/", (), lambda host, port: ["127.0.0.1"])


@DOORS
def test_one_private_address_among_the_answers_spoils_all(everywhere: RawServer, door: Door) -> None:
    rng = random.Random(7)
    public, private = ["8.8.8.8", "1.1.1.1", "2606:4700::1111"], ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1"]
    for number in range(TRIES):
        answers = [*rng.sample(public, rng.randint(0, 3)), *rng.sample(private, rng.randint(1, 4))]
        rng.shuffle(answers)
        with pytest.raises(BadInput):
            door(f"http://mixed{number}.example:{everywhere.port}/", (), lambda host, port: answers)  # noqa: B023
    assert everywhere.connects == 0


@DOORS
def test_a_name_that_changes_its_address_never_reaches_the_private_one(serve: Serve, door: Door) -> None:
    """127.0.0.2 stands for a public address, 127.0.0.1 for a private one; the name flips with every look-up."""
    public = serve(saying(answer(body=b"public")), host="127.0.0.2")
    private = serve(saying(answer(body=b"private")), port=public.port)
    flips = itertools.cycle([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"]])
    outcomes = []
    for _ in range(60):
        try:
            outcomes.append(
                door(f"http://rebind.example:{public.port}/", ["127.0.0.2"], lambda host, port: next(flips))
            )
        except BadInput:
            outcomes.append(b"refused")
    assert (outcomes.count(b"public"), outcomes.count(b"refused")) == (20, 40)
    assert (public.connects, private.connects) == (20, 0)
