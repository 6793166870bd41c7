"""A card as a file brings it, whatever kind of file that is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from llmcoder.errors import BadInput
from llmcoder.text import storable
from tasks.learning import cloze
from tasks.learning.records import DEFAULT_DECK, LONGEST_SIDE

MOST_TAGS = 50
LONGEST_TAG = 80
LONGEST_DECK = 200
#: More cards in one file are refused: they are written in one transaction, for which all others wait.
MOST_CARDS = 100_000


class UnreadableCards(BadInput):
    """The file is damaged, too large, or of another kind; nothing of it was imported."""

    slug, title = "unreadable-cards", "The file cannot be read as cards"


@dataclass(frozen=True)
class PastReview:
    """One review that another program remembers.

    Attributes:
        number: By which it is known there.
        rating: 1 again to 4 easy.
    """

    number: int
    at: datetime
    rating: int
    duration_s: float | None = None


@dataclass(frozen=True)
class PastSchedule:
    """Where another program stands with a card.

    Attributes:
        at: The last review, as far as it is known.
    """

    at: datetime
    due_at: datetime
    stability: float | None
    difficulty: float | None


@dataclass(frozen=True)
class IncomingCard:
    """One card.

    Attributes:
        key: By which a later import finds it again.
    """

    key: str
    front: str
    back: str
    deck: str = DEFAULT_DECK
    tags: tuple[str, ...] = ()
    suspended: bool = False
    history: tuple[PastReview, ...] = ()
    scheduled: PastSchedule | None = None

    @property
    def is_card(self) -> bool:
        """Whether there is something to ask and something to answer."""
        return bool(self.front) and bool(self.back or cloze.numbers_of(self.front))


def key_of(guid: str, number: int) -> str:
    """The key of a note's card; a very long guid stands in it as its sum."""
    whole = f"{guid}:{number}"
    return (
        whole
        if len(whole) <= 150 and storable(whole) == whole
        else hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()
    )


def tidy_deck(name: str) -> str:
    """A deck's name as it can be kept: `Math::Algebra`."""
    return " ".join(storable(name).split())[:LONGEST_DECK].strip() or DEFAULT_DECK


def tidy_tags(text: str) -> tuple[str, ...]:
    """Tags, which Anki and CSV files separate by blanks."""
    return tuple(dict.fromkeys(tag[:LONGEST_TAG] for tag in storable(text).split()))[:MOST_TAGS]


def cut(text: str) -> str:
    """A side of a card, as long as it may be."""
    return text if len(text) <= LONGEST_SIDE else text[: LONGEST_SIDE - 1].rstrip() + "…"
