"""Strangers' HTML, made safe to show and readable as text, in bounded time. Pure.

It is first written anew from libxml2's tree, which is never deeper than 256: the sanitiser takes time by the square of
the depth (100,000 open lists took it four minutes), and the layout of text repeats each indent on each line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

#: More is not looked at.
MOST_CHARS = 500_000
#: Lists and quotes within each other that are laid out as such.
DEEPEST_INDENT = 20
_INDENTS = ("ul", "ol", "blockquote")
_TAG = re.compile(r"<[^<>]{0,1000}>")
LONGEST_STYLE_CHARS, LONGEST_SHEET_CHARS = 2_000, 50_000
#: Most styles say nothing of it, and to take them apart takes time.
_MAY_HIDE = re.compile(r"none|hidden|collapse|opacity|font-size\s*:\s*[0.]", re.IGNORECASE)
_UNSHOWN = re.compile(r"<(style|script|title)\b.*?(?:</\1|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_BRACE = re.compile(r"([{}])")
_SIMPLE_SELECTOR = re.compile(r"[a-z0-9]*[.#][\w-]+", re.IGNORECASE)
_NO_SIZE = re.compile(r"0*\.?0+(?:px|pt|em|rem|%|vh)?")
#: Private characters: what a mail has of them is taken out before.
_BEGIN_QUOTE, _END_QUOTE = "\ue000", "\ue001"
_EDGE = re.compile("[\ue000\ue001]")


def safe_html(html: str) -> str:
    """HTML that may be shown inside a page: what it may do is be read, and have its links followed."""
    return _safe(_written(_tree(html)))


def rendered(html: str, longest_chars: int) -> tuple[str, str]:
    """What HTML shows, laid out as text with a `>` before each line of other mails' quotes; and as `safe_html`.

    Args:
        longest_chars: Of the HTML that is made safe; what is cut first has no loose ends.
    """
    tree = _tree(_EDGE.sub(" ", html) if _BEGIN_QUOTE in html or _END_QUOTE in html else html)
    safe = _safe(_written(tree))
    quotes = [] if tree is None else [one for one in tree.iter("blockquote") if _is_quote(one)]
    for one in quotes:
        _mark(one)
    text = _laid_out(_safe(_written(tree)) if quotes else safe)
    return text, safe if len(html) <= longest_chars else safe_html(html[:longest_chars])


def as_text(html: str) -> str:
    """What HTML shows; see `rendered`."""
    return rendered(html, len(html))[0]


def words_at_most(html: str) -> int:
    """How many characters HTML may show at most, without looking at what hides some; far quicker than to lay it out."""
    return len("".join(_TAG.sub(" ", _UNSHOWN.sub("", html)).split()))


def _laid_out(safe: str) -> str:
    from inscriptis import get_text  # type: ignore[import-untyped]
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    if not safe.strip():
        return ""
    try:
        found = str(get_text(safe))
    except (LxmlError, ValueError, RecursionError, AssertionError):
        found = unescape(_TAG.sub(" ", safe))
    if _BEGIN_QUOTE in found:
        found = _marked(found)
    return re.sub(r"\n{3,}", "\n\n", found).strip()


def _safe(html: str) -> str:
    import nh3

    return nh3.clean(
        html,
        attribute_filter=_only_own_images,
        clean_content_tags={"script", "style", "title", "template"},
        url_schemes={"http", "https", "mailto", "cid"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def _tree(html: str) -> Any:
    """A tree of bounded depth, without what it hides; None where there is nothing in it."""
    from lxml import etree  # type: ignore[import-untyped]
    from lxml.html import HTMLParser, document_fromstring  # type: ignore[import-untyped]

    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        tree = document_fromstring(html[:MOST_CHARS].encode(), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None
    _empty_hidden(tree)
    depth = 0
    for event, element in etree.iterwalk(tree, events=("start", "end"), tag=_INDENTS):
        depth += 1 if event == "start" else -1
        if event == "end" and depth >= DEEPEST_INDENT and not _is_quote(element):
            element.tag = "div"
    return tree


def _written(tree: Any) -> str:
    from lxml.html import tostring

    return "" if tree is None else str(tostring(tree, encoding="unicode"))


# --- what is hidden


def _empty_hidden(tree: Any) -> None:
    """Take out what no reader sees: previews for lists, texts for filters of spam, orders to whoever reads for them.

    It is emptied and not removed: with each that is removed the text before it grows, by the square of their number.
    """
    rules = _hiding_rules(tree)
    for element in tree.xpath("//*[@style or @hidden or @class or @id]" if rules else "//*[@style or @hidden]"):
        if _is_hidden(element, rules):
            element.clear(keep_tail=True)


def _is_hidden(element: Any, rules: frozenset[str]) -> bool:
    if element.tag in ("html", "body"):
        return False
    style = element.get("style") or ""
    if not rules and element.get("hidden") is None and not _MAY_HIDE.search(style[:LONGEST_STYLE_CHARS]):
        return False
    declared = _declared(style) if style else {}
    if "display" in declared:
        return _hides(declared)
    if element.get("hidden") is not None or _hides(declared):
        return True
    if not declared and not rules:
        return False
    if len(element) == 0 and _is_no_size(declared.get("font-size", "")):  # those in it may have one of their own
        return True
    names = [f".{one}" for one in (element.get("class") or "")[:LONGEST_STYLE_CHARS].split()]
    names.append(f"#{element.get('id')}")
    return any(name in rules or f"{element.tag}{name}" in rules for name in names)


def _declared(style: str) -> dict[str, str]:
    """The declarations of a style; of several the last counts, and the first that says that it does."""
    found: dict[str, str] = {}
    for declaration in style[:LONGEST_STYLE_CHARS].lower().split(";"):
        name, _, value = declaration.partition(":")
        name, value = name.strip(), value.strip()
        if value and not found.get(name, "").endswith("!important"):
            found[name] = value
    return {name: value.partition("!")[0].strip() for name, value in found.items()}


def _hides(declared: Mapping[str, str]) -> bool:
    if declared.get("display") == "none" or declared.get("visibility") in ("hidden", "collapse"):
        return True
    if _is_no_size(declared.get("opacity", "")):
        return True
    low = any(_is_no_size(declared.get(name, "")) for name in ("max-height", "height", "max-width", "width"))
    return low and declared.get("overflow") == "hidden"


def _is_no_size(value: str) -> bool:
    return _NO_SIZE.fullmatch(value) is not None


def _hiding_rules(tree: Any) -> frozenset[str]:
    """Classes and ids that a style sheet hides, on a screen of any size: `.preview`, `#preview`, `div.preview`."""
    found: set[str] = set()
    for sheet in tree.iter("style"):
        css = _CSS_COMMENT.sub("", (sheet.text or "")[:LONGEST_SHEET_CHARS])
        if "none" in css or "hidden" in css:
            for selectors, style in _rules(css):
                names = {one.strip() for one in selectors.split(",")}
                found = found | names if _hides(_declared(style)) else found - names
    return frozenset(name for name in found if _SIMPLE_SELECTOR.fullmatch(name))


def _rules(css: str) -> Iterator[tuple[str, str]]:
    """Selectors and declarations, without what stands within `@media` and the like."""
    depth, selectors, before = 0, "", ""
    for piece in _BRACE.split(css):
        if piece == "{":
            selectors, depth = (before if depth == 0 else selectors), depth + 1
        elif piece == "}":
            if depth == 1 and not selectors.strip().startswith("@"):
                yield selectors, before
            depth = max(depth - 1, 0)
        before = piece


# --- quotes


def _is_quote(element: Any) -> bool:
    """Whether a mail program made it for what is answered; people quote with the same element."""
    if element.tag != "blockquote":
        return False
    kind, of = (element.get("type") or "").lower(), (element.get("class") or "").lower()
    return kind == "cite" or element.get("cite") is not None or "quote" in of or "yahoo" in of


def _mark(element: Any) -> None:
    """Signs on lines of their own, which no text holds, since its layout tells only indents."""
    first, last = element.makeelement("div"), element.makeelement("div")
    first.text, last.text = _BEGIN_QUOTE, _END_QUOTE
    first.tail, element.text = element.text, None
    element.insert(0, first)
    element.append(last)
    element.tag = "div"


def _marked(text: str) -> str:
    depth, lines = 0, list[str]()
    for line in text.split("\n"):
        sign = line.strip()
        if sign == _BEGIN_QUOTE:
            depth += 1
        elif sign == _END_QUOTE:
            depth -= 1
        else:
            lines.append(f"{'>' * min(depth, DEEPEST_INDENT)} {sign}".rstrip() if depth > 0 else _EDGE.sub("", line))
    return "\n".join(lines)


def _only_own_images(_tag: str, attribute: str, value: str) -> str | None:
    """An image from elsewhere tells its server who reads the mail, and when."""
    if attribute in ("src", "srcset", "background", "poster") and not value.lower().startswith("cid:"):
        return None
    return value
