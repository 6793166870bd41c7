"""Accounts, transactions, imports and what they ask."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from models.text_index import create_text_index

revision = "finance_0001"
down_revision = None
branch_labels = ("finance",)
depends_on = "0014_provenance"

TABLES = (
    "finance_rules",
    "finance_doubts",
    "finance_balances",
    "finance_sightings",
    "finance_transactions",
    "finance_imports",
    "finance_account_keys",
    "finance_accounts",
)


def upgrade() -> None:
    op.create_table(
        "finance_accounts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=140), nullable=False),
        sa.Column("number", sa.String(length=140)),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taint", sa.String(length=8)),
        sa.Column("sources", sa.Text()),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_finance_accounts_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finance_accounts")),
    )
    op.create_index("ix_finance_accounts_user", "finance_accounts", ["user_id", "id"])
    op.create_table(
        "finance_account_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_finance_account_keys_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["finance_accounts.id"], name=op.f("fk_finance_account_keys_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_finance_account_keys")),
    )
    op.create_index("ix_finance_account_keys_account", "finance_account_keys", ["account_id"])
    op.create_table(
        "finance_imports",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("file_name", sa.String(length=255), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("layout_key", sa.String(length=64)),
        sa.Column("layout", sa.Text()),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taint", sa.String(length=8)),
        sa.Column("sources", sa.Text()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_finance_imports_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finance_imports")),
    )
    op.create_index("ix_finance_imports_layout", "finance_imports", ["user_id", "layout_key", "id"])
    op.create_index("ix_finance_imports_user", "finance_imports", ["user_id", "id"])
    op.create_table(
        "finance_transactions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("value_on", sa.Date()),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("text", sa.String(length=1000), nullable=False),
        sa.Column("text_folded", sa.Text()),
        sa.Column("payee", sa.String(length=140)),
        sa.Column("text_key", sa.String(length=32), nullable=False),
        sa.Column("nth", sa.Integer(), nullable=False),
        sa.Column("provider_id", sa.String(length=255)),
        sa.Column("pending", sa.Boolean(), nullable=False),
        sa.Column("category", sa.String(length=60)),
        sa.Column("category_by", sa.String(length=10)),
        sa.Column("note", sa.String(length=1000)),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taint", sa.String(length=8)),
        sa.Column("sources", sa.Text()),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_finance_transactions_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["finance_accounts.id"], name=op.f("fk_finance_transactions_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finance_transactions")),
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
    )
    op.create_index(
        "ix_finance_transactions_account", "finance_transactions", ["user_id", "account_id", "booked_on", "id"]
    )
    op.create_index("ix_finance_transactions_amount", "finance_transactions", ["user_id", "minor", "id"])
    op.create_index(
        "ix_finance_transactions_category", "finance_transactions", ["user_id", "category", "booked_on", "id"]
    )
    op.create_index("ix_finance_transactions_date", "finance_transactions", ["user_id", "booked_on", "id"])
    op.create_index(
        "ix_finance_transactions_pending", "finance_transactions", ["user_id", "pending", "booked_on", "id"]
    )
    op.create_index("ix_finance_transactions_user", "finance_transactions", ["user_id", "id"])
    create_text_index(op.get_bind(), "finance_transactions", "text")
    op.create_table(
        "finance_sightings",
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["finance_imports.id"], name=op.f("fk_finance_sightings_import_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["finance_transactions.id"],
            name=op.f("fk_finance_sightings_transaction_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("import_id", "transaction_id", name=op.f("pk_finance_sightings")),
    )
    op.create_index("ix_finance_sightings_transaction", "finance_sightings", ["transaction_id"])
    op.create_table(
        "finance_balances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid()),
        sa.Column("on_day", sa.Date(), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["finance_accounts.id"], name=op.f("fk_finance_balances_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["import_id"], ["finance_imports.id"], name=op.f("fk_finance_balances_import_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finance_balances")),
    )
    op.create_index("ix_finance_balances_account", "finance_balances", ["account_id", "on_day"])
    op.create_index("ix_finance_balances_import", "finance_balances", ["import_id"])
    op.create_table(
        "finance_doubts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=False),
        sa.Column("answer", sa.String(length=10)),
        sa.Column("added_id", sa.Uuid()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taint", sa.String(length=8)),
        sa.Column("sources", sa.Text()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_finance_doubts_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["import_id"], ["finance_imports.id"], name=op.f("fk_finance_doubts_import_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["finance_accounts.id"], name=op.f("fk_finance_doubts_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"],
            ["finance_transactions.id"],
            name=op.f("fk_finance_doubts_transaction_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finance_doubts")),
    )
    op.create_index("ix_finance_doubts_import", "finance_doubts", ["import_id"])
    op.create_index("ix_finance_doubts_transaction", "finance_doubts", ["transaction_id"])
    op.create_index("ix_finance_doubts_user", "finance_doubts", ["user_id", "id"])
    op.create_table(
        "finance_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("words", sa.String(length=200), nullable=False),
        sa.Column("words_folded", sa.Text()),
        sa.Column("category", sa.String(length=60), nullable=False),
        sa.Column("direction", sa.String(length=3)),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taint", sa.String(length=8)),
        sa.Column("sources", sa.Text()),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_finance_rules_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finance_rules")),
    )
    op.create_index("ix_finance_rules_user", "finance_rules", ["user_id", "id"])


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
