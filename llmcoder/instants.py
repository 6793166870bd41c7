"""Instants as callers write them: text with a date, a time and a zone, and never a number.

pydantic takes numbers for seconds since 1970, and text that looks like a number too: `due_at=2026` would be a moment
in January 1970, so that a delayed job would run at once.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

ONE_DAY = timedelta(days=1)
_BEGINS_WITH_A_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _refuse_numbers(given: object) -> object:
    if isinstance(given, bool | int | float) or (isinstance(given, str) and not _BEGINS_WITH_A_DATE.match(given)):
        raise ValueError("must be an instant such as 2030-06-01T09:00:00Z")
    return given


def on_every_clock(at: datetime) -> datetime:
    """The instant, if every zone has a name for it: in the first and the last days that there are, some have none.

    Raises:
        ValueError: Some have none.
    """
    try:
        utc = at.astimezone(UTC)
        min(utc - ONE_DAY, utc + ONE_DAY)
    except OverflowError:
        raise ValueError("must lie within the years 1 to 9999 in every zone") from None
    return at


#: An instant in an input.
WrittenInstant = Annotated[AwareDatetime, BeforeValidator(_refuse_numbers), AfterValidator(on_every_clock)]
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def _within_reason(at: datetime) -> datetime:
    if not EARLIEST <= at <= LATEST:
        raise ValueError("must lie between the years 1970 and 2200")
    return at


#: An instant that both stores can keep and compare.
Instant = Annotated[WrittenInstant, AfterValidator(_within_reason)]
