"""The blocks of a tree of HTML, by where its elements begin and end. Pure.

Pages were laid out by tables for years, and mails and old sites still are: what stands in their cells is prose, and a
summary quotes it. A table of figures stays rows of cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from llmcoder.text import is_seen
from tasks.document.page import Block, BlockKind, collapsed, is_prose

_KINDS = {"li": BlockKind.ITEM, "item": BlockKind.ITEM, "pre": BlockKind.CODE, "head": BlockKind.HEADING}
_KINDS |= {"td": BlockKind.TABLE, "th": BlockKind.TABLE, "cell": BlockKind.TABLE}
_KINDS |= {f"h{level}": BlockKind.HEADING for level in range(1, 7)}
_ROWS = ("tr", "row")
_CELLS = ("td", "th", "cell")
_BREAKS = ("br", "lb")
#: Where a line ends on a page; trafilatura's own names among them.
_BLOCKS = """
    p div section article main table tbody thead tfoot caption ul ol dl dt dd blockquote hr figure figcaption address
    details summary center fieldset form legend body html header footer nav aside quote list tr row title option label
    textarea
"""
BOUNDARIES = frozenset(_KINDS) | frozenset(_BLOCKS.split())
#: Stands for `<br>`, since a line's end in the source is a space.
_BREAK = "\u2028"
_EMPTY_LINE = re.compile(rf"{_BREAK}\s*{_BREAK}")


def blocks_of(tree: Any) -> list[Block]:
    """All its text, in its order."""
    from lxml import etree  # type: ignore[import-untyped]

    writer = _Writer()
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            writer.begin(tag, (element.text or "") if tag else "")
        else:
            writer.end(tag, (element.tail or "") if element is not tree else "")
    return writer.blocks()


class _Writer:
    """Takes elements one by one; the rows that are open are lists in each other."""

    def __init__(self) -> None:
        self._kinds = [BlockKind.PARAGRAPH]
        self._open: list[list[Block]] = [[]]
        self._cells: list[int] = []  # where each open one begins among the blocks of its row
        self._text: list[str] = []

    def begin(self, tag: str, text: str) -> None:
        if tag in BOUNDARIES:
            self._flush()
            self._kinds.append(_KINDS.get(tag, self._inherited()))
        if tag in _ROWS:
            self._open.append([])
        if tag in _CELLS:
            self._cells.append(len(self._open[-1]))
        if tag in _BREAKS:
            self._text.append(_BREAK)
        self._text.append(text)

    def end(self, tag: str, tail: str) -> None:
        if tag in BOUNDARIES:
            self._flush()
            self._kinds.pop()
        if tag in _CELLS:
            self._join_lines(self._cells.pop())
        if tag in _ROWS:
            row = self._open.pop()
            self._open[-1] += _row(row)
        self._text.append(tail)

    def blocks(self) -> list[Block]:
        self._flush()
        return self._open[0]

    def _join_lines(self, start: int) -> None:
        """The lines of one cell are one cell, but for prose."""
        lines = self._open[-1][start:]
        if not lines and len(self._open) > 1:  # its column stays
            self._open[-1].append(Block(BlockKind.TABLE, ""))
        if len(lines) > 1 and not any(one.kind is not BlockKind.TABLE or is_prose(one.text) for one in lines):
            self._open[-1][start:] = [Block(BlockKind.TABLE, " ".join(one.text for one in lines))]

    def _inherited(self) -> BlockKind:
        """A paragraph within an item is the item, and one within a cell the cell."""
        return self._kinds[-1]

    def _flush(self) -> None:
        raw, self._text = "".join(self._text), []
        if not raw or raw.isspace():
            return
        if self._kinds[-1] is BlockKind.CODE:
            if text := raw.replace(_BREAK, "\n").strip("\n").rstrip():
                self._open[-1].append(Block(BlockKind.CODE, text))
            return
        for part in _EMPTY_LINE.split(raw) if _BREAK in raw else (raw,):
            if is_seen(text := collapsed(part)):
                self._open[-1].append(Block(self._kinds[-1], text))


def _row(blocks: list[Block]) -> list[Block]:
    """What stood in a row: one line of cells, or, where it is there for the layout, its blocks."""
    laid_out = any(block.kind is not BlockKind.TABLE or is_prose(block.text) for block in blocks)
    if laid_out:
        return list(_as_text(block for block in blocks if block.text))
    cells = [block.text for block in blocks]
    while cells and not cells[-1]:
        cells.pop()
    return [Block(BlockKind.TABLE, " | ".join(cells))] if cells else []


def _as_text(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        is_cell = block.kind is BlockKind.TABLE
        yield Block(BlockKind.PARAGRAPH, block.text) if is_cell and is_prose(block.text) else block
