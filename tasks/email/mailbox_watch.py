"""Watches as they are sent and shown, and where they are kept: which new mail is sorted by the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pydantic import Field, StrictBool

from engine.account_access import choose
from llmcoder import BadInput, Model
from llmcoder.config import config
from llmcoder.model import ChangeModel
from models.db.database import reading
from models.owned_records import OwnedRows
from tasks.email.accounts import KINDS
from tasks.email.tables import watches
from tasks.email.triage_actions import MOST_LABELS
from tasks.email.views import ACCOUNT, Instructions, Label

MOST_WATCHES = 50
#: The most patient looks once a day: Gmail's history may go back no further.
SHORTEST_S, LONGEST_S = 60, 86_400

EVERY = "Seconds between two looks."
APPLY = "Whether suggested labels are put on: by jobs of email.label, each of which waits for your approval."


class NewWatch(Model):
    """New mail to be sorted as it comes in."""

    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)
    label: Label | None = Field(None, description="A Gmail label or an IMAP folder; the inbox when left out.")
    every_s: int = Field(300, ge=SHORTEST_S, le=LONGEST_S, description=EVERY, examples=[300])
    instructions: Instructions | None = Field(
        None, description="What matters to you.", examples=["Mails of my bank are high."]
    )
    labels: list[Label] | None = Field(
        None, max_length=MOST_LABELS, description="Labels to choose from; those of the mailbox when left out."
    )
    apply_labels: StrictBool = Field(False, description=APPLY)
    enabled: StrictBool = Field(True, description="Whether it looks.")


class WatchChange(ChangeModel):
    """What to change of a watch; a field left out stays as it is."""

    account: str | None = Field(None, min_length=1, max_length=300, description=f"{ACCOUNT} It then begins anew.")
    label: Label | None = Field(None, description="Where to look; null for the inbox. It then begins anew.")
    every_s: int | None = Field(None, ge=SHORTEST_S, le=LONGEST_S, description=f"{EVERY} Null leaves them.")
    instructions: Instructions | None = Field(None, description="What matters to you; null for nothing special.")
    labels: list[Label] | None = Field(
        None, max_length=MOST_LABELS, description="Labels to choose from; null for those of the mailbox."
    )
    apply_labels: StrictBool | None = Field(None, description=f"{APPLY} Null leaves it.")
    enabled: StrictBool | None = Field(None, description="True looks at once and forgets failures; null leaves it.")


class Watch(Model):
    """New mail that is sorted as it comes in."""

    id: UUID = Field(description="The watch's id.")
    account: str | None = Field(description="Which mailbox; null for the one that you connected first.")
    label: str | None = Field(description="A Gmail label or an IMAP folder; null for the inbox.")
    every_s: int = Field(description=EVERY)
    instructions: str | None = Field(description="What matters to you.")
    labels: list[str] | None = Field(description="Labels to choose from; null for those of the mailbox.")
    apply_labels: bool = Field(description=APPLY)
    enabled: bool = Field(description="Whether it looks.")
    next_at: datetime | None = Field(description="When it looks next, if no look is under way; null while paused.")
    looked_at: datetime | None = Field(description="When the last look succeeded.")
    last_job_id: UUID | None = Field(description="The job of the last look that has ended.")
    failures: int = Field(description="How many looks failed in a row.")
    note: str | None = Field(description="What you should know: why it is paused, what was missed.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When it last changed.")


class Watches(OwnedRows[NewWatch, WatchChange, Watch]):
    """Watches, whose looks begin anew where they look elsewhere."""

    def add(self, user_id: UUID, new: NewWatch, item_id: UUID | None = None) -> Watch:
        """As `Store.add`.

        Raises:
            BadInput: There are too many, or no such account.
        """
        with reading(watches.name) as conn:
            own = sa.select(sa.func.count()).select_from(watches).where(watches.c.user_id == user_id)
            if conn.execute(own).scalar_one() >= MOST_WATCHES:
                raise BadInput(f"You have {MOST_WATCHES} watches, which is the most. Remove one first.")
            _refuse_unknown(conn, user_id, new.account)
        return super().add(user_id, new, item_id)

    def change(self, user_id: UUID, item_id: UUID, change: WatchChange) -> Watch | None:
        """As `Store.change`. Raises `BadInput` for an account that is not there."""
        with reading(watches.name) as conn:
            _refuse_unknown(conn, user_id, change.account)
        return super().change(user_id, item_id, change)

    def columns(self, fields: dict[str, Any], now: datetime) -> dict[str, Any]:
        columns = super().columns(fields, now)
        if {"account", "label"} & fields.keys():  # a look that is under way looks elsewhere: it is let go of
            columns |= {"cursor": None, "open_key": None}
        if (enabled := columns.get("enabled")) is not None:
            columns |= {"next_at": now, "failures": 0, "note": None} if enabled else {"next_at": None}
        return columns


def _refuse_unknown(conn: sa.Connection, user_id: UUID, account: str | None) -> None:
    if account is not None:
        choose(conn, user_id, KINDS, account, config().get)


WATCHES = Watches(watches, Watch)
