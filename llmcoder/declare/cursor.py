"""Cursors of lists: where a page ended, for the list that it is of and no other.

A cursor holds the last record's place in the order, not how many came before it, so that pages stay right while records
come and go. It is no secret and proves nothing: it names a place in the caller's own records, whoever wrote it. The two
sums in it tell a cursor of another list, sort or filter, and one that was changed or cut on its way.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, StringConstraints

from llmcoder import strict_json
from llmcoder.errors import BadInput

SUM_BYTES = 8
#: In characters; the longest that is given out has a text of 200 characters in it.
LONGEST = 2_000


def _as_text(given: object) -> object:
    return str(given) if isinstance(given, UUID) else given


#: In an input: a cursor, or where the newest come first, the id of a record.
Cursor = Annotated[str, BeforeValidator(_as_text), StringConstraints(max_length=LONGEST)]


def written(scope: Any, place: list[Any]) -> str:
    """A cursor.

    Args:
        scope: What it belongs to: list, sort and filter, as JSON can say them.
        place: The values by which the last record stands where it does.
    """
    payload = strict_json.write_bytes(place)
    return base64.urlsafe_b64encode(_sum(scope) + _sum([scope, place]) + payload).rstrip(b"=").decode()


def read(scope: Any, cursor: str) -> list[Any]:
    """The place that a cursor names.

    Raises:
        BadInput: It belongs to something else, or is none that was given out.
    """
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), b"-_", validate=True)
        place: Any = strict_json.read(raw[2 * SUM_BYTES :])
    except ValueError:
        raise _broken() from None
    known = isinstance(place, list) and written(scope, place) == cursor
    if not known and raw[:SUM_BYTES] != _sum(scope) and isinstance(place, list):
        raise BadInput("The cursor is of another list, sort or filter. Ask for the first page, without a cursor.")
    if not isinstance(place, list) or not known:
        raise _broken()
    return place


def _broken() -> BadInput:
    return BadInput("The cursor is none that was given out. Take `next` of a page as it is.")


def _sum(value: Any) -> bytes:
    return hashlib.sha256(strict_json.canonical(value).encode()).digest()[:SUM_BYTES]
