"""Where Plaid calls us when a bank has something new: the address is given to it when a bank is connected."""

from __future__ import annotations

import time

from llmcoder import strict_json
from llmcoder.caller import CallerWithDeadline
from llmcoder.declare.door import Door
from llmcoder.declare.hook import Call, Hook, Reply
from llmcoder.errors import BadInput, NotConfigured, NotFound
from tasks.finance import webhooks
from tasks.finance.plaid_errors import PROVIDER
from tasks.finance.settings import PlaidSettings

WITHIN_S = 10.0
SYNC = "finance.sync"
#: What tells that transactions are new: https://plaid.com/docs/transactions/webhooks/
NEWS = {"SYNC_UPDATES_AVAILABLE"}
_KEYS = webhooks.Keys()


def changed(call: Call, door: Door) -> Reply:
    """Something happened at a bank; only new transactions make a job, the rest is acknowledged."""
    if door.settings(PlaidSettings).missing():
        raise NotConfigured("This installation is not registered at Plaid.")
    key = webhooks.prove(call.headers, call.body, lambda kid: _key(kid, door), _KEYS, time.time())
    try:
        told = strict_json.read_lenient(call.body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise BadInput("This is not what Plaid sends.")
    item = told.get("item_id")
    if told.get("webhook_type") == "TRANSACTIONS" and told.get("webhook_code") in NEWS and isinstance(item, str):
        user = door.user_of(PROVIDER, item)
        if user is not None:
            door.submit(user, SYNC, {"account": f"{PROVIDER}:{item}"}, key=f"plaid {key}")
    return Reply()


def _key(kid: str, door: Door) -> dict[str, object]:
    from tasks.finance.plaid_client import PlaidClient

    try:
        return PlaidClient(CallerWithDeadline(WITHIN_S, door.settings)).webhook_key(kid)
    except (NotFound, BadInput):
        return {}


PLAID = Hook("finance/plaid", title="News of a bank from Plaid.", answer=changed)
