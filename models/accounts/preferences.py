"""What a user decided about their own jobs: which writes ask first, who answers, how long one may change one's mind.

One JSON document a user. Who approves stands in a table beside it as well, since the question "whose jobs may I
approve?" goes the other way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar
from uuid import UUID

import sqlalchemy as sa
from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo

from llmcoder.errors import BadInput
from llmcoder.model import Model
from llmcoder.zones import zone_of
from models.accounts.tables import approvers, preferences, users

DAY_S = 86_400
ME = "me"
T = TypeVar("T")


class Policy(StrEnum):
    """What happens to a write before it runs."""

    ASK = "ask"  # it waits for approval, whoever submitted it
    ALLOW = "allow"  # it runs, whoever submitted it, unless its input is tainted


#: What was kept is taken as it is, by rules of that time.
STORED: dict[str, bool] = {"stored": True}


def _pattern(text: str) -> str:
    if not re.fullmatch(r"\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*)", text):
        raise ValueError("is an action such as jira.add_comment, all of a domain such as jira.*, or *")
    return text


def _zone(text: str, info: ValidationInfo) -> str:
    if info.context is not STORED:
        zone_of(text)
    return text


Zone = Annotated[str, AfterValidator(_zone)]
ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Pattern = Annotated[str, AfterValidator(_pattern)]
WindowS = Annotated[int, Field(ge=0, le=DAY_S)]


class Preferences(Model):
    """A user's own rules for what is done in their name."""

    policies: dict[Pattern, Policy] = Field(
        default_factory=dict,
        max_length=1_000,
        description="`ask` or `allow` for writes, by action (`jira.add_comment`), domain (`jira.*`) or `*`; the "
        "nearest counts. Without one, what a person submits runs and everything else asks.",
        examples=[{"jira.*": "allow", "email.send": "ask"}],
    )
    approvers: list[Annotated[str, Field(max_length=254)]] = Field(
        default_factory=lambda: [ME],
        min_length=1,
        max_length=50,
        description="Who may approve and reject: email addresses of users, and `me`.",
        examples=[["me", "boss@example.org"]],
    )
    approval_expires_s: int = Field(
        DAY_S, ge=60, le=90 * DAY_S, description="Seconds after which a job that nobody approved is cancelled."
    )
    undo_window_s: dict[Pattern, WindowS] = Field(
        default_factory=dict,
        max_length=1_000,
        description="Seconds that a write is held back before it runs, so that it can still be cancelled for certain; "
        "by action, domain or `*`.",
        examples=[{"email.*": 30}],
    )

    timezone: Zone = Field(
        "UTC", max_length=64, description="IANA time zone in which your words about time are meant.",
        examples=["Europe/Berlin"],
    )  # fmt: skip
    notify: list[ChannelName] = Field(
        default_factory=list,
        max_length=10,
        description="Where reminders and digests go beside the push: `email` (from your own account to your address "
        "here), `slack` (a direct message).",
        examples=[["email"]],
    )

    def policy(self, action: str) -> Policy | None:
        return nearest(self.policies, action)

    def held_s(self, action: str) -> int:
        return nearest(self.undo_window_s, action) or 0


def nearest(by_pattern: Mapping[str, T], action: str) -> T | None:
    """The value for the action itself, else for its domain, else for everything."""
    for pattern in (action, f"{action.partition('.')[0]}.*", "*"):
        if pattern in by_pattern:
            return by_pattern[pattern]
    return None


def load(conn: sa.Connection, user_id: UUID) -> Preferences:
    document = conn.execute(_LOAD, {"user": user_id}).scalar()
    return _DEFAULT if document is None else Preferences.model_validate_json(document, context=STORED)


_DEFAULT = Preferences()
_LOAD = sa.select(preferences.c.document).where(preferences.c.user_id == sa.bindparam("user"))


def save(conn: sa.Connection, user_id: UUID, wanted: Preferences, now: datetime) -> None:
    """Keep a user's preferences.

    Raises:
        BadInput: An approver is no active user here.
    """
    ids = _ids_of(conn, user_id, wanted.approvers)
    row = {"document": wanted.model_dump_json(), "updated_at": now}
    mine = preferences.c.user_id == user_id
    if conn.execute(sa.update(preferences).where(mine).values(row)).rowcount == 0:
        conn.execute(sa.insert(preferences).values(user_id=user_id, **row))
    conn.execute(sa.delete(approvers).where(approvers.c.user_id == user_id))
    conn.execute(sa.insert(approvers), [{"user_id": user_id, "approver_id": one} for one in sorted(ids)])


def approver_ids(conn: sa.Connection, user_id: UUID) -> set[UUID]:
    """Who may approve a user's jobs."""
    found = conn.execute(sa.select(approvers.c.approver_id).where(approvers.c.user_id == user_id)).scalars()
    return set(found) or {user_id}


def approves_for(conn: sa.Connection, approver_id: UUID) -> set[UUID]:
    """Whose jobs a user may approve."""
    named = sa.select(approvers.c.user_id).where(approvers.c.approver_id == approver_id)
    found = set(conn.execute(named).scalars())
    return found | {approver_id} if approver_id in approver_ids(conn, approver_id) else found - {approver_id}


def _ids_of(conn: sa.Connection, user_id: UUID, emails: list[str]) -> set[UUID]:
    wanted = {email.strip().lower() for email in emails}
    query = sa.select(users.c.id, users.c.email).where(users.c.email.in_(wanted), users.c.is_active)
    found = {row.email: row.id for row in conn.execute(query)} | {ME: user_id}
    if unknown := sorted(wanted - found.keys()):
        raise BadInput(f"approvers: no active user here has the address {unknown[0]!r}.")
    return {found[email] for email in wanted}
