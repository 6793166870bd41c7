"""How the list of a collection is filtered, searched and sorted: a model, whose fields say what they are held against.

    class TodoFilter(Filter):
        text: Annotated[Words | None, HasWords("title")] = Field(None, description="Only those with these words.")
        due_before: Annotated[Instant | None, Before("due_at")] = Field(None, description="Only those due earlier.")
        sort: Literal["created", "-created", "due", "-due"] = Field("-created", description="…; - for descending.")

The same model makes the query parameters of the list over HTTP and, as the base of its input, those of an action that
lists. A field that is left out, or null, does not filter. What a mark cannot say, the store does by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints, model_validator

from llmcoder.caseless import fold
from llmcoder.model import Model

MOST_WORDS = 20
LONGEST_TEXT = 200
#: Of values in a list; each becomes a parameter of the statement.
MOST_VALUES = 100
#: The order of a list that says nothing else.
NEWEST_FIRST = "-created"
#: Fields of the inputs made of a filter: order and paging.
NOT_FILTERING = frozenset({"sort", "limit", "cursor", "before"})
#: What both stores keep in a whole number.
LARGEST = 2**63 - 1


def words_of(text: str) -> list[str]:
    """The words of a search, folded, each once."""
    return list(dict.fromkeys(fold(text).split()))


def _few_words(text: str) -> str:
    if not 1 <= len(words_of(text)) <= MOST_WORDS:
        raise ValueError(f"must have 1 to {MOST_WORDS} different words")
    return text


def _no_bool(given: object) -> object:
    if isinstance(given, bool):
        raise ValueError("must be a whole number")
    return given


#: Pydantic takes `true` for 1, and a schema does not. It stands after the limits, which pydantic else leaves out of the
#: schema: `Annotated[int, Field(ge=0), NO_BOOL]`.
NO_BOOL = BeforeValidator(_no_bool)
#: How many.
Number = Annotated[int, NO_BOOL]

# NUL is the one character that PostgreSQL keeps in no text.
_NO_NUL = r"^[^\x00]*$"
#: A passage that is looked for as it stands.
Passage = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_TEXT, pattern=_NO_NUL)]
#: Words that are looked for, in whatever order they come.
Words = Annotated[Passage, AfterValidator(_few_words)]


@dataclass(frozen=True)
class Mark:
    """What a field's value is held against.

    Args:
        column: Of the table.
    """

    column: str


class Equals(Mark):
    """The column has the value, or one of a list of them."""


class AtLeast(Mark):
    """The column has the value or a larger one; for instants: then or later."""


class AtMost(Mark):
    """The column has the value or a smaller one."""


class Before(Mark):
    """The column has a smaller value; for instants: earlier."""


class IsSet(Mark):
    """The column holds something, or for `false`: nothing."""


class HasPassage(Mark):
    """The text of the column has the passage in it, in any case."""


@dataclass(frozen=True, init=False)
class HasWords:
    """Each word stands somewhere in the texts of the columns, in any case.

    Args:
        columns: Of the table; a word may stand in any of them.
    """

    columns: tuple[str, ...]

    def __init__(self, *columns: str) -> None:
        object.__setattr__(self, "columns", columns)


AnyMark = Mark | HasWords


class Filter(Model):
    """Base of what a list can be asked for. A field `sort` names the orders; without one, the newest come first."""

    @model_validator(mode="after")
    def _no_more_than_can_be_compared(self) -> Filter:
        for name, value in self:
            values = value if isinstance(value, list) else [value]
            if len(values) > MOST_VALUES:
                raise ValueError(f"{name} has {len(values)} values; at most {MOST_VALUES} are compared")
            if any(isinstance(one, int) and abs(one) > LARGEST for one in values):
                raise ValueError(f"{name} is larger than any value that is kept")
            if any(isinstance(one, str) and "\0" in one for one in values):
                raise ValueError(f"{name} has a zero byte, which no text has that is kept")
        return self

    @property
    def order(self) -> str:
        """The order that is asked for, such as `-created`."""
        return str(getattr(self, "sort", NEWEST_FIRST))

    @classmethod
    def marks(cls) -> Iterator[tuple[str, AnyMark | None]]:
        """Every field that filters, with its mark; None where the store must know by itself."""
        for name, field in cls.model_fields.items():
            if name not in NOT_FILTERING:
                yield name, next((one for one in field.metadata if isinstance(one, AnyMark)), None)

    def given(self) -> dict[str, Any]:
        """What filters, by the name of its field."""
        names = {name for name, _ in type(self).marks()}
        return {name: value for name, value in self if name in names and value is not None and value != []}
