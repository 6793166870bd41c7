"""What is kept of a result: a write's receipt always, and never more than the limit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import RootModel

from llmcoder import Model
from llmcoder.errors import Refused
from workers.result import kept

LIMIT = 1_024


class Posted(Model):
    page: str = ""
    receipt: str = "msg-1"
    url: str = "https://example.org/1"


class Anything(RootModel[Any]):
    """Whatever an action may return."""


def test_a_result_up_to_the_limit_stays_as_it_is_and_the_limit_is_in_bytes() -> None:
    frame = len(kept(Posted(), LIMIT, writes=False))
    assert json.loads(kept(Posted(page="x" * (LIMIT - frame)), LIMIT, writes=False)) == {
        "page": "x" * (LIMIT - frame),
        "receipt": "msg-1",
        "url": "https://example.org/1",
    }
    with pytest.raises(Refused, match=rf"has {LIMIT + 1} bytes; at most {LIMIT} .*MAX_RESULT_BYTES"):
        kept(Posted(page="x" * (LIMIT - frame - 1) + "ä"), LIMIT, writes=False)


def test_a_write_keeps_its_receipt_and_says_what_was_left_out() -> None:
    result = json.loads(kept(Posted(page="x" * 5_000), LIMIT, writes=True))
    left_out = result.pop("left_out")
    assert result == {"receipt": "msg-1", "url": "https://example.org/1"}
    assert left_out["fields"] == ["page"]
    assert "It happened" in left_out["detail"] and "MAX_RESULT_BYTES" in left_out["detail"]


text = st.text(max_size=40)
json_values = st.recursive(
    st.none() | st.integers() | text, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=60
)


@given(json_values, st.integers(0, 3_000))
def test_whatever_a_write_returns_there_is_a_result_within_the_limit(value: Any, padding: int) -> None:
    result = kept(
        Anything(root=[value, "x" * padding] if padding % 2 else {"v": value, "p": "x" * padding}), LIMIT, writes=True
    )
    assert len(result.encode()) <= LIMIT
    json.loads(result)
