"""Connections that do not read: the others do not notice them, and they leave nothing behind."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from datetime import datetime
from pathlib import Path
from statistics import quantiles

import pytest
from engine_kit import accept, job_of, load_testkit, new_user
from push_kit import Doors, Link, doors, socket_since
from served import serving
from websockets.sync.client import connect

from llmcoder.context import User
from models.accounts import users
from models.db.database import Database
from tests.integration.waiting import eventually

SMALL_EAR_BYTES = 4096
#: Together more than the kernel keeps for one connection.
LONG, MANY = "x" * 60_000, 150


#: At once no more than a reader is given time for: his feed keeps a megabyte.
BATCHES, AT_ONCE = 10, 4
HEARD_WITHIN_S = 60.0
#: On an idle machine it is a few hundred milliseconds: one client process reads for all.
LATE_S = 5.0
GROWS_BY_AT_MOST_BYTES = 100_000_000

load_testkit()


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
        eventually(lambda: user.id in watched and len(watched[user.id].feeds) == 6)
        eventually(lambda: user.id not in watched)


def test_a_disabled_account_loses_a_stream_that_is_catching_up(
    db: Database, redis_url: str, tmp_path: Path, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.sse.VERIFY_EVERY_S", 0.0)
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


@pytest.fixture
def open_doors(db_url: str, tmp_path: Path) -> Iterator[Doors]:
    with doors(db_url, tmp_path) as opened:
        yield opened


def test_of_200_sockets_50_never_read_and_the_others_do_not_notice(open_doors: Doors) -> None:
    """The deaf ones' jobs are long: to each of them more is sent than anything keeps for a reader."""
    long_winded, *others = (new_user(open_doors.db) for _ in range(4))
    deaf, hearing = [long_winded] * 49 + others[:1], [long_winded] + others[:1] * 49 + others[1:] * 50

    late_s, grown_bytes = asyncio.run(_heard_by_all(open_doors, long_winded, deaf, hearing))

    assert (len(deaf), len(hearing), len(late_s)) == (50, 150, 150 * BATCHES * AT_ONCE)
    assert quantiles(late_s, n=20)[-1] < LATE_S, quantiles(late_s, n=20)
    assert grown_bytes < GROWS_BY_AT_MOST_BYTES


async def _heard_by_all(
    doors: Doors, long_winded: User, deaf: list[User], hearing: list[User]
) -> tuple[list[float], int]:
    """How late each who hears was told of each end of a job, and by how much the API process grew."""
    late_s: list[float] = []
    async with AsyncExitStack() as stack:
        for user in deaf:
            link = socket_since(doors, user, 0, sock=small_ear(doors.port), max_queue=1)
            stack.callback((await stack.enter_async_context(link)).tear)
        links = [await stack.enter_async_context(socket_since(doors, user, 0)) for user in hearing]
        before_bytes = doors.api.memory_info().rss
        for _ in range(BATCHES):
            _submit(doors, long_winded, set(hearing) - {long_winded})
            for heard in await asyncio.gather(*(_late_s(link) for link in links)):
                late_s += heard
        return late_s, doors.api.memory_info().rss - before_bytes


def _submit(doors: Doors, long_winded: User, others: set[User]) -> None:
    text = {"action": "test.echo", "input": json.dumps({"text": LONG})}
    jobs = [job_of(long_winded, **text) for _ in range(AT_ONCE)]
    accept(doors.db, jobs + [job_of(user) for user in others for _ in range(AT_ONCE)])


async def _late_s(link: Link) -> list[float]:
    """Of each job of a batch, the seconds from its end to the message that says so."""
    late_s: list[float] = []
    while len(late_s) < AT_ONCE:
        message = await link.hear(HEARD_WITHIN_S)
        assert message is not None, f"only {len(late_s)} ends"
        if message["type"] == "job" and message["job"]["state"] == "succeeded":
            late_s.append(time.time() - datetime.fromisoformat(message["job"]["finished_at"]).timestamp())
    return late_s
