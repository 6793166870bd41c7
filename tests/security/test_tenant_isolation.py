"""What is one user's does not exist for another: on every route, with every method, and on everything that is pushed.

The routes are the application's own. One that this file knows nothing about fails `test_every_door_is_known`, which
says what to add; from then on it is tried with the ids of another user's objects like all others.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from accounts import account
from doors import Door, doors_of, doors_of_actions, doors_of_hooks, ids_in
from httpx_sse import connect_sse
from pydantic import BaseModel
from served import Served
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api.http.edge import TRIED
from api.routes import ws
from llmcoder.context import User
from llmcoder.errors import ActionError
from llmcoder.ids import new_id
from llmcoder.states import Reason, State
from llmcoder.testing import FakeContext, run_action
from models.connections import store as connections
from models.jobs.tables import jobs
from tasks.news import feed_store
from tasks.news.article_list import ARTICLES
from tasks.news.feed import FeedEntry
from tasks.news.ingest import KnownTitles, ingest
from tests.integration.waiting import eventually

pytestmark = pytest.mark.both_stores

#: In everything that is A's, and in nothing that anybody else is told.
CANARY = "canary-of-user-a"

#: A schedule of A's.
SCHEDULE = {"name": CANARY, "action": "test.echo", "input": {"text": CANARY}, "every_s": 3600}
#: A webhook, a hook and a macro of A's.
WEBHOOK = {"name": CANARY, "url": "http://127.0.0.1:9/", "enabled": False}
HOOK = {"name": CANARY, "action": "test.echo", "input": {"text": CANARY}, "scheme": "hmac"}
MACRO = {"name": CANARY, "steps": [{"id": "say", "action": "test.echo", "with": {"text": CANARY}}]}

# --- what there is to say about a route, once

#: Answers anybody, and knows nobody's objects.
PUBLIC = {
    "GET /openapi.json", "GET /", "GET /docs", "GET /docs/start.js", "GET /docs/page.css",
    "GET /docs/swagger-ui-bundle.js", "GET /docs/swagger-ui.css", "GET /docs/favicon.png",
    "GET /health/live", "GET /health/ready",
    "GET /metrics", "POST /auth/register", "POST /auth/login", "POST /auth/refresh", "MOUNT /legacy",
    "POST /hooks/{hook_id}",  # knows its caller by a signature
    "POST /macros/runs/{run_id}/{step}/{secret}",  # by the end of its address
    "GET /connections/oauth/callback",  # knows its user by the state, which only that user was given
}  # fmt: skip
#: For administrators alone; about the installation, and about everybody.
ADMIN = {"GET /config", "PATCH /config", "GET /audit"}
#: The same for everybody who is logged in.
SHARED = {"GET /actions", "GET /actions/{name}", "GET /connections/kinds", "GET /macros/schema"}
#: Connect an account of the caller's own at a provider; there is none here to ask.
CONNECTING = {"POST /connections", "POST /connections/oauth/{provider}"}
#: About the caller's own account, whoever else there is.
OWN = {
    "GET /auth/me",
    "POST /auth/logout",
    "POST /auth/agents",
    "GET /preferences",
    "GET /schedules/defaults",
    "PUT /preferences",
    "POST /schedules",
    "POST /macros",
    "POST /hooks",
    "POST /webhooks",
    "POST /files",
    *CONNECTING,
}
#: Lists of the caller's own objects. Collections are known from the registry.
LISTS = {
    "GET /jobs",
    "GET /approvals",
    "GET /connections",
    "GET /schedules",
    "GET /macros",
    "GET /hooks",
    "GET /webhooks",
    "GET /files",
}
SPENT = {"account": "Cash", "booked_on": "2026-01-01", "amount": "-1.00 EUR", "text": CANARY}
#: Push; tried at the end of this file.
PUSH = {"GET /jobs/stream", "WS /ws"}


def recipes() -> dict[str, Callable[[Served, httpx.Client], list[str]]]:
    """By the address of one object: how user A comes to have some, with the canary inside. Returns their ids."""
    return {
        "/jobs/{job_id}": jobs_in_every_state,
        "/connections/{connection_id}": lambda served, _: [connected(served)],
        "/schedules/{schedule_id}": lambda _, a: [added(a, "/schedules", SCHEDULE)],
        "/hooks/{hook_id}": lambda _, a: [added(a, "/hooks", HOOK)],
        "/webhooks/{webhook_id}": lambda _, a: [added(a, "/webhooks", WEBHOOK)],
        "/files/{file_id}": lambda _, a: [uploaded(a)],
        "/macros/{macro_id}": lambda _, a: [added(a, "/macros", MACRO)],
        "/general/notes/{record_id}": lambda _, a: [added(a, "/general/notes", {"text": CANARY})],
        "/general/todos/{record_id}": lambda _, a: [added(a, "/general/todos", {"title": CANARY})],
        "/news/articles/{record_id}": lambda served, _: [told_article(served)],
        "/learning/resources/{record_id}": lambda _, a: [
            added(a, "/learning/resources", {"title": CANARY, "topic": CANARY})
        ],
        "/learning/cards/{record_id}": lambda _, a: [added(a, "/learning/cards", {"front": CANARY, "back": CANARY})],
        "/email/watches/{record_id}": lambda _, a: [added(a, "/email/watches", {"instructions": CANARY})],
        "/finance/accounts/{record_id}": lambda _, a: [
            added(a, "/finance/accounts", {"name": CANARY, "currency": "EUR"})
        ],
        "/finance/rules/{record_id}": lambda _, a: [added(a, "/finance/rules", {"words": CANARY, "category": CANARY})],
        "/finance/transactions/{record_id}": lambda _, a: [added(a, "/finance/transactions", SPENT)],
        "/recipe/recipes/{record_id}": lambda _, a: [
            added(a, "/recipe/recipes", {"title": CANARY, "ingredients": [f"1 {CANARY}"], "notes": CANARY})
        ],
    }


def bodies(job: Mapping[str, Any] | None) -> dict[str, Any]:
    """By door: what B sends where a body is needed, as good as it can be, so that nothing else refuses it.

    Args:
        job: A's job, as A sees it.
    """
    known = json.dumps((job or {}).get("input", {}), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {
        "POST /jobs/{job_id}/resolve": {"happened": True},
        "POST /jobs/{job_id}/approve": {"sha256": hashlib.sha256(known.encode()).hexdigest()},
        "POST /jobs/{job_id}/reject": {},
        "PATCH /general/notes/{record_id}": {"text": "B was here"},
        "PATCH /general/todos/{record_id}": {"title": "B was here"},
        "PATCH /email/watches/{record_id}": {"instructions": "B was here"},
        "PATCH /finance/accounts/{record_id}": {"name": "B was here"},
        "PATCH /finance/rules/{record_id}": {"category": "B was here"},
        "PATCH /finance/transactions/{record_id}": {"note": "B was here"},
        "PATCH /learning/resources/{record_id}": {"title": "B was here"},
        "PATCH /learning/cards/{record_id}": {"front": "B was here"},
        "PATCH /recipe/recipes/{record_id}": {"title": "B was here"},
        "POST /schedules": {"name": "B's", "action": "test.echo", "every_s": 3600},
        "POST /hooks": {"name": "B's", "action": "test.echo", "scheme": "hmac"},
        "PATCH /hooks/{hook_id}": {"name": "B was here"},
        "POST /hooks/{hook_id}/secret": {},
        "POST /webhooks": {"name": "B's", "url": "http://127.0.0.1:9/"},
        "PATCH /webhooks/{webhook_id}": {"name": "B was here"},
        "POST /webhooks/{webhook_id}/secret": {},
        "POST /macros": {"name": "B's", "steps": [{"id": "say", "action": "test.echo"}]},
        "PUT /macros/{macro_id}": {"name": "B was here", "steps": [{"id": "say", "action": "test.echo"}]},
        "PATCH /schedules/{schedule_id}": {"name": "B was here"},
        "POST /schedules/{schedule_id}/pause": {},
        "POST /schedules/{schedule_id}/backfill": {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"},
        "POST /auth/logout": {},
        "PUT /preferences": {},
    }


#: By action whose input holds ids: what else it needs. What it does with another user's id is tried without a worker.
INPUTS: dict[str, dict[str, Any]] = {
    "email.change_watch": {"instructions": "B was here"},
    "email.remove_watch": {},
    "finance.categorize": {"category": "B was here"},
    "finance.change_account": {"name": "B was here"},
    "finance.change_rule": {"category": "B was here"},
    "finance.change_transaction": {"note": "B was here"},
    "finance.export": {},
    "finance.finish_connecting": {},
    "finance.list_doubts": {},
    "finance.list_imports": {},
    "finance.list_accounts": {},
    "finance.list_rules": {},
    "finance.list_transactions": {},
    "finance.recurring": {},
    "finance.remove_account": {},
    "finance.remove_rule": {},
    "finance.remove_transaction": {},
    "finance.reopen_doubts": {},
    "finance.restore_categories": {},
    "finance.settle_doubts": {"answer": "same"},
    "finance.spending": {},
    "finance.summary": {},
    "finance.undo_import": {},
    "finance.unusual": {},
    "general.change_note": {"text": "B was here"},
    "general.change_todo": {"title": "B was here"},
    "general.complete_todo": {},
    "general.list_notes": {},
    "general.list_todos": {},
    "general.remove_note": {},
    "general.remove_todo": {},
    "general.reopen_todo": {},
    "news.list_articles": {},
    "news.mark_read": {},
    "news.mark_unread": {},
    "news.put_topic_back": {},
    "news.set_topic": {"topic": "of B"},
    "news.refresh": {},
    "news.remove_feed": {},
    "news.restore_feeds": {},
    "news.summarize": {},
    "learning.change_card": {"front": "B was here"},
    "learning.change_resource": {"title": "B was here"},
    "learning.list_cards": {},
    "learning.list_resources": {},
    "learning.remove_card": {},
    "learning.remove_cards": {},
    "learning.remove_import": {},
    "learning.remove_resource": {},
    "learning.remove_resources": {},
    "learning.review": {"rating": "good"},
    "learning.take_back_review": {},
    "recipe.add_to_shopping_list": {},
    "recipe.change_recipe": {"title": "B was here"},
    "recipe.list_recipes": {},
    "recipe.remove_recipe": {},
    "recipe.restore_recipe": {"revision": 0},
    "recipe.scale": {"factor": 2},
    "recipe.shopping_list": {},
    "recipe.take_off_shopping_list": {},
    "recipe.undo_import": {},
    "reminders.done": {},
    "reminders.list": {},
    "reminders.remove": {},
    "reminders.snooze": {"when": "in 20 minutes"},
    "reminders.tell": {"text": "hello", "due_at": "2030-01-01T00:00:00Z"},
    "system.stop_realtime": {},
    "travel.alerts": {},
    "travel.change_watch": {"every_s": 900},
    "travel.check_price": {},
    "travel.quotes": {"watch_id": "01937b2e-7c00-7000-8000-000000000001"},
    "travel.tell_price_drop": {
        "name": "B's",
        "number": 1,
        "below": "9.00 EUR",
        "price": "8.00 EUR",
        "quoted_at": "2030-01-01T00:00:00Z",
        "source": "recorded",
        "recorded": True,
        "watch_id": "01937b2e-7c00-7000-8000-000000000001",
        "quote_id": "01937b2e-7c00-7000-8000-000000000001",
    },
    "travel.unwatch": {},
    "travel.watches": {},
}

#: By command of the WebSocket: the rest of a message. Ids are put in by their types.
COMMANDS: dict[str, dict[str, Any]] = {
    "submit": {"action": "test.echo", "input": {"text": "hello"}},
    "cancel": {},
    "ping": {},
}

# --- user A


@dataclass
class World:
    """What A has.

    Attributes:
        ids: By the address of one object.
    """

    served: Served
    a: User
    client: httpx.Client
    ids: dict[str, list[str]] = field(default_factory=dict)

    @property
    def all_ids(self) -> set[str]:
        return {str(self.a.id), *itertools.chain.from_iterable(self.ids.values())}

    def objects(self) -> list[tuple[str, str]]:
        """Address of one object, and its id."""
        return [(path, one) for path, ids in self.ids.items() for one in ids]

    def snapshot(self) -> dict[str, Any]:
        """Everything as it stands, from the rows and not from what a route shows."""
        with self.served.db.read() as conn:
            rows = conn.execute(sa.select(jobs).where(jobs.c.user_id == self.a.id).order_by(jobs.c.id)).mappings()
            found: dict[str, Any] = {"jobs": [dict(row) for row in rows]}
        shown = [path for path, _ in self.objects() if path != "/jobs/{job_id}"]
        return found | {path: self.client.get(path.rpartition("/")[0]).json() for path in shown}


def uploaded(client: httpx.Client) -> str:
    answer = client.post("/files", content=CANARY.encode(), params={"name": f"{CANARY}.txt"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def added(client: httpx.Client, path: str, body: dict[str, Any]) -> str:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def told_article(served: Served) -> str:
    """An article of a source of A's, as a refresh would keep it."""
    a, now = served.users["alice"].id, served.db.now()
    with served.db.write() as conn:
        feed_store.lock(conn, a, now)
        source = feed_store.NewSource("https://feed.example/", CANARY)
        feed = feed_store.add(conn, a, source, new_id(), new_id(), now)
        entry = FeedEntry(CANARY, f"https://feed.example/{CANARY}", CANARY, CANARY)
        ingest(conn, feed, [entry], KnownTitles(a), now, timedelta(days=9))
    (article,) = ARTICLES.page(a, None, 1).items
    return str(article.id)


