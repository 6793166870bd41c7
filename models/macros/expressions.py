"""Expressions in a macro: `${{ … }}` around JMESPath, over the macro's input and the results of earlier steps. Pure.

A text that is nothing but one expression stands for its value, whatever that is; inside a longer text the value is
written out. JMESPath reads and reshapes data and can do nothing else: no calls, no loops, no names of ours.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from llmcoder import strict_json
from llmcoder.errors import BadInput
from models.macros.evaluation import MOST_DEEP, EvaluationBudget, Exceeded, Node, search

if TYPE_CHECKING:
    from jmespath.parser import Parser

LONGEST = 2_000
#: Fields, operators and functions of one expression; a tree of it is kept in memory, see `_parsed`.
MOST_PARTS = 500
#: Expressions of one document.
MOST_EXPRESSIONS = 1_000
#: Characters of all expressions of one document: to read so many takes a fifth of a second.
MOST_CHARS = 100_000
#: Expressions of which is kept what they read: those of a hundred such documents.
MOST_KNOWN = 10_000
#: Of what a library says about an expression, which may quote all that it was given.
LONGEST_REASON = 300
OPEN, CLOSE = "${{", "}}"
#: A brace, or one of JMESPath's texts, in which braces do not count; one without an end takes all that follows.
_BRACE_OR_TEXT = re.compile(
    "[{}]|" + "|".join(rf"{quote}(?:[^{quote}\\]|\\.)*+(?:{quote}|\\?\Z)" for quote in "'\"`"), re.DOTALL
)
#: What an expression of a macro may begin with.
ROOTS = ("input", "steps", "item", "index", "run")

#: Of these only the first part looks things up in the scope; the others, in what that part found.
_INNER = ("subexpression", "index_expression", "projection", "value_projection", "filter_projection", "pipe")

Scope = Mapping[str, Any]


def expressions_in(value: JsonValue) -> Iterator[str]:
    """Every expression in a template, wherever it stands."""
    waiting: list[JsonValue] = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield from (piece.strip() for piece, computed in _pieces(one) if computed)
        elif isinstance(one, list):
            waiting.extend(reversed(one))
        elif isinstance(one, dict):
            waiting.extend(reversed(one.values()))


def refuse_too_many(template: JsonValue) -> None:
    """Refuse a template that has more expressions than anybody writes, or is nested too deeply to be gone through.

    Raises:
        BadInput: The detail says which.
    """
    if _is_deeper(template, MOST_DEEP):
        raise BadInput(f"It is nested more than {MOST_DEEP} levels deep.")
    lengths = [len(expression) for expression in islice(expressions_in(template), MOST_EXPRESSIONS + 1)]
    if len(lengths) > MOST_EXPRESSIONS:
        raise BadInput(f"It has more than {MOST_EXPRESSIONS} expressions; make several of it.")
    if sum(lengths) > MOST_CHARS:
        raise BadInput(f"Its expressions have more than {MOST_CHARS:,} characters altogether; make several of it.")


def check(expression: str, roots: tuple[str, ...] = ROOTS) -> frozenset[str]:
    """The names of the steps that an expression reads.

    Args:
        roots: What it may begin with.

    Raises:
        BadInput: It cannot be read, or begins with something that there is not.
    """
    if len(expression) > LONGEST:
        raise BadInput(f"An expression has at most {LONGEST} characters; one here has {len(expression)}.")
    return _checked(expression, roots)


@lru_cache(MOST_KNOWN)
def _checked(expression: str, roots: tuple[str, ...]) -> frozenset[str]:
    tree = _parsed(expression)
    for name in _functions(tree):
        if name not in _known_functions():
            raise BadInput(f"{_shown(expression)}: JMESPath has no function {name!r}.")
    for root in _roots(tree):
        if root not in roots:
            raise BadInput(f"{_shown(expression)}: there is no {root!r}; an expression begins with {_listed(roots)}.")
    return frozenset(_steps(tree))


def value_of(
    template: JsonValue, scope: Scope, unknown: Collection[str] = (), budget: EvaluationBudget | None = None
) -> JsonValue:  # fmt: skip
    """A template with the values of its expressions in their places; all of them share one budget.

    Args:
        unknown: Steps whose results nobody knows; an expression that reads one stays as it is written.
        budget: What they may take together.

    Raises:
        BadInput: A function of JMESPath refuses what it was given, or the value becomes larger, or takes more work,
            than anybody may want; the detail says which expression.
    """
    return _Template(scope, unknown, budget or EvaluationBudget()).value(template, 0)


def reads_any(expression: str, steps: Collection[str]) -> bool:
    """Whether an expression reads one of the steps."""
    read = check(expression) if steps else frozenset()
    return "*" in read or not read.isdisjoint(steps)


def evaluate(expression: str, scope: Scope, budget: EvaluationBudget | None = None) -> JsonValue:
    """The value of one expression, which JSON can say.

    Args:
        budget: What it may take, where others share it.

    Raises:
        BadInput: As `value_of`.
    """
    from jmespath.exceptions import JMESPathError

    tree, budget = _parsed(expression), budget or EvaluationBudget()
    try:
        budget.spend(len(expression))  # which it takes to read it
        found: JsonValue = search(tree, scope, budget)
    except Exceeded as error:
        raise BadInput(f"{_shown(expression)} cannot be computed: {error}.") from None
    except (JMESPathError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise BadInput(f"{_shown(expression)} cannot be computed: {_reason(error)}") from None
    except RecursionError:
        raise BadInput(f"{_shown(expression)} cannot be computed: it is nested too deeply.") from None
    return found


def is_true(value: Any) -> bool:
    """As JMESPath has it: null, false, and what is empty are not; 0 is."""
    return not (value is None or value is False or value in ("", [], {}))


class _Template:
    """Computes one template."""

    def __init__(self, scope: Scope, unknown: Collection[str], budget: EvaluationBudget) -> None:
        self._scope = scope
        self._unknown = unknown
        self._budget = budget

    def value(self, template: JsonValue, depth: int) -> JsonValue:
        if depth > MOST_DEEP:
            raise BadInput(f"It is nested more than {MOST_DEEP} levels deep.")
        if isinstance(template, str):
            return self._of_text(template)
        if isinstance(template, list):
            return [self.value(one, depth + 1) for one in template]
        if isinstance(template, dict):
            return {name: self.value(one, depth + 1) for name, one in template.items()}
        return template

    def _of_text(self, text: str) -> JsonValue:
        pieces = list(_pieces(text))
        whole = [piece for piece, computed in pieces if computed or piece.strip()]
        if len(whole) == 1 and any(computed for _, computed in pieces):
            expression = whole[0].strip()
            return text if reads_any(expression, self._unknown) else self._of_expression(expression)
        return "".join(self._written(piece) if computed else piece for piece, computed in pieces)

    def _written(self, piece: str) -> str:
        if reads_any(piece.strip(), self._unknown):
            return f"{OPEN}{piece}{CLOSE}"
        value = self._of_expression(piece.strip())
        if value is None:
            return ""
        return value if isinstance(value, str) else strict_json.one_line(value)

    def _of_expression(self, expression: str) -> JsonValue:
        value = evaluate(expression, self._scope, self._budget)
        try:
            self._budget.write(self._budget.size(value))
        except Exceeded as error:
            raise BadInput(f"{_shown(expression)} cannot be computed: {error}.") from None
        return value


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text in parts, each with whether it is an expression, which then stands without its braces.

    By hand: a pattern looks for the closing braces anew from every opening one, which takes minutes of a text of them.
    """
    at = 0
    while (start := text.find(OPEN, at)) >= 0 and (end := _end(text, start + len(OPEN))) >= 0:
        yield text[at:start], False
        yield text[start + len(OPEN) : end], True
        at = end + len(CLOSE)
    yield text[at:], False


