"""An account at JIRA: typed in for Cloud and Data Center, or signed in to with the browser (Cloud).

Where tokens come from and how an app is registered at Atlassian stands in `docs/jira.md`.
"""

from __future__ import annotations

from llmcoder.declare.connection import Caller, ConnectionKind
from tasks.atlassian.product import Product
from tasks.jira.account import JiraAccount
from tasks.jira.settings import JiraSettings

SCOPES = ("read:jira-work", "write:jira-work", "read:jira-user", "offline_access")


def name_at(account: JiraAccount, caller: Caller) -> str:
    from tasks.jira import identity  # loads the client

    return identity.name_at(account, caller)


PRODUCT = Product(
    "jira",
    title="JIRA",
    account=JiraAccount,
    settings=JiraSettings,
    installation=lambda get: get(JiraSettings).installation,
    scopes=SCOPES,
    name_at=name_at,
)
JIRA: ConnectionKind[JiraAccount] = PRODUCT.connection_kind()