def connected(served: Served) -> str:
    """An account of A's, as it would be kept if there were a provider to ask."""
    kind = served.app.state.services.registry.connections()["testbox"]
    box = kind.credentials(site="http://127.0.0.1", user=CANARY, password=CANARY)
    with served.db.write() as conn:
        return str(connections.keep(conn, served.users["alice"].id, kind, CANARY, box, served.db.now(), None).id)


def jobs_in_every_state(served: Served, a: httpx.Client) -> list[str]:
    reach: dict[State, list[tuple[State, Reason | None]]] = {
        State.QUEUED: [],
        State.RUNNING: [(State.RUNNING, None)],
        State.WAITING: [(State.RUNNING, None), (State.WAITING, Reason.RECONNECT)],
        State.SUCCEEDED: [(State.RUNNING, None), (State.SUCCEEDED, None)],
        State.FAILED: [(State.RUNNING, None), (State.FAILED, Reason.TIMED_OUT)],
        State.UNCERTAIN: [(State.RUNNING, None), (State.UNCERTAIN, Reason.NO_ANSWER)],
        State.CANCELLED: [(State.CANCELLED, None)],
        State.SCHEDULED: [(State.RUNNING, None), (State.SCHEDULED, Reason.RETRY)],
    }
    assert reach.keys() == set(State)
    made = []
    for path in reach.values():
        job_id = served.submit(a, CANARY)["id"]
        for state, reason in path:
            result = {"result": json.dumps({"text": CANARY})} if state is State.SUCCEEDED else {}
            served.move(job_id, state, reason=reason, **result)
        made.append(job_id)
    return made


