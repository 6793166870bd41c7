"""Connections that do not read: the others do not notice them, and they leave nothing behind."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest
from served import serving, wait_until
from websockets.sync.client import connect

from llmcoder.context import User
from models import users
from models.db import Database

SMALL_EAR_BYTES = 4096
#: Together more than the kernel keeps for one connection.
LONG, MANY = "x" * 60_000, 150


def small_ear(port: int) -> socket.socket:
    """A connection whose kernel keeps little for a reader who does not come."""
    ear = socket.socket()
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_EAR_BYTES)
    ear.connect(("127.0.0.1", port))
    return ear


def ask_for_stream(ear: socket.socket, token: str) -> None:
    head = ("GET /jobs/stream?since=0 HTTP/1.1", "host: x", "connection: close", f"authorization: Bearer {token}")
    ear.sendall("\r\n".join([*head, "", ""]).encode())


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this kernel waits for ever")
def test_who_never_reads_is_cut_off_and_leaves_nothing_behind(
    db: Database, redis_url: str, tmp_path: Path, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.__main__.TAKEN_WITHIN_S", 1.0)
    with serving(db, redis_url, tmp_path) as served, served.client(user) as alice, ExitStack() as stack:
        for _ in range(MANY):
            served.submit(alice, LONG)
        for _ in range(3):
            socket_of = connect(
                served.ws_url, sock=small_ear(served.port), compression=None, max_queue=1, close_timeout=0.1
            )
            told = {"type": "auth", "token": served.token(user), "since": 0}
            stack.enter_context(socket_of).send(json.dumps(told))
            ask_for_stream(stack.enter_context(small_ear(served.port)), served.token(user))
        watched = served.app.state.services.hub._users
        wait_until(lambda: user.id in watched and len(watched[user.id].feeds) == 6)
        wait_until(lambda: user.id not in watched)


def test_a_disabled_account_loses_a_stream_that_is_catching_up(
    db: Database, redis_url: str, tmp_path: Path, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.push.sse.VERIFY_EVERY_S", 0.0)
    with (
        serving(db, redis_url, tmp_path) as served,
        served.client(user) as alice,
        small_ear(served.port) as ear,
    ):
        for _ in range(MANY):
            served.submit(alice, LONG)
        served.app.state.services.identities._trusted_for_s = 0.0
        ask_for_stream(ear, served.token(user))
        received = ear.recv(1_000)
        with db.write() as conn:
            users.set_active(conn, user.id, is_active=False)
        while more := ear.recv(65_536):
            received += more
    assert received.startswith(b"HTTP/1.1 200")
    assert 0 < received.count(b"event: job") < MANY
