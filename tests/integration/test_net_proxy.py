"""The browser's proxy on the wire: who gets in, what goes on to the site, and how it ends."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import httpx
import pytest
from engine_kit import eventually
from net_kit import Serve, answer, raw_servers, saying, until_closed

from llmcoder.errors import Cancelled
from llmcoder.net import Network, ProxyLimits
from llmcoder.net.proxy import Proxy
from tests.ports import free_port

#: Generous: how long something may take that takes no time.
SOON_S = 20.0
SMALL = ProxyLimits(connections=4, head_bytes=8_192, total_bytes=3_000_000)
#: For what is to end by its silence.
HASTY = ProxyLimits(head_s=0.5, idle_s=1)


def at_home(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@pytest.fixture
def net() -> Iterator[Network]:
    with closing(Network(allow=["127.0.0.1"], resolve=at_home)) as made:
        yield made


@pytest.fixture
def proxy(net: Network) -> Proxy:
    return net.proxy(SMALL)


@pytest.fixture
def hasty(net: Network) -> Proxy:
    return net.proxy(HASTY)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with raw_servers() as start:
        yield start


def token(proxy: Proxy, username: str | None = None, password: str | None = None) -> str:
    pair = f"{username or proxy.username}:{password or proxy.password}"
    return base64.b64encode(pair.encode()).decode()


def dialled(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), SOON_S)


def said(proxy: Proxy, request: str | bytes, *, credentials: bool = True) -> bytes:
    """All that the proxy answers, until it closes."""
    with dialled(proxy) as client:
        given = request if isinstance(request, bytes) else request.encode("latin-1")
        if credentials:
            given = given.replace(b"\r\n", f"\r\nProxy-Authorization: Basic {token(proxy)}\r\n".encode(), 1)
        client.sendall(given)
        return all_of(client)


def all_of(client: socket.socket) -> bytes:
    read = b""
    with suppress(ConnectionError):
        while piece := client.recv(65_536):
            read += piece
    return read


def status(reply: bytes) -> int:
    return int(reply.split(b" ")[1]) if reply else 0


# --- who gets in


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Proxy-Authorization: Basic\r\n",
        "Proxy-Authorization: Basic !!!\r\n",
        "Proxy-Authorization: Basic {wrong}\r\n",
        "Proxy-Authorization: Basic {other_name}\r\n",
        "Proxy-Authorization: Bearer {right}\r\n",
        "Proxy-Authorization: {right}\r\n",
        "Proxy-Authorization: Basic {right}x\r\n",
        "Proxy-Authorization: Basic {right}\r\nProxy-Authorization: Basic {wrong}\r\n",
        "Authorization: Basic {right}\r\n",
    ],
)
@pytest.mark.parametrize("method", ["CONNECT", "GET"])
def test_without_the_password_nothing_is_connected(proxy: Proxy, serve: Serve, method: str, header: str) -> None:
    server = serve(saying(answer()))
    known = {"right": token(proxy), "wrong": token(proxy, password="x"), "other_name": token(proxy, username="x")}
    target = f"127.0.0.1:{server.port}" if method == "CONNECT" else server.url + "/"
    reply = said(proxy, f"{method} {target} HTTP/1.1\r\nHost: x\r\n{header.format(**known)}\r\n", credentials=False)
    assert status(reply) == 407
    assert b'proxy-authenticate: basic realm="job"' in reply.lower()
    assert (server.connects, proxy.refusals) == (0, ())


def test_the_password_of_one_job_is_of_no_use_at_another_s(net: Network, proxy: Proxy, serve: Serve) -> None:
    server, other = serve(saying(answer())), net.proxy()
    head = f"GET {server.url}/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {token(other)}\r\n\r\n"
    assert status(said(proxy, head, credentials=False)) == 407
    assert server.connects == 0


def test_clients_of_the_world_know_how_to_use_it(proxy: Proxy, serve: Serve) -> None:
    server = serve(lambda connection, request: connection.sendall(answer(body=request.split(b" ")[1])))
    url = f"http://{proxy.username}:{proxy.password}@127.0.0.1:{proxy.port}"
    with httpx.Client(proxy=url) as client:
        for number in range(3):
            got = client.get(f"http://site.example:{server.port}/{number}?q=a b")
            assert (got.status_code, got.text) == (200, f"/{number}?q=a%20b")


# --- what is no request to a proxy


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET https://site.example/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET ftp://site.example/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET http://u:p@site.example/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("CONNECT site.example HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        ("CONNECT site.example: HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        ("CONNECT http://site.example:80 HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        ("CONNECT site.example:70000 HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        ("CONNECT u@site.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        ("CONNECT site.example:25 HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        ("CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n", 403),
        ("GET http://site.example/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        ("GET http://site.example/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://site.example/ HTTP/1.1\r\nHost: x\r\nX : y\r\n\r\n", 400),
        ("GET http://site.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("GET http://site.example/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "x" * 100 + "\r\n\r\n", 400),
        ("\x05\x01\x00\r\n\r\n", 400),
        ("GET http://site.example/" + "a" * 20_000 + " HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    ],
)
def test_what_is_no_request_to_a_proxy_is_told_so(proxy: Proxy, request_: str, expected: int) -> None:
    assert status(said(proxy, request_)) == expected


def test_a_head_that_does_not_come_is_not_waited_for(hasty: Proxy) -> None:
    for start in (b"", b"GET http://site.exa", b"CONNECT site.example:443 HTTP/1.1\r\nHost: x\r\n"):
        with dialled(hasty) as client:
            client.sendall(start)
            assert all_of(client) == b""


def test_a_head_that_comes_a_byte_at_a_time_has_no_more_time(hasty: Proxy) -> None:
    with dialled(hasty) as client, suppress(ConnectionError):
        began = time.monotonic()
        while time.monotonic() - began < SOON_S:
            client.sendall(b"G")
            client.settimeout(0.05)
            with suppress(TimeoutError):
                if not client.recv(1):
                    return
    assert time.monotonic() - began < SOON_S


# --- what goes on to the site


def test_a_site_sees_its_own_host_and_nothing_that_is_the_proxy_s(proxy: Proxy, serve: Serve) -> None:
    server = serve(saying(answer(body=b"hello", Connection="keep-alive", X_Own="1", Set_Cookie="a=b")))
    reply = said(
        proxy,
        f"GET http://Site.Example:{server.port}/a?b HTTP/1.1\r\nHost: other.example\r\nProxy-Connection: keep-alive\r\n"
        "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nUpgrade: h2c\r\nTE: trailers\r\nX-Mine: 2\r\nCookie: c=d\r\n\r\n",
    )
    assert status(reply) == 200
    assert reply.endswith(b"\r\n\r\nhello")
    head = reply.lower()
    assert b"x-own: 1" in head
    assert b"set-cookie: a=b" in head
    assert head.count(b"connection:") == 1
    assert b"connection: close" in head
    asked = server.requests[0]
    assert asked.startswith(b"GET /a?b HTTP/1.1\r\n")
    assert f"Host: site.example:{server.port}".encode() in asked
    assert b"x-mine: 2" in asked.lower()
    assert b"cookie: c=d" in asked.lower()
    for ours in (b"proxy-", b"x-hop", b"upgrade", b"te: ", b"other.example", token(proxy).encode().lower()):
        assert ours not in asked.lower(), ours


def test_a_second_request_on_the_connection_reaches_nobody(proxy: Proxy, serve: Serve) -> None:
    """It could name another host, or carry the password there."""
    server = serve(saying(answer(body=b"first")))
    request = f"GET {server.url}/ HTTP/1.1\r\nHost: x\r\n\r\n"
    second = f"GET {server.url}/second HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {token(proxy)}\r\n\r\n"
    assert said(proxy, request + second).count(b"HTTP/1.1 200") == 1
    assert [b"second" in one for one in server.requests] == [False]


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_a_body_goes_on_as_it_came(proxy: Proxy, serve: Serve, framing: str) -> None:
    server = serve(saying(answer(body=b"taken")))
    body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n" if framing == "chunks" else b"hello world"
    how = "Transfer-Encoding: chunked" if framing == "chunks" else "Content-Length: 11"
    head = f"POST {server.url}/ HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n{how}\r\n\r\n".encode()
    reply = said(proxy, head + body)
    assert reply.endswith(b"taken")
    assert how.encode().lower() in server.requests[0].lower()


@pytest.mark.parametrize(
    ("method", "reply", "expected"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"content-length: 99"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", b"etag: x"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b"204 no content"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"\r\n\r\nok"),
        ("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"2\r\nok\r\n0\r\n\r\n"),
        ("GET", b"HTTP/1.1 407 Proxy\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", b"http/1.1 502"),
    ],
)
def test_an_answer_comes_back_as_it_is(proxy: Proxy, serve: Serve, method: str, reply: bytes, expected: bytes) -> None:
    server = serve(saying(reply))
    got = said(proxy, f"{method} {server.url}/ HTTP/1.1\r\nHost: x\r\n\r\n").lower()
    assert expected in got


def test_a_site_that_speaks_something_else_is_given_up(hasty: Proxy, serve: Serve) -> None:
    server = serve(saying(b"220 smtp.example ESMTP\r\n"))
    assert status(said(hasty, f"GET {server.url}/ HTTP/1.1\r\nHost: x\r\n\r\n")) == 504


def test_an_answer_that_breaks_off_is_a_reset_and_no_whole_answer(proxy: Proxy, serve: Serve) -> None:
    def half(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")
        connection.shutdown(socket.SHUT_RDWR)

    server = serve(half)
    with dialled(proxy) as client:
        given = f"GET {server.url}/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {token(proxy)}\r\n\r\n"
        client.sendall(given.encode())
        with pytest.raises(ConnectionError):
            while client.recv(65_536):
                pass


def test_an_answer_before_the_body_was_sent_is_heard(proxy: Proxy, serve: Serve) -> None:
    server = serve(saying(answer("413 Too Large", body=b"no")))
    head = f"POST {server.url}/ HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
    assert status(said(proxy, head.encode() + b"x" * 2_000_000)) in (413, 502)


def test_a_tunnel_carries_what_came_with_the_request_too(proxy: Proxy, serve: Serve) -> None:
    server = serve(saying(answer(body=b"inside")))
    inner = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    with dialled(proxy) as client:
        head = f"CONNECT site.example:{server.port} HTTP/1.1\r\nHost: x\r\n"
        client.sendall(f"{head}Proxy-Authorization: Basic {token(proxy)}\r\n\r\n{inner}".encode())
        read = b""
        while not read.endswith(b"inside"):
            read += client.recv(65_536)
    assert read.startswith(b"HTTP/1.1 200 Connection established\r\n\r\n")


def test_where_nobody_answers_the_browser_is_told_so_and_nothing_is_called_refused(net: Network) -> None:
    port = free_port()
    proxy = net.proxy(SMALL)
    for request in (f"CONNECT site.example:{port} HTTP/1.1", f"GET http://site.example:{port}/ HTTP/1.1"):
        assert status(said(proxy, f"{request}\r\nHost: x\r\n\r\n")) == 502
    assert proxy.refusals == ()


# --- what is refused


def test_the_action_hears_what_was_refused_and_why(net: Network) -> None:
    proxy = net.proxy(SMALL)
    for request in ("CONNECT 10.0.0.1:443", "GET http://169.254.169.254/secret?token=x", "CONNECT site.example:25"):
        assert status(said(proxy, f"{request} HTTP/1.1\r\nHost: x\r\n\r\n")) == 403
    assert [(one.host, one.port) for one in proxy.refusals] == [
        ("10.0.0.1", 443), ("169.254.169.254", 80), ("site.example", 25),
    ]  # fmt: skip
    assert "a private network" in proxy.refusals[0].detail
    assert "another protocol" in proxy.refusals[2].detail
    assert "token" not in "".join(one.detail for one in proxy.refusals)


def test_it_does_not_connect_to_itself_whatever_an_operator_allows() -> None:
    with closing(Network(allow=["*"], resolve=at_home)) as net:
        proxy = net.proxy(SMALL)
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            for request in (f"CONNECT {host}:{proxy.port}", f"GET http://{host}:{proxy.port}/"):
                assert status(said(proxy, f"{request} HTTP/1.1\r\nHost: x\r\n\r\n")) == 403
        assert "itself" not in proxy.refusals[0].detail
        assert "own proxy" in proxy.refusals[0].detail


def test_only_the_first_refusals_are_kept_and_all_are_counted(proxy: Proxy) -> None:
    for number in range(150):
        said(proxy, f"CONNECT 10.0.0.{number}:443 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (len(proxy.refusals), proxy.refusal_count) == (100, 150)


# --- limits


def tunnel(proxy: Proxy, port: int) -> socket.socket:
    client = dialled(proxy)
    head = f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic {token(proxy)}\r\n\r\n"
    client.sendall(head.encode())
    assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
    return client


def test_one_connection_more_than_the_limit_is_told_so(proxy: Proxy, serve: Serve) -> None:
    server = serve(lambda connection, _: until_closed(connection))
    open_now = [tunnel(proxy, server.port) for _ in range(SMALL.connections)]
    with dialled(proxy) as client:
        assert status(all_of(client)) == 503
    assert "at most 4 connections" in proxy.refusals[0].detail
    for client in open_now:
        client.close()
    deadline = time.monotonic() + SOON_S
    while time.monotonic() < deadline:
        with dialled(proxy) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            if status(all_of(client)) == 407:
                return
    pytest.fail("closed connections make no room")


@pytest.mark.parametrize("way", ["tunnel", "request"])
def test_all_connections_together_have_so_many_bytes(proxy: Proxy, serve: Serve, way: str) -> None:
    def once(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer(body=b"x" * 2_000_000))
        connection.shutdown(socket.SHUT_RDWR)

    server = serve(once)
    read = 0
    for _ in range(2):
        if way == "request":
            read += len(said(proxy, f"GET {server.url}/ HTTP/1.1\r\nHost: x\r\n\r\n"))
        else:
            with tunnel(proxy, server.port) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                read += len(all_of(client))
    assert 1_900_000 < read < 3_100_000
    eventually(lambda: proxy.refusals, what="the refusal is written down, which its client may learn of before")
    assert "MiB went over the browser's connections" in proxy.refusals[0].detail


def test_silence_ends_a_tunnel(hasty: Proxy, serve: Serve) -> None:
    server = serve(lambda connection, _: until_closed(connection))
    with tunnel(hasty, server.port) as client, pytest.raises(ConnectionError):
        client.recv(1)


# --- how it ends


def refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), SOON_S).close()
    except ConnectionRefusedError:
        return True
    return False


def within(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + SOON_S
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return met


@pytest.mark.parametrize("how", ["proxy", "job", "cancelled", "with"])
def test_its_end_is_the_end_of_all_its_connections(serve: Serve, how: str) -> None:
    cancelled = threading.Event()

    def check() -> None:
        if cancelled.is_set():
            raise Cancelled("enough")

    server = serve(lambda connection, _: until_closed(connection))
    net = Network(allow=["127.0.0.1"], check=check)
    with net.proxy() as proxy:
        clients = [tunnel(proxy, server.port) for _ in range(3)]
        clients.append(dialled(proxy))
        {"proxy": proxy.close, "job": net.close, "cancelled": cancelled.set, "with": lambda: None}[how]()
        if how == "with":
            proxy.__exit__()
        for client in clients:
            assert all_of(client) == b""
            client.close()
        assert within(lambda: refuses(proxy.port))
    assert within(lambda: not [one for one in threading.enumerate() if one.name in ("proxy", "proxied")])
    net.close()


def test_the_password_is_another_each_time_and_long(net: Network) -> None:
    passwords = {net.proxy().password for _ in range(10)}
    assert len(passwords) == 10
    assert all(len(one) >= 43 for one in passwords)  # 256 bits
