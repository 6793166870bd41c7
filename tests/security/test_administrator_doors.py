"""An action that is for administrators only: hidden from others and refused to them at every door; the audit names it.

The doors are read from the application's routes. One that this file neither tries nor knows to lead to no action fails
`test_every_door_is_tried`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from accounts import account
from doors import doors_of, doors_of_actions, doors_of_hooks
from served import Served, serving
from websockets.sync.client import connect

from engine.local_door import EngineDoor
from llmcoder.context import User
from llmcoder.errors import Forbidden
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover
from models.accounts.tables import users
from models.audit.log import EntryFilter, Event, listed
from models.jobs.approvals import Origin, sha256
from models.jobs.machine import Reason, State
from models.jobs.tables import jobs

pytestmark = pytest.mark.both_stores

WHEEL, LOOK = "test.turn_wheel", "test.look_inside"
INPUT = {"to": "a", "text": "x"}
STEP = {"id": "turn", "action": WHEEL, "with": INPUT}
HOOK_SECRET = "a secret of forty characters, or even more"
PAST = {"since": "2020-01-01T00:00:00Z", "until": "2020-01-01T01:00:00Z"}


@dataclass
class Caller:
    """Somebody at the doors, with what they made while they were an administrator.

    Attributes:
        mine: Ids by what they are of.
    """

    served: Served
    user: User
    client: httpx.Client
    mine: dict[str, str]

    @property
    def token(self) -> str:
        return self.client.headers["authorization"].partition(" ")[2]


def over_websocket(one: Caller) -> httpx.Response:
    with connect(one.served.ws_url) as socket:
        socket.send(json.dumps({"type": "auth", "token": one.token}))
        socket.send(json.dumps({"type": "submit", "action": WHEEL, "input": INPUT, "ref": 1}))
        while (answer := json.loads(socket.recv(timeout=10))).get("ref") != 1:
            pass
    status = answer["problem"]["status"] if answer["type"] == "problem" else 202
    return httpx.Response(status, json=answer.get("problem"))


def by_a_call(one: Caller) -> httpx.Response:
    """Somebody else calls; it is the owner's right that counts."""
    headers = {"x-webhook-token": HOOK_SECRET, "content-type": "application/json"}
    return httpx.post(f"{one.served.url}/hooks/{one.mine['hook']}", content=b'{"n": 1}', headers=headers)


def approving(one: Caller) -> httpx.Response:
    seen = sha256(json.dumps(INPUT))
    return one.client.post(f"/jobs/{one.mine['waiting']}/approve", json={"sha256": seen})


def editing(one: Caller) -> httpx.Response:
    given = {"sha256": sha256(json.dumps(INPUT)), "input": INPUT | {"text": "another"}}
    return one.client.post(f"/jobs/{one.mine['waiting']}/approve", json=given)


Try = Callable[[Caller], httpx.Response]

