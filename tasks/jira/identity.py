"""Who somebody is at JIRA."""

from __future__ import annotations

from llmcoder.declare.connection import Caller
from tasks.atlassian.account import proof_of
from tasks.jira.account import JiraAccount
from tasks.jira.client import client_of
from tasks.jira.payload import UserPayload


def name_at(account: JiraAccount, caller: Caller) -> str:
    """What the account is called there, by one cheap call that only a good token passes."""
    me = client_of(account, caller, lambda refused: proof_of(account)).get(UserPayload, "myself")
    return me.email or me.name or account.email or me.display_name or "somebody"
