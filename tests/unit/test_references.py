"""References in an input: what is one, what it is replaced by, and what is left as it is."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.references import DEEPEST, NoResultYet, find, resolve
from llmcoder.errors import BadInput
from models.jobs.taint import Source

JOB = UUID("01937b2e-7c00-7000-8000-000000000001")
OTHER = UUID("01937b2e-7c00-7000-8000-000000000002")
RESULT = {"text": "milk", "list": [{"a": 1}, None], "a/b": "slash", "m~n": "tilde", "~1": "both", "": "nothing", "0": 7}


def to(pointer: str = "/text", job_id: UUID = JOB) -> dict[str, str]:
    return {"$ref": f"/jobs/{job_id}#/result{pointer}"}


def source(result: Any = RESULT, state: str = "succeeded") -> dict[UUID, Source]:
    text = None if result is None else json.dumps(result)
    return {JOB: Source(JOB, "test.echo", state, "person", False, False, (), text)}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("$ref"), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_an_input_that_refers_to_nothing_stays_as_it_is(given: Any) -> None:
    assert find(given) == []
    assert resolve(given, {}) == given


@given(PLAIN, st.lists(st.integers(0, 3) | st.text(max_size=3), max_size=20))
def test_a_reference_is_found_and_replaced_wherever_it_stands(result: Any, path: list[int | str]) -> None:
    """A string in the path stands for an object around it, a number for a list with so many others before it."""

    def around(inner: Any) -> Any:
        for step in path:
            inner = [*range(step), inner] if isinstance(step, int) else {step: inner, f"{step} too": 1}
        return inner

    given = around(to("/x"))
    assert find(given) == [JOB]
    assert resolve(given, source({"x": result})) == around(result)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RESULT),
        ("/text", "milk"),
        ("/list/0/a", 1),
        ("/list/1", None),
        ("/a~1b", "slash"),
        ("/m~0n", "tilde"),
        ("/~01", "both"),
        ("/", "nothing"),
        ("/0", 7),
    ],
)
def test_a_pointer_leads_into_a_result_as_rfc_6901_says(pointer: str, value: Any) -> None:
    assert resolve({"given": to(pointer)}, source()) == {"given": value}


@pytest.mark.parametrize(
    "pointer", ["/nothing", "/text/0", "/list/2", "/list/-1", "/list/x", "/list/01", "/list/²", "/list/" + "9" * 5_000]
)
def test_a_pointer_to_nothing_is_refused_and_named(pointer: str) -> None:
    with pytest.raises(BadInput, match="has nothing at"):
        resolve(to(pointer), source())


@pytest.mark.parametrize(
    "given",
    [
        {"$ref": f"/jobs/{JOB}#/result", "more": 1},
        {"$ref": f"/jobs/{JOB}#/input/text"},
        {"$ref": f"/jobs/{JOB}#/resultant"},
        {"$ref": f"/jobs/{JOB}"},
        {"$ref": f"/jobs/{str(JOB).upper()}#/result"},
        {"$ref": f"https://example.org/jobs/{JOB}#/result"},
        {"$ref": "#/definitions/text"},
        {"$ref": 7},
        {"$ref": None},
    ],
)
def test_what_only_looks_like_one_is_none(given: Any) -> None:
    assert find(given) == []
    assert resolve(given, source()) == given


def test_every_digit_of_a_number_is_kept() -> None:
    assert resolve(to("/id"), source({"id": 2**64 + 1})) == 2**64 + 1


def test_each_job_is_found_once_in_the_order_of_its_first_reference() -> None:
    assert find({"a": to(job_id=OTHER), "b": [to("/x"), to("/y")], "c": to(job_id=OTHER)}) == [OTHER, JOB]


def test_what_a_result_refers_to_is_not_followed() -> None:
    """A result is what somebody wrote; only an input's author says what the input is made of."""
    assert resolve({"given": to("/x")}, source({"x": to(job_id=OTHER)})) == {"given": to(job_id=OTHER)}


@pytest.mark.parametrize(("result", "state"), [(None, "queued"), (None, "succeeded"), (RESULT, "uncertain")])
def test_only_what_has_succeeded_can_be_referred_to(result: Any, state: str) -> None:
    with pytest.raises(NoResultYet, match=state):
        resolve(to(), source(result, state))


def nested(levels: int) -> Any:
    given: Any = 0
    for _ in range(levels):
        given = [given]
    return given


def test_an_input_that_is_nested_too_deeply_is_refused() -> None:
    assert find(nested(DEEPEST)) == []
    with pytest.raises(BadInput, match=f"more than {DEEPEST} levels"):
        find(nested(DEEPEST + 1))
