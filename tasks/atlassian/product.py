"""An account at one of Atlassian's products: typed in for Cloud and Data Center, or signed in to (Cloud)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from pydantic import ValidationError

from llmcoder.declare.connection import Answer, Caller, ConnectionKind, GetSettings, Grant, OAuth, OAuthClient
from llmcoder.errors import Forbidden, NeedsReconnect, NotConfigured, NotFound, Refused
from llmcoder.settings import Settings
from tasks.atlassian.account import A, host_of
from tasks.atlassian.installation import Installation


@dataclass(frozen=True, eq=False)
class Product(Generic[A]):
    """One product, and what differs in how one has an account there.

    Args:
        provider: Also what Atlassian calls it in scopes.
        installation: What its settings say.
        name_at: What an account is called at its site, by cheap calls that only a good token passes.
    """

    provider: str
    title: str
    account: type[A]
    settings: type[Settings]
    installation: Callable[[GetSettings], Installation]
    scopes: tuple[str, ...]
    name_at: Callable[[A, Caller], str]

    def connection_kind(self) -> ConnectionKind[A]:
        return ConnectionKind(
            self.provider,
            title=self.title,
            credentials=self.account,
            identify=self.who_am_i,
            oauth=OAuth(
                scopes=self.scopes,
                client=self.oauth_client,
                credentials=self.granted_account,
                authorize={"audience": "api.atlassian.com", "prompt": "consent"},
            ),
            fallback=self.own_account,
            settings=(self.settings,),
        )

    def oauth_client(self, get: GetSettings) -> OAuthClient:
        """Our app at Atlassian.

        Raises:
            NotConfigured: It is not named.
        """
        found = self.installation(get)
        if not found.client_id or found.client_secret is None:
            raise NotConfigured(
                f"This installation is not registered at Atlassian: set {found.prefix}_OAUTH_CLIENT_ID and "
                f"{found.prefix}_OAUTH_CLIENT_SECRET, or connect with an API token."
            )
        url = found.oauth_url
        return OAuthClient(found.client_id, found.client_secret, f"{url}/authorize", f"{url}/oauth/token")

    def granted_account(self, grant: Grant, _answer: Answer, caller: Caller) -> A:
        """The account of a sign-in: which site it is for, only Atlassian can say."""
        from tasks.atlassian.sign_in import granted_sites  # loads the HTTP client

        found = self.installation(caller.settings)
        sites = granted_sites(grant, caller, found.api_url, self.provider)
        if not sites:
            raise Refused(
                f"This Atlassian account gave access to no site with {self.title}. Choose one when you sign in."
            )
        own = found.url
        chosen = next((site for site in sites if own is not None and host_of(site.url) == host_of(own)), sites[0])
        return self.account(site=chosen.url, cloud_id=chosen.id, grant=grant)

    def who_am_i(self, account: A, caller: Caller) -> str:
        """Who it is and where, such as `ada@example.org at acme.atlassian.net`."""
        try:
            name = self.name_at(account, caller)
        except NotFound as error:
            raise Refused(f"There is no {self.title} at {account.site}; correct the address.") from error
        except Forbidden as error:
            raise NeedsReconnect(f"This account may not use {self.title} at {host_of(account.site)}.") from error
        return f"{name} at {host_of(account.site)}"

    def own_account(self, get: GetSettings) -> A | None:
        """The account of this installation.

        Raises:
            NotConfigured: Its settings do not make one.
        """
        found = self.installation(get)
        if not found.url or found.token is None:
            return None
        try:
            return self.account(site=found.url, email=found.email or None, token=found.token)
        except ValidationError as error:
            wrong = {str(one["loc"][0]) for one in error.errors(include_input=False) if one["loc"]}
        # Raised outside the handler: a validation error carries the token.
        names = {"site": found.url_name, "email": f"{found.prefix}_EMAIL", "token": f"{found.prefix}_API_TOKEN"}
        named = ", ".join(name for field, name in names.items() if field in wrong) or names["email"]
        raise NotConfigured(f"The installation's {self.title} account cannot be used: correct {named}.")
