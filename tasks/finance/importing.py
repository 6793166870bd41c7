"""How the rows of a statement become transactions: found again, added, or held back for a person to say.

All of it is one transaction of the database, and what it did is written beside it, so that it can be undone as one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import strict_json
from llmcoder.caseless import fold
from llmcoder.ids import new_id
from llmcoder.money import Money
from models.owned_records import origin_of_new
from tasks.finance import proof
from tasks.finance.categories import Rules
from tasks.finance.identity import Identity, identified
from tasks.finance.proof import Proof
from tasks.finance.statement import Row, Statement
from tasks.finance.tables import balances, doubts, sightings, transactions

own = transactions.c
#: Two banks' days of one payment lie so far apart at most.
DAYS_APART = timedelta(days=3)
#: A pending payment is booked within so many days.
PENDING_DAYS = timedelta(days=14)
AT_ONCE = 500
_WANTED = (
    own.id, own.booked_on, own.minor, own.currency, own.text_key, own.nth, own.pending, own.provider_id, own.text,
    own.category, own.category_by, own.note,
)  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """What became of the rows of one account.

    Attributes:
        added: New transactions; `known`: those that were there already; `doubtful`: those held back.
        booked: Pending ones that have been booked now.
    """

    added: int = 0
    known: int = 0
    doubtful: int = 0
    booked: int = 0
    proofs: list[Proof] = field(default_factory=list)


class AccountImport:
    """One import into one account.

    Args:
        account: Its row.
        by: Which import; None for what a provider tells.
    """

    def __init__(self, conn: sa.Connection, account: Any, import_id: UUID, rules: Rules, now: datetime) -> None:
        self._conn = conn
        self._account = account
        self._import_id = import_id
        self._rules = rules
        self._now = now
        self._origin = origin_of_new()
        self._new: list[dict[str, Any]] = []
        self._seen: list[UUID] = []
        self._doubts: list[dict[str, Any]] = []
        self._booked: list[tuple[UUID, UUID]] = []
        self.outcome = Outcome()

    def take(self, statements: Sequence[Statement]) -> Outcome:
        """Bring in what the statements have, in the order of the file."""
        for one in joined(statements):
            self._take(one)
            self._write()
            self.outcome.proofs.append(proof.of(self._conn, self._account.id, one, self.outcome.doubtful > 0))
            self._keep_balances(one)
        return self.outcome

    def _take(self, statement: Statement) -> None:
        if not statement.rows:
            return
        match = _Match(self._there(statement.rows), statement.rows, self._goes_on_from(statement))
        for identity, row in match.left:
            if (booked := match.booked_of(row)) is not None:
                match.known.append(booked)
                continue
            pending = match.pending_of(row)
            doubt = None if pending else match.may_be(identity, row)
            if pending is not None:
                self._book(pending, identity, row)
            elif doubt is not None:
                self._doubt(doubt, row)
            else:
                self._new.append(self._values(identity, row, match.free_nth(identity)))
                self.outcome.added += 1
        for known in match.known:
            self._seen.append(known.id)
            self.outcome.known += 1

    def _goes_on_from(self, statement: Statement) -> date | None:
        """The day on which another statement, that is kept, ended with the balance with which this one begins.

        What is alike on that day may be two; if this very statement is kept already, it is not.
        """
        opening, closing = statement.opening, statement.closing
        if opening is None or closing is None or opening.on is None or closing.on is None:
            return None
        kept = {
            (one.on_day, one.minor)
            for one in self._conn.execute(
                sa.select(balances.c.on_day, balances.c.minor).where(
                    balances.c.account_id == self._account.id, balances.c.on_day.in_([opening.on, closing.on])
                )
            )
        }
        is_new = (closing.on, closing.amount.minor) not in kept
        return opening.on if is_new and (opening.on, opening.amount.minor) in kept else None

    def _there(self, rows: list[Row]) -> Sequence[Any]:
        days = [row.booked_on for row in rows]
        query = sa.select(*_WANTED).where(
            own.user_id == self._account.user_id, own.account_id == self._account.id,
            own.booked_on >= min(days) - PENDING_DAYS, own.booked_on <= max(days) + PENDING_DAYS,
        )  # fmt: skip
        return self._conn.execute(query).all()

    def _values(self, identity: Identity, row: Row, nth: int) -> dict[str, Any]:
        category, by = self._rules.category_of(row)
        return {
            "id": new_id(), "user_id": self._account.user_id, "account_id": self._account.id,
            "booked_on": row.booked_on, "value_on": row.value_on, "minor": identity.minor,
            "currency": identity.currency, "text": row.text, "text_folded": fold(row.text), "payee": row.payee,
            "text_key": identity.text_key, "nth": nth, "provider_id": row.provider_id, "pending": row.pending,
            "category": category, "category_by": by, "note": None, "source": "file", "created_at": self._now,
            "updated_at": self._now, **self._origin,
        }  # fmt: skip

    def _book(self, pending: Any, identity: Identity, row: Row) -> None:
        """What was pending is booked: the new row takes its place, and what its user had said of it goes along."""
        values = self._values(identity, row, identity.nth)
        if pending.category_by == "user":
            values |= {"category": pending.category, "category_by": "user"}
        self._new.append(values | {"note": pending.note})
        self._booked.append((pending.id, values["id"]))
        self.outcome.booked += 1

    def _doubt(self, doubt: tuple[Any, str], row: Row) -> None:
        existing, reason = doubt
        self._doubts.append({
            "id": new_id(), "user_id": self._account.user_id, "import_id": self._import_id,
            "account_id": self._account.id, "transaction_id": existing.id, "row": as_json(row), "reason": reason,
            "answer": None, "added_id": None, "created_at": self._now, "updated_at": self._now, **self._origin,
        })  # fmt: skip
        self.outcome.doubtful += 1

    def _write(self) -> None:
        _insert(self._conn, transactions, self._new)
        for pending_id, booked_id in self._booked:
            # whoever has seen it pending has seen this payment: it stays when this import is undone
            theirs = sa.update(sightings).where(sightings.c.transaction_id == pending_id)
            self._conn.execute(theirs.values(transaction_id=booked_id))
            self._conn.execute(sa.delete(transactions).where(own.id == pending_id))
        self._ask_once()
        seen = dict.fromkeys([*self._seen, *(one["id"] for one in self._new)])
        note_sightings(self._conn, self._import_id, seen)
        _insert(self._conn, doubts, self._doubts)
        self._new, self._seen, self._doubts, self._booked = [], [], [], []

    def _ask_once(self) -> None:
        """What a person has answered already is not asked again; nor is what still waits for an answer."""
        ids = [one["transaction_id"] for one in self._doubts]
        asked: dict[tuple[UUID, str], str | None] = {}
        for at in range(0, len(ids), AT_ONCE):
            query = sa.select(doubts.c.transaction_id, doubts.c.row, doubts.c.answer)
            found = self._conn.execute(query.where(doubts.c.transaction_id.in_(ids[at : at + AT_ONCE])))
            asked |= {(one.transaction_id, one.row): one.answer for one in found}
        for one in self._doubts:
            if asked.get((one["transaction_id"], one["row"])) == "same":
                self._seen.append(one["transaction_id"])
                self.outcome.known += 1
                self.outcome.doubtful -= 1
        self._doubts = [one for one in self._doubts if (one["transaction_id"], one["row"]) not in asked]

    def _keep_balances(self, statement: Statement) -> None:
        closing = statement.closing
        on = closing.on if closing is not None else None
        if closing is None or on is None or closing.amount.currency != self._account.currency:
            return
        self._conn.execute(sa.insert(balances).values(
            id=new_id(), account_id=self._account.id, import_id=self._import_id, on_day=on,
            minor=closing.amount.minor, currency=closing.amount.currency,
        ))  # fmt: skip


class _Match:
    """The rows of a statement beside the transactions of the account that are there.

    Args:
        boundary: What is alike up to this day may be two.

    Attributes:
        known: Transactions that the statement has, too.
        left: Its other rows.
    """

    def __init__(self, there: Sequence[Any], rows: list[Row], boundary: date | None) -> None:
        by_identity = {_identity(one): one for one in there}
        self.known: list[Any] = []
        self.left: list[tuple[Identity, Row]] = []
        self._days = (min(row.booked_on for row in rows), max(row.booked_on for row in rows))
        self._taken = set(by_identity)
        self._ids = {row.provider_id for row in rows if row.provider_id}
        pairs = list(identified(rows))
        agreeing = sum(
            row.provider_id is not None and row.provider_id == one.provider_id
            for identity, row in pairs
            if (one := by_identity.get(identity)) is not None
        )
        self._twins: dict[Identity, tuple[Any, str]] = {}
        seen: set[UUID] = set()
        for identity, row in pairs:
            one = by_identity.get(identity)
            if one is None:
                self.left.append((identity, row))
            elif agreeing and self._is_another(row, one):
                self._twins[identity] = one, "Same day, amount and text, but with another number of the bank's."
                self.left.append((identity, row))
            elif boundary is not None and identity.booked_on <= boundary:
                self._twins[identity] = one, "The statement goes on where another one ended, on the same day."
                self.left.append((identity, row))
            else:
                self.known.append(one)
                seen.add(one.id)
        self._unseen = defaultdict(list)
        for one in there:
            if one.id not in seen:
                self._unseen[one.minor, one.currency].append(one)

    def _is_another(self, row: Row, one: Any) -> bool:
        """The bank keeps its numbers, and this one is another, of a row that the file does not have."""
        both = row.provider_id is not None and one.provider_id is not None
        return both and row.provider_id != one.provider_id and one.provider_id not in self._ids

    def free_nth(self, identity: Identity) -> int:
        """Its place among those alike; the next one where a person's answer has filled that."""
        while identity in self._taken:
            identity = identity._replace(nth=identity.nth + 1)
        self._taken.add(identity)
        return identity.nth

    def pending_of(self, row: Row) -> Any:
        """The pending transaction that this row books, if there is one."""
        if row.pending:
            return None
        near = [
            one
            for one in self._unseen[row.amount.minor, row.amount.currency]
            if one.pending and timedelta(days=-1) <= row.booked_on - one.booked_on <= PENDING_DAYS
        ]
        if not near:
            return None
        chosen = min(
            near, key=lambda one: (one.provider_id != row.provider_id, not _alike(one.text, row.text), one.booked_on)
        )
        if chosen.provider_id != row.provider_id and not _alike(chosen.text, row.text):
            return None
        return self._take(chosen)

    def booked_of(self, row: Row) -> Any:
        """The booked transaction that this pending row of an older file has become, if there is one."""
        if not row.pending:
            return None
        near = [
            one
            for one in self._unseen[row.amount.minor, row.amount.currency]
            if not one.pending and timedelta() <= one.booked_on - row.booked_on <= PENDING_DAYS
            if (row.provider_id and one.provider_id == row.provider_id) or _alike(one.text, row.text)
        ]
        return self._take(min(near, key=lambda one: one.booked_on)) if near else None

    def may_be(self, identity: Identity, row: Row) -> tuple[Any, str] | None:
        """The transaction that this row may be, and why nobody can tell."""
        if (twin := self._twins.get(identity)) is not None:
            return twin
        candidates = [
            one
            for one in self._unseen[row.amount.minor, row.amount.currency]
            if one.pending == row.pending and abs(one.booked_on - row.booked_on) <= DAYS_APART
        ]
        same_number = [one for one in candidates if row.provider_id and one.provider_id == row.provider_id]
        if same_number:
            return self._take(same_number[0]), "The bank's number is the same, but the date or the text is another."
        first, last = self._days
        inside = [one for one in candidates if first <= one.booked_on <= last]
        if not inside:
            return None
        nearest = min(inside, key=lambda one: (abs(one.booked_on - row.booked_on), not _alike(one.text, row.text)))
        return self._take(nearest), (
            "The same amount within three days, and this file does not have the one that is there already."
        )

    def _take(self, one: Any) -> Any:
        """It stands for one row only."""
        self._unseen[one.minor, one.currency].remove(one)
        return one


