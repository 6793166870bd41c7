"""Who somebody is at Confluence."""

from __future__ import annotations

from pydantic import Field

from llmcoder.declare.connection import Caller, Grant
from llmcoder.errors import ActionError, NeedsReconnect
from tasks.atlassian.account import proof_of
from tasks.atlassian.payload import AtlassianPayload
from tasks.atlassian.sign_in import profile
from tasks.confluence.account import ConfluenceAccount
from tasks.confluence.client import ConfluenceClient, client_of
from tasks.confluence.settings import ConfluenceSettings


class CurrentUserPayload(AtlassianPayload):
    """Who is asking a Data Center."""

    type: str = "known"
    username: str | None = None
    display_name: str | None = Field(None, alias="displayName")


class AnySpacesPayload(AtlassianPayload):
    """A list of spaces."""

    results: list[AtlassianPayload]


def name_at(account: ConfluenceAccount, caller: Caller) -> str:
    """What the account is called there, by cheap calls that only a good token passes.

    On Cloud, API v2 has no call that says who is asking. An email address says it for an API token, Atlassian's
    profile for a grant.
    """
    client = client_of(account, caller, lambda refused: proof_of(account))
    if not account.is_cloud:
        return _name_at_data_center(client)
    client.get(AnySpacesPayload, "/api/v2/spaces", {"limit": 1})
    if account.grant is None and account.email:
        return account.email
    assert account.grant is not None  # the other kind of account has an email address
    return _name_at_atlassian(account.grant, caller)


def _name_at_data_center(client: ConfluenceClient) -> str:
    found = client.get(CurrentUserPayload, "/rest/api/user/current")
    if found.type == "anonymous":
        raise NeedsReconnect(
            f"{client.site} does not accept this token, and treats us as not signed in. Connect again."
        )
    return found.username or found.display_name or "somebody"


def _name_at_atlassian(grant: Grant, caller: Caller) -> str:
    try:
        me = profile(grant, caller, caller.settings(ConfluenceSettings).confluence_oauth_api_url)
    except ActionError:  # the profile was not granted; the site's address still tells accounts apart
        return "somebody"
    return me.email or me.name or "somebody"
