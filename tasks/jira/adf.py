"""The Atlassian Document Format as text near markdown, for people and models who read it. Pure.

A node that is not known gives what its content says, and what is nested too deeply to have been meant is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.atlassian.markdown_signs import cell_of, code_span, fenced, linked, lowered, raised, signed, table_of
from tasks.atlassian.spans import add_cell, cover, span_of

DEEPEST = 60
_SIGNS = {"strong": "**", "em": "*", "strike": "~~"}
#: Where marks are equally long, a link stands outside and code inside; the others as the document has them.
_MARKS = {"link": 2, "strong": 1, "em": 1, "strike": 1, "subsup": 1, "code": 0}
_ADDRESS = re.compile(r"https?://[^\s<>]+")
#: What an extension without a body is about, by the parameter that says it.
_TELLING = ("key", "jqlQuery", "url", "name", "title", "page")

Node = dict[str, Any]
#: What stands between two blocks, by their kinds.
Joint = Callable[[str, str], str]


def _apart(_before: str, _after: str) -> str:
    return "\n\n"


def _close(before: str, after: str) -> str:
    """In an item, a block stands on the next line where markdown does not take it for a part of the one before."""
    begins = after in ("bulletList", "taskList", "decisionList", "codeBlock", "blockquote", "panel", "orderedList")
    return "\n" if before == "codeBlock" or (begins and before == "paragraph") else "\n\n"


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
    if isinstance(found, float) and found.is_integer():
        return str(int(found))
    return str(found) if isinstance(found, str | int | float) else ""


def _is_inline(node: Node) -> bool:
    return str(node.get("type")) in _INLINE


def _is_unknown(node: Node) -> bool:
    """Whether it is of no kind that is known, and holds nothing; beside text it stands in the line."""
    return str(node.get("type")) not in _BLOCKS and not _content(node)


def _object(node: Node, name: str) -> Node:
    attributes = node.get("attrs")
    found = attributes.get(name) if isinstance(attributes, dict) else None
    return found if isinstance(found, dict) else {}


def _blocks(nodes: Sequence[Node], depth: int, joint: Joint = _apart) -> str:
    """Blocks one after the other; inline nodes that stand among them are one block together."""
    if depth > DEEPEST:
        return "…"
    made, before = "", ""
    for kind, part in _parts(nodes, depth):
        if part:
            made += (joint(before, kind) if made else "") + part
            before = kind
    return made


def _parts(nodes: Sequence[Node], depth: int) -> Iterator[tuple[str, str]]:
    """Each block with its kind."""
    run: list[Node] = []
    beside = ""
    for node in nodes:
        if _is_inline(node) or (run and _is_unknown(node)):
            run.append(node)
            continue
        if told := _inline(run, depth):
            yield "paragraph", told
            beside = ""
        run = []
        kind = str(node.get("type"))
        if kind == beside and kind in _LISTS:
            yield kind, _LISTS[kind](node, depth + 1, other=True)
            beside = ""
        else:
            yield kind, _BLOCKS.get(kind, _unknown)(node, depth + 1)
            beside = kind
    yield "paragraph", _inline(run, depth)


def _unknown(node: Node, depth: int) -> str:
    return _blocks(_content(node), depth) or _attribute(node, "text") or _attribute(node, "url")


# --- blocks


def _heading(node: Node, depth: int) -> str:
    level = _attribute(node, "level")
    told = _inline(_content(node), depth).replace("\n", " ")
    return f"{'#' * (int(level) if re.fullmatch('[1-6]', level) else 1)} {told}"


def _code(node: Node, _depth: int) -> str:
    code = "".join(str(one.get("text", "")) for one in _content(node)).replace("\r\n", "\n")
    return fenced(code, _attribute(node, "language"))


def _quote(node: Node, depth: int) -> str:
    return _prefixed(_blocks(_content(node), depth), "> ", "> ")


def _expand(node: Node, depth: int) -> str:
    return "\n\n".join(part for part in (_attribute(node, "title"), _blocks(_content(node), depth)) if part)


def _bullets(node: Node, depth: int, *, other: bool = False) -> str:
    """A list; the second of two that stand side by side has another sign, or both would be one."""
    return "\n".join(_item(one, "* " if other else "- ", depth) for one in _content(node))


def _numbers(node: Node, depth: int, *, other: bool = False) -> str:
    first, sign = _attribute(node, "order"), ")" if other else "."
    begins = int(first) if first.isascii() and first.isdigit() and len(first) < 10 else 1
    return "\n".join(_item(one, f"{number}{sign} ", depth) for number, one in enumerate(_content(node), begins))


def _tasks(node: Node, depth: int) -> str:
    lines = []
    for one in _content(node):
        if one.get("type") == "taskList":
            lines.append(_prefixed(_tasks(one, depth + 1), "  ", "  ") if depth < DEEPEST else "…")
        else:
            lines.append(_item(one, "- [x] " if _attribute(one, "state") == "DONE" else "- [ ] ", depth))
    return "\n".join(lines)


def _item(node: Node, sign: str, depth: int) -> str:
    return _prefixed(_blocks(_content(node), depth + 1, _close), sign, " " * len(sign)) or sign.rstrip()


def _prefixed(text: str, first: str, others: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"{others if number else first}{line}".rstrip() for number, line in enumerate(lines))


def _table(node: Node, depth: int) -> str:
    """Cells that span rows or columns are followed, or stood above, by empty ones, so that columns stay columns."""
    rows: list[list[str]] = []
    below: dict[int, int] = {}
    for row in _content(node):
        if row.get("type") == "tableRow":
            rows.append(_row(row, depth, below))
    return table_of(rows)


def _row(row: Node, depth: int, below: dict[int, int]) -> list[str]:
    """A row's cells. `below` says in how many rows more a cell above stands in each column, and is changed."""
    made: list[str] = []
    for cell in _content(row):
        width, height = span_of(_attribute(cell, "colspan")), span_of(_attribute(cell, "rowspan"))
        add_cell(made, below, _cell(cell, depth), width=width, height=height)
    cover(made, below)
    return made


