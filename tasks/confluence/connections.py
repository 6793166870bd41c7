"""An account at Confluence: typed in for Cloud and Data Center, or signed in to with the browser (Cloud).

Where tokens come from and how an app is registered at Atlassian stands in `docs/confluence.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from llmcoder.declare.connection import Answer, Caller, ConnectionKind, GetSettings, Grant, OAuth, OAuthClient
from llmcoder.errors import Forbidden, NeedsReconnect, NotConfigured, NotFound, Refused
from tasks.confluence.account import ConfluenceAccount, host_of
from tasks.confluence.settings import ConfluenceSettings

SCOPES = (
    "read:page:confluence",
    "read:space:confluence",
    "read:attachment:confluence",
    "write:page:confluence",
    "delete:page:confluence",
    "read:user:confluence",
    "read:me",
    "offline_access",
)


def client(get: GetSettings) -> OAuthClient:
    """Our app at Atlassian.

    Raises:
        NotConfigured: It is not named.
    """
    found = get(ConfluenceSettings)
    if not found.confluence_oauth_client_id or found.confluence_oauth_client_secret is None:
        raise NotConfigured(
            "This installation is not registered at Atlassian: set CONFLUENCE_OAUTH_CLIENT_ID and "
            "CONFLUENCE_OAUTH_CLIENT_SECRET, or connect with an API token."
        )
    url = found.confluence_oauth_url
    return OAuthClient(
        found.confluence_oauth_client_id, found.confluence_oauth_client_secret, f"{url}/authorize", f"{url}/oauth/token"
    )


def granted(grant: Grant, _answer: Answer, caller: Caller) -> ConfluenceAccount:
    """The account of a sign-in: which site it is for, only Atlassian can say."""
    from tasks.confluence.atlassian import granted_sites

    sites = granted_sites(grant, caller)
    if not sites:
        raise Refused("This Atlassian account gave access to no site with Confluence. Choose one when you sign in.")
    own = caller.settings(ConfluenceSettings).confluence_url
    chosen = next((site for site in sites if own is not None and host_of(site.url) == host_of(own)), sites[0])
    return ConfluenceAccount(site=chosen.url, cloud_id=chosen.id, grant=grant)


def who_am_i(account: ConfluenceAccount, caller: Caller) -> str:
    """Who it is and where, such as `ada@example.org at acme.atlassian.net`."""
    from tasks.confluence.atlassian import name_at

    try:
        name = name_at(account, caller)
    except NotFound as error:
        raise Refused(f"There is no Confluence at {account.site}; correct the address.") from error
    except Forbidden as error:
        raise NeedsReconnect(f"This account may not use Confluence at {host_of(account.site)}.") from error
    return f"{name} at {host_of(account.site)}"


def own_account(get: GetSettings) -> ConfluenceAccount | None:
    """The account of this installation."""
    found = get(ConfluenceSettings)
    url, email, token = found.confluence_url, found.confluence_email, found.confluence_api_token
    if not url or token is None:
        return None
    try:
        return ConfluenceAccount(site=url, email=email or None, token=token)
    except ValidationError as error:
        wrong = {str(one["loc"][0]) for one in error.errors(include_input=False) if one["loc"]}
    # Raised outside the handler: a validation error carries the token.
    names = {"site": "CONFLUENCE_URL", "email": "CONFLUENCE_EMAIL", "token": "CONFLUENCE_API_TOKEN"}
    raise NotConfigured(f"The installation's Confluence account cannot be used: correct {_named(names, wrong)}.")


def _named(names: Mapping[str, str], wrong: set[str]) -> str:
    return ", ".join(name for field, name in names.items() if field in wrong) or "CONFLUENCE_URL"


def describe_installation(settings: ConfluenceSettings) -> str:
    """Who the installation is at its site, by one real call."""
    from models.connections.account_access import Asking, InstallationConnection, check  # loads the database's library

    class Checking(Asking):
        """Asks with the settings that are to be checked."""

        def settings(self, kind: type[Any]) -> Any:
            return settings if kind is ConfluenceSettings else super().settings(kind)

    caller = Checking()
    own = own_account(caller.settings)
    if own is None:
        return "configured; users connect their own accounts, and there is none for those who have not."
    return f"Confluence, as {check(InstallationConnection(CONFLUENCE, own, caller))}."


CONFLUENCE: ConnectionKind[ConfluenceAccount] = ConnectionKind(
    "confluence",
    title="Confluence",
    credentials=ConfluenceAccount,
    identify=who_am_i,
    oauth=OAuth(
        scopes=SCOPES,
        client=client,
        credentials=granted,
        authorize={"audience": "api.atlassian.com", "prompt": "consent"},
    ),
    fallback=own_account,
    settings=(ConfluenceSettings,),
)
