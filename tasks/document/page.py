"""What every kind of document is turned into: blocks of text, each with what it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from llmcoder.errors import BadInput


class UnreadableDocument(BadInput):
    """The document has no text that can be found, is too large, or is broken."""


class BlockKind(StrEnum):
    """What a block is; a summary quotes paragraphs and items, a model reads everything."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    ITEM = "item"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True)
class Block:
    """One block, its white space collapsed (but for code)."""

    kind: BlockKind
    text: str


@dataclass(frozen=True)
class ParsedDocument:
    """A document as blocks.

    Attributes:
        title: What it calls itself; None when it does not.
        media_type: What it was, such as text/html.
        url: Where it was found; None when it was given.
    """

    title: str | None
    blocks: tuple[Block, ...]
    media_type: str
    url: str | None = None

    @property
    def text(self) -> str:
        """All of it as simple Markdown."""
        return "\n\n".join(_written(block) for block in self.blocks)

    @property
    def words(self) -> int:
        return sum(len(block.text.split()) for block in self.blocks)


def collapsed(text: str) -> str:
    """White space as single spaces, without the pilcrows that documentation hangs on its headings."""
    return " ".join(text.replace("¶", " ").replace("\u00ad", "").replace("\0", "").split())


def _written(block: Block) -> str:
    marks = {BlockKind.HEADING: "## ", BlockKind.ITEM: "- "}
    return f"```\n{block.text}\n```" if block.kind is BlockKind.CODE else marks.get(block.kind, "") + block.text
