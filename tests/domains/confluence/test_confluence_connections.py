"""Accounts at Confluence: what of them is its own; see also `tests/domains/atlassian`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from confluence_server import ACCESS, CLOUD_ID, EMAIL, TOKEN, Confluence
from pydantic import SecretStr
from site_kit import KINDS, confluence, context

from llmcoder.declare.connection import Grant, read_form
from llmcoder.errors import NeedsReconnect
from llmcoder.testing import FakeContext
from tasks.confluence.account import ConfluenceAccount
from tasks.confluence.connections import CONFLUENCE
from tasks.confluence.open_site import open_site
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


# --- who it is


def test_a_cloud_account_is_named_by_its_address_and_site(confluence: Confluence) -> None:
    host = urlsplit(confluence.url).netloc
    assert CONFLUENCE.identify(confluence.cloud(), caller()) == f"{EMAIL} at {host}"
    assert confluence.asked() == ["GET /wiki/api/v2/spaces?limit=1"]


def test_a_data_center_says_who_we_are(confluence: Confluence) -> None:
    host = urlsplit(confluence.url).netloc
    assert CONFLUENCE.identify(confluence.data_center(), caller()) == f"ada at {host}/confluence"
    confluence.next("GET", "refuse", 200, {"type": "anonymous", "displayName": "Anonymous"})
    with pytest.raises(NeedsReconnect, match="treats us as not signed in"):
        CONFLUENCE.identify(confluence.data_center(), caller())


# --- signed in to with the browser


def test_a_granted_account_reads_writes_and_loads_files_through_atlassian(confluence: Confluence) -> None:
    page = confluence.add("OPS", "Title", "<p>x</p>")
    confluence.attach(page.id, "a b.txt", "text/plain", b"hello")
    ctx = context(confluence, credentials=granted(), settings=[registered(confluence)])
    wiki = open_site(ctx.connection(CONFLUENCE), ctx)
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
    wiki = open_site(ctx.connection(CONFLUENCE), ctx)
    assert wiki.download(wiki.attachments(page.id)[0], 100) == b"hello"
    assert CONFLUENCE.identify(account, ctx) == f"{EMAIL} at acme.atlassian.net"
