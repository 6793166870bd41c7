"""Addresses at which others call us: rows of their users, with the secrets by which callers prove who they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from models.webhooks import signing
from models.webhooks.signing import Secret
from models.webhooks.tables import inbound_hooks


@dataclass(frozen=True, slots=True)
class InboundHook:
    """One such address. `input` is JSON text: a template over what a call brings.

    Attributes:
        error: Why the last call that was proven became no job.
    """

    id: UUID
    user_id: UUID
    name: str
    action: str
    input: str
    scheme: str
    replay_window_s: int
    enabled: bool
    error: str | None
    error_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


COLUMNS = tuple(inbound_hooks.c[name] for name in InboundHook.__slots__)


def add(conn: sa.Connection, new: InboundHook, secret: Secret, now: datetime) -> None:
    values = {name: getattr(new, name) for name in InboundHook.__slots__}
    kept = signing.sealed(conn, [secret], (new.id, new.user_id), now)
    conn.execute(sa.insert(inbound_hooks).values(**values, **kept))


def listed(conn: sa.Connection, user_id: UUID, before: UUID | None, limit: int) -> list[InboundHook]:
    """The user's, the newest first."""
    query = sa.select(*COLUMNS).where(inbound_hooks.c.user_id == user_id)
    if before is not None:
        query = query.where(inbound_hooks.c.id < before)
    return [InboundHook(*row) for row in conn.execute(query.order_by(inbound_hooks.c.id.desc()).limit(limit))]


def get(conn: sa.Connection, user_id: UUID, hook_id: UUID, *, locked: bool = False) -> InboundHook | None:
    """The user's; None also when it is somebody else's."""
    query = sa.select(*COLUMNS).where(inbound_hooks.c.id == hook_id, inbound_hooks.c.user_id == user_id)
    row = conn.execute(query.with_for_update() if locked else query).first()
    return None if row is None else InboundHook(*row)


def called(conn: sa.Connection, hook_id: UUID, now: datetime) -> tuple[InboundHook, tuple[str, ...]] | None:
    """The hook that somebody calls, with the secrets that count now; None where there is none that is enabled."""
    query = sa.select(*COLUMNS).where(inbound_hooks.c.id == hook_id, inbound_hooks.c.enabled.is_(True))
    row = conn.execute(query).first()
    if row is None:
        return None
    hook = InboundHook(*row)
    return hook, signing.counting(secrets_of(conn, hook), now)


def secrets_of(conn: sa.Connection, hook: InboundHook) -> list[Secret]:
    """The newest first."""
    query = sa.select(inbound_hooks.c.key_version, inbound_hooks.c.secret).where(inbound_hooks.c.id == hook.id)
    row = conn.execute(query).one()
    return signing.opened(conn, row, (hook.id, hook.user_id))


def set_secrets(conn: sa.Connection, hook: InboundHook, secrets: Sequence[Secret], now: datetime) -> None:
    change(conn, hook.id, signing.sealed(conn, secrets, (hook.id, hook.user_id), now))


def change(conn: sa.Connection, hook_id: UUID, values: Mapping[str, Any]) -> None:
    conn.execute(sa.update(inbound_hooks).where(inbound_hooks.c.id == hook_id).values(values))


def remove(conn: sa.Connection, hook_id: UUID) -> None:
    conn.execute(sa.delete(inbound_hooks).where(inbound_hooks.c.id == hook_id))


def count(conn: sa.Connection, user_id: UUID) -> int:
    query = sa.select(sa.func.count()).select_from(inbound_hooks).where(inbound_hooks.c.user_id == user_id)
    found: int = conn.execute(query).scalar_one()
    return found
