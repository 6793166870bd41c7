"""Whether a server on this machine can be reached, at the address that it was told to listen on."""

import socket

WITHIN_S = 2.0
OK = b" 200 "


def is_live(host: str, port: int) -> bool:
    """Whether the API answers that it is alive.

    Over a bare socket: `http.client` brings a parser of mails, which the supervisor would keep for good.
    """
    question = f"GET /health/live HTTP/1.1\r\nHost: {loopback_of(host)}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((loopback_of(host), port), timeout=WITHIN_S) as connection:
            connection.sendall(question.encode())
            with connection.makefile("rb") as answer:
                return OK in answer.readline(200)
    except OSError:
        return False


def listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((loopback_of(host), port), timeout=WITHIN_S):
            return True
    except OSError:
        return False


def loopback_of(host: str) -> str:
    """An address to reach a server at that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
