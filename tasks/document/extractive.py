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

import regex

from tasks.document.page import (
    Block,
    BlockKind,
    ParsedDocument,
    UnreadableDocument,
    is_sentence,
    is_unspaced,
    word_count,
)
from tasks.document.sentences import language_of, opens_small, sentences_of

Vector = dict[str, float]

MIN_WORDS, MAX_WORDS = 6, 60
#: Characters of a short sentence in a script without spaces.
MIN_UNSPACED = 10
MAX_SENTENCES_READ = 5_000
OPENING_SENTENCES = 6
REDUNDANCY_COST = 0.6
#: A word in a larger share of the sentences says nothing about any of them; serves languages without a list below.
COMMON_SHARE = 0.35

# Vowel signs are marks and no letters; without them, the words of India fall into pieces.
_WORD = regex.compile(r"(?:[\p{L}][\p{L}\p{M}]+)")
_ASCII_WORD = re.compile(r"[a-z]{2,}")
_UNSPACED_RUN = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]{2,}")
_LETTERS = regex.compile(r"[\p{L}\p{M}\s]+")
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
    sentences = candidates(page.blocks, page.language)
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


def candidates(blocks: Sequence[Block], language: str | None = None) -> list[Sentence]:
    """What can be quoted: whole sentences of prose; crumbs of navigation, code and tables are not.

    Args:
        language: Of the document, by its own word; told by its text when left out.
    """
    prose = [block for block in blocks if block.kind in (BlockKind.PARAGRAPH, BlockKind.ITEM)]
    spoken = language_of(" ".join(block.text[:1000] for block in prose[:20]), language)
    found: list[Sentence] = []
    for number, block in enumerate(blocks):
        if block.kind not in (BlockKind.PARAGRAPH, BlockKind.ITEM):
            continue
        for place, text in enumerate(sentences_of(block.text, spoken)):
            if _quotable(text):
                opens = place == 0 and block.kind is BlockKind.PARAGRAPH
                found.append(Sentence(text, _words(text), opens, number / len(blocks)))
        if len(found) >= MAX_SENTENCES_READ:
            break
    return _without_repeats(found) or _any_prose(prose, spoken) or _rows(blocks)


def _words(text: str) -> tuple[str, ...]:
    """What a sentence is about; of scripts without spaces each two characters, as search engines take them."""
    lower = text.lower()
    if lower.isascii():
        return tuple(stem(word) for word in _ASCII_WORD.findall(lower) if word not in _STOP_WORDS)
    spaced = [stem(word) for word in _WORD.findall(_UNSPACED_RUN.sub(" ", lower)) if word not in _STOP_WORDS]
    runs = _UNSPACED_RUN.findall(lower)
    return tuple(spaced + [run[at : at + 2] for run in runs for at in range(len(run) - 1)])


def stem(word: str) -> str:
    """Fold the commonest English endings, so that "lease" and "leases" count as one."""
    for ending, put in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 4 and not word.endswith("ss"):
            return word[: -len(ending)] + put
    return word


def _quotable(text: str) -> bool:
    words = word_count(text)
    letters = sum(map(len, _LETTERS.findall(text)))
    whole = is_sentence(text) and not opens_small(text)
    wordy = MIN_WORDS <= words <= MAX_WORDS or (words < MIN_WORDS and is_unspaced(text) and len(text) > MIN_UNSPACED)
    return whole and wordy and letters >= 0.8 * len(text) and len(_CODE_LIKE.findall(text)) < 2


def _without_repeats(sentences: Iterable[Sentence]) -> list[Sentence]:
    first: dict[str, Sentence] = {}
    for sentence in sentences:
        first.setdefault(sentence.text, sentence)
    return list(first.values())


def _any_prose(prose: Sequence[Block], language: str) -> list[Sentence]:
    """For texts without a single sentence worth quoting: lists, notes, poems, a few short sentences."""
    blocks = [block.text for block in prose if word_count(block.text) > 2 or is_unspaced(block.text)]
    texts = [text for block in blocks[:MAX_SENTENCES_READ] for text in sentences_of(block, language)]
    return [
        Sentence(text, _words(text), False, number / len(texts))
        for number, text in enumerate(dict.fromkeys(texts[:MAX_SENTENCES_READ]))
    ]


def _rows(blocks: Sequence[Block]) -> list[Sentence]:
    """For pages that are a table and nothing else."""
    rows = [block.text for block in blocks if block.kind is BlockKind.TABLE][:MAX_SENTENCES_READ]
    return [Sentence(text, _words(text), False, number / len(rows)) for number, text in enumerate(dict.fromkeys(rows))]


def _heading_words(page: ParsedDocument) -> frozenset[str]:
    headings = [page.title or ""] + [block.text for block in page.blocks if block.kind is BlockKind.HEADING]
    return frozenset(_words(" ".join(headings)))


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
