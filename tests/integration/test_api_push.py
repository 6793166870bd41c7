"""Push over real WebSockets and SSE: one order, nothing missed, nothing twice, whatever dies."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import ServerSentEvent, connect_sse
from served import Served, serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.push import hub
from api.routes import sse
from llmcoder import User
from llmcoder.states import State
from models.accounts import users
from models.db.database import Database
from tests.integration.own_redis import own_redis
from tests.integration.waiting import eventually

Events = Iterator[dict[str, Any]]


@pytest.fixture
def api_settings() -> dict[str, str]:
    return {"CORS_ORIGINS": "https://friend.example"}


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


@contextmanager
def socket_of(served: Served, user: User, since: int | None = None) -> Iterator[ClientConnection]:
    # close_timeout: who leaves with messages unread cannot finish the closing handshake
    with connect(served.ws_url, open_timeout=10, close_timeout=0.2, compression=None) as socket:
        socket.send(json.dumps({"type": "auth", "token": served.token(user), "since": since}))
        yield socket


def read(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=120))
    return message


def read_until_live(socket: ClientConnection) -> list[dict[str, Any]]:
    messages = [read(socket)]
    while messages[-1]["type"] != "live":
        messages.append(read(socket))
    return messages


@contextmanager
def stream_of(served: Served, user: User, query: str = "", **headers: str) -> Iterator[Iterator[ServerSentEvent]]:
    headers |= {"authorization": f"Bearer {served.token(user)}"}
    with (
        httpx.Client(timeout=20) as client,
        connect_sse(client, "GET", f"{served.url}/jobs/stream{query}", headers=headers) as source,
    ):
        assert source.response.status_code == 200
        yield source.iter_sse()


# --- one order


def test_a_socket_gets_what_it_missed_then_that_it_is_live_then_what_happens(
    served: Served, user: User, alice: httpx.Client
) -> None:
    one, two = served.submit(alice, "one"), served.submit(alice, "two")
    served.finish(one["id"])  # revisions 3 and 4

    with socket_of(served, user, since=0) as socket:
        missed = read_until_live(socket)
        three = served.submit(alice, "three")
        happened = [read(socket)]  # two changes before one look would be one message
        served.move(three["id"], State.RUNNING)
        happened.append(read(socket))
        served.publish(user.id, live={"type": "progress", "job_id": three["id"], "fraction": 0.5, "message": "half"})
        happened.append(read(socket))

    assert [(m["type"], m["rev"]) for m in missed] == [("job", 2), ("job", 4), ("live", 4)]
    assert missed[1]["job"] == alice.get(f"/jobs/{one['id']}").json()
    assert missed[0]["job"]["id"] == two["id"]
    assert [m.get("rev") for m in happened] == [5, 6, None]
    assert happened[2] == {"type": "progress", "job_id": three["id"], "fraction": 0.5, "message": "half"}


def test_without_since_a_socket_starts_at_the_present(served: Served, user: User, alice: httpx.Client) -> None:
    served.submit(alice)

    with socket_of(served, user) as socket:
        assert read(socket) == {"type": "live", "rev": 1}
        served.submit(alice)
        assert read(socket)["rev"] == 2


def test_a_stream_carries_the_same_with_the_revision_as_its_id(served: Served, user: User, alice: httpx.Client) -> None:
    job = served.submit(alice)
    served.finish(job["id"])

    with stream_of(served, user, "?since=0") as events:
        first, second = next(events), next(events)
        served.publish(user.id, live={"type": "token", "job_id": job["id"], "text": "Once"})
        third = next(events)

    assert (first.event, first.id) == ("job", "3")
    assert json.loads(first.data)["job"]["result"] == {"text": "done"}
    assert (second.event, json.loads(second.data)) == ("live", {"type": "live", "rev": 3})
    assert (third.event, json.loads(third.data)["text"]) == ("token", "Once")


def test_a_stream_goes_on_after_the_last_event(served: Served, user: User, alice: httpx.Client) -> None:
    for text in ("one", "two", "three"):
        served.submit(alice, text)

    with stream_of(served, user, "?since=0", **{"last-event-id": "2"}) as events:
        assert [next(events).id, next(events).event] == ["3", "live"]
    answer = alice.get("/jobs/stream", headers={"last-event-id": "x"})
    assert answer.status_code == 422


def test_a_quiet_stream_sends_heartbeats(served: Served, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.1)
    headers = {"authorization": f"Bearer {served.token(user)}"}
    with httpx.stream("GET", f"{served.url}/jobs/stream", headers=headers, timeout=20) as answer:
        lines = answer.iter_lines()
        assert any(line == ": heartbeat" for line in lines)
        assert answer.headers["content-type"].startswith("text/event-stream")


def test_others_see_nothing_of_it(
    served: Served, user: User, alice: httpx.Client, new_user: Callable[[str], User]
) -> None:
    with socket_of(served, new_user("bob@example.org"), since=0) as bob, socket_of(served, user, since=0) as own:
        read_until_live(bob)
        read_until_live(own)
        served.submit(alice)
        assert read(own)["type"] == "job"
        with pytest.raises(TimeoutError):
            bob.recv(timeout=1.5)


def test_in_a_storm_nothing_is_missed_nothing_comes_twice_and_all_is_in_order(
    served: Served, user: User, alice: httpx.Client
) -> None:
    """Four writers move 200 jobs while three watchers connect, break off, and come back with what they have."""
    ids = [served.submit(alice, str(n))["id"] for n in range(200)]
    chance = random.Random(7)
    over = threading.Event()
    seen: list[list[int]] = [[], [], []]
    last: list[dict[str, str]] = [{}, {}, {}]

    def write(part: list[str]) -> None:
        for job_id in part:
            served.finish(job_id, wake=chance.random() < 0.5)

    def watch(n: int) -> None:
        while not (over.is_set() and seen[n] and seen[n][-1] >= 600):
            with socket_of(served, user, since=seen[n][-1] if seen[n] else 0) as socket:
                for _ in range(chance.randrange(5, 60)):
                    try:
                        message = json.loads(socket.recv(timeout=0.5))
                    except TimeoutError:
                        break
                    if message["type"] == "job":
                        seen[n].append(message["rev"])
                        last[n][message["job"]["id"]] = message["job"]["state"]

    watchers = [threading.Thread(target=watch, args=(n,)) for n in range(3)]
    writers = [threading.Thread(target=write, args=(ids[n::4],)) for n in range(4)]
    for thread in (*watchers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    for thread in watchers:
        thread.join(120)
        assert not thread.is_alive(), f"a watcher never saw the last revision {[r[-1] for r in seen]}"

    for revs, states in zip(seen, last, strict=True):
        assert revs == sorted(set(revs))
        assert states == dict.fromkeys(ids, "succeeded")


# --- whatever dies


def test_without_redis_everything_comes_a_second_later(db: Database, tmp_path: Path, user: User) -> None:
    with (
        serving(db, "redis://127.0.0.1:1", tmp_path) as served,
        served.client(user) as alice,
        socket_of(served, user, since=0) as socket,
        stream_of(served, user) as events,
    ):
        read_until_live(socket)
        next(events)
        began = time.monotonic()
        job = served.submit(alice)
        assert read(socket)["job"]["id"] == job["id"]
        assert json.loads(next(events).data)["job"]["id"] == job["id"]
        assert time.monotonic() - began < 60


def test_a_hung_and_then_killed_redis_hides_nothing(db: Database, tmp_path: Path, user: User) -> None:
    with (
        own_redis() as redis,
        serving(db, redis.url, tmp_path) as served,
        served.client(user) as alice,
        socket_of(served, user, since=0) as socket,
    ):
        read_until_live(socket)
        ids = [served.submit(alice)["id"]]
        os.kill(redis.pid, signal.SIGSTOP)
        ids.append(served.submit(alice)["id"])
        assert [read(socket)["job"]["id"] for _ in ids] == ids
        os.kill(redis.pid, signal.SIGKILL)
        ids.append(served.submit(alice)["id"])
        assert read(socket)["job"]["id"] == ids[-1]


def test_what_is_not_ours_on_the_channel_disturbs_nobody(served: Served, user: User, alice: httpx.Client) -> None:
    with socket_of(served, user, since=0) as socket:
        read_until_live(socket)
        for rubbish in ("not json", "[]", "{}", '{"user": 1}', json.dumps({"user": str(user.id), "live": 3})):
            served.redis.publish("llmcoder:push", rubbish)
        served.submit(alice)
        assert read(socket)["rev"] == 1


# --- who may


@pytest.mark.parametrize(
    "first", ['{"type": "auth", "token": "forged"}', '{"type": "ping"}', "not json", '{"type": "auth"}']
)
def test_a_socket_that_does_not_say_who_it_is_is_closed_with_4401(served: Served, first: str) -> None:
    with connect(served.ws_url) as socket:
        socket.send(first)
        assert closing(socket) == 4401


def test_a_silent_socket_is_closed_with_4401_after_five_seconds(served: Served) -> None:
    with connect(served.ws_url) as socket:
        assert closing(socket) == 4401


def closing(socket: ClientConnection) -> int:
    """The code with which the server closes, after whatever it still sends."""
    try:
        while True:
            socket.recv(timeout=120)
    except ConnectionClosed as closed:
        assert closed.rcvd is not None
        return closed.rcvd.code


def test_a_socket_ends_with_its_token(served: Served, user: User) -> None:
    with connect(served.ws_url) as socket:
        socket.send(json.dumps({"type": "auth", "token": served.token(user, lives_s=2)}))
        assert read(socket)["type"] == "live"
        assert closing(socket) == 4401


def test_a_disabled_account_loses_its_socket_and_its_stream(
    served: Served, user: User, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.ws.VERIFY_EVERY_S", 0.2)
    monkeypatch.setattr("api.routes.sse.VERIFY_EVERY_S", 0.2)
    monkeypatch.setattr("api.routes.sse.HEARTBEAT_S", 0.2)
    with socket_of(served, user) as socket, stream_of(served, user) as events:
        assert next(events).event == "live"
        with db.write() as conn:
            users.set_active(conn, user.id, is_active=False)
        assert closing(socket) == 4401
        assert list(events) == []


def test_a_page_of_a_stranger_may_not_open_a_socket(served: Served, user: User) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(served.ws_url, origin="https://evil.example"):  # type: ignore[arg-type]
        pass
    assert refused.value.response.status_code == 403
    for origin in ("https://friend.example", served.url):
        with connect(served.ws_url, origin=origin) as socket:  # type: ignore[arg-type]
            socket.send(json.dumps({"type": "auth", "token": served.token(user)}))
            assert read(socket)["type"] == "live"


def test_fifty_streams_are_enough_for_one_user(
    served: Served, user: User, alice: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MOST_FEEDS_PER_USER", 2)
    with socket_of(served, user) as one, socket_of(served, user) as two:
        read(one)
        read(two)
        with socket_of(served, user) as three:
            assert closing(three) == 1013
        assert alice.get("/jobs/stream").status_code == 429
    eventually(lambda: not served.app.state.services.hub._users)
    with socket_of(served, user) as again:
        assert read(again)["type"] == "live"


# --- a door


def test_a_socket_is_a_door(served: Served, user: User, alice: httpx.Client) -> None:
    with socket_of(served, user) as socket:
        read(socket)
        say = {"type": "submit", "action": "test.echo", "input": {"text": "hi"}, "idempotency_key": "k", "ref": 7}
        answers = replies(socket, say, say, {"type": "ping", "ref": "p"})
        job = answers[0]["job"]
        cancelled = replies(socket, {"type": "cancel", "job_id": job["id"], "ref": 8})[0]

    assert [(a["type"], a["ref"]) for a in answers] == [("accepted", 7), ("accepted", 7), ("pong", "p")]
    assert [answers[0]["replayed"], answers[1]["replayed"]] == [False, True]
    assert answers[1]["job"]["id"] == job["id"]
    assert (cancelled["type"], cancelled["job"]["state"]) == ("cancelled", "cancelled")
    assert alice.get(f"/jobs/{job['id']}").json()["state"] == "cancelled"


def test_a_write_made_of_what_others_wrote_waits_at_this_door_too(
    served: Served, user: User, alice: httpx.Client
) -> None:
    mail = alice.post("/jobs", json={"action": "test.fetch_mail", "input": {"text": "x"}}).json()["id"]
    served.finish(mail, "orders")
    post = {"type": "submit", "action": "test.post", "input": {"to": "bert", "text": "copied"}, "ref": 1}
    referring = post | {"input": {"to": "bert", "text": {"$ref": f"/jobs/{mail}#/result/text"}}}
    with socket_of(served, user) as socket:
        read_until_live(socket)
        answers = replies(socket, post, post | {"derived_from": [mail]}, referring)
        jobs = [answer["job"] for answer in answers]
        assert [(job["state"], job["reason"]) for job in jobs] == [("queued", None)] + [("waiting", "approval")] * 2
        assert (jobs[2]["input"]["text"], jobs[2]["sources"]) == ("orders", [mail])

    with socket_of(served, user, since=0) as socket:  # and what waits comes as any other job
        pushed = {message["job"]["id"]: message["job"] for message in read_until_live(socket) if "job" in message}
        assert (pushed[jobs[1]["id"]]["state"], pushed[jobs[1]["id"]]["tainted"]) == ("waiting", True)
        sha256 = next(
            one["sha256"] for one in alice.get("/approvals").json()["items"] if one["job"]["id"] == jobs[1]["id"]
        )
        alice.post(f"/jobs/{jobs[1]['id']}/approve", json={"sha256": sha256}).raise_for_status()
        approved = read(socket)
        assert (approved["type"], approved["job"]["state"]) == ("job", "queued")


def replies(socket: ClientConnection, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers to messages, without the pushes between them."""
    for message in messages:
        socket.send(json.dumps(message))
    found: list[dict[str, Any]] = []
    while len(found) < len(messages):
        message = read(socket)
        if "ref" in message:
            found.append(message)
    return found


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"type": "submit", "action": "test.ecko", "ref": 1}, 404),
        ({"type": "submit", "action": "test.take_nap", "input": {"seconds": "x"}, "ref": 1}, 422),
        ({"type": "submit", "action": "test.echo", "idempotency_key": "", "ref": 1}, 400),
        ({"type": "cancel", "job_id": "01a20586-91ca-7790-b542-c9d7d28f29c4", "ref": 1}, 404),
        ({"type": "dance"}, 422),
        ([], 422),
    ],
)
def test_a_mistake_on_a_socket_is_answered_and_ends_nothing(
    served: Served, user: User, message: Any, status: int
) -> None:
    with socket_of(served, user) as socket:
        read(socket)
        answer = replies(socket, message)[0]
        assert (answer["type"], answer["problem"]["status"]) == ("problem", status)
        assert replies(socket, {"type": "ping"})[0]["type"] == "pong"


