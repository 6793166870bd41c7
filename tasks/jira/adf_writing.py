"""Markdown as the Atlassian Document Format, with what it allows inside what. Pure.

Where it does not allow something (a heading in a list, a table in a quotation), the words stay and the form goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tasks.jira.markdown import alt_of, begins_item, boxed, followed, tree_of

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

Node = dict[str, Any]
_MARKS = {"strong": "strong", "em": "em", "s": "strike"}


def document_of(markdown: str) -> Node:
    """The document of a text."""
    return {"version": 1, "type": "doc", "content": _blocks(tree_of(markdown), on_top=True)}


def _blocks(nodes: Sequence[SyntaxTreeNode], *, on_top: bool) -> list[Node]:
    made: list[Node] = []
    for node in nodes:
        write = _BLOCKS.get(node.type)
        made += write(node, on_top) if write is not None else []
    return made


def _node(kind: str, content: list[Node], **attributes: Any) -> Node:
    """A node; an empty content is left out, since it is not allowed everywhere."""
    made: Node = {"type": kind}
    return made | ({"attrs": attributes} if attributes else {}) | ({"content": content} if content else {})


# --- blocks


def _paragraph(node: SyntaxTreeNode, _on_top: bool) -> list[Node]:
    return [_node("paragraph", list(_inline(node, ())))]


def _heading(node: SyntaxTreeNode, on_top: bool) -> list[Node]:
    if not on_top:
        return [_node("paragraph", list(_inline(node, ({"type": "strong"},))))]
    return [_node("heading", list(_inline(node, ())), level=int(node.tag[1:]))]


def _code(node: SyntaxTreeNode, _on_top: bool) -> list[Node]:
    code, words = node.content.removesuffix("\n"), node.info.split()
    content: list[Node] = [{"type": "text", "text": code}] if code else []
    return [_node("codeBlock", content, **({"language": words[0]} if words else {}))]


def _quote(node: SyntaxTreeNode, on_top: bool) -> list[Node]:
    content = _blocks(node.children, on_top=False)
    return [_node("blockquote", content)] if on_top and content else content


def _list(node: SyntaxTreeNode, _on_top: bool) -> list[Node]:
    items = [_node("listItem", _item(one)) for one in node.children]
    if node.type == "bullet_list":
        return [_node("bulletList", items)]
    return [_node("orderedList", items, order=int(node.attrs.get("start", 1)))]


def _item(node: SyntaxTreeNode) -> list[Node]:
    """What an item says; it begins with a paragraph or with code."""
    content = _blocks(node.children, on_top=False)
    fits = bool(content) and content[0]["type"] in ("paragraph", "codeBlock")
    return content if fits else [{"type": "paragraph"}, *content]


def _table(node: SyntaxTreeNode, on_top: bool) -> list[Node]:
    rows = [row for part in node.children for row in part.children]
    if not on_top:
        return [_node("paragraph", _in_one_line(row)) for row in rows]
    return [_node("table", [_node("tableRow", [_cell(one) for one in row.children]) for row in rows])]


def _cell(node: SyntaxTreeNode) -> Node:
    kind = "tableHeader" if node.type == "th" else "tableCell"
    return _node(kind, [_node("paragraph", list(_inline(node, ())))])


def _in_one_line(row: SyntaxTreeNode) -> list[Node]:
    made: list[Node] = []
    for number, cell in enumerate(row.children):
        made += [{"type": "text", "text": " | "}] if number else []
        made += _inline(cell, ())
    return made


def _rule(_node: SyntaxTreeNode, on_top: bool) -> list[Node]:
    return [{"type": "rule"}] if on_top else []


_BLOCKS: dict[str, Callable[[SyntaxTreeNode, bool], list[Node]]] = {
    "paragraph": _paragraph,
    "heading": _heading,
    "fence": _code,
    "code_block": _code,
    "blockquote": _quote,
    "bullet_list": _list,
    "ordered_list": _list,
    "table": _table,
    "hr": _rule,
}


# --- inline


def _inline(node: SyntaxTreeNode, marks: tuple[Node, ...]) -> Iterator[Node]:
    for child in node.children:
        match child.type:
            case "inline":
                yield from _inline(child, marks)
            case "text":
                yield from _text(boxed(child.content) if begins_item(child) else child.content, marks)
            case "code_inline":
                # code goes together with a link and nothing else
                links = tuple(one for one in marks if one["type"] == "link")
                yield from _text(child.content, (*links, {"type": "code"}))
            case "softbreak":
                yield from _text(" ", marks)
            case "hardbreak":
                yield {"type": "hardBreak"}
            case "image":
                yield from _text(alt_of(child) or str(child.attrs.get("src", "")), _linked(marks, child, "src"))
            case "link":
                yield from _inline(child, _linked(marks, child, "href"))
            case "sup" | "sub":
                outer = tuple(one for one in marks if one["type"] != "subsup")
                yield from _inline(child, (*outer, {"type": "subsup", "attrs": {"type": child.type}}))
            case kind:
                mark: Node = {"type": _MARKS[kind]} if kind in _MARKS else {}
                yield from _inline(child, marks if not mark or mark in marks else (*marks, mark))


def _linked(marks: tuple[Node, ...], node: SyntaxTreeNode, name: str) -> tuple[Node, ...]:
    address = followed(node, name)
    if address is None or any(one["type"] == "link" for one in marks):
        return marks
    return (*marks, {"type": "link", "attrs": {"href": address}})


def _text(text: str, marks: tuple[Node, ...]) -> Iterator[Node]:
    if text:  # an empty one is not allowed
        yield {"type": "text", "text": text} | ({"marks": list(marks)} if marks else {})
