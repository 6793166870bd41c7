"""Reads how long a provider asks us to wait. Pure: the clock is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

DEFAULT_WAIT_S = 30.0
#: A provider that asks for more is asked again after this long; a header is not to park a job for ever.
MAX_WAIT_S = 24 * 3600.0


def retry_at(headers: Mapping[str, str], now: datetime) -> datetime:
    """When to ask again after a 429 or 503: `Retry-After` as seconds or as an HTTP date (RFC 9110, 10.2.3).

    Args:
        headers: Of the answer; names in lower case, or a mapping that does not mind.
        now: Aware.

    Returns:
        An aware instant, from `now` to 24 hours later; 30 s from now when the header is missing or unreadable.
    """
    return now + timedelta(seconds=min(max(_wait_s(headers.get("retry-after", ""), now), 0.0), MAX_WAIT_S))


def _wait_s(header: str, now: datetime) -> float:
    text = header.strip()
    if text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return DEFAULT_WAIT_S
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