#: How each door is asked for an action that is for administrators only.
TRIES: dict[str, list[Try]] = {
    "POST /test/turn_wheel": [
        lambda one: one.client.post("/test/turn_wheel", json=INPUT),
        lambda one: one.client.post("/test/turn_wheel", json=INPUT, headers={"idempotency-key": "again"}),
    ],
    "POST /test/look_inside": [lambda one: one.client.post("/test/look_inside", json={})],
    "GET /test/look_inside": [lambda one: one.client.get("/test/look_inside?text=x")],
    "POST /test/turn_back": [lambda one: one.client.post("/test/turn_back", json={"post_id": "1"})],
    "POST /jobs": [
        lambda one: one.client.post("/jobs", json={"action": WHEEL, "input": INPUT}),
        lambda one: one.client.post(
            "/jobs", json={"action": LOOK, "input": {"text": {"$ref": f"/jobs/{one.mine['done']}#/result/post_id"}}}
        ),
    ],
    "POST /legacy/{domain}/{verb}": [
        lambda one: one.client.post("/legacy/test/turn_wheel", json=INPUT, headers={"prefer": "wait=0"}),
        lambda one: one.client.post("/legacy/test/look_inside", json={}, headers={"prefer": "wait=0"}),
    ],
    "GET /legacy/{domain}/{verb}": [
        lambda one: one.client.get("/legacy/test/look_inside?text=x", headers={"prefer": "wait=0"})
    ],
    "GET /actions/{name}": [lambda one: one.client.get(f"/actions/{WHEEL}")],
    "POST /macros": [lambda one: one.client.post("/macros", json={"name": f"{new_id()}", "steps": [STEP]})],
    "PUT /macros/{macro_id}": [
        lambda one: one.client.put(f"/macros/{one.mine['macro']}", json={"name": f"{new_id()}", "steps": [STEP]})
    ],
    "POST /schedules": [
        lambda one: one.client.post("/schedules", json={"name": "x", "action": WHEEL, "input": INPUT, "every_s": 60})
    ],
    "PATCH /schedules/{schedule_id}": [
        lambda one: one.client.patch(f"/schedules/{one.mine['schedule']}", json={"every_s": 61})
    ],
    "POST /schedules/{schedule_id}/run": [lambda one: one.client.post(f"/schedules/{one.mine['schedule']}/run")],
    "POST /schedules/{schedule_id}/backfill": [
        lambda one: one.client.post(f"/schedules/{one.mine['schedule']}/backfill", json=PAST)
    ],
    "POST /hooks": [
        lambda one: one.client.post(
            "/hooks", json={"name": "x", "action": WHEEL, "input": INPUT, "scheme": "token", "secret": HOOK_SECRET}
        )
    ],
    "PATCH /hooks/{hook_id}": [lambda one: one.client.patch(f"/hooks/{one.mine['hook']}", json={"name": "y"})],
    "POST /hooks/{hook_id}": [by_a_call],
    "POST /jobs/{job_id}/retry": [lambda one: one.client.post(f"/jobs/{one.mine['failed']}/retry")],
    "POST /jobs/{job_id}/approve": [editing, approving],
    "POST /jobs/{job_id}/undo": [lambda one: one.client.post(f"/jobs/{one.mine['done']}/undo")],
    "WS /ws": [over_websocket],
}

#: What an agent does not even get to, and what is nothing to it.
NOT_FOR_AGENTS = {"POST /hooks/{hook_id}"}

#: Doors that lead to no action of the caller's choice: they read, or have an object or a command of their own.
ELSEWHERE = (
    "DELETE /files/", "GET /files", "GET /files/", "POST /files", "DELETE /connections/", "DELETE /email/",
    "DELETE /general/", "DELETE /learning/", "DELETE /finance/", "DELETE /recipe/", "DELETE /hooks/",
    "DELETE /macros/", "DELETE /schedules/", "DELETE /webhooks/", "GET /", "GET /actions", "GET /approvals",
    "GET /audit", "GET /auth/", "GET /config", "GET /connections", "GET /connections/", "GET /docs", "GET /docs/",
    "GET /email/", "GET /general/", "GET /learning/", "GET /finance/", "GET /news/", "GET /recipe/", "GET /health/",
    "GET /hooks", "GET /hooks/", "GET /jobs", "GET /jobs/", "GET /macros", "GET /macros/", "GET /metrics",
    "GET /openapi.json", "GET /preferences", "GET /schedules", "GET /schedules/", "GET /webhooks", "GET /webhooks/",
    "MOUNT /legacy", "PATCH /config", "PATCH /email/", "PATCH /general/", "PATCH /learning/", "PATCH /finance/",
    "PATCH /recipe/", "PATCH /webhooks/", "POST /auth/", "POST /connections", "POST /connections/", "POST /email/",
    "POST /general/", "POST /learning/", "POST /finance/accounts", "POST /finance/rules",
    "POST /finance/transactions", "POST /recipe/recipes", "POST /hooks/{hook_id}/secret",
    "POST /jobs/{job_id}/cancel", "POST /jobs/{job_id}/reject", "POST /jobs/{job_id}/resolve", "POST /macros/runs/",
    "POST /schedules/{schedule_id}/pause", "POST /schedules/{schedule_id}/resume", "POST /webhooks",
    "POST /webhooks/", "PUT /preferences",
)  # fmt: skip


def set_administrator(served: Served, user: User, is_admin: bool) -> None:
    with served.db.write() as conn:
        conn.execute(sa.update(users).where(users.c.id == user.id).values(is_admin=is_admin))


@pytest.fixture
def caller(served: Served) -> Iterator[Caller]:
    """An administrator, known as one to the API for the next seconds, with one object of each kind."""
    user = account(served.db, f"{new_id().hex}@example.org", is_admin=True)
    with served.client(user) as client:
        yield Caller(served, user, client, made_by(served, client))


