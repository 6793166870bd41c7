"""Webhooks that go out: signed, at least once under one id, tried again, given up with a word; nothing is left out."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from engine_kit import TIRELESS_S, Engine, accept, engine_on, eventually, job_of, move, take, take_next
from served import Served
from standardwebhooks import Webhook as Reference

from engine import outbound_webhooks as rules
from engine.outbox import Outbox
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.net import GuardedClient
from llmcoder.registry import Registry, discover
from llmcoder.states import State
from models.db.database import Database
from models.jobs.tables import jobs
from models.webhooks import outbound as rows_of
from models.webhooks.outbound import Webhook
from models.webhooks.tables import webhook_deliveries
from models.webhooks.tables import webhooks as table
from schedules.webhook_sender import OF_USER, SENDERS, WAITS_S, Sending

pytestmark = pytest.mark.both_stores


@dataclass
class Receiver:
    """What calls came in, and what it answers: a status, or `hang`."""

    url: str = ""
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[int], int] = lambda _number: 200
    headers: dict[str, str] = field(default_factory=dict)
    go_on: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def ids(self) -> list[str]:
        with self.lock:
            return [headers["webhook-id"] for headers, _ in self.calls]

    def bodies(self) -> list[dict[str, Any]]:
        with self.lock:
            return [json.loads(body) for _, body in self.calls]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # whoever sent it was killed in the middle
                return
            with made.lock:
                made.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
                number = len(made.calls)
            status = made.answer(number)
            if status == 0:
                made.go_on.wait(30)
            self.send_response(status or 200)
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_said: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_about: Any) -> None:
            """A sender that is killed breaks off; that is what is tried here."""

    with Server(("127.0.0.1", 0), Handler) as server:
        made.url = f"http://127.0.0.1:{server.server_address[1]}/in"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield made
        made.go_on.set()
        server.shutdown()


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


class Clock:
    """The database's clock, moved on by tests."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead, real = timedelta(), db.now
        monkeypatch.setattr(db, "now", lambda: real() + self.ahead)


