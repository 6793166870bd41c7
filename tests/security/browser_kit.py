"""A real Chromium behind a job's proxy, sites for it, and a watch over where its processes connect and send to."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import websockets.sync.server

from tests.conftest import missing

HERE = Path(__file__).parent
#: Stands for a public address; every other one of this machine is as private as it always is.
PUBLIC = "127.0.0.2"


def watching_library(folder: Path) -> Path:
    if shutil.which("gcc") is None:
        missing("no gcc to compile the watch with")
    library = folder / "outgoing.so"
    command = ["gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(HERE / "outgoing.c"), "-ldl"]
    subprocess.run(command, check=True)
    return library


@dataclass(frozen=True)
class Outgoing:
    """One line of the watch: `what` is connect, send or lookup."""

    what: str
    kind: str
    host: str
    port: int


@dataclass(frozen=True)
class Watch:
    """Over all processes that were started with `environ`."""

    library: Path
    log: Path

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "LD_PRELOAD": str(self.library), "OUTGOING_LOG": str(self.log)}

    def seen(self) -> list[Outgoing]:
        """All of it except what sends nothing: a connected UDP socket."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        found = [Outgoing(what, kind, host, int(port)) for what, kind, host, port in (line.split() for line in lines)]
        return [one for one in found if (one.what, one.kind) != ("connect", "udp")]


class Private:
    """Listens for TCP and UDP at one port of every address of this machine, and counts what comes."""

    def __init__(self) -> None:
        family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
        self._tcp = socket.create_server(("", 0), family=family, dualstack_ipv6=family == socket.AF_INET6)
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            self._udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._udp.bind(("", self.port))
        self.connects: list[str] = []
        self.packets: list[bytes] = []
        self._threads = [threading.Thread(target=run) for run in (self._accept, self._receive)]
        for thread in self._threads:
            thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with connection:
                    self.connects.append(str(connection.getsockname()[0]))

    def _receive(self) -> None:
        while (packet := self._udp.recvfrom(65_536)[0]) != b"end":
            self.packets.append(packet)

    def close(self) -> None:
        self._tcp.shutdown(socket.SHUT_RDWR)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", ("127.0.0.1", self.port))
        for thread in self._threads:
            thread.join(20)
        self._tcp.close()
        self._udp.close()


class Pages(BaseHTTPRequestHandler):
    """A site of pages that a test gives; `/to?url=` redirects, `/file` is a download, everything else echoes."""

    protocol_version = "HTTP/1.1"
    pages: ClassVar[dict[str, tuple[str, str]]] = {}
    seen: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, dict(self.headers.items())))
        url = urlsplit(self.path)
        if url.path == "/to":
            self.send_response(302)
            self.send_header("Location", parse_qs(url.query)["url"][0])
            self._end(b"")
        elif url.path == "/file":
            self.send_response(200)
            self.send_header("Content-Disposition", 'attachment; filename="numbers.csv"')
            self._end(b"1,2,3\n" * 100_000)
        else:
            kind, text = self.pages.get(url.path, ("text/plain", f"echo {self.path}"))
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Access-Control-Allow-Origin", "*")
            self._end(text.encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self._end(b"got %d" % len(body))

    def _end(self, body: bytes) -> None:
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class Site(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Browsers break off as they like."""


@dataclass(frozen=True)
class Sites:
    """The same pages by http and by https, and a WebSocket that echoes, by both as well."""

    http: int
    https: int
    ws: int
    wss: int


@contextmanager
def sites(server_tls: ssl.SSLContext, pages: dict[str, tuple[str, str]]) -> Iterator[Sites]:
    Pages.pages, Pages.seen = pages, []
    web = [Site((PUBLIC, 0), Pages), Site((PUBLIC, 0), Pages)]
    web[1].socket = server_tls.wrap_socket(web[1].socket, server_side=True, do_handshake_on_connect=False)
    sockets = [websockets.sync.server.serve(_echo, PUBLIC, 0, ssl=tls) for tls in (None, server_tls)]
    servers: Sequence[Any] = [*web, *sockets]
    threads = [threading.Thread(target=one.serve_forever) for one in servers]
    for thread in threads:
        thread.start()
    yield Sites(web[0].server_port, web[1].server_port, *(one.socket.getsockname()[1] for one in sockets))
    for one in servers:
        one.shutdown()
    for thread in threads:
        thread.join(20)
    for one in web:
        one.server_close()


def _echo(connection: Any) -> None:
    with suppress(Exception):  # browsers break off as they like
        for message in connection:
            connection.send(message)


Resolve = Callable[[str, int], Sequence[str]]


def names(private: str = "127.0.0.1") -> Resolve:
    """`site.example` is public, `private.example` is not, nothing else exists."""

    def resolve(host: str, port: int) -> Sequence[str]:
        found = {"site.example": [PUBLIC], "private.example": [private], "localhost": ["127.0.0.1"]}
        if host not in found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found[host]

    return resolve
