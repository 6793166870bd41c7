"""Accounts at JIRA: what of them is its own; see also `tests/domains/atlassian`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from jira_kit import KINDS, context, jira
from jira_server import ACCESS, CLOUD_ID, EMAIL, Jira
from pydantic import SecretStr

from llmcoder.declare.connection import Grant, read_form
from llmcoder.testing import FakeContext
from tasks.jira.account import JiraAccount
from tasks.jira.connections import JIRA
from tasks.jira.open_tracker import open_tracker
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


# --- who it is


@both
def test_an_account_is_named_by_who_the_site_says_it_is(jira: Jira, kind: str) -> None:
    host = urlsplit(jira.url).netloc
    path = "" if kind == "cloud" else "/jira"
    assert JIRA.identify(getattr(jira, kind)(), caller()) == f"{EMAIL} at {host}{path}"
    assert jira.asked() == [f"GET {path}/rest/api/{3 if kind == 'cloud' else 2}/myself"]


def test_an_account_whose_address_is_hidden_is_named_by_what_is_told(jira: Jira) -> None:
    host = urlsplit(jira.url).netloc
    jira.next("GET", "refuse", 200, {"name": "ada", "displayName": "Ada"})
    assert JIRA.identify(jira.data_center(), caller()) == f"ada at {host}/jira"
    jira.next("GET", "refuse", 200, {"accountId": "id-ada", "displayName": "Ada"})
    assert JIRA.identify(granted(), caller(registered(jira))) == "Ada at acme.atlassian.net"


# --- signed in to with the browser


def test_a_granted_account_reads_and_writes_through_atlassian(jira: Jira) -> None:
    jira.add("OPS", "Title")
    ctx = context(jira, credentials=granted(), settings=[registered(jira)])
    site = open_tracker(ctx.connection(JIRA), ctx)
    assert site.issue("OPS-1").fields.summary == "Title"
    site.add_comment("OPS-1", site.body("hello"), "m-1")
    assert site.browse("OPS-1") == "https://acme.atlassian.net/browse/OPS-1"
    assert not [one for one in jira.asked("/rest/") if CLOUD_ID not in one]
