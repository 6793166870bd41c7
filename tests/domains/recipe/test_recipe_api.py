"""Recipes over HTTP, and as jobs that are undone: what the page of recipes shows a new user, word by word."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from api.auth.identity import Identities
from api.http import problems
from api.routes import collections
from engine import commands
from llmcoder import User, strict_json
from llmcoder.config import Config
from llmcoder.ids import new_id
from llmcoder.registry import Registry, discover, registry
from llmcoder.settings import EngineSettings
from llmcoder.states import State
from models.db.database import Database
from models.jobs.approvals import Origin
from models.jobs.store import Job

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))

from inline_kit import Inline

pytestmark = pytest.mark.both_stores

STARTS_WITHIN_S = 120.0
PAGE = Path(__file__).parents[3] / "docs" / "recipe.md"


def commands_of_the_page() -> list[tuple[str, str, Any]]:
    """Method, path and body of the first block of commands."""
    block = re.search(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    found = []
    for command in re.split(r"^curl ", block[1].replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        url = re.search(r'"?\$API(/[^\s"]*)', command)
        body = re.search(r"-d '(.*)'", command)
        assert url is not None
        found.append(("POST" if "-X POST" in command else "GET", url[1], json.loads(body[1]) if body else None))
    return found


@dataclass
class Services:
    """What the routes need of the application."""

    db: Database
    identities: Identities
    config: Config

    def settings(self) -> EngineSettings:
        return self.config.get(EngineSettings)


@pytest.fixture
def client(db: Database, configured: Config, user: User) -> Iterator[httpx.Client]:
    """Speaks to the collections as the user."""
    identities = Identities(db, b"k" * 32)
    app = FastAPI()
    app.state.services = Services(db, identities, configured)
    for router in collections.routers_for(registry()):
        app.include_router(router)
    problems.install(app)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    headers = {"authorization": f"Bearer {identities.issue(user.id, new_id(), 600)}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
        yield client
    server.should_exit = True
    thread.join()


def test_the_pages_first_commands_make_something_real_appear_for_a_new_user(client: httpx.Client) -> None:
    asked = commands_of_the_page()
    assert [(method, urlsplit(path).path) for method, path, _ in asked] == [
        ("GET", "/recipe/recipes"), ("GET", "/recipe/recipes"), ("POST", "/recipe/recipes"),
    ]  # fmt: skip
    at_home, quick, added = (client.request(method, path, json=body) for method, path, body in asked)
    assert at_home.status_code == 200, at_home.text
    assert {one["title"]: one["missing"] for one in at_home.json()["items"]} == {
        "Bratkartoffeln": ["marjoram"],
        "Frittata with potatoes and onions": [],
    }
    assert {one["title"] for one in quick.json()["items"]} == {"Chickpea curry with spinach"}
    assert added.status_code == 201 and added.json()["ingredients"][2]["scales"] is False
    newest = client.get("/recipe/recipes", params={"limit": 1}).json()
    assert newest["items"] == [added.json()] and newest["next"]


def test_recipes_are_changed_and_removed_in_person_at_once(client: httpx.Client) -> None:
    seed = client.get("/recipe/recipes", params={"text": "hummus"}).json()["items"][0]
    path = f"/recipe/recipes/{seed['id']}"
    changed = client.patch(path, json={"servings": 8}).json()
    assert (changed["servings"], changed["built_in"], changed["id"]) == (8, False, seed["id"])
    assert client.get(path).json() == changed
    assert client.delete(path).status_code == 204 and client.get(path).status_code == 404
    assert client.get("/recipe/recipes", params={"text": "hummus"}).json()["items"] == []


@pytest.mark.parametrize(
    "query",
    ["diet=paleo", "missing=9", "max_minutes=-1", "max_minutes=99999999999999999999", "text=", "text=%00", "uses=%00",
     "sort=nonsense", "cursor=x&sort=title", "nonsense=1", "ingredients=" + "x" * 101, "limit=0"],
)  # fmt: skip
def test_a_list_that_cannot_be_asked_for_is_refused(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/recipe/recipes?{query}")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:llmcoder:problem:bad-input"), answer.text


def test_pages_over_http_go_on_where_the_one_before_ended(client: httpx.Client) -> None:
    seen: list[str] = []
    cursor = None
    while cursor is not None or not seen:
        asked = {"limit": 10, "sort": "title", "diet": "vegetarian"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/recipe/recipes", params=asked).json()
        seen += [one["title"].casefold() for one in page["items"]]
        cursor = page["next"]
    assert seen == sorted(set(seen)) and len(seen) > 20


# --- as jobs


HTML = """<script type="application/ld+json">{"@type": "Recipe", "name": "Toast", "recipeYield": 2,
  "recipeIngredient": ["2 slices bread", "10 g butter"], "recipeInstructions": ["Toast it."]}</script>"""


def undone(engine: Inline, job: Job) -> Job:
    """The job that takes another back, run, and approved where it had to wait."""
    with engine.db.write() as conn:
        back = commands.undo(conn, engine.known, engine.user.id, job.id, Origin.PERSON, engine.db.now()).job
    engine.run()
    if engine.job(back.id).state == State.WAITING:
        engine.approve(back.id)
    assert engine.job(back.id).state == State.SUCCEEDED, engine.job(back.id).error
    return engine.job(back.id)


def test_jobs_of_recipes_are_undone_by_the_engine(db: Database, user: User, configured: Config) -> None:
    engine = Inline(db, user, Registry(discover()))
    imported = engine.done("recipe.import_page", {"html": HTML})
    assert imported.state == State.SUCCEEDED, imported.error
    recipe = strict_json.read(imported.result)["recipe"]
    listed = engine.done("recipe.add_to_shopping_list", {"recipes": [{"recipe_id": recipe["id"], "servings": 4}]})
    assert [one["text"] for one in strict_json.read(listed.result)["lines"]] == ["4 slice bread", "20 g butter"]
    assert strict_json.read(undone(engine, listed).result)["removed"] == [
        "4 slice bread (Toast)",
        "20 g butter (Toast)",
    ]
    changed = engine.done("recipe.change_recipe", {"recipe_id": recipe["id"], "title": "Good toast"})
    assert strict_json.read(undone(engine, changed).result)["title"] == "Toast"
    removed = engine.done("recipe.remove_recipe", {"recipe_id": recipe["id"]})
    assert strict_json.read(undone(engine, removed).result)["title"] == "Toast"
    again = engine.done("recipe.import_page", {"html": HTML})
    assert not strict_json.read(again.result)["added"]
    assert strict_json.read(undone(engine, again).result) == {"removed": 0, "kept": []}


def test_what_a_stranger_wrote_makes_a_step_of_a_macro_wait(db: Database, user: User, configured: Config) -> None:
    """A recipe of a page goes onto the list of a schedule or a macro only when its user has seen it."""
    engine = Inline(db, user, Registry(discover()))
    imported = engine.done("recipe.import_page", {"html": HTML})
    given = {"recipes": [{"recipe_id": strict_json.read(imported.result)["recipe"]["id"]}]}
    job_id = engine.submit("recipe.add_to_shopping_list", given, Origin.MACRO, [imported.id])
    engine.run()
    assert (engine.job(job_id).state, engine.job(job_id).reason) == ("waiting", "approval")
