"""How a text says in markdown what Atlassian's editors mark: the signs that all readers of their formats write. Pure.

Signs are CommonMark's and GitHub's; what those have none for (raised and lowered text, a line break in a table's cell)
is written by the HTML tags that GitHub knows, but for digits, which Unicode has raised and lowered of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from llmcoder.superscript import subscript, superscript

_TICKS = re.compile("`+")
#: At the begin of a line: the fence of a block of code, behind what it stands in.
_FENCE = re.compile(r"[ >]*(`{3,})([^`\n]*)")
_ITEM = re.compile(r"(?:[-*]|\d{1,9}[.)])(?:\s|$)")
BREAK = "<br>"
#: Rows are filled up to so many cells; a wider table is none that anybody reads.
WIDEST = 100


def signed(text: str, sign: str) -> str:
    """A text between signs; blanks at its edges stand outside, or the signs are none. Each line has its own."""
    if "\n" not in text:
        return _between(text, sign, sign)
    return "\n".join(_between(line, sign, sign) for line in text.split("\n"))


def _between(text: str, first: str, last: str) -> str:
    before, core, after = _parts(text)
    return f"{before}{first}{core}{last}{after}" if core else text


def _parts(text: str) -> tuple[str, str, str]:
    core = text.strip()
    if not core:
        return text, "", ""
    if len(core) == len(text):
        return "", text, ""
    at = text.index(core)
    return text[:at], core, text[at + len(core) :]


def raised(text: str) -> str:
    """`5` as ⁵, so that 10⁵ is not 105; `<sup>th</sup>` of what has no signs of its own."""
    return _moved(text, superscript, "sup")


def lowered(text: str) -> str:
    """`2` as ₂, likewise."""
    return _moved(text, subscript, "sub")


def _moved(text: str, move: Callable[[str], str | None], tag: str) -> str:
    before, core, after = _parts(text)
    moved = move(core)
    return _between(text, f"<{tag}>", f"</{tag}>") if moved is None else f"{before}{moved}{after}"


def code_span(code: str) -> str:
    """Code within a line, between more backticks than stand in it."""
    if not code.strip():
        return code
    ticks = {len(found) for found in _TICKS.findall(code)}
    sign = next("`" * count for count in range(1, len(ticks) + 2) if count not in ticks)
    padded = f" {code} " if code[0] == "`" or code[-1] == "`" else code
    return f"{sign}{padded}{sign}"


def fenced(code: str, language: str = "", title: str = "") -> str:
    """Lines of code, in a fence that is longer than any in them."""
    longest = max((len(found) for found in _TICKS.findall(code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{title}:\n" * bool(title) + f"{fence}{language}\n{code}\n{fence}"


def linked(text: str, address: str) -> str:
    """A link; an address that is its own text stands alone."""
    before, core, after = _parts(text)
    if not address or not core:
        return text
    if core == address:
        return text
    target = f"<{address}>" if re.search(r"[\s()]", address) else address
    return f"{before}[{core}]({target}){after}"


def table_of(rows: list[list[str]]) -> str:
    """A table; its first row is the head, since markdown knows no table without one."""
    if not rows:
        return ""
    width = min(max(len(row) for row in rows), WIDEST)
    lines = [f"| {' | '.join([*row, *[''] * (width - len(row))])} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * max(width, len(rows[0]))}", *lines[1:]])


def cell_of(text: str, joint: str = BREAK) -> str:
    """A text of several lines as one cell of a table.

    Args:
        joint: Between two lines of plain text; items of lists and lines of code stand apart by a break in any case.
    """
    made = ""
    for line, apart in _cell_lines(text):
        made += (BREAK if apart else joint) * bool(made) + line
    return made


def _cell_lines(text: str) -> Iterator[tuple[str, bool]]:
    """The lines of a cell, and whether each must begin anew; lines of code have ticks, since a cell has no fence."""
    fence, after_block = "", False
    for line in text.split("\n"):
        found = _FENCE.fullmatch(line)
        if fence and found and found[1] == fence:
            fence, after_block = "", True
        elif fence:
            yield code_span(line), True
        elif found:
            fence = found[1]
        elif told := " ".join(line.split()):
            item = _ITEM.match(told) is not None
            yield told, item or after_block
            after_block = item
