"""The markdown that is written to Atlassian's sites: CommonMark with tables, strikethrough, and the tags of GitHub.

HTML is text, but for `<sup>` and `<sub>`, and `<br>` in a cell of a table: markdown has no other way to say these, and
what `markdown_signs` writes must come back as it was.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

_MOVED = re.compile(r"<(sup|sub)>([^<>\n]{1,200})</\1>")
_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)


def parser(**options: Any) -> MarkdownIt:
    """A parser of one's own, to which render rules can be added."""
    from markdown_it import MarkdownIt  # loads its grammar

    made = MarkdownIt("commonmark", {"html": False, **options}).enable(["table", "strikethrough"])
    made.inline.ruler.before("autolink", "moved", _moved)
    made.core.ruler.push("breaks_in_cells", _break_cells)
    return made


def _moved(state: StateInline, silent: bool) -> bool:
    """Raised or lowered text, with marks in it."""
    found = _MOVED.match(state.src, state.pos) if state.src[state.pos] == "<" else None
    if found is None or found.end() > state.posMax:
        return False
    if not silent:
        end, tag = state.posMax, found[1]
        state.push(f"{tag}_open", tag, 1)
        state.pos, state.posMax = found.start(2), found.end(2)
        state.md.inline.tokenize(state)
        state.posMax = end
        state.push(f"{tag}_close", tag, -1)
    state.pos = found.end()
    return True


def _break_cells(state: StateCore) -> None:
    for before, token in zip(state.tokens, state.tokens[1:], strict=False):
        if before.type in ("td_open", "th_open") and token.children:
            token.children = [one for child in token.children for one in _split(child)]


def _split(child: Token) -> list[Token]:
    if child.type != "text" or not _BREAK.search(child.content):
        return [child]
    parts = _BREAK.split(child.content)
    made: list[Token] = []
    for number, part in enumerate(parts):
        made += [child.copy(type="hardbreak", tag="br", content="")] if number else []
        text = part.lstrip() if number else part
        text = text.rstrip() if number < len(parts) - 1 else text
        made += [child.copy(content=text)] if text else []
    return made
