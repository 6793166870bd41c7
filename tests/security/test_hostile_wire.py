"""Hostile bytes on real sockets: heads without end, bodies that trickle, requests that no client library would send.

Whatever is refused is refused in time, with a problem document, and by an end of the connection where nothing sound
can follow.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from select import select
from types import SimpleNamespace
from typing import Any

import pytest
from served import Served

from api.http import wire

#: For one answer, on a machine that is busy with other things.
ANSWERED_WITHIN_S = 20.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HOST = b"Host: engine.test\r\n"
UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@dataclass
class Answer:
    """What came back on one connection."""

    raw: bytes

    @property
    def status(self) -> int:
        assert self.raw.startswith(b"HTTP/1.1 "), f"no answer: {self.raw[:200]!r}"
        return int(self.raw.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]


@contextmanager
def connected(served: Served) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", served.port), timeout=ANSWERED_WITHIN_S) as connection:
        yield connection


def told(served: Served, raw: bytes) -> Answer:
    """Send it, and read until the server has said all of one answer or has closed."""
    with connected(served) as connection:
        send(connection, raw)
        return read(connection)


def send(connection: socket.socket, raw: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it was refused before all was sent; the answer is read
        connection.sendall(raw)


def read(connection: socket.socket) -> Answer:
    raw = b""
    while not is_whole(raw):
        try:
            part = connection.recv(65_536)
        except ConnectionResetError:
            break
        if not part:
            break
        raw = (raw + part).removeprefix(CONTINUE)
    return Answer(raw)


def is_whole(raw: bytes) -> bool:
    _, end, body = raw.partition(b"\r\n\r\n")
    if not end:
        return False
    answer = Answer(raw)
    if "content-length" in answer.headers:
        return len(body) >= int(answer.headers["content-length"])
    return answer.status in (101, 204, 304) or body.endswith(b"0\r\n\r\n")


def request(line: bytes = b"GET /health/live HTTP/1.1", *headers: bytes, body: bytes = b"") -> bytes:
    return b"".join([line, b"\r\n", HOST, *(header + b"\r\n" for header in headers), b"\r\n", body])


def is_problem(answer: Answer) -> None:
    assert answer.headers.get("content-type") == "application/problem+json", answer.raw[:500]
    problem = json.loads(answer.body)
    assert problem["type"].startswith("urn:llmcoder:problem:"), problem
    assert problem["status"] == answer.status
    assert problem["title"] and problem["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


CRLF = b"\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded"
JSON = b"Content-Type: application/json"
#: What is sent, and what may be answered.
REQUESTS: dict[str, tuple[bytes, set[int]]] = {
    "no HTTP at all": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 100 + CRLF, {400}),
    "a line of nonsense": (b"hello\r\n\r\n", {400}),
    "HTTP/0.9": (b"GET /\r\n\r\n", {400}),
    "HTTP/1.0": (b"GET /health/live HTTP/1.0\r\n\r\n", {200}),
    "HTTP/1.0 to nowhere": (b"GET /nowhere HTTP/1.0\r\n\r\n", {404}),
    "HTTP/2 by prior knowledge": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "HTTP/9.9": (request(b"GET /health/live HTTP/9.9"), {400, 505}),
    "a method nobody knows": (request(b"BREW /health/live HTTP/1.1"), {400, 405, 501}),
    "a method in lower case": (request(b"get /health/live HTTP/1.1"), {400, 405, 501}),
    "a method of WebDAV": (request(b"PROPFIND /health/live HTTP/1.1"), {405}),
    "a method of WebDAV on a mount": (request(b"PROPFIND /legacy/jira/get HTTP/1.1"), {404, 405}),
    "TRACE": (request(b"TRACE /health/live HTTP/1.1"), {405}),
    "TRACE on a mount": (request(b"TRACE /legacy/ HTTP/1.1"), {405}),
    "PURGE on a mount": (request(b"PURGE /legacy/ HTTP/1.1"), {405}),
    "CONNECT": (request(b"CONNECT example.org:443 HTTP/1.1"), {400, 404, 405}),
    "CONNECT to a path": (request(b"CONNECT /health/live HTTP/1.1"), {400, 404, 405}),
    "OPTIONS *": (request(b"OPTIONS * HTTP/1.1"), {204, 400, 404}),
    "GET *": (request(b"GET * HTTP/1.1"), {400, 404}),
    "OPTIONS to nowhere": (request(b"OPTIONS /nowhere HTTP/1.1"), {404, 405}),
    "OPTIONS of a mount": (request(b"OPTIONS /legacy/ HTTP/1.1"), {200, 204}),
    "POST on a GET": (request(b"POST /health/live HTTP/1.1", b"Content-Length: 0"), {405}),
    "DELETE on a mount": (request(b"DELETE /legacy/ HTTP/1.1"), {405}),
    "a mount without its slash": (request(b"GET /legacy HTTP/1.1"), {200, 307, 308, 404}),
    "no such address in a mount": (request(b"GET /legacy/a/b/c HTTP/1.1"), {404}),
    "a zero byte in a mount's address": (request(b"GET /legacy/%00/%00 HTTP/1.1"), {401}),
    "line breaks in a mount's address": (request(b"GET /legacy/general/echo?%0d%0aSet-Cookie:x HTTP/1.1"), {401}),
    "half a surrogate in a mount's address": (request(b"GET /legacy/%ED%A0%80/x HTTP/1.1"), {401}),
    "a mount with a host that is none": (b"GET /legacy/ HTTP/1.1\r\nHost: a b/c?d@e:f\r\n\r\n", {400}),
    "a mount's body that is a form and is none": (
        request(
            b"POST /legacy/x/y HTTP/1.1",
            b"Content-Type: multipart/form-data; boundary=",
            b"Content-Length: 3",
            body=b"\xff\xff\xff",
        ),
        {401},
    ),
    "absolute form": (request(b"GET http://engine.test/health/live HTTP/1.1"), {200}),
    "absolute form of somebody else": (request(b"GET http://other.test/nowhere HTTP/1.1"), {404}),
    "absolute form with a user and a port": (request(b"GET http://a:b@c:99999/health/live HTTP/1.1"), {200, 400}),
    "a host without a path": (request(b"GET http://engine.test HTTP/1.1"), {200, 400, 404}),
    "a path without a slash": (request(b"GET health/live HTTP/1.1"), {400, 404}),
    "two slashes": (request(b"GET //health/live HTTP/1.1"), {400, 404}),
    "dots": (request(b"GET /../../etc/passwd HTTP/1.1"), {404}),
    "a fragment": (request(b"GET /health/live#x HTTP/1.1"), {200, 400}),
    "a percent sign alone": (request(b"GET /% HTTP/1.1"), {404}),
    "half a percent sign in an id": (request(b"GET /jobs/%e2%28%a1 HTTP/1.1"), {401, 422}),
    "bytes that are no UTF-8, encoded": (request(b"GET /%ff%fe HTTP/1.1"), {404}),
    "bytes that are no ASCII": (request(b"GET /\xff\xc3\xa4 HTTP/1.1"), {400, 404}),
    "a query that is no ASCII": (request(b"GET /health/live?\xff=\xfe HTTP/1.1"), {200, 400}),
    "a query of percent signs": (request(b"GET /health/live?%%%=%ZZ&&&=;%ED%A0%80 HTTP/1.1"), {200}),
    "a zero byte in the address": (request(b"GET /\x00 HTTP/1.1"), {400}),
    "a zero byte, encoded": (request(b"GET /jobs/%00 HTTP/1.1"), {401, 422}),
    "an address of 100 KB": (request(b"GET /" + b"a" * 100_000 + b" HTTP/1.1"), {414, 431}),
    "a query of 100 KB": (request(b"GET /health/live?" + b"a" * 100_000 + b" HTTP/1.1"), {414, 431}),
    "a header of 2 MB": (request(b"GET /health/live HTTP/1.1", b"X: " + b"a" * 2_000_000), {431}),
    "a header's name of 2 MB": (request(b"GET /health/live HTTP/1.1", b"a" * 2_000_000 + b": x"), {431}),
    "2 MB without a line's end": (b"GET " + b"a" * 2_000_000, {400, 414, 431}),
    "50,000 headers": (request(b"GET /health/live HTTP/1.1", *[b"a: b"] * 50_000), {431}),
    "300 headers": (request(b"GET /health/live HTTP/1.1", *[b"a: b"] * 300), {431}),
    "50,000 headers on a hot path": (request(b"POST /jobs HTTP/1.1", *[b"a: b"] * 50_000), {431}),
    "50,000 headers of an upgrade": (request(b"GET /ws HTTP/1.1", UPGRADE[:-2], *[b"a: b"] * 50_000), {431}),
    "2 MB of a header of an upgrade": (request(b"GET /ws HTTP/1.1", UPGRADE[:-2], b"X: " + b"a" * 2_000_000), {431}),
    "a long address of an upgrade": (request(b"GET /ws?" + b"a" * 100_000 + b" HTTP/1.1", UPGRADE[:-2]), {414, 431}),
    "a cookie of 100 KB": (request(b"GET /health/live HTTP/1.1", b"Cookie: a=" + b"x" * 100_000), {431}),
    "cookies that are none": (request(b"GET /health/live HTTP/1.1", b'Cookie: \xff=;;;=;a;"; $Path=\\"'), {200}),
    "cookies that are none, on a mount": (
        request(b"GET /legacy/ HTTP/1.1", b'Cookie: \xff=;;;=;a;"; $Path=\\"'),
        {200},
    ),
    "no host": (b"GET /health/live HTTP/1.1\r\n\r\n", {400}),
    "no host, to a mount": (b"GET /legacy/ HTTP/1.1\r\n\r\n", {400}),
    "no host, for a WebSocket": (b"GET /ws HTTP/1.1\r\n" + UPGRADE + CRLF, {400}),
    "no host, for another protocol": (
        b"GET /health/live HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        {400},
    ),
    "no host beside a whole address": (b"GET http://engine.test/health/live HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (request(b"GET /health/live HTTP/1.1", b"Host: other.test"), {400}),
    "two hosts that are one": (request(b"GET /health/live HTTP/1.1", b"Host: engine.test"), {400}),
    "two hosts in capitals": (request(b"GET /health/live HTTP/1.1", b"HOST: engine.test"), {400}),
    "two hosts of HTTP/1.0": (request(b"GET /health/live HTTP/1.0", b"Host: engine.test"), {400}),
    "two hosts, for a WebSocket": (request(b"GET /ws HTTP/1.1", b"Host: other.test", UPGRADE[:-2]), {400}),
    "two hosts in one line": (b"GET /health/live HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", {400}),
    "two hosts in one line, close together": (b"GET /health/live HTTP/1.1\r\nHost: a.test,b.test\r\n\r\n", {400}),
    "a host that is empty": (b"GET /health/live HTTP/1.1\r\nHost:\r\n\r\n", {200}),
    "a host with a port": (b"GET /health/live HTTP/1.1\r\nHost: engine.test:5000\r\n\r\n", {200}),
    "a host of numbers": (b"GET /health/live HTTP/1.1\r\nHost: [2001:db8::1]:5000\r\n\r\n", {200}),
    "a host with an underscore": (b"GET /health/live HTTP/1.1\r\nHost: my_engine\r\n\r\n", {200}),
    "a host with a user": (b"GET /health/live HTTP/1.1\r\nHost: u@engine.test\r\n\r\n", {400}),
    "a host with a path": (b"GET /health/live HTTP/1.1\r\nHost: engine.test/x\r\n\r\n", {400}),
    "a host with two ports": (b"GET /health/live HTTP/1.1\r\nHost: engine.test:1:2\r\n\r\n", {400}),
    "a host with a port of letters": (b"GET /health/live HTTP/1.1\r\nHost: engine.test:x\r\n\r\n", {400}),
    "a host that is none": (b"GET /health/live HTTP/1.1\r\nHost: \xff[::1:::\r\n\r\n", {400}),
    "a host that is none, to a redirect": (b"GET /docs/ HTTP/1.1\r\nHost: \xff[::1:::\r\n\r\n", {400}),
    "a header without a name": (request(b"GET /health/live HTTP/1.1", b": x"), {400}),
    "a header without a colon": (request(b"GET /health/live HTTP/1.1", b"nonsense"), {400}),
    "a header with a zero byte": (request(b"GET /health/live HTTP/1.1", b"X: a\x00b"), {400}),
    "a folded header": (request(b"GET /health/live HTTP/1.1", b"X: a", b" b"), {200, 400}),
    "a length that is no number": (request(b"POST /jobs HTTP/1.1", b"Content-Length: x"), {400}),
    "a negative length": (request(b"POST /jobs HTTP/1.1", b"Content-Length: -1"), {400}),
    "a length of 5,000 digits": (request(b"POST /jobs HTTP/1.1", b"Content-Length: " + b"9" * 5_000), {400}),
    "a length beyond everything": (request(b"POST /jobs HTTP/1.1", b"Content-Length: 18446744073709551615"), {413}),
    "two lengths": (request(b"POST /jobs HTTP/1.1", b"Content-Length: 1", b"Content-Length: 2", body=b"{}"), {400}),
    "a length and chunks": (
        request(b"POST /jobs HTTP/1.1", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        {400},
    ),
    "an encoding nobody knows": (request(b"POST /jobs HTTP/1.1", b"Transfer-Encoding: zip", body=b"x"), {400}),
    **{
        f"the encoding {codings!r}": (
            request(
                b"POST /auth/login HTTP/1.1",
                *(b"Transfer-Encoding: " + line for line in codings),
                FORM,
                body=b"1\r\na\r\n0\r\n\r\n",
            ),
            {expected},
        )
        for *codings, expected in (
            (b"gzip, chunked", 501),
            (b"gzip", b"chunked", 501),
            (b"identity, chunked", 501),
            (b"GZIP,CHUNKED", 501),
            (b"chunked, gzip", 400),
            (b"chunked", b"gzip", 400),
            (b"chunked, chunked", 400),
            (b"chunked", b"chunked", 400),
            (b"gzip, chunked, chunked", 400),
            (b"identity", 400),
            (b"", 400),
            (b"chunked;q=1", 400),
            (b'"chunked"', 400),
            (b"xchunked", 400),
            (b"chunked\x0b", 400),
            (b"Chunked", 422),
            (b"chunked ", 422),
        )
    },
    "chunks of HTTP/1.0": (
        request(b"POST /auth/login HTTP/1.0", b"Transfer-Encoding: chunked", FORM, body=b"1\r\na\r\n0\r\n\r\n"),
        {400},
    ),
    "an encoding nobody knows, for a WebSocket": (
        request(b"GET /ws HTTP/1.1", UPGRADE[:-2], b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
        {400, 501},
    ),
    "a chunk's length that is none": (
        request(b"POST /jobs HTTP/1.1", b"Transfer-Encoding: chunked", JSON, body=b"zz\r\nabc\r\n"),
        {400, 401},
    ),
    "a chunk's length beyond everything": (
        request(b"POST /auth/login HTTP/1.1", b"Transfer-Encoding: chunked", body=b"f" * 40 + CRLF),
        {400},
    ),
    "a good chunk and then a bad one": (
        request(b"POST /auth/login HTTP/1.1", b"Transfer-Encoding: chunked", body=b"1\r\na\r\nzz\r\n"),
        {400},
    ),
    "2 MB of a trailer": (
        request(
            b"POST /auth/login HTTP/1.1",
            b"Transfer-Encoding: chunked",
            FORM,
            body=b"1\r\na\r\n0\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n",
        ),
        {431},
    ),
    "50,000 trailers": (
        request(
            b"POST /auth/login HTTP/1.1",
            b"Transfer-Encoding: chunked",
            FORM,
            body=b"1\r\na\r\n0\r\n" + b"a: b\r\n" * 50_000 + b"\r\n",
        ),
        {431},
    ),
    "a chunk's extension of 2 MB": (
        request(
            b"POST /auth/login HTTP/1.1",
            b"Transfer-Encoding: chunked",
            FORM,
            body=b"1;" + b"a" * 2_000_000 + b"\r\na\r\n0\r\n\r\n",
        ),
        {400, 413, 422, 431},
    ),
    "a body in UTF-16": (
        request(b"POST /auth/register HTTP/1.1", JSON, b"Content-Length: 8", body="{}ab".encode("utf-16-le")),
        {400, 422},
    ),
    "a charset nobody knows": (
        request(
            b"POST /auth/register HTTP/1.1",
            b"Content-Type: application/json; charset=x-none",
            b"Content-Length: 2",
            body=b"{}",
        ),
        {400, 415, 422},
    ),
    "a form that is none": (
        request(
            b"POST /auth/login HTTP/1.1",
            b"Content-Type: multipart/form-data; boundary=\xff",
            b"Content-Length: 5",
            body=b"--\xff\r\n",
        ),
        {400, 422},
    ),
    "a form without a boundary": (
        request(b"POST /auth/login HTTP/1.1", b"Content-Type: multipart/form-data", b"Content-Length: 3", body=b"a=b"),
        {400, 422},
    ),
    "a form in an unknown charset": (
        request(
            b"POST /auth/login HTTP/1.1",
            b"Content-Type: application/x-www-form-urlencoded; charset=none",
            b"Content-Length: 21",
            body=b"username=%ff&password",
        ),
        {400, 422},
    ),
    "a content type that is none": (
        request(b"POST /auth/register HTTP/1.1", b"Content-Type: \xff/;;;==", b"Content-Length: 2", body=b"{}"),
        {400, 415, 422},
    ),
    "a body that is packed": (
        request(
            b"POST /auth/register HTTP/1.1",
            JSON,
            b"Content-Encoding: gzip",
            b"Content-Length: 4",
            body=b"\x1f\x8b\x08\x00",
        ),
        {400, 415, 422},
    ),
    "an expectation": (
        request(b"POST /auth/refresh HTTP/1.1", JSON, b"Expect: 100-continue", b"Content-Length: 2", body=b"{}"),
        {422},
    ),
    "an expectation nobody knows": (
        request(b"POST /auth/refresh HTTP/1.1", JSON, b"Expect: wonders", b"Content-Length: 2", body=b"{}"),
        {417, 422},
    ),
    "an upgrade to HTTP/2": (
        request(
            b"GET /health/live HTTP/1.1", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: A"
        ),
        {200},
    ),
    "an upgrade to HTTP/2 with a body": (
        request(
            b"POST /auth/refresh HTTP/1.1",
            b"Connection: Upgrade",
            b"Upgrade: h2c",
            JSON,
            b"Content-Length: 2",
            body=b"{]",
        ),
        {400},
    ),
    "an upgrade to nothing": (request(b"GET /nowhere HTTP/1.1", b"Connection: Upgrade", b"Upgrade: tea/1.0"), {404}),
    "a socket at no such address": (request(b"GET /nowhere HTTP/1.1", UPGRADE[:-2]), {403, 404}),
    "a socket of a stranger's page": (request(b"GET /ws HTTP/1.1", UPGRADE[:-2], b"Origin: https://evil.test"), {403}),
    "a socket with an origin that is none": (request(b"GET /ws HTTP/1.1", UPGRADE[:-2], b"Origin: http://[::1"), {403}),
    "a socket by POST": (request(b"POST /ws HTTP/1.1", UPGRADE[:-2]), {400, 404, 405, 426}),
    "a socket without a key": (
        request(b"GET /ws HTTP/1.1", b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13"),
        {400},
    ),
    "a socket of another version": (
        request(b"GET /ws HTTP/1.1", UPGRADE.replace(b"13", b"8")[:-2]),
        {400, 426},
    ),
    "a socket of a bad key": (request(b"GET /ws HTTP/1.1", UPGRADE.replace(b"dGhl", b"====")[:-2]), {400}),
    "a socket by HTTP/1.0": (request(b"GET /ws HTTP/1.0", UPGRADE[:-2]), {400, 404, 426}),
    "a socket with a body": (
        request(b"GET /ws HTTP/1.1", UPGRADE[:-2], b"Content-Length: 5", body=b"hello"),
        {101, 400},
    ),
    "a socket with chunks": (
        request(b"GET /ws HTTP/1.1", UPGRADE[:-2], b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        {101, 400},
    ),
    "a socket and a strange byte in a header": (request(b"GET /ws HTTP/1.1", UPGRADE[:-2], b"X: \xff\xfe"), {101, 400}),
    "a socket and a folded header": (request(b"GET /ws HTTP/1.1", UPGRADE[:-2], b"X: a", b"\tb"), {101, 400}),
    "a socket whose address is no ASCII": (request(b"GET /ws\xff HTTP/1.1", UPGRADE[:-2]), {400, 403, 404}),
    "a socket at an absolute address": (
        request(b"GET http://engine.test/ws HTTP/1.1", UPGRADE[:-2]),
        {101, 400, 403, 404},
    ),
    "a page where there is a socket": (request(b"GET /ws HTTP/1.1"), {404, 426}),
    "a token that is no ASCII": (request(b"GET /jobs HTTP/1.1", b"Authorization: Bearer \xff\xfe"), {401}),
    "a token of 6,000 characters": (request(b"GET /jobs HTTP/1.1", b"Authorization: Bearer " + b"a." * 3_000), {401}),
    "an empty token": (request(b"GET /jobs HTTP/1.1", b"Authorization: Bearer"), {401}),
    "an empty token on a hot path": (request(b"POST /jobs HTTP/1.1", b"Authorization: ", b"Content-Length: 0"), {401}),
    "a range": (request(b"GET /openapi.json HTTP/1.1", b"Range: bytes=5-1,9999999999999-"), {200, 206, 416}),
    "a condition that is none": (
        request(b"GET /openapi.json HTTP/1.1", b'If-None-Match: W/"\xff', b"If-Match: *"),
        {200, 412},
    ),
    "a preference that is none": (request(b"GET /jobs HTTP/1.1", b"Prefer: wait=\xff;;=\xfe"), {400, 401}),
    "who was asked for, and is none": (
        request(b"GET /health/live HTTP/1.1", b"X-Forwarded-For: \xff, ,,,[", b"X-Forwarded-Proto: \xff"),
        {200, 400},
    ),
    "a preflight of a stranger": (
        request(b"OPTIONS /jobs HTTP/1.1", b"Origin: https://evil.test", b"Access-Control-Request-Method: \xff"),
        {204, 400},
    ),
}


@pytest.mark.parametrize(("raw", "expected"), REQUESTS.values(), ids=REQUESTS.keys())
def test_whatever_is_sent_the_answer_is_sound(served: Served, raw: bytes, expected: set[int]) -> None:
    answer = told(served, raw)
    assert answer.status in expected, answer.raw[:500]
    if answer.status >= 400:
        is_problem(answer)


# --- a request after the other


def test_a_connection_serves_one_request_after_the_other_whatever_the_first_asked_for(served: Served) -> None:
    h2c = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: A")
    with connected(served) as connection:
        for headers, body, status in (
            (h2c, b"{}", 422),  # its body is read, and nobody waits for another protocol
            ((), b"{]", 400),
            ((b"Expect: 100-continue",), b"{}", 422),
            ((b"TE: trailers",), b"", 422),
        ):
            length = b"Content-Length: %d" % len(body)
            send(connection, request(b"POST /auth/refresh HTTP/1.1", JSON, length, *headers, body=body))
            assert read(connection).status == status, headers
        send(connection, request() * 3)
        assert read_all(connection, 3) == [200, 200, 200]


def read_all(connection: socket.socket, count: int) -> list[int]:
    raw = b""
    while raw.count(b"HTTP/1.1 ") < count or not raw.endswith(b"}"):
        part = connection.recv(65_536)
        assert part, raw
        raw += part
    return [int(part.split(b" ", 1)[0]) for part in raw.split(b"HTTP/1.1 ")[1:]]


def test_a_bad_request_behind_good_ones_takes_no_answer_from_them(served: Served) -> None:
    with connected(served) as connection:
        send(connection, request() * 2 + b"nonsense\r\n\r\n")
        raw = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert raw.count(b"HTTP/1.1 200 OK") == 2, raw
    assert raw.count(b"connection: close") == 1


def test_a_trailer_is_no_header(served: Served) -> None:
    """It comes after who asks and how large it is were looked at."""
    token = f"Authorization: Bearer {served.token(served.users['alice'])}".encode()
    body = b"2\r\n{}\r\n0\r\n" + token + b"\r\n\r\n"
    raw = request(b"POST /general/notes HTTP/1.1", JSON, b"Transfer-Encoding: chunked", body=body)
    assert told(served, raw).status == 401


# --- time

#: What is sent in one go, what follows it byte by byte, and what is answered in the end; None: nothing, it had no head.
TRICKLES: dict[str, tuple[bytes, bytes, int | None]] = {
    "nothing at all": (b"", b"", None),
    "half a head": (b"GET /health/live HTTP/1.1\r\nHost: x\r\n", b"", 408),
    "a head that trickles": (b"GET /health/live HTTP/1.1\r\nX: ", b"a", 408),
    "an address that trickles": (b"GET /", b"a", 408),
    "a method that trickles": (b"", b"P", 400),
    "empty lines before a head": (b"\r\n", b"\r\n", 408),
    "half a head of an upgrade": (b"GET /ws HTTP/1.1\r\n" + UPGRADE, b"", 408),
    "a head of an upgrade that trickles": (b"GET /ws HTTP/1.1\r\n" + UPGRADE + b"X: ", b"a", 408),
    "half a body": (request(b"POST /auth/refresh HTTP/1.1", JSON, b"Content-Length: 100", body=b'{"a'), b"", 408),
    "a body that trickles": (request(b"POST /auth/refresh HTTP/1.1", JSON, b"Content-Length: 9999"), b" ", 408),
    "a form that trickles": (request(b"POST /auth/login HTTP/1.1", FORM, b"Content-Length: 9999"), b"a", 408),
    "chunks that trickle": (
        request(b"POST /auth/refresh HTTP/1.1", JSON, b"Transfer-Encoding: chunked"), b"1\r\n \r\n", 408,
    ),
    "a chunk's extension that trickles": (
        request(b"POST /auth/refresh HTTP/1.1", JSON, b"Transfer-Encoding: chunked", body=b"1;"), b"a", 408,
    ),
    "a trailer that trickles": (
        request(b"POST /auth/refresh HTTP/1.1", JSON, b"Transfer-Encoding: chunked", body=b"1\r\n \r\n0\r\nX: "),
        b"a", 408,
    ),
    "a body on a hot path": (
        request(b"POST /test/echo HTTP/1.1", JSON, b"Content-Length: 9999", b"%TOKEN%"), b" ", 408,
    ),
    "a body that nobody waits for": (request(b"POST /nowhere HTTP/1.1", b"Content-Length: 9999"), b" ", 404),
    "a body that is refused": (request(b"POST /jobs HTTP/1.1", b"Content-Length: 99999999999"), b" ", 413),
    "a body on a mount": (request(b"POST /legacy/x/y HTTP/1.1", b"Content-Length: 9999"), b" ", 401),
    "an answer, and then silence": (request(), b"", 200),
    "an answer, and then a trickle": (request() + b"GET /health", b"a", 200),
    "an answer, and then empty lines": (request(), b"\r\n", 200),
}  # fmt: skip
#: Deadlines in a test; the bound is for one that is never met.
SHORT_S = 0.5
BOUND_S = 20.0


@pytest.fixture
def short_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_WITHIN_S", "BODY_WITHIN_S", "KEEP_ALIVE_S", "LINGER_S"):
        monkeypatch.setattr(wire, name, SHORT_S)
    monkeypatch.setattr(wire, "LOOK_EVERY_S", 0.05)


@pytest.mark.usefixtures("short_deadlines")
@pytest.mark.parametrize(("first", "then", "expected"), TRICKLES.values(), ids=TRICKLES.keys())
def test_what_comes_too_slowly_is_answered_and_let_go(
    served: Served, first: bytes, then: bytes, expected: int | None
) -> None:
    token = f"Authorization: Bearer {served.token(served.users['alice'])}".encode()
    with connected(served) as connection:
        send(connection, first.replace(b"%TOKEN%", token))
        raw, ended = trickled(connection, then)
    assert ended, "the connection is still open"
    if expected is None:
        assert raw == b""
        return
    answer = Answer(raw)
    assert answer.status == expected
    if expected >= 400:
        is_problem(answer)


def trickled(connection: socket.socket, byte: bytes) -> tuple[bytes, bool]:
    """Send a little again and again until the server closes; gives what it said, and whether it closed."""
    raw = b""
    deadline = time.monotonic() + BOUND_S
    connection.settimeout(0.02)
    while time.monotonic() < deadline:
        send(connection, byte)
        try:
            part = connection.recv(65_536)
        except TimeoutError:
            continue
        except ConnectionResetError:
            return raw, True
        if not part:
            return raw, True
        raw += part
    return raw, False


def test_a_large_body_on_a_slow_line_has_the_time_it_needs(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "BODY_WITHIN_S", 0.2)
    monkeypatch.setattr(wire, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(wire, "LEAST_BYTES_PER_S", 10_000)  # 30,000 bytes have 3 s more
    token = f"Authorization: Bearer {served.token(served.users['alice'])}".encode()
    body = json.dumps({"text": "x" * 30_000}).encode()
    head = request(b"POST /test/echo HTTP/1.1", JSON, token, b"Content-Length: %d" % len(body))
    with connected(served) as connection:
        send(connection, head + body[:-1])
        with pytest.raises(TimeoutError):  # still open when all of the first allowance has passed
            connection.settimeout(0.5)
            connection.recv(1)
        connection.settimeout(ANSWERED_WITHIN_S)
        send(connection, body[-1:])
        assert read(connection).status == 202


@pytest.mark.usefixtures("short_deadlines")
def test_an_answer_that_takes_long_is_not_cut_off_by_a_deadline_for_the_client(served: Served) -> None:
    token = f"Authorization: Bearer {served.token(served.users['alice'])}".encode()
    waiting = request(b"POST /test/echo HTTP/1.1", JSON, token, b"Prefer: wait=2", b"Content-Length: 2", body=b"{}")
    with connected(served) as connection:
        send(connection, waiting + b"GET /health")  # and half of the next, which is not too late while it waits
        assert read(connection).status == 202


# --- how many


def test_the_one_that_waits_longest_without_a_head_makes_room(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, 1,000 half heads used up the process's files, and with them its databases'."""
    monkeypatch.setattr(wire.Connection, "most", 20)
    with ExitStack() as stack:
        hung = [stack.enter_context(connected(served)) for _ in range(40)]
        for connection in hung:
            send(connection, b"GET / HTTP/1.1\r\nX: ")
        assert told(served, request()).status == 200
        assert sum(map(is_closed, hung)) >= 20


