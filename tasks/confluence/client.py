"""The only module that sends requests to Confluence. What is asked of Cloud stands in `cloud.py`, of Data Center in
`data_center.py`.
"""

from __future__ import annotations

from llmcoder.context import Context
from llmcoder.declare.connection import Caller
from tasks.atlassian.account import Authorization, host_of
from tasks.atlassian.client import AtlassianClient, gateway_of, http_of
from tasks.confluence.account import ConfluenceAccount
from tasks.confluence.errors import REFUSALS
from tasks.confluence.settings import ConfluenceSettings


class ConfluenceClient(AtlassianClient):
    """Requests to one site in the name of one account."""

    refusals = REFUSALS


def client_of(
    account: ConfluenceAccount, caller: Caller, proof: Authorization, ctx: Context | None = None
) -> ConfluenceClient:
    """Requests in the name of an account."""
    installation = caller.settings(ConfluenceSettings).installation
    base = account.site
    if account.is_cloud:
        base = f"{gateway_of(account, installation, 'confluence') or account.site.removesuffix('/wiki')}/wiki"
    return ConfluenceClient(http_of(caller, installation), base, host_of(account.site), proof, caller, ctx)


def page_url(base: str | None, webui: str | None, page_id: str, site: str) -> str:
    """Where people read a page: as the site says it, where that is an address and not something else."""
    base = base if base and base.startswith(("http://", "https://")) else site
    return f"{base}{webui if webui and webui.startswith('/') else f'/pages/viewpage.action?pageId={page_id}'}"
