"""What Atlassian itself says of a sign-in: which sites it is good for, and whose it is."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import RootModel

from llmcoder.declare.connection import Caller, Grant
from tasks.atlassian.client import AtlassianClient
from tasks.atlassian.payload import AtlassianPayload


class SitePayload(AtlassianPayload):
    """A site that a grant is good for; one with several products comes twice, or once with the scopes of all."""

    id: str
    url: str
    scopes: tuple[str, ...] = ()


class SitesPayload(RootModel[list[SitePayload]]):
    """The sites that a grant is good for."""


class ProfilePayload(AtlassianPayload):
    """Whose grant it is."""

    email: str | None = None
    name: str | None = None


def granted_sites(grant: Grant, caller: Caller, api_url: str, product: str) -> list[SitePayload]:
    """Those with the product, in the order in which Atlassian names them.

    Raises:
        ActionError: Atlassian refuses, or could not be asked.
    """
    found = _atlassian(grant, caller, api_url).get(SitesPayload, "/oauth/token/accessible-resources").root
    return [site for site in found if any(product in scope for scope in site.scopes)]


def profile(grant: Grant, caller: Caller, api_url: str) -> ProfilePayload:
    """Whose grant it is; raises as `granted_sites`, also where the profile was not granted."""
    return _atlassian(grant, caller, api_url).get(ProfilePayload, "/me")


def _atlassian(grant: Grant, caller: Caller, api_url: str) -> AtlassianClient:
    proof = f"Bearer {grant.access_token.get_secret_value()}"
    return AtlassianClient(caller.http, api_url, urlsplit(api_url).netloc, lambda refused: proof, caller)
