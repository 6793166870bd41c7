"""A summary made of the document's own sentences, for when no language model is configured. Pure and deterministic.

Each sentence is scored by how much it says about what the document says most (tf-idf against the document's centroid,
as in Radev et al. 2004, "Centroid-based summarization of multiple documents"), by where it stands, and by whether it
can stand alone. One sentence comes from the opening, since that is where documents say what they are; the others are
taken one by one, each paying for what is said already (maximal marginal relevance, Carbonell & Goldstein 1998). They
come out in the document's order.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.document.page import Block, BlockKind, ParsedDocument, UnreadableDocument

Vector = dict[str, float]

MIN_WORDS, MAX_WORDS = 6, 60
MAX_SENTENCES_READ = 5_000
OPENING_SENTENCES = 6
REDUNDANCY_COST = 0.6
#: A word in a larger share of the sentences says nothing about any of them; serves languages without a list below.
COMMON_SHARE = 0.35

_WORD = re.compile(r"[^\W\d_]{2,}")
_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”’)\]]))\s+(?=[\"'“‘(\[]?[A-ZÀ-ÖØ-ÞА-Я0-9])|(?<=[。！？])\s*")
_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|etc|cf|vs|approx|Mr|Mrs|Ms|Dr|Prof|St|No|Fig|Sec|Vol|al|z\.B|bzw|ca|u\.a|d\.h|[A-Z])\.$"
)
_DANGLING = re.compile(
    r"(?:this|these|those|that|it|its|they|their|he|she|however|but|and|or|also|thus|hence|then|otherwise|therefore"
    r"|in addition|for example|for instance|such|here|see|note that|as (?:above|before)|(?:the )?(?:former|latter))\b",
    re.IGNORECASE,
)
_DEFINING = re.compile(r"^(?:\S+ ){1,4}(?:is|are|provides|describes|explains|ist|sind)\b")
_DETAIL = re.compile(r"(?:if|when|unless|once|after|before|to \w+,|figure|table|listing|recall)\b", re.IGNORECASE)
_CODE_LIKE = re.compile(r"[{}<>=;|\\]|--\w|://|[*&]\w")
_IDENTIFIER = re.compile(r"\w_\w|\(\)|\w\.\w|/\w")
_STOP_WORDS_TEXT = """
    about above after again all also an and any are as at be because been before being below between both but by can
    could did do does doing down during each few for from further had has have having he her here hers him his how if
    in into is it its itself just like may me might more most must my no nor not now of off on once one only or other
    our out over own same she should so some such than that the their them then there these they this those through
    to too two under until up use used using very was we were what when where which while who whom why will with
    would you your