@pytest.fixture(scope="module")
def world(served: Served) -> Iterator[World]:
    a = served.users["alice"]
    with served.client(a) as client:
        ids = {path: make(served, client) for path, make in recipes().items()}
        yield World(served, a, client, ids)


@pytest.fixture(scope="module")
def doors(served: Served) -> list[Door]:
    return doors_of(served.app)


@pytest.fixture(params=["plain", "admin"])
def b(request: pytest.FixtureRequest, served: Served) -> Iterator[httpx.Client]:
    """Another user, who has nothing; an administrator has no key to other people's objects either."""
    email = f"{new_id()}@example.org"
    with served.client(account(served.db, email, is_admin=request.param == "admin")) as client:
        yield client


# --- every door is known


def lists_of_collections(served: Served) -> set[str]:
    known = served.app.state.services.registry.collections()
    return {f"{method} /{collection.path}" for collection in known for method in ("GET", "POST")}


def without_object(served: Served) -> set[str]:
    registry = served.app.state.services.registry
    lists = LISTS | lists_of_collections(served)
    return PUBLIC | ADMIN | SHARED | OWN | PUSH | lists | doors_of_actions(registry) | doors_of_hooks(registry)


def address_of_object(door: Door) -> str | None:
    """The recipe that a door with a parameter in its address goes by."""
    return next((path for path in recipes() if door.path == path or door.path.startswith(f"{path}/")), None)