@pytest.fixture
def clock(db: Database, monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(db, monkeypatch)


@dataclass
class Sender:
    """The duties of the scheduler, called by the test."""

    sending: Sending

    def tick(self) -> None:
        """Make messages, send what is due, and wait for the answers."""
        self.sending.make_messages()
        while self.sending.send():
            self.wait()

    def wait(self) -> None:
        eventually(lambda: not self.sending._busy, what="the end of what is under way")


@pytest.fixture
def sender(db: Database, redis_url: str, configured: Config, clock: Clock) -> Iterator[Sender]:
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    sending = Sending(db, outbox, lambda: GuardedClient(allow=("127.0.0.1",)))
    yield Sender(sending)
    sending.close()
    outbox.close()


def add(client: httpx.Client, receiver: Receiver, **wanted: Any) -> dict[str, Any]:
    answer = client.post("/webhooks", json={"name": "x", "url": receiver.url} | wanted)
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


def done_job(db: Database, user: User, action: str = "test.echo") -> str:
    job = accept(db, [job_of(user, action=action)])[0].job
    take(db, job.id)
    move(db, job.id, State.SUCCEEDED, values={"result": '{"text":"hello"}'})
    return str(job.id)


def deliveries(client: httpx.Client, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/webhooks/{webhook['id']}/deliveries").json()["items"]
    return found


def test_a_job_s_end_is_told_signed_as_the_reference_library_has_it(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User
) -> None:
    webhook = add(alice, receiver, with_result=True)
    job_id = done_job(db, user)
    sender.tick()
    ((headers, body),) = receiver.calls
    said = Reference(webhook["secret"]).verify(body, headers)
    assert (said["type"], said["data"]["id"], said["data"]["action"]) == ("job.succeeded", job_id, "test.echo")
    assert said["data"]["result"] == {"text": "hello"}
    (delivery,) = deliveries(alice, webhook)
    assert (delivery["state"], delivery["id"], delivery["status"]) == ("delivered", headers["webhook-id"], 200)
    sender.tick()
    assert len(receiver.calls) == 1


def test_only_what_was_asked_for_is_told_and_only_from_then_on(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User
) -> None:
    done_job(db, user)
    add(alice, receiver, actions="test.*")
    add(alice, receiver, events=["job.failed"])
    add(alice, receiver, actions="jira.*")
    echo = done_job(db, user)
    sender.tick()
    assert [body["data"]["id"] for body in receiver.bodies()] == [echo]


def test_what_waits_for_a_person_is_told(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User
) -> None:
    add(alice, receiver)
    alice.put("/preferences", json={"policies": {"*": "ask"}})
    alice.post("/test/post", json={"to": "ann", "text": "hello"})
    sender.tick()
    (said,) = receiver.bodies()
    assert (said["type"], said["data"]["reason"]) == ("job.waiting", "approval")
    assert "input" not in said["data"]


def test_a_message_that_fails_is_tried_again_under_the_same_id(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User, clock: Clock
) -> None:
    receiver.answer = lambda number: 500 if number < 3 else 204
    webhook = add(alice, receiver)
    done_job(db, user)
    for wait_s in WAITS_S[:3]:
        sender.tick()
        clock.ahead += timedelta(seconds=wait_s + 1)
    assert len(receiver.ids) == 3 and len(set(receiver.ids)) == 1
    (delivery,) = deliveries(alice, webhook)
    assert (delivery["state"], delivery["tries"]) == ("delivered", 3)
    assert alice.get(f"/webhooks/{webhook['id']}").json()["failures"] == 0


def test_a_message_is_given_up_after_more_than_a_day_and_the_webhook_after_days(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User, clock: Clock
) -> None:
    receiver.answer = lambda _number: 503
    webhook = add(alice, receiver)
    done_job(db, user)
    assert sum(WAITS_S) > 86_400
    for wait_s in (*WAITS_S, 0):
        sender.tick()
        clock.ahead += timedelta(seconds=wait_s + 1)
    (delivery,) = deliveries(alice, webhook)
    assert (delivery["state"], delivery["tries"], delivery["error"]) == ("failed", 9, "It was answered with 503.")
    assert alice.get(f"/webhooks/{webhook['id']}").json()["enabled"]
    clock.ahead += timedelta(days=2)
    done_job(db, user)
    sender.tick()
    shown = alice.get(f"/webhooks/{webhook['id']}").json()
    assert not shown["enabled"] and "everything has failed" in shown["note"]

    late = done_job(db, user)
    sender.tick()
    receiver.answer = lambda _number: 200
    assert alice.patch(f"/webhooks/{webhook['id']}", json={"enabled": True}).json()["note"] is None
    sender.tick()
    assert late in [body["data"]["id"] for body in receiver.bodies()], "what changed meanwhile is told"


def test_a_webhook_that_cannot_be_served_says_why_and_stops_no_other(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User
) -> None:
    unreadable, silent = add(alice, receiver, name="no secret"), add(alice, receiver, name="fine")
    with db.write() as conn:
        of_one = sa.update(table).where(table.c.id == UUID(unreadable["id"]))
        conn.execute(of_one.values(secret=b"no seal of ours"))
    told = done_job(db, user)
    sender.tick()
    assert [body["data"]["id"] for body in receiver.bodies()] == [told]
    shown = alice.get(f"/webhooks/{unreadable['id']}").json()
    assert not shown["enabled"] and shown["note"].startswith("Disabled: ")
    assert alice.get(f"/webhooks/{silent['id']}").json()["enabled"]


def test_a_change_that_cannot_be_told_keeps_no_other_user_s_from_being_told(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User, served: Served,
    new_user: Callable[[str], User],
) -> None:  # fmt: skip
    other = new_user("bob@example.org")
    with served.client(other) as bob:
        broken = add(bob, receiver)
        add(alice, receiver)
        odd = done_job(db, other)
        with db.write() as conn:
            conn.execute(sa.update(jobs).where(jobs.c.id == UUID(odd)).values(error="{ no JSON"))
        told = done_job(db, user)
        sender.tick()
        assert [body["data"]["id"] for body in receiver.bodies()] == [told]
        assert bob.get(f"/webhooks/{broken['id']}").json()["note"].startswith("Disabled: ")


def test_who_wants_no_more_says_410(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User
) -> None:
    receiver.answer = lambda _number: 410
    webhook = add(alice, receiver)
    done_job(db, user)
    sender.tick()
    shown = alice.get(f"/webhooks/{webhook['id']}").json()
    assert not shown["enabled"] and "410" in shown["note"]
    assert deliveries(alice, webhook)[0]["state"] == "failed"


def test_a_receiver_that_hangs_holds_up_nobody_else(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User
) -> None:
    receiver.answer = lambda _number: 0  # hang
    slow = add(alice, receiver)
    for _ in range(5):
        done_job(db, user)
    sender.sending.make_messages()
    sender.sending.send()
    eventually(partial(has_heard, receiver, 2), what="two calls hang")
    receiver.answer = lambda _number: 200
    quick = add(alice, receiver)
    done_job(db, user)
    sender.sending.make_messages()
    sender.sending.send()
    eventually(lambda: [one["state"] for one in deliveries(alice, quick)] == ["delivered"], what="the other's")
    assert Counter(one["state"] for one in deliveries(alice, slow)) == {"pending": 6}
    receiver.go_on.set()


def test_receivers_of_one_user_that_hang_hold_up_nobody_else(
    alice: httpx.Client, served: Served, receiver: Receiver, sender: Sender, db: Database, user: User,
    new_user: Callable[[str], User],
) -> None:  # fmt: skip
    """However many addresses somebody has, and however slowly each of them answers."""
    receiver.answer = lambda _number: 0  # hang
    for _ in range(2 * SENDERS):
        add(alice, receiver)
    done_job(db, user)
    done_job(db, user)
    sender.sending.make_messages()
    while sender.sending.send():
        continue
    eventually(partial(has_heard, receiver, OF_USER), what="calls hang")
    receiver.answer = lambda _number: 200
    bob = new_user("bob@example.org")
    with served.client(bob) as client:
        webhook = add(client, receiver)
        done_job(db, bob)
        sender.sending.make_messages()
        assert sender.sending.send() == 1, "and no more of hers, who has her share of the senders"
        eventually(lambda: [one["state"] for one in deliveries(client, webhook)] == ["delivered"], what="the other's")
    assert sender.sending.send() == 0
    receiver.go_on.set()


def test_users_take_turns_at_senders_and_slow_ones_give_them_back(
    alice: httpx.Client, served: Served, receiver: Receiver, sender: Sender, db: Database, user: User,
    new_user: Callable[[str], User], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("schedules.webhook_sender.SENDERS", 1)
    monkeypatch.setattr("schedules.webhook_sender.IN_A_ROW_S", 0)
    bob = new_user("bob@example.org")
    add(alice, receiver)
    with served.client(bob) as client:
        add(client, receiver)
    for who in (user, user, user, bob):
        done_job(db, who)
    sender.tick()
    kinds = {str(user.id): "alice", str(bob.id): "bob"}
    with db.read() as conn:
        owners = {str(one.id): kinds[str(one.user_id)] for one in conn.execute(sa.select(table.c.id, table.c.user_id))}
        query = sa.select(webhook_deliveries.c.id, webhook_deliveries.c.webhook_id)
        sent = {str(one.id): owners[str(one.webhook_id)] for one in conn.execute(query)}
    assert [sent[one] for one in receiver.ids] == ["alice", "bob", "alice", "alice"]


def test_webhooks_take_turns_at_what_changed(
    alice: httpx.Client, served: Served, receiver: Receiver, db: Database, user: User, new_user: Callable[[str], User]
) -> None:
    """One user's webhooks that are behind again whenever somebody looks keep nobody's messages from being made."""
    for _ in range(3):
        add(alice, receiver)
    bob = new_user("bob@example.org")
    with served.client(bob) as client:
        theirs = add(client, receiver)["id"]
    done_job(db, bob)
    after, seen = None, set[str]()
    for _ in range(2):
        done_job(db, user)
        with db.write() as conn:
            looked_at = rows_of.make_messages(conn, db.now(), 2, 10, after)
        after = looked_at[-1]
        seen |= {str(one) for one in looked_at}
    assert theirs in seen


def test_messages_of_one_turn_are_limited(
    alice: httpx.Client, receiver: Receiver, db: Database, user: User
) -> None:  # fmt: skip
    for _ in range(4):
        add(alice, receiver)
    for _ in range(3):
        done_job(db, user)
    with db.write() as conn:
        assert len(rows_of.make_messages(conn, db.now(), 50, 3)) == 1, "the next would be too many"


def test_a_redirect_and_a_private_address_are_not_followed(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User
) -> None:
    receiver.answer, receiver.headers = lambda _number: 307, {"location": "http://127.0.0.1:9/secret"}
    moved = add(alice, receiver)
    private = add(alice, receiver, url="http://10.0.0.1/")
    done_job(db, user)
    sender.tick()
    assert len(receiver.calls) == 1
    assert deliveries(alice, moved)[0]["state"] == "pending"
    assert "10.0.0.1" in deliveries(alice, private)[0]["error"]


def test_a_renewed_secret_signs_beside_the_one_before(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User
) -> None:
    webhook = add(alice, receiver)
    renewed = alice.post(f"/webhooks/{webhook['id']}/secret", json={}).json()
    assert alice.post(f"/webhooks/{webhook['id']}/test").status_code == 202
    sender.tick()
    ((headers, body),) = receiver.calls
    for secret in (webhook["secret"], renewed["secret"]):
        assert Reference(secret).verify(body, headers)["type"] == "webhook.test"
    last = alice.post(f"/webhooks/{webhook['id']}/secret", json={"overlap_s": 0}).json()
    alice.post(f"/webhooks/{webhook['id']}/test")
    sender.tick()
    assert len(receiver.calls[-1][0]["webhook-signature"].split()) == 1
    assert Reference(last["secret"]).verify(receiver.calls[-1][1], receiver.calls[-1][0])


def test_a_message_can_be_sent_again(
    alice: httpx.Client, receiver: Receiver, sender: Sender, db: Database, user: User
) -> None:
    webhook = add(alice, receiver)
    done_job(db, user)
    sender.tick()
    (delivery,) = deliveries(alice, webhook)
    again = alice.post(f"/webhooks/{webhook['id']}/deliveries/{delivery['id']}/retry")
    assert again.status_code == 202 and again.json()["state"] == "pending"
    sender.tick()
    assert receiver.ids == [delivery["id"]] * 2


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"url": "ftp://example.org/"}, "http:// or https://"),
        ({"url": "example.org/in"}, "http:// or https://"),
        ({"url": "https:/example.org/in"}, "http:// or https://"),
        ({"url": "https://user:pw@example.org/"}, "holds a user name or password"),
        ({"url": "https://user@example.org/"}, "holds a user name or password"),
        ({"url": "https://example.org:70000/in"}, "port 70000 does not exist"),
        ({"url": "https://example.org:0/in"}, "port 0 does not exist"),
        ({"url": "https://example.org:x/in"}, "host or port cannot be read"),
        ({"url": "https:///in"}, "not a valid name"),
        ({"url": "https://:8080/in"}, "not a valid name"),
        ({"url": "https://?x=1"}, "not a valid name"),
        ({"url": "https://exa mple.org/in"}, "not a valid name"),
        ({"url": "https://-x.example.org/in"}, "not a valid name"),
        ({"url": "https://a..b/in"}, "not a valid name"),
        ({"url": "https://0x7f.1/in"}, "number form"),
        ({"url": "https://[::1/in"}, "host or port cannot be read"),
        ({"url": "https://[fe80::1%25eth0]/in"}, "network interface"),
        ({"url": "https://example.org\\@evil.example/in"}, "backslashes"),
        ({"url": "https://example.org/\r\nX: y"}, "control characters"),
        ({"events": []}, "events"),
        ({"events": ["job.born"]}, "events"),
        ({"actions": "*.send"}, "actions"),
        ({"secret": "whsec_?"}, "base64"),
        ({"secret": "·\x94Ñ"}, "base64"),
    ],
)
def test_what_makes_no_sense_is_refused(
    alice: httpx.Client, receiver: Receiver, wanted: dict[str, Any], why: str
) -> None:
    answer = alice.post("/webhooks", json={"name": "x", "url": receiver.url} | wanted)
    assert (answer.status_code, why in answer.text, "pw" in answer.text) == (422, True, False), answer.text
    if "url" in wanted:
        added = add(alice, receiver)
        changed = alice.patch(f"/webhooks/{added['id']}", json=wanted | {"version": added["version"]})
        assert (changed.status_code, why in changed.text) == (422, True), changed.text


