"""Ports for servers that are told which to take and take it seconds later."""

from __future__ import annotations

import random
import socket

#: Below what kernels give to whoever asks for any port (Linux: 32768 and up), and so to no other test meanwhile.
FIRST, LAST = 20_000, 32_000
_own = random.Random()  # not the global one, which tests seed


def free_port() -> int:
    """One of this machine's that nobody has."""
    while True:
        port = _own.randrange(FIRST, LAST)
        if is_free(port):
            return port


def free_ports(count: int) -> list[int]:
    """Different ones."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port())
    return list(found)


def is_free(port: int) -> bool:
    """Whether a server could listen there now, as servers do: also where conversations ended a minute ago."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True