def test_every_door_is_known(served: Served, doors: list[Door]) -> None:
    known = without_object(served)
    unknown = [str(door) for door in doors if str(door) not in known and address_of_object(door) is None]

    assert unknown == [], (
        "say in tests/security/test_tenant_isolation.py how user B meets A's object there: a recipe in `recipes` when "
        "the address holds an id, else one of the sets PUBLIC, ADMIN, SHARED, OWN, LISTS, PUSH"
    )
    documented = served.app.openapi()["paths"]
    for door in doors:
        needs_body = documented.get(door.path, {}).get(door.method.lower(), {}).get("requestBody", {}).get("required")
        if address_of_object(door) is not None and needs_body:
            assert str(door) in bodies(None), f"say in `bodies` what B sends to {door}"


def test_every_input_that_takes_an_id_is_known(served: Served) -> None:
    taking = {
        action.name for action in served.app.state.services.registry.values() if list(ids_in(schema_of(action.input)))
    }
    assert taking - INPUTS.keys() == set(), "say in `INPUTS` of test_tenant_isolation.py how B names A's object there"
    commands = {command.model_fields["type"].annotation for command in get_args(ws.Command)}
    assert {get_args(literal)[0] for literal in commands} - COMMANDS.keys() == set(), "say in `COMMANDS` how B uses it"


