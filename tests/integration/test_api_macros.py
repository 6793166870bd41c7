"""The doors of macros: kept by name in versions, as JSON or YAML; what a run has come to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import yaml
from served import Served

from engine import macro_library
from llmcoder.context import User
from llmcoder.ids import new_id
from models.audit import log as audit
from models.db.database import Database
from models.jobs.approvals import Origin
from models.macros import store
from models.macros.document import Macro
from models.macros.progress import WHOLE, Row, StepState

pytestmark = pytest.mark.both_stores

HELLO = {"name": "Hello", "steps": [{"id": "say", "action": "test.echo", "with": {"text": "hello"}}]}
YAML = {"content-type": "application/yaml"}


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


def add(client: httpx.Client, **wanted: Any) -> dict[str, Any]:
    answer = client.post("/macros", json=HELLO | wanted)
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/macros/{added['id']}"
    return added


def steps(*wanted: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": f"s{number}", "action": "test.echo"} | step for number, step in enumerate(wanted)]


def test_a_macro_is_kept_shown_listed_replaced_and_removed(alice: httpx.Client, db: Database) -> None:
    added = add(alice)
    address = f"/macros/{added['id']}"
    assert (added["version"], added["document"]) == (1, HELLO)
    assert alice.get(address).json() == added
    changed = alice.put(address, json=HELLO | {"description": "Says it"}, params={"seen": 1}).json()
    assert (changed["version"], changed["document"]["description"]) == (2, "Says it")
    assert alice.get(address, params={"version": 1}).json()["document"] == HELLO
    (one,) = alice.get("/macros").json()["items"]
    assert (one["name"], one["description"], one["steps"], one["version"]) == ("Hello", "Says it", 1, 2)
    page = alice.get(f"{address}/versions", params={"limit": 1}).json()
    assert [one["version"] for one in page["items"]] == [2]
    page = alice.get(f"{address}/versions", params={"cursor": page["next"]}).json()
    assert ([one["version"] for one in page["items"]], page["next"]) == ([1], None)
    assert alice.delete(address).status_code == 204
    assert alice.get(address).status_code == alice.get(f"{address}/versions").status_code == 404
    with db.read() as conn:
        events = [one.event for one in audit.listed(conn, audit.EntryFilter(), 10)]
    assert events == ["macro.removed", "macro.changed", "macro.added"]


def test_two_edits_at_once_are_a_conflict_and_no_loss(alice: httpx.Client) -> None:
    address = f"/macros/{add(alice)['id']}"
    assert alice.put(address, json=HELLO | {"description": "mine"}, params={"seen": 1}).status_code == 200
    late = alice.put(address, json=HELLO | {"description": "theirs"}, params={"seen": 1})
    assert late.status_code == 412 and "It has version 2, and you saw 1" in late.json()["detail"]
    assert alice.get(address).json()["document"]["description"] == "mine"


def test_a_name_belongs_to_one_macro_of_a_user(alice: httpx.Client) -> None:
    add(alice)
    other = add(alice, name="Other")
    for answer in (alice.post("/macros", json=HELLO), alice.put(f"/macros/{other['id']}", json=HELLO)):
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:llmcoder:problem:name-taken")


def test_it_comes_and_goes_as_yaml(alice: httpx.Client) -> None:
    text = """
name: Ünï
description: |
  Reads a page
  and keeps it.
input:
  url: {description: The page.}
steps:
  - id: read
    action: test.echo
    with: {text: "${{ input.url }}"}
    if: ${{ input.url }}
  - id: later
    wait_for: {until: 2030-06-01T09:00:00Z}
