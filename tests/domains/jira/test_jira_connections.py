"""Accounts: what is typed in, what is signed in to, how each says who it is, and what an installation's own is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jira_kit import KINDS, context, jira
from jira_server import ACCESS, CLOUD_ID, EMAIL, TOKEN, Jira
from pydantic import SecretStr, ValidationError

from llmcoder import oauth
from llmcoder.declare.connection import Grant, read_form, revealed, shown
from llmcoder.errors import ActionError, BadInput, NeedsReconnect, NotConfigured, Refused, Transient
from llmcoder.settings import InvalidSettings
from llmcoder.testing import FakeContext
from tasks.jira.account import JiraAccount
from tasks.jira.client import opened
from tasks.jira.connections import JIRA, SCOPES, client, own_account, who_am_i
from tasks.jira.settings import JiraSettings

__all__ = ["jira"]

both = pytest.mark.parametrize("kind", KINDS)
LOCAL = ("127.0.0.1",)


def registered(jira: Jira, **more: Any) -> JiraSettings:
    return JiraSettings(
        jira_oauth_client_id="engine",
        jira_oauth_client_secret=SecretStr("client-canary"),
        jira_oauth_url=jira.url,
        jira_oauth_api_url=jira.url,
        **more,
    )


def caller(*settings: JiraSettings) -> FakeContext:
    return FakeContext(settings, fetch_allow=LOCAL)


def granted(token: str = ACCESS, **more: Any) -> JiraAccount:
    grant = Grant(access_token=SecretStr(token), refresh_token=SecretStr("refresh-canary-0"), **more)
    return JiraAccount(site="https://acme.atlassian.net", cloud_id=CLOUD_ID, grant=grant)


# --- what is typed in


def test_what_people_copy_from_the_browser_is_the_sites_address() -> None:
    for site in (
        "https://acme.atlassian.net",
        "https://ACME.atlassian.net/browse/OPS-1",
        "http://acme.atlassian.net/x",
    ):
        account = read_form(JIRA, {"site": site, "email": EMAIL, "token": "t"})
        assert account.site == "https://acme.atlassian.net"
    for path in ("/jira/", "/jira/browse/OPS-1", "/jira/secure/Dashboard.jspa", "/jira/projects/OPS/issues"):
        account = read_form(JIRA, {"site": f"https://work.example.org{path}", "token": "t"})
        assert (account.site, account.is_cloud) == ("https://work.example.org/jira", False)


@pytest.mark.parametrize(
    "given",
    [
        {"site": "acme.atlassian.net", "token": "t"},
        {"site": "ftp://acme.example", "token": "t"},
        {"site": "https://user:pass@acme.example", "token": "t"},
        {"site": "https://acme.example?x=1", "token": "t"},
        {"site": "https://acme.example"},
        {"site": "https://acme.example", "token": "two lines\nX: y"},
        {"site": "https://acme.example", "token": "t", "email": "no address"},
        {"site": "https://acme.example", "token": "t", "email": "a:b@example.org"},
        {"site": "https://acme.example", "token": "t", "grant": {}},
        {"site": "https://acme.atlassian.net", "token": "t"},
    ],
)
def test_what_cannot_be_an_account_is_refused_without_its_token(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        read_form(JIRA, given)
    assert "two lines" not in str(caught.value)


def test_what_is_shown_of_an_account_holds_no_secret() -> None:
    account = read_form(JIRA, {"site": "https://acme.atlassian.net", "email": EMAIL, "token": TOKEN})
    assert TOKEN not in str(shown(account))
    assert TOKEN in revealed(account).decode()
    form = JIRA.form()
    assert form is not None and set(form["properties"]) == {"site", "email", "token", "cloud_id"}


# --- who it is


@both
def test_an_account_is_named_by_who_the_site_says_it_is(jira: Jira, kind: str) -> None:
    host = urlsplit(jira.url).netloc
    path = "" if kind == "cloud" else "/jira"
    assert who_am_i(getattr(jira, kind)(), caller()) == f"{EMAIL} at {host}{path}"
    assert jira.asked() == [f"GET {path}/rest/api/{3 if kind == 'cloud' else 2}/myself"]


def test_an_account_whose_address_is_hidden_is_named_by_what_is_told(jira: Jira) -> None:
    host = urlsplit(jira.url).netloc
    jira.next("GET", "refuse", 200, {"name": "ada", "displayName": "Ada"})
    assert who_am_i(jira.data_center(), caller()) == f"ada at {host}/jira"
    jira.next("GET", "refuse", 200, {"accountId": "id-ada", "displayName": "Ada"})
    assert who_am_i(granted(), caller(registered(jira))) == "Ada at acme.atlassian.net"


@both
def test_a_wrong_token_is_refused(jira: Jira, kind: str) -> None:
    with pytest.raises(NeedsReconnect):
        who_am_i(getattr(jira, kind)("wrong"), caller())


@both
@pytest.mark.parametrize(
    ("status", "error"), [(403, NeedsReconnect), (404, Refused), (429, ActionError), (500, Transient)]
)
def test_what_the_site_says_instead_names_the_remedy(
    jira: Jira, kind: str, status: int, error: type[ActionError]
) -> None:
    jira.next("GET", "refuse", status)
    with pytest.raises(error):
        who_am_i(getattr(jira, kind)(), caller())


# --- the installation's


def test_the_installations_account_is_that_of_its_settings_and_may_be_private(jira: Jira) -> None:
    own = JiraSettings(jira_server_url=jira.url, jira_email=EMAIL, jira_api_token=SecretStr(TOKEN))
    jira.add("OPS", "Title")
    ctx = FakeContext([own])
    assert ctx.connection(JIRA).account == ""
    assert opened(ctx.connection(JIRA), ctx).issue("OPS-1").fields.summary == "Title"
    assert own.check() == f"JIRA, as {EMAIL} at {urlsplit(jira.url).netloc}."


def test_an_installation_without_an_account_has_none_and_says_what_is_missing() -> None:
    assert own_account(lambda kind: kind()) is None
    assert JiraSettings().missing() == ["JIRA_SERVER_URL", "JIRA_API_TOKEN"]
    assert JiraSettings(jira_server_url="https://a.example").missing() == ["JIRA_API_TOKEN"]
    with pytest.raises(NotConfigured, match="JIRA_SERVER_URL"):
        JiraSettings().check()
    only_app = JiraSettings(jira_oauth_client_id="a", jira_oauth_client_secret=SecretStr("b"))
    assert only_app.missing() == []
    assert "users connect their own" in only_app.check()


def test_settings_that_cannot_be_used_are_named_without_their_values() -> None:
    wrong = {"jira_email": "nobody", "jira_api_token": "a b"}
    own = JiraSettings.model_validate({"jira_server_url": "https://a.example", **wrong})
    with pytest.raises(NotConfigured) as caught:
        own_account(lambda kind: own)  # type: ignore[arg-type]
    assert "JIRA_EMAIL, JIRA_API_TOKEN" in str(caught.value)
    assert caught.value.__context__ is None
    with pytest.raises(InvalidSettings, match="JIRA_SERVER_URL"):
        JiraSettings.read({"JIRA_SERVER_URL": "wiki"})


# --- signed in to with the browser


def test_the_browser_is_sent_to_atlassian_with_what_it_wants_to_know(jira: Jira) -> None:
    ctx = caller(registered(jira))
    assert JIRA.oauth is not None
    back = {"redirect_uri": "https://jobs.example.org/back", "state": "s", "verifier": "v"}
    url = urlsplit(oauth.authorize_url(JIRA.oauth, client(ctx.settings), **back))
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{jira.url}/authorize"
    assert (asked["audience"], asked["prompt"], asked["response_type"]) == ("api.atlassian.com", "consent", "code")
    assert asked["scope"].split() == list(SCOPES)
    assert JiraSettings().jira_oauth_url == "https://auth.atlassian.com"
    with pytest.raises(NotConfigured, match="JIRA_OAUTH_CLIENT_ID"):
        client(lambda kind: kind())


def test_a_sign_in_finds_its_site_and_says_who_it_is(jira: Jira) -> None:
    ctx = caller(registered(jira))
    declared = JIRA.oauth
    assert declared is not None
    grant, answer = oauth.exchange(
        declared, client(ctx.settings), code="c", verifier="v", redirect_uri="https://x.example/back", within_s=10
    )
    account = declared.credentials(grant, answer, ctx)
    assert (account.site, account.cloud_id) == ("https://acme.atlassian.net", CLOUD_ID)
    assert who_am_i(account, ctx) == f"{EMAIL} at acme.atlassian.net"


def test_a_sign_in_that_gave_no_site_with_jira_is_refused(jira: Jira) -> None:
    jira.next("GET /oauth/token/accessible-resources", "refuse", 200, [])
    declared = JIRA.oauth
    assert declared is not None
    with pytest.raises(Refused, match="no site"):
        declared.credentials(Grant(access_token=SecretStr(ACCESS)), {}, caller(registered(jira)))


def test_of_several_sites_the_one_of_the_installation_counts(jira: Jira) -> None:
    scopes = ["read:jira-work"]
    sites = [{"id": f"c-{n}", "url": f"https://s{n}.atlassian.net", "scopes": scopes} for n in (1, 2)]
    jira.next("GET /oauth/token/accessible-resources", "refuse", 200, sites)
    declared = JIRA.oauth
    assert declared is not None
    settings = registered(jira, jira_server_url="https://s2.atlassian.net")
    account = declared.credentials(Grant(access_token=SecretStr(ACCESS)), {}, caller(settings))
    assert account.cloud_id == "c-2"


def test_a_granted_account_reads_and_writes_through_atlassian(jira: Jira) -> None:
    jira.add("OPS", "Title")
    ctx = context(jira, credentials=granted(), settings=[registered(jira)])
    site = opened(ctx.connection(JIRA), ctx)
    assert site.issue("OPS-1").fields.summary == "Title"
    site.add_comment("OPS-1", site.body("hello"), "m-1")
    assert site.browse("OPS-1") == "https://acme.atlassian.net/browse/OPS-1"
    assert not [one for one in jira.asked("/rest/") if CLOUD_ID not in one]


def test_an_api_token_with_scopes_works_by_the_sites_id(jira: Jira) -> None:
    jira.add("OPS", "Title")
    token = SecretStr(TOKEN)
    account = JiraAccount(site="https://acme.atlassian.net", email=EMAIL, token=token, cloud_id=CLOUD_ID)
    ctx = context(jira, credentials=account, settings=[registered(jira)])
    assert opened(ctx.connection(JIRA), ctx).issue("OPS-1").fields.summary == "Title"
    assert who_am_i(account, ctx) == f"{EMAIL} at acme.atlassian.net"


def test_a_token_that_ended_is_renewed_once_and_the_request_sent_again(jira: Jira) -> None:
    jira.add("OPS", "Title")
    ctx = context(jira, credentials=granted("ended"), settings=[registered(jira)])
    site = opened(ctx.connection(JIRA), ctx)
    site.add_comment("OPS-1", site.body("hello"), "m-1")
    assert len(jira.issues["OPS-1"].comments) == 1
    assert len(jira.asked("POST /oauth/token")) == 1
    assert len(ctx.connection(JIRA).replaced) == 1


def test_a_token_that_ends_soon_is_renewed_before_it_is_used(jira: Jira) -> None:
    jira.add("OPS", "Title")
    soon = datetime.now(UTC) + timedelta(seconds=30)
    ctx = context(jira, credentials=granted(expires_at=soon), settings=[registered(jira)])
    opened(ctx.connection(JIRA), ctx).issue("OPS-1")
    assert jira.asked()[0] == "POST /oauth/token"


def test_a_dead_grant_wants_a_reconnect(jira: Jira) -> None:
    ctx = context(jira, credentials=granted("ended"), settings=[registered(jira)])
    jira.next("POST /oauth/token", "refuse", 403, {"error": "invalid_grant"})
    with pytest.raises(NeedsReconnect):
        opened(ctx.connection(JIRA), ctx).issue("OPS-1")


def test_a_granted_account_has_an_id_and_a_typed_one_a_token() -> None:
    with pytest.raises(ValidationError):
        JiraAccount(site="https://acme.example", grant=Grant(access_token=SecretStr("t")))
