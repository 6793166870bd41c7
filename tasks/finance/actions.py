"""The actions of this domain, where the registry looks for them."""

from tasks.finance.account_actions import add_account, change_account, list_accounts, remove_account
from tasks.finance.bank_actions import connect_bank, connect_simplefin, finish_connecting, sync
from tasks.finance.doubt_actions import list_doubts, list_imports, reopen_doubts, settle_doubts
from tasks.finance.import_actions import import_statement, preview_statement, undo_import
from tasks.finance.insight_actions import export, recurring, spending, summary, unusual
from tasks.finance.rule_actions import add_rule, apply_rules, change_rule, list_rules, remove_rule
from tasks.finance.transaction_actions import (
    add_transaction,
    categorize,
    change_transaction,
    list_transactions,
    remove_transaction,
    restore_categories,
)

__all__ = [
    "add_account", "add_rule", "add_transaction", "apply_rules", "categorize", "change_account", "change_rule",
    "change_transaction", "connect_bank", "connect_simplefin", "export", "finish_connecting", "import_statement",
    "list_accounts", "list_doubts", "list_imports", "list_rules", "list_transactions", "preview_statement",
    "recurring", "remove_account", "remove_rule", "remove_transaction", "reopen_doubts", "restore_categories",
    "settle_doubts", "spending", "summary", "sync", "undo_import", "unusual",
]  # fmt: skip