def _end(text: str, start: int) -> int:
    """Where the braces stand that close an expression, which may have some of its own: `{a: {b: x}}`.

    Where its own do not match, the first that may; what is wrong is then said of the expression. -1 where none close.
    """
    first = text.find(CLOSE, start)
    if first < 0 or _BRACE_OR_TEXT.search(text, start, first) is None:
        return first
    opened = 0
    for found in _BRACE_OR_TEXT.finditer(text, start, start + LONGEST + len(CLOSE)):
        if found[0] == "}" and not opened:
            return found.start() if text.startswith(CLOSE, found.start()) else first
        opened += {"{": 1, "}": -1}.get(found[0], 0)
    return first


def _is_deeper(value: JsonValue, levels: int) -> bool:
    within: Sequence[JsonValue] = [value]
    for _ in range(levels + 1):
        within = [
            inner
            for one in within
            if isinstance(one, (list, dict))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(within)


def _shown(expression: str) -> str:
    return f"{OPEN} {expression} {CLOSE}"


def _reason(error: Exception) -> str:
    """What a library says, without the value that it says it about, which may be megabytes."""
    from jmespath.exceptions import JMESPathTypeError

    if isinstance(error, JMESPathTypeError):
        expected = " or ".join(error.expected_types)
        return f"{error.function_name}() takes {expected}, and was given {error.actual_type}."
    return str(error)[:LONGEST_REASON]


@lru_cache(200)
def _parsed(expression: str) -> Node:
    import jmespath.exceptions

    try:
        tree: Node = _parser().parse(expression).parsed
        parts = sum(1 for _ in _nodes(tree))
        strict_json.write_exact([node["value"] for node in _nodes(tree) if node["type"] == "literal"])
    except (jmespath.exceptions.JMESPathError, ValueError) as error:
        raise BadInput(f"{_shown(expression)} is no JMESPath expression: {str(error)[:LONGEST_REASON]}") from None
    except RecursionError:
        raise BadInput(f"{_shown(expression)} is no JMESPath expression: it is nested too deeply.") from None
    if parts > MOST_PARTS:
        raise BadInput(f"An expression has at most {MOST_PARTS} parts; one here has {parts}. Do it in several steps.")
    return tree


def _parser() -> Parser:
    """One that keeps nothing: JMESPath's own would keep 512 trees, of any size, beside those that `_parsed` keeps."""
    from jmespath.parser import Parser

    forgetful: Parser = type("Forgetful", (Parser,), {"_CACHE": {}, "_MAX_SIZE": 0})()
    return forgetful


def _nodes(tree: Node) -> Iterator[Node]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(_children(node))


def _children(node: Node) -> list[Node]:
    """The nodes under one; a slice's are its numbers."""
    return [] if node["type"] == "slice" else node["children"]


def _roots(node: Node) -> Iterator[str]:
    """The fields that are looked up in the scope itself, and not in what was found there."""
    kind, children = node["type"], _children(node)
    if kind == "field":
        yield node["value"]
    elif kind in _INNER:
        yield from _roots(children[0])
    elif kind != "expref":
        for child in children:
            yield from _roots(child)


def _steps(node: Node) -> Iterator[str]:
    """Names behind `steps.`; `steps` alone, or with a computed name, and the whole scope read them all, said as `*`."""
    kind, children = node["type"], _children(node)
    if kind == "subexpression":
        names = [child.get("value") if child["type"] == "field" else None for child in children]
        if names[0] == "steps":
            yield names[1] or "*" if len(names) > 1 else "*"
            return
    if kind in ("current", "identity") or (kind == "field" and node["value"] == "steps"):
        yield "*"
    if kind != "expref":
        for child in children[:1] if kind in _INNER else children:
            yield from _steps(child)


def _functions(tree: Node) -> Iterator[str]:
    return (node["value"] for node in _nodes(tree) if node["type"] == "function_expression")


@lru_cache(1)
def _known_functions() -> frozenset[str]:
    from jmespath.functions import Functions

    return frozenset(Functions.FUNCTION_TABLE)


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
