"""What HTML says by its looks and not by its letters, said by signs: powers, indices, what is struck out. Pure.

`10<sup>5</sup>` is not 105, and `<s>Monday</s> Friday` is not both days.
"""

from __future__ import annotations

import re
from typing import Any

from llmcoder.superscript import subscript, superscript

MOVED = ("sup", "sub")
STRUCK = ("s", "del", "strike")
#: What is raised or lowered and longer is no figure.
LONGEST_MOVED_CHARS = 40
_BEGINS_AS_FIGURE = re.compile(r"[-+−]?\d")
_SIGNS_OF = {"sup": (superscript, "^"), "sub": (subscript, "_")}


def put_signs(tree: Any) -> bool:
    """Put them into a tree of lxml; whether there was anything to say."""
    found = [one for one in tree.iter(*MOVED, *STRUCK) if (_strike(one) if one.tag in STRUCK else _move(one))]
    return bool(found)


def _move(element: Any) -> bool:
    text = "".join(element.itertext())
    core = text.strip()
    moved = moved_text(element.tag, core) if core and len(text) <= LONGEST_MOVED_CHARS else None
    if moved is None:
        return False
    element.clear(keep_tail=True)
    element.text = text.replace(core, moved)
    return True


def moved_text(tag: str, text: str) -> str | None:
    """Of what has no signs of its own only what begins as a figure would be misread: 10^2.5, but 4th and x of max."""
    move, sign = _SIGNS_OF[tag]
    if moved := move(text):
        return moved
    return sign + text if _BEGINS_AS_FIGURE.match(text) else None


def _strike(element: Any) -> bool:
    """`~~` round it, behind a blank that it begins with and before one that it ends with."""
    if not "".join(element.itertext()).strip():
        return False
    begin = element.text or ""
    element.text = f"{begin[: len(begin) - len(begin.lstrip())]}~~{begin.lstrip()}"
    last = element[-1] if len(element) else None
    end = (element.text if last is None else last.tail) or ""
    struck = f"{end.rstrip()}~~{end[len(end.rstrip()) :]}"
    if last is None:
        element.text = struck
    else:
        last.tail = struck
    return True