# --- without a login, and without being an administrator


def test_without_a_good_token_a_door_answers_401(served: Served, doors: list[Door], world: World) -> None:
    open_doors = PUBLIC | doors_of_hooks(served.app.state.services.registry)
    closed = [door for door in doors if str(door) not in open_doors and door.method != "WS"]
    assert len(closed) > 20
    good = served.token(world.a)
    refused = [
        ({}, {}),
        ({"authorization": "Bearer nonsense"}, {}),
        ({"authorization": f"Basic {good}"}, {}),
        ({"cookie": f"access_token={good}"}, {}),
        ({}, {"access_token": good, "token": good}),
    ]
    with httpx.Client(base_url=served.url, timeout=30) as client:
        for door in closed:
            for headers, query in refused:
                answer = client.request(door.method, address(door, world), headers=headers, params=query)
                assert answer.status_code == 401, (str(door), headers, answer.text)
                assert answer.headers["www-authenticate"].startswith("Bearer"), str(door)
                assert CANARY not in answer.text


def test_a_hook_takes_nothing_that_its_provider_has_not_signed(served: Served, world: World) -> None:
    """409 where there is nothing to prove a signature with."""
    headers = {"authorization": f"Bearer {served.token(world.a)}"}
    for hook in served.app.state.services.registry.hooks():
        answer = httpx.post(f"{served.url}/{hook.path}", headers=headers, content=b"{}")
        assert answer.status_code in (403, 409), (hook.path, answer.text)


def test_doors_of_administrators_answer_403_to_others(served: Served, doors: list[Door], world: World) -> None:
    there = {str(door) for door in doors}
    assert there >= ADMIN
    for door in doors:
        if str(door) in ADMIN:
            answer = world.client.request(door.method, door.path, json={})
            assert answer.status_code == 403, (str(door), answer.text)


