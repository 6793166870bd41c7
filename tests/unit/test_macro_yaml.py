"""YAML as people write it, without the traps of YAML 1.1: a short text stays a small value, and is read quickly."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcoder import BadInput, strict_json
from models.macros.text import LARGEST_BYTES, from_yaml, written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1:59:59", "1:59:59"),  # YAML 1.1 has numbers in base 60
        ("1:59.5", "1:59.5"),
        ("2030-01-01", "2030-01-01"),
        ("2030-01-01T09:00:00Z", "2030-01-01T09:00:00+00:00"),
        ("2030-13-41", "2030-13-41"),
        ("2030-01-01T09:00:00+99:99", "2030-01-01T09:00:00+99:99"),
        ("1_000", 1_000),
        ("0x1F", 31),
        ("0b11", 3),
        ("017", 15),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e5", "1e5"),
        ("yes", True),
        ("~", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!float 1.5", 1.5),
    ],
)
def test_a_scalar_means_what_people_mean(text: str, value: Any) -> None:
    found = from_yaml(f"a: {text}\n".encode())["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x [1]\nb: *x", "Line 2 has the alias *x"),
        ("a: {<<: {b: 1}}", "Line 1 takes in another object"),
        ("a: 1\nb: 2\na: 3", "Line 3 has 'a', which stands there already"),
        ("a: 1\n---\nb: 2", "is no YAML in line 2: a second one"),
        ("? [a]\n: 1", "a name that is no text"),
        ("a: !!set {b}", "it has the tag"),
        ("a: !!binary aGk=", "it has the tag"),
        ("a: !!timestamp 2030-01-01", "it has the tag"),
        ("a: !!int 1:59:59", "is no int"),
        ("a: .inf", "what JSON cannot say"),
        ("a: 1.0e+999", "what JSON cannot say"),
        ("a: " + "9" * 5_000, "thousands of digits"),
        ("a: 0x" + "f" * 5_000, "thousands of digits"),
        ('a: "\\ud83d"', "is no YAML"),
        ("[" * 31 + "]" * 31, "more than 30 levels"),
        ('{"a":' + "[" * 40 + "]" * 40 + "}", "more than 30 levels"),
    ],
)
def test_what_json_cannot_say_or_what_grows_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(BadInput) as refused:
        from_yaml(text.encode())
    assert why in refused.value.detail and len(refused.value.detail) < 500


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_mark_is_no_error_and_neither_is_utf_16_which_powershell_writes(codec: str) -> None:
    assert from_yaml("name: Grüße\n".encode(codec)) == {"name": "Grüße"}


def test_json_is_read_as_json() -> None:
    assert from_yaml(b'{"face": "\\ud83d\\ude00", "n": 1e5}') == {"face": "\U0001f600", "n": 100_000.0}


#: Each took seconds or more, or might.
LARGE = {
    "base 60": b"a: 1" + b":59" * 80_000,
    "base 60, said to be a number": b"a: !!int 1" + b":59" * 80_000,
    "base 60 with a fraction": b"a: 1" + b":59" * 80_000 + b".5",
    "digits": b"a: " + b"9" * 250_000,
    "hexadecimal digits": b"a: 0x" + b"f" * 250_000,
    "underscores": b"a: 1" + b"_" * 250_000,
    "lists": b"[" * 250_000,
    "objects": b"{a: " * 60_000,
    "questions": b"? " * 120_000,
    "one item a line": b"- a\n" * 60_000,
    "digits of an instant": b"a: 2030-01-01T" + b"0:" * 100_000,
}


@pytest.mark.parametrize("text", [*LARGE.values()], ids=[*LARGE])
def test_a_large_text_is_read_or_refused_in_a_moment(text: bytes) -> None:
    assert len(text) <= LARGEST_BYTES
    began = time.thread_time()
    try:
        strict_json.write_exact(from_yaml(text))
    except BadInput as error:
        assert error.detail
    assert time.thread_time() - began < 5


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc<=~1:-", max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(DOCUMENTS)
def test_what_is_exported_is_read_again_as_it_was(document: Any) -> None:
    assert from_yaml(written(document).encode()) == document


@settings(max_examples=1_000, deadline=None)
@given(st.text("[]{}:,-?&*!|>'\"%@`#~ \n\tab01.<=\\xu", max_size=60) | st.text(max_size=40))
def test_any_text_ends_in_json_or_in_a_refusal(text: str) -> None:
    try:
        value = from_yaml(text.encode("utf-8", "surrogatepass"))
    except BadInput as error:
        assert error.detail
        return
    assert strict_json.read(strict_json.write_exact(value)) == value