def submitting(given: str) -> str:
    return f'{{"type": "submit", "action": "test.echo", "input": {given}, "ref": 1}}'


#: Raw texts: what no honest writer of JSON writes, wherever a message has room for it.
ODD = {
    "nothing": "",
    "no JSON": "hello",
    "half of JSON": '{"type": "ping"',
    "a mark before it": "\ufeff" + '{"type": "ping"}',
    "a list": "[]",
    "null": "null",
    "a number": "1e999",
    "no type": "{}",
    "a type that is none": '{"type": {"a": 1}}',
    "two types": '{"type": "ping", "type": "dance"}',
    "a ref that is no number": '{"type": "ping", "ref": NaN}',
    "a ref that is endless": '{"type": "ping", "ref": [1e999, -1e999, Infinity]}',
    "a ref of many digits": f'{{"type": "ping", "ref": {"9" * 5_000}}}',
    "a ref beyond 64 bits": '{"type": "ping", "ref": 18446744073709551616}',
    "a ref with half of a character": '{"type": "ping", "ref": "\\ud800"}',
    "a ref with a name that is half": '{"type": "ping", "ref": {"\\udc00": 1}}',
    "a ref with NUL": '{"type": "ping", "ref": "\\u0000"}',
    "a deep ref": f'{{"type": "ping", "ref": {"[" * 250}{"]" * 250}}}',
    "a very deep ref": f'{{"type": "ping", "ref": {"[" * 20_000}{"]" * 20_000}}}',
    "a field too many": '{"type": "ping", "more": 1}',
    "an action that is half": '{"type": "submit", "action": "\\ud800", "ref": 1}',
    "an action with NUL": '{"type": "submit", "action": "test.\\u0000", "ref": 1}',
    "an action that is long": f'{{"type": "submit", "action": "{"a" * 50_000}", "ref": 1}}',
    "an input that is no object": submitting("[]"),
    "an input that is half": submitting('{"text": "\\ud800"}'),
    "an input that is no number": submitting('{"text": NaN}'),
    "an input that is endless": submitting('{"text": 1e999}'),
    "an input of many digits": submitting(f'{{"text": {"9" * 5_000}}}'),
    "a deep input": submitting('{"text": ' + "[" * 250 + "]" * 250 + "}"),
    "an input that refers oddly": submitting('{"text": {"$ref": "/jobs/\\ud800#/result"}}'),
    "an input that refers to a number": submitting('{"text": {"$ref": 1e999}}'),
    "sources that are none": '{"type": "submit", "action": "test.echo", "derived_from": [NaN], "ref": 1}',
    "a key that is half": '{"type": "submit", "action": "test.echo", "idempotency_key": "\\ud800", "ref": 1}',
    "a key with a tab": '{"type": "submit", "action": "test.echo", "idempotency_key": "hook\\tx", "ref": 1}',
    "a key that is long": f'{{"type": "submit", "action": "test.echo", "idempotency_key": "{"k" * 2_000}", "ref": 1}}',
    "a job that is none": '{"type": "cancel", "job_id": 1e400, "ref": 1}',
    "a job that is half": '{"type": "cancel", "job_id": "\\ud800", "ref": 1}',
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_message_is_answered_and_ends_nothing(served: Served, user: User, name: str) -> None:
    with socket_of(served, user) as socket:
        read_until_live(socket)
        socket.send(ODD[name])
        while (answer := read(socket))["type"] == "job":
            pass
        assert answer["type"] in ("problem", "accepted", "pong")
        if answer["type"] == "problem":
            assert 400 <= answer["problem"]["status"] < 500, answer
        assert replies(socket, {"type": "ping"})[0]["type"] == "pong"


SINCE = ["NaN", "1e999", "-1", "9" * 5_000, "9223372036854775808", '"\\ud800"', "[[]]", "0.5"]


@pytest.mark.parametrize("since", SINCE)
def test_an_odd_first_message_closes_the_socket_with_4401(served: Served, user: User, since: str) -> None:
    with connect(served.ws_url) as socket:
        socket.send(f'{{"type": "auth", "token": "{served.token(user)}", "since": {since}}}')
        assert closing(socket) == 4401


def test_a_socket_takes_text_and_not_too_much_of_it(served: Served, user: User) -> None:
    with socket_of(served, user) as socket:
        read(socket)
        socket.send(b"\x00")
        assert closing(socket) == 1003
    with socket_of(served, user) as socket:
        read(socket)
        socket.send("x" * 70_000)
        assert closing(socket) == 1009


def test_who_reads_too_slowly_is_let_go_and_loses_nothing(served: Served, user: User, alice: httpx.Client) -> None:
    text = "x" * 60_000
    with connect(served.ws_url, compression=None, max_queue=1) as socket:
        socket.send(json.dumps({"type": "auth", "token": served.token(user), "since": 0}))
        read(socket)
        for n in range(200):  # far more than the buffers of both ends and the queue take
            served.submit(alice, f"{n} {text}")
        seen = []
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                seen.append(read(socket)["rev"])
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
    assert seen == list(range(1, len(seen) + 1))

    with socket_of(served, user, since=seen[-1]) as socket:
        rest = [message["rev"] for message in read_until_live(socket)]
    assert seen + rest == [*range(1, 201), 200]
