"""Mail servers on 127.0.0.1 that say what a test wants: what no well-behaved server does."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

#: What a server says to a command; None keeps silent, and an empty text hangs up.
Answer = bytes | None
HANG_UP = b""
SILENCE = None


class Last(bytes):
    """An answer behind which the server hangs up."""


@dataclass
class Script:
    """What a server says.

    Attributes:
        greeting: Before anything.
        answers: By the first word that a line holds, in any case; `{tag}` stands for the command's tag.
        otherwise: To everything else.
        heard: What was said to it.
    """

    greeting: Answer
    answers: Mapping[str, Answer] = field(default_factory=dict)
    otherwise: Answer = b"{tag} OK done\r\n"
    heard: list[bytes] = field(default_factory=list)

    def to(self, line: bytes) -> Answer:
        words = line.upper().split()
        tag = line.split()[0] if words else b"*"
        found = next((answer for key, answer in self.answers.items() if key.upper().encode() in words), self.otherwise)
        return type(found)(found.replace(b"{tag}", tag)) if found else found


def imap(answers: Mapping[str, Answer] | None = None, greeting: Answer = b"* OK hello\r\n", can: str = "") -> Script:
    """An IMAP server that takes every password."""
    capability = f"* CAPABILITY IMAP4rev1 {can}\r\n".encode() + b"{tag} OK done\r\n"
    return Script(greeting, {"CAPABILITY": capability, **(answers or {})})


def smtp(answers: Mapping[str, Answer] | None = None, greeting: Answer = b"220 hello\r\n") -> Script:
    """An SMTP server that takes everything."""
    usual = {
        "EHLO": b"250-hello\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
        "AUTH": b"235 welcome\r\n",
        "DATA": b"354 go on\r\n",
        "QUIT": b"221 bye\r\n",
    }
    return Script(greeting, usual | dict(answers or {}), otherwise=b"250 OK\r\n")


@contextmanager
def scripted(script: Script) -> Iterator[int]:
    """Serve a script on a port, to any number of clients."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=_serve, args=(listener, script, over))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


def _serve(listener: socket.socket, script: Script, over: threading.Event) -> None:
    threads: list[threading.Thread] = []
    while not over.is_set():
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        threads.append(threading.Thread(target=_guarded, args=(_converse, connection, script, over)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _guarded(converse: Callable[..., None], connection: socket.socket, script: Script, over: threading.Event) -> None:
    with connection, suppress(OSError):  # a client that leaves early is what many tests look for
        converse(connection, script, over)


def _converse(connection: socket.socket, script: Script, over: threading.Event) -> None:
    if not _say(connection, script.greeting, over):
        return
    connection.settimeout(0.05)
    heard, in_mail = b"", False
    while not over.is_set():
        try:
            piece = connection.recv(65_536)
        except TimeoutError:
            continue
        if not piece:
            return
        heard += piece
        while b"\r\n" in heard:
            line, _, heard = heard.partition(b"\r\n")
            script.heard.append(line)
            if in_mail and line != b".":
                continue
            answer = script.to(line)
            in_mail = answer is not None and answer.startswith(b"354")
            if not _say(connection, answer, over):
                return


def _say(connection: socket.socket, answer: Answer, over: threading.Event) -> bool:
    """Whether the conversation goes on."""
    if answer is SILENCE:
        over.wait(20)
        return False
    connection.sendall(answer)
    return answer != HANG_UP and not isinstance(answer, Last)


class Eavesdropper:
    """Stands before an IMAP server and passes everything on, but for what a test wants.

    Attributes:
        port: Where it listens, on 127.0.0.1.
        change: A command that moves or marks messages; its first group is its tag.
        answer: What it says in place of the server's yes to such a command; `{tag}` stands for its tag.
        changes: Those commands.
        hidden: What it leaves out of all that the server says, such as a capability.
        cut: Once set, it says this instead of anything, and hangs up; nobody is connected any more.
    """

    def __init__(self, upstream: int) -> None:
        self.change = re.compile(rb"^(\S+) UID (?:MOVE|COPY|STORE) .*$", re.MULTILINE | re.IGNORECASE)
        self.answer: bytes | None = None
        self.hidden = b""
        self.cut: bytes | None = None
        self.changes: list[bytes] = []
        self._upstream, self._over = upstream, threading.Event()
        self._tags: set[bytes] = set()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port = self._listener.getsockname()[1]
        self._begin(self._serve)

    def hang_up(self, instead: bytes) -> None:
        """From now on nobody reaches the server."""
        self.cut = instead
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._over.set()
        self.hang_up(b"")
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _begin(self, work: Callable[..., None], *given: object) -> None:
        self._threads.append(threading.Thread(target=_until_hung_up, args=(work, *given)))
        self._threads[-1].start()

    def _serve(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            client.settimeout(None)
            if self.cut is not None:
                with client, suppress(OSError):
                    client.sendall(self.cut)
                continue
            server = socket.create_connection(("127.0.0.1", self._upstream))
            self._open += [client, server]
            self._begin(self._asked, client, server)
            self._begin(self._answered, server, client)

    def _asked(self, client: socket.socket, server: socket.socket) -> None:
        with client:
            while piece := client.recv(65_536):
                for command in self.change.finditer(piece):
                    self.changes.append(command[0].strip())
                    self._tags.add(command[1])
                server.sendall(piece)
            server.shutdown(socket.SHUT_WR)

    def _answered(self, server: socket.socket, client: socket.socket) -> None:
        rest = b""
        with server:
            while piece := server.recv(65_536):
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    tag = line.split(b" ", 1)[0]
                    if self.answer is not None and tag in self._tags and line[len(tag) :].startswith(b" OK"):
                        client.sendall(self.answer.replace(b"{tag}", tag))
                    else:
                        client.sendall(line.replace(self.hidden, b"") + b"\n")


def _until_hung_up(work: Callable[..., None], *given: object) -> None:
    with suppress(OSError):
        work(*given)
