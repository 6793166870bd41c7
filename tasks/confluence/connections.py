"""An account at Confluence: typed in for Cloud and Data Center, or signed in to with the browser (Cloud).

Where tokens come from and how an app is registered at Atlassian stands in `docs/confluence.md`.
"""

from __future__ import annotations

from llmcoder.declare.connection import Caller, ConnectionKind
from tasks.atlassian.product import Product
from tasks.confluence.account import ConfluenceAccount
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


def name_at(account: ConfluenceAccount, caller: Caller) -> str:
    from tasks.confluence import identity  # loads the client

    return identity.name_at(account, caller)


PRODUCT = Product(
    "confluence",
    title="Confluence",
    account=ConfluenceAccount,
    settings=ConfluenceSettings,
    installation=lambda get: get(ConfluenceSettings).installation,
    scopes=SCOPES,
    name_at=name_at,
)
CONFLUENCE: ConnectionKind[ConfluenceAccount] = PRODUCT.connection_kind()