def address(door: Door, world: World) -> str:
    path = address_of_object(door)
    if path is None:
        return door.address(name="test.echo", provider="testcloud", domain="test", verb="echo")
    return door.address(**dict.fromkeys(door.parameters, world.ids[path][0]))


# --- addresses with an id in them


@dataclass(frozen=True)
class Told:
    """An answer without what differs in two answers that say the same."""

    status: int
    headers: frozenset[tuple[str, str]]
    body: str


def told(answer: httpx.Response, *ids: str) -> Told:
    text = answer.text
    for one in ids:
        text = text.replace(one, "<id>")
    kept = frozenset((name, value) for name, value in answer.headers.items() if name not in ("date", "content-length"))
    return Told(answer.status_code, kept, text)


HEADERS: list[dict[str, str]] = [{}, {"if-none-match": "*", "prefer": "wait=1"}, {"idempotency-key": "one-of-b"}]


def test_at_its_address_an_object_of_anothers_is_unknown(doors: list[Door], world: World, b: httpx.Client) -> None:
    tried = 0
    before = world.snapshot()
    for door in doors:
        path = address_of_object(door)
        for one in world.ids[path] if path else ():
            unknown = str(new_id())
            for headers in HEADERS:
                sent = bodies(world.client.get(f"/jobs/{one}").json() if "job_id" in door.path else None).get(str(door))
                foreign = b.request(door.method, same(door, one), json=sent, headers=headers)
                never = b.request(door.method, same(door, unknown), json=sent, headers=headers)
                refused = 403 if str(door) in PUBLIC else 404
                assert foreign.status_code == refused, (str(door), foreign.status_code, foreign.text)
                assert told(foreign, one) == told(never, unknown), str(door)
                assert CANARY not in foreign.text
                tried += 1
    assert tried > 100
    assert world.snapshot() == before


def test_no_other_method_tells_them_apart(doors: list[Door], world: World, b: httpx.Client) -> None:
    addresses = {(door.path, path) for door in doors if (path := address_of_object(door))}
    taken = {(door.path, door.method) for door in doors}
    before = world.snapshot()
    for path, recipe in addresses:
        one, unknown = world.ids[recipe][0], str(new_id())
        for method in [*TRIED, "HEAD", "OPTIONS", "TRACE", "PROPFIND"]:
            if (path, method) in taken:
                continue
            foreign = b.request(method, same(Door(path, method), one), json={})
            never = b.request(method, same(Door(path, method), unknown), json={})
            assert told(foreign, one) == told(never, unknown), (method, path)
            assert CANARY not in foreign.text
    assert world.snapshot() == before


def same(door: Door, one: str) -> str:
    return door.address(**dict.fromkeys(door.parameters, one))


# --- lists, and ids in queries and inputs


def test_lists_of_others_are_empty_whatever_is_asked(served: Served, world: World, b: httpx.Client) -> None:
    paths = served.app.openapi()["paths"]
    asked = [door for door in LISTS | lists_of_collections(served) if door.startswith("GET ")]
    for door in asked:
        path = door.removeprefix("GET ")
        if path not in paths:
            continue
        queries = [{}, {"limit": 50}, *queries_with_ids(paths[path]["get"], world), *QUERIES.get(path, [])]
        for query in queries:
            answer = b.get(path, params=query)
            assert answer.status_code == 200, (door, query, answer.text)
            own = [one for one in answer.json()["items"] if not one.get("built_in")]  # what comes with the program
            assert own == [], (door, query)
            assert_says_nothing(answer.text, world, query)


QUERIES: dict[str, list[dict[str, Any]]] = {
    "/jobs": [{"since": 0}, {"since": 1, "limit": 200}, {"action": "test.echo"}, {"state": [*State]}],
}


def queries_with_ids(operation: dict[str, Any], world: World) -> Iterator[dict[str, str]]:
    """Each parameter that takes an id, with each of A's."""
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query" and list(ids_in(parameter["schema"])):
            yield from ({parameter["name"]: one} for _, one in world.objects())