"""
    added = alice.post("/macros", content=text.encode(), headers=YAML)
    assert added.status_code == 201, added.text
    document = added.json()["document"]
    assert document["steps"][1]["wait_for"] == {"until": "2030-06-01T09:00:00+00:00"}
    exported = alice.get(f"/macros/{added.json()['id']}/export")
    assert exported.headers["content-type"].startswith("application/yaml")
    assert "attachment" in exported.headers["content-disposition"]
    assert yaml.safe_load(exported.text) == document
    alice.delete(f"/macros/{added.json()['id']}")
    again = alice.post("/macros", content=exported.content, headers=YAML)
    assert again.json()["document"] == document


def test_a_number_of_any_size_is_kept(alice: httpx.Client) -> None:
    text = f"name: large\nsteps:\n- {{id: a, action: test.echo, with: {{text: x}}}}\noutput: {{n: {2**70}}}\n"
    added = alice.post("/macros", content=text.encode(), headers=YAML)
    assert added.status_code == 201, added.text
    assert alice.get(f"/macros/{added.json()['id']}").json()["document"]["output"] == {"n": 2**70}


BOMB = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(3))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"name: [", "is no YAML in line 2"),
        (BOMB.encode(), "has the alias *a; write it out"),
        (b"a: " + b"[" * 40 + b"]" * 40, "nested more than 30 levels"),
        (b"\xff\xfe\xff", "no UTF-8"),
        (b"name: .nan", "what JSON cannot say"),
        (b"x" * 300_000, "at most 262,144"),
        (b"just a text", "body"),
        (b"!!python/object/apply:os.system ['true']", "is no YAML"),
    ],
    ids=["broken", "aliases", "deep", "bytes", "nan", "large", "no object", "python"],
)
def test_bad_yaml_is_refused_with_its_place(alice: httpx.Client, text: bytes, why: str) -> None:
    answer = alice.post("/macros", content=text, headers=YAML)
    assert answer.status_code == 422, answer.text
    assert why in answer.text


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (steps({}, {"id": "s0"}), "Two steps are called 's0'"),
        (steps({"with": {"text": "${{ steps.s1.result }}"}}, {}), "Step 's0': it needs 's1', which comes later"),
        (steps({"needs": ["s1"]}, {"needs": ["s0"]}), "Step 's0': it needs 's1', which comes later"),  # a circle
        (steps({"needs": ["s0"]}), "it needs itself"),
        (steps({"needs": ["nobody"]}), "there is no such step"),
        (steps({"action": "test.ecko"}), "test.ecko"),
        (steps({"with": {"txt": "x"}}), "test.echo takes no 'txt'"),
        (steps({"with": {"text": "${{ 'open }}"}}), "is no JMESPath expression"),
        (steps({"if": "input.x"}), "is one expression"),
        (steps({"with": {"text": f"${{{{ {'a' * 3_000} }}}}"}}), "at most 2000 characters"),
        (steps({"with": {"text": "x" * 300_000}}), "at most 262,144"),
        (steps({"action": "tasks.await_call"}), "write `wait_for: {webhook: true}`"),
    ],
    ids=["twice", "later", "circle", "itself", "nobody", "action", "field", "broken", "if", "long", "large", "await"],
)
def test_what_cannot_run_is_refused_with_the_step_and_the_reason(
    alice: httpx.Client, wanted: list[dict[str, Any]], why: str
) -> None:
    answer = alice.post("/macros", json={"name": "bad", "steps": wanted})
    assert answer.status_code == 422 and why in answer.text, answer.text
    assert alice.get("/macros").json()["items"] == []


def test_a_user_has_so_many_macros_and_no_more(alice: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(macro_library, "MOST_MACROS", 1)
    add(alice)
    answer = alice.post("/macros", json=HELLO | {"name": "Another"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:llmcoder:problem:too-many")


def test_the_schema_says_what_a_document_is(alice: httpx.Client) -> None:
    from jsonschema import Draft202012Validator

    schema = alice.get("/macros/schema").json()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert validator.is_valid(HELLO)
    assert not validator.is_valid(HELLO | {"steps": []})
    assert not validator.is_valid({"name": "x", "steps": [{"id": "a", "acton": "test.echo"}]})


def test_only_a_run_has_steps(alice: httpx.Client, db: Database, user: User) -> None:
    job = alice.post("/test/echo", json={"text": "hello"}).json()
    answer = alice.get(f"/jobs/{job['id']}/steps")
    assert answer.status_code == 404 and "no run of a macro" in answer.json()["detail"]
    run = alice.post("/tasks/start_macro", json={"document": HELLO}).json()
    macro = Macro.model_validate(HELLO)
    with db.write() as conn:  # as its job does
        store.begin(conn, UUID(run["id"]), user.id, macro, {}, store.RUN, None, db.now())
        rows = [Row("say", item, StepState.SUCCEEDED) for item in (WHOLE, 0, 1)]
        store.keep(conn, UUID(run["id"]), rows, {})
    address = f"/jobs/{run['id']}/steps"
    page = alice.get(address, params={"limit": 2}).json()
    assert [(one["step"], one["item"], one["state"]) for one in page["items"]] == [
        ("say", None, "succeeded"),
        ("say", 0, "succeeded"),
    ]
    rest = alice.get(address, params={"cursor": page["next"]}).json()
    assert ([one["item"] for one in rest["items"]], rest["next"]) == ([1], None)
    assert alice.get(address, params={"cursor": "x"}).status_code == 422


def test_a_step_is_called_at_its_address_by_who_has_it_and_once(
    served: Served, alice: httpx.Client, db: Database, user: User
) -> None:
    waits = {"name": "Waits", "steps": [{"id": "answer", "wait_for": {"webhook": True}}]}
    run = UUID(alice.post("/tasks/start_macro", json={"document": waits}).json()["id"])
    with db.write() as conn:  # as its job does
        store.begin(conn, run, user.id, Macro.model_validate(waits), {}, store.RUN, None, db.now())
        store.keep(conn, run, [Row("answer", WHOLE, StepState.SUBMITTED)], {})
    (step,) = alice.get(f"/jobs/{run}/steps").json()["items"]
    agents = served.identities.issue(user.id, new_id(), 600, Origin.AGENT)
    (seen,) = alice.get(f"/jobs/{run}/steps", headers={"authorization": f"Bearer {agents}"}).json()["items"]
    assert (seen["step"], seen["address"]) == ("answer", None), "whoever has it may call, and needs no token"
    path = "/macros/runs/" + step["address"].partition("/macros/runs/")[2]
    with httpx.Client(base_url=served.url, timeout=30) as stranger:
        wrong = [path[:-1] + ("0" if path[-1] != "0" else "1"), path.replace("/answer/", "/other/"), path + "x"]
        assert {stranger.post(one, json={}).status_code for one in wrong} == {403}
        assert stranger.post(path, content=b"{no", headers={"content-type": "application/json"}).status_code == 422
        assert stranger.post(path, content=b"x" * 1_100_000).status_code == 413
        assert stranger.post(path, json={"ok": True}).json() == {"repeated": False}
        assert stranger.post(path, json={"ok": False}).json() == {"repeated": True}
        with db.write() as conn:
            assert store.call_of(conn, run, "answer") == '{"payload": {"ok": true}}'
            store.close(conn, run)
        assert stranger.post(path, json={}).status_code == 403
