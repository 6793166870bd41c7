"""Accounts at providers: connected by password and by browser, used by jobs, dead for a while, and never told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from engine_kit import Engine, engine_on, eventually
from oauth_kit import CLIENT_ID, CLIENT_SECRET, Provider, provider_on_loopback
from served import Served, serving
from websockets.sync.client import connect as websocket

from api.routes import connections as connections_door
from engine.account_access import connect
from engine.doorbells import connect_bell
from engine.outbox import Outbox
from llmcoder.caller import CallerWithDeadline
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.declare import connection as declared
from llmcoder.errors import NeedsReconnect, NotConfigured, RateLimited, Refused, Transient
from llmcoder.ids import new_id
from llmcoder.states import State
from models.audit import log as audit
from models.connections import store as connections
from models.connections.tables import connections as rows
from models.connections.tables import oauth_states
from models.db.database import Database
from models.jobs.approvals import Origin
from models.jobs.tables import jobs
from models.tables import metadata
from schedules.dispatcher import Dispatcher
from tests.ports import free_port

pytestmark = pytest.mark.both_stores

PASSWORD = "password-canary"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provider_on_loopback() as found:
        found.boxes["bert"] = PASSWORD
        yield found


@pytest.fixture
def environ(provider: Provider, db_url: str, redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": db_url,
        "REDIS_URL": redis_url,
        "FETCH_ALLOW": "127.0.0.1",
        "TESTCLOUD_URL": provider.url,
        "TESTCLOUD_CLIENT_ID": CLIENT_ID,
        "TESTCLOUD_CLIENT_SECRET": CLIENT_SECRET,
    }


@pytest.fixture
def served(
    db: Database, provider: Provider, environ: dict[str, str], redis_url: str, tmp_path: Path
) -> Iterator[Served]:
    with ExitStack() as stack:
        stack.enter_context(use(Config.open(environ, cwd=tmp_path)))
        found = stack.enter_context(serving(db, redis_url, tmp_path, **environ, PUBLIC_URL="http://jobs.example.org/"))
        provider.redirect_uri = "http://jobs.example.org/connections/oauth/callback"
        yield found


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


def box(provider: Provider, user: str = "bert", password: str = PASSWORD) -> dict[str, Any]:
    return {"provider": "testbox", "credentials": {"site": provider.url, "user": user, "password": password}}


def add_box(client: httpx.Client, provider: Provider, user: str = "bert") -> dict[str, Any]:
    provider.boxes[user] = PASSWORD
    answer = client.post("/connections", json=box(provider, user))
    assert answer.status_code in (200, 201), answer.text
    added: dict[str, Any] = answer.json()
    return added


def sign_in(client: httpx.Client, provider: Provider, served: Served) -> httpx.Response:
    """As a person with a browser does."""
    begun = client.post("/connections/oauth/testcloud")
    assert begun.status_code == 200, begun.text
    sent = httpx.get(begun.json()["authorize_url"])
    assert sent.status_code == 302, sent.url
    return come_back(served, sent.headers["location"])


def come_back(served: Served, location: str) -> httpx.Response:
    query = urlsplit(location).query
    return httpx.get(f"{served.url}/connections/oauth/callback?{query}", timeout=30)


def add_cloud(client: httpx.Client, provider: Provider, served: Served, person: str = "carla") -> dict[str, Any]:
    provider.person = person
    page = sign_in(client, provider, served)
    assert page.status_code == 200, page.text
    return next(one for one in listed(client) if one["account"] == person)


def listed(client: httpx.Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get("/connections").json()["items"]
    return items


def put_letter(client: httpx.Client, **given: Any) -> httpx.Response:
    return client.post("/test/put_letter", json={"text": "hello", **given})


def columns(db: Database, job: dict[str, Any]) -> Any:
    with db.read() as conn:
        return conn.execute(sa.select(jobs).where(jobs.c.id == UUID(job["id"]))).one()


def row(db: Database, connection: dict[str, Any]) -> Any:
    with db.read() as conn:
        return conn.execute(sa.select(rows).where(rows.c.id == UUID(connection["id"]))).one()


def standing(client: httpx.Client, job: dict[str, Any]) -> tuple[str, str | None]:
    found = client.get(f"/jobs/{job['id']}").json()
    return found["state"], found["reason"]


WAITS = ("waiting", "reconnect")


def events(db: Database) -> list[str]:
    with db.read() as conn:
        found = conn.execute(sa.select(audit.audit.c.event).order_by(audit.audit.c.seq)).scalars()
        return [one for one in found if one.startswith("connection.")]


# --- typed in


def test_an_account_is_kept_once_the_provider_has_said_whose_it_is(
    served: Served, alice: httpx.Client, provider: Provider, db: Database
) -> None:
    added = alice.post("/connections", json=box(provider))
    assert (added.status_code, added.json()["account"], added.json()["state"]) == (201, "bert", "ok")
    assert added.json()["details"] == {"site": provider.url, "user": "bert"}
    assert listed(alice) == [added.json()]
    assert PASSWORD not in alice.get("/connections").text
    assert PASSWORD.encode() not in row(db, added.json()).secret
    again = alice.post("/connections", json=box(provider))
    assert (again.status_code, again.json()["id"]) == (200, added.json()["id"])
    assert events(db) == ["connection.added", "connection.changed"]


def test_what_does_not_work_is_refused_in_words_without_the_secret(alice: httpx.Client, provider: Provider) -> None:
    for change, status in (
        ({"password": "wrong-canary"}, 422),
        ({"password": None}, 422),
        ({"site": "gopher://x"}, 422),
        ({"color": "blue"}, 422),
        ({"user": ""}, 422),
        ({"password": "\ud800"}, 422),
        ({"grant": {"access_token": "x"}}, 422),
        ({"site": f"http://127.0.0.1:{free_port()}"}, 503),
        ({"site": "http://10.0.0.1"}, 422),
    ):
        given = box(provider)
        given["credentials"] |= change
        body = json.dumps(given)
        answer = alice.post("/connections", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status, (change, answer.text)
        assert "canary" not in answer.text
    assert listed(alice) == []


def test_kinds_show_their_forms_and_what_is_missing(served: Served, alice: httpx.Client) -> None:
    found = {one["provider"]: one for one in alice.get("/connections/kinds").json()["items"]}
    assert sorted(found["testbox"]["form"]["properties"]) == ["password", "site", "user"]
    assert (found["testbox"]["oauth"], found["testbox"]["shared"]) == (False, False)
    assert (found["testcloud"]["form"], found["testcloud"]["oauth"], found["testcloud"]["needs"]) == (None, True, None)
    assert found["testcloud"]["scopes"] == ["read", "send"]
    assert alice.post("/connections", json={"provider": "testcloud", "credentials": {}}).status_code == 422
    assert alice.post("/connections", json={"provider": "nobody", "credentials": {}}).status_code == 404
    assert alice.post("/connections/oauth/testbox").status_code == 422


def test_an_agent_and_a_stranger_have_no_door(
    served: Served, alice: httpx.Client, user: User, provider: Provider
) -> None:
    added = add_box(alice, provider)
    token = served.identities.issue(user.id, new_id(), 600, Origin.AGENT)
    for headers, status in (({"authorization": f"Bearer {token}"}, 403), ({}, 401)):
        with httpx.Client(base_url=served.url, headers=headers) as client:
            doors = [
                client.get("/connections"),
                client.get("/connections/kinds"),
                client.post("/connections", json=box(provider)),
                client.delete(f"/connections/{added['id']}"),
                client.post(f"/connections/{added['id']}/check"),
                client.post("/connections/oauth/testcloud"),
            ]
        assert [door.status_code for door in doors] == [status] * len(doors)


def test_a_check_says_who_we_are_and_finds_what_is_broken(
    alice: httpx.Client, provider: Provider, db: Database
) -> None:
    added = add_box(alice, provider)
    door = f"/connections/{added['id']}/check"
    assert alice.post(door).json()["identity"] == "bert"
    provider.boxes["bert"] = "changed"
    broken = alice.post(door)
    assert (broken.status_code, broken.json()["type"]) == (409, "urn:llmcoder:problem:needs-reconnect")
    assert (listed(alice)[0]["state"], listed(alice)[0]["error"]) == ("broken", "It refused the password or the token.")
    provider.boxes["bert"] = PASSWORD
    assert alice.post(door).json()["connection"]["state"] == "ok"
    assert events(db) == ["connection.added", "connection.broken", "connection.mended"]


# --- with the browser


def test_an_account_is_signed_in_to_with_pkce_and_comes_back_once(
    served: Served, alice: httpx.Client, provider: Provider, db: Database
) -> None:
    begun = alice.post("/connections/oauth/testcloud").json()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun["authorize_url"]).query).items()}
    assert (asked["code_challenge_method"], asked["scope"], asked["access_type"]) == ("S256", "read send", "offline")
    assert asked["redirect_uri"] == provider.redirect_uri
    assert begun["scopes"] == {"asked": ["read", "send"], "granted": [], "new": ["read", "send"]}
    location = httpx.get(begun["authorize_url"]).headers["location"]
    page = come_back(served, location)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "carla" in page.text and "alice@example.org" in page.text
    found = listed(alice)[0]
    assert (found["account"], found["scopes"], found["details"]) == ("carla", ["read", "send"], {"team": "hamsters"})
    assert found["expires_at"] is not None
    assert "canary" not in alice.get("/connections").text
    again = come_back(served, location)
    assert again.status_code == 400 and "used before" in again.text
    assert len(provider.asked) == 1
    assert alice.post("/connections/oauth/testcloud").json()["scopes"]["new"] == []


def test_a_state_ends_after_ten_minutes_and_belongs_to_who_began(
    served: Served, alice: httpx.Client, provider: Provider, db: Database, new_user: Callable[[str], User]
) -> None:
    begun = alice.post("/connections/oauth/testcloud").json()
    location = httpx.get(begun["authorize_url"]).headers["location"]
    with db.write() as conn:
        stored = conn.execute(sa.select(oauth_states)).one()
        assert timedelta(minutes=9) < stored.expires_at - db.now() <= timedelta(minutes=10)
        state = parse_qs(urlsplit(location).query)["state"][0]
        assert state not in repr(stored)
        conn.execute(sa.update(oauth_states).values(expires_at=db.now()))
    assert come_back(served, location).status_code == 400
    assert provider.asked == []
    with served.client(new_user("bob@example.org")) as bob:
        add_cloud(bob, provider, served)
        assert listed(alice) == []
        assert come_back(served, "?state=made-up&code=x").status_code == 400


def test_a_head_request_and_a_no_connect_nothing(served: Served, alice: httpx.Client, provider: Provider) -> None:
    begun = alice.post("/connections/oauth/testcloud").json()
    location = httpx.get(begun["authorize_url"]).headers["location"]
    assert httpx.head(f"{served.url}/connections/oauth/callback?{urlsplit(location).query}").status_code == 200
    assert come_back(served, location).status_code == 200
    provider.person = None
    page = sign_in(alice, provider, served)
    assert page.status_code == 400 and "did not agree" in page.text
    page = come_back(served, "?state=x&error=<script>alert(1)</script>")
    assert page.status_code == 400 and "<script>" not in page.text


def test_a_token_address_that_fails_is_a_page_that_says_so(
    served: Served, alice: httpx.Client, provider: Provider
) -> None:
    failures: tuple[tuple[dict[str, Any], int, str], ...] = (
        ({"token_error": (400, "invalid_grant")}, 400, "withdrawn"),
        ({"token_error": (401, "invalid_client")}, 400, "does not know this installation"),
        ({"token_error": (500, "server_error")}, 503, "no access token"),
        ({"token_error": (429, "slow_down")}, 400, "429"),
        ({"token_error": (400, "<b>odd</b>")}, 400, "&lt;b&gt;odd"),
        ({"garbage": b"<html>oops"}, 400, "200"),
        ({"garbage": b"[1]"}, 400, "200"),
        ({"garbage": b"{}"}, 400, "200"),
    )
    for behaviour, status, said in failures:
        provider.token_error = provider.garbage = None
        begun = alice.post("/connections/oauth/testcloud").json()
        location = httpx.get(begun["authorize_url"]).headers["location"]
        for name, value in behaviour.items():
            setattr(provider, name, value)
        page = come_back(served, location)
        assert (page.status_code, said in page.text, "canary" in page.text) == (status, True, False), page.text
    assert listed(alice) == []


def test_a_grant_of_less_than_was_asked_is_shown(served: Served, alice: httpx.Client, provider: Provider) -> None:
    provider.granted = "read"
    found = add_cloud(alice, provider, served)
    assert (found["scopes"], found["missing_scopes"]) == (["read"], ["send"])
    assert alice.post("/connections/oauth/testcloud").json()["scopes"] == {
        "asked": ["read", "send"], "granted": ["read"], "new": ["send"],
    }  # fmt: skip


@pytest.mark.parametrize("silence", ["null", "no"])
def test_a_refresh_token_is_never_overwritten_by_nothing(
    served: Served, alice: httpx.Client, provider: Provider, db: Database, user: User, silence: str
) -> None:
    provider.rotates = False
    add_cloud(alice, provider, served)
    provider.refresh_in_answer = silence
    add_cloud(alice, provider, served)
    provider.end_access()
    found = cloud_of(db, served, user)
    assert found.access_token(refused=token_of(found)) in provider.access
    provider.end_access()
    assert found.access_token(refused=token_of(found)) in provider.access
    assert provider.refreshes == 2


# --- tokens that end


def cloud_of(db: Database, served: Served, user: User) -> Any:
    kind = served.app.state.services.registry.connections()["testcloud"]
    return connect(db, user.id, kind, None, CallerWithDeadline())


def token_of(found: Any) -> str:
    token: str = found.credentials.grant.access_token.get_secret_value()
    return token


def test_a_token_that_ends_soon_is_renewed_before_and_rotation_is_kept(
    served: Served, alice: httpx.Client, provider: Provider, db: Database, user: User
) -> None:
    provider.life_s = 30
    connection = add_cloud(alice, provider, served)
    first = cloud_of(db, served, user)
    before = token_of(first)
    provider.life_s = 3600
    assert first.access_token() != before
    assert provider.refreshes == 1
    second = cloud_of(db, served, user)
    assert second.access_token() == first.access_token()
    assert row(db, connection).version == 2
    second.access_token(refused=token_of(second))
    assert (provider.refreshes, len(provider.refresh)) == (2, 1)


def test_many_workers_that_need_a_new_token_have_one_made(
    served: Served, alice: httpx.Client, provider: Provider, db: Database, user: User
) -> None:
    """With rotation a second refresh with the same token would end the grant."""
    add_cloud(alice, provider, served)
    found = [cloud_of(db, served, user) for _ in range(8)]
    provider.end_access()
    provider.slow_s = 0.3
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda one: one.access_token(refused=token_of(one)), found))
    assert (len(tokens), provider.refreshes) == (1, 1)


def test_the_class_of_a_refreshs_error_is_its_remedy(
    served: Served, alice: httpx.Client, provider: Provider, db: Database, user: User
) -> None:
    add_cloud(alice, provider, served)
    found = cloud_of(db, served, user)
    errors: tuple[tuple[tuple[int, str], type[Exception]], ...] = (
        ((400, "invalid_grant"), NeedsReconnect),
        ((200, "invalid_refresh_token"), NeedsReconnect),
        ((401, "invalid_client"), NotConfigured),
        ((503, "temporarily_unavailable"), Transient),
        ((200, "ratelimited"), RateLimited),
        ((400, "unsupported_grant_type"), Refused),
    )
    for provider.token_error, kind in errors:
        with pytest.raises(kind) as caught:
            found.access_token(refused=token_of(found))
        assert "canary" not in str(caught.value)
    provider.token_error = None
    assert found.access_token(refused=token_of(found)) in provider.access, "nobody is shut out by a renewal that failed"


def test_a_provider_that_is_silent_or_away_passes(
    served: Served, alice: httpx.Client, provider: Provider, db: Database, user: User
) -> None:
    add_cloud(alice, provider, served)
    kind = served.app.state.services.registry.connections()["testcloud"]
    found = connect(db, user.id, kind, None, CallerWithDeadline(within_s=0.4))
    provider.slow_s = 1.0
    with pytest.raises(Transient):
        found.access_token(refused=token_of(found))


def test_a_renewal_does_not_undo_what_a_person_connected_meanwhile(
    served: Served, alice: httpx.Client, provider: Provider, db: Database, user: User
) -> None:
    provider.rotates = False
    add_cloud(alice, provider, served)
    found = cloud_of(db, served, user)
    add_cloud(alice, provider, served)
    newest = token_of(cloud_of(db, served, user))
    assert found.replace(found.credentials) == cloud_of(db, served, user).credentials
    assert found.access_token() == newest


# --- which account a job uses


def test_a_job_uses_the_first_account_or_the_one_it_names(
    alice: httpx.Client, provider: Provider, db: Database
) -> None:
    nobody = put_letter(alice)
    assert (nobody.status_code, nobody.json()["type"]) == (409, "urn:llmcoder:problem:not-configured")
    assert "POST /connections" in nobody.json()["detail"]
    add_box(alice, provider)
    add_box(alice, provider, "ann")
    assert [(one["account"], one["default"]) for one in listed(alice)] == [("bert", True), ("ann", False)]
    plain, named = put_letter(alice).json(), put_letter(alice, account="ann").json()
    assert [columns(db, job).account for job in (plain, named)] == ["bert", "ann"]
    assert columns(db, plain).provider == "testbox"
    unknown = put_letter(alice, account="zoe")
    assert (unknown.status_code, "bert, ann" in unknown.json()["detail"]) == (422, True)


def test_an_approved_input_that_names_another_account_uses_that(
    served: Served, alice: httpx.Client, provider: Provider, db: Database, user: User
) -> None:
    add_box(alice, provider)
    add_box(alice, provider, "ann")
    alice.put("/preferences", json={"policies": {"test.put_letter": "ask"}})
    job = put_letter(alice).json()
    seen = alice.get("/approvals").json()["items"][0]["sha256"]
    door = f"/jobs/{job['id']}/approve"
    assert alice.post(door, json={"sha256": seen, "input": {"text": "x", "account": "zoe"}}).status_code == 422
    assert alice.post(door, json={"sha256": seen, "input": {"text": "x", "account": "ann"}}).status_code == 202
    assert columns(db, job).account == "ann"


def test_without_an_account_of_ones_own_the_one_of_the_installation_counts(
    db: Database, provider: Provider, environ: dict[str, str], user: User, redis_url: str, tmp_path: Path
) -> None:
    own = {"TESTBOX_SITE": provider.url, "TESTBOX_USER": "bert", "TESTBOX_PASSWORD": PASSWORD}
    with ExitStack() as stack:
        stack.enter_context(use(Config.open(environ | own, cwd=tmp_path)))
        served = stack.enter_context(serving(db, redis_url, tmp_path, **environ, **own))
        alice = stack.enter_context(served.client(user))
        job = put_letter(alice).json()
        assert columns(db, job).account == ""
        kinds = {one["provider"]: one for one in alice.get("/connections/kinds").json()["items"]}
        assert kinds["testbox"]["shared"] and PASSWORD not in str(kinds)
        kind = served.app.state.services.registry.connections()["testbox"]
        assert connect(db, user.id, kind, "", CallerWithDeadline()).account == ""


def deliver(client: httpx.Client, **given: Any) -> httpx.Response:
    return client.post("/test/deliver_letter", json={"text": "hello", **given})


def whose(db: Database, answer: httpx.Response) -> tuple[str, str]:
    assert answer.status_code == 202, answer.text
    found = columns(db, answer.json())
    return found.provider, found.account


def test_an_action_of_two_kinds_of_account_uses_the_one_that_was_connected_first(
    served: Served, alice: httpx.Client, provider: Provider, db: Database
) -> None:
    nobody = deliver(alice)
    assert nobody.status_code == 409 and "no Test box or Test cloud account" in nobody.json()["detail"]
    assert "POST /connections or POST /connections/oauth/testcloud" in nobody.json()["detail"]
    add_cloud(alice, provider, served)
    assert whose(db, deliver(alice)) == ("testcloud", "carla")
    add_box(alice, provider)
    assert whose(db, deliver(alice)) == ("testcloud", "carla")
    assert whose(db, deliver(alice, account="bert")) == ("testbox", "bert")
    unknown = deliver(alice, account="zoe")
    assert (unknown.status_code, "bert, carla" in unknown.json()["detail"]) == (422, True)
    assert alice.get("/actions/test.deliver_letter").json()["connects"] == ["testbox", "testcloud"]


def test_of_two_accounts_with_one_name_the_provider_before_a_colon_tells(
    served: Served, alice: httpx.Client, provider: Provider, db: Database
) -> None:
    add_box(alice, provider, "carla")
    add_cloud(alice, provider, served)
    assert whose(db, deliver(alice, account="carla")) == ("testbox", "carla")
    assert whose(db, deliver(alice, account="testcloud:carla")) == ("testcloud", "carla")
    assert deliver(alice, account="testcloud:").status_code == 422
    assert deliver(alice, account="elsewhere:carla").status_code == 422


def test_an_approved_input_may_change_to_an_account_of_another_kind(
    served: Served, alice: httpx.Client, provider: Provider, db: Database
) -> None:
    add_box(alice, provider)
    add_cloud(alice, provider, served)
    alice.put("/preferences", json={"policies": {"test.deliver_letter": "ask"}})
    job = deliver(alice)
    assert whose(db, job) == ("testbox", "bert")
    seen = alice.get("/approvals").json()["items"][0]["sha256"]
    door, edited = f"/jobs/{job.json()['id']}/approve", {"text": "x", "account": "carla"}
    assert alice.post(door, json={"sha256": seen, "input": edited}).status_code == 202
    assert whose(db, job) == ("testcloud", "carla")


def test_a_reconnect_of_one_kind_lets_go_what_waits_for_it_and_nothing_else(
    served: Served, alice: httpx.Client, provider: Provider, db: Database
) -> None:
    added = add_box(alice, provider)
    add_cloud(alice, provider, served)
    of_box, of_cloud = deliver(alice).json(), deliver(alice, account="carla").json()
    provider.boxes["bert"] = "changed"
    alice.post(f"/connections/{added['id']}/check")
    assert (standing(alice, of_box), standing(alice, of_cloud)) == (WAITS, ("queued", None))
    new = deliver(alice)
    assert (whose(db, new), new.json()["state"]) == (("testbox", "bert"), "waiting")
    add_cloud(alice, provider, served, "dora")
    assert standing(alice, of_box) == WAITS
    add_box(alice, provider)
    assert standing(alice, of_box) == standing(alice, new.json()) == ("queued", None)


def test_two_kinds_are_served_by_a_worker_and_taken_back_in_the_same_name(
    db_url: str, provider: Provider, environ: dict[str, str], tmp_path: Path
) -> None:
    told = {name: value for name, value in environ.items() if name not in ("REDIS_URL", "DATA_DIR", "DATABASE_URL")}
    with ExitStack() as stack:
        engine = stack.enter_context(engine_on(Engine, db_url, tmp_path, **told))
        stack.enter_context(use(Config.open(engine.own_environ, cwd=tmp_path)))
        more = {"PUBLIC_URL": "http://jobs.example.org"}
        served = stack.enter_context(serving(engine.db, engine.redis.url, tmp_path, **told, **more))
        provider.redirect_uri = "http://jobs.example.org/connections/oauth/callback"
        alice = stack.enter_context(served.client(engine.user))
        add_box(alice, provider)
        add_box(alice, provider, "ann")
        add_cloud(alice, provider, served)
        engine.start_worker()
        done = {
            account: alice.post(
                "/test/deliver_letter", json={"text": "hi", "account": account}, headers={"prefer": "wait=20"}
            ).json()
            for account in ("ann", "carla")
        }
        assert [job["result"]["account"] for job in done.values()] == ["testbox:ann", "testcloud:carla"]
        undone = {account: alice.post(f"/jobs/{job['id']}/undo") for account, job in done.items()}
        assert whose(engine.db, undone["ann"]) == ("testbox", "ann")
        assert whose(engine.db, undone["carla"]) == ("testbox", "bert"), "what undoes it has no such account"


def test_an_armed_effect_in_the_installations_name_is_looked_up_in_no_other(
    db: Database, provider: Provider, environ: dict[str, str], user: User, redis_url: str, tmp_path: Path
) -> None:
    own = {"TESTBOX_SITE": provider.url, "TESTBOX_USER": "bert", "TESTBOX_PASSWORD": PASSWORD}
    with ExitStack() as stack:
        stack.enter_context(use(Config.open(environ | own, cwd=tmp_path)))
        served = stack.enter_context(serving(db, redis_url, tmp_path, **environ, **own))
        alice = stack.enter_context(served.client(user))
        armed, free = put_letter(alice).json(), put_letter(alice).json()
        for job in (armed, free):
            served.move(job["id"], State.RUNNING)
            served.move(job["id"], State.WAITING, reason=connections.Reason.RECONNECT)
        with db.write() as conn:
            conn.execute(sa.update(jobs).where(jobs.c.id == UUID(armed["id"])).values(armed_at=db.now(), marker="{}"))
        add_box(alice, provider, "ann")
        assert (standing(alice, free), columns(db, free).account) == (("queued", None), "ann")
        assert (standing(alice, armed), columns(db, armed).account) == (WAITS, "")
        remedy = alice.get(f"/jobs/{armed['id']}/explain").json()["blockers"][0]["remedy"]
        assert remedy.startswith("An administrator corrects the Test box account of this installation")
        kind = served.app.state.services.registry.connections()["testbox"]
        assert connect(db, user.id, kind, "", CallerWithDeadline(), no_other=True).account == ""
    with use(Config.open(environ, cwd=tmp_path)):
        assert connect(db, user.id, kind, "", CallerWithDeadline()).account == "ann"
        with pytest.raises(NeedsReconnect, match="not set up any more"):
            connect(db, user.id, kind, "", CallerWithDeadline(), no_other=True)


# --- dead, and connected again


def test_a_dead_accounts_jobs_wait_and_one_reconnect_lets_them_all_go(
    alice: httpx.Client, provider: Provider, db: Database
) -> None:
    added = add_box(alice, provider)
    add_box(alice, provider, "ann")
    queued, other = [put_letter(alice).json() for _ in range(3)], put_letter(alice, account="ann").json()
    later = alice.post(
        "/jobs",
        json={
            "action": "test.put_letter",
            "input": {"text": "x"},
            "due_at": (db.now() + timedelta(hours=1)).isoformat(),
        },
    ).json()
    provider.boxes["bert"] = "changed"
    alice.post(f"/connections/{added['id']}/check")
    assert {standing(alice, job) for job in [*queued, later]} == {WAITS}
    assert standing(alice, other) == ("queued", None)
    assert {columns(db, job).max_attempts for job in queued} == {2}, "nothing was burnt"
    new = put_letter(alice)
    assert (new.status_code, new.json()["state"], new.json()["reason"]) == (202, *WAITS)
    explained = alice.get(f"/jobs/{new.json()['id']}/explain").json()
    assert [blocker["kind"] for blocker in explained["blockers"]] == ["reconnect"]
    assert "testbox account bert is broken" in explained["summary"]
    assert "POST /connections" in explained["blockers"][0]["remedy"]
    provider.boxes["bert"] = PASSWORD
    assert alice.post("/connections", json=box(provider)).status_code == 200
    assert {standing(alice, job) for job in [*queued, new.json()]} == {("queued", None)}
    assert standing(alice, later) == ("scheduled", "delay")


def test_what_waits_for_an_account_can_be_cancelled_and_outlives_its_removal(
    alice: httpx.Client, provider: Provider, db: Database
) -> None:
    added = add_box(alice, provider)
    kept, gone = put_letter(alice).json(), put_letter(alice).json()
    assert alice.delete(f"/connections/{added['id']}").status_code == 204
    assert alice.delete(f"/connections/{added['id']}").status_code == 404
    assert (standing(alice, kept), listed(alice)) == (WAITS, [])
    assert "was taken out" in alice.get(f"/jobs/{kept['id']}/explain").json()["summary"]
    assert alice.post(f"/jobs/{gone['id']}/cancel").json()["state"] == "cancelled"
    add_box(alice, provider)
    assert standing(alice, kept) == ("queued", None)
    assert events(db) == ["connection.added", "connection.removed", "connection.added"]


def test_the_user_is_told_once(served: Served, alice: httpx.Client, user: User, provider: Provider) -> None:
    added = add_box(alice, provider)
    provider.boxes["bert"] = "changed"
    with websocket(served.ws_url, close_timeout=0.2) as socket:
        socket.send(json.dumps({"type": "auth", "token": served.token(user)}))
        assert json.loads(socket.recv(20))["type"] == "live"
        for _ in range(3):
            alice.post(f"/connections/{added['id']}/check")
        provider.boxes["bert"] = PASSWORD
        alice.post("/connections", json=box(provider))
        told = [json.loads(socket.recv(20)) for _ in range(2)]
    assert [(one["type"], one["account"], one["state"]) for one in told] == [
        ("connection", "bert", "broken"),
        ("connection", "bert", "ok"),
    ]


def test_a_job_that_ends_up_waiting_just_after_the_reconnect_is_let_go_by_the_dispatcher(
    served: Served, alice: httpx.Client, provider: Provider, db: Database, redis_url: str
) -> None:
    added = add_box(alice, provider)
    slipped, unowned = put_letter(alice).json(), put_letter(alice).json()
    for job in (slipped, unowned):
        served.move(job["id"], State.RUNNING)
        served.move(job["id"], State.WAITING, reason=connections.Reason.RECONNECT)
    with db.write() as conn:
        conn.execute(sa.update(jobs).where(jobs.c.id == UUID(unowned["id"])).values(account=""))
    with dispatcher(served, redis_url) as found:
        assert found.release() == 2
        assert found.release() == 0
    assert standing(alice, slipped) == standing(alice, unowned) == ("queued", None)
    assert columns(db, unowned).account == added["account"]


@contextmanager
def dispatcher(served: Served, redis_url: str) -> Iterator[Dispatcher]:
    services = served.app.state.services
    with closing(Outbox(redis_url, redis_url, 10)) as outbox:
        bell = connect_bell(redis_url)
        with closing(Dispatcher(served.db, bell, outbox, services.settings(), services.registry)) as made:
            yield made


def test_an_old_refusal_does_not_break_a_new_secret(alice: httpx.Client, provider: Provider, db: Database) -> None:
    added = add_box(alice, provider)
    version = row(db, added).version
    add_box(alice, provider)
    with db.write() as conn:
        assert connections.declare_broken(conn, UUID(added["id"]), version, "late", db.now()) is None
    assert listed(alice)[0]["state"] == "ok"


# --- with real processes


def test_a_worker_whose_grant_died_has_all_jobs_wait_and_a_sign_in_runs_them(
    db_url: str, provider: Provider, environ: dict[str, str], tmp_path: Path
) -> None:
    told = {name: value for name, value in environ.items() if name not in ("REDIS_URL", "DATA_DIR", "DATABASE_URL")}
    with ExitStack() as stack:
        engine = stack.enter_context(engine_on(Engine, db_url, tmp_path, **told))
        stack.enter_context(use(Config.open(engine.own_environ, cwd=tmp_path)))
        more = {"PUBLIC_URL": "http://jobs.example.org"}
        served = stack.enter_context(serving(engine.db, engine.redis.url, tmp_path, **told, **more))
        provider.redirect_uri = "http://jobs.example.org/connections/oauth/callback"
        alice = stack.enter_context(served.client(engine.user))
        add_cloud(alice, provider, served)
        engine.start_worker()
        first = alice.post("/test/look_into_cloud", json={}, headers={"prefer": "wait=20"}).json()
        assert (first["state"], first["result"]) == ("succeeded", {"text": "of carla", "account": "carla"})
        provider.end_access()
        renewed = alice.post("/test/look_into_cloud", json={}, headers={"prefer": "wait=20"}).json()
        assert (renewed["state"], provider.refreshes) == ("succeeded", 1)
        provider.revoke()
        dead = [alice.post("/test/look_into_cloud", json={}).json() for _ in range(6)]
        eventually(lambda: {standing(alice, job) for job in dead} == {WAITS}, what="all wait")
        assert listed(alice)[0]["state"] == "broken"
        spent = [columns(engine.db, job) for job in dead]
        assert all(one.max_attempts - one.attempt == 2 for one in spent), "no attempt was burnt"
        assert events(engine.db).count("connection.broken") == 1
        assert sign_in(alice, provider, served).status_code == 200
        ended = engine.until_all_ended([UUID(job["id"]) for job in dead])
        assert {job.state for job in ended} == {"succeeded"}
        assert "canary" not in engine.logs()
        with engine.db.read() as conn:
            kept = {name: repr(conn.execute(sa.select(table)).all()) for name, table in metadata.tables.items()}
        assert [name for name, text in kept.items() if "canary" in text] == []


def test_a_process_with_another_key_does_not_start(
    db: Database, user: User, environ: dict[str, str], tmp_path: Path
) -> None:
    import os
    import subprocess
    import sys

    from models.accounts import vault

    with use(Config.open(environ, cwd=tmp_path)), db.write() as conn:
        vault.seal(conn, b"x", ["a"], db.now())
    (tmp_path / "data" / "connections.key").write_bytes(os.urandom(32))
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    root = Path(__file__).parents[2]
    for module in (["api"], ["workers", "io"], ["schedules"]):
        done = subprocess.run(
            [sys.executable, "-m", *module],
            cwd=root,
            env=kept | environ | {"API_PORT": "0"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode != 0
        assert "connections.key does not hold it" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_a_check_that_hangs_ends_and_stops_nobody_else(alice: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(declared, "IDENTIFY_WITHIN_S", 1.0)

    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        site = f"http://127.0.0.1:{silent.getsockname()[1]}"
        given = {"provider": "testbox", "credentials": {"site": site, "user": "bert", "password": "x"}}
        with ThreadPoolExecutor(connections_door.MOST_AT_ONCE + 1) as pool:
            asked = [pool.submit(alice.post, "/connections", json=given) for _ in range(9)]
            assert alice.get("/connections", timeout=5).status_code == 200
            answers = [one.result(20).json()["type"].rpartition(":")[2] for one in asked]
    assert (answers.count("busy"), answers.count("transient")) == (1, 8)