def test_what_is_ones_own_tells_nothing_of_others(served: Served, world: World, b: httpx.Client) -> None:
    paths = served.app.openapi()["paths"]
    for door in (OWN | SHARED) - {"POST /auth/logout", "GET /actions/{name}", *CONNECTING}:
        method, _, path = door.partition(" ")
        if path in paths:
            answer = b.request(method, path, json=bodies(None).get(door))
            assert answer.status_code in (200, 201), (door, answer.text)
            assert_says_nothing(answer.text, world)


def assert_says_nothing(text: str, world: World, sent: Mapping[str, Any] | None = None) -> None:
    repeated = {str(value) for value in (sent or {}).values()}
    assert CANARY not in text and world.a.email not in text
    assert [one for one in world.all_ids - repeated if one in text] == []


def test_an_id_of_anothers_in_a_submission_is_an_unknown_id(served: Served, world: World, b: httpx.Client) -> None:
    """Whatever a submission may name beside its input: today that is nothing."""
    schema = served.app.openapi()["components"]["schemas"]["Submission"]
    before = world.snapshot()
    for place in ids_in(schema):
        for one in world.ids["/jobs/{job_id}"]:
            unknown = str(new_id())
            foreign = b.post("/jobs", json={"action": "test.echo", **placed(place, one)})
            never = b.post("/jobs", json={"action": "test.echo", **placed(place, unknown)})
            assert foreign.status_code in (404, 422), (place, foreign.text)
            assert told(foreign, one) == told(never, unknown), place
    for one in world.ids["/jobs/{job_id}"]:
        for pointer in ("#/result/text", "#/input/text", "#/result", ""):
            job = b.post("/test/echo", json={"text": {"$ref": f"/jobs/{one}{pointer}"}})
            assert job.status_code in (404, 422), job.text
            assert CANARY not in job.text
    assert world.snapshot() == before


def test_an_id_of_anothers_in_an_input_is_an_unknown_id(served: Served, world: World) -> None:
    b = account(served.db, f"{new_id()}@example.org")
    before = world.snapshot()
    for action in served.app.state.services.registry.values():
        for place in ids_in(schema_of(action.input)):
            for _, one in world.objects():
                unknown = str(new_id())
                more = INPUTS[action.name]
                foreign = outcome(action, more | placed(place, one), b)
                never = outcome(action, more | placed(place, unknown), b)
                assert foreign.replace(one, "<id>") == never.replace(unknown, "<id>"), (action.name, place)
                assert CANARY not in foreign
    assert world.snapshot() == before


def outcome(action: Any, given: dict[str, Any], user: User) -> str:
    ctx = FakeContext(user=user)
    try:
        return str(run_action(action, given, ctx).result).replace(str(ctx.job_id), "<job>")
    except ActionError as error:
        return f"{type(error).__name__}: {error.detail}"


def schema_of(model: type[BaseModel]) -> Any:
    return resolved(model.model_json_schema())


def resolved(schema: Any, defs: Mapping[str, Any] | None = None) -> Any:
    """With the definitions in the places of their references."""
    if isinstance(schema, list):
        return [resolved(one, defs) for one in schema]
    if not isinstance(schema, dict):
        return schema
    defs = schema.get("$defs", {}) if defs is None else defs
    if isinstance(reference := schema.get("$ref"), str):
        return resolved(defs[reference.rpartition("/")[2]], defs)
    return {name: resolved(one, defs) for name, one in schema.items() if name != "$defs"}


def placed(place: tuple[str, ...], one: str) -> Any:
    """An input with an id at a place and nothing else."""
    if not place:
        return one
    inner = placed(place[1:], one)
    return [inner] if place[0] == "[]" else {place[0]: inner}


# --- push


