"""Plain text and Markdown as blocks. Pure; one reader serves both, since people write plain text much like Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from llmcoder.text import is_seen
from tasks.document.page import Block, BlockKind, ParsedDocument, UnreadableDocument, collapsed

MAX_CHARS = 5_000_000

_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
# None of these may look far ahead from each of many places: a line can have millions of characters.
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(.*)$")
_UNDERLINE = re.compile(r"^\s{0,3}(=+|-{3,}|~{3,}|\*{4,})\s*$")
_ITEM = re.compile(r"^\s{0,6}(?:[-*+•]|\d{1,3}[.)])\s+(.*)$")
_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\((?:[^()\n]|\([^()\n]*\))*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`)(?=\S)(.{1,200}?)(?<=\S)\1")
_CODE_MARKS = re.compile(r"[{};=<>|\\$]|->|\(\)")


def read_text(text: str, media_type: str, where: str) -> ParsedDocument:
    """Find headings, paragraphs, items and code.

    Raises:
        Unreadable: Too large, or empty.
    """
    if len(text) > MAX_CHARS:
        raise UnreadableDocument(f"{where} has {len(text)} characters; at most {MAX_CHARS} are read.")
    blocks = tuple(blocks_of(text))
    if not blocks:
        raise UnreadableDocument(f"{where} is empty.")
    first = blocks[0]
    return ParsedDocument(first.text if first.kind is BlockKind.HEADING else None, blocks, media_type)


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks of a text, separated by empty lines, headings, items and fences."""
    for lines, fenced in _groups(text.expandtabs(4).splitlines()):
        if fenced or _looks_like_code(lines):
            yield Block(BlockKind.CODE, "\n".join(lines).strip("\n"))
        else:
            yield from _prose(lines)


def _groups(lines: Iterable[str]) -> Iterator[tuple[list[str], bool]]:
    """Runs of lines without an empty one between them, and what stands between fences."""
    group: list[str] = []
    fence = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence and mark and mark[1].startswith(fence):
            yield group, True
            group, fence = [], ""
        elif not fence and mark:
            if group:
                yield group, False
            group, fence = [], mark[1]
        elif fence or line.strip():
            group.append(line)
        elif group:
            yield group, False
            group = []
    if group:
        yield group, bool(fence)


def _looks_like_code(lines: list[str]) -> bool:
    indented = all(line.startswith("    ") for line in lines)
    marked = sum(1 for line in lines if _CODE_MARKS.search(line))
    return indented and marked * 2 >= len(lines)


def _prose(lines: list[str]) -> Iterator[Block]:
    kind, held = BlockKind.PARAGRAPH, list[str]()
    for line in lines:
        heading, item = _HEADING.match(line), _ITEM.match(line)
        underlined = _UNDERLINE.match(line) is not None
        if underlined and len(held) == 1:
            kind = BlockKind.HEADING
        if heading or item or underlined:
            yield from _block(kind, held)
            kind, held = BlockKind.PARAGRAPH, []
        if heading:
            yield from _block(BlockKind.HEADING, [heading[1].rstrip().rstrip("#")])
        elif item:
            kind, held = BlockKind.ITEM, [item[1]]
        elif not underlined:
            held.append(line)
    yield from _block(kind, held)


def _block(kind: BlockKind, lines: list[str]) -> Iterator[Block]:
    text = collapsed(_EMPHASIS.sub(r"\2", _LINK.sub(r"\1", " ".join(lines))))
    if is_seen(text):
        yield Block(kind, text)
