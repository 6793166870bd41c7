"""Rows of many users that are due, each handled alone: what one of them raises is told to its user and to no other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from llmcoder.problems import problem_of
from models.db.database import TRANSIENT_ERRORS

Wanted = TypeVar("Wanted")


def each_alone(
    conn: sa.Connection,
    rows: Iterable[Any],
    handle: Callable[[Any], Sequence[Wanted]],
    failed: Callable[[Any, str], None],
) -> list[Wanted]:
    """What the rows want together.

    Args:
        handle: What one row wants, and all that is written about it; undone where it raises.
        failed: Takes down that a row could not be handled, and why, so that it is due no more.

    Raises:
        TRANSIENT_ERRORS: The database refuses for the moment, which is no row's fault.
    """
    wanted: list[Wanted] = []
    for row in rows:
        try:
            with conn.begin_nested():
                wanted += handle(row)
        except TRANSIENT_ERRORS:
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it must not stop the rows of others
            failed(row, problem_of(error)["detail"])
    return wanted