def _cell(cell: Node, depth: int) -> str:
    return cell_of(_blocks(_content(cell), depth + 2)).replace("|", "\\|")


def _media(node: Node, _depth: int) -> str:
    """A file by its name; a picture that stands elsewhere by its address, and what it links to."""
    alt, address = _attribute(node, "alt"), _attribute(node, "url")
    shown = f"![{alt}]({address})" if address else f"[{alt or 'file'}]"
    for mark in _marks(node):
        if mark.get("type") == "link" and (href := _attribute(mark, "href")):
            shown = linked(shown if address else alt or "file", href)
    return shown


def _card(node: Node, _depth: int = 0) -> str:
    """A smart link: its address, or what the editor kept of the page behind it; a list of issues by its query."""
    about = _object(node, "data")
    address = _attribute(node, "url") or _address(about.get("url")) or _address(about.get("@id"))
    name = about.get("name")
    if address:
        return linked(name, address) if isinstance(name, str) and name else address
    parameters = _object(node, "datasource").get("parameters")
    query = parameters.get("jql") if isinstance(parameters, dict) else None
    return f"[{query}]" if isinstance(query, str) and query else name if isinstance(name, str) else ""


def _address(found: object) -> str:
    """An address in JSON-LD: a text, or an object that names it."""
    if isinstance(found, dict):
        found = found.get("href") or found.get("@id") or found.get("url")
    return found if isinstance(found, str) else ""


