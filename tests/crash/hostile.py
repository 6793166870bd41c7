"""What a hostile or careless user sends, by a seed: macros, templates of webhooks with calls, and values in JSON.

Everything is text, since most of it no honest JSON writer would write. Each case is one of its kind's usual mistakes,
or of its known attacks, put together by chance.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

JSON, YAML, FORM = "application/json", "application/yaml", "application/x-www-form-urlencoded"
SELF_STARTING = "Starts itself"
#: Weight among the actions of a step. Seldom: each makes as many runs as the budget of one root allows.
STARTS_ITSELF = 0.15

#: Numbers that are none, or that one of the readers along the way does not take.
NUMBERS = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e400", "5e-324", "-0.0", "0.1", "1E+2", "18446744073709551616",
    "9223372036854775808", "-9223372036854775809", "9" * 400, "1" + "0" * 5_000, "00", "1_000", "0x10",
)  # fmt: skip
TEXTS = (
    '""', '"\\ud800"', '"\\udc00\\ud83d"', '"\\u0000"', '"a\\u0000b"', '"\\ud83d\\ude00"', '"' + "x" * 20_000 + '"',
    '"${{ input }}"', '"${{"', '"{{7*7}}"', '"\\u202eabc"', '"\x01"', '"\\x"', "'single'", '"unfinished',
)  # fmt: skip
LITERALS = ("null", "true", "false", "nul", "undefined", "", "[1,]", "{,}", "[" * 40 + "]" * 40, "/* no */ 1")

#: JMESPath that fails, grows, or means something else than it seems to.
EXPRESSIONS = (
    "length(`1`)", "length(steps.none)", "starts_with(steps.first.result.next, 'a')", "to_number('nan')",
    "to_number('1e999')", "to_number('inf')", "sum(`[1e308, 1e308]`)", "avg(`[]`)", "avg(`[\\\"a\\\"]`)",
    "ceil(to_number('inf'))", "[::0]", "@[::0]", "sort_by(@, &a)", "max_by(`[1]`, &x)", "sort(`[1, \\\"a\\\"]`)",
    "join(`1`, `[]`)", "join('x', `[1]`)", "keys(`1`)", "unknown(@)", "abs()", "@", "input", "payload", "*", "*.*.*",
    "[*][*][*]", "[]", "[][][][]", "&a", "map(&@, `1`)", "merge(@, `1`)", "reverse(`1`)", "contains(`1`, `1`)",
    "to_string(@)", "not_null()", "type(@)", "values(@)", "items(@)", "`{`", "`NaN`", "`1e999`", "'", "a.b.c.d.e",
    "a[99999999999999999999]", "a[?b==`1`]", "{a: @, b: @}", "(((((@)))))", "a ||| b",
)  # fmt: skip
DOUBLINGS = (
    " | [@, @]", " | {a: @, b: @}", " | [@, @][]", " | join('', [to_string(@), to_string(@)])",
    " | map(&[@, @], [@, @])",
)  # fmt: skip
ACTIONS = ("crash.think", "crash.echo", "crash.answer", "tasks.start_macro", "general.list_notes", "no.such_action", "")
ANSWERS = ("nan", "infinity", "huge", "surrogate", "nul", "deep", "wide", "not_json", "progress", "error", "fine")
SETTINGS = ("timeout_s", "retry", "parallel", "needs", "priority", "wait_for", "nonsense")


@dataclass(frozen=True)
class Case:
    """One thing that is sent.

    Attributes:
        kind: As the table counts it.
        calls: Of a webhook: what others send to it, each with its content type.
    """

    kind: str
    body: str
    content_type: str = JSON
    calls: tuple[tuple[str, str], ...] = ()


MACRO, KEPT_MACRO, WEBHOOK, VALUE, WIRE = "macro", "macro in YAML", "webhook", "JSON value", "bytes on the wire"
KINDS = {MACRO: 30, KEPT_MACRO: 10, WEBHOOK: 15, VALUE: 40, WIRE: 5}


class Hostile:
    """Makes cases.

    Args:
        seed: One gives the same cases again.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def case(self) -> Case:
        kind = self._rng.choices([*KINDS], [*KINDS.values()])[0]
        make = {
            MACRO: self._macro, KEPT_MACRO: self._kept_macro, WEBHOOK: self._webhook, VALUE: self._value_case,
            WIRE: self._wire,
        }  # fmt: skip
        return make[kind]()

    # --- values

    def value(self, depth: int = 0) -> str:
        """Of a value in JSON, or of something like it."""
        rng = self._rng
        pick = rng.random()
        if pick < 0.25:
            return rng.choice(NUMBERS)
        if pick < 0.5:
            return rng.choice(TEXTS)
        if pick < 0.6:
            return rng.choice(LITERALS)
        if pick < 0.62:
            return "[" * (depth_of := rng.choice((50, 500, 20_000))) + "]" * depth_of
        if pick < 0.64:
            return '{"a":' * (depth_of := rng.choice((50, 500, 20_000))) + "1" + "}" * depth_of
        if pick < 0.65:
            return "[" + rng.choice(("[],", "{},")) * rng.choice((1_000, 30_000, 150_000)) + "1]"
        if depth > 4:
            return "1"
        inner = [self.value(depth + 1) for _ in range(rng.randrange(6))]
        if pick < 0.82:
            return f"[{','.join(inner)}]"
        return "{" + ",".join(f"{rng.choice(self._names())}:{one}" for one in inner) + "}"

    def _names(self) -> tuple[str, ...]:
        return ('"a"', '"a"', '"b"', '"__proto__"', '"$ref"', '"\\u0000"', '"\\ud800"', '""', f'"{self._rng.random()}"')

    def _value_case(self) -> Case:
        rng = self._rng
        if rng.random() < 0.3:
            given = json.dumps({"how": rng.choice(ANSWERS)})
            return Case(VALUE, f'{{"action": "crash.answer", "input": {given}}}')
        value = self.value()
        body = rng.choices(
            (
                f'{{"action": "crash.echo", "input": {{"value": {value}}}}}',
                f'{{"action": "crash.echo", "input": {value}}}',
                f'{{"action": "crash.think", "input": {{"number": {value}}}}}',
                f'{{"action": "crash.echo", "input": {{"value": 1}}, "priority": {value}}}',
                f'{{"action": {value}, "input": {{}}}}',
                value,
            ),
            (60, 10, 10, 10, 5, 5),
        )[0]
        return Case(VALUE, body)

    # --- expressions

    def expression(self) -> str:
        rng = self._rng
        start = rng.choice(EXPRESSIONS)
        if rng.random() < 0.25:
            start += rng.choice(DOUBLINGS) * rng.choice((2, 8, 24, 40))
        elif rng.random() < 0.3:
            start = f"{start} | {rng.choice(EXPRESSIONS)}"
        elif rng.random() < 0.05:
            start = "(" * 500 + start + ")" * 500
        elif rng.random() < 0.1:  # long, and like no other, so that nobody has read it before
            start = "[" + ",".join(["input.x"] * 160) + f",`{rng.random()}`]"
        return start

    def template(self) -> str:
        """A JSON text with expressions in it, as it stands in a document."""
        rng = self._rng
        pieces = [rng.choice(("", "a ", "${{ ", "}}", "\\n"))]
        pieces += [f"${{{{ {self.expression()} }}}}" for _ in range(rng.choice((1, 1, 1, 2, 5)))]
        if rng.random() < 0.03:
            pieces.append("${{" * 2_000)
        text = "".join(pieces) if rng.random() < 0.4 else pieces[1]
        return f'"{text}"'

    # --- macros

    def _step(self, number: int) -> str:
        rng = self._rng
        name = rng.choice((f"s{number}", f"s{number}", f"s{number}", "first", "s0"))
        action = rng.choices(ACTIONS, (30, 25, 10, STARTS_ITSELF, 10, 2, 1))[0]
        fields = [f'"id": "{name}"', f'"action": "{action}"', f'"with": {self._given(action)}']
        if rng.random() < 0.35:
            fields.append(f'"if": {self.template()}')
        if rng.random() < 0.25:
            fields.append(f'"foreach": {self._items()}')
        if rng.random() < 0.5:
            fields.append(f'"on_error": {rng.choice(self._remedies(number))}')
        if rng.random() < 0.1:
            fields.append(f'"{rng.choice(SETTINGS)}": {self.value(3)}')
        return "{" + ", ".join(fields) + "}"

    def _given(self, action: str) -> str:
        rng = self._rng
        match action:
            case "crash.think":
                return f'{{"number": {self.template() if rng.random() < 0.5 else 1}, "takes_s": 0.02}}'
            case "crash.echo":
                return f'{{"value": {self.template() if rng.random() < 0.7 else self.value(2)}}}'
            case "crash.answer":
                return f'{{"how": "{rng.choice(ANSWERS)}"}}'
            case "tasks.start_macro":
                return f'{{"macro": "{SELF_STARTING}", "input": {{}}}}'
            case _:
                return "{}" if rng.random() < 0.5 else f'{{"a": {self.value(3)}}}'

    def _items(self) -> str:
        return self._rng.choice(
            (
                '"${{ input.items }}"',
                '"${{ `[1, 2, 3]` }}"',
                '"${{ `1` }}"',
                '"${{ range(10) }}"',
                "[1, 2]",
                self.template(),
            )
        )

    def _remedies(self, number: int) -> tuple[str, ...]:
        return ('"fail"', '"continue"', '"continue"', f'{{"fallback": "s{number + 1}"}}', '{"fallback": "none"}', "1")

    def _document(self) -> str:
        rng = self._rng
        steps = ", ".join(self._step(number) for number in range(rng.choice((1, 1, 2, 3, 5))))
        more = f', "output": {self.template()}' if rng.random() < 0.3 else ""
        return f'{{"name": "Fuzz", "input": {{"items": {{}}}}, "steps": [{steps}]{more}}}'

    def _macro(self) -> Case:
        rng = self._rng
        if rng.random() < 0.001:
            return Case(MACRO, json.dumps({"action": "tasks.start_macro", "input": {"macro": SELF_STARTING}}))
        items = self.value(3) if rng.random() < 0.2 else "[1, 2, 3]"
        given = f'{{"document": {self._document()}, "input": {{"items": {items}}}}}'
        return Case(MACRO, f'{{"action": "tasks.start_macro", "input": {given}}}')

    def _kept_macro(self) -> Case:
        rng = self._rng
        tricks = (
            self._document(),
            f"name: Fuzz\nsteps:\n  - id: a\n    action: crash.think\n    with: {{number: {self.value(3)}}}\n",
            "name: Fuzz\nsteps: [{id: a, action: crash.think, with: {number: 1"
            + ":59" * rng.choice((2, 200, 20_000))
            + "}}]",
            "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nname: [*c, *c]\nsteps: []\n",
            "name: !!python/object/apply:os.system ['true']\nsteps: []\n",
            "name: 2030-01-01\nsteps: [{id: a, action: crash.think, with: {number: .nan}}]\n",
            "name: Fuzz\nname: Twice\nsteps: []\n<<: {a: 1}\n",
            "{" * rng.choice((10, 5_000)),
            "\t- broken: [",
            "name: Fuzz\nsteps: " + "[" * rng.choice((50, 3_000)) + "]" * 50,
        )
        return Case(KEPT_MACRO, rng.choice(tricks), YAML)

    # --- webhooks

    def _webhook(self) -> Case:
        rng = self._rng
        action = rng.choice(("crash.echo", "crash.think", "tasks.start_macro"))
        given = {
            "crash.echo": f'{{"value": {self.template()}}}',
            "crash.think": f'{{"number": {self.template()}}}',
            "tasks.start_macro": f'{{"document": {self._document()}, "input": {{"items": {self.template()}}}}}',
        }[action]
        body = f'{{"name": "Fuzz", "scheme": "token", "action": "{action}", "input": {given}}}'
        return Case(WEBHOOK, body, calls=tuple(self._call() for _ in range(3)))

    def _call(self) -> tuple[str, str]:
        rng = self._rng
        if rng.random() < 0.15:
            return "a=1&a=2&b=%ff&c=" + "x" * rng.choice((1, 10_000)), FORM
        return self.value(), rng.choice(
            (JSON, JSON, JSON, "text/plain", "application/json; charset=utf-16", "nonsense")
        )

    # --- below HTTP

    def _wire(self) -> Case:
        rng = self._rng
        head, end = "POST /jobs HTTP/1.1\r\nHost: a\r\n", "\r\n\r\n"
        tricks = (
            head + "X: " + "x" * rng.choice((20_000, 2_000_000)) + end,
            head + "".join(f"X-{number}: 1\r\n" for number in range(rng.choice((300, 50_000)))) + "\r\n",
            head,  # and nothing more
            head + "Content-Length: 1000" + end + "{",
            head + "Transfer-Encoding: chunked" + end + rng.choice(("zz\r\n", "ffffffffffffffff\r\n", "5\r\nab")),
            head + "Content-Length: 4\r\nContent-Length: 5" + end + "{}  ",
            head + "Content-Length: 4\r\nTransfer-Encoding: chunked" + end + "0\r\n\r\n",
            head + "Content-Length: -1" + end,
            "GET /" + "a" * rng.choice((5_000, 500_000)) + " HTTP/1.1\r\nHost: a" + end,
            "GET /jobs/%00%ff%zz HTTP/1.1\r\nHost: a" + end,
            "GET / HTTP/9.9" + end,
            "\x16\x03\x01\x02\x00\x01\x00",
            "".join(chr(rng.randrange(256)) for _ in range(2_000)),
        )
        return Case(WIRE, rng.choice(tricks))