def _identity(one: Any) -> Identity:
    return Identity(one.booked_on, one.minor, one.currency, one.text_key, one.nth, one.pending)


def _alike(one: str, other: str) -> bool:
    """They share a word of some length."""
    words = [{word for word in fold(text).split() if len(word) >= 4} for text in (one, other)]
    return bool(words[0] & words[1])


def _insert(conn: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    for at in range(0, len(rows), AT_ONCE):
        conn.execute(sa.insert(table), rows[at : at + AT_ONCE])


def note_sightings(conn: sa.Connection, import_id: UUID, ids: Iterable[UUID]) -> None:
    """An import has seen them; said again, it changes nothing."""
    known = {
        row[0] for row in conn.execute(sa.select(sightings.c.transaction_id).where(sightings.c.import_id == import_id))
    }
    new = [{"import_id": import_id, "transaction_id": one} for one in ids if one not in known]
    _insert(conn, sightings, new)


def joined(statements: Sequence[Statement]) -> list[Statement]:
    """Statements of one account, where each begins with the balance at which the one before ended, as one.

    So that what is alike on two pages of one day is counted through. The same statement twice counts once.
    """
    made: list[Statement] = []
    for one in statements:
        if any(one.rows and one.rows == other.rows and one.closing == other.closing for other in made):
            continue
        last = made[-1] if made else None
        if last is not None and last.closing and one.opening and last.closing.amount == one.opening.amount:
            made[-1] = Statement(
                last.number, last.currency, last.name, last.opening, one.closing, last.rows + one.rows,
                last.notes + one.notes,
            )  # fmt: skip
        else:
            made.append(one)
    return made


def as_json(row: Row) -> str:
    """A row that is held back."""
    return strict_json.write({
        "booked_on": row.booked_on.isoformat(), "value_on": row.value_on and row.value_on.isoformat(),
        "minor": row.amount.minor, "currency": row.amount.currency, "text": row.text, "payee": row.payee,
        "provider_id": row.provider_id, "pending": row.pending, "category": row.category,
    })  # fmt: skip


def of_json(text: str) -> Row:
    held = strict_json.read_lenient(text)
    value_on = held["value_on"]
    return Row(
        booked_on=date.fromisoformat(held["booked_on"]), value_on=value_on and date.fromisoformat(value_on),
        amount=Money(held["minor"], held["currency"]), text=held["text"], payee=held["payee"],
        provider_id=held["provider_id"], pending=held["pending"], category=held["category"],
    )  # fmt: skip
