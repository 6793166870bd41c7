"""Where transactions and accounts are kept, for actions and collections alike."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from llmcoder import BadInput, NotFound
from llmcoder.caseless import fold
from llmcoder.declare.collection import Page, Store
from llmcoder.declare.filter import Filter
from llmcoder.ids import new_id
from llmcoder.money import exponent_of
from models.db import conflicts
from models.db.database import database, reading, writing
from models.owned_records import OwnedRows, origin_of_changed, origin_of_new, was_read
from models.record_list import RecordList
from tasks.finance.categories import rules_of
from tasks.finance.identity import account_key, text_key
from tasks.finance.records import (
    Account,
    AccountChange,
    AccountFilter,
    NewBankAccount,
    NewTransaction,
    Transaction,
    TransactionChange,
    TransactionFilter,
    money_of,
)
from tasks.finance.statement import in_one_line
from tasks.finance.tables import account_keys, accounts, transactions

own = transactions.c
MOST_ACCOUNTS = 500
SORTS = {"date": "booked_on", "amount": "minor"}


class Transactions(Store[NewTransaction, TransactionChange, Transaction]):
    """Transactions, whose amount is two columns."""

    filter: type[Filter] = TransactionFilter

    def __init__(self) -> None:
        self._list = RecordList(transactions, TransactionFilter, SORTS, None)

    def page(self, user_id: UUID, cursor: str | None, limit: int, wanted: Filter | None = None) -> Page[Transaction]:
        wanted = wanted or TransactionFilter()
        with reading(transactions.name) as conn:
            shown: list[sa.ColumnElement[Any]] = [one for one in own if one.name != "text_folded"]
            rows = self._list.rows(conn, shown, user_id, wanted, cursor, limit + 1)
        following = self._list.cursor_after(rows[limit - 1], wanted) if len(rows) > limit else None
        return Page[Transaction](items=[shown_transaction(row) for row in rows[:limit]], next=following)

    def get(self, user_id: UUID, item_id: UUID) -> Transaction | None:
        with reading(transactions.name) as conn:
            row = _row(conn, user_id, item_id)
        return None if row is None else shown_transaction(row)

    def add(self, user_id: UUID, new: NewTransaction, item_id: UUID | None = None) -> Transaction:
        """As `Store.add`; doing it again with the same id adds nothing, so a job gives its own."""
        item_id = item_id or new_id()
        with writing(transactions.name) as conn:
            row = _row(conn, user_id, item_id)
            if row is None:
                _insert(conn, user_id, item_id, new, database().now())
                row = _row(conn, user_id, item_id)
        if row is None:
            raise ValueError(f"{transactions.name}: the id {item_id} belongs to another user's row")
        return shown_transaction(row)

    def change(self, user_id: UUID, item_id: UUID, change: TransactionChange) -> Transaction | None:
        with writing(transactions.name) as conn:
            row = _row(conn, user_id, item_id, locked=True)
            if row is None:
                return None
            values = change.model_dump(exclude_unset=True)
            if "category" in values:
                values["category_by"] = None if values["category"] is None else "user"
            if values:
                values |= origin_of_changed(row) | {"updated_at": database().now()}
                conn.execute(sa.update(transactions).where(own.id == item_id).values(**values))
            return shown_transaction(_row(conn, user_id, item_id))

    def remove(self, user_id: UUID, item_id: UUID) -> bool:
        return self.take(user_id, item_id) is not None

    def take(self, user_id: UUID, item_id: UUID) -> Transaction | None:
        """Remove a transaction and give it back as it was; None where it is gone already."""
        with writing(transactions.name) as conn:
            row = _row(conn, user_id, item_id, locked=True)
            if row is not None:
                conn.execute(sa.delete(transactions).where(own.id == item_id))
        return None if row is None else shown_transaction(row)


def shown_transaction(row: Any) -> Transaction:
    was_read(row)
    names = set(Transaction.model_fields) - {"amount"}
    return Transaction(amount=money_of(row), **{name: getattr(row, name) for name in names})


def _row(conn: sa.Connection, user_id: UUID, item_id: UUID, *, locked: bool = False) -> Any:
    query = sa.select(transactions).where(own.id == item_id, own.user_id == user_id)
    return conn.execute(query.with_for_update() if locked else query).first()


def _insert(conn: sa.Connection, user_id: UUID, item_id: UUID, new: NewTransaction, now: datetime) -> None:
    account = account_for(conn, user_id, new.account, new.amount.currency, now)
    text = in_one_line(new.text)
    by_rule = rules_of(conn, user_id).match(text, new.amount.minor)
    category = new.category or by_rule
    alike = (
        own.account_id == account.id, own.booked_on == new.booked_on, own.minor == new.amount.minor,
        own.currency == new.amount.currency, own.text_key == text_key(text), own.pending.is_(sa.false()),
    )  # fmt: skip
    last = conn.execute(sa.select(sa.func.max(own.nth)).where(*alike)).scalar_one()
    conn.execute(sa.insert(transactions).values(
        id=item_id, user_id=user_id, account_id=account.id, booked_on=new.booked_on, value_on=None,
        minor=new.amount.minor, currency=new.amount.currency, text=text, text_folded=fold(text), payee=None,
        text_key=text_key(text), nth=(last or 0) + 1, provider_id=None, pending=False, category=category,
        category_by=None if category is None else "user" if new.category else "rule", note=new.note,
        source="hand", created_at=now, updated_at=now, **origin_of_new(),
    ))  # fmt: skip


class Accounts(OwnedRows[NewBankAccount, AccountChange, Account]):
    """Accounts; what files call one is kept beside it."""

    def columns(self, fields: dict[str, Any], now: datetime) -> dict[str, Any]:
        return super().columns(fields, now) | ({"provider": "file"} if "currency" in fields else {})

    def add(self, user_id: UUID, new: NewBankAccount, item_id: UUID | None = None) -> Account:
        """As `Store.add`. Raises `BadMoney` for a currency that does not exist."""
        exponent_of(new.currency)
        added = super().add(user_id, new, item_id)
        with writing(accounts.name) as conn:
            for name in filter(None, (new.number, new.name)):
                _keep_key(conn, user_id, account_key(name) or name[:200], added.id)
        return added


def account_for(conn: sa.Connection, user_id: UUID, name: str, currency: str, now: datetime) -> Any:
    """The user's account of that id, name or number; a new one of that name where there is none, locked.

    Raises:
        NotFound: It looks like an id, and is none of theirs.
        BadInput: There are too many accounts, or several of that name.
    """
    if (account_id := _as_id(name)) is not None:
        found = account_by_id(conn, user_id, account_id)
        if found is None:
            raise NotFound(f"You have no account {name}.")
        return found
    query = sa.select(accounts).where(accounts.c.user_id == user_id, accounts.c.name == name).with_for_update()
    named = conn.execute(query.limit(2)).all()
    if len(named) > 1:
        raise BadInput(f"Several of your accounts are called {name!r}. Say which by its id.")
    return named[0] if named else account_of_number(conn, user_id, name, name, currency, "file", now)


def account_of_number(
    conn: sa.Connection, user_id: UUID, number: str, name: str, currency: str, provider: str, now: datetime
) -> Any:
    """The user's account that files or providers mean by a number; a new one where nobody has met it, locked."""
    key = account_key(number) or number[:200]
    query = sa.select(account_keys.c.account_id).where(account_keys.c.user_id == user_id, account_keys.c.key == key)
    known = conn.execute(query).scalar_one_or_none()
    if known is not None:
        return account_by_id(conn, user_id, known)
    count = sa.select(sa.func.count()).select_from(accounts).where(accounts.c.user_id == user_id)
    if conn.execute(count).scalar_one() >= MOST_ACCOUNTS:
        raise BadInput(f"You have {MOST_ACCOUNTS} accounts, which is the most. Remove one first.")
    account_id = new_id()
    conn.execute(sa.insert(accounts).values(
        id=account_id, user_id=user_id, name=name[:140], number=number[:140], currency=currency, provider=provider,
        created_at=now, updated_at=now, **origin_of_new(),
    ))  # fmt: skip
    _keep_key(conn, user_id, key, account_id)  # which waits for another import that has met the number first
    if (first := conn.execute(query).scalar_one()) != account_id:
        conn.execute(sa.delete(accounts).where(accounts.c.id == account_id))
    return account_by_id(conn, user_id, first)


def account_by_id(conn: sa.Connection, user_id: UUID, account_id: UUID) -> Any:
    query = sa.select(accounts).where(accounts.c.id == account_id, accounts.c.user_id == user_id).with_for_update()
    return conn.execute(query).first()


def keep_number(conn: sa.Connection, user_id: UUID, number: str, account_id: UUID) -> None:
    """From now on files with this number mean that account."""
    _keep_key(conn, user_id, account_key(number) or number[:200], account_id)


def _keep_key(conn: sa.Connection, user_id: UUID, key: str, account_id: UUID) -> None:
    new = conflicts.insert(conn.dialect.name, account_keys).values(user_id=user_id, key=key, account_id=account_id)
    conn.execute(new.on_conflict_do_nothing(index_elements=["user_id", "key"]))


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


TRANSACTIONS = Transactions()
ACCOUNTS = Accounts(accounts, Account, AccountFilter)