def is_closed(connection: socket.socket) -> bool:
    if not select([connection], [], [], 0)[0]:
        return False
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_where_all_connections_are_at_work_the_next_is_told_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    token = f"Authorization: Bearer {served.token(served.users['alice'])}".encode()
    with ExitStack() as stack:
        for _ in range(3):
            streaming = stack.enter_context(connected(served))
            send(streaming, request(b"GET /jobs/stream HTTP/1.1", token))
            assert streaming.recv(15) == b"HTTP/1.1 200 OK"
        monkeypatch.setattr(wire.Connection, "most", 3)
        answer = told(served, b"")
        assert answer.status == 503
        is_problem(answer)


# --- defects of ours


async def raises(_scope: Any, _receive: Any, _send: Any) -> None:
    raise RuntimeError("a bug")


async def answers_nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    return


async def sends_what_is_no_header(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"a\r\nb")]})


async def breaks_off(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise RuntimeError("a bug")


@pytest.mark.parametrize("layer", ["Observed", "Methods", "Cors", "Limited"])
def test_a_defect_of_any_layer_is_a_problem(served: Served, monkeypatch: pytest.MonkeyPatch, layer: str) -> None:
    async def broken(_self: object, scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(f"api.http.edge.{layer}.__call__", broken)
    for raw in (
        request(),
        request(b"GET /nowhere HTTP/1.1"),
        request(b"OPTIONS /nowhere HTTP/1.1"),
        request(b"GET /legacy/ HTTP/1.1"),
    ):
        answer = told(served, raw)
        assert answer.status == 500
        is_problem(answer)


@pytest.mark.parametrize("defect", [raises, answers_nothing, sends_what_is_no_header])
def test_a_defect_of_the_whole_application_is_a_problem(
    served: Served, monkeypatch: pytest.MonkeyPatch, defect: Any
) -> None:
    monkeypatch.setattr(served.app, "_entrance", defect)
    for raw in (
        request(),
        request(b"POST /jobs HTTP/1.1", b"Content-Length: 0"),
        request(b"GET /ws HTTP/1.1", UPGRADE[:-2]),
    ):
        answer = told(served, raw)
        assert answer.status == 500, answer.raw
        is_problem(answer)


def test_half_an_answer_is_broken_off_and_not_ended_well(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.app, "_entrance", breaks_off)
    answer = told(served, request())
    assert answer.status == 200 and answer.body == b"half"


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyError("x"), RecursionError()])
def test_a_defect_under_legacy_is_a_problem(served: Served, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def broken() -> None:
        raise error

    monkeypatch.setattr(served.app.state.services.registry, "facts", SimpleNamespace(items=broken))
    answer = told(served, request(b"GET /legacy/ HTTP/1.1"))
    assert answer.status == 500
    is_problem(answer)
