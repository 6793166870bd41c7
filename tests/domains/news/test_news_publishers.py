"""Feeds as publishers send them: each says what its readers see on its page, and nothing of another element's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from publisher_feeds import PUBLISHERS, FeedCase

from tasks.news.feed_reader import read_feed


@pytest.mark.parametrize("case", PUBLISHERS, ids=lambda case: case.name)
def test_a_feed_says_what_its_publisher_means(case: FeedCase) -> None:
    feed = read_feed(case.body, case.media_type, case.url)
    for name, expected in case.feed.items():
        assert getattr(feed, name) == expected, name
    for name, expected in case.entry.items():
        assert_right(name, getattr(feed.entries[0], name), expected)


def assert_right(name: str, value: Any, expected: Any) -> None:
    if callable(expected):
        assert expected(value), f"{name}: {value!r}"
    else:
        assert (value.replace(microsecond=0) if isinstance(value, datetime) else value) == expected, name
