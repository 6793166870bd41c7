"""Pages like those of a large company's wiki, made of invented words: the same ones at each run.

Words follow Zipf's law (the commonest stands on nearly every page, most on a handful), lengths a log-normal one with a
mean of 250 words. Vectors are points around 500 topics, as embeddings of real texts lie together by subject.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from llmcoder.errors import NotConfigured
from llmcoder.language import Completion, Embeddings, LanguageModel, Message
from tasks.confluence.index_store import IndexedText
from tasks.confluence.indexing import READER

VOCABULARY, TITLE_WORDS, MEAN_WORDS = 60_000, 5, 250
DIMENSIONS, TOPICS, SPREAD = 768, 500, 0.9
LETTERS = "etaoinshrdlucmfwypvbgk"
AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Corpus:
    """So many pages."""

    pages: int
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = random.Random(1)
        made: dict[str, None] = {}
        while len(made) < VOCABULARY:
            length = min(12, max(2, int(chance.gauss(3 + math.log(len(made) + 2) / 1.8, 1.5))))
            made["".join(chance.choice(LETTERS) for _ in range(length))] = None
        self.words = list(made)

    def texts(self) -> Iterator[IndexedText]:
        random_ = np.random.default_rng(1)
        weights = 1 / (np.arange(1, VOCABULARY + 1) + 2.7) ** 1.07
        upto = np.cumsum(weights / weights.sum())
        vocabulary = np.array(self.words, dtype=object)
        lengths = np.clip(random_.lognormal(math.log(MEAN_WORDS) - 0.32, 0.8, self.pages), 20, 5_000).astype(int)
        for number, length in enumerate(lengths):
            drawn = np.searchsorted(upto, random_.random(length + TITLE_WORDS)).clip(max=VOCABULARY - 1)
            title, body = vocabulary[drawn[:TITLE_WORDS]], vocabulary[drawn[TITLE_WORDS:]]
            url = f"https://wiki.example/pages/{number}"
            yield IndexedText(str(number), "", " ".join(title), 1, READER, url, AT, ". ".join(_sentences(body)))

    def queries(self, how_many: int) -> dict[str, list[str]]:
        """Kinds of queries, by what people ask; numbers are ranks of words by how common they are."""
        chance = random.Random(2)

        def some(count: int, low: int, high: int) -> str:
            return " ".join(
                self.words[int(math.exp(chance.uniform(math.log(low), math.log(high))))] for _ in range(count)
            )

        return {
            "words": [some(chance.choice((1, 2, 2, 3)), 30, 20_000) for _ in range(how_many)],
            "question": [f"{some(2, 1, 30)} {some(5, 30, 5_000)} {some(1, 1, 30)}" for _ in range(how_many)],
            "common": [some(2, 1, 30) for _ in range(how_many)],
        }


def _sentences(words: Sequence[str]) -> Iterator[str]:
    for at in range(0, len(words), 12):
        yield " ".join(words[at : at + 12])


class Topics(LanguageModel):
    """Gives every text a point near a topic; the same text the same one."""

    def __init__(self) -> None:
        self.centers = np.random.default_rng(3).standard_normal((TOPICS, DIMENSIONS)).astype("f4")
        self.made: list[Any] = []

    def configured(self) -> bool:
        return False

    def complete(self, messages: Sequence[Message], **_: Any) -> Completion:
        raise NotConfigured("It cannot write.")

    def can_embed(self) -> bool:
        return True

    def embed(self, texts: Sequence[str]) -> Embeddings:
        found = self.points(texts)
        return Embeddings("topics", found.tolist())

    def points(self, texts: Sequence[str]) -> Any:
        chance = np.random.default_rng(len(texts[0]) * 1_000_003 + sum(map(ord, texts[0])))
        drawn = self.centers[chance.integers(TOPICS, size=len(texts))]
        found = drawn + SPREAD * chance.standard_normal((len(texts), DIMENSIONS)).astype("f4")
        return found / np.linalg.norm(found, axis=1, keepdims=True)
