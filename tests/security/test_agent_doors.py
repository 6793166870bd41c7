"""An agent's token changes nothing without a person: on every route, with every method, generated from the routes.

Everything of the database is compared before and after. What an agent may leave there is its own job: one that only
looks or drafts, or one that waits for its user. A door that this file cannot try fails `test_every_door_is_tried`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from accounts import account
from doors import Door, doors_of, doors_of_actions, doors_of_hooks
from served import Served
from websockets.sync.client import connect

from llmcoder.context import User
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover
from llmcoder.states import Reason, State
from models.db.migrate import is_declared
from models.jobs.approvals import Origin
from models.tables import metadata

pytestmark = pytest.mark.both_stores

CHANGING = ("POST", "PUT", "PATCH", "DELETE")
#: Tables in which every request, or every job, leaves something that is nobody's.
OF_ALL = {"jobs", "audit", "audit_head", "revisions", "turns", "tallies", "login_attempts", "workers", "duties"}
#: Doors that know nobody by a token of ours, so that an agent's is nothing to them.
TOKENLESS = {
    "POST /auth/register", "POST /auth/login", "POST /auth/refresh", "POST /hooks/{hook_id}",
    "POST /macros/runs/{run_id}/{step}/{secret}", "MOUNT /legacy",
}  # fmt: skip
#: Ends the agent's own session, which is its own; adds a file of the agent's own, see
#: tests/integration/test_files_http.py.
ITS_OWN = {"POST /auth/logout", "POST /files"}

NOTE, TODO, WATCH = {"text": "by an agent"}, {"title": "by an agent"}, {"instructions": "by an agent"}
RESOURCE, CARD = {"title": "by an agent", "topic": "x"}, {"front": "by an agent", "back": "x"}
RECIPE = {"title": "by an agent", "ingredients": ["1 onion"]}
ACCOUNT, RULE = {"name": "by an agent", "currency": "EUR"}, {"words": "by an agent", "category": "x"}
TRANSACTION = {"account": "by an agent", "booked_on": "2030-06-01", "amount": "-3.50 EUR", "text": "by an agent"}
MACRO = {"name": "by an agent", "steps": [{"id": "say", "action": "test.echo", "with": {"text": "x"}}]}
SCHEDULE = {"name": "by an agent", "action": "test.post", "input": {"to": "a", "text": "x"}, "every_s": 60}
HOOK = {"name": "by an agent", "action": "test.post", "input": {"to": "a", "text": "x"}, "scheme": "hmac"}
WEBHOOK = {"name": "by an agent", "url": "http://127.0.0.1:9/", "enabled": False}

#: What is sent where a body is needed, as good as it can be, so that nothing else refuses it.
BODIES: dict[str, Any] = {
    "POST /general/notes": NOTE, "PATCH /general/notes/{record_id}": NOTE,
    "POST /general/todos": TODO, "PATCH /general/todos/{record_id}": TODO,
    "POST /learning/resources": RESOURCE, "PATCH /learning/resources/{record_id}": RESOURCE,
    "POST /learning/cards": CARD, "PATCH /learning/cards/{record_id}": CARD,
    "POST /email/watches": WATCH, "PATCH /email/watches/{record_id}": WATCH,
    "POST /recipe/recipes": RECIPE, "PATCH /recipe/recipes/{record_id}": RECIPE,
    "POST /finance/accounts": ACCOUNT, "PATCH /finance/accounts/{record_id}": {"name": "by an agent"},
    "POST /finance/rules": RULE, "PATCH /finance/rules/{record_id}": RULE,
    "POST /finance/transactions": TRANSACTION, "PATCH /finance/transactions/{record_id}": {"note": "by an agent"},
    "POST /macros": MACRO, "PUT /macros/{macro_id}": MACRO,
    "POST /schedules": SCHEDULE, "PATCH /schedules/{schedule_id}": {"every_s": 61},
    "POST /schedules/{schedule_id}/pause": {},
    "POST /schedules/{schedule_id}/backfill": {"since": "2020-01-01T00:00:00Z", "until": "2020-01-01T01:00:00Z"},
    "POST /hooks": HOOK, "PATCH /hooks/{hook_id}": {"name": "changed"}, "POST /hooks/{hook_id}/secret": {},
    "POST /webhooks": WEBHOOK, "PATCH /webhooks/{webhook_id}": {"name": "changed"},
    "POST /webhooks/{webhook_id}/secret": {},
    "PUT /preferences": {"policies": {"*": "allow"}, "notify": ["email"]},
    "PATCH /config": {"REGISTRATION_OPEN": False},
    "POST /jobs/{job_id}/resolve": {"happened": True}, "POST /jobs/{job_id}/reject": {},
    "POST /jobs": {"action": "test.post", "input": {"to": "a", "text": "x"}},
    "POST /legacy/{domain}/{verb}": {"to": "a", "text": "x"},
    "POST /connections": {"provider": "slack", "credentials": {"token": "x"}},
}  # fmt: skip


@pytest.fixture
def alice(served: Served) -> User:
    return account(served.db, f"{new_id().hex}@example.org", is_admin=True)


@pytest.fixture
def agent(served: Served, alice: User) -> Iterator[httpx.Client]:
    token = served.identities.issue(alice.id, new_id(), 600, Origin.AGENT)
    with httpx.Client(base_url=served.url, headers={"authorization": f"Bearer {token}"}, timeout=30) as client:
        yield client


def of_the_users(person: httpx.Client, served: Served) -> dict[str, list[str]]:
    """One object of each kind, by the parameter that names it; of jobs one in each state that a command is about."""

    def added(path: str, body: Mapping[str, Any]) -> list[str]:
        answer = person.post(path, json=body)
        assert answer.status_code == 201, answer.text
        return [str(answer.json()["id"])]

    mine = {
        "macro_id": added("/macros", {**MACRO, "name": "mine"}),
        "schedule_id": added("/schedules", {**SCHEDULE, "name": "mine", "every_s": 3600}),
        "hook_id": added("/hooks", HOOK),
        "webhook_id": added("/webhooks", WEBHOOK),
        "note": added("/general/notes", {"text": "mine"}),
        "todo": added("/general/todos", {"title": "mine"}),
        "watch": added("/email/watches", {"instructions": "mine"}),
        "resource": added("/learning/resources", {"title": "mine", "topic": "x"}),
        "card": added("/learning/cards", {"front": "mine", "back": "x"}),
        "recipe": added("/recipe/recipes", {"title": "mine", "ingredients": []}),
        "account": added("/finance/accounts", {**ACCOUNT, "name": "mine"}),
        "rule": added("/finance/rules", {**RULE, "words": "mine"}),
        "transaction": added("/finance/transactions", {**TRANSACTION, "account": "mine", "text": "mine"}),
        "domain": ["test"],
        "verb": ["post"],
        "file_id": [person.post("/files", content=b"mine").json()["id"]],
        "job_id": [],
    }
    for state, reason in (
        (State.QUEUED, None), (State.RUNNING, None), (State.WAITING, Reason.APPROVAL), (State.FAILED, None),
        (State.CANCELLED, None), (State.SUCCEEDED, None), (State.UNCERTAIN, None),
    ):  # fmt: skip
        job = person.post("/jobs", json={"action": "test.post", "input": {"to": "a", "text": state.value}}).json()
        values = {"state": state, "reason": reason}
        values |= {"result": '{"post_id": "1"}'} if state is State.SUCCEEDED else {}
        with served.db.write() as conn:
            jobs = metadata.tables["jobs"]
            conn.execute(sa.update(jobs).where(jobs.c.id == UUID(job["id"])).values(values))
        mine["job_id"].append(job["id"])
    return mine


def standing(served: Served) -> dict[str, list[Any]]:
    """Everything that the database holds, but for what every request leaves there."""
    with served.db.read() as conn:
        return {
            name: sorted(map(repr, conn.execute(sa.select(table)).all()))
            for name, table in metadata.tables.items()
            if name not in OF_ALL and is_declared(name, "table")
        }


def jobs_of(served: Served) -> dict[UUID, Any]:
    with served.db.read() as conn:
        return {row.id: row for row in conn.execute(sa.select(metadata.tables["jobs"]))}


def waits_or_is_harmless(job: Any) -> bool:
    """What an agent may have made of the user's jobs: its own, which looks or drafts, or waits for a person."""
    waits = (job.state, job.reason) == ("waiting", "approval")
    return job.origin == "agent" and (waits or job.effect in ("read", "draft"))


