"""Instants as callers write them: text with a date, a time and a zone, and never a number.

pydantic takes numbers for seconds since 1970, and text that looks like a number too: `due_at=2026` would be a moment
in January 1970, so that a delayed job would run at once.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

_BEGINS_WITH_A_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _refuse_numbers(given: object) -> object:
    if isinstance(given, bool | int | float) or (isinstance(given, str) and not _BEGINS_WITH_A_DATE.match(given)):
        raise ValueError("must be an instant such as 2030-06-01T09:00:00Z")
    return given


#: An instant in an input.
WrittenInstant = Annotated[AwareDatetime, BeforeValidator(_refuse_numbers)]
