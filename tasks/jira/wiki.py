"""Markdown as JIRA's wiki markup, in which nothing that a text says becomes markup of its own. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.jira.markdown import alt_of, begins_item, boxed, followed, is_bare, tree_of

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

_SIGNS = {"strong": "*", "em": "_", "s": "-", "sup": "^", "sub": "~"}
_URL = r"(?:https?|mailto|ftp)://[^\s<>\"{}|\\^`\[\]]+"
#: What means something, but for underscores within words, and for marks that no other one can close as a picture.
_ALWAYS = re.compile(r"[{}\[\]|*^~]|(?<![^\W_])_|_(?![^\W_])|!(?=[^\s!][^!\n]*!)")
#: Two backslashes are a new line, and what looks like an entity is one.
_ENTITIES = {"\\": "&#92;", "&": "&amp;"}
_APART = re.compile(rf"\\|&(?=#?\w+;)|{_URL}")
#: Signs that mean something only before a word: +inserted+, -deleted-, ??cited??.
_BEFORE_WORD = re.compile(r"(?<![\w\\])([+\-]|\?\?)(?=[^\s])|--")
_FACE = re.compile(r"\((?=(?:[x/!?iyn*+\-]|on|off|\*[rgby]|flag|flagoff)\))|[:;](?=-?[)(DPp|])")
_LINE_BEGINS = re.compile(r"^(#+|-)(?=\s)", re.M)
_BLOCK_BEGINS = re.compile(r"^([hb])(?=[1-6]\.\s|q\.\s)", re.M)
_LANGUAGE = re.compile(r"[A-Za-z0-9#+]{1,20}")


def wiki_of(markdown: str) -> str:
    """The wiki markup of a text."""
    return _blocks(tree_of(markdown), "").strip()


def _blocks(nodes: Sequence[SyntaxTreeNode], bullets: str, *, quoted: bool = False) -> str:
    return "\n\n".join(part for node in nodes if (part := _block(node, bullets, quoted=quoted)))


def _block(node: SyntaxTreeNode, bullets: str, *, quoted: bool) -> str:
    match node.type:
        case "paragraph":
            return _inline(node)
        case "heading":
            return f"{node.tag}. {_inline(node)}" if not bullets else f"*{_inline(node)}*"
        case "fence" | "code_block":
            return _code(node)
        case "blockquote":
            inner = _blocks(node.children, bullets, quoted=True)
            return inner if quoted else f"{{quote}}\n{inner}\n{{quote}}"
        case "bullet_list" | "ordered_list":
            return _list(node, bullets, quoted=quoted)
        case "table":
            return "\n".join(_row(row) for part in node.children for row in part.children)
        case "hr":
            return "----"
    return ""


def _list(node: SyntaxTreeNode, bullets: str, *, quoted: bool) -> str:
    """A list. JIRA's numbers begin at 1; others are written out, as lines of text where nothing else stands in them."""
    first = int(node.attrs.get("start", 1))
    if node.type == "bullet_list" or first == 1:
        sign = bullets + ("*" if node.type == "bullet_list" else "#")
        return "\n".join(_item(one, sign, quoted=quoted) for one in node.children)
    plain = not bullets and all(_is_plain(one) for one in node.children)
    signs = [f"{'' if plain else f'{bullets}* '}{number}." for number in range(first, first + len(node.children))]
    below = bullets + "*"
    return "\n".join(
        _item(one, sign, quoted=quoted, below=below) for one, sign in zip(node.children, signs, strict=True)
    )


def _is_plain(item: SyntaxTreeNode) -> bool:
    return all(one.type == "paragraph" for one in item.children)


def _item(node: SyntaxTreeNode, sign: str, *, quoted: bool, below: str | None = None) -> str:
    """An item and those in it; a line that is empty would end the list."""
    lists = [one for one in node.children if one.type.endswith("_list")]
    others = [one for one in node.children if one not in lists]
    told = "\n".join(part for one in others if (part := _block(one, below or sign, quoted=True)))
    inner = [_block(one, sign if below is None else below, quoted=quoted) for one in lists]
    return "\n".join([f"{sign} {told}".rstrip(), *inner])


def _code(node: SyntaxTreeNode) -> str:
    code, words = node.content.removesuffix("\n"), node.info.split()
    name = "noformat" if "{code" in code else "code"
    language = f":{words[0]}" if name == "code" and words and _LANGUAGE.fullmatch(words[0]) else ""
    kept = code.replace("{noformat", "{\u200bnoformat") if name == "noformat" else code
    return f"{{{name}{language}}}\n{kept}\n{{{name}}}"


def _row(row: SyntaxTreeNode) -> str:
    bar = "||" if row.children and row.children[0].type == "th" else "|"
    cells = [_inline(cell).replace("\n", r"\\") or " " for cell in row.children]
    return f"{bar}{bar.join(cells)}{bar}"


# --- inline


def _inline(node: SyntaxTreeNode) -> str:
    made = ""
    for number, child in enumerate(node.children):
        after = node.children[number + 1] if number + 1 < len(node.children) else None
        made += _piece(child, made, after)
    return made


def _piece(node: SyntaxTreeNode, before: str, after: SyntaxTreeNode | None) -> str:
    match node.type:
        case "inline":
            return _inline(node)
        case "text":
            return escaped(boxed(node.content) if begins_item(node) else node.content)
        case "code_inline":
            return f"{{{{{escaped(node.content)}}}}}"
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
        case "image":
            return _link(escaped(alt_of(node)), followed(node, "src"))
        case "link":
            address = followed(node, "href")
            return address if address and is_bare(node) else _link(_inline(node), address)
    return _signed(_inline(node), _SIGNS.get(node.type, ""), before, after)


def _signed(text: str, sign: str, before: str, after: SyntaxTreeNode | None) -> str:
    """A text between signs; in the middle of a word they stand in braces, or they are no signs."""
    if not sign or not text.strip():
        return text
    in_word = before[-1:].isalnum() or (after is not None and after.type == "text" and after.content[:1].isalnum())
    mark = f"{{{sign}}}" if in_word else sign
    return f"{mark}{text}{mark}"


def _link(text: str, address: str | None) -> str:
    if address is None:
        return text
    plain = address.replace("|", "%7C").replace("]", "%5D").replace("[", "%5B")
    return f"[{text}|{plain}]" if text and text != address else f"[{plain}]"


def escaped(text: str) -> str:
    """A text that stands for itself; addresses in it stay as they are, and JIRA makes links of them."""
    made, at = "", 0
    for found in _APART.finditer(text):
        made += _escaped(text[at : found.start()]) + _ENTITIES.get(found[0], found[0])
        at = found.end()
    return made + _escaped(text[at:])


def _escaped(text: str) -> str:
    text = _ALWAYS.sub(r"\\\g<0>", text)
    text = _BEFORE_WORD.sub(lambda found: "".join(f"\\{sign}" for sign in found[0]), text)
    text = _FACE.sub(r"\\\g<0>", text)
    text = _LINE_BEGINS.sub(r"\\\g<0>", text)
    return _BLOCK_BEGINS.sub(lambda found: f"&#{ord(found[0])};", text)
