"""The one reader and the one writer: what one makes the other takes, and so do Python, orjson and pydantic."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from llmcoder import strict_json

REFUSED = [
    "", "{", "NaN", "[Infinity]", "-Infinity", "1e999", "[-1e400]", "1" * 400 + ".5", "1" * 5_000, '"\\ud83d"',
    '{"\\udc00": 1}',
    '"\ud83d"', "[" * 250 + "]" * 250, "[" * 100_000, "{'a': 1}", "01", "1 2", '"\x01"', "\ufeff\ufeff1",
    "\ufeff",
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_not_every_reader_takes_is_refused(text: str) -> None:
    with pytest.raises(strict_json.NotJson):
        strict_json.read(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551616", 2**64),
        ("1e308", 1e308),
        ("1e-999", 0.0),
        ("1" * 400, int("1" * 400)),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"a\\u0000b"', "a\0b"),
        ('"1e999 NaN"', "1e999 NaN"),
    ],
)
def test_what_every_reader_takes_is_read_digit_by_digit(text: str, value: Any) -> None:
    assert strict_json.read(text) == strict_json.read(text.encode()) == strict_json.read_lenient(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": NaN, "b": 1e999, "c": 1}', {"a": None, "b": None, "c": 1}),
        ('["\\ud83d", "\\ud83d\\ude00"]', ["\ufffd", "\U0001f600"]),
        ('{"\\ud83d": 1}', {"\ufffd": 1}),
        ("[" + "1" * 5_000 + ", -2]", [None, -2]),
    ],
)
def test_what_nobody_could_correct_is_replaced(text: str, value: Any) -> None:
    assert strict_json.read_lenient(text) == value


MARKED = ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


def test_an_amount_of_money_is_read_digit_by_digit() -> None:
    found = strict_json.read_exact(
        b'\xef\xbb\xbf{"a": 0.1, "b": 90071992547409931.05, "c": -2307.21, "d": 5, "e": 1e3}'
    )
    assert {name: str(value) for name, value in found.items()} == {
        "a": "0.1", "b": "90071992547409931.05", "c": "-2307.21", "d": "5", "e": "1E+3"
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1.5, Infinity]", "[" * 300 + "]" * 300, "[" * 100_000, "nonsense"])
def test_what_is_no_json_has_no_exact_reading_either(text: str) -> None:
    with pytest.raises(strict_json.NotJson):
        strict_json.read_exact(text)


@pytest.mark.parametrize("codec", MARKED)
@pytest.mark.parametrize("value", [1, "", "ü", {"a": "朱镕基"}, ["😀"], {"\ufeff": "\ufeff"}])
def test_a_byte_order_mark_is_no_error_and_neither_is_what_windows_writes(codec: str, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    encoded = text.encode(codec)
    assert strict_json.read(encoded) == strict_json.read_lenient(encoded) == value
    assert json.loads(strict_json.utf8(encoded)) == value
    assert strict_json.read("\ufeff" + text) == strict_json.read_lenient("\ufeff" + text) == value


@pytest.mark.parametrize("codec", MARKED)
def test_what_nobody_could_correct_is_replaced_behind_a_mark_too(codec: str) -> None:
    assert strict_json.read_lenient('{"a": NaN, "b": "\\ud83d"}'.encode(codec)) == {"a": None, "b": "\ufffd"}


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, 10**5_000], ids=["nan", "inf", "-inf", "digits"])
def test_what_is_no_number_of_json_is_in_no_text_that_is_hashed(odd: Any) -> None:
    for escaped in (True, False):
        text = strict_json.canonical({"b": [odd], "a": "\ud83d"}, escaped=escaped)
        assert strict_json.read_lenient(text) == {"b": [None], "a": "\ufffd"}
        assert "null" in text and "NaN" not in text and "Infinity" not in text


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000])
def test_what_is_no_json_at_all_is_refused_by_the_lenient_one_too(text: str | bytes) -> None:
    with pytest.raises(strict_json.NotJson):
        strict_json.read_lenient(text)


UNWRITABLE: dict[str, Any] = {
    "nan": math.nan, "inf": [math.inf], "inner": {"a": [None, -math.inf]}, "half": "\ud83d", "name": {"\ud83d": 1},
    "digits": 10**5_000, "set": {1, 2}, "bytes": b"x",
}  # fmt: skip


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_would_be_replaced_is_not_written_exactly(name: str) -> None:
    value = UNWRITABLE[name]
    with pytest.raises(strict_json.Unwritable):
        strict_json.write_exact(value)
    strict_json.read(strict_json.write(value))


def test_an_instant_keeps_its_form_beside_what_is_replaced() -> None:
    at = datetime(2030, 1, 2, tzinfo=UTC)
    plain = strict_json.write_bytes({"at": at}, option=strict_json.UTC_Z)
    assert json.loads(plain) == {"at": "2030-01-02T00:00:00Z"}
    assert (
        json.loads(strict_json.write_bytes({"at": at, "n": 2**70}, option=strict_json.UTC_Z))["at"]
        == "2030-01-02T00:00:00Z"
    )


def test_what_is_hashed_stays_as_earlier_versions_wrote_it() -> None:
    value = {"b": [1, 1e16, 2**70], "a": "Grüße"}
    assert strict_json.canonical(value) == '{"a":"Grüße","b":[1,1e+16,1180591620717411303424]}'
    assert strict_json.canonical(value, spaced=True, escaped=True) == json.dumps(value, sort_keys=True)


def test_a_megabyte_of_digits_is_looked_at_in_a_moment() -> None:
    began = time.thread_time()
    for text in (b"1" * 308 + b",", b"1e99,", b"e", b"1" * 1_000):
        strict_json.is_large(text * (2**20 // len(text)))
    assert time.thread_time() - began < 2


NAMES = st.text(st.characters(), max_size=3) | st.integers()
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=6)
ANY = st.recursive(
    SCALARS | st.binary(max_size=3) | st.datetimes() | st.uuids(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=10,
)

#: Of each property in one run; the next run draws others.
EXAMPLES = 500


@settings(max_examples=EXAMPLES, deadline=None)
@given(ANY)
def test_whatever_is_written_every_reader_takes(value: Any) -> None:
    text = strict_json.write(value)
    found = strict_json.read(text)
    assert found == from_json(text, allow_inf_nan=False)
    assert found == json.loads(text, parse_constant=lambda name: pytest.fail(name))
    orjson.loads(text)
    assert strict_json.read(strict_json.write_exact(found)) == found == strict_json.plain(found)
    assert json.loads(strict_json.canonical(value)) == json.loads(strict_json.one_line(value))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(st.characters(), max_size=20))
def test_whatever_is_storable_both_stores_take(text: str) -> None:
    kept = strict_json.storable(text)
    assert "\0" not in kept and kept.encode().decode() == kept


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=30) | st.text('[]{}",:0123456789eE+-.nulltruefasINy \\ud8', max_size=30).map(str.encode))
def test_whatever_comes_in_is_read_or_refused(text: bytes) -> None:
    try:
        value = strict_json.read(text)
    except strict_json.NotJson:
        return
    assert strict_json.read(strict_json.write_exact(value)) == value


@pytest.mark.parametrize(
    ("text", "containers"),
    [
        (b"[]", 1),
        (b'{"a": [1, {}]}', 3),
        (b'["[[[", {"{": "]"}]', 2),
        (rb'["\"[", "\\", []]', 2),
        (b'"[[[[', 0),
        (rb'"\"[\"[', 0),
    ],
)
def test_lists_and_objects_are_counted_and_brackets_in_texts_are_not(text: bytes, containers: int) -> None:
    assert not strict_json.has_more_containers(text, containers)
    assert containers == 0 or strict_json.has_more_containers(text, containers - 1)


@pytest.mark.parametrize("piece", [b'"', b'\\"', b'"\\', b"\\", b'["', b'"[', b"[{"])
def test_counting_is_done_in_one_go_whatever_stands_there(piece: bytes) -> None:
    strict_json.has_more_containers(b"[" * 11 + piece * 300_000, 10)  # a pattern that goes back would take hours
