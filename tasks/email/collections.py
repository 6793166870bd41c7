"""Watches as plain records: list, add, show, change, remove under /email/watches."""

from __future__ import annotations

from llmcoder.declare.collection import Collection
from tasks.email.mailbox_watch import WATCHES, NewWatch, Watch, WatchChange
from tasks.email.mailbox_watch_actions import add_watch, change_watch, remove_watch

watches = Collection(
    "email/watches", title="Mail watches", new=NewWatch, change=WatchChange, item=Watch, store=WATCHES,
    adds=add_watch, changes=change_watch, removes=remove_watch,
)  # fmt: skip
