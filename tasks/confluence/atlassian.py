"""Who somebody is at Confluence, and which sites a sign-in at Atlassian is good for."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, RootModel

from llmcoder.declare.connection import Caller, Grant
from llmcoder.errors import ActionError, NeedsReconnect
from tasks.confluence.account import ConfluenceAccount
from tasks.confluence.client import Rest, Wire, proof_of, rest_of
from tasks.confluence.settings import ConfluenceSettings


class WireSite(Wire):
    """A site that a grant is good for; one with both products comes twice, or once with the scopes of both."""

    id: str
    url: str
    scopes: tuple[str, ...] = ()


class WireSites(RootModel[list[WireSite]]):
    """The sites that a grant is good for."""


class WireMe(Wire):
    """Whose grant it is."""

    email: str | None = None
    name: str | None = None


class WireCurrent(Wire):
    """Who is asking a Data Center."""

    type: str = "known"
    username: str | None = None
    display_name: str | None = Field(None, alias="displayName")


class WireSpaces(Wire):
    """A list of spaces."""

    results: list[Wire]


def granted_sites(grant: Grant, caller: Caller) -> list[WireSite]:
    """Those with Confluence, in the order in which Atlassian names them."""
    found = _atlassian(grant, caller).get(WireSites, "/oauth/token/accessible-resources").root
    return [site for site in found if any("confluence" in scope for scope in site.scopes)]


def name_at(account: ConfluenceAccount, caller: Caller) -> str:
    """What the account is called there, by cheap calls that only a good token passes.

    On Cloud, API v2 has no call that says who is asking. An email address says it for an API token, Atlassian's
    profile for a grant.
    """
    rest = rest_of(account, caller, lambda refused: proof_of(account))
    if not account.is_cloud:
        return _name_at_data_center(rest)
    rest.get(WireSpaces, "/api/v2/spaces", {"limit": 1})
    return account.email if account.grant is None and account.email else _name_at_atlassian(account, caller)


def _name_at_data_center(rest: Rest) -> str:
    found = rest.get(WireCurrent, "/rest/api/user/current")
    if found.type == "anonymous":
        raise NeedsReconnect(f"{rest.site} does not accept this token, and takes us for a stranger. Connect again.")
    return found.username or found.display_name or "somebody"


def _name_at_atlassian(account: ConfluenceAccount, caller: Caller) -> str:
    assert account.grant is not None  # the other kind of account has an email address
    try:
        me = _atlassian(account.grant, caller).get(WireMe, "/me")
    except ActionError:  # the profile was not granted; the site's address still tells accounts apart
        return "somebody"
    return me.email or me.name or "somebody"


def _atlassian(grant: Grant, caller: Caller) -> Rest:
    url = caller.settings(ConfluenceSettings).confluence_oauth_api_url
    proof = f"Bearer {grant.access_token.get_secret_value()}"
    return Rest(caller.http, url, urlsplit(url).netloc, lambda refused: proof, caller)
