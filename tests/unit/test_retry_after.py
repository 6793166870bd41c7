"""How a provider's wish to wait is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from llmcoder.retry_after import DEFAULT_WAIT_S, MAX_WAIT_S, retry_at

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("120", 120),
        (" 1.5 ", 1.5),
        ("0", 0),
        ("Sun, 01 Mar 2026 12:05:00 GMT", 300),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("99999999", MAX_WAIT_S),
        ("-5", DEFAULT_WAIT_S),
        ("soon", DEFAULT_WAIT_S),
        ("", DEFAULT_WAIT_S),
        ("٣", DEFAULT_WAIT_S),
    ],
)
def test_seconds_and_dates_become_an_instant_within_a_day(header, wait_s):
    assert retry_at({"retry-after": header}, NOW) == NOW + timedelta(seconds=wait_s)


def test_a_missing_header_waits_a_little():
    assert retry_at({}, NOW) == NOW + timedelta(seconds=DEFAULT_WAIT_S)
