"""The text of a card's HTML, as it is read aloud: no markup, no scripts, and what cannot be shown named. Pure.

Lines are those that a browser would show. What a browser shows by its place is written as plain text does it: `x²`,
`H₂O`, `a^(b/c)`, `漢字(かんじ)`, `1. `, and blanks where a line is indented.
"""

from __future__ import annotations

import re
from typing import Any

from llmcoder.text import storable

#: Of one field; no card that somebody reads is longer.
LONGEST_HTML = 1_000_000
#: Deeper lists are not indented further.
DEEPEST_LIST = 10
_BLOCKS = frozenset(
    ("address", "article", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form",
     "header", "hr", "li", "main", "nav", "ol", "pre", "section", "summary", "tr", "ul")
)  # fmt: skip
#: With an empty line before and behind.
_PARAGRAPHS = frozenset(("blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "p", "table"))
_SILENT = frozenset(
    ("script", "style", "head", "title", "template", "noscript", "iframe", "object", "embed", "svg", "rp")
)
_MARKUP = re.compile(r"[<&]")
_SOUND = re.compile(r"\[sound:([^\]\n]{1,300})\]")
_SPOKEN = re.compile(r"\[/?anki:tts[^\]\n]{0,300}\]")
_FORMULA = re.compile(r"(?<!\s)\s*\[(/?)(latex|\$\$?)\]")
_SPACES = re.compile(r"[ \t\n\r\f]+")
_BLANKS = re.compile(r"[ \xa0]{2,}")
_LINES = re.compile(r"\n\s*\n\s*\n+")
_PREFORMATTED = re.compile(r"white-space\s*:\s*(?:pre|break-spaces)", re.IGNORECASE)
_NOT_BREAKING = "\xa0"
_RAISED = str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ")
_LOWERED = str.maketrans("0123456789+-−=()aeox", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₒₓ")
#: The end of an ordinal number is raised for its looks alone: 1st, 2e.
_ORDINALS = frozenset(("st", "nd", "rd", "th", "er", "re", "e", "ème", "nde", "o", "a", "º", "ª", "tm", "®", "™"))


def text_of(html: str) -> str:
    """What a field says; `[image: name]` and `[sound: name]` stand for what is no text."""
    html = storable(html[:LONGEST_HTML])
    plain = _read_aloud(html) if _MARKUP.search(html) else html
    plain = _SPOKEN.sub("", _SOUND.sub(lambda sound: f"[sound: {sound[1]}]", plain))
    plain = _FORMULA.sub(_bracket, plain)
    lines = "\n".join(map(_with_blanks, plain.splitlines()))
    return _LINES.sub("\n\n", lines).strip()


def _bracket(mark: re.Match[str]) -> str:
    """As TeX writes the two ends of a formula."""
    blanks = mark[0][: mark[0].index("[")]
    begin, end = ("\\[", "\\]") if mark[2] == "$$" else ("\\(", "\\)")
    return end if mark[1] else blanks + begin


def _with_blanks(line: str) -> str:
    """A line as a browser spaces it, and indented as far as its author took care that it is."""
    line = line.strip(" ").rstrip()
    text = line.lstrip(" \t\xa0")
    indent = line[: len(line) - len(text)]
    return (indent + _BLANKS.sub(_spaced, text)).replace(_NOT_BREAKING, " ")


def _spaced(blanks: re.Match[str]) -> str:
    """Of several blanks between words those that do not break count, where no other stands beside them."""
    return " " if " " in blanks[0] else blanks[0]


def _read_aloud(html: str) -> str:
    from lxml import etree  # type: ignore[import-untyped]

    parser = etree.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, encoding="utf-8")
    # the character reference of no character would end the text for libxml2
    tree = etree.fromstring(f"<div>{html}</div>".encode("utf-8", "replace"), parser)
    if tree is None:
        return ""
    reader = _Reader()
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            reader.begin(element, tag)
        else:
            reader.end(element, tag)
    return reader.lines.text()


class _Lines:
    """Text, line by line: a block begins one of its own, and a paragraph leaves one empty."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self.parts: list[str] = []
        self._is_apart = False

    def write(self, text: str) -> None:
        if self._is_apart and text.strip():
            self._is_apart = False
            if self._done and self._done[-1].strip() and not "".join(self.parts).strip():
                self._done.append("")
        self.parts.append(text)

    def end_line(self) -> None:
        self._done.append("".join(self.parts))
        self.parts = []

    def begin_block(self, *, is_apart: bool) -> None:
        if "".join(self.parts).strip(" \t\n"):
            self.end_line()
        else:
            self.parts = []
        self._is_apart |= is_apart

    def text(self) -> str:
        return "\n".join([*self._done, "".join(self.parts)])


class _Reader:
    """What stands in a tree of elements, in the order in which it is shown."""

    def __init__(self) -> None:
        self.lines = _Lines()
        self._silent = self._preformatted = 0
        self._items: list[int | None] = []  # of each open list the number of its last item; None without numbers
        self._small: list[tuple[list[str], int]] = []  # where what is raised or lowered began

    def begin(self, element: Any, tag: str) -> None:
        self._silent += tag in _SILENT
        self._preformatted += _is_preformatted(element, tag)
        if self._silent:
            return
        if tag == "br":
            self.lines.end_line()
        elif tag in _BLOCKS or tag in _PARAGRAPHS:
            self.lines.begin_block(is_apart=tag in _PARAGRAPHS)
        if tag in ("ul", "ol"):
            self._items.append(0 if tag == "ol" else None)
        elif tag in ("sup", "sub"):
            self._small.append((self.lines.parts, len(self.lines.parts)))
        self.lines.write(self._before(element, tag))
        self._say(element.text)

    def end(self, element: Any, tag: str) -> None:
        if not self._silent:
            self.lines.write(_AFTER.get(tag, ""))
            if tag == "anki-mathjax":
                self.lines.write("\\]" if element.get("block") else "\\)")
            elif tag in ("sup", "sub") and self._small:
                self._end_small(tag)
            elif tag in ("ul", "ol") and self._items:
                self._items.pop()
            if tag in _BLOCKS or tag in _PARAGRAPHS:
                self.lines.begin_block(is_apart=tag in _PARAGRAPHS)
        self._silent -= tag in _SILENT
        self._preformatted -= _is_preformatted(element, tag)
        if not self._silent:
            self._say(element.tail)

    def _say(self, text: str | None) -> None:
        if not text:
            return
        if not self._preformatted:
            self.lines.write(_SPACES.sub(" ", text))
            return
        first, *others = text.replace(" ", _NOT_BREAKING).split("\n")
        self.lines.write(first)
        for line in others:
            self.lines.end_line()
            self.lines.write(line)

    def _before(self, element: Any, tag: str) -> str:
        if tag in ("img", "audio", "video"):
            return _named(element, tag)
        if tag == "li":
            return self._item()
        if tag == "anki-mathjax":
            return "\\[" if element.get("block") else "\\("
        if tag in ("td", "th") and element.getprevious() is not None:
            return " | "
        return "(" if tag == "rt" else ""

    def _item(self) -> str:
        indent = _NOT_BREAKING * 2 * min(len(self._items) - 1, DEEPEST_LIST)
        if not self._items or self._items[-1] is None:
            return f"{indent}- "
        self._items[-1] += 1
        return f"{indent}{self._items[-1]}. "

    def _end_small(self, tag: str) -> None:
        parts, start = self._small.pop()
        if parts is self.lines.parts:  # else a line has ended within
            inner = "".join(parts[start:])
            parts[start:] = [_small(inner, tag)]


_AFTER = {"rt": ")"}


def _is_preformatted(element: Any, tag: str) -> bool:
    return tag == "pre" or bool(_PREFORMATTED.search(element.get("style") or ""))


def _named(element: Any, tag: str) -> str:
    """What cannot be shown, by its name."""
    kind = {"img": "image", "audio": "sound", "video": "video"}[tag]
    source = element.get("src") or next((one.get("src") for one in element.iter("source")), None) or ""
    name = ((element.get("alt") if tag == "img" else "") or source).strip()
    return f"[{kind}: {name[:300]}]" if name and not name.startswith("data:") else f"[{kind}]"


def _small(text: str, tag: str) -> str:
    """What is raised or lowered, by the characters that are so where all of it has some, else as TeX writes it."""
    table, mark = (_RAISED, "^") if tag == "sup" else (_LOWERED, "_")
    text = text.strip(" ")
    if not text or (tag == "sup" and text.lower() in _ORDINALS) or text.startswith("["):
        return text
    if all(ord(char) in table for char in text):
        return text.translate(table)
    return f"{mark}{text}" if text.isalnum() else f"{mark}({text})"
