"""The words by which stories are searched: the same for what is kept and for what is asked, on both stores. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from llmcoder.caseless import fold

MAX_WORD_CHARS = 40
MOST_WORDS = 150
MIN_BEGINNING = 3
_BREAKS = re.compile(
    r"[\s!-/:-@\[-`{-~\u00a1-\u00bf\u2000-\u206f\u2e00-\u2e7f\u3000-\u303f\uff00-\uff0f\uff1a-\uff20]+"
)
_SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def words_of(texts: Iterable[str], most: int = MOST_WORDS) -> list[str]:
    """The words of texts, folded, each once; scripts without spaces as overlapping pairs of characters."""
    found: dict[str, None] = {}
    for text in texts:
        for piece in _BREAKS.split(fold(text)):
            found.update(dict.fromkeys(word[:MAX_WORD_CHARS] for word in _parts(piece) if word))
            if len(found) >= most:
                return list(found)[:most]
    return list(found)


def _parts(piece: str) -> Iterable[str]:
    if piece.isascii() or not _SPACELESS.search(piece):
        return [piece]
    runs = _SPACELESS.findall(piece)
    pairs = [run[at : at + 2] for run in runs for at in range(len(run) if len(run) < 2 else len(run) - 1)]
    return [*_SPACELESS.split(piece), *pairs]


def is_whole(word: str) -> bool:
    """Whether only the word itself is meant: too many words begin with so short a one, which mostly is a name (EU)."""
    return len(word) < MIN_BEGINNING and word.isascii()


def as_column(words: Iterable[str]) -> str:
    """Words as a story keeps them: each with a space before it, so that one is found by how it begins."""
    return f" {' '.join(words)} "
