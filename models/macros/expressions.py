"""Expressions in a macro: `${{ … }}` around JMESPath, over the macro's input and the results of earlier steps. Pure.

A text that is nothing but one expression stands for its value, whatever that is; inside a longer text the value is
written out. JMESPath reads and reshapes data and can do nothing else: no calls, no loops, no names of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from llmcoder.errors import BadInput

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

LONGEST = 2_000
#: Written into a text, a value may have so many characters; the text as a whole is limited as every input is.
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
#: What an expression of a macro may begin with.
ROOTS = ("input", "steps", "item", "index", "run")

#: Of these only the first part looks things up in the scope; the others, in what that part found.
_INNER = ("subexpression", "index_expression", "projection", "value_projection", "filter_projection", "pipe")

Scope = Mapping[str, Any]


def expressions_in(value: JsonValue) -> Iterator[str]:
    """Every expression in a template, wherever it stands."""
    if isinstance(value, str):
        yield from (found.strip() for found in _EXPRESSION.findall(value))
    elif isinstance(value, list):
        for one in value:
            yield from expressions_in(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from expressions_in(one)


def check(expression: str, roots: tuple[str, ...] = ROOTS) -> frozenset[str]:
    """The names of the steps that an expression reads.

    Args:
        roots: What it may begin with.

    Raises:
        BadInput: It cannot be read, or begins with something that there is not.
    """
    if len(expression) > LONGEST:
        raise BadInput(f"An expression has at most {LONGEST} characters; one here has {len(expression)}.")
    tree = _parsed(expression).parsed
    for name in _functions(tree):
        if name not in _known_functions():
            raise BadInput(f"${{{{ {expression} }}}}: JMESPath has no function {name!r}.")
    for root in _roots(tree):
        if root not in roots:
            raise BadInput(
                f"${{{{ {expression} }}}}: there is no {root!r}; an expression begins with {_listed(roots)}."
            )
    return frozenset(_steps(tree))


def value_of(template: JsonValue, scope: Scope, unknown: Collection[str] = ()) -> JsonValue:
    """A template with the values of its expressions in their places.

    Args:
        unknown: Steps whose results nobody knows; an expression that reads one stays as it is written.

    Raises:
        BadInput: A function of JMESPath refuses what it was given.
    """
    if isinstance(template, str):
        return _text(template, scope, unknown)
    if isinstance(template, list):
        return [value_of(one, scope, unknown) for one in template]
    if isinstance(template, dict):
        return {name: value_of(one, scope, unknown) for name, one in template.items()}
    return template


def reads_any(expression: str, steps: Collection[str]) -> bool:
    """Whether an expression reads one of the steps."""
    read = check(expression) if steps else frozenset()
    return "*" in read or not read.isdisjoint(steps)


def evaluate(expression: str, scope: Scope) -> Any:
    """The value of one expression.

    Raises:
        BadInput: A function of JMESPath refuses what it was given.
    """
    from jmespath.exceptions import JMESPathError

    try:
        return _parsed(expression).search(scope)
    except (JMESPathError, TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"${{{{ {expression} }}}} cannot be computed: {error}") from None


def is_true(value: Any) -> bool:
    """As JMESPath has it: null, false, and what is empty are not; 0 is."""
    return not (value is None or value is False or value in ("", [], {}))


def _text(template: str, scope: Scope, unknown: Collection[str]) -> JsonValue:
    whole = _EXPRESSION.fullmatch(template.strip())
    if whole is not None and "${{" not in whole[1]:
        expression = whole[1].strip()
        found: JsonValue = template if reads_any(expression, unknown) else evaluate(expression, scope)
        return found

    def write(found: re.Match[str]) -> str:
        expression = found[1].strip()
        return found[0] if reads_any(expression, unknown) else _written(evaluate(expression, scope))

    return _EXPRESSION.sub(write, template)


def _written(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@lru_cache(1_000)
def _parsed(expression: str) -> ParsedResult:
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.compile(expression)
    except (JMESPathError, RecursionError) as error:
        raise BadInput(f"${{{{ {expression} }}}} is no JMESPath expression: {error}") from None


def _roots(node: Mapping[str, Any]) -> Iterator[str]:
    """The fields that are looked up in the scope itself, and not in what was found there."""
    kind, children = node["type"], node["children"]
    if kind == "field":
        yield node["value"]
    elif kind in _INNER:
        yield from _roots(children[0])
    elif kind not in ("literal", "identity", "current", "expref"):
        for child in children:
            yield from _roots(child)


def _steps(node: Mapping[str, Any]) -> Iterator[str]:
    """Names behind `steps.`; `steps` alone, or with a computed name, reads them all, said as `*`."""
    if node["type"] == "subexpression":
        names = [child.get("value") if child["type"] == "field" else None for child in node["children"]]
        if names[0] == "steps":
            yield names[1] or "*" if len(names) > 1 else "*"
            return
    if node["type"] == "field" and node["value"] == "steps":
        yield "*"
    for child in node["children"][:1] if node["type"] in _INNER else node["children"]:
        yield from _steps(child)


def _functions(node: Mapping[str, Any]) -> Iterator[str]:
    if node["type"] == "function_expression":
        yield node["value"]
    for child in node["children"]:
        yield from _functions(child)


@lru_cache(1)
def _known_functions() -> frozenset[str]:
    from jmespath.functions import Functions

    return frozenset(Functions.FUNCTION_TABLE)


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
