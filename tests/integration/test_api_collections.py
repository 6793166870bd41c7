"""Notes and to-dos over HTTP: a real server, real tokens, two users."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api.auth.identity import Identities
from api.http import problems
from api.routes import collections
from llmcoder.config import Config, use
from llmcoder.ids import new_id
from llmcoder.registry import registry
from llmcoder.settings import EngineSettings
from models.accounts import users
from models.db.database import Database

pytestmark = pytest.mark.both_stores

STARTS_WITHIN_S = 120.0
KEY = b"k" * 32
SOON = "2030-06-01T09:00:00Z"


@dataclass
class Services:
    """What the routes need of the application."""

    db: Database
    identities: Identities
    config: Config

    def settings(self) -> EngineSettings:
        return self.config.get(EngineSettings)


@pytest.fixture
def services(db: Database, configured: Config) -> Services:
    return Services(db, Identities(db, KEY), configured)


@pytest.fixture
def address(services: Services) -> Iterator[str]:
    """Where the collections are served."""
    app = FastAPI()
    app.state.services = services
    for router in collections.routers_for(registry()):
        app.include_router(router)
    problems.install(app)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def login(address: str, services: Services) -> Iterator[Callable[[str], httpx.Client]]:
    """A client with the token of a new account: `login("alice@example.org")`."""
    clients: list[httpx.Client] = []

    def login(email: str) -> httpx.Client:
        now = services.db.now()
        with services.db.write() as conn:
            account = users.register(conn, email, "!", now, open_to_all=True)
            session = users.start_session(conn, account.id, str(new_id()), now, now.replace(year=now.year + 1))
        token = services.identities.issue(account.id, session.id, 600)
        clients.append(httpx.Client(base_url=address, headers={"authorization": f"Bearer {token}"}))
        return clients[-1]

    yield login
    for client in clients:
        client.close()


@pytest.fixture
def alice(login: Callable[[str], httpx.Client]) -> httpx.Client:
    return login("alice@example.org")


@pytest.fixture
def bob(login: Callable[[str], httpx.Client]) -> httpx.Client:
    return login("bob@example.org")


def test_a_note_lives_from_post_to_delete(alice):
    added = alice.post("/general/notes", json={"text": "milk"})
    assert added.status_code == 201
    place = added.headers["location"]
    assert place == f"/general/notes/{added.json()['id']}"
    assert alice.get(place).json() == added.json()
    changed = alice.patch(place, json={"text": "bread"}).json()
    assert changed["text"] == "bread"
    assert changed["updated_at"] > added.json()["updated_at"]
    assert alice.delete(place).status_code == 204
    for answer in (alice.get(place), alice.patch(place, json={"text": "tea"}), alice.delete(place)):
        assert_problem(answer, 404, "not-found")


def test_a_todo_is_changed_field_by_field(alice):
    place = alice.post("/general/todos", json={"title": "tea", "due_at": SOON}).headers["location"]
    assert alice.patch(place, json={"done": True}).json()["done_at"] is not None
    opened = alice.patch(place, json={"done": False, "due_at": None}).json()
    assert (opened["title"], opened["due_at"], opened["done_at"]) == ("tea", None, None)
    assert alice.get(place).json() == opened


def test_a_list_is_read_page_by_page_newest_first(alice):
    ids = [alice.post("/general/notes", json={"text": f"note {n}"}).json()["id"] for n in range(5)]
    seen, cursor = [], None
    while True:
        page = alice.get("/general/notes", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [note["id"] for note in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_another_users_records_are_as_unknown_as_none(alice, bob):
    place = alice.post("/general/notes", json={"text": "secret"}).headers["location"]
    foreign = [bob.get(place), bob.patch(place, json={"text": "mine"}), bob.delete(place)]
    unknown = bob.get(f"/general/notes/{new_id()}")
    for answer in (*foreign, unknown):
        assert_problem(answer, 404, "not-found")
    assert bob.get("/general/notes").json() == {"items": [], "next": None}
    assert alice.get(place).json()["text"] == "secret"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_in_particular_has_no_records(address, method):
    assert_problem(httpx.request(method, f"{address}/general/notes", json={"text": "milk"}), 401, "unauthorized")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/general/notes", {}),
        ("/general/notes", {"text": ""}),
        ("/general/notes", {"text": "a\0b"}),
        ("/general/notes", {"text": "milk", "id": str(new_id())}),
        ("/general/notes", ["milk"]),
        ("/general/todos", {"title": "tea", "due_at": "tomorrow"}),
        ("/general/todos", {"title": "tea", "due_at": "2030-06-01T09:00:00"}),
        ("/general/todos", {"title": "tea", "due_at": 2030}),
        ("/general/todos", {"title": "x" * 501}),
    ],
)
def test_what_cannot_be_kept_is_refused_and_the_place_named(alice, path, body):
    assert_problem(alice.post(path, json=body), 422, "bad-input")
    assert alice.get(path).json()["items"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=x"])
def test_a_list_that_cannot_be_had_is_refused(alice, query):
    assert_problem(alice.get(f"/general/notes?{query}"), 422, "bad-input")


def test_a_database_that_is_away_is_a_503_that_says_nothing_was_changed(alice, tmp_path):
    alice.get("/general/notes")  # the token is trusted for a moment from here on
    gone = {"DATA_DIR": str(tmp_path / "gone"), "DATABASE_URL": f"sqlite:///{tmp_path}/no/such/folder/file.db"}
    with use(Config.open(gone, cwd=tmp_path)):
        answer = alice.post("/general/notes", json={"text": "milk"})
    assert_problem(answer, 503, "transient")
    assert "retry-after" in answer.headers


def test_the_document_describes_every_route(address):
    paths = httpx.get(f"{address}/openapi.json").json()["paths"]
    assert set(paths["/general/notes"]) == {"get", "post"}
    assert set(paths["/general/todos/{record_id}"]) == {"get", "patch", "delete"}
    assert paths["/general/notes"]["post"]["operationId"] == "add_general_notes"


def assert_problem(answer: httpx.Response, status: int, slug: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:llmcoder:problem:{slug}"


def test_a_list_is_filtered_searched_and_sorted_by_its_query(alice):
    for title, due_at in (("Tee kaufen", SOON), ("tee trinken", None), ("Brot", "2031-01-01T00:00:00Z")):
        alice.post("/general/todos", json={"title": title, "due_at": due_at})

    def titles(**query: object) -> list[str]:
        answer = alice.get("/general/todos", params=query)
        assert answer.status_code == 200, answer.text
        return [one["title"] for one in answer.json()["items"]]

    assert titles(text="TEE") == ["tee trinken", "Tee kaufen"]
    assert titles(sort="title") == ["Brot", "Tee kaufen", "tee trinken"]
    assert titles(sort="-due") == ["Brot", "Tee kaufen", "tee trinken"]
    assert titles(due_before="2030-12-01T00:00:00Z") == ["Tee kaufen"]
    assert titles(has_due_date="false", done="false") == ["tee trinken"]
    assert titles(done="true") == []


@pytest.mark.parametrize(
    "query",
    [
        "nonsense=1", "sort=nonsense", "text=", "text=%00", "done=perhaps", "due_before=2030", "due_before=tomorrow",
        "text=" + "x" * 201, "cursor=" + "x" * 2001, "text=a&nonsense=1",
    ],
)  # fmt: skip
def test_a_list_that_cannot_be_asked_for_is_refused(alice, query):
    assert_problem(alice.get(f"/general/todos?{query}"), 422, "bad-input")


def test_a_cursor_of_another_list_sort_or_filter_is_refused(alice):
    for number in range(3):
        alice.post("/general/notes", json={"text": f"note {number}"})
        alice.post("/general/todos", json={"title": f"note {number}"})
    cursor = alice.get("/general/notes", params={"limit": 1, "text": "note"}).json()["next"]
    good = alice.get("/general/notes", params={"limit": 5, "text": "note", "cursor": cursor})
    assert len(good.json()["items"]) == 2
    for path, asked in (
        ("/general/notes", {}), ("/general/notes", {"text": "not"}), ("/general/todos", {"text": "note"}),
        ("/general/notes", {"text": "note", "sort": "-text"}),
    ):  # fmt: skip
        assert_problem(alice.get(path, params={**asked, "cursor": cursor}), 422, "bad-input")
    assert_problem(alice.get("/general/notes", params={"text": "note", "cursor": cursor[:-2]}), 422, "bad-input")


def test_a_list_that_is_asked_for_in_one_way_goes_on_by_ids(alice):
    ids = [alice.post("/email/watches", json={"instructions": f"{n}"}).json()["id"] for n in range(3)]
    first = alice.get("/email/watches", params={"limit": 2}).json()
    assert first["next"] == ids[1]
    assert [one["id"] for one in alice.get("/email/watches", params={"cursor": ids[1]}).json()["items"]] == ids[:1]
    assert_problem(alice.get("/email/watches?cursor=x"), 422, "bad-input")


def test_the_document_describes_what_a_list_can_be_asked_for(address):
    parameters = httpx.get(f"{address}/openapi.json").json()["paths"]["/general/todos"]["get"]["parameters"]
    asked = {one["name"]: one for one in parameters if one["in"] == "query"}
    assert set(asked) == {
        "limit", "cursor", "text", "done", "due_before", "due_after", "has_due_date", "sort",
    }  # fmt: skip
    assert all(one["description"] for one in asked.values())
    assert "-due" in asked["sort"]["schema"]["enum"]
