"""The door of domains: a listener or a hook may do what its user may do, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from engine_kit import load_testkit, set_columns
from served import Served, serving

from engine.commands import WrongState
from engine.local_door import EngineDoor
from engine.outbox import Outbox
from llmcoder import BadInput, Forbidden, NotFound
from llmcoder.config import Config
from llmcoder.context import User
from llmcoder.declare.door import Door
from llmcoder.declare.hook import Call, Hook, Reply
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover
from llmcoder.states import Reason, State
from models.accounts.tables import users
from models.connections.tables import connections
from models.db.database import Database
from models.jobs import approvals
from models.jobs.approvals import Origin
from models.jobs.tables import jobs

pytestmark = pytest.mark.both_stores


@pytest.fixture
def door(db: Database, configured: Config, redis_url: str) -> Iterator[EngineDoor]:
    load_testkit()
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    yield EngineDoor(db, outbox, Registry(discover()), configured)
    outbox.close()


def connected(db: Database, user: User, account: str) -> None:
    row = {
        "id": new_id(), "user_id": user.id, "provider": "chat", "account": account, "secret": b"", "key_version": 1,
        "state": "ok", "created_at": db.now(), "updated_at": db.now(),
    }  # fmt: skip
    with db.write() as conn:
        conn.execute(sa.insert(connections).values(row))


def test_a_submission_is_a_job_of_its_user_in_person(db: Database, door: EngineDoor, user: User) -> None:
    job = door.submit(user, "test.echo", {"text": "hello"}, key="envelope-1")
    assert (job.state, job.input, job.origin) == ("queued", {"text": "hello"}, Origin.PERSON)
    assert door.job(user, job.id) == job
    assert [one.id for one in door.jobs(user, 5)] == [job.id]


def test_the_same_key_gives_the_first_job_again_whatever_comes_with_it(door: EngineDoor, user: User) -> None:
    first = door.submit(user, "test.echo", {"text": "hello"}, key="envelope-1")
    again = door.submit(user, "test.echo", {"text": "other"}, key="envelope-1")
    assert (again.id, again.input) == (first.id, {"text": "hello"})


def test_what_an_action_does_not_take_is_named(door: EngineDoor, user: User) -> None:
    with pytest.raises(BadInput, match=r"txet: there is no such field; did you mean text\?"):
        door.submit(user, "test.echo", {"txet": "hello"}, key="1")
    with pytest.raises(NotFound, match=r"Did you mean test\.echo"):
        door.submit(user, "test.eco", {}, key="2")


def test_an_account_belongs_to_the_one_active_user_who_connected_it(
    db: Database, door: EngineDoor, user: User, new_user: Callable[[str], User]
) -> None:
    bob = new_user("bob@example.org")
    connected(db, user, "T1/U1")
    assert door.user_of("chat", "T1/U1") == user
    assert door.user_of("chat", "T1/U2") is None
    connected(db, bob, "T1/U1")
    assert door.user_of("chat", "T1/U1") is None  # whose command would it be?
    with db.write() as conn:
        conn.execute(sa.delete(connections).where(connections.c.user_id == bob.id))
        conn.execute(sa.update(users).where(users.c.id == user.id).values(is_active=False))
    assert door.user_of("chat", "T1/U1") is None
    assert door.user_by_email(user.email) is None
    assert door.user_by_email(" Bob@Example.org ") == bob


def test_a_user_decides_about_what_waits_for_them_and_nobody_else_does(
    db: Database, door: EngineDoor, user: User, new_user: Callable[[str], User]
) -> None:
    bob = new_user("bob@example.org")
    job = door.submit(user, "test.echo", {"text": "hello"}, key="1")
    set_columns(db, job.id, state=State.WAITING, reason=Reason.APPROVAL, expires_at=db.now().replace(year=2199))
    waiting = door.waiting(user, 10)
    assert [one.id for one in waiting] == [job.id] and waiting[0].awaits_approval
    assert door.waiting(bob, 10) == []
    with pytest.raises(NotFound):
        door.approve(bob, job.id, waiting[0].input_sha256)
    with pytest.raises(approvals.NotAsShown):
        door.approve(user, job.id, "0" * 64)
    assert door.approve(user, job.id, waiting[0].input_sha256).state == State.QUEUED
    with pytest.raises(WrongState):
        door.reject(user, job.id, "too late")


def test_a_user_cancels_their_own_job_only(door: EngineDoor, user: User, new_user: Callable[[str], User]) -> None:
    job = door.submit(user, "test.echo", {}, key="1")
    with pytest.raises(NotFound):
        door.cancel(new_user("bob@example.org"), job.id)
    assert door.cancel(user, job.id).state == State.CANCELLED


# --- hooks


def answer(call: Call, door: Door) -> Reply:
    if call.headers.get("x-signature") != "signed":
        raise Forbidden("The signature is wrong.")
    user = door.user_by_email("alice@example.org")
    assert user is not None
    job = door.submit(user, "test.echo", json.loads(call.body), key=call.headers["x-id"])
    return Reply(202, str(job.id).encode(), {"content-type": "text/plain"})


HOOK = Hook("chat/commands", title="Commands from the chat.", answer=answer, most_bytes=1000)


@pytest.fixture
def served(db: Database, redis_url: str, tmp_path: Path) -> Iterator[Served]:
    with serving(db, redis_url, tmp_path, more_hooks=(HOOK,)) as served:
        yield served


def test_a_hook_is_called_without_a_token_of_ours_and_judges_the_caller_itself(
    served: Served, db: Database, user: User
) -> None:
    url = f"{served.url}/chat/commands"
    forged = httpx.post(url, json={"text": "hello"})
    assert (forged.status_code, forged.json()["type"]) == (403, "urn:llmcoder:problem:forbidden")
    signed = {"x-signature": "signed", "x-id": "1"}
    accepted = httpx.post(url, json={"text": "hello"}, headers=signed)
    assert accepted.status_code == 202
    with db.read() as conn:
        row = conn.execute(sa.select(jobs.c.user_id, jobs.c.input)).one()
    assert (UUID(accepted.text), row.user_id, json.loads(row.input)) == (
        UUID(accepted.text), user.id, {"text": "hello"},
    )  # fmt: skip
    assert httpx.post(url, content=b"{}" + b" " * 1000, headers=signed).status_code == 413


def test_a_hook_stands_in_the_document_and_says_that_it_takes_no_token(served: Served) -> None:
    found = httpx.get(f"{served.url}/openapi.json", timeout=120).json()["paths"]["/chat/commands"]["post"]
    assert found["summary"] == "Commands from the chat."
    assert not found.get("security")