def made_by(served: Served, client: httpx.Client) -> dict[str, str]:
    def added(path: str, body: Any) -> str:
        answer = client.post(path, json=body)
        assert answer.status_code in (201, 202), answer.text
        return str(answer.json()["id"])

    schedule = {"name": "mine", "action": WHEEL, "input": INPUT, "every_s": 3600, "enabled": True}
    hook = {"name": "mine", "action": WHEEL, "input": INPUT, "scheme": "token", "secret": HOOK_SECRET}
    mine = {
        "macro": added("/macros", {"name": "mine", "steps": [STEP]}),
        "schedule": added("/schedules", schedule),
        "hook": added("/hooks", hook),
    }
    for name, state, reason in (
        ("failed", State.FAILED, None), ("waiting", State.WAITING, Reason.APPROVAL), ("done", State.SUCCEEDED, None),
    ):  # fmt: skip
        mine[name] = added("/jobs", {"action": WHEEL, "input": INPUT})
        values: dict[str, Any] = {"state": state, "reason": reason}
        values |= {"result": '{"post_id": "1"}'} if state is State.SUCCEEDED else {}
        with served.db.write() as conn:
            conn.execute(sa.update(jobs).where(jobs.c.id == UUID(mine[name])).values(values))
    return mine


def refusals(served: Served, user: User) -> list[tuple[str, str]]:
    """Action and origin of what the audit log says was refused to the user."""
    with served.db.read() as conn:
        found = listed(conn, EntryFilter(event=Event.ACTION_REFUSED, actor_id=user.id), 1_000)
    return [(one.subject, json.loads(one.detail)["origin"]) for one in found]


@pytest.mark.parametrize("door", TRIES)
def test_who_is_no_administrator_any_more_is_refused_and_the_audit_log_names_it(door: str, caller: Caller) -> None:
    set_administrator(caller.served, caller.user, False)
    for number, ask in enumerate(TRIES[door], start=1):
        before = caller.served.count()
        answer = ask(caller)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:llmcoder:problem:administrators-only"), door
        assert caller.served.count() == before
        named = refusals(caller.served, caller.user)
        assert len(named) == number
        assert named[0][0] in (WHEEL, LOOK, "test.turn_back")


@pytest.mark.parametrize("door", sorted(set(TRIES) - NOT_FOR_AGENTS))
def test_an_administrators_agent_is_refused(door: str, caller: Caller) -> None:
    token = caller.served.identities.issue(caller.user.id, new_id(), 600, Origin.AGENT)
    with httpx.Client(base_url=caller.served.url, headers={"authorization": f"Bearer {token}"}, timeout=30) as client:
        for ask in TRIES[door]:
            before = caller.served.count()
            answer = ask(Caller(caller.served, caller.user, client, caller.mine))
            assert answer.status_code == 403, (door, answer.text)
            assert caller.served.count() == before
    assert {origin for _, origin in refusals(caller.served, caller.user)} <= {"agent"}


@pytest.mark.parametrize("door", TRIES)
def test_an_administrator_is_not(door: str, caller: Caller) -> None:
    for ask in TRIES[door]:
        answer = ask(caller)
        assert answer.status_code < 300 or answer.status_code == 409, (door, answer.text)  # 409: approved a line before
    assert refusals(caller.served, caller.user) == []


def test_what_is_wrong_with_an_input_is_not_told_to_those_who_may_not_send_one(caller: Caller) -> None:
    set_administrator(caller.served, caller.user, False)
    for path, body in (("/test/turn_wheel", {"nonsense": 1}), ("/jobs", {"action": WHEEL, "input": {"nonsense": 1}})):
        assert caller.client.post(path, json=body).status_code == 403
    assert caller.client.get("/test/look_inside?nonsense=1").status_code == 403
    assert caller.client.post("/test/turn_wheel", content=b"{").status_code == 403
    schedule = {"name": "x", "action": WHEEL, "input": {"nonsense": 1}, "every_s": 60}
    assert caller.client.post("/schedules", json=schedule).status_code == 403


