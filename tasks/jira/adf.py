"""The Atlassian Document Format as text near markdown, for people and models who read it. Pure.

A node that is not known gives what its content says, and what is nested too deeply to have been meant is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

DEEPEST = 60
_SIGNS = {"strong": "**", "em": "*", "strike": "~~", "code": "`"}

Node = dict[str, Any]


def text_of(document: Any) -> str:
    """What a document says; a plain text is given back as it is, nothing for what is neither."""
    if isinstance(document, str):
        return document
    return _blocks(_content(document), 0).strip() if isinstance(document, dict) else ""


def _content(node: Node) -> list[Node]:
    content = node.get("content")
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def _attribute(node: Node, name: str) -> str:
    attributes = node.get("attrs")
    found = attributes.get(name) if isinstance(attributes, dict) else None
    return str(found) if isinstance(found, str | int | float) else ""


def _is_inline(node: Node) -> bool:
    return str(node.get("type")) in _INLINE


def _blocks(nodes: Sequence[Node], depth: int, joint: str = "\n\n") -> str:
    """Blocks one after the other; inline nodes that stand among them are one block together."""
    if depth > DEEPEST:
        return "…"
    return joint.join(part for part in _parts(nodes, depth) if part)


def _parts(nodes: Sequence[Node], depth: int) -> Iterator[str]:
    run: list[Node] = []
    for node in nodes:
        if _is_inline(node):
            run.append(node)
            continue
        yield _inline(run, depth)
        run = []
        yield _BLOCKS.get(str(node.get("type")), _unknown)(node, depth + 1)
    yield _inline(run, depth)


def _unknown(node: Node, depth: int) -> str:
    return _blocks(_content(node), depth) or _attribute(node, "text") or _attribute(node, "url")


# --- blocks


def _heading(node: Node, depth: int) -> str:
    level = _attribute(node, "level")
    return f"{'#' * (int(level) if re.fullmatch('[1-6]', level) else 1)} {_inline(_content(node), depth)}"


def _code(node: Node, _depth: int) -> str:
    code = "".join(str(one.get("text", "")) for one in _content(node))
    return f"```{_attribute(node, 'language')}\n{code}\n```"


def _quote(node: Node, depth: int) -> str:
    return _prefixed(_blocks(_content(node), depth), "> ", "> ")


def _expand(node: Node, depth: int) -> str:
    return "\n\n".join(part for part in (_attribute(node, "title"), _blocks(_content(node), depth)) if part)


def _bullets(node: Node, depth: int) -> str:
    return "\n".join(_item(one, "- ", depth) for one in _content(node))


def _numbers(node: Node, depth: int) -> str:
    first = _attribute(node, "order")
    begins = int(first) if first.isascii() and first.isdigit() and len(first) < 10 else 1
    return "\n".join(_item(one, f"{number}. ", depth) for number, one in enumerate(_content(node), begins))


def _tasks(node: Node, depth: int) -> str:
    lines = []
    for one in _content(node):
        if one.get("type") == "taskList":
            lines.append(_prefixed(_tasks(one, depth + 1), "  ", "  ") if depth < DEEPEST else "…")
        else:
            lines.append(_item(one, "- [x] " if _attribute(one, "state") == "DONE" else "- [ ] ", depth))
    return "\n".join(lines)


def _item(node: Node, sign: str, depth: int) -> str:
    return _prefixed(_blocks(_content(node), depth + 1, "\n"), sign, " " * len(sign)) or sign.rstrip()


def _prefixed(text: str, first: str, others: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"{others if number else first}{line}".rstrip() for number, line in enumerate(lines))


def _table(node: Node, depth: int) -> str:
    rows = [_row(row, depth) for row in _content(node) if row.get("type") == "tableRow"]
    if not rows:
        return ""
    width = max(len(row) for row in rows)
    lines = [f"| {' | '.join([*row, *[''] * (width - len(row))])} |" for row in rows]
    return "\n".join([lines[0], f"|{' --- |' * width}", *lines[1:]])


def _row(row: Node, depth: int) -> list[str]:
    cells = [_blocks(_content(cell), depth + 2, " ") for cell in _content(row)]
    return [" ".join(cell.replace("|", "\\|").split()) for cell in cells]


def _media(node: Node, _depth: int) -> str:
    name = _attribute(node, "alt") or _attribute(node, "url") or "file"
    return f"[{name}]"


def _card(node: Node, _depth: int) -> str:
    return _attribute(node, "url")


def _rule(_node: Node, _depth: int) -> str:
    return "---"


_BLOCKS: dict[str, Callable[[Node, int], str]] = {
    "heading": _heading,
    "codeBlock": _code,
    "blockquote": _quote,
    "panel": _quote,
    "expand": _expand,
    "nestedExpand": _expand,
    "bulletList": _bullets,
    "decisionList": _bullets,
    "orderedList": _numbers,
    "taskList": _tasks,
    "table": _table,
    "media": _media,
    "blockCard": _card,
    "embedCard": _card,
    "rule": _rule,
}


# --- inline


def _inline(nodes: Sequence[Node], depth: int) -> str:
    return "".join(_INLINE.get(str(node.get("type")), _other)(node) for node in nodes) if depth <= DEEPEST else ""


def _text(node: Node) -> str:
    text = node.get("text")
    if not isinstance(text, str):
        return ""
    marks = node.get("marks")
    for mark in marks if isinstance(marks, list) else ():
        text = _marked(text, mark) if isinstance(mark, dict) else text
    return text


def _marked(text: str, mark: Node) -> str:
    if mark.get("type") == "link":
        href = _attribute(mark, "href")
        return text if not href or href == text else f"[{text}]({href})"
    sign = _SIGNS.get(str(mark.get("type")), "")
    return f"{sign}{text}{sign}" if text.strip() else text


def _mention(node: Node) -> str:
    name = _attribute(node, "text") or _attribute(node, "id")
    return name if name.startswith("@") else f"@{name}"


def _emoji(node: Node) -> str:
    return _attribute(node, "text") or _attribute(node, "shortName")


def _date(node: Node) -> str:
    """Milliseconds since 1970, as text."""
    stamp = _attribute(node, "timestamp")
    try:
        return f"{datetime.fromtimestamp(int(stamp) / 1000, UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return stamp


def _status(node: Node) -> str:
    return f"[{_attribute(node, 'text')}]"


def _break(_node: Node) -> str:
    return "\n"


def _other(node: Node) -> str:
    return _attribute(node, "text") or _attribute(node, "url")


_INLINE: dict[str, Callable[[Node], str]] = {
    "text": _text,
    "mention": _mention,
    "emoji": _emoji,
    "date": _date,
    "status": _status,
    "hardBreak": _break,
    "inlineCard": _other,
    "placeholder": _other,
    "mediaInline": lambda node: _media(node, 0),
}
