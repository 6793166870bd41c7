"""A user's banks: items at Plaid, and a SimpleFIN bridge. Files need none."""

from __future__ import annotations

from pydantic import Field, SecretStr

from llmcoder import Caller, ConnectionKind, Model
from llmcoder.declare.rate import Rate
from tasks.finance.plaid_errors import PROVIDER as PLAID_PROVIDER
from tasks.finance.settings import PlaidSettings

#: 50 requests a minute for each item: https://plaid.com/docs/errors/rate-limit-exceeded/
PLAID_RATE = Rate(45, per_s=60)
#: The bridge answers 24 requests a day: https://beta-bridge.simplefin.org/info/developers
SIMPLEFIN_RATE = Rate(24, per_s=86_400)


class PlaidItem(Model):
    """One login at one bank, as Plaid keeps it."""

    access_token: SecretStr = Field(description="Plaid's access token of the item; finance.connect_bank gets one.")
    institution: str | None = Field(None, max_length=200, description="The bank.")


class SimpleFinAccess(Model):
    """A SimpleFIN bridge."""

    access_url: SecretStr = Field(
        description="The access URL, with user and password in it; finance.connect_simplefin gets one for a token."
    )
    claim: str | None = Field(None, max_length=64, description="SHA-256 of the claim URL that it came of.")


def whose_item(item: PlaidItem, caller: Caller) -> str:
    """The item's id, by which Plaid's webhooks name it."""
    from tasks.finance.plaid_client import PlaidClient

    found = PlaidClient(caller).item(item.access_token.get_secret_value())
    return str(found.get("item_id") or "")


def whose_bridge(access: SimpleFinAccess, caller: Caller) -> str:
    """The bridge's host, and a part of the user that tells one account there from another."""
    from tasks.finance.simplefin_client import SimpleFinClient

    return SimpleFinClient(access.access_url.get_secret_value(), caller).identify()


PLAID: ConnectionKind[PlaidItem] = ConnectionKind(
    PLAID_PROVIDER,
    title="Plaid",
    credentials=PlaidItem,
    identify=whose_item,
    settings=(PlaidSettings,),
    rate=PLAID_RATE,
)
SIMPLEFIN: ConnectionKind[SimpleFinAccess] = ConnectionKind(
    "simplefin", title="SimpleFIN", credentials=SimpleFinAccess, identify=whose_bridge, rate=SIMPLEFIN_RATE
)