"""
_STOP_WORDS = frozenset(_STOP_WORDS_TEXT.split())


@dataclass(frozen=True)
class Sentence:
    """One sentence of the document, with what is known of its place.

    Attributes:
        opens: Whether it is the first of its paragraph.
        depth: How far into the document it stands, 0 to 1.
    """

    text: str
    words: tuple[str, ...]
    opens: bool
    depth: float


def summary(page: ParsedDocument, count: int) -> str:
    """The `count` sentences that say most, in the document's order.

    Raises:
        Unreadable: There is no sentence in it at all.
    """
    sentences = candidates(page.blocks)
    if not sentences:
        raise UnreadableDocument(
            "The document has no sentences to choose from; only a language model could summarise it."
        )
    headings = _heading_words(page)
    vectors = _vectors(sentences, headings)
    scores = [
        likeness * _standing(sentence, headings)
        for sentence, likeness in zip(sentences, _central(vectors), strict=True)
    ]
    return " ".join(sentences[index].text for index in sorted(_chosen(scores, vectors, count)))


def candidates(blocks: Sequence[Block]) -> list[Sentence]:
    """What can be quoted: whole sentences of prose; crumbs of navigation, code and tables are not."""
    found: list[Sentence] = []
    for number, block in enumerate(blocks):
        if block.kind not in (BlockKind.PARAGRAPH, BlockKind.ITEM):
            continue
        for place, text in enumerate(sentences_of(block.text)):
            if _quotable(text):
                words = tuple(stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS)
                opens = place == 0 and block.kind is BlockKind.PARAGRAPH
                found.append(Sentence(text, words, opens, number / len(blocks)))
        if len(found) >= MAX_SENTENCES_READ:
            break
    return _without_repeats(found) or _any_prose(blocks)


def sentences_of(text: str) -> list[str]:
    """Split a paragraph where sentences end, not at abbreviations and initials."""
    sentences: list[str] = []
    held = ""
    for part in (part for part in _END.split(text) if part):
        held = f"{held} {part}" if held else part
        if not _ABBREVIATION.search(held):
            sentences.append(held.strip())
            held = ""
    return [*sentences, held.strip()] if held else sentences


def stem(word: str) -> str:
    """Fold the commonest English endings, so that "lease" and "leases" count as one."""
    for ending, put in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 4 and not word.endswith("ss"):
            return word[: -len(ending)] + put
    return word


def _quotable(text: str) -> bool:
    words = text.split()
    letters = sum(char.isalpha() or char.isspace() for char in text)
    whole = text[-1] in '.!?…。！？"”’)' and not text[0].islower()
    wordy = MIN_WORDS <= len(words) <= MAX_WORDS or (len(words) < MIN_WORDS and _is_unspaced(text))
    return whole and wordy and letters >= 0.8 * len(text) and len(_CODE_LIKE.findall(text)) < 2


def _is_unspaced(text: str) -> bool:
    """Chinese and Japanese write no spaces, so words cannot be counted by them."""
    return sum("\u3040" <= char <= "\u9fff" for char in text) > 10


def _without_repeats(sentences: Iterable[Sentence]) -> list[Sentence]:
    first: dict[str, Sentence] = {}
    for sentence in sentences:
        first.setdefault(sentence.text, sentence)
    return list(first.values())


def _any_prose(blocks: Sequence[Block]) -> list[Sentence]:
    """For texts without a single whole sentence: lists, notes, poems."""
    prose = [
        block.text
        for block in blocks
        if block.kind in (BlockKind.PARAGRAPH, BlockKind.ITEM) and len(block.text.split()) > 2
    ]
    return [
        Sentence(text, tuple(_WORD.findall(text.lower())), False, number / len(prose))
        for number, text in enumerate(prose[:MAX_SENTENCES_READ])
    ]


def _heading_words(page: ParsedDocument) -> frozenset[str]:
    headings = [page.title or ""] + [block.text for block in page.blocks if block.kind is BlockKind.HEADING]
    return frozenset(stem(word) for word in _WORD.findall(" ".join(headings).lower()) if word not in _STOP_WORDS)


def _vectors(sentences: Sequence[Sentence], headings: frozenset[str]) -> list[Vector]:
    """Each sentence as weights of its words: by inverse sentence frequency, and of length 1."""
    counts = Counter(word for sentence in sentences for word in set(sentence.words))
    total = len(sentences)
    telling = {word: n for word, n in counts.items() if word in headings or n <= max(2, COMMON_SHARE * total)} or counts
    weights = {word: math.log(1 + total / n) for word, n in telling.items()}
    return [_vector(sentence, weights) for sentence in sentences]


def _vector(sentence: Sentence, weights: Vector) -> Vector:
    counts = Counter(word for word in sentence.words if word in weights)
    vector = {word: n * weights[word] for word, n in counts.items()}
    length = _length(vector)
    return {word: value / length for word, value in vector.items()}


def _central(vectors: Sequence[Vector]) -> list[float]:
    """How like each vector is to the sum of all, 0 to 1."""
    centroid: Counter[str] = Counter()
    for vector in vectors:
        centroid.update(vector)
    length = _length(centroid)
    return [_product(vector, centroid) / length for vector in vectors]


def _length(vector: Mapping[str, float]) -> float:
    return math.sqrt(sum(value * value for value in vector.values())) or 1.0


def _product(one: Vector, other: Mapping[str, float]) -> float:
    return sum(value * other.get(word, 0.0) for word, value in one.items())


def _standing(sentence: Sentence, headings: frozenset[str]) -> float:
    """What its place and form add: openings say what follows, and who reads only this must not wonder what "it" is."""
    text = sentence.text.lstrip("\"'“‘([")
    factor = 1.0 + 0.8 * math.exp(-20 * sentence.depth) + (0.15 if sentence.opens else 0.0)
    factor += 0.05 * min(len(headings.intersection(sentence.words)), 4)
    if _DEFINING.search(text):
        factor += 0.25
    if _DANGLING.match(text):
        factor *= 0.5
    if _DETAIL.match(text) or text != sentence.text or text.endswith("?"):
        factor *= 0.7
    factor *= 0.85 ** len(_IDENTIFIER.findall(text))  # a sentence full of names of functions and files is a detail
    return factor * min(1.0, len(sentence.words) / 6)


def _chosen(scores: Sequence[float], vectors: Sequence[Vector], count: int) -> list[int]:
    """Indices of the best: one of the opening, then one by one what adds most to the chosen ones."""
    chosen: list[int] = []
    said = [0.0] * len(scores)
    top = max(scores) or 1.0
    for _ in range(min(count, len(scores))):
        among = range(len(scores)) if chosen else range(min(OPENING_SENTENCES, len(scores)))
        best = max(
            (index for index in among if index not in chosen),
            key=lambda index: (scores[index] / top - REDUNDANCY_COST * said[index], -index),
        )
        chosen.append(best)
        said = [max(before, _product(vectors[best], vector)) for before, vector in zip(said, vectors, strict=True)]
    return chosen
