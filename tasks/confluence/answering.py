"""An answer from the wiki's own pages: the passages that a model is given, and what is made of its citations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.confluence.chunking import pieces_of
from tasks.confluence.searching import PageFound
from tasks.confluence.snippets import found
from tasks.confluence.terms import Word

MAX_PASSAGES = 10
MAX_CHARS = 12_000
#: Of one page, so that one long page is not all that the model sees.
PER_PAGE = 3
#: A page's pieces that are compared with the question.
COMPARED = 60

#: [2], and [2, 3] or [2][3] as models like to write it.
_CITED = re.compile(r"\[(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\]")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Passage:
    """A part of a page, as the model gets it.

    Attributes:
        number: Under which it is cited; passages of one page have the same.
    """

    number: int
    page: PageFound
    text: str


@dataclass(frozen=True)
class CitedAnswer:
    """An answer whose citations all exist.

    Attributes:
        cited: Numbers of the pages, in the order they are first cited.
        dropped: Numbers that it cited and nobody gave it.
    """

    text: str
    cited: tuple[int, ...]
    dropped: tuple[int, ...]


def passages(pages: Sequence[PageFound], words: Sequence[Word]) -> list[Passage]:
    """The best parts of the best pages, in the order of the pages, together at most `MAX_CHARS`.

    Every page gives its best part before any gives a second one.
    """
    best = [_best_parts(page, words) for page in pages[:MAX_PASSAGES]]
    turns = [(at, number) for at in range(PER_PAGE) for number in range(len(best)) if at < len(best[number])]
    chosen: list[tuple[int, int, str]] = []
    left = MAX_CHARS
    for at, number in turns:
        begins, text = best[number][at]
        if len(text) <= left and len(chosen) < MAX_PASSAGES:
            chosen.append((number, begins, text))
            left -= len(text)
    return [Passage(number + 1, pages[number], text) for number, _, text in sorted(chosen)]


def _best_parts(page: PageFound, words: Sequence[Word]) -> list[tuple[int, str]]:
    """The parts of a page with the most of the words, and the one nearest in meaning, with where they begin."""
    pieces = pieces_of(page.title, page.text)[:COMPARED]
    nearest = -1 if page.nearest is None else page.nearest[0]
    scored = [
        (len({word for _, _, word in found(page.text[piece.begins : piece.ends], words)}), piece) for piece in pieces
    ]
    scored.sort(key=lambda one: (-(one[0] + 2 * (one[1].begins == nearest)), one[1].begins))
    return [(piece.begins, page.text[piece.begins : piece.ends] or page.title) for _, piece in scored[:PER_PAGE]]


def written(given: Sequence[Passage]) -> str:
    """The passages as the model reads them."""
    return "\n\n".join(f"{_heading(one)}\n{one.text}" for one in given)


def _heading(one: Passage) -> str:
    page = one.page
    return f"[{one.number}] {page.title} (space {page.space_key}, changed {page.updated_at:%Y-%m-%d})"


def checked(text: str, given: Sequence[Passage]) -> CitedAnswer:
    """The answer without citations of what was never given. Pure."""
    numbers = {one.number for one in given}
    cited: dict[int, None] = {}
    dropped: dict[int, None] = {}

    def keep(match: re.Match[str]) -> str:
        held = [int(number) for number in _NUMBER.findall(match[1])]
        cited.update(dict.fromkeys(number for number in held if number in numbers))
        dropped.update(dict.fromkeys(number for number in held if number not in numbers))
        return "".join(f"[{number}]" for number in held if number in numbers)

    kept = _CITED.sub(keep, text).strip()
    return CitedAnswer(kept, tuple(cited), tuple(dropped))
