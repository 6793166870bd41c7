"""What is kept of a result: a write's receipt always, and never more than the limit."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import RootModel

from llmcoder import Model, strict_json
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


HALF = "\ud83d"
RETURNED: dict[str, Any] = {
    "half of a character": Anything(root={"receipt": "msg-1", "text": HALF}),
    "half of a character as a name": Anything(root={HALF: 1}),
    "no number": Anything(root={"n": float("nan"), "i": float("-inf")}),
    "thousands of digits": Anything(root={"n": 10**5_000}),
    "beyond 64 bits": Anything(root={"n": 2**70}),
    "levels that pydantic writes": Anything(root={"receipt": "msg-1", "deep": json.loads("[" * 200 + "]" * 200)}),
    "levels without end": Anything(root={"receipt": "msg-1", "deep": json.loads("[" * 800 + "]" * 800)}),
    "bytes": Anything(root={"b": b"\xff"}),
    "an object of its own": Anything(root={"o": object()}),
    "nothing": None,
    "no model": {"receipt": "msg-1"},
    "a text": HALF,
}


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("name", RETURNED)
def test_whatever_a_write_returns_it_has_happened_and_everybody_can_read_it(name: str) -> None:
    text = kept(RETURNED[name], LIMIT, writes=True)
    assert len(text.encode()) <= LIMIT
    found = strict_json.read(text)
    assert not strict_json.is_deeper(found, 128)
    if "levels" in name:
        assert found["receipt"] == "msg-1"
        assert found["left_out"]["fields"] == ["deep"] and "128 levels" in found["left_out"]["detail"]


@pytest.mark.parametrize("name", ["nothing", "no model", "a text"])
def test_of_what_is_no_model_nothing_is_shown_since_nobody_declared_what_may_be(name: str) -> None:
    found = strict_json.read(kept(RETURNED[name], LIMIT, writes=True))
    assert found.keys() == {"left_out"} and "It happened" in found["left_out"]["detail"]
    with pytest.raises(TypeError, match="no model"):
        kept(RETURNED[name], LIMIT, writes=False)


def test_a_read_that_brought_too_many_levels_fails_with_the_reason() -> None:
    with pytest.raises(Refused, match="nested more than 128 levels deep"):
        kept(RETURNED["levels that pydantic writes"], LIMIT, writes=False)
