"""Cards out of a text by its words, for when no language model is configured. Pure and deterministic.

What people write down to remember mostly says by its form what is to be remembered: a question and an answer, a term
and what it means, "X is Y", a number in a sentence. Of each record a few cards are drafted, the surest first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tasks.learning.material import Material

MOST_OF_A_RECORD = 3
MOST_LINES = 400
LONGEST_TERM_WORDS = 6
LEAST_WORDS, MOST_WORDS = 5, 35

_BULLET = re.compile(r"^\s*(?:[-*•+]|\d{1,3}[.)]|#{1,6}|>)\s+")
_QUESTION = re.compile(r"^(?:q|f|question|frage)\s*[:.]\s*(.+)$", re.IGNORECASE)
_ANSWER = re.compile(r"^(?:a|answer|antwort)\s*[:.]\s*(.+)$", re.IGNORECASE)
_TERM = re.compile(r"^(?P<term>[^:=\n.!?]{2,60}?)\s*(?::|=|\s[–—-])\s+(?P<meaning>\S.{2,400})$")
_DEFINITION = re.compile(
    r"^(?P<the>the |an? |der |die |das |eine? )?(?P<term>[^\s,;:][^,;:]{1,50}?) "
    r"(?P<verb>is|are|means|stands for|refers to|ist|sind|bedeutet|heißt) (?P<meaning>[^?]{8,300})$",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?<![\w.,/-])(?:[$€£]\s?)?\d[\d.,]*\d?\s?(?:%|°C|°F|[kMGT]?B|ms|s|min|h|kg|g|km|m|cm|mm|ml|l|€|EUR|USD|years?|days?|hours?|"
    r"minutes?|seconds?|weeks?|Jahre?n?|Tagen?|Stunden?|Minuten?|Sekunden?|Wochen?)?(?![\w/-])"
)
_NAME = re.compile(r"(?<=[a-z,;] )(?:[A-Z][\w-]{2,}(?: [A-Z][\w-]{2,}){0,3})")
_CODE = re.compile(r"`([^`\n]{2,60})`")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÄÖÜ„\"(])")
_POINTING = re.compile(
    r"^(?:this|that|these|those|it|they|he|she|there|here|what|which|who|if|when|dies|diese[rs]?|das|es|sie|er|hier|"
    r"was|wenn|note|todo)$",
    re.IGNORECASE,
)
#: What means something within a hole, and would make another answer of it: `std::move`, `${{ x }}`.
_IN_HOLES = re.compile(r"::|\{\{|\}\}")
_ADDRESS = re.compile(r"https?://|www\.|@\w")
_GERMAN = re.compile(r"\b(?:der|die|das|und|ist|sind|nicht|ein|eine|mit|für|auf|bedeutet|heißt)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Draft:
    """A card, and how sure it is that somebody wants it: 0 to 1."""

    front: str
    back: str
    sureness: float
    material: Material


def drafts(materials: Iterable[Material], most: int) -> list[Draft]:
    """The surest cards of all records, at most a few of each, in the order of the records."""
    candidates: list[Draft] = []
    for one in materials:
        best = sorted(_of(one), key=lambda draft: -draft.sureness)[:MOST_OF_A_RECORD]
        candidates += best
    chosen = set(map(id, sorted(candidates, key=lambda draft: -draft.sureness)[:most]))
    return [draft for draft in candidates if id(draft) in chosen]


def _of(material: Material) -> Iterator[Draft]:
    seen: set[str] = set()
    for front, back, sureness in _candidates(material):
        if front not in seen:
            seen.add(front)
            yield Draft(front, back, sureness, material)


def _candidates(material: Material) -> Iterator[tuple[str, str, float]]:
    lines = [_BULLET.sub("", line).strip() for line in material.text.splitlines()[:MOST_LINES]]
    yield from _answered(lines)
    german = len(_GERMAN.findall(material.text)) >= 2
    for line in lines:
        if _ADDRESS.search(line) or _QUESTION.match(line) or _ANSWER.match(line):
            continue
        term = _TERM.match(line)
        if term and _is_term(term["term"]) and len(line.split()) >= 3:
            yield (
                f"{material.title}: {term['term'].strip()}?"
                if _is_part(material, term["term"])
                else (f"{_what_is(term['term'].strip(), german=german, plural=False)}"),
                term["meaning"].strip(),
                0.8,
            )
            continue
        for sentence in _SENTENCE_END.split(line):
            yield from _of_sentence(sentence.strip(), german=german)


def _answered(lines: list[str]) -> Iterator[tuple[str, str, float]]:
    """A question on one line and its answer on the next."""
    for line, following in pairwise(lines):
        question, answer = _QUESTION.match(line), _ANSWER.match(following)
        if question and answer:
            yield question[1].strip(), answer[1].strip(), 1.0
        elif line.endswith("?") and 3 <= len(line.split()) <= MOST_WORDS and following and not following.endswith("?"):
            yield line, following, 0.9


def _of_sentence(sentence: str, *, german: bool) -> Iterator[tuple[str, str, float]]:
    if not LEAST_WORDS <= len(sentence.split()) <= MOST_WORDS:
        return
    definition = _DEFINITION.match(sentence)
    if definition and _is_term(definition["term"]):
        plural = definition["verb"].lower() in ("are", "sind")
        article = definition["the"] or ""
        term = f"{article.lower()}{definition['term']}"
        yield _what_is(term, german=german, plural=plural), sentence, 0.7
        return
    for sureness, pattern in ((0.5, _CODE), (0.4, _NUMBER), (0.3, _NAME)):
        if hole := pattern.search(sentence):
            start, end = hole.span(pattern.groups)  # what stands between backticks, else all of it
            if _IN_HOLES.search(sentence):
                return
            yield f"{sentence[:start]}{{{{c1::{sentence[start:end]}}}}}{sentence[end:]}", "", sureness
            return


def _what_is(term: str, *, german: bool, plural: bool) -> str:
    if german:
        return f"Was {'sind' if plural else 'ist'} {term}?"
    return f"What {'are' if plural else 'is'} {term}?"


def _is_part(material: Material, term: str) -> bool:
    """Whether a term says something of the record rather than by itself: `Ingredients` of a recipe."""
    return term.strip().lower() in _PARTS and bool(material.title)


_PARTS = frozenset(
    ("ingredients", "steps", "method", "time", "serves", "yield", "owner", "decision", "reason", "result", "deadline",
     "price", "address", "zutaten", "schritte", "zubereitung", "zeit", "portionen", "entscheidung", "grund", "ergebnis",
     "frist", "preis")
)  # fmt: skip


def _is_term(term: str) -> bool:
    words = term.split()
    return 1 <= len(words) <= LONGEST_TERM_WORDS and not _POINTING.match(words[0]) and any(map(str.isalpha, term))
