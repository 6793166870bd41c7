"""Cards with holes: `{{c1::Paris}} is the capital of {{c2::France::country}}`, as Anki writes them. Pure.

Holes nest: `{{c1::the {{c2::inner}} one}}`. A hole that is not closed is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

_OPENING = re.compile(r"\{\{c(\d{1,3}(?:,\d{1,3})*)::")
_TOKEN = re.compile(r"\{\{c\d{1,3}(?:,\d{1,3})*::|\}\}")
#: Deeper ones are text; Anki itself ends at 8.
DEEPEST = 8


@dataclass
class _Hole:
    numbers: tuple[int, ...]
    opening: str
    parts: list[str | _Hole] = field(default_factory=list)


def numbers_of(text: str) -> list[int]:
    """The numbers of the holes, each once, in order; Anki makes a card of each."""
    numbers: set[int] = set()

    def note(hole: _Hole) -> None:
        numbers.update(hole.numbers)
        for part in hole.parts:
            if isinstance(part, _Hole):
                note(part)

    for part in _parsed(text).parts:
        if isinstance(part, _Hole):
            note(part)
    return sorted(numbers)


def question(text: str, number: int | None = None) -> str:
    """The text with the holes of that number open, as `[…]` or `[hint]`, and all others filled; all open for None."""
    return _written(
        _parsed(text),
        lambda hole, inner, hint: f"[{hint or '…'}]" if number is None or number in hole.numbers else inner,
    )


def answer(text: str) -> str:
    """The text with all holes filled."""
    return _written(_parsed(text), lambda hole, inner, hint: inner)


def of_one_number(text: str) -> str:
    """The text with the same holes, all of number 1: Anki makes one card of it."""
    return _written(_parsed(text), lambda hole, inner, hint: f"{{{{c1::{inner}{'::' if hint else ''}{hint}}}}}")


def only(text: str, number: int) -> str:
    """The text with the holes of that number as they are written, and all others filled."""

    def kept(hole: _Hole, inner: str, hint: str) -> str:
        if number not in hole.numbers:
            return inner
        return f"{{{{c{number}::{inner}{'::' if hint else ''}{hint}}}}}"

    return _written(_parsed(text), kept)


def _written(hole: _Hole, fill: Callable[[_Hole, str, str], str]) -> str:
    """What stands in a hole, with those within it filled."""
    inner, _ = _inside(hole, fill, hinted=False)
    return inner


def _inside(hole: _Hole, fill: Callable[[_Hole, str, str], str], *, hinted: bool = True) -> tuple[str, str]:
    """What stands in a hole and the hint behind it, which the first `::` of its own divides."""
    sides = ["", ""]
    side = 0
    for part in hole.parts:
        if isinstance(part, _Hole):
            sides[side] += fill(part, *_inside(part, fill))
        elif hinted and side == 0 and "::" in part:
            before, _, hint = part.partition("::")
            sides[0] += before
            sides[1] += hint
            side = 1
        else:
            sides[side] += part
    return sides[0], sides[1]


def _parsed(text: str) -> _Hole:
    """As a hole around all of it."""
    stack = [_Hole((), "")]
    at = 0
    for token in _TOKEN.finditer(text):
        stack[-1].parts.append(text[at : token.start()])
        at = token.end()
        opening = _OPENING.fullmatch(token[0])
        if opening and len(stack) <= DEEPEST:
            stack.append(_Hole(tuple(map(int, opening[1].split(","))), token[0]))
        elif not opening and len(stack) > 1:
            closed = stack.pop()
            stack[-1].parts.append(closed)
        else:
            stack[-1].parts.append(token[0])
    stack[-1].parts.append(text[at:])
    while len(stack) > 1:  # never closed
        open_one = stack.pop()
        stack[-1].parts += [open_one.opening, *open_one.parts]
    return stack[0]
