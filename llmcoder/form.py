"""An answer of a given form, read out of what a model wrote: thoughts stand before it, remarks after it. Pure."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from llmcoder.text import whole

T = TypeVar("T", bound=BaseModel)

#: Nobody asks for a form of this size; a model that repeats itself for ever writes more.
LONGEST_ANSWER_CHARS = 200_000
#: Each one that opens nothing costs a look at all of the text, since Python's error counts its lines.
OPENINGS_TRIED = 5_000
VALUES_TRIED = 20
COMPLAINTS_SHOWN = 10
LONGEST_COMPLAINT_CHARS = 1_000

_OPENING = re.compile(r"[{\[]")
_DECODER = json.JSONDecoder()


class Misfit(ValueError):
    """The answer does not have the form; the text says why, so that the model can do better."""


def read(text: str, form: type[T]) -> T:
    """The last value in the text that has the form: whoever thinks aloud says what counts at the end.

    Raises:
        Misfit: There is none. It says what is wrong with the last object, or with the last value where there is none.
    """
    if len(text) > LONGEST_ANSWER_CHARS:
        raise Misfit(f"it has {len(text)} characters")
    text = whole(text)  # a stream may end amid a character, which pydantic takes for no text at all
    wrong: dict[str, str] = {}
    for one in reversed(deque(_values(text), VALUES_TRIED)):
        try:
            return form.model_validate_json(one)
        except ValidationError as error:
            wrong.setdefault(one[0], _complaint(error))
    raise Misfit(wrong.get("{") or wrong.get("[") or "there is no whole JSON object in it")


def _values(text: str) -> Iterator[str]:
    """Every outermost JSON object and list in a text, but none inside one that is broken.

    Raises:
        Misfit: Something in it cannot be read at all.
    """
    at = 0
    for _ in range(OPENINGS_TRIED):
        opening = _OPENING.search(text, at)
        if opening is None:
            return
        begins = opening.start()
        try:
            value, at = _DECODER.raw_decode(text, begins)
            json.dumps(value, allow_nan=False)  # JSON has neither NaN nor infinity, and Python reads both (1e999)
        except json.JSONDecodeError as error:
            at = max(error.pos, begins + 1)  # what was read up to there is not read again
        except RecursionError:
            raise Misfit("it is nested too deeply") from None
        except ValueError:
            raise Misfit("a number in it is NaN, infinite or too long") from None
        else:
            yield text[begins:at]
    raise Misfit("it has brackets without end")


def _complaint(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    all_of_it = "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}" for one in found[:COMPLAINTS_SHOWN]
    )
    return all_of_it[:LONGEST_COMPLAINT_CHARS]
