"""Strangers' HTML, made safe to show and readable as text, in bounded time. Pure.

It is first written anew from libxml2's tree, which is never deeper than 256: the sanitiser takes time by the square of
the depth (100,000 open lists took it four minutes), and the layout of text repeats each indent on each line.
"""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from typing import Any

from llmcoder.hidden_html import empty_hidden, without_early_ends
from llmcoder.html_signs import put_signs
from tasks.email.letters import has_letters

#: More is not looked at.
MOST_CHARS = 500_000
#: Lists and quotes within each other that are laid out as such.
DEEPEST_INDENT = 20
_INDENTS = ("ul", "ol", "blockquote")
_TAG = re.compile(r"<[^<>]{0,1000}>")
_UNSHOWN = re.compile(r"<(style|script|title)\b.*?(?:</\1|\Z)|<!--.*?(?:-->|\Z)", re.IGNORECASE | re.DOTALL)
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
    marked = tree is not None and _put_signs(tree)
    text = _laid_out(_safe(_written(tree)) if marked else safe)
    if not has_letters(text) and "<img" in safe:  # all of it is drawn
        text = _laid_out(safe, images=True)
    return text, safe if len(html) <= longest_chars else safe_html(html[:longest_chars])


def as_text(html: str) -> str:
    """What HTML shows; see `rendered`."""
    return rendered(html, len(html))[0]


def words_at_most(html: str) -> int:
    """How many characters HTML may show at most, without looking at what hides some; far quicker than to lay it out."""
    return len("".join(_TAG.sub(" ", _UNSHOWN.sub("", html)).split()))


def _laid_out(safe: str, *, images: bool = False) -> str:
    """Args:
    images: Whether to say what its images show.
    """
    from inscriptis import get_text  # type: ignore[import-untyped]
    from inscriptis.css_profiles import CSS_PROFILES  # type: ignore[import-untyped]
    from inscriptis.model.config import ParserConfig  # type: ignore[import-untyped]
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    if not safe.strip():
        return ""
    style = CSS_PROFILES["strict"].copy()  # the other one indents boxes, and puts blanks round each part of a word
    try:
        # it takes the text for HTML once more, in which people explain `&amp;lt;`
        found = str(get_text(safe.replace("&amp;", "&amp;amp;"), ParserConfig(style, display_images=images)))
    except (LxmlError, ValueError, RecursionError, AssertionError):
        found = unescape(_TAG.sub(" ", safe))
    if _BEGIN_QUOTE in found:
        found = _marked(found)
    return re.sub(r"\n{3,}", "\n\n", found).strip()


def _safe(html: str) -> str:
    import nh3

    return nh3.clean(
        html,
        attributes=_attributes(),
        attribute_filter=_only_own_images,
        clean_content_tags={"script", "style", "title", "template"},
        url_schemes={"http", "https", "mailto", "cid"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


@cache
def _attributes() -> dict[str, set[str]]:
    import nh3

    return nh3.ALLOWED_ATTRIBUTES | {"li": {"value"}}


def _tree(html: str) -> Any:
    """A tree of bounded depth, without what it hides; None where there is nothing in it."""
    from lxml import etree  # type: ignore[import-untyped]
    from lxml.html import HTMLParser, document_fromstring  # type: ignore[import-untyped]

    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        tree = document_fromstring(without_early_ends(html[:MOST_CHARS]).encode(), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):
        return None
    empty_hidden(tree, scripted=False)
    depth = 0
    for event, element in etree.iterwalk(tree, events=("start", "end"), tag=_INDENTS):
        depth += 1 if event == "start" else -1
        if event == "end" and depth >= DEEPEST_INDENT and not _is_quote(element):
            element.tag = "div"
    return tree


def _written(tree: Any) -> str:
    from lxml.html import tostring

    return "" if tree is None else str(tostring(tree, encoding="unicode"))


# --- what text says by signs


def _put_signs(tree: Any) -> bool:
    """Signs for what HTML shows and its letters do not say, quotes and first numbers among it; whether there is any."""
    found = [one for one in tree.iter("blockquote") if _mark_quote(one)]
    found += [one for one in tree.iter("ol") if _begin_numbers(one)]
    return put_signs(tree) or bool(found)


def _begin_numbers(element: Any) -> bool:
    """A list that does not begin at 1 says so at its first item."""
    start = element.get("start") or ""
    first = next((one for one in element if one.tag == "li"), None)
    if first is None or not (start.isascii() and start.isdigit()) or len(start) > 9 or first.get("value") is not None:
        return False
    first.set("value", start)
    return True


# --- quotes


def _is_quote(element: Any) -> bool:
    """Whether a mail program made it for what is answered; people quote with the same element."""
    if element.tag != "blockquote":
        return False
    kind, of = (element.get("type") or "").lower(), (element.get("class") or "").lower()
    return kind == "cite" or element.get("cite") is not None or "quote" in of or "yahoo" in of


def _mark_quote(element: Any) -> bool:
    """Signs on lines of their own, which no text holds, since its layout tells only indents."""
    if not _is_quote(element):
        return False
    first, last = element.makeelement("div"), element.makeelement("div")
    first.text, last.text = _BEGIN_QUOTE, _END_QUOTE
    first.tail, element.text = element.text, None
    element.insert(0, first)
    element.append(last)
    element.tag = "div"
    return True


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
