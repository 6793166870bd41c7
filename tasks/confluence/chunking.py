"""Cuts a text into pieces that fit into an embedding or an answer. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

#: About 300 tokens: embedding models read 512 and more.
PIECE_CHARS = 1_200
#: A text has no more; what follows is found by its words only.
MAX_PIECES = 500


@dataclass(frozen=True)
class Piece:
    """Where a piece stands in its text, and what tells it from others."""

    begins: int
    ends: int
    sha256: str


def pieces_of(title: str, text: str) -> list[Piece]:
    """The pieces of a page, in their order."""
    places = [place for _, place in zip(range(MAX_PIECES), _places(text), strict=False)]
    if not places and title:
        places = [(0, 0)]  # a page of a title alone
    return [Piece(begins, ends, sha256(embedded(title, text[begins:ends]))) for begins, ends in places]


def embedded(title: str, piece: str) -> str:
    """What of a piece is turned into a point: it says what it is about only together with its title."""
    return f"{title}\n\n{piece}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _places(text: str) -> Iterator[tuple[int, int]]:
    """Cuts where paragraphs end, else where a line, a sentence or a word does."""
    at, end = _skipped(text, 0), len(text.rstrip())
    while at < end:
        cut = end if end - at <= PIECE_CHARS else _cut(text, at)
        yield at, at + len(text[at:cut].rstrip())
        at = _skipped(text, cut)


def _cut(text: str, at: int) -> int:
    for mark in ("\n\n", "\n", ". ", "。", " "):
        found = text.rfind(mark, at + PIECE_CHARS // 2, at + PIECE_CHARS)
        if found > 0:
            return found + len(mark)
    return at + PIECE_CHARS


def _skipped(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
