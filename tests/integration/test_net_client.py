"""The guarded client against real sockets: servers that lie, stall, never end, or sit where nobody may go."""

from __future__ import annotations

import gzip
import itertools
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import httpx
import openai
import pytest
from net_kit import Handler, RawServer, Serve, TlsContexts, answer, raw_servers, saying, tls_contexts, until_closed

from llmcoder.errors import BadInput, Cancelled, Transient, Uncertain
from llmcoder.net import GuardedClient, Limits, guarded_transport
from llmcoder.net.dial import is_own_address
from tests.ports import free_port

QUICK = Limits(connect_s=2, read_s=0.6, total_s=1.5, wire_bytes=100_000, decoded_bytes=200_000)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with raw_servers() as start:
        yield start


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsContexts:
    return tls_contexts(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def client() -> GuardedClient:
    return GuardedClient(allow=["127.0.0.1"], limits=QUICK)


# --- what goes out and comes back ---


def test_an_answer_comes_back_whole_with_headers_that_came_twice(serve: Serve, client: GuardedClient) -> None:
    reply = b"HTTP/1.1 404 Not Found\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 4\r\n\r\ngone"
    server = serve(saying(reply))
    response = client.request("GET", f"{server.url}/a b?q=1#part")
    assert (response.status, response.body, response.truncated) == (404, b"gone", False)
    assert response.headers.get_list("SET-COOKIE") == ["a=1", "b=2"]
    assert response.url == f"{server.url}/a%20b?q=1"


def test_whoever_looks_before_the_first_byte_can_still_stop_the_request(serve: Serve) -> None:
    """An attempt that lost its job while it connected sends nothing."""
    server = serve(saying(answer()))
    looks: list[str] = []

    def look() -> None:
        looks.append("look")
        if len(looks) > 1:
            raise Cancelled("lost meanwhile")

    client = GuardedClient(allow=["127.0.0.1"], limits=QUICK, before_send=look)
    assert client.request("POST", server.url, content=b"x" * 100_000).status == 200
    with pytest.raises(Cancelled):
        client.request("POST", server.url, content=b"x")
    assert (len(server.requests), len(looks)) == (1, 2)


def test_requests_carry_our_framing_and_keep_no_cookie(serve: Serve, client: GuardedClient) -> None:
    server = serve(saying(answer(Set_Cookie="session=1")))
    client.request("POST", server.url, headers={"X-One": "1", "user-agent": "me"}, content=b"body")
    client.request("GET", server.url)
    posted, got = server.requests
    assert posted.startswith(f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode())
    for line in (b"Accept-Encoding: gzip, deflate", b"Content-Length: 4", b"X-One: 1", b"user-agent: me"):
        assert line in posted
    assert posted.endswith(b"\r\n\r\nbody")
    assert b"cookie" not in got.lower()
    assert b"LLMCoder" in got


def test_proxies_of_the_environment_are_not_used(
    serve: Serve, client: GuardedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(saying(answer(body=b"proxy"))), serve(saying(answer(body=b"server")))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    assert client.request("GET", server.url).body == b"server"
    with httpx.Client(transport=guarded_transport(["127.0.0.1"])) as through_httpx:
        assert through_httpx.get(server.url).content == b"server"
    assert proxy.connects == 0


def test_head_and_empty_answers_have_no_body_whatever_their_headers_say(serve: Serve, client: GuardedClient) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\nContent-Encoding: br\r\n\r\n"
    assert client.request("HEAD", serve(saying(head)).url).body == b""
    unchanged = b"HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\n\r\n"
    assert client.request("GET", serve(saying(unchanged)).url).status == 304


def test_one_client_serves_many_threads(serve: Serve, client: GuardedClient) -> None:
    server = serve(lambda connection, request: connection.sendall(answer(body=request.split(b" ")[1])))
    seen: dict[int, bytes] = {}

    def fetch(number: int) -> None:
        seen[number] = client.request("GET", f"{server.url}/{number}").body

    threads = [threading.Thread(target=fetch, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {number: b"/%d" % number for number in range(16)}


# --- where nobody may go ---


@pytest.fixture
def everywhere(serve: Serve) -> RawServer:
    """Listens on every address of this machine, so that a connection to any form of one is seen."""
    return serve(saying(answer(body=b"secret")), host="::" if socket.has_dualstack_ipv6() else "0.0.0.0")


def test_a_blocked_address_names_the_host_and_the_remedy_and_not_the_query(everywhere: RawServer) -> None:
    with pytest.raises(BadInput, match=r"^localhost may not be fetched.*FETCH_ALLOW") as refused:
        GuardedClient().request("GET", f"http://localhost:{everywhere.port}/?token=hunter2")
    assert "hunter2" not in refused.value.detail


def test_allow_opens_a_host_a_port_a_network_or_everything(everywhere: RawServer) -> None:
    for entry in ("*", "localhost", f"localhost:{everywhere.port}", "127.0.0.0/8"):
        client = GuardedClient(allow=[entry], resolve=lambda host, port: ["127.0.0.1"])
        assert client.request("GET", f"http://localhost:{everywhere.port}/").body == b"secret"


def test_the_addresses_of_this_machine_are_recognised() -> None:
    assert is_own_address(ip_address("127.0.0.1"))
    assert not is_own_address(ip_address("192.0.2.1"))


def test_mixed_answers_are_refused_as_a_whole(everywhere: RawServer) -> None:
    for answers in (["8.8.8.8", "127.0.0.1"], ["2606:4700::1", "::1"], ["127.0.0.1", "8.8.8.8"]):
        client = GuardedClient(resolve=lambda host, port, answers=answers: answers)  # type: ignore[misc]
        with pytest.raises(BadInput):
            client.request("GET", f"http://mixed.example:{everywhere.port}/")
    assert everywhere.connects == 0


def test_a_name_that_changes_its_address_never_reaches_the_private_one(serve: Serve) -> None:
    """127.0.0.2 stands for a public address, 127.0.0.1 for a private one; the name flips with every look-up."""
    public = serve(saying(answer(body=b"public")), host="127.0.0.2")
    private = serve(saying(answer(body=b"private")), port=public.port)
    flips = itertools.cycle([["127.0.0.2"], ["127.0.0.1"], ["127.0.0.2", "127.0.0.1"]])
    client = GuardedClient(allow=["127.0.0.2"], limits=QUICK, resolve=lambda host, port: next(flips))
    outcomes = []
    for _ in range(300):
        try:
            outcomes.append(client.request("GET", f"http://rebind.example:{public.port}/").body)
        except BadInput:
            outcomes.append(b"refused")
    assert (outcomes.count(b"public"), outcomes.count(b"refused")) == (100, 200)
    assert (public.connects, private.connects) == (100, 0)


def test_the_name_is_looked_up_once_and_stays_in_the_host_header(serve: Serve) -> None:
    server = serve(saying(answer()))
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    client = GuardedClient(allow=["127.0.0.1"], resolve=resolve)
    client.request("GET", f"http://Name.Example.:{server.port}/")
    assert asked == ["name.example"]
    assert f"Host: name.example:{server.port}".encode() in server.requests[0]


def test_a_dead_first_address_is_no_end(serve: Serve) -> None:
    server = serve(saying(answer(body=b"second")))
    client = GuardedClient(allow=["127.0.0.0/8"], resolve=lambda host, port: ["127.0.0.9", "127.0.0.1"])
    assert client.request("GET", f"http://two.example:{server.port}/").body == b"second"


# --- redirects ---


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
def test_a_redirect_to_a_blocked_address_is_not_followed(
    serve: Serve, everywhere: RawServer, method: str, status: str
) -> None:
    for host in ("127.0.0.3", "localhost", "0x7f.3", "[::ffff:7f00:3]"):
        server = serve(saying(answer(status, Location=f"http://{host}:{everywhere.port}/")))
        client = GuardedClient(allow=["127.0.0.1/32"], resolve=lambda host, port: ["127.0.0.3"])
        if method == "POST" and status.startswith("302"):
            assert client.request(method, server.url).status == 302
        else:
            with pytest.raises(BadInput):
                client.request(method, server.url)
    assert everywhere.connects == 0


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "data:,x", "http://u:p@127.0.0.1/"])
def test_a_redirect_to_another_scheme_is_refused(serve: Serve, client: GuardedClient, location: str) -> None:
    with pytest.raises(BadInput):
        client.request("GET", serve(saying(answer("302 Found", Location=location))).url)


def test_five_redirects_are_followed_and_a_sixth_is_not(serve: Serve, client: GuardedClient) -> None:
    def count_down(connection: socket.socket, request: bytes) -> None:
        left = int(request.split(b" ")[1].strip(b"/"))
        connection.sendall(answer("302 Found", Location=f"/{left - 1}") if left else answer(body=b"there"))

    server = serve(count_down)
    response = client.request("GET", f"{server.url}/5")
    assert (response.body, response.url) == (b"there", f"{server.url}/0")
    before = server.connects
    with pytest.raises(BadInput, match="more than 5 times"):
        client.request("GET", f"{server.url}/20")
    assert server.connects - before == 6


@pytest.mark.parametrize(
    ("statuses", "led_to"), [(["301"], 1), (["308", "301"], 2), (["301", "302"], 1), (["302", "301"], 0), ([], 0)]
)
def test_an_answer_says_where_permanent_redirects_led(
    serve: Serve, client: GuardedClient, statuses: list[str], led_to: int
) -> None:
    def steps(connection: socket.socket, request: bytes) -> None:
        step = int(request.split()[1].rpartition(b"/")[2] or 0)
        here = f"{statuses[step]} Moved" if step < len(statuses) else "200 OK"
        connection.sendall(answer(here, Location=f"/{step + 1}") if step < len(statuses) else answer(here, b"there"))

    server = serve(steps)
    response = client.request("GET", f"{server.url}/0")
    assert (response.body, response.moved_to) == (b"there", f"{server.url}/{led_to}" if led_to else "")


def test_a_redirect_with_an_endless_body_is_followed_at_once(serve: Serve, client: GuardedClient) -> None:
    def endless_redirect(connection: socket.socket, request: bytes) -> None:
        if b"/there" in request:
            return connection.sendall(answer(body=b"there"))
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 999999999\r\n\r\n")
        until_closed(connection)

    assert client.request("GET", serve(endless_redirect).url).body == b"there"


def test_credentials_do_not_follow_to_another_origin_and_the_body_of_a_307_does(serve: Serve) -> None:
    there = serve(saying(answer()))
    here = serve(saying(answer("307 Temporary Redirect", Location=f"{there.url}/x")))
    headers = {"Authorization": "Bearer hunter2", "Cookie": "hunter2", "X-Key": "hunter2", "Content-Type": "text/plain"}
    GuardedClient(allow=["127.0.0.1"]).request("POST", here.url, headers=headers, content=b"body")
    assert here.requests[0].count(b"hunter2") == 3
    assert b"hunter2" not in there.requests[0]
    assert there.requests[0].startswith(b"POST /x ")
    assert b"text/plain" in there.requests[0]
    assert there.requests[0].endswith(b"\r\n\r\nbody")


def test_a_write_that_was_answered_by_see_other_is_done_even_if_the_other_page_fails(
    serve: Serve, client: GuardedClient
) -> None:
    def see_other(connection: socket.socket, request: bytes) -> None:
        if request.startswith(b"POST"):
            connection.sendall(answer("303 See Other", Location="/done"))
        else:
            connection.shutdown(socket.SHUT_RDWR)

    server = serve(see_other)
    response = client.request("POST", server.url, content=b"x")
    assert (response.status, response.headers["location"]) == (303, "/done")
    assert [request.split(b" ")[0] for request in server.requests] == [b"POST", b"GET"]


# --- TLS ---


def _tls_client(trusting: ssl.SSLContext | None) -> GuardedClient:
    return GuardedClient(
        allow=["127.0.0.1"], limits=QUICK, ssl_context=trusting, resolve=lambda host, port: ["127.0.0.1"]
    )


def test_tls_verifies_the_name_although_the_address_was_dialled(serve: Serve, tls: TlsContexts) -> None:
    server = serve(saying(answer(body=b"x" * 90_000)), tls=tls[0])
    assert _tls_client(tls[1]).request("GET", f"https://tls.example:{server.port}/").body == b"x" * 90_000
    with pytest.raises(BadInput, match=r"other\.example: its certificate is not valid"):
        _tls_client(tls[1]).request("GET", f"https://other.example:{server.port}/")


def test_a_certificate_nobody_vouches_for_is_refused_before_anything_is_sent(serve: Serve, tls: TlsContexts) -> None:
    server = serve(saying(answer()), tls=tls[0])
    with pytest.raises(BadInput, match="certificate"):
        _tls_client(None).request("POST", f"https://tls.example:{server.port}/", content=b"secret")
    assert server.requests == []


def test_a_server_that_speaks_no_tls_is_transient(serve: Serve, tls: TlsContexts) -> None:
    server = serve(saying(answer()))

    def garbage(connection: socket.socket) -> None:
        connection.sendall(b"not tls at all\r\n\r\n")

    server._answer = garbage  # type: ignore[method-assign]
    with pytest.raises(Transient, match="Nothing was sent"):
        _tls_client(tls[1]).request("POST", f"https://tls.example:{server.port}/", content=b"x")


def test_silence_over_tls_is_uncertain_and_the_wait_can_be_cancelled(serve: Serve, tls: TlsContexts) -> None:
    server = serve(lambda connection, _: until_closed(connection), tls=tls[0])
    with pytest.raises(Uncertain):
        _tls_client(tls[1]).request("POST", f"https://tls.example:{server.port}/", content=b"x")
    with pytest.raises(Stopped):
        _tls_client(tls[1]).request("GET", f"https://tls.example:{server.port}/", check=stop_after(server, 0.1))


def test_a_redirect_from_https_to_http_is_refused(serve: Serve, tls: TlsContexts) -> None:
    plain = serve(saying(answer()))
    secure = serve(saying(answer("302 Found", Location=plain.url)), tls=tls[0])
    with pytest.raises(BadInput, match="from https to http"):
        _tls_client(tls[1]).request("GET", f"https://tls.example:{secure.port}/")
    assert plain.connects == 0


# --- bodies that are too large, too slow, or never end ---


def _endless(connection: socket.socket, _: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")


def test_an_endless_chunked_body_ends_at_the_cap(serve: Serve, client: GuardedClient) -> None:
    with pytest.raises(BadInput, match=r"127\.0\.0\.1 sent more than"):
        client.request("GET", serve(_endless).url)


def test_a_write_whose_answer_is_too_large_is_still_answered(serve: Serve, client: GuardedClient) -> None:
    response = client.request("POST", serve(_endless).url, content=b"x")
    assert (response.status, response.truncated, len(response.body)) == (200, True, QUICK.wire_bytes)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_whoever_has_enough_of_a_body_that_never_ends_leaves_it(
    serve: Serve, client: GuardedClient, method: str
) -> None:
    pieces: list[bytes] = []

    def enough(piece: bytes) -> bool:
        pieces.append(piece)
        return sum(map(len, pieces)) >= 10_000

    response = client.request(method, serve(_endless).url, limits=replace(QUICK, enough=enough))
    assert (response.status, response.truncated, response.body) == (200, False, b"".join(pieces))
    assert len(response.body) >= 10_000


def test_an_unknown_encoding_is_refused_and_does_not_hide_that_a_write_was_answered(
    serve: Serve, client: GuardedClient
) -> None:
    server = serve(saying(answer(body=b"???", Content_Encoding="br")))
    with pytest.raises(BadInput, match="'br'"):
        client.request("GET", server.url)
    response = client.request("DELETE", server.url)
    assert (response.status, response.truncated, response.body) == (200, True, b"")


def _drip(every_s: float, head: bytes, drop: bytes) -> Handler:
    def handler(connection: socket.socket, _: bytes) -> None:
        connection.sendall(head)
        while not select.select([connection], [], [], every_s)[0]:
            connection.sendall(drop)

    return handler


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(_drip(0.1, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"), id="one byte at a time"),
        pytest.param(_drip(0.1, b"HTTP/1.1 200 OK\r\nX: ", b"x"), id="headers that never end"),
        pytest.param(_drip(0.1, b"", b"HTTP/1.1 100 Continue\r\n\r\n"), id="continue for ever"),
    ],
)
def test_a_slow_server_is_given_up_when_the_total_time_is_over(
    serve: Serve, client: GuardedClient, handler: Handler
) -> None:
    started = time.monotonic()
    with pytest.raises(Uncertain, match="in time"):
        client.request("GET", serve(handler).url)
    assert 1.4 < time.monotonic() - started < 3


def test_slow_redirects_share_one_total_time(serve: Serve, client: GuardedClient) -> None:
    def slowly(connection: socket.socket, _: bytes) -> None:
        if not select.select([connection], [], [], 0.4)[0]:
            connection.sendall(answer("302 Found", Location="/again"))

    started = time.monotonic()
    with pytest.raises((Uncertain, Transient)):
        client.request("GET", serve(slowly).url)
    assert time.monotonic() - started < 3


def test_a_request_that_the_server_does_not_read_is_given_up(serve: Serve, client: GuardedClient) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener, pytest.raises(Uncertain):
        client.request("PUT", f"http://127.0.0.1:{listener.getsockname()[1]}/", content=b"x" * 30_000_000)


BOMB = """
import gzip, resource, socket, sys, threading
from llmcoder.errors import BadInput
from llmcoder.net import GuardedClient
client = GuardedClient(allow=["127.0.0.1"])
client.request("GET", sys.argv[1] + "/small")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for method in ("GET", "POST"):
    try:
        response = client.request(method, sys.argv[1] + "/bomb")
        print(method, len(response.body), response.truncated)
    except BadInput as error:
        print(method, error.detail)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_gzip_of_one_gigabyte_does_not_grow_the_process(serve: Serve, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.gz"
    with gzip.open(bomb, "wb", compresslevel=6) as packed:
        for _ in range(1024):
            packed.write(bytes(1024 * 1024))
    large, small = (answer(body=body, Content_Encoding="gzip") for body in (bomb.read_bytes(), gzip.compress(b"x")))
    server = serve(lambda connection, request: connection.sendall(large if b"/bomb" in request else small))
    run = subprocess.run([sys.executable, "-c", BOMB, server.url], capture_output=True, text=True, check=True)
    got, posted, grown_mib = run.stdout.splitlines()
    assert got == "GET 127.0.0.1 unpacked to more than 20 MiB."
    assert posted == f"POST {20 * 1024 * 1024} True"
    assert int(grown_mib) < 50


# --- was it sent? ---


def test_a_refused_connection_is_transient_because_nothing_was_sent(client: GuardedClient) -> None:
    with pytest.raises(Transient, match=r"127\.0\.0\.1.*Nothing was sent"):
        client.request("POST", f"http://127.0.0.1:{free_port()}/?token=x", content=b"x")


def test_a_connection_nobody_accepts_in_time_is_transient() -> None:
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
        client = GuardedClient(allow=["127.0.0.1"], limits=Limits(connect_s=0.5))
        with pytest.raises(Transient):
            client.request("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", content=b"x")
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(lambda connection, _: until_closed(connection), id="silence"),
        pytest.param(lambda connection, _: connection.shutdown(socket.SHUT_RDWR), id="closed without an answer"),
        pytest.param(saying(b"HTTP/1.1 200 OK\r\nContent-Le"), id="half a header, then silence"),
        pytest.param(saying(b"220 smtp.example ESMTP\r\n"), id="not http"),
        pytest.param(saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx"), id="strange framing"),
    ],
)
def test_no_answer_is_uncertain_and_nothing_is_sent_again(
    serve: Serve, client: GuardedClient, handler: Handler
) -> None:
    server = serve(handler)
    with pytest.raises(Uncertain, match=r"127\.0\.0\.1"):
        client.request("POST", server.url, content=b"x")
    assert len(server.requests) == 1


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"


@pytest.mark.parametrize("chunks", [HALF, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"])
def test_a_body_that_falls_silent_or_goes_wrong_leaves_the_answer_to_a_write_known(
    serve: Serve, client: GuardedClient, chunks: bytes
) -> None:
    server = serve(saying(chunks))
    response = client.request("POST", server.url, content=b"x")
    assert (response.status, response.body, response.truncated) == (200, b"half", True)
    with pytest.raises(Uncertain):
        client.request("GET", server.url)
    assert len(server.requests) == 2


def test_a_reset_in_the_middle_of_a_body_leaves_the_answer_to_a_write_known(
    serve: Serve, client: GuardedClient
) -> None:
    def reset(connection: socket.socket, _: bytes) -> None:
        connection.sendall(HALF)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    response = client.request("POST", serve(reset).url, content=b"x")
    assert (response.status, response.truncated) == (200, True)


def test_two_writes_never_share_a_connection(serve: Serve, client: GuardedClient) -> None:
    server = serve(saying(answer()))
    for _ in range(3):
        client.request("POST", server.url)
    assert server.connects == 3


def _failing_look_up(code: int) -> GuardedClient:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(code, "look-up failed")

    return GuardedClient(resolve=resolve)


def test_a_name_that_does_not_exist_is_bad_input_and_a_silent_name_server_is_transient() -> None:
    with pytest.raises(BadInput, match=r"no host named nowhere\.example"):
        _failing_look_up(socket.EAI_NONAME).request("GET", "http://nowhere.example/")
    with pytest.raises(Transient, match=r"nowhere\.example"):
        _failing_look_up(socket.EAI_AGAIN).request("GET", "http://nowhere.example/")
    with pytest.raises(BadInput, match="no address"):
        GuardedClient(resolve=lambda host, port: []).request("GET", "http://nowhere.example/")


def test_a_look_up_that_hangs_is_given_up_and_can_be_cancelled() -> None:
    release = threading.Event()

    def hang(host: str, port: int) -> Sequence[str]:
        release.wait(20)
        return []

    client = GuardedClient(resolve=hang, limits=Limits(connect_s=0.4))
    with pytest.raises(Transient, match="looked up in time"):
        client.request("GET", "http://slow.example/")
    with pytest.raises(Stopped):
        GuardedClient(resolve=hang).request("GET", "http://slow.example/", check=stop_on_call(3))
    release.set()


# --- cancellation ---


class Stopped(Exception):
    """What a cancelled job's check raises."""


def stop_on_call(number: int) -> Callable[[], None]:
    calls = itertools.count(1)

    def check() -> None:
        if next(calls) >= number:
            raise Stopped

    return check


def stop_after(server: RawServer, delay_s: float) -> Callable[[], None]:
    """Raise once the server has had a request for a while."""
    seen_at: list[float] = []

    def check() -> None:
        if server.requests:
            seen_at.append(time.monotonic())
            if seen_at[-1] - seen_at[0] >= delay_s:
                raise Stopped

    return check


def test_a_request_that_is_already_cancelled_does_not_connect(serve: Serve, client: GuardedClient) -> None:
    server = serve(saying(answer()))
    with pytest.raises(Stopped):
        client.request("GET", server.url, check=stop_on_call(1))
    assert server.connects == 0


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(lambda connection, _: until_closed(connection), id="before the headers"),
        pytest.param(_drip(0.05, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"), id="in the body"),
        pytest.param(_endless, id="in a fast body"),
    ],
)
def test_a_cancellation_ends_the_wait_and_closes_the_connection(serve: Serve, handler: Handler) -> None:
    closed = threading.Event()

    def handler_that_tells(connection: socket.socket, request: bytes) -> None:
        try:
            handler(connection, request)
        finally:
            closed.set()

    server = serve(handler_that_tells)
    client = GuardedClient(allow=["127.0.0.1"], limits=Limits(wire_bytes=10**12, decoded_bytes=10**12))
    started = time.monotonic()
    with pytest.raises(Stopped):
        client.request("GET", server.url, check=stop_after(server, 0.2))
    assert time.monotonic() - started < 2
    assert closed.wait(2)


# --- vendor SDKs ---


def test_an_sdk_goes_through_the_guard_with_its_own_errors(serve: Serve) -> None:
    server = serve(saying(answer(body=gzip.compress(b"hello"), Content_Encoding="gzip")))
    silent = serve(lambda connection, _: until_closed(connection))
    with httpx.Client(transport=guarded_transport(["127.0.0.1"]), timeout=0.5) as through_httpx:
        assert [through_httpx.get(server.url).text for _ in range(3)] == ["hello"] * 3
        assert server.connects == 1
        with pytest.raises(httpx.ConnectError):
            through_httpx.get(f"http://127.0.0.1:{free_port()}/")
        with pytest.raises(httpx.ReadTimeout):
            through_httpx.post(silent.url)


def test_a_kept_connection_that_the_server_closed_is_not_used_again(serve: Serve) -> None:
    closed = threading.Semaphore(0)

    def once(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer())
        connection.shutdown(socket.SHUT_RDWR)
        closed.release()

    server = serve(once)
    with httpx.Client(transport=guarded_transport(["*"])) as through_httpx:
        for number in range(1, 4):
            through_httpx.post(server.url)
            assert len(server.requests) == number
            assert closed.acquire(timeout=5)


def test_a_refusal_passes_through_a_vendor_sdk_without_a_retry() -> None:
    looked_up: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        return ["10.0.0.1"]

    http = httpx.Client(transport=guarded_transport(resolve=resolve))
    sdk = openai.OpenAI(base_url="http://llm.example/v1", api_key="x", http_client=http)
    with sdk, pytest.raises(BadInput, match="FETCH_ALLOW"):
        sdk.models.list()
    assert looked_up == ["llm.example"]
