"""What an expression may take: limits on what its value becomes, and never an error that is no `BadInput`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmcoder import BadInput
from models.macros import expressions
from models.macros.evaluation import LARGEST_CHARS, MOST_WORK, EvaluationBudget

ROOT = Path(__file__).resolve().parents[2]
SCOPE: dict[str, Any] = {
    "input": {
        "text": "x" * 900_000,
        "quotes": '"' * 900_000,
        "faces": "\U0001f600" * 900_000,
        "numbers": list(range(100_000)),
        "texts": ["y" * 1_000] * 1_000,
        "people": [{"name": str(number), "age": number} for number in range(20_000)],
        "next": None,
    },
    "steps": {},
}

#: Each is short, and became gigabytes, minutes or both.
MULTIPLYING = {
    "pairs of pairs": "`1`" + " | [@,@]" * 24,
    "pairs of what is large": "input" + " | [@,@]" * 24,
    "objects of objects": "`1`" + " | {a:@,b:@}" * 24,
    "pairs in an odd place": "`1`" + " | [[@][0],@]" * 40,
    "long glue": "join(input.text, input.texts)",
    "joined twice": "[join('', input.texts), join('', input.texts)] | join('', [@,@,@,@,@])",
    "a join for each": 'input.numbers[*].join(\'\', [`"a"`, `"b"`])',
    "a long text for each": "input.texts[*].[join('', [@,@,@]), reverse(@), to_string([@])]",
    "escapes of escapes": "to_string([" * 20 + "input.quotes" + "])" * 20,
    "escaped faces": "to_string([input.faces, input.faces])",
    "a map of maps": "map(&map(&map(&map(&[@,@], [@,@]), [@,@]), [@,@]), input.numbers)",
    "flattened and doubled": "input.numbers" + " | [*].[@,@][]" * 12,
    "merged for each": "input.people[*].merge(@, @, @, @, @, @, @)",
    "a list in a list, for each": "input.numbers[*].[[[[[@]]]]]",
    "values of values": "`1`" + " | {a:@,b:@} | values(@)" * 24,
}

#: Each is no value of JSON, or not one that every reader takes.
UNWRITABLE = {
    "no number": "to_number('nan')",
    "infinity": "to_number('-inf')",
    "beyond a double": "to_number('1e999')",
    "beyond any integer": f"to_number('{'1' * 1_900}') | [@,@] | sum(@) | [to_string(@), to_string(@), to_string(@)]"
    " | join('', @) | to_number(@)",
    "a literal that is no number": "`NaN`",
    "a literal deep inside": '`[1, {"a": [1e999]}]`',
    "a sum beyond a double": "sum([to_number('1e308'), to_number('1e308')])",
    "half of a character": '`"\\ud83d"`',
    "half of a character as a name": '{"\\ud83d": `1`}',
    "an expression": "&name",
    "an expression in a list": "[&name]",
    "an expression as a text": "to_string(&name)",
    "an expression that is not null": "not_null(&name)",
    "levels without end": "`" + "[" * 600 + "]" * 600 + "`",
    "levels made one by one": "`1`" + " | [@]" * 150,
}

#: Each breaks JMESPath or Python's operators.
BREAKING = {
    "the length of a number": "length(`1`)",
    "a beginning of nothing": "starts_with(input.next, 'a')",
    "a step of zero": "input.numbers[::0]",
    "a number before a text": "`1` < 'a'",
    "mixed": "sort([`1`, 'a'])",
    "no arguments": "merge()",
    "too many arguments": "length(`1`, `2`)",
    "sorted by nothing": "sort_by(input.people, &salary)",
    "the largest of objects": "max_by(input.people, &@)",
    "an average beyond a double": f"avg([to_number('{'1' * 400}')])",
    "infinity rounded": "ceil(to_number('inf'))",
}

UNREADABLE = {
    "parentheses": "(" * 999 + "a" + ")" * 999,
    "negations": "!" * 1_999 + "a",
    "fields": "a" + ".a" * 999,
    "pipes": "@" + "|@" * 990,
    "alternatives": "a" + "||a" * 660,
    "indices": "[0]" * 660,
    "brackets": "[" * 1_999,
    "backticks": "`" + "[" * 1_999,
    "braces": "{a:" * 660,
    "quotes": '"' * 1_999,
    "nothing": "",
    "an unknown function": "system('ls')",
}


#: Evaluates one expression after the other, and says how each ended and by how many MiB the process grew meanwhile.
MEASURING = """
import json, pathlib, sys
from llmcoder import BadInput
from models.macros import expressions

def status(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name)))

