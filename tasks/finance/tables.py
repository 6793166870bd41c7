"""The tables of money: accounts, what came and went on them, and where each row was seen."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from models.db.base import Instant, metadata
from models.owned_records import origin_columns
from models.record_list import folded_column


def _user() -> sa.Column[Any]:
    return sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


accounts = sa.Table(
    "finance_accounts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    _user(),
    sa.Column("name", sa.String(140), nullable=False),
    sa.Column("number", sa.String(140)),  # as the bank writes it
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("provider", sa.String(20), nullable=False),  # of its transactions: file, simplefin, plaid
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_finance_accounts_user", "user_id", "id"),
)

#: The names by which files and providers mean an account; several of them may mean one.
account_keys = sa.Table(
    "finance_account_keys",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("account_id", sa.Uuid, sa.ForeignKey("finance_accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Index("ix_finance_account_keys_account", "account_id"),  # an account's, when it goes
)

imports = sa.Table(
    "finance_imports",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # the job's id, so that repeating imports nothing
    _user(),
    sa.Column("file_name", sa.String(255), nullable=False),
    sa.Column("format", sa.String(20), nullable=False),
    sa.Column("added", sa.Integer, nullable=False),
    sa.Column("report", sa.Text, nullable=False),  # what the job answered, as JSON
    sa.Column("layout_key", sa.String(64)),  # of a CSV file: its header, so that its layout is known next time
    sa.Column("layout", sa.Text),
    sa.Column("undone_at", Instant),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_finance_imports_user", "user_id", "id"),  # a user's, newest first
    sa.Index("ix_finance_imports_layout", "user_id", "layout_key", "id"),  # the last one with this header
)

transactions = sa.Table(
    "finance_transactions",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    _user(),
    sa.Column("account_id", sa.Uuid, sa.ForeignKey("finance_accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("booked_on", sa.Date, nullable=False),
    sa.Column("value_on", sa.Date),
    sa.Column("minor", sa.BigInteger, nullable=False),  # negative is money out
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("text", sa.String(1000), nullable=False),
    folded_column("text", indexed=True),
    sa.Column("payee", sa.String(140)),
    sa.Column("text_key", sa.String(32), nullable=False),  # of the normalised text
    sa.Column("nth", sa.Integer, nullable=False),  # of those with the same account, date, amount and text
    sa.Column("provider_id", sa.String(255)),  # a hint: banks renumber
    sa.Column("pending", sa.Boolean, nullable=False),
    sa.Column("category", sa.String(60)),
    sa.Column("category_by", sa.String(10)),  # user, rule, file or provider
    sa.Column("note", sa.String(1000)),
    sa.Column("source", sa.String(10), nullable=False),  # file, hand, simplefin or plaid: only a file's is undone
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.UniqueConstraint(
        "account_id",
        "booked_on",
        "minor",
        "currency",
        "text_key",
        "nth",
        "pending",
        name="uq_finance_transactions_identity",
    ),
    # Each list is walked from its newest on: all, of one account, of one category; and in the order of ids.
    sa.Index("ix_finance_transactions_date", "user_id", "booked_on", "id"),
    sa.Index("ix_finance_transactions_account", "user_id", "account_id", "booked_on", "id"),
    sa.Index("ix_finance_transactions_category", "user_id", "category", "booked_on", "id"),
    sa.Index("ix_finance_transactions_amount", "user_id", "minor", "id"),
    sa.Index("ix_finance_transactions_pending", "user_id", "pending", "booked_on", "id"),
    sa.Index("ix_finance_transactions_user", "user_id", "id"),
    # and one for words in `text`, which its migration makes (models.text_index)
    sa.Index("ix_finance_transactions_provider", "account_id", "provider_id"),  # one that a provider changes
)

#: Which import has seen which transaction: one that two files hold outlives the undo of one of them.
sightings = sa.Table(
    "finance_sightings",
    metadata,
    sa.Column("import_id", sa.Uuid, sa.ForeignKey("finance_imports.id", ondelete="CASCADE"), primary_key=True),
    sa.Column(
        "transaction_id", sa.Uuid, sa.ForeignKey("finance_transactions.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Index("ix_finance_sightings_transaction", "transaction_id"),
)

balances = sa.Table(
    "finance_balances",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("account_id", sa.Uuid, sa.ForeignKey("finance_accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("import_id", sa.Uuid, sa.ForeignKey("finance_imports.id", ondelete="CASCADE")),
    sa.Column("on_day", sa.Date, nullable=False),
    sa.Column("minor", sa.BigInteger, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Index("ix_finance_balances_account", "account_id", "on_day"),  # the last one before a day
    sa.Index("ix_finance_balances_import", "import_id"),  # those that go with an import
)

#: A row of an import that may be a transaction that is there already: a person is asked.
doubts = sa.Table(
    "finance_doubts",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    _user(),
    sa.Column("import_id", sa.Uuid, sa.ForeignKey("finance_imports.id", ondelete="CASCADE"), nullable=False),
    sa.Column("account_id", sa.Uuid, sa.ForeignKey("finance_accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("transaction_id", sa.Uuid, sa.ForeignKey("finance_transactions.id", ondelete="CASCADE"), nullable=False),
    sa.Column("row", sa.Text, nullable=False),  # as JSON, as it would be kept
    sa.Column("reason", sa.String(300), nullable=False),
    sa.Column("answer", sa.String(10)),  # same, different; null while nobody has said
    sa.Column("added_id", sa.Uuid),  # the transaction that `different` made
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_finance_doubts_user", "user_id", "id"),
    sa.Index("ix_finance_doubts_import", "import_id"),
    sa.Index("ix_finance_doubts_transaction", "transaction_id"),
)

rules = sa.Table(
    "finance_rules",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    _user(),
    sa.Column("words", sa.String(200), nullable=False),
    folded_column("words"),
    sa.Column("category", sa.String(60), nullable=False),
    sa.Column("direction", sa.String(3)),  # in, out; null for both
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    *origin_columns(),
    sa.Index("ix_finance_rules_user", "user_id", "id"),
)

#: Links at which people sign in at their banks (Plaid), and what became of them.
bank_links = sa.Table(
    "finance_bank_links",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),  # of the job that made it
    _user(),
    sa.Column("token", sa.String(300), nullable=False),  # good for nothing without this installation's secret
    sa.Column("item", sa.String(300)),  # the account that is signed in to again; null for a new one
    sa.Column("connected", sa.Text),  # accounts that came of it, as JSON
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("updated_at", Instant, nullable=False),
    sa.Index("ix_finance_bank_links_user", "user_id", "id"),
)

#: How far the transactions of a connected account have been read.
syncs = sa.Table(
    "finance_syncs",
    metadata,
    sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("provider", sa.String(20), primary_key=True),
    sa.Column("connection", sa.String(300), primary_key=True),
    sa.Column("cursor", sa.Text),  # null before the first reading
    sa.Column("edits", sa.Text),  # what users had said of pending transactions that are gone, as JSON, by their ids
    sa.Column("synced_at", Instant),
    sa.Column("updated_at", Instant, nullable=False),
)
