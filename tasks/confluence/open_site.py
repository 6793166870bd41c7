"""Opens the site of the account that a job acts for: Cloud or Data Center."""

from __future__ import annotations

from llmcoder.connection import Connection
from llmcoder.context import Context
from tasks.atlassian.account import authorization
from tasks.confluence.account import ConfluenceAccount
from tasks.confluence.client import client_of
from tasks.confluence.cloud import CloudWiki
from tasks.confluence.data_center import DataCenterWiki
from tasks.confluence.site import Site


def open_site(connection: Connection[ConfluenceAccount], ctx: Context) -> Site:
    """The site, as the account sees it."""
    account = connection.credentials
    client = client_of(account, ctx, authorization(connection), ctx)
    if not account.is_cloud:
        return DataCenterWiki(client)
    return CloudWiki(client, account.site.removesuffix("/wiki"), by_id=account.cloud_id is not None)