# --- with real processes


def has_heard(receiver: Receiver, number: int) -> bool:
    return len(set(receiver.ids)) >= number


@pytest.fixture
def engine(db_url: str, tmp_path: Path) -> Iterator[Engine]:
    with engine_on(Engine, db_url, tmp_path, FETCH_ALLOW="127.0.0.1") as running:
        yield running


def add_by_hand(engine: Engine, receiver: Receiver) -> tuple[Webhook, str]:
    wanted = {
        "name": "x", "url": receiver.url, "events": json.dumps(["job.succeeded"]), "actions": "*", "with_result": False,
        "enabled": True,
    }  # fmt: skip
    with use(Config.open({"DATA_DIR": str(engine.folder / "data")})), engine.db.write() as conn:
        return rules.add(conn, engine.user.id, wanted, None, engine.db.now())


def kill_schedulers(engine: Engine) -> None:
    for process in engine.processes:
        if "schedules" in process.args:  # type: ignore[operator]
            process.kill()
            process.wait(120)


def lose_at_once(engine: Engine) -> None:
    """What a dead process had taken is lost at once, and not in a minute."""
    with engine.db.write() as conn:
        pending = webhook_deliveries.c.state == "pending"
        conn.execute(sa.update(webhook_deliveries).where(pending).values(due_at=engine.db.now()))


