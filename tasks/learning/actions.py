"""Every action of learning, each declared in a file beside this one."""

from __future__ import annotations

from tasks.learning.card_actions import (
    add_card,
    add_cards,
    change_card,
    list_cards,
    list_decks,
    remove_card,
    remove_cards,
)
from tasks.learning.export_actions import export
from tasks.learning.import_actions import import_cards, remove_import
from tasks.learning.resource_actions import (
    add_resource,
    add_starter_resources,
    change_resource,
    list_resources,
    remove_resource,
    remove_resources,
)
from tasks.learning.review_actions import (
    change_options,
    check_schedule,
    due,
    restore_options,
    review,
    show_options,
    take_back_review,
)
from tasks.learning.suggest_actions import suggest

__all__ = [
    "add_card",
    "add_cards",
    "add_resource",
    "add_starter_resources",
    "change_card",
    "change_options",
    "change_resource",
    "check_schedule",
    "due",
    "export",
    "import_cards",
    "list_cards",
    "list_decks",
    "list_resources",
    "remove_card",
    "remove_cards",
    "remove_import",
    "remove_resource",
    "remove_resources",
    "restore_options",
    "review",
    "show_options",
    "suggest",
    "take_back_review",
]
