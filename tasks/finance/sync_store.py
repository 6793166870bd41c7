"""What a provider says has changed, as rows: all of it and the cursor behind it in one transaction.

A transaction that a provider changes keeps its row, and with it what its user has said of it; so does a pending one
that is booked, which has another id at the provider then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import Transient, strict_json
from llmcoder.caseless import fold
from llmcoder.ids import new_id
from models.db import conflicts
from models.owned_records import origin_of_changed, origin_of_new
from tasks.finance.categories import Rules, rules_of
from tasks.finance.identity import Identity, text_key
from tasks.finance.provider_rows import Told
from tasks.finance.store import account_of_number
from tasks.finance.tables import syncs, transactions

own = transactions.c
AT_ONCE = 500
#: Of pending transactions that are gone, what their users had said of them is kept for so many.
MOST_EDITS = 500


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """An account as a provider names it."""

    id: str
    name: str
    currency: str


@dataclass(slots=True)
class Changes:
    """What a provider says has changed.

    Attributes:
        told: New and changed transactions, oldest first.
        removed: Ids at the provider of those that are gone.
        window: Of providers that tell what there is: from which day on; a pending one that is not told is gone.
    """

    accounts: list[ProviderAccount]
    told: list[Told]
    removed: list[str] = field(default_factory=list)
    window: date | None = None


@dataclass(slots=True)
class Applied:
    """What became of changes."""

    added: int = 0
    changed: int = 0
    booked: int = 0
    removed: int = 0


def cursor_of(conn: sa.Connection, user_id: UUID, provider: str, connection: str) -> Any:
    """How far an account was read; None before its first reading."""
    return conn.execute(sa.select(syncs).where(*_which(user_id, provider, connection))).first()


def _which(user_id: UUID, provider: str, connection: str) -> tuple[sa.ColumnElement[bool], ...]:
    return syncs.c.user_id == user_id, syncs.c.provider == provider, syncs.c.connection == connection


class Sync:
    """One reading of one connected account, to be kept.

    Args:
        before: The cursor from which it was read.
    """

    def __init__(
        self, conn: sa.Connection, user_id: UUID, provider: str, connection: str, before: str | None, now: datetime
    ) -> None:
        self._conn = conn
        self._user_id = user_id
        self._provider = provider
        self._connection = connection
        self._now = now
        self._rules: Rules = rules_of(conn, user_id)
        self._origin = origin_of_new()
        self._edits = self._begin(before)
        self.applied = Applied()

    def _begin(self, before: str | None) -> dict[str, Any]:
        """Lock the row.

        Raises:
            Transient: Somebody else has read on meanwhile; what was read is old.
        """
        new = conflicts.insert(self._conn.dialect.name, syncs).values(
            user_id=self._user_id, provider=self._provider, connection=self._connection, updated_at=self._now
        )
        self._conn.execute(new.on_conflict_do_nothing())
        which = _which(self._user_id, self._provider, self._connection)
        row = self._conn.execute(sa.select(syncs).where(*which).with_for_update()).one()
        if row.cursor != before:
            raise Transient("These transactions have just been read by another job.")
        kept = strict_json.read_lenient(row.edits) if row.edits else {}
        return kept if isinstance(kept, dict) else {}

    def keep(self, changes: Changes, cursor: str | None) -> Applied:
        """Bring the changes in, and the cursor with them."""
        by_account: dict[str, list[Told]] = {}
        for one in changes.told:
            by_account.setdefault(one.account, []).append(one)
        accounts = {one.id: one for one in changes.accounts}
        gone = set(changes.removed)
        for account_id, told in by_account.items():
            about = accounts.get(account_id) or ProviderAccount(account_id, account_id, told[0].row.amount.currency)
            self._account(about, told, gone, changes.window)
        for about in changes.accounts:
            if about.id not in by_account:
                self._account(about, [], gone, changes.window)
        values = {"cursor": cursor, "edits": strict_json.write(dict(list(self._edits.items())[-MOST_EDITS:]))}
        which = _which(self._user_id, self._provider, self._connection)
        self._conn.execute(sa.update(syncs).where(*which).values(**values, synced_at=self._now, updated_at=self._now))
        return self.applied

    def _account(self, about: ProviderAccount, told: list[Told], gone: set[str], window: date | None) -> None:
        account = account_of_number(
            self._conn,
            self._user_id,
            f"{self._provider}:{about.id}",
            about.name,
            about.currency,
            self._provider,
            self._now,
        )
        rows = _AccountRows(self._conn, account.id, told, gone, window)
        for one in told:
            self._told(account.id, rows, one)
        if window is not None:
            gone = gone | rows.pending_since(window, {one.row.provider_id for one in told})
        for number in gone:
            if (row := rows.by_number.get(number)) is not None:
                self._forget(rows, row)

    def _told(self, account_id: UUID, rows: _AccountRows, one: Told) -> None:
        row, number = one.row, one.row.provider_id or ""
        known = rows.by_number.get(number)
        pending = rows.by_number.get(one.books or "") if known is None else None
        same = rows.unclaimed(one) if known is None and pending is None else None
        before = known or pending or same
        if before is None:
            self._add(account_id, rows, one)
            return
        rows.leave(before)
        values = self._values(rows, one) | self._category_beside(before, one)
        if pending is not None:
            self.applied.booked += 1
        elif known is not None and _differs(before, values):
            self.applied.changed += 1
        origin = origin_of_changed(before)
        self._conn.execute(
            sa.update(transactions).where(own.id == before.id).values(**values, **origin, updated_at=self._now)
        )
        rows.enter(before.id, row, number, values["nth"])

    def _add(self, account_id: UUID, rows: _AccountRows, one: Told) -> None:
        category, by = self._rules.category_of(one.row)
        said = self._edits.pop(one.books, {}) if one.books else {}
        values = self._values(rows, one) | {
            "id": new_id(), "user_id": self._user_id, "account_id": account_id, "note": said.get("note"),
            "source": self._provider,
            "category": said.get("category") or category, "created_at": self._now, "updated_at": self._now,
            "category_by": "user" if said.get("category") else "provider" if by == "file" else by, **self._origin,
        }  # fmt: skip
        self._conn.execute(sa.insert(transactions).values(**values))
        rows.enter(values["id"], one.row, one.row.provider_id or "", values["nth"])
        self.applied.added += 1

    def _values(self, rows: _AccountRows, one: Told) -> dict[str, Any]:
        row = one.row
        return {
            "booked_on": row.booked_on, "value_on": row.value_on, "minor": row.amount.minor,
            "currency": row.amount.currency, "text": row.text, "text_folded": fold(row.text), "payee": row.payee,
            "text_key": text_key(row.text), "nth": rows.free_nth(one), "provider_id": row.provider_id,
            "pending": row.pending,
        }  # fmt: skip

    def _category_beside(self, before: Any, one: Told) -> dict[str, Any]:
        """The category, unless its user has said it."""
        if before.category_by == "user":
            return {}
        category, by = self._rules.category_of(one.row)
        if category is None:
            return {}
        return {"category": category, "category_by": "provider" if by == "file" else by}

    def _forget(self, rows: _AccountRows, row: Any) -> None:
        """One that the provider has taken back; what its user said of a pending one waits for the booked one."""
        if row.pending and (row.category_by == "user" or row.note):
            category = row.category if row.category_by == "user" else None
            self._edits[row.provider_id] = {"category": category, "note": row.note}
        self._conn.execute(sa.delete(transactions).where(own.id == row.id))
        rows.leave(row)
        self.applied.removed += 1


class _AccountRows:
    """The transactions of an account that the changes touch, or lie beside.

    Attributes:
        by_number: By their ids at the provider.
    """

    def __init__(
        self, conn: sa.Connection, account_id: UUID, told: Sequence[Told], gone: Iterable[str], window: date | None
    ) -> None:
        self.by_number: dict[str, Any] = {}
        self._by_identity: dict[Identity, Any] = {}
        numbers = list(
            dict.fromkeys([*(one.row.provider_id or "" for one in told), *(one.books or "" for one in told), *gone])
        )
        for at in range(0, len(numbers), AT_ONCE):
            self._take(conn, account_id, own.provider_id.in_(numbers[at : at + AT_ONCE]))
        days = [one.row.booked_on for one in told]
        if days:
            self._take(conn, account_id, own.booked_on >= min(days), own.booked_on <= max(days))
        if window is not None:
            self._take(conn, account_id, own.booked_on >= window, own.pending.is_(sa.true()))

    def _take(self, conn: sa.Connection, account_id: UUID, *which: sa.ColumnElement[bool]) -> None:
        for row in conn.execute(sa.select(transactions).where(own.account_id == account_id, *which)):
            self._by_identity[_identity(row)] = row
            if row.provider_id:
                self.by_number[row.provider_id] = row

    def unclaimed(self, one: Told) -> Any:
        """The transaction that it is, of those that no provider has told: added by hand, or by a file."""
        found = self._by_identity.get(_identity_of(one, 1))
        return found if found is not None and found.provider_id is None else None

    def free_nth(self, one: Told) -> int:
        nth = 1
        while _identity_of(one, nth) in self._by_identity:
            nth += 1
        return nth

    def leave(self, row: Any) -> None:
        """It is not what it was, or gone."""
        self._by_identity.pop(_identity(row), None)
        self.by_number.pop(row.provider_id or "", None)

    def enter(self, _row_id: UUID, row: Any, number: str, nth: int) -> None:
        """It is there now; what stands for it is enough to keep its place."""
        key = Identity(row.booked_on, row.amount.minor, row.amount.currency, text_key(row.text), nth, row.pending)
        self._by_identity[key] = _Placed(_row_id, number)

    def pending_since(self, day: date, told: set[str | None]) -> set[str]:
        return {
            number
            for number, row in self.by_number.items()
            if row.pending and row.booked_on >= day and number not in told
        }


@dataclass(frozen=True, slots=True)
class _Placed:
    """A transaction that was written in this reading."""

    id: UUID
    provider_id: str


def _identity(row: Any) -> Identity:
    return Identity(row.booked_on, row.minor, row.currency, row.text_key, row.nth, row.pending)


def _identity_of(one: Told, nth: int) -> Identity:
    row = one.row
    return Identity(row.booked_on, row.amount.minor, row.amount.currency, text_key(row.text), nth, row.pending)


def _differs(before: Any, values: dict[str, Any]) -> bool:
    names = ("booked_on", "minor", "currency", "text", "pending")
    return any(getattr(before, name) != values[name] for name in names)


def oldest_first(told: Iterable[Told]) -> list[Told]:
    return sorted(told, key=lambda one: (one.row.booked_on, one.row.provider_id or ""))
