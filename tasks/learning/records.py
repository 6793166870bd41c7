"""Resources and cards as they are sent and shown: the models that actions and collections share."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, StrictBool, StringConstraints, model_validator

from llmcoder import Model
from llmcoder.declare.filter import NO_BOOL, Equals, Filter, HasWords, IsSet, Words
from llmcoder.model import ChangeModel
from tasks.learning.scheduling import CardState

# NUL is the one character that PostgreSQL keeps in no text.
NO_NUL = r"^[^\x00]*$"
LONGEST_SIDE = 20_000
DEFAULT_DECK = "Default"


def _text(longest: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest, pattern=NO_NUL)


Title = Annotated[str, _text(300)]
Topic = Annotated[str, _text(80)]
Person = Annotated[str, _text(200)]
#: What a browser may open: a host by its name or its IPv4 address.
Url = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=2_000, pattern=r"^https?://[\w.-]+(:[0-9]{1,5})?([/?#][^\s\x00]*)?$"
    ),
]
Remarks = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000, pattern=NO_NUL)]
Deck = Annotated[str, _text(200)]
Side = Annotated[str, _text(LONGEST_SIDE)]
Tag = Annotated[str, StringConstraints(pattern=r"^[^\s\x00]{1,80}$")]
Path = Annotated[str, StringConstraints(pattern=r"^/[^\s\x00]{1,299}$")]
Percent = Annotated[int, Field(ge=0, le=100), NO_BOOL]


class Level(StrEnum):
    """For whom a resource is."""

    BEGINNER = "beginner"
    INTERMEDIATE = "intermediate"
    ADVANCED = "advanced"


class ResourceKind(StrEnum):
    """What a resource is."""

    ARTICLE = "article"
    BOOK = "book"
    COURSE = "course"
    DOCUMENTATION = "documentation"
    EXERCISE = "exercise"
    PODCAST = "podcast"
    VIDEO = "video"
    OTHER = "other"


class Progress(StrEnum):
    """How far somebody is with a resource."""

    PLANNED = "planned"
    STARTED = "started"
    FINISHED = "finished"

    @classmethod
    def at(cls, percent: int) -> Progress:
        if percent in (0, 100):
            return cls.FINISHED if percent else cls.PLANNED
        return cls.STARTED


def _agree(progress: Progress | None, percent: int | None) -> None:
    if progress is not None and percent is not None and Progress.at(percent) is not progress:
        raise ValueError(f"percent is {percent}, which is {Progress.at(percent)} and not {progress}")


class ResourceFilter(Filter):
    """Which resources are wanted, and in which order."""

    topic: list[Topic] | None = Field(
        None, description="Only those of one of these topics, in any case.", examples=[["python"]]
    )
    level: Annotated[list[Level] | None, Equals("level")] = Field(
        None, description="Only those of one of these levels."
    )
    kind: Annotated[list[ResourceKind] | None, Equals("kind")] = Field(
        None, description="Only those of one of these kinds."
    )
    progress: Annotated[list[Progress] | None, Equals("progress")] = Field(
        None, description="Only those that are planned, started or finished.", examples=[["planned", "started"]]
    )
    text: Annotated[Words | None, HasWords("title", "topic", "author", "notes")] = Field(
        None,
        description="Only those with all of these words in title, topic, author or notes, in any case and order.",
        examples=["git history"],
    )
    sort: Literal["created", "-created"] = Field("-created", description="Their order by age; - for the newest first.")


class NewResource(Model):
    """Something to learn from."""

    title: Title = Field(description="What it is called.", examples=["Pro Git"])
    topic: Topic = Field(description="What it is about, in a word or two.", examples=["git"])
    url: Url | None = Field(None, description="Where it is.", examples=["https://git-scm.com/book"])
    author: Person | None = Field(None, description="Who made it.", examples=["Scott Chacon"])
    level: Level = Field(Level.BEGINNER, description="For whom it is.")
    kind: ResourceKind = Field(ResourceKind.OTHER, description="What it is.", examples=["book"])
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None = Field(
        None, description="Its language, as BCP 47 names it.", examples=["en"]
    )
    minutes: Annotated[int, Field(ge=1, le=1_000_000), NO_BOOL] | None = Field(
        None, description="How long it takes, about.", examples=[600]
    )
    notes: Remarks | None = Field(None, description="Your own remarks.", examples=["Chapter 10 says how it works."])
    progress: Progress | None = Field(None, description="How far you are; planned when nothing is said.")
    percent: Percent | None = Field(None, description="How much of it you have done: 100 is finished.", examples=[0])

    @model_validator(mode="after")
    def _one_progress(self) -> Self:
        _agree(self.progress, self.percent)
        return self


class ResourceChange(ChangeModel):
    """What to change of a resource; a field left out stays as it is."""

    title: Title | None = Field(None, description="The new title; null leaves the old.")
    topic: Topic | None = Field(None, description="The new topic; null leaves the old.")
    url: Url | None = Field(None, description="The new address; null for none.")
    author: Person | None = Field(None, description="Who made it; null for nobody.")
    level: Level | None = Field(None, description="For whom it is; null leaves it.")
    kind: ResourceKind | None = Field(None, description="What it is; null leaves it.")
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$")] | None = Field(
        None, description="Its language; null for none."
    )
    minutes: Annotated[int, Field(ge=1, le=1_000_000), NO_BOOL] | None = Field(
        None, description="How long it takes; null if you do not know."
    )
    notes: Remarks | None = Field(None, description="Your own remarks; null for none.")
    progress: Progress | None = Field(None, description="How far you are; null leaves it.", examples=["started"])
    percent: Percent | None = Field(None, description="How much of it you have done; sets the progress, too.")

    @model_validator(mode="after")
    def _one_progress(self) -> Self:
        _agree(self.progress, self.percent)
        return self


class Resource(Model):
    """A resource that you keep."""

    id: UUID = Field(description="Its id.")
    title: str = Field(description="What it is called.")
    topic: str = Field(description="What it is about.")
    url: str | None = Field(description="Where it is.")
    author: str | None = Field(description="Who made it.")
    level: Level = Field(description="For whom it is.")
    kind: ResourceKind = Field(description="What it is.")
    language: str | None = Field(description="Its language.")
    minutes: int | None = Field(description="How long it takes, about.")
    notes: str | None = Field(description="Your own remarks.")
    progress: Progress = Field(description="How far you are.")
    percent: int | None = Field(description="How much of it you have done; null where you never said.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When it last changed.")


class CardFilter(Filter):
    """Which cards are wanted, and in which order."""

    deck: list[Deck] | None = Field(None, description="Only those of one of these decks, in any case.")
    state: Annotated[list[CardState] | None, Equals("state")] = Field(
        None, description="Only new ones, those being learned, reviewed or learned again."
    )
    tag: Tag | None = Field(None, description="Only those with this tag.")
    source: Annotated[Path | None, Equals("source_path")] = Field(
        None, description="Only those made from this record or job.", examples=["/general/notes/ID"]
    )
    has_source: Annotated[bool | None, IsSet("source_path")] = Field(
        None, description="True for those made from something of yours, false for others."
    )
    suspended: Annotated[bool | None, Equals("suspended")] = Field(
        None, description="True for those that are put aside, false for others."
    )
    text: Annotated[Words | None, HasWords("front", "back", "deck")] = Field(
        None, description="Only those with all of these words on them or in the name of their deck."
    )
    sort: Literal["created", "-created"] = Field("-created", description="Their order by age; - for the newest first.")


class NewCard(Model):
    """A card to learn."""

    front: Side = Field(
        description="The question, as plain text. With {{c1::words}} in it, these words are what is asked for.",
        examples=["Which command shows who last changed each line of a file?"],
    )
    back: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_SIDE, pattern=NO_NUL)] = Field(
        "",
        description="The answer. May be left out where the front has {{c1::words}} in it.",
        examples=["git blame"],
    )
    deck: Deck = Field(DEFAULT_DECK, description="Which pile it belongs to.", examples=["git"])
    tags: list[Tag] = Field(
        default_factory=list, max_length=50, description="Words to find it by, without blanks.", examples=[["history"]]
    )
    source_path: Path | None = Field(
        None, description="The record or job that it was made from.", examples=["/general/notes/ID"]
    )
    source_title: Annotated[str, StringConstraints(max_length=300, pattern=NO_NUL)] | None = Field(
        None, description="What that is called.", examples=["Notes on git"]
    )

    @model_validator(mode="after")
    def _has_an_answer(self) -> Self:
        from tasks.learning.cloze import numbers_of

        if not self.back and not numbers_of(self.front):
            raise ValueError("a card has a back, or {{c1::words}} in its front")
        return self


class CardChange(ChangeModel):
    """What to change of a card; a field left out stays as it is, and so does what you have learned of it."""

    front: Side | None = Field(None, description="The new question; null leaves the old.")
    back: Side | None = Field(None, description="The new answer; null leaves the old.", examples=["git blame -w"])
    deck: Deck | None = Field(None, description="Another pile; null leaves it.")
    tags: list[Tag] | None = Field(None, max_length=50, description="The new tags, all of them; null leaves them.")
    suspended: StrictBool | None = Field(
        None, description="True puts it aside: it is not due until you say false; null leaves it."
    )


class Card(Model):
    """A card that you learn."""

    id: UUID = Field(description="Its id.")
    deck: str = Field(description="Which pile it belongs to.")
    front: str = Field(description="The question, as plain text.")
    back: str = Field(description="The answer, as plain text.")
    tags: list[str] = Field(description="Words to find it by.")
    source_path: str | None = Field(description="The record or job that it was made from: GET it.")
    source_title: str | None = Field(description="What that is called.")
    suspended: bool = Field(description="Whether it is put aside.")
    state: CardState = Field(description="Where it stands.")
    stability: float | None = Field(description="Days until you would recall it with a chance of 90 %; null if new.")
    difficulty: float | None = Field(description="How hard it is for you, 1 to 10; null if new.")
    due_at: datetime = Field(description="When it comes back.")
    last_review_at: datetime | None = Field(description="When you last answered it.")
    reviews: int = Field(description="How often you have answered it.")
    lapses: int = Field(description="How often you had forgotten it.")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When its text or pile last changed.")
