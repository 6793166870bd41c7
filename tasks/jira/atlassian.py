"""Who somebody is at JIRA, and which sites a sign-in at Atlassian is good for."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

from pydantic import RootModel, ValidationError

from llmcoder import strict_json
from llmcoder.declare.connection import Caller, Grant
from llmcoder.errors import Transient, Uncertain
from llmcoder.net import Limits
from tasks.jira.account import JiraAccount
from tasks.jira.client import CONNECT_S, SILENCE_S, client_of, proof_of
from tasks.jira.errors import error_of
from tasks.jira.settings import JiraSettings
from tasks.jira.wire import Wire, WireUser


class WireSite(Wire):
    """A site that a grant is good for; one with several products comes more than once."""

    id: str
    url: str
    scopes: tuple[str, ...] = ()


class WireSites(RootModel[list[WireSite]]):
    """The sites that a grant is good for."""


def granted_sites(grant: Grant, caller: Caller) -> list[WireSite]:
    """Those with JIRA, in the order in which Atlassian names them.

    Raises:
        ActionError: Atlassian refuses, or could not be asked.
    """
    url = caller.settings(JiraSettings).jira_oauth_api_url
    found = _asked(f"{url}/oauth/token/accessible-resources", grant, caller)
    return [site for site in found.root if any("jira" in scope for scope in site.scopes)]


def _asked(url: str, grant: Grant, caller: Caller) -> WireSites:
    host = urlsplit(url).netloc
    total_s = max(min(caller.remaining_s - 1, SILENCE_S), 1.0)
    limits = Limits(connect_s=min(CONNECT_S, total_s), read_s=total_s, total_s=total_s)
    headers = {"authorization": f"Bearer {grant.access_token.get_secret_value()}", "accept": "application/json"}
    try:
        answer = caller.http.request("GET", url, headers=headers, limits=limits)
    except Uncertain as error:
        raise Transient(f"{error.detail} Asking again does no harm.") from error
    now = datetime.now(UTC)
    if (refused := error_of(answer.status, answer.headers, answer.body, site=host, now=now, writes=False)) is not None:
        raise refused
    try:
        return WireSites.model_validate(strict_json.read_lenient(answer.body))
    except (ValueError, RecursionError, ValidationError) as error:
        raise Transient(f"{host} answered with something else than a list of sites.") from error


def name_at(account: JiraAccount, caller: Caller) -> str:
    """What the account is called there, by one cheap call that only a good token passes."""
    me = client_of(account, caller, lambda refused: proof_of(account)).get(WireUser, "myself")
    return me.email or me.name or account.email or me.display_name or "somebody"