def _extension(node: Node, depth: int) -> str:
    """A macro: what it holds, else its text, else its name and what it is about."""
    told = _blocks(_content(node), depth) or _attribute(node, "text")
    parameters = _object(node, "parameters").get("macroParams")
    values = parameters if isinstance(parameters, dict) else {}
    about = [one.get("value") for key in _TELLING if isinstance(one := values.get(key), dict)]
    told_about = next((value for value in about if isinstance(value, str) and value), "")
    return told or (f"[{_attribute(node, 'extensionKey')}: {told_about}]" if told_about else "")


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
    "extension": _extension,
    "bodiedExtension": _extension,
}
_LISTS: dict[str, Callable[..., str]] = {"bulletList": _bullets, "orderedList": _numbers}


# --- inline


def _inline(nodes: Sequence[Node], depth: int) -> str:
    """Inline nodes one after the other; a mark that several of them have is one pair of signs."""
    if depth > DEEPEST:
        return ""
    pieces = [(_said(one), _marks(one) if one.get("marks") else []) for one in nodes]
    _set_apart_addresses(nodes, pieces)
    if any(marks for _, marks in pieces):
        return _spans(pieces, frozenset())
    return "".join(text for text, _ in pieces)


Piece = tuple[str, list[Node]]


def _set_apart_addresses(nodes: Sequence[Node], pieces: list[Piece]) -> None:
    """An address that text stands close to is no longer that one: it goes into angle brackets."""
    for at, node in enumerate(nodes):
        text, marks = pieces[at]
        if node.get("type") == "inlineCard" and _ADDRESS.fullmatch(text):
            before = pieces[at - 1][0][-1:] if at else ""
            after = pieces[at + 1][0][:1] if at + 1 < len(pieces) else ""
            if before.isalnum() or after.isalnum() or after in ("/", "-", "_", "&", "=", "#", "?"):
                pieces[at] = (f"<{text}>", marks)


def _spans(pieces: Sequence[Piece], outer: frozenset[str]) -> str:
    made, at = "", 0
    while at < len(pieces):
        text, marks = pieces[at]
        if not marks:
            made, at = made + text, at + 1
            continue
        if len(marks) == 1 and not outer and (at + 1 == len(pieces) or marks[0] not in pieces[at + 1][1]):
            made, at = made + (text if text == "\n" else _marked(text, marks[0])), at + 1
            continue
        runs = [(_run(pieces, at, one), one) for one in marks if str(one.get("type")) not in outer]
        if not runs or text == "\n":
            made, at = made + text, at + 1
            continue
        length, mark = max(runs, key=lambda run: (run[0], _MARKS[run[1]["type"]]))  # the first of equal ones
        inner = _spans(pieces[at : at + length], outer | {mark["type"]})
        made, at = made + _marked(inner, mark), at + length
    return made


def _run(pieces: Sequence[Piece], at: int, mark: Node) -> int:
    """How many pieces from there on have the mark."""
    end = at
    while end < len(pieces) and mark in pieces[end][1]:
        end += 1
    return end - at


def _marks(node: Node) -> list[Node]:
    """The marks that say something here, each kind once."""
    marks = node.get("marks")
    found: dict[str, Node] = {}
    for mark in marks if isinstance(marks, list) else ():
        if isinstance(mark, dict) and str(mark.get("type")) in _MARKS:
            found.setdefault(mark["type"], mark)
    return list(found.values())


def _said(node: Node) -> str:
    return _INLINE.get(str(node.get("type")), _other)(node)


def _text(node: Node) -> str:
    text = node.get("text")
    return text if isinstance(text, str) else ""


def _marked(text: str, mark: Node) -> str:
    match mark["type"]:
        case "link":
            return linked(text, _attribute(mark, "href"))
        case "code":
            return code_span(text)
        case "subsup":
            return lowered(text) if _attribute(mark, "type") == "sub" else raised(text)
        case kind:
            return signed(text, _SIGNS[kind])


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
    "inlineCard": _card,
    "placeholder": _other,
    "inlineExtension": lambda node: _extension(node, 0),
    "mediaInline": lambda node: _media(node, 0),
}
