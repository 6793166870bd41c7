"""When a card comes back: the algorithm FSRS 6 by py-fsrs, and a card's whole state as what its log of reviews says.

Nothing else decides about a card. Whatever is stored of it is `replayed` of its log, now or at any later time, so the
log can be trusted and the state can always be made again. Two things that are not the algorithm's go into the log with
each review, since another replay must come to the same: the retention that the interval was computed for, and the
chance by which the interval was varied (`fuzz`: cards that were added on one day would else come back on one day for
ever). py-fsrs varies by a random number of its own, so its fuzz stays off and its ranges are used here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    import fsrs

#: The least interval that is varied, as FSRS does it.
LEAST_FUZZED_DAYS = 3
RETENTION = 0.9
#: No answer is older; what says 1970 is a clock that was never set.
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
#: So far ahead the clock of a device may be whose answers are believed.
CLOCK_AHEAD = timedelta(minutes=5)
#: The longest interval of FSRS.
LONGEST_DAYS = 36_500


class Rating(StrEnum):
    """How well a card was known."""

    AGAIN = "again"  # forgotten
    HARD = "hard"  # known, with effort
    GOOD = "good"
    EASY = "easy"

    @property
    def number(self) -> int:
        return list(Rating).index(self) + 1

    @classmethod
    def of(cls, number: int) -> Rating:
        return list(cls)[number - 1]


class CardState(StrEnum):
    """Where a card stands."""

    NEW = "new"  # never reviewed
    LEARNING = "learning"  # comes again within minutes
    REVIEW = "review"  # comes again in days
    RELEARNING = "relearning"  # was forgotten, comes again within minutes


class Kind(StrEnum):
    """What an entry of the log is."""

    REVIEW = "review"
    VOID = "void"  # takes a review back
    STATE = "state"  # what another program knew of a card whose reviews it did not tell


@dataclass(frozen=True)
class Entry:
    """One entry of a card's log.

    Attributes:
        at: In UTC; of an entry `state`, of the review before it.
        chance: 0 to 1, by which the interval was varied; None where it was not.
    """

    id: UUID
    at: datetime
    kind: Kind = Kind.REVIEW
    rating: Rating | None = None
    duration_s: float | None = None
    retention: float = RETENTION
    chance: float | None = None
    voids: UUID | None = None
    stability: float | None = None
    difficulty: float | None = None
    due_at: datetime | None = None


@dataclass(frozen=True)
class Memory:
    """What is known of how well a card is remembered.

    Attributes:
        stability: In days; None while it is new.
        difficulty: 1 to 10; likewise.
        introduced_at: Its first review.
    """

    state: CardState
    due_at: datetime
    step: int | None = None
    stability: float | None = None
    difficulty: float | None = None
    introduced_at: datetime | None = None
    last_review_at: datetime | None = None
    reviews: int = 0
    lapses: int = 0

    def columns(self) -> dict[str, object]:
        """As the card's row keeps it."""
        last = self.last_review_at
        return {
            "state": self.state, "step": self.step, "stability": self.stability, "difficulty": self.difficulty,
            "due_at": self.due_at, "introduced_at": self.introduced_at, "last_review_at": last,
            "last_review_s": None if last is None else int(last.timestamp()), "reviews": self.reviews,
            "lapses": self.lapses,
        }  # fmt: skip


class _Number(IntEnum):
    """The numbers by which py-fsrs calls its states."""

    LEARNING = 1
    REVIEW = 2
    RELEARNING = 3


def replayed(entries: Iterable[Entry], created_at: datetime) -> Memory:
    """What a card's log comes to, whatever the order in which its entries were written."""
    listed = list(entries)
    void = {one.voids for one in listed if one.kind is Kind.VOID}
    memory = Memory(CardState.NEW, due_at=created_at)
    for one in sorted(listed, key=lambda entry: (entry.at, entry.id)):
        if one.id in void or one.kind is Kind.VOID:
            continue
        memory = _as_stated(memory, one) if one.kind is Kind.STATE else reviewed(memory, one)
    return memory


def reviewed(memory: Memory, review: Entry) -> Memory:
    """What becomes of a card by one review, which is not earlier than its last one."""
    import fsrs

    assert review.rating is not None
    at = review.at.astimezone(UTC)
    card, _ = _scheduler(review.retention).review_card(_card_of(memory), fsrs.Rating(review.rating.number), at)
    lapsed = memory.state is CardState.REVIEW and review.rating is Rating.AGAIN
    return Memory(
        state=CardState(_Number(card.state.value).name.lower()),
        due_at=_varied(card, at, review.chance),
        step=card.step,
        stability=card.stability,
        difficulty=card.difficulty,
        introduced_at=memory.introduced_at or at,
        last_review_at=at,
        reviews=memory.reviews + 1,
        lapses=memory.lapses + lapsed,
    )


def retrievability(memory: Memory, now: datetime) -> float | None:
    """The chance that the card is recalled now, 0 to 1; None of one that was never reviewed."""
    if memory.stability is None or memory.last_review_at is None:
        return None
    return float(_scheduler(RETENTION).get_card_retrievability(_card_of(memory), now.astimezone(UTC)))


def varied_days(days: int, chance: float) -> int:
    """An interval, a little shorter or longer, within the ranges of FSRS.

    Args:
        chance: 0 to 1: the shortest to the longest.
    """
    from fsrs.scheduler import FUZZ_RANGES

    if days < LEAST_FUZZED_DAYS:
        return days
    delta = 1.0
    for one in FUZZ_RANGES:
        delta += one["factor"] * max(min(float(days), one["end"]) - one["start"], 0.0)
    most = min(round(days + delta), LONGEST_DAYS)
    least = min(max(2, round(days - delta)), most)
    return least + min(int(chance * (most - least + 1)), most - least)


def _as_stated(memory: Memory, statement: Entry) -> Memory:
    assert statement.stability is not None and statement.difficulty is not None
    return replace(
        memory,
        state=CardState.REVIEW,
        step=None,
        stability=statement.stability,
        difficulty=statement.difficulty,
        due_at=statement.due_at or statement.at + timedelta(days=max(1, round(statement.stability))),
        introduced_at=memory.introduced_at or statement.at,
        last_review_at=statement.at,
    )


def _varied(card: fsrs.Card, at: datetime, chance: float | None) -> datetime:
    if chance is None or card.state.value != _Number.REVIEW:
        return card.due
    return at + timedelta(days=varied_days((card.due - at).days, chance))


def _card_of(memory: Memory) -> fsrs.Card:
    import fsrs

    new = memory.state is CardState.NEW
    state = fsrs.State.Learning if new else fsrs.State(_Number[memory.state.name].value)
    return fsrs.Card(
        card_id=0,  # without one it sleeps for a millisecond to make one of the clock
        state=state,
        step=memory.step,
        stability=memory.stability,
        difficulty=memory.difficulty,
        due=memory.due_at,
        last_review=memory.last_review_at,
    )


@lru_cache(16)
def _scheduler(retention: float) -> fsrs.Scheduler:
    import fsrs

    return fsrs.Scheduler(desired_retention=retention, enable_fuzzing=False)


def of_row(row: object) -> Memory:
    """The memory that a card's row keeps."""
    names: Sequence[str] = list(Memory.__dataclass_fields__)
    values = {name: getattr(row, name) for name in names}
    return Memory(**{**values, "state": CardState(values["state"])})
