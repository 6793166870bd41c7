"""Evaluates JMESPath and counts what that takes, since its values can become far larger than its text. Pure.

Values in memory share their parts: 24 times `[@, @]` is a few hundred bytes there, and sixteen million copies when it
is written. So what counts is the size of a value *as JSON text*, measured after every node that makes one, and for
functions that multiply before they do. Values that were only looked up were bounded where they came in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

#: One unit is about a microsecond on a quiet machine; what that becomes beside other work, see docs/fuzz.md.
MOST_WORK = 300_000
#: A value as JSON, in characters; each list or object counts more, see `CONTAINER_CHARS`.
LARGEST_CHARS = 4 * 2**20
#: JSON readers give up at about 200 levels, and this goes into an object that has some itself.
MOST_DEEP = 100
#: Python reads and writes integers of at most 4,300 digits.
MOST_BITS = 14_000
#: Looking through so many characters, or copying them, is one unit of work.
CHARS_A_UNIT = 32
#: What a list or object counts beside its characters: memory, and the time to read it again.
CONTAINER_CHARS = 32
#: What a list or object costs to be measured, beside its items; and how many of those are one unit.
CONTAINER, ITEMS_A_UNIT = 4, 4

Node = Mapping[str, Any]


class Exceeded(Exception):
    """It takes more than it may, or its value cannot be written; the message says which, and what to do."""


class Postponed(BaseException):
    """It takes more than may be taken at once, and is to be computed again where it may.

    No `Exception`: what guards a step against whatever its expressions raise must let it pass.
    """


class EvaluationBudget:
    """What all expressions of one template may take together, and the sizes of what they made.

    Args:
        most_at_once: Work after which it is postponed, if that is less than `most_work`.
    """

    def __init__(self, most_work: int = MOST_WORK, most_at_once: int | None = None) -> None:
        self.spent = 0
        self._most_work = most_work
        self._most_at_once = most_work if most_at_once is None else most_at_once
        self._chars = LARGEST_CHARS
        #: By id: the value itself, which must not go while its id is looked up here; its characters; its levels.
        self._known: dict[int, tuple[Any, int, int]] = {}

    def spend(self, units: int) -> None:
        """Count work.

        Raises:
            Exceeded: There is not so much left.
            Postponed: There is, but not at once.
        """
        self.spent += units
        if self.spent > self._most_work:
            raise Exceeded("it takes too much work; filter first, or read less of what it goes through")
        if self.spent > self._most_at_once:
            raise Postponed

    def write(self, chars: int) -> None:
        """Count what becomes part of the template's value.

        Raises:
            Exceeded: All of it together is too long.
        """
        self._chars -= chars
        if self._chars < 0:
            raise Exceeded(f"together with what stands around it, it has {_MORE}; take single fields of it")

    def size(self, value: Any) -> int:
        """Characters of a value as JSON text, about.

        Raises:
            Exceeded: It has too many, is nested too deeply, or is nothing that JSON has.
        """
        return self._measured(value, 0)[0]

    def _measured(self, value: Any, depth: int) -> tuple[int, int]:
        if isinstance(value, str):
            return _length(value), 0
        if isinstance(value, (list, dict)):
            known = self._known.get(id(value))
            return known[1:] if known is not None else self._walked(value, depth)
        return _width(value), 0

    def _walked(self, value: list[Any] | dict[str, Any], depth: int) -> tuple[int, int]:
        if depth > MOST_DEEP:
            raise Exceeded(_TOO_DEEP)
        self.spend(CONTAINER + len(value) // ITEMS_A_UNIT)
        chars, levels = CONTAINER_CHARS + 2 * len(value), 0
        if isinstance(value, dict):
            chars += sum(_length(name) for name in value)
        for one in value.values() if isinstance(value, dict) else value:
            more, below = self._measured(one, depth + 1)
            chars, levels = chars + more, max(levels, below)
            if chars > LARGEST_CHARS:
                raise Exceeded(_TOO_LARGE)
        if levels >= MOST_DEEP:
            raise Exceeded(_TOO_DEEP)
        self._known[id(value)] = value, chars, levels + 1
        return chars, levels + 1


_MORE = f"more than {LARGEST_CHARS:,} characters (each list or object counts {CONTAINER_CHARS})"
_TOO_LARGE = f"a value in it has {_MORE} as JSON; filter first, or take single fields"
_TOO_DEEP = f"a value in it is nested more than {MOST_DEEP} levels deep"


def search(tree: Node, scope: Mapping[str, Any], budget: EvaluationBudget) -> Any:
    """The value of a parsed expression: one that JSON can say, if the scope holds no others.

    Raises:
        Exceeded: It takes more than the budget has, or cannot be written.
        jmespath.exceptions.JMESPathError, and what Python's own operators raise: A function refuses its arguments.
    """
    interpreter = _interpreter()(budget)
    value = interpreter.visit(tree, scope)
    if interpreter.has_made:
        budget.size(value)
    return value


def _length(text: str) -> int:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Exceeded("a text in it has half of a character (a lone surrogate)") from None
    return len(text) + 2


def _width(value: Any) -> int:
    if value is None or isinstance(value, bool):
        return 5
    if isinstance(value, int):
        bits = value.bit_length()
        if bits > MOST_BITS:
            raise Exceeded("a number in it has thousands of digits")
        return bits // 3 + 2
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Exceeded(f"a number in it is {value}, which JSON does not have")
        return 24
    raise Exceeded("it gives a part of an expression (&…) and no value")


#: Nodes that make a value; the others only find one, in the scope or in what these made.
_MAKING = frozenset({
    "multi_select_list", "multi_select_dict", "flatten", "slice", "projection", "value_projection",
    "filter_projection", "function_expression", "literal", "expref",
})  # fmt: skip


class Interpreter(Protocol):
    """Of JMESPath.

    Attributes:
        has_made: Whether it has made a value, and not only found one.
    """

    has_made: bool

    def visit(self, node: Any, value: Any) -> Any: ...


@cache
def _interpreter() -> Callable[[EvaluationBudget], Interpreter]:
    """Made when first used: a process that evaluates nothing does not load JMESPath."""
    from jmespath.functions import Functions
    from jmespath.visitor import TreeInterpreter

    functions = Functions()

    class Counting(TreeInterpreter):
        def __init__(self, budget: EvaluationBudget) -> None:
            super().__init__()
            self._budget = budget
            self.has_made = False

        def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
            self._budget.spend(1)
            value = super().visit(node, *args, **kwargs)
            if node["type"] in _MAKING:
                self.has_made = True
                size = 0 if node["type"] == "expref" else self._budget.size(value)
                if isinstance(value, str):
                    self._budget.spend(size // CHARS_A_UNIT)
            return value

        def visit_comparator(self, node: Any, value: Any) -> Any:
            left, right = (self.visit(child, value) for child in node["children"])
            self._budget.spend(min(self._budget.size(left), self._budget.size(right)) // CHARS_A_UNIT)
            literals: Any = [{"type": "literal", "value": one, "children": []} for one in (left, right)]
            compared: Any = {**node, "children": literals}
            return super().visit_comparator(compared, value)

        def visit_function_expression(self, node: Any, value: Any) -> Any:
            given = [self.visit(child, value) for child in node["children"]]
            _weigh(node["value"], given, self._budget)
            return functions.call_function(node["value"], given)

    return Counting


def _weigh(function: str, given: Sequence[Any], budget: EvaluationBudget) -> None:
    """Count what a function is about to look through, and what it is about to make where that may be far more."""
    values = [one for one in given if isinstance(one, (str, list, dict, int, float))]
    budget.spend(sum(budget.size(one) for one in values) // CHARS_A_UNIT)
    if function == "join" and _glued(given) + sum(budget.size(one) for one in values) > LARGEST_CHARS:
        raise Exceeded(_TOO_LARGE)
    if function == "to_string" and given and not isinstance(given[0], str):
        # a character outside of ASCII is written as six or twelve
        budget.spend(6 * budget.size(given[0]) // CHARS_A_UNIT)


def _glued(given: Sequence[Any]) -> int:
    """Characters that a `join` puts between what it joins."""
    match given:
        case [str() as glue, list() as texts]:
            return len(glue) * len(texts)
    return 0
