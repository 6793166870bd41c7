"""Opens the site of the account that a job acts for: Cloud or Data Center."""

from __future__ import annotations

from llmcoder.connection import Connection
from llmcoder.context import Context
from tasks.atlassian.account import authorization
from tasks.jira.account import JiraAccount
from tasks.jira.client import client_of
from tasks.jira.cloud import CloudTracker
from tasks.jira.data_center import DataCenterTracker
from tasks.jira.tracker import Tracker


def open_tracker(connection: Connection[JiraAccount], ctx: Context) -> Tracker:
    """The site, as the account sees it."""
    account = connection.credentials
    client = client_of(account, ctx, authorization(connection), ctx)
    return (CloudTracker if account.is_cloud else DataCenterTracker)(client, account.site)