def test_a_local_door_of_a_domain_refuses_too(caller: Caller) -> None:
    door: EngineDoor = caller.served.app.state.services.door
    assert door.may_run(caller.user, WHEEL)
    accepted = door.submit(caller.user, WHEEL, INPUT, key="k1")
    assert accepted.state == "queued"
    set_administrator(caller.served, caller.user, False)
    assert not door.may_run(caller.user, WHEEL)
    assert door.may_run(caller.user, "test.echo")
    for given in (INPUT, {"nonsense": 1}):
        with pytest.raises(Forbidden):
            door.submit(caller.user, WHEEL, given, key="k2")
    with pytest.raises(Forbidden):
        door.approve(caller.user, UUID(caller.mine["waiting"]), sha256(json.dumps(INPUT)))
    assert refusals(caller.served, caller.user) == [(WHEEL, "person")] * 3


def test_an_approver_who_is_no_administrator_does_not_let_it_run(caller: Caller) -> None:
    served, other = caller.served, account(caller.served.db, f"{new_id().hex}@example.org")
    answer = caller.client.put("/preferences", json={"approvers": [other.email]})
    assert answer.status_code == 200, answer.text
    with served.client(other) as client:
        refused = client.post(f"/jobs/{caller.mine['waiting']}/approve", json={"sha256": sha256(json.dumps(INPUT))})
        assert refused.status_code == 403
        assert refusals(served, other) == [(WHEEL, "person")]
        assert client.post(f"/jobs/{caller.mine['waiting']}/reject", json={}).status_code == 200


def test_the_catalogue_the_document_and_the_pages_hide_it_from_others(caller: Caller) -> None:
    url = caller.served.url
    with caller.served.client(account(caller.served.db, f"{new_id().hex}@example.org")) as other:
        texts = {
            "catalogue": other.get("/actions").text,
            "document": other.get("/openapi.json").text,
            "a stranger's document": httpx.get(f"{url}/openapi.json").text,
            "docs": httpx.get(f"{url}/docs").text,
            "old addresses": httpx.get(f"{url}/legacy/").text,
            "a near name": other.get("/actions/test.turn_whel").text.replace("test.turn_whel", ""),
        }
    for place, text in texts.items():
        assert "turn_wheel" not in text and "look_inside" not in text, place
    assert "PostChoice" in texts["document"], "another action has the same input"
    assert WHEEL in caller.client.get("/actions").text
    whole = caller.client.get("/openapi.json")
    assert whole.json()["paths"]["/test/turn_wheel"]["post"]["x-administrators-only"] is True
    assert whole.headers["vary"] == "authorization"
    assert "403" in whole.json()["paths"]["/test/turn_wheel"]["post"]["responses"]
    assert caller.client.get(f"/actions/{WHEEL}").json()["administrators_only"] is True


def test_records_that_only_administrators_change_are_refused_before_their_body_is_read(
    caller: Caller, tmp_path: Path, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doors of a collection, whose actions are for administrators only."""
    known = Registry(discover())
    notes = next(one for one in known.collections() if one.path == "general/notes")
    kinds = {name: replace(getattr(notes, name), administrators_only=True) for name in ("adds", "changes", "removes")}
    monkeypatch.setattr(Registry, "collections", lambda _self: [replace(notes, **kinds)])
    with serving(caller.served.db, redis_server, tmp_path) as served, served.client(caller.user) as client:
        place = client.post("/general/notes", json={"text": "mine"}).headers["location"]
        set_administrator(served, caller.user, False)
        asked = (
            client.post("/general/notes", json={"text": "x"}), client.post("/general/notes", json={"nonsense": 1}),
            client.patch(place, json={"text": "x"}), client.patch(place, json={"nonsense": 1}), client.delete(place),
        )  # fmt: skip
        assert [one.status_code for one in asked] == [403] * 5
        assert client.get(place).json()["text"] == "mine"
        paths = httpx.get(f"{served.url}/openapi.json").json()["paths"]
        assert set(paths["/general/notes"]) == {"get"}
    assert len(refusals(caller.served, caller.user)) == 5


def test_every_door_is_tried(served: Served) -> None:
    known = Registry(discover())
    unlimited = {name for name, one in known.items() if not one.administrators_only}
    named = doors_of_actions(Registry(known[name] for name in unlimited)) - set(TRIES)
    own = {str(one) for one in doors_of(served.app)} - named - doors_of_hooks(known)
    prefixes = tuple(one for one in ELSEWHERE if one.endswith("/") and one != "GET /")
    unknown = {one for one in own - set(TRIES) - set(ELSEWHERE) if not one.startswith(prefixes)}
    assert unknown == set(), "try it in TRIES, or say in ELSEWHERE that it leads to no action"
    assert set(TRIES) <= own