def test_nothing_of_anothers_is_pushed(served: Served, world: World) -> None:
    b = account(served.db, f"{new_id()}@example.org")
    a_job, live = world.ids["/jobs/{job_id}"][0], {"type": "progress", "fraction": 0.5, "message": CANARY}
    headers = {"authorization": f"Bearer {served.token(b)}"}
    with (
        served.client(b) as own,
        connect(served.ws_url, open_timeout=10, close_timeout=0.2, compression=None) as socket,
        httpx.Client(timeout=20, headers=headers) as client,
        connect_sse(client, "GET", f"{served.url}/jobs/stream?since=0") as source,
    ):
        socket.send(json.dumps({"type": "auth", "token": served.token(b), "since": 0}))
        events = source.iter_sse()
        assert json.loads(socket.recv(20)) == {"type": "live", "rev": 0}
        assert json.loads(next(events).data) == {"type": "live", "rev": 0}

        served.submit(world.client, CANARY)
        served.publish(world.a.id, live=live | {"job_id": a_job})
        served.publish(world.a.id, jobs=[a_job])
        told_a = world.client.get(f"/jobs/{a_job}", headers={"prefer": "wait=1"})
        mine = served.submit(own)["id"]

        assert told_a.status_code == 200
        for message in (json.loads(socket.recv(20)), json.loads(next(events).data)):
            assert (message["type"], message["rev"], message["job"]["id"]) == ("job", 1, mine)
        assert own.get("/jobs?since=0").json()["rev"] == 1


def test_a_long_poll_for_anothers_job_ends_at_once_and_hears_nothing(world: World, b: httpx.Client) -> None:
    for one in world.ids["/jobs/{job_id}"]:
        answer = b.get(f"/jobs/{one}", headers={"prefer": "wait=60", "if-none-match": 'W/"1"'}, timeout=10)
        assert (answer.status_code, "etag" in answer.headers) == (404, False)


def test_a_command_about_anothers_job_is_one_about_an_unknown_one(served: Served, world: World) -> None:
    b = account(served.db, f"{new_id()}@example.org")
    before = world.snapshot()
    with connect(served.ws_url, open_timeout=10, close_timeout=0.2, compression=None) as socket:
        socket.send(json.dumps({"type": "auth", "token": served.token(b)}))
        assert json.loads(socket.recv(20))["type"] == "live"
        for command in get_args(ws.Command):
            kind = get_args(command.model_fields["type"].annotation)[0]
            for place in ids_in(schema_of(command)):
                for one in world.ids["/jobs/{job_id}"]:
                    unknown = str(new_id())
                    foreign = replied(socket, {"type": kind, **COMMANDS[kind], **placed(place, one)})
                    never = replied(socket, {"type": kind, **COMMANDS[kind], **placed(place, unknown)})
                    assert foreign["type"] == "problem", (kind, foreign)
                    same_but_id = json.dumps(foreign).replace(one, "") == json.dumps(never).replace(unknown, "")
                    assert same_but_id, (kind, foreign, never)
    assert world.snapshot() == before


def test_tokens_of_one_user_open_no_socket_of_another(served: Served, world: World) -> None:
    """Who one is, is what the token says; a user's id in a message is an unknown field."""
    b = account(served.db, f"{new_id()}@example.org")
    with connect(served.ws_url, open_timeout=10, close_timeout=0.2) as socket:
        auth = {"type": "auth", "token": served.token(b), "since": 0}
        socket.send(json.dumps(auth | {"user_id": str(world.a.id)}))
        eventually(lambda: is_closed(socket))
        assert socket.close_code == 4401


def is_closed(socket: ClientConnection) -> bool:
    try:
        socket.recv(timeout=0.1)
    except ConnectionClosed:
        return True
    except TimeoutError:
        return False
    raise AssertionError("it was told something")


def replied(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    """The reply to a message, past what is pushed meanwhile."""
    ref = str(UUID(int=new_id().int))
    socket.send(json.dumps(message | {"ref": ref}))
    while True:
        answer: dict[str, Any] = json.loads(socket.recv(20))
        if answer.get("ref") == ref or answer["type"] == "problem":
            return {name: value for name, value in answer.items() if name != "ref"}
