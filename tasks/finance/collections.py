"""Plain records under /finance/transactions, /finance/accounts and /finance/rules."""

from __future__ import annotations

from llmcoder.declare.collection import Collection
from tasks.finance.account_actions import add_account, change_account, remove_account
from tasks.finance.records import (
    Account,
    AccountChange,
    NewBankAccount,
    NewTransaction,
    Transaction,
    TransactionChange,
)
from tasks.finance.rule_actions import RULES, NewRule, Rule, RuleChange, add_rule, change_rule, remove_rule
from tasks.finance.store import ACCOUNTS, TRANSACTIONS
from tasks.finance.transaction_actions import add_transaction, change_transaction, remove_transaction

transactions = Collection(
    "finance/transactions", title="Transactions", new=NewTransaction, change=TransactionChange, item=Transaction,
    store=TRANSACTIONS, adds=add_transaction, changes=change_transaction, removes=remove_transaction,
)  # fmt: skip
accounts = Collection(
    "finance/accounts", title="Accounts", new=NewBankAccount, change=AccountChange, item=Account, store=ACCOUNTS,
    adds=add_account, changes=change_account, removes=remove_account,
)  # fmt: skip
rules = Collection(
    "finance/rules", title="Rules for categories", new=NewRule, change=RuleChange, item=Rule, store=RULES,
    adds=add_rule, changes=change_rule, removes=remove_rule,
)  # fmt: skip
