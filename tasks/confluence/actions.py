"""The actions of this domain, where the registry looks for them."""

from tasks.confluence.index_actions import ask, index, search
from tasks.confluence.reading_actions import page, spaces
from tasks.confluence.writing_actions import append_section, create_page, restore_version, trash_page, update_page

__all__ = [
    "append_section",
    "ask",
    "create_page",
    "index",
    "page",
    "restore_version",
    "search",
    "spaces",
    "trash_page",
    "update_page",
]
