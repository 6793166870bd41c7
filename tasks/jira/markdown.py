"""Markdown as a tree, for the two that write it anew; what it knows stands in `atlassian.markdown_parsing`."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tasks.atlassian.markdown_parsing import BARE, parser

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

#: What JIRA does not store, or shows as a box.
_UNFIT = re.compile(r"[^\t\n\r\x20-\x7e\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TASK = re.compile(r"\[([ xX])\][ \t]+")


def tree_of(markdown: str) -> list[SyntaxTreeNode]:
    """The blocks of a text."""
    from markdown_it.tree import SyntaxTreeNode

    return SyntaxTreeNode(_parser().parse(_UNFIT.sub("", markdown))).children


@cache
def _parser() -> MarkdownIt:
    return parser()


def followed(node: SyntaxTreeNode, name: str) -> str | None:
    """The address of a link or an image, where it is one that people may be led to."""
    address = str(node.attrs.get(name, ""))
    try:
        return address if urlsplit(address).scheme in ("http", "https", "mailto") else None
    except ValueError:  # half an IPv6 address
        return None


def is_bare(node: SyntaxTreeNode) -> bool:
    """Whether a link is an address in a text, of which JIRA makes one itself."""
    return node.info == BARE


def alt_of(node: SyntaxTreeNode) -> str:
    """What an image is called."""
    return "".join(one.content for one in node.walk() if one.type == "text")


def boxed(text: str) -> str:
    """The text of a list item, with a sign in place of the box of a task."""
    found = _TASK.match(text)
    if found is None:
        return text
    return ("☐ " if found[1] == " " else "☑ ") + text[found.end() :]


def begins_item(node: SyntaxTreeNode) -> bool:
    """Whether a text is the first of a list item."""
    inline = node.parent
    paragraph = inline.parent if inline is not None else None
    item = paragraph.parent if paragraph is not None else None
    if inline is None or paragraph is None or item is None or item.type != "list_item":
        return False
    return item.children[0] is paragraph and inline.children[0] is node
