"""Accounts: what is typed in, what is signed in to, how each says who it is, and what an installation's own is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from confluence_server import ACCESS, CLOUD_ID, EMAIL, TOKEN, Confluence
from pydantic import SecretStr, ValidationError
from site_kit import KINDS, confluence, context

from llmcoder import oauth
from llmcoder.declare.connection import Grant, read_form, revealed, shown
from llmcoder.errors import ActionError, BadInput, NeedsReconnect, NotConfigured, Refused, Transient
from llmcoder.settings import InvalidSettings
from llmcoder.testing import FakeContext
from tasks.confluence.account import ConfluenceAccount
from tasks.confluence.client import opened
from tasks.confluence.connections import CONFLUENCE, SCOPES, client, own_account, who_am_i
from tasks.confluence.settings import ConfluenceSettings

__all__ = ["confluence"]

both = pytest.mark.parametrize("kind", KINDS)
LOCAL = ("127.0.0.1",)


def registered(confluence: Confluence, **more: Any) -> ConfluenceSettings:
    return ConfluenceSettings(
        confluence_oauth_client_id="engine",
        confluence_oauth_client_secret=SecretStr("client-canary"),
        confluence_oauth_url=confluence.url,
        confluence_oauth_api_url=confluence.url,
        **more,
    )


def caller(*settings: ConfluenceSettings) -> FakeContext:
    return FakeContext(settings, fetch_allow=LOCAL)


def granted(token: str = ACCESS, **more: Any) -> ConfluenceAccount:
    grant = Grant(access_token=SecretStr(token), refresh_token=SecretStr("refresh-canary-0"), **more)
    return ConfluenceAccount(site="https://acme.atlassian.net", cloud_id=CLOUD_ID, grant=grant)


# --- what is typed in


def test_what_people_copy_from_the_browser_is_the_sites_address() -> None:
    for site in (
        "https://acme.atlassian.net",
        "https://ACME.atlassian.net/wiki/",
        "http://acme.atlassian.net/wiki/home",
    ):
        account = read_form(CONFLUENCE, {"site": site, "email": EMAIL, "token": "t"})
        assert account.site == "https://acme.atlassian.net"
    account = read_form(CONFLUENCE, {"site": "https://wiki.example.org/confluence/", "token": "t"})
    assert (account.site, account.is_cloud) == ("https://wiki.example.org/confluence", False)


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
    ],
)
def test_what_cannot_be_an_account_is_refused_without_its_token(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        read_form(CONFLUENCE, given)
    assert "two lines" not in str(caught.value)


def test_what_is_shown_of_an_account_holds_no_secret() -> None:
    account = read_form(CONFLUENCE, {"site": "https://acme.atlassian.net", "email": EMAIL, "token": TOKEN})
    assert TOKEN not in str(shown(account))
    assert TOKEN in revealed(account).decode()
    form = CONFLUENCE.form()
    assert form is not None and set(form["properties"]) == {"site", "email", "token", "cloud_id"}


# --- who it is


def test_a_cloud_account_is_named_by_its_address_and_site(confluence: Confluence) -> None:
    host = urlsplit(confluence.url).netloc
    assert who_am_i(confluence.cloud(), caller()) == f"{EMAIL} at {host}"
    assert confluence.asked() == ["GET /wiki/api/v2/spaces?limit=1"]


def test_a_data_center_says_who_we_are(confluence: Confluence) -> None:
    host = urlsplit(confluence.url).netloc
    assert who_am_i(confluence.data_center(), caller()) == f"ada at {host}/confluence"
    confluence.next("GET", "refuse", 200, {"type": "anonymous", "displayName": "Anonymous"})
    with pytest.raises(NeedsReconnect, match="stranger"):
        who_am_i(confluence.data_center(), caller())


@both
def test_a_wrong_token_is_refused(confluence: Confluence, kind: str) -> None:
    with pytest.raises(NeedsReconnect):
        who_am_i(getattr(confluence, kind)("wrong"), caller())


@both
@pytest.mark.parametrize(
    ("status", "error"), [(403, NeedsReconnect), (404, Refused), (429, ActionError), (500, Transient)]
)
def test_what_the_site_says_instead_names_the_remedy(
    confluence: Confluence, kind: str, status: int, error: type[ActionError]
) -> None:
    confluence.next("GET", "refuse", status)
    with pytest.raises(error):
        who_am_i(getattr(confluence, kind)(), caller())


# --- the installation's


def test_the_installations_account_is_that_of_its_settings_and_may_be_private(confluence: Confluence) -> None:
    own = ConfluenceSettings(
        confluence_url=confluence.url, confluence_email=EMAIL, confluence_api_token=SecretStr(TOKEN)
    )
    confluence.add("OPS", "Title")
    ctx = FakeContext([own])
    assert ctx.connection(CONFLUENCE).account == ""
    assert [space.key for space in opened(ctx.connection(CONFLUENCE), ctx).spaces()] == ["OPS"]
    assert own.check() == f"Confluence, as {EMAIL} at {urlsplit(confluence.url).netloc}."


def test_an_installation_without_an_account_has_none_and_says_what_is_missing() -> None:
    assert own_account(lambda kind: kind()) is None
    assert ConfluenceSettings().missing() == ["CONFLUENCE_URL", "CONFLUENCE_API_TOKEN"]
    assert ConfluenceSettings(confluence_url="https://a.example").missing() == ["CONFLUENCE_API_TOKEN"]
    with pytest.raises(NotConfigured, match="CONFLUENCE_URL"):
        ConfluenceSettings().check()
    only_app = ConfluenceSettings(confluence_oauth_client_id="a", confluence_oauth_client_secret=SecretStr("b"))
    assert only_app.missing() == []
    assert "users connect their own" in only_app.check()


def test_settings_that_cannot_be_used_are_named_without_their_values() -> None:
    wrong = {"confluence_email": "nobody", "confluence_api_token": "a b"}
    own = ConfluenceSettings.model_validate({"confluence_url": "https://a.example", **wrong})
    with pytest.raises(NotConfigured) as caught:
        own_account(lambda kind: own)  # type: ignore[arg-type]
    assert "CONFLUENCE_EMAIL, CONFLUENCE_API_TOKEN" in str(caught.value)
    assert caught.value.__context__ is None
    with pytest.raises(InvalidSettings, match="CONFLUENCE_URL"):
        ConfluenceSettings.read({"CONFLUENCE_URL": "wiki"})


# --- signed in to with the browser


def test_the_browser_is_sent_to_atlassian_with_what_it_wants_to_know(confluence: Confluence) -> None:
    ctx = caller(registered(confluence))
    assert CONFLUENCE.oauth is not None
    back = {"redirect_uri": "https://jobs.example.org/back", "state": "s", "verifier": "v"}
    url = urlsplit(oauth.authorize_url(CONFLUENCE.oauth, client(ctx.settings), **back))
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{confluence.url}/authorize"
    assert (asked["audience"], asked["prompt"], asked["response_type"]) == ("api.atlassian.com", "consent", "code")
    assert asked["scope"].split() == list(SCOPES)
    assert ConfluenceSettings().confluence_oauth_url == "https://auth.atlassian.com"
    with pytest.raises(NotConfigured, match="CONFLUENCE_OAUTH_CLIENT_ID"):
        client(lambda kind: kind())


def test_a_sign_in_finds_its_site_and_says_who_it_is(confluence: Confluence) -> None:
    ctx = caller(registered(confluence))
    declared = CONFLUENCE.oauth
    assert declared is not None
    grant, answer = oauth.exchange(
        declared, client(ctx.settings), code="c", verifier="v", redirect_uri="https://x.example/back", within_s=10
    )
    account = declared.credentials(grant, answer, ctx)
    assert (account.site, account.cloud_id) == ("https://acme.atlassian.net", CLOUD_ID)
    assert who_am_i(account, ctx) == f"{EMAIL} at acme.atlassian.net"


def test_a_sign_in_that_gave_no_site_with_confluence_is_refused(confluence: Confluence) -> None:
    confluence.next("GET /oauth/token/accessible-resources", "refuse", 200, [])
    declared = CONFLUENCE.oauth
    assert declared is not None
    with pytest.raises(Refused, match="no site"):
        declared.credentials(Grant(access_token=SecretStr(ACCESS)), {}, caller(registered(confluence)))


def test_of_several_sites_the_one_of_the_installation_counts(confluence: Confluence) -> None:
    scopes = ["read:page:confluence"]
    sites = [{"id": f"c-{n}", "url": f"https://s{n}.atlassian.net", "scopes": scopes} for n in (1, 2)]
    confluence.next("GET /oauth/token/accessible-resources", "refuse", 200, sites)
    declared = CONFLUENCE.oauth
    assert declared is not None
    settings = registered(confluence, confluence_url="https://s2.atlassian.net")
    account = declared.credentials(Grant(access_token=SecretStr(ACCESS)), {}, caller(settings))
    assert account.cloud_id == "c-2"


def test_a_granted_account_reads_writes_and_loads_files_through_atlassian(confluence: Confluence) -> None:
    page = confluence.add("OPS", "Title", "<p>x</p>")
    confluence.attach(page.id, "a b.txt", "text/plain", b"hello")
    ctx = context(confluence, credentials=granted(), settings=[registered(confluence)])
    wiki = opened(ctx.connection(CONFLUENCE), ctx)
    assert wiki.page(page.id).storage == "<p>x</p>"
    (file,) = wiki.attachments(page.id)
    assert wiki.download(file, 100) == b"hello"
    assert wiki.create(wiki.spaces(["OPS"])[0], "New", "<p>y</p>", None, "m").version == 1
    assert not [one for one in confluence.asked("/wiki/") if CLOUD_ID not in one]


def test_an_api_token_with_scopes_works_by_the_sites_id(confluence: Confluence) -> None:
    page = confluence.add("OPS", "Title")
    confluence.attach(page.id, "a.txt", "text/plain", b"hello")
    token = SecretStr(TOKEN)
    account = ConfluenceAccount(site="https://acme.atlassian.net", email=EMAIL, token=token, cloud_id=CLOUD_ID)
    ctx = context(confluence, credentials=account, settings=[registered(confluence)])
    wiki = opened(ctx.connection(CONFLUENCE), ctx)
    assert wiki.download(wiki.attachments(page.id)[0], 100) == b"hello"
    assert who_am_i(account, ctx) == f"{EMAIL} at acme.atlassian.net"


def test_a_token_that_ended_is_renewed_once_and_the_request_sent_again(confluence: Confluence) -> None:
    page = confluence.add("OPS", "Title")
    ctx = context(confluence, credentials=granted("ended"), settings=[registered(confluence)])
    assert opened(ctx.connection(CONFLUENCE), ctx).page(page.id).head.title == "Title"
    assert len(confluence.asked("POST /oauth/token")) == 1
    assert len(ctx.connection(CONFLUENCE).replaced) == 1


def test_a_token_that_ends_soon_is_renewed_before_it_is_used(confluence: Confluence) -> None:
    confluence.space("OPS")
    soon = datetime.now(UTC) + timedelta(seconds=30)
    ctx = context(confluence, credentials=granted(expires_at=soon), settings=[registered(confluence)])
    opened(ctx.connection(CONFLUENCE), ctx).spaces()
    assert confluence.asked()[0] == "POST /oauth/token"


def test_a_dead_grant_wants_a_reconnect(confluence: Confluence) -> None:
    ctx = context(confluence, credentials=granted("ended"), settings=[registered(confluence)])
    confluence.next("POST /oauth/token", "refuse", 403, {"error": "invalid_grant"})
    with pytest.raises(NeedsReconnect):
        opened(ctx.connection(CONFLUENCE), ctx).spaces()


def test_a_granted_account_has_an_id_and_a_typed_one_a_token() -> None:
    with pytest.raises(ValidationError):
        ConfluenceAccount(site="https://acme.example", grant=Grant(access_token=SecretStr("t")))
