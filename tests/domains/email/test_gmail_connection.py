"""The account at Gmail: how we are registered there, the sign-in, tokens that end, and a grant that is dead."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from gmail_kit import grant
from gmail_server import ADDRESS, Gmail, gmail_on_loopback

from engine.account_access import check, connect
from engine.integration_checks import check_settings
from llmcoder import NeedsReconnect, NotConfigured, Transient
from llmcoder.caller import CallerWithDeadline
from llmcoder.config import Config, use
from llmcoder.states import State
from models.db.database import Database
from tasks.email.connections import GMAIL
from tasks.email.gmail_connection import AUTHORIZE_URL, TOKEN_URL, client, own_account, registration
from tasks.email.gmail_errors import SCOPE
from tasks.email.settings import GmailSettings

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "integration"))

from engine_kit import PLUGIN, Engine, engine_on, eventually  # noqa: E402
from oauth_kit import CLIENT_ID, CLIENT_SECRET, Provider, provider_on_loopback  # noqa: E402
from served import Served, serving  # noqa: E402

BACK = "http://jobs.example.org/connections/oauth/callback"


@pytest.fixture
def google() -> Iterator[Provider]:
    with provider_on_loopback() as found:
        found.redirect_uri, found.granted, found.rotates = BACK, SCOPE, False
        yield found


@pytest.fixture
def gmail(google: Provider) -> Iterator[Gmail]:
    with gmail_on_loopback() as found:
        found.accepts = lambda token: token in google.access
        yield found


@pytest.fixture
def told(google: Provider, gmail: Gmail) -> dict[str, str]:
    """What the environment says of them."""
    return {
        "FETCH_ALLOW": "127.0.0.1",
        "GMAIL_API_URL": gmail.url,
        "GMAIL_AUTHORIZE_URL": f"{google.url}/authorize",
        "GMAIL_TOKEN_URL": f"{google.url}/token",
        "GMAIL_CLIENT_ID": CLIENT_ID,
        "GMAIL_CLIENT_SECRET": CLIENT_SECRET,
    }


# --- how we are registered


def read(**given: Any) -> Any:
    """A way to ask for settings."""
    found = GmailSettings.model_validate(given)
    return lambda kind: found if kind is GmailSettings else kind()


def kept(folder: Path, content: object) -> Path:
    path = folder / "credentials.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


INNER = {"client_id": "id-1", "client_secret": "secret-1", "auth_uri": "https://a.example/auth",
         "token_uri": "https://a.example/token", "redirect_uris": [BACK]}  # fmt: skip


@pytest.mark.parametrize("form", ["web", "installed"])
def test_the_file_of_googles_console_names_the_client(tmp_path, form):
    found = client(read(gmail_credentials_file=kept(tmp_path, {form: INNER})))
    assert (found.id, found.secret.get_secret_value()) == ("id-1", "secret-1")
    assert (found.authorize_url, found.token_url) == ("https://a.example/auth", "https://a.example/token")


def test_a_token_file_names_the_client_and_the_mailbox_of_the_installation(tmp_path):
    token = {"type": "authorized_user", "client_id": "id-2", "client_secret": "s", "refresh_token": "refresh-1"}
    get = read(gmail_credentials_file=kept(tmp_path, token))
    assert own_account(get).grant.refresh_token.get_secret_value() == "refresh-1"
    found = client(get)
    assert (found.id, found.authorize_url, found.token_url) == ("id-2", AUTHORIZE_URL, TOKEN_URL)


def test_settings_win_over_the_file(tmp_path):
    path = kept(tmp_path, {"web": INNER | {"refresh_token": "old"}})
    own = {"gmail_client_id": "mine", "gmail_refresh_token": "new", "gmail_token_url": "http://127.0.0.1:9/token/"}
    found = registration(GmailSettings.model_validate({"gmail_credentials_file": path, **own}))
    assert (found.client_id, found.client_secret.get_secret_value()) == ("mine", "secret-1")
    assert (found.refresh_token.get_secret_value(), found.token_url) == ("new", "http://127.0.0.1:9/token")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not JSON canary", "not the JSON"),
        ([1], "not the JSON"),
        ({"web": {"client_id": "only"}}, "is not registered"),
        ({"web": "canary"}, "is not registered"),
        ({"type": "service_account", "private_key": "canary"}, "service account"),
    ],
)
def test_a_file_that_does_not_do_is_named_without_what_is_in_it(tmp_path, content, said):
    with pytest.raises(NotConfigured, match=said) as caught:
        client(read(gmail_credentials_file=kept(tmp_path, content)))
    assert "canary" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotConfigured, match=r"GMAIL_CREDENTIALS_FILE cannot be read: .*gone\.json"):
        client(read(gmail_credentials_file=tmp_path / "gone.json"))


def test_without_a_client_the_settings_are_named_and_there_is_no_mailbox():
    with pytest.raises(NotConfigured, match="GMAIL_CREDENTIALS_FILE, or GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET"):
        client(read())
    assert own_account(read(gmail_refresh_token="x")) is None
    with pytest.raises(ValueError, match="must be an address"):
        GmailSettings(gmail_api_url="gmail.example")


# --- the mailbox of the installation


def settings_of(told: dict[str, str], **more: str) -> GmailSettings:
    return GmailSettings.read({**told, **more})


def test_the_check_says_whose_mailbox_it_is(told, google, gmail, tmp_path):
    google.refresh["refresh-1"] = "carla"
    with use(Config.open({**told, "DATA_DIR": str(tmp_path / "data")}, tmp_path)):
        assert check_settings(settings_of(told, GMAIL_REFRESH_TOKEN="refresh-1")) == f"Gmail, as {ADDRESS}."
        assert "users connect their own" in check_settings(settings_of(told))
        with pytest.raises(NeedsReconnect, match="invalid_grant"):
            check_settings(settings_of(told, GMAIL_REFRESH_TOKEN="withdrawn"))
        with pytest.raises(NotConfigured, match="GMAIL_CREDENTIALS_FILE"):
            check_settings(GmailSettings())
    assert len(gmail.asked("GET /gmail/v1/users/me/profile")) == 1


def test_who_we_are_is_one_cheap_call_and_a_dead_token_is_a_persons_to_mend(told, google, gmail, tmp_path, refused_url):
    google.access["good"] = "carla"
    with use(Config.open({**told, "DATA_DIR": str(tmp_path / "data")}, tmp_path)):
        assert GMAIL.identify(grant("good"), CallerWithDeadline()) == ADDRESS
        with pytest.raises(NeedsReconnect):
            GMAIL.identify(grant("bad"), CallerWithDeadline())
    assert len(gmail.seen) == 2, "a token that nobody can renew is not tried twice"
    away = {**told, "GMAIL_API_URL": refused_url, "DATA_DIR": str(tmp_path / "data")}
    with use(Config.open(away, tmp_path)), pytest.raises(Transient):
        GMAIL.identify(grant("good"), CallerWithDeadline())


# --- a user's own


@pytest.fixture
def served(db: Database, told: dict[str, str], redis_url: str, tmp_path: Path) -> Iterator[Served]:
    environ = {**told, "DATA_DIR": str(tmp_path / "data"), "REDIS_URL": redis_url}
    with ExitStack() as stack:
        stack.enter_context(use(Config.open(environ, cwd=tmp_path)))
        yield stack.enter_context(serving(db, redis_url, tmp_path, **told, PUBLIC_URL="http://jobs.example.org"))


def sign_in(served: Served, alice: httpx.Client) -> httpx.Response:
    begun = alice.post("/connections/oauth/gmail")
    assert begun.status_code == 200, begun.text
    location = httpx.get(begun.json()["authorize_url"]).headers["location"]
    return httpx.get(f"{served.url}/connections/oauth/callback?{urlsplit(location).query}", timeout=30)


def test_a_mailbox_is_connected_in_the_browser_for_least_and_for_long(served, google, user):
    with served.client(user) as alice:
        begun = alice.post("/connections/oauth/gmail").json()
        asked = {name: values[0] for name, values in parse_qs(urlsplit(begun["authorize_url"]).query).items()}
        assert (asked["scope"], asked["access_type"], asked["redirect_uri"]) == (SCOPE, "offline", BACK)
        assert "consent" in asked["prompt"], "or no refresh token would come the second time"
        page = sign_in(served, alice)
        assert page.status_code == 200 and ADDRESS in page.text
        found = alice.get("/connections").json()["items"]
        assert [(one["provider"], one["account"], one["scopes"]) for one in found] == [("gmail", ADDRESS, [SCOPE])]
        kinds = {one["provider"]: one for one in alice.get("/connections/kinds").json()["items"]}
        assert (kinds["gmail"]["form"], kinds["gmail"]["needs"]) == (None, None)
        typed = alice.post("/connections", json={"provider": "gmail", "credentials": {}})
        assert typed.status_code == 422 and "browser" in typed.text


def test_a_refresh_token_stays_when_an_answer_has_none(served, google, db, user):
    with served.client(user) as alice:
        sign_in(served, alice)
        google.refresh_in_answer = "no"
        sign_in(served, alice)
    for _ in range(2):
        google.end_access()
        found = connect(db, user.id, GMAIL, None, CallerWithDeadline())
        assert check(found) == ADDRESS
    assert google.refreshes == 2
    assert found.credentials.grant.refresh_token.get_secret_value() in google.refresh


# --- with real processes


@pytest.fixture
def running(
    db_url: str, told: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Engine, Served, httpx.Client]]:
    """An engine whose user has connected a mailbox; no worker runs yet."""
    plugin = HERE / "gmail_plugin"
    monkeypatch.syspath_prepend(str(plugin))
    with ExitStack() as stack:
        path = f"{PLUGIN}:{plugin}"
        engine = stack.enter_context(engine_on(Engine, db_url, tmp_path, **told, PYTHONPATH=path))
        stack.enter_context(use(Config.open(engine.own_environ, cwd=tmp_path)))
        more = {**told, "PUBLIC_URL": "http://jobs.example.org"}
        served = stack.enter_context(serving(engine.db, engine.redis.url, tmp_path, **more))
        alice = stack.enter_context(served.client(engine.user))
        assert sign_in(served, alice).status_code == 200
        yield engine, served, alice


def standing(alice: httpx.Client, job: dict[str, Any]) -> tuple[str, str | None]:
    found = alice.get(f"/jobs/{job['id']}").json()
    return found["state"], found["reason"]


def test_a_dead_grant_has_the_job_wait_and_a_sign_in_runs_it(running, google, gmail):
    engine, served, alice = running
    gmail.receive("Hello")
    engine.start_worker()
    google.end_access()
    renewed = alice.post("/test/count_gmail", json={}, headers={"prefer": "wait=20"}).json()
    assert (renewed["state"], renewed["result"], google.refreshes) == ("succeeded", {"letters": 1}, 1)
    google.revoke()
    dead = alice.post("/test/count_gmail", json={}).json()
    # a worker that could not say that its renewal is over has the next one wait for half a minute
    eventually(lambda: standing(alice, dead) == ("waiting", "reconnect"), within_s=60, what="it waits")
    assert alice.get("/connections").json()["items"][0]["state"] == "broken"
    assert sign_in(served, alice).status_code == 200
    assert engine.until(UUID(dead["id"]), State.SUCCEEDED).attempt >= 1
    assert "canary" not in engine.logs()


@pytest.mark.slow("kills a worker and waits for its lease")
def test_a_worker_that_dies_after_gmail_has_sent_does_not_send_twice(running, gmail):
    engine, _served, alice = running
    gmail.next("POST /gmail/v1/users/me/messages/send", "do_then_silence")
    gmail.index_lags = True
    worker = engine.start_worker()
    job = alice.post("/test/send_gmail", json={"text": "hello"}).json()
    eventually(lambda: gmail.sent, what="Gmail sends it")
    worker.kill()
    worker.wait(120)
    engine.start_worker()
    done = engine.until(UUID(job["id"]), State.SUCCEEDED, within_s=60)
    assert (json.loads(done.result), len(gmail.sent)) == ({"message_id": "<CA1@mail.gmail.com>"}, 1)


@pytest.mark.slow("kills a worker and waits for its lease")
def test_a_reply_whose_worker_dies_after_it_went_out_is_found_and_not_sent_again(running, gmail):
    engine, _served, alice = running
    gmail.receive("Lunch?")
    gmail.next("POST /gmail/v1/users/me/messages/send", "do_then_silence")
    gmail.index_lags = True
    worker = engine.start_worker()
    asked = {"prefer": "wait=20"}
    listed = alice.get("/email/emails", headers=asked).json()
    answered = listed["result"]["items"][0]
    job = alice.post("/email/send_reply", json={"id": answered["id"], "text": "Yes."}).json()
    eventually(lambda: gmail.sent, what="Gmail sends it")
    worker.kill()
    worker.wait(120)
    engine.start_worker()
    done = engine.until(UUID(job["id"]), State.SUCCEEDED, within_s=60)
    assert (json.loads(done.result)["message_id"], len(gmail.sent)) == ("<CA1@mail.gmail.com>", 1)