def changing(served: Served) -> list[Door]:
    return [door for door in doors_of(served.app) if door.method in CHANGING and str(door) not in TOKENLESS | ITS_OWN]


def ids_for(door: Door, mine: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """The addresses at which a door is tried."""
    kinds = {
        "notes": "note", "todos": "todo", "watches": "watch", "resources": "resource", "cards": "card",
        "recipes": "recipe", "accounts": "account", "rules": "rule", "transactions": "transaction",
    }  # fmt: skip
    own = {name: kinds.get(door.path.split("/")[2], "") if name == "record_id" else name for name in door.parameters}
    first = next(iter(door.parameters), None)
    count = len(mine.get(own[first], ["x"])) if first else 1
    return [
        {name: mine.get(kind, [str(new_id())] * 9)[number] for name, kind in own.items()} for number in range(count)
    ]


def body_of(door: Door, served: Served, job_id: str | None) -> Any:
    if str(door) == "POST /jobs/{job_id}/approve":
        text = jobs_of(served)[UUID(job_id or "")].input
        canonical = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
        return {"sha256": hashlib.sha256(canonical.encode()).hexdigest()}
    if str(door) in BODIES:
        return BODIES[str(door)]
    action = Registry(discover()).get(door.path.strip("/").replace("/", "."))
    return None if action is None else action.example


def test_an_agent_changes_nothing_through_any_door(served: Served, alice: User, agent: httpx.Client) -> None:
    with served.client(alice) as person:
        mine = of_the_users(person, served)
    for door in changing(served):
        for ids in ids_for(door, mine):
            before, jobs_before = standing(served), jobs_of(served)
            body = body_of(door, served, ids.get("job_id"))
            answer = agent.request(door.method, door.address(**ids), json=body)
            assert answer.status_code < 500 or answer.status_code == 503, (door, answer.text)
            assert standing(served) == before, f"{door} changed something: {answer.status_code} {answer.text}"
            for job_id, job in jobs_of(served).items():
                if job_id not in jobs_before or job.state != jobs_before[job_id].state:
                    assert waits_or_is_harmless(job), f"{door}: {answer.status_code}, {job}"


def test_what_an_agent_asks_of_a_record_door_is_a_job_that_waits(
    served: Served, alice: User, agent: httpx.Client
) -> None:
    with served.client(alice) as person:
        mine = of_the_users(person, served)
        for path, kind in (
            ("/general/notes", "note"), ("/general/todos", "todo"), ("/email/watches", "watch"),
            ("/learning/resources", "resource"), ("/learning/cards", "card"), ("/recipe/recipes", "recipe"),
            ("/finance/accounts", "account"), ("/finance/rules", "rule"), ("/finance/transactions", "transaction"),
        ):  # fmt: skip
            place = f"{path}/{mine[kind][0]}"
            before = person.get(place).json()
            new, change = BODIES[f"POST {path}"], BODIES[f"PATCH {path}/{{record_id}}"]
            for answer in (agent.post(path, json=new), agent.patch(place, json=change), agent.delete(place)):
                assert answer.status_code == 202, answer.text
                job = answer.json()
                assert answer.headers["location"] == f"/jobs/{job['id']}"
                assert (job["state"], job["reason"], job["origin"]) == ("waiting", "approval", "agent")
            assert person.get(place).json() == before
            assert agent.patch(f"{path}/{new_id()}", json=change).status_code == 404


def test_a_policy_and_the_undo_window_hold_a_persons_records_back_too(served: Served, alice: User) -> None:
    with served.client(alice) as person:
        person.put("/preferences", json={"policies": {"general.add_note": "ask"}})
        asked = person.post("/general/notes", json=NOTE)
        assert (asked.status_code, asked.json()["reason"]) == (202, "approval")
        assert person.post("/general/todos", json=TODO).status_code == 201
        person.put("/preferences", json={"undo_window_s": {"general.*": 30}})
        held = person.post("/general/notes", json=NOTE)
        assert (held.status_code, held.json()["reason"]) == (202, "undo_window")
        person.put("/preferences", json={})
        assert person.post("/general/notes", json=NOTE).status_code == 201


def test_a_record_that_is_named_by_a_key_is_asked_for_once(served: Served, alice: User, agent: httpx.Client) -> None:
    key = {"idempotency-key": "k1"}
    first, again = (agent.post("/general/notes", json=NOTE, headers=key) for _ in range(2))
    assert (first.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert agent.post("/general/notes", json={"text": "another"}, headers=key).status_code == 422
    unknown = agent.delete(f"/general/notes/{new_id()}", headers={"idempotency-key": "k2"})
    assert unknown.status_code == 404


def test_an_agent_ends_its_own_jobs_only(served: Served, alice: User, agent: httpx.Client) -> None:
    given = {"action": "test.echo", "input": {"text": "x"}}
    with served.client(alice) as person:
        theirs, own = person.post("/jobs", json=given).json(), agent.post("/jobs", json=given).json()
        assert agent.post(f"/jobs/{theirs['id']}/cancel").status_code == 403
        assert person.get(f"/jobs/{theirs['id']}").json()["state"] == "queued"
        assert agent.post(f"/jobs/{own['id']}/cancel").status_code == 202
    token = agent.headers["authorization"].partition(" ")[2]
    with connect(served.ws_url) as socket:
        socket.send(json.dumps({"type": "auth", "token": token}))
        socket.send(json.dumps({"type": "cancel", "job_id": theirs["id"], "ref": 1}))
        while (answer := json.loads(socket.recv(timeout=10))).get("ref") != 1:
            pass
        assert (answer["type"], answer["problem"]["status"]) == ("problem", 403)
        given = {"type": "submit", "action": "test.post", "input": {"to": "a", "text": "x"}, "ref": 2}
        socket.send(json.dumps(given))
        while (answer := json.loads(socket.recv(timeout=10))).get("ref") != 2:
            pass
        assert (answer["job"]["state"], answer["job"]["origin"]) == ("waiting", "agent")


def test_every_door_is_tried(served: Served) -> None:
    known = Registry(discover())
    tried = {f"{one.method} {one.path}" for one in changing(served)}
    made = doors_of_actions(known) | doors_of_hooks(known)
    needing = {
        f"{method.upper()} {path}"
        for path, methods in served.app.openapi()["paths"].items()
        for method, described in methods.items()
        if described.get("requestBody", {}).get("required")
    }
    special = {"POST /jobs/{job_id}/approve"}
    silent = (tried & needing) - set(BODIES) - made - special
    assert silent == set(), "say in BODIES what such a request holds, so that nothing else refuses an agent there"
    assert set(BODIES) <= tried | {"POST /jobs"}


def test_every_collection_says_which_actions_stand_for_its_changes() -> None:
    changed = [one for one in Registry(discover()).collections() if not one.only_read]
    silent = [one.path for one in changed if None in (one.adds, one.changes, one.removes)]
    assert silent == []
