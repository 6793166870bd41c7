"""Whether Plaid knows this installation."""

from __future__ import annotations

from llmcoder.declare.check import Check
from llmcoder.declare.connection import Caller
from tasks.finance.settings import PlaidSettings


def whose_client(settings: PlaidSettings, caller: Caller) -> str:
    """Ask Plaid how many banks there are for this client.

    Raises:
        ActionError: It refuses the client, or could not be asked.
    """
    from tasks.finance.plaid_client import PlaidClient

    count = PlaidClient(caller).institutions()
    return f"Plaid, {settings.plaid_environment}: {count:,} banks in {settings.plaid_countries}."


PLAID = Check(PlaidSettings, whose_client)