asked = json.load(sys.stdin)
for text in asked["texts"]:
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = status("VmRSS")
    try:
        ending = repr(expressions.value_of({"a": "${{ %s }}" % text}, asked["scope"]))[:200]
    except BadInput as error:
        ending = error.detail
    print(json.dumps([ending, (status("VmHWM") - before) // 1024]))
"""


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[str, int]]:
    """By expression: how it ended, and the MiB that it took, in a process that has nothing free to hide them in.

    A tracer of memory would tell them, too, and take eight times as long as what it traces.
    """
    asked = json.dumps({"scope": SCOPE, "texts": [*MULTIPLYING.values()]})
    command = [sys.executable, "-c", MEASURING]
    done = subprocess.run(command, cwd=ROOT, input=asked, stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    return dict(zip(MULTIPLYING.values(), map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("text", [*MULTIPLYING.values()], ids=[*MULTIPLYING])
def test_what_would_become_huge_is_refused_before_it_is(text: str, measured: dict[str, tuple[str, int]]) -> None:
    ending, grown_mb = measured[text]
    assert re.search(r"cannot be computed: .* (more than|too much work)", ending)
    assert grown_mb < 64


@pytest.mark.parametrize("text", [*UNWRITABLE.values(), *BREAKING.values()], ids=[*UNWRITABLE, *BREAKING])
def test_what_is_no_value_is_refused_with_the_expression_and_the_reason(text: str) -> None:
    for template in (f"${{{{ {text} }}}}", f"so ${{{{ {text} }}}} it is"):
        with pytest.raises(BadInput, match=r"^\$\{\{ .* (cannot be computed: |is no JMESPath expression: )") as refused:
            expressions.value_of(template, SCOPE)
        assert len(refused.value.detail) < 3_000


@pytest.mark.parametrize("text", [*UNREADABLE.values()], ids=[*UNREADABLE])
def test_what_cannot_be_read_is_refused_whichever_way_it_is_looked_at(text: str) -> None:
    for look in (expressions.check, lambda one: expressions.evaluate(one, SCOPE)):
        with pytest.raises(BadInput):
            look(text)


@pytest.mark.parametrize("text", ["[::0]", *MULTIPLYING.values(), *BREAKING.values()])
def test_checking_an_expression_ends_in_nothing_but_a_refusal(text: str) -> None:
    try:
        expressions.check(text)
    except BadInput as error:
        assert error.detail


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("input.people[-2:].age", [19_998, 19_999]),
        ("input.numbers[::50000]", [0, 50_000]),
        ("length(input.people[?age > `10`])", 19_989),
        ("length(input.people[*].name)", 20_000),
        ("sort_by(input.people, &age)[0].name", "0"),
        ("input.texts == input.texts", True),
        ("length(join('', input.texts))", 1_000_000),
        ("to_number('18446744073709551616')", 2**64),
    ],
)
def test_what_people_do_with_large_inputs_is_within_the_limits(text: str, value: Any) -> None:
    assert expressions.evaluate(text, SCOPE) == value


def test_a_large_value_goes_through_untouched() -> None:
    numbers = [1] * 500_000  # a megabyte as JSON, the largest result by default
    assert expressions.value_of({"a": "${{ input.x }}"}, {"input": {"x": numbers}}) == {"a": numbers}


@pytest.mark.parametrize(
    "template", [["${{ input.text }}"] * 10, "${{ input.text }}" * 10, {"a": ["${{ input.text }} "] * 10}]
)
def test_all_expressions_of_a_template_share_one_limit(template: Any) -> None:
    with pytest.raises(BadInput, match="together with what stands around it"):
        expressions.value_of(template, SCOPE)


def test_all_expressions_of_a_template_share_one_budget_of_work() -> None:
    template = ["${{ length(input.people[*].name) }}"] * 100
    with pytest.raises(BadInput, match="too much work"):
        expressions.value_of(template, SCOPE)


def test_a_template_of_nothing_but_braces_is_read_in_one_go() -> None:
    text = "${{" * 300_000  # a pattern looked for the end from each of them: half an hour
    assert [*expressions.expressions_in(text)] == []
    assert expressions.value_of(text, SCOPE) == text


@pytest.mark.parametrize(
    "template", [["${{ input }}"] * 1_001, "${{ input }}" * 1_001, {"a": {"b": "${{ input.a }}" * 2_000}}]
)
def test_a_template_has_no_more_expressions_than_anybody_writes(template: Any) -> None:
    with pytest.raises(BadInput, match="more than 1000 expressions"):
        expressions.refuse_too_many(template)


def test_the_expressions_of_a_template_have_only_so_many_characters() -> None:
    one = "${{ " + "input.next || " * 100 + "input.next }}"
    fits = expressions.MOST_CHARS // len(one)
    expressions.refuse_too_many([one] * fits)
    with pytest.raises(BadInput, match="more than 100,000 characters altogether"):
        expressions.refuse_too_many([one] * (fits + 2))


@pytest.mark.parametrize(
    "text", ["[input.empty, input.empty, input.empty, input.empty]", "input.empty[*].[@, @, @, @]"]
)
def test_lists_count_more_than_their_brackets(text: str) -> None:
    """A million empty lists are 3 MB as JSON, 60 MB in memory, and half a second to be read again."""
    scope = {"input": {"empty": [[]] * 40_000}}
    assert len(json.dumps(scope["input"]["empty"])) * 3 < LARGEST_CHARS
    with pytest.raises(BadInput, match=r"cannot be computed: .* (\(each list or object counts|too much work)"):
        expressions.value_of(f"${{{{ {text} }}}}", scope)


def test_an_expression_is_paid_for_by_its_length_though_it_was_read_before() -> None:
    long = "${{ " + "input.next || " * 100 + "`1` }}"
    budget = EvaluationBudget(most_work=MOST_WORK)
    for _ in range(2):
        before = budget.spent
        expressions.value_of(long, SCOPE, budget=budget)
        assert budget.spent - before > len(long) - 10


def nested(levels: int) -> Any:
    value: Any = "${{ input.next }}"
    for _ in range(levels):
        value = [value]
    return value


def test_a_template_is_no_deeper_than_what_is_written() -> None:
    expressions.refuse_too_many(nested(100))
    assert expressions.value_of(nested(100), SCOPE)
    for refuse in (expressions.refuse_too_many, lambda one: expressions.value_of(one, SCOPE)):
        with pytest.raises(BadInput, match="nested more than 100 levels deep"):
            refuse(nested(150))


@pytest.mark.parametrize(
    "text",
    ["@", "@.steps.a.result", "values(@)", "*.a", "{all: @}.all.steps.a", "@ | steps.a.result", "[@][0].steps.a"],
)
def test_the_whole_scope_reads_every_step(text: str) -> None:
    """Else a result would come through it without its taint."""
    assert expressions.check(text) == {"*"}


# --- any expression, any value

NAMES = st.sampled_from(["a", "b", "items", "name", "next"])
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
FUNCTIONS = sorted(expressions._known_functions())
LITERALS = st.sampled_from(
    ["`1`", "`-0.5`", "`[]`", "`{}`", "`null`", "`[1,2,3]`", "'x'", "`1e999`", '`"\\ud83d"`', "`true`", "'nan'"]
)
LEAVES = NAMES | LITERALS | st.sampled_from(["@", "*", "[*]", "[]", "[::2]", "[::0]", "[-1]", "&a", "&@"])


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, max_size=3)
    return st.one_of(
        st.tuples(inner, inner).map(" | ".join),
        st.tuples(inner, inner).map(".".join),
        st.tuples(inner, st.sampled_from(["==", "!=", "<", ">=", "&&", "||"]), inner).map(" ".join),
        several.map(lambda parts: f"[{', '.join(parts)}]"),
        several.map(lambda parts: "{" + ", ".join(f"k{n}: {part}" for n, part in enumerate(parts)) + "}"),
        st.tuples(st.sampled_from(FUNCTIONS), several).map(lambda call: f"{call[0]}({', '.join(call[1])})"),
        inner.map(lambda part: f"&{part}"),
        inner.map(lambda part: f"!{part}"),
        st.tuples(inner, inner).map(lambda pair: f"{pair[0]}[?{pair[1]}]"),
        st.tuples(inner, st.integers(1, 12)).map(lambda times: " | ".join([times[0]] * times[1])),
    )


EXPRESSIONS = st.recursive(LEAVES, grown, max_leaves=10) | st.text("[]{}()@*.|&`'\"a1,:?!<=", max_size=30)


@pytest.mark.filterwarnings("ignore:deprecated string literal")
@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(EXPRESSIONS, VALUES, st.sampled_from(["${{ %s }}", "x ${{ %s }} y", "${{ %s }}${{ %s }}"]))
def test_any_expression_over_any_value_ends_in_json_or_in_a_refusal(text: str, value: Any, shape: str) -> None:
    template = {"a": [shape.replace("%s", text)]}
    try:
        found = expressions.value_of(template, {"input": value, "a": value, "b": [value], "items": [value, value]})
    except BadInput as error:
        assert error.detail.startswith(("${{", "An expression has", "It is nested"))
        return
    written = json.dumps(found, allow_nan=False, ensure_ascii=False)
    assert len(written.encode()) < 12 * LARGEST_CHARS
    assert json.loads(written) == found
    assert MOST_WORK  # what it took was counted, or it would have been refused
    if max((abs(one) for one in _integers(found)), default=0) < 2**63:
        assert orjson.loads(orjson.dumps(found)) == found


def _integers(value: Any) -> list[int]:
    if isinstance(value, dict | list):
        return [one for inner in (value.values() if isinstance(value, dict) else value) for one in _integers(inner)]
    return [value] if isinstance(value, int) else []
