"""The markdown that is written to Atlassian's sites: CommonMark with tables, strikethrough, and the tags of GitHub.

HTML is text, but for `<sup>` and `<sub>`, and `<br>` in a cell of a table: markdown has no other way to say these, and
what `markdown_signs` writes must come back as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

#: An address that stands in a text (GFM, 6.9): neither of Atlassian's formats makes a link of it by itself.
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9])https?://(?=[^\s<>/?#])[^\s<>。，、；：！？「」『』（）【】《》]+", re.IGNORECASE
)
LONGEST_ADDRESS_CHARS = 2_000
_NO_END = "?!.,:*_~'\""
#: Kind of a link that nobody marked as one.
BARE = "bare"
_MOVED = re.compile(r"<(sup|sub)>([^<>\n]{1,200})</\1>")
_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)


def parser(**options: Any) -> MarkdownIt:
    """A parser of one's own, to which render rules can be added."""
    from markdown_it import MarkdownIt  # loads its grammar

    made = MarkdownIt("commonmark", {"html": False, **options}).enable(["table", "strikethrough"])
    made.inline.ruler.before("autolink", "moved", _moved)
    made.core.ruler.push("bare_addresses", _link_addresses)
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


def _link_addresses(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and "://" in token.content and token.children:
            token.children = list(_with_links(token.children))


def _with_links(children: Iterable[Token]) -> Iterator[Token]:
    """Texts taken apart where an address is, but for those within a link."""
    depth = 0
    for child in children:
        depth += (child.type == "link_open") - (child.type == "link_close")
        if child.type == "text" and not depth and "://" in child.content:
            yield from _taken_apart(child)
        else:
            yield child


def _taken_apart(text: Token) -> Iterator[Token]:
    at = 0
    for found in _ADDRESS.finditer(text.content):
        address = _ended(found[0])
        if len(found[0]) > LONGEST_ADDRESS_CHARS:
            continue
        if found.start() > at:
            yield text.copy(content=text.content[at : found.start()])
        at = found.start() + len(address)
        yield text.copy(type="link_open", tag="a", nesting=1, content="", attrs={"href": address}, info=BARE)
        yield text.copy(content=address)
        yield text.copy(type="link_close", tag="a", nesting=-1, content="", info=BARE)
    if at < len(text.content):
        yield text.copy(content=text.content[at:])


def _ended(address: str) -> str:
    """Without what ends the sentence, or closes the bracket that it stands in (GFM, 6.9)."""
    surplus = address.count(")") - address.count("(")
    while address:
        if address[-1] in _NO_END or address[-1] in "]}":
            address = address[:-1]
        elif address[-1] == ")" and surplus > 0:
            address, surplus = address[:-1], surplus - 1
        else:
            break
    return address


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
