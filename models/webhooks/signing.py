"""Secrets that sign webhooks, sealed in the row they belong to: the newest, and for a while the one before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from llmcoder import strict_json
from models.accounts import vault
from models.accounts.vault import About, Sealed


@dataclass(frozen=True, slots=True)
class Secret:
    """One of them.

    Attributes:
        until: When it stops counting, since another has taken its place; None for the newest.
    """

    text: str
    until: datetime | None = None


def sealed(conn: sa.Connection, secrets: Sequence[Secret], about: About, now: datetime) -> dict[str, object]:
    """The columns that keep them."""
    said = [{"text": one.text, "until": one.until.isoformat() if one.until else None} for one in secrets]
    box = vault.seal(conn, strict_json.write_bytes(said), about, now)
    return {"secret": box.box, "key_version": box.version}


def opened(conn: sa.Connection, row: Any, about: About) -> list[Secret]:
    """Those of a row with the columns that `sealed` gave, the newest first."""
    found = strict_json.read_lenient(vault.open_(conn, Sealed(row.key_version, row.secret), about))
    return [Secret(one["text"], datetime.fromisoformat(one["until"]) if one["until"] else None) for one in found]


def counting(secrets: Sequence[Secret], now: datetime) -> tuple[str, ...]:
    """Those that count now."""
    return tuple(one.text for one in secrets if one.until is None or one.until > now)


def renewed(before: Sequence[Secret], text: str, until: datetime) -> list[Secret]:
    """A new one, and for so long the one before."""
    return [Secret(text), replace(before[0], until=until)]
