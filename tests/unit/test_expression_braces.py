"""Where an expression ends: behind the braces and texts of its own. JMESPath has `{a: b}`, '…', "…" and `…`."""

from __future__ import annotations

import time
from contextlib import nullcontext as no_error
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcoder.errors import BadInput
from models.macros import expressions

SCOPE: dict[str, Any] = {"payload": {"a": "x", "n": 3, "list": [{"b": 1}, {"b": 2}], "}}": "braces"}}

TEMPLATES = [
    ("${{ {a: payload.a} }}", {"a": "x"}),
    ("${{ {a: payload.a}}}", {"a": "x"}),
    ("${{{a: payload.a}}}", {"a": "x"}),
    ("${{ {a: {b: payload.a}} }}", {"a": {"b": "x"}}),
    ("${{ {a: {b: payload.a}}}}", {"a": {"b": "x"}}),
    ("${{{a: {b: {c: payload.a}}}}}", {"a": {"b": {"c": "x"}}}),
    ("got ${{ {a: {b: payload.a}} }}", 'got {"a": {"b": "x"}}'),
    ("got ${{ {a: {b: payload.a}}}}.", 'got {"a": {"b": "x"}}.'),
    ("${{ {a: payload.a}}}}", '{"a": "x"}}'),
    ("${{ payload.a }}}", "x}"),
    ("{${{ payload.a }}}", "{x}"),
    ('{"a": "${{ payload.a }}"}', '{"a": "x"}'),
    ("{{${{ payload.a }}}}", "{{x}}"),
    ("${{ payload.list[].{b: b}}}", [{"b": 1}, {"b": 2}]),
    ("${{ payload.list[*].{c: {b: b}} | [0] }}", {"c": {"b": 1}}),
    ("${{ [{a: {b: payload.n}}] }}", [{"a": {"b": 3}}]),
    ("${{ payload.list[?b > `1`].{b: {c: b}} }}", [{"b": {"c": 2}}]),
    ("${{ '}}' }}", "}}"),
    ("${{ '}}}' }}}", "}}}}"),
    ("${{ 'it\\'s }}' }}", "it's }}"),
    ("${{ '{{' }}", "{{"),
    ('${{ payload."}}" }}', "braces"),
    ('${{ {"}}": payload.a} }}', {"}}": "x"}),
    ("${{ `{}` }}", {}),
    ('${{ `{"a": {"b": 1}}` }}', {"a": {"b": 1}}),
    ('${{`{"a": {"b": 1}}`}}', {"a": {"b": 1}}),
    ("${{ `\"a}}\"` }}", "a}}"),
    ("${{ {a: '}'} }}", {"a": "}"}),
    ("${{ {a: '{'}}}", {"a": "{"}),
    ("${{ {a: payload.a} }} and ${{ {b: {c: payload.n}}}}", '{"a": "x"} and {"b": {"c": 3}}'),
    ("${{ payload.a }}${{ payload.n }}", "x3"),
    ("${{ payload.a }} isn't ${{ payload.n }}", "x isn't 3"),
    ("a ${{ that never ends", "a ${{ that never ends"),
    ("a ${{ {b: {c: d}} that never ends", None),
    ("{a: ${{ payload.a }}, b: {c: ${{ payload.n }}}}", "{a: x, b: {c: 3}}"),
    ("${{ to_string({a: {b: payload.n}}) }}", '{"a":{"b":3}}'),
    ("${{ {a: {\n  b: payload.n\n}} }}\n", {"a": {"b": 3}}),
]  # fmt: skip


@pytest.mark.parametrize(("template", "value"), TEMPLATES)
def test_an_expression_ends_behind_what_it_opened_itself(template: str, value: Any) -> None:
    if value is None:
        with pytest.raises(BadInput):
            expressions.value_of(template, SCOPE)
        return
    for expression in expressions.expressions_in(template):
        expressions.check(expression, ("payload",))
    assert expressions.value_of(template, SCOPE) == value


@pytest.mark.parametrize("template", ["${{ {a: payload.a }}", "${{ it's }} ${{ payload.a }}", "${{ payload.a } }}"])
def test_what_is_wrong_is_said_of_the_first_expression_that_may_be_meant(template: str) -> None:
    first = template.partition("}}")[0].removeprefix("${{").strip()
    with pytest.raises(BadInput, match="is no JMESPath expression") as caught:
        expressions.value_of(template, SCOPE)
    assert f"${{{{ {first} }}}}" in caught.value.detail


@given(st.lists(st.sampled_from(["${{", "}}", "{", "}", "'", '"', "`", "\\", " a ", "x"]), max_size=25).map("".join))
def test_no_character_is_lost_whatever_stands_there(text: str) -> None:
    pieces = list(expressions._pieces(text))
    assert "".join(f"${{{{{piece}}}}}" if computed else piece for piece, computed in pieces) == text


@given(
    st.recursive(
        st.sampled_from(["payload.a", "'}}'", '`{"b": {}}`', 'payload."}}"', "@"]),
        lambda inner: st.builds("{{a: {}, b: {}}}".format, inner, inner) | st.builds("[{}]".format, inner),
        max_leaves=6,
    ),
    st.text("x '}", max_size=4),
)
def test_an_expression_that_can_be_read_is_found_whole_whatever_follows(expression: str, behind: str) -> None:
    assert next(iter(expressions.expressions_in(f"${{{{{expression}}}}}{behind}"))) == expression


@pytest.mark.parametrize("piece", ["${{ { }}", "${{ ' }}", "${{ '\\'", "${{ \\' }}", "${{ `{ }}", "}}", "{", "${{ {"])
def test_a_long_text_of_one_thing_is_looked_through_quickly(piece: str) -> None:
    began = time.process_time()
    with pytest.raises(BadInput, match="more than") if piece.endswith("}}") and "$" in piece else no_error():
        expressions.refuse_too_many([piece * (256 * 1024 // len(piece))])
    assert time.process_time() - began < 5
