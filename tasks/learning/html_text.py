"""The text of a card's HTML, as it is read aloud: no markup, no scripts, and what cannot be shown named. Pure."""

from __future__ import annotations

import re
from typing import Any

from llmcoder.text import storable

#: Of one field; no card that somebody reads is longer.
LONGEST_HTML = 1_000_000
_BREAKS = frozenset(
    ("address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset", "figure", "footer", "form", "h1",
     "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table", "tr",
     "ul")
)  # fmt: skip
_SILENT = frozenset(("script", "style", "head", "title", "template", "noscript", "iframe", "object", "embed", "svg"))
_MARKUP = re.compile(r"[<&]")
_SOUND = re.compile(r"\[sound:([^\]\n]{1,300})\]")
_FORMULA = re.compile(r"\s*\[(/?)(?:latex|\$\$?)\]")
_BLANKS = re.compile(r"[^\S\n]+")
_LINES = re.compile(r"\n\s*\n\s*\n+")


def text_of(html: str) -> str:
    """What a field says; `[image: name]` and `[sound: name]` stand for what is no text."""
    html = storable(html[:LONGEST_HTML])
    plain = _spoken(html) if _MARKUP.search(html) else html
    plain = _SOUND.sub(lambda sound: f"[sound: {sound[1]}]", plain)
    plain = _FORMULA.sub(_bracket, plain)
    plain = _BLANKS.sub(" ", plain.replace("\xa0", " "))
    lines = "\n".join(line.strip() for line in plain.splitlines())
    return _LINES.sub("\n\n", lines).strip()


def _bracket(mark: re.Match[str]) -> str:
    """As TeX writes the two ends of a formula."""
    blanks = mark[0][: mark[0].index("[")]
    return "\\)" if mark[1] else f"{blanks}\\("


def _spoken(html: str) -> str:
    from lxml import etree  # type: ignore[import-untyped]

    parser = etree.HTMLParser(no_network=True, remove_comments=True, remove_pis=True, huge_tree=False, encoding="utf-8")
    # the character reference of no character would end the text for libxml2
    tree = etree.fromstring(f"<div>{html}</div>".encode("utf-8", "replace"), parser)
    if tree is None:
        return ""
    parts: list[str] = []
    silent = 0
    for event, element in etree.iterwalk(tree, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            silent += tag in _SILENT
            if not silent:
                parts += [*_before(element, tag), element.text or ""]
            continue
        if not silent:
            parts += _after(tag)
        silent -= tag in _SILENT
        if not silent:
            parts.append(element.tail or "")
    return "".join(parts)


def _before(element: Any, tag: str) -> list[str]:
    if tag == "img":
        name = (element.get("alt") or element.get("src") or "").strip()
        return [f"[image: {name[:300]}]" if name and not name.startswith("data:") else "[image]"]
    if tag == "li":
        return ["\n- "]
    if tag == "anki-mathjax":
        return ["\\("]
    return ["\n"] if tag in _BREAKS else [" | "] if tag in ("td", "th") and element.getprevious() is not None else []


def _after(tag: str) -> list[str]:
    if tag == "anki-mathjax":
        return ["\\)"]
    return ["\n"] if tag in _BREAKS and tag not in ("br", "hr", "li") else []
