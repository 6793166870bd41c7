"""Servers for the tests of the guard, that lie, stall and count; and the table of where nobody may go."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.conftest import missing
from tests.ports import free_port

STARTS_WITHIN_S = 60.0
Handler = Callable[[socket.socket, bytes], None]
TlsContexts = tuple[ssl.SSLContext, ssl.SSLContext]

#: Every way to name a place that is not public, as it stands in a URL.
BLOCKED_HOSTS = (
    "127.0.0.1",
    "127.0.0.2",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "0.0.0.0",
    "0",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "127.1",
    "①②⑦.⓪.⓪.①",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::1]",
    "[fe80::5efe:7f00:1]",
    "169.254.169.254",
    "[::ffff:a9fe:a9fe]",
    "100.100.100.200",
    "192.0.0.192",
    "[fd00:ec2::254]",
    "10.0.0.1",
    "224.0.0.1",
    "[fec0::1]",
    "255.255.255.255",
    "127.0.0.1.",
    "[::0]",
    "[0:0:0:0:0:0:0:0]",
    "[::ffff:0:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[fe80::1%25eth0]",
    "１２７.0.0.1",
    "127。0。0。1",
    "127.0.0.1%00.example.org",
    "%31%32%37.0.0.1",
    "017700000001",
    "192.168.1.1",
    "172.16.0.1",
    "localhost.localdomain..",
)


class RawServer:
    """A server whose handler writes the very bytes; counts connections and keeps the requests it read."""

    def __init__(self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None):
        self.requests: list[bytes] = []
        self.connects = 0
        self._handler = handler
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                connection, _ = self._listener.accept()
                self.connects += 1
                thread = threading.Thread(target=self._serve, args=(connection,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(10)
            if self._tls is None:
                return self._answer(connection)
            with self._tls.wrap_socket(connection, server_side=True) as secured:
                self._answer(secured)

    def _answer(self, connection: socket.socket) -> None:
        while request := _read_request(connection):
            self.requests.append(request)
            self._handler(connection, request)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(15)
        self._listener.close()


def _read_request(connection: socket.socket) -> bytes:
    read = b""
    while b"\r\n\r\n" not in read:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        read += chunk
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def saying(reply: bytes) -> Handler:
    return lambda connection, _: connection.sendall(reply)


def until_closed(connection: socket.socket) -> None:
    """Hold the connection, silently, until the other side closes it."""
    with suppress(OSError):
        connection.recv(1)


Serve = Callable[..., RawServer]


@contextmanager
def raw_servers() -> Iterator[Serve]:
    """Starts servers, and closes them at the end."""
    servers: list[RawServer] = []

    def start(handler: Handler, **options: object) -> RawServer:
        servers.append(RawServer(handler, **options))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def tls_contexts(folder: Path, name: str = "tls.example") -> TlsContexts:
    """A server's context for a name, and a client's that trusts it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "authority.pem").write_bytes(pem)
    (folder / "both.pem").write_bytes(private + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


@contextmanager
def mosquitto(folder: Path) -> Iterator[tuple[int, int]]:
    """A real MQTT broker, with the certificate that stands in the folder; its ports for plain text and for TLS."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        missing("no MQTT broker: apt-get install mosquitto")
    plain, secure = free_port(), free_port()
    (folder / "mosquitto.conf").write_text(
        f"allow_anonymous true\nuser root\nlistener {plain} 127.0.0.1\nlistener {secure} 127.0.0.1\n"
        f"certfile {folder}/both.pem\nkeyfile {folder}/both.pem\n"
    )
    command = [program, "-c", str(folder / "mosquitto.conf")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            _wait_for_port(secure)
            yield plain, secure
        finally:
            running.terminate()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
    raise AssertionError(f"nobody listens on {port}")


def chromium() -> str:
    """The browser's program."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        missing("no Chromium: apt-get install chromium")
    return program
