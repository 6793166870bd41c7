"""What every kind of document is turned into: blocks of text, each with what it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

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
        language: As it says itself, such as de or pt-BR; None when it does not.
    """

    title: str | None
    blocks: tuple[Block, ...]
    media_type: str
    url: str | None = None
    language: str | None = None

    @property
    def text(self) -> str:
        """All of it as simple Markdown."""
        return "\n\n".join(_written(block) for block in self.blocks)

    @property
    def words(self) -> int:
        return words_of(self.blocks)


# Chinese, Japanese, Thai, Lao, Burmese and Khmer.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
CHARS_PER_UNSPACED_WORD = 2


def word_count(text: str) -> int:
    """Words, also of scripts that write no spaces: there two characters are about one."""
    if text.isascii():
        return len(text.split())
    unspaced = len(_UNSPACED.findall(text))
    return max(len(text.split()), unspaced // CHARS_PER_UNSPACED_WORD)


#: Marks that end a sentence, of all scripts (Unicode's Sentence_Terminal, as far as living languages write them).
SENTENCE_ENDS = ".!?…‼⁇⁈⁉。．！？｡।॥؟۔։።፧፨៕។၊။༎།᠃᠉᱾᱿꓿꘎꘏꛳꛷꩝꩞꩟꫰꫱꯫᭚᭛᭞᭟\u061f\u06d4\u0700\u0701\u0702\u07f9\u0837\u037e"
#: What may follow such a mark, and belong to its sentence.
CLOSING = "\"'”’»›)]}」』）】》〉＂＇\u200e\u200f"
_ENDING = re.compile(rf"[{re.escape(SENTENCE_ENDS)}][{re.escape(CLOSING)}]*(?=\s|$|[^\x00-\u2000])")
PROSE_WORDS = 12


def is_sentence(text: str) -> bool:
    """Whether it ends as sentences do."""
    return text.rstrip(CLOSING + " ")[-1:] in SENTENCE_ENDS and bool(text.rstrip(CLOSING + " "))


def is_prose(text: str) -> bool:
    """Whether somebody wrote this in sentences, rather than put a name or a figure into a table."""
    words = word_count(text)
    return words >= PROSE_WORDS // 2 and (
        (words >= PROSE_WORDS and is_sentence(text)) or len(_ENDING.findall(text[:10_000])) >= 2
    )


def is_unspaced(text: str) -> bool:
    """Whether it is written in a script without spaces, for the most part."""
    return not text.isascii() and 2 * len(_UNSPACED.findall(text)) > len(text)


def words_of(blocks: Iterable[Block]) -> int:
    return sum(word_count(block.text) for block in blocks)


def has_words(blocks: Iterable[Block], at_least: int) -> bool:
    """Whether there are so many; most pages show it by their first blocks."""
    return any(words >= at_least for words in accumulate(word_count(block.text) for block in blocks))


def collapsed(text: str) -> str:
    """White space as single spaces, without the pilcrows that documentation hangs on its headings."""
    return " ".join(text.replace("¶", " ").replace("\u00ad", "").replace("\0", "").split())


def _written(block: Block) -> str:
    marks = {BlockKind.HEADING: "## ", BlockKind.ITEM: "- "}
    return f"```\n{block.text}\n```" if block.kind is BlockKind.CODE else marks.get(block.kind, "") + block.text