def test_a_message_whose_sender_dies_before_it_is_written_down_comes_again_under_its_id(
    engine: Engine, receiver: Receiver
) -> None:
    kill_schedulers(engine)
    add_by_hand(engine, receiver)
    accept(engine.db, [job_of(engine.user)])
    (job_id,) = (one.id for one in take_next(engine.db, 1))
    move(engine.db, job_id, State.SUCCEEDED)
    doomed = engine.start("schedules", LLMCODER_FAULTS="webhooks.after_send=kill")
    assert doomed.wait(TIRELESS_S) == -signal.SIGKILL
    assert len(receiver.calls) == 1
    lose_at_once(engine)
    engine.start("schedules")
    eventually(lambda: len(receiver.calls) == 2, what="the message again")
    assert len(set(receiver.ids)) == 1


def test_every_end_is_told_though_the_schedulers_are_killed_amid_200(engine: Engine, receiver: Receiver) -> None:
    webhook, secret = add_by_hand(engine, receiver)
    echo = Registry(discover())["test.do_nothing"]
    ids = {str(engine.submit(echo)) for _ in range(200)}
    engine.start_worker()
    engine.start("schedules")
    for kill in range(1, 4):
        eventually(partial(has_heard, receiver, 40 * kill), what="more messages")
        kill_schedulers(engine)
        lose_at_once(engine)
        for _ in range(2):
            engine.start("schedules")
    eventually(lambda: {body["data"]["id"] for body in receiver.bodies()} == ids, what="all ends")
    told: dict[str, set[str]] = {}
    for headers, body in receiver.calls:
        said = Reference(secret).verify(body, headers)
        told.setdefault(said["data"]["id"], set()).add(headers["webhook-id"])
    assert {len(messages) for messages in told.values()} == {1}, "one job's end is one id"
    with engine.db.read() as conn:
        left = conn.execute(sa.select(table.c.note).where(table.c.id == webhook.id)).scalar_one()
    assert left is None
