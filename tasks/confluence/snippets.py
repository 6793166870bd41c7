"""The few lines of a text that show why it was found, with the words that were looked for marked. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tasks.confluence.terms import Word, folded, placed_terms

SNIPPET_CHARS = 240
#: What is looked at of a long text.
LOOKED_AT_CHARS = 60_000
#: Stretches that are looked at closely.
ANALYSED = 4

_SPACE = re.compile(r"\s+")


def snippet(text: str, words: Sequence[Word]) -> str:
    """The stretch with the most of the words, `**marked**`; the beginning where it has none.

    Asterisks of the text itself are left out, so that a mark is always a mark.
    """
    plain = _SPACE.sub(" ", text[:LOOKED_AT_CHARS].replace("*", "")).strip()
    best, most = "", -1
    for promised, stretch in _promising(plain, words)[:ANALYSED]:
        if promised <= most:
            break
        count = len({word for _, _, word in found(stretch, words)})
        if count > most:
            best, most = stretch, count
    shown = marked(best, words)
    return f"{'' if plain.startswith(best) else '… '}{shown}{'' if plain.endswith(best) else ' …'}"


def marked(text: str, words: Sequence[Word]) -> str:
    pieces, at = [], 0
    for begins, ends, _ in found(text, words):
        if begins >= at:
            pieces += [text[at:begins], "**", text[begins:ends], "**"]
            at = ends
    return "".join([*pieces, text[at:]])


def found(text: str, words: Sequence[Word]) -> Iterator[tuple[int, int, Word]]:
    """Where the words stand in a text."""
    for placed in placed_terms(text, tuple(_beginning(word.term) for word in words)):
        for word in words:
            if any(term.startswith(word.term) if word.opens else term == word.term for term in placed.terms):
                yield placed.begins, placed.ends, word


def _promising(text: str, words: Sequence[Word]) -> list[tuple[int, str]]:
    """The stretches of a text, each with how many of the words it seems to have, the most first.

    To look for the letters that a word begins with costs a hundredth of analysing.
    """
    begins = [_beginning(word.term) for word in words]
    seeming = [
        (sum(1 for begin in begins if begin in plain), stretch)
        for stretch in _stretches(text)
        for plain in [folded(stretch)]
    ]
    return sorted(seeming, key=lambda one: -one[0])


def _beginning(term: str) -> str:
    """What every word of the stem begins with; a stem ends otherwise by one letter: happi, happy; hope, hoping."""
    return term[:-1] if len(term) > 2 and term.isascii() else term


def _stretches(text: str) -> Iterator[str]:
    """The text in stretches that begin and end between words."""
    at = 0
    while at < len(text) or at == 0:
        end = min(len(text), at + SNIPPET_CHARS)
        if end < len(text) and (cut := text.rfind(" ", at + SNIPPET_CHARS // 2, end)) > 0:
            end = cut
        yield text[at:end].strip()
        at = max(end, at + 1)
