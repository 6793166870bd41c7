"""Strangers' HTML, made safe to show and readable as text, in bounded time. Pure.

It is first written anew from libxml2's tree, which is never deeper than 256: the sanitiser takes time by the square of
the depth (100,000 open lists took it four minutes), and the layout of text repeats each indent on each line.
"""

from __future__ import annotations

import re
from html import unescape

#: More is not looked at.
MOST_CHARS = 500_000
#: Lists and quotes within each other that are laid out as such.
DEEPEST_INDENT = 20
_INDENTS = ("ul", "ol", "blockquote")
_TAG = re.compile(r"<[^<>]{0,1000}>")


def safe_html(html: str) -> str:
    """HTML that may be shown inside a page: what it may do is be read, and have its links followed."""
    import nh3

    return nh3.clean(
        _flattened(html),
        attribute_filter=_only_own_images,
        clean_content_tags={"script", "style", "title"},
        url_schemes={"http", "https", "mailto", "cid"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def as_text(html: str) -> str:
    """What HTML says, laid out as text."""
    from inscriptis import get_text  # type: ignore[import-untyped]
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    shown = safe_html(html)
    if not shown.strip():
        return ""
    try:
        found = str(get_text(shown))
    except (LxmlError, ValueError, RecursionError, AssertionError):
        found = unescape(_TAG.sub(" ", shown))
    return re.sub(r"\n{3,}", "\n\n", found).strip()


def _flattened(html: str) -> str:
    """The same, from a tree of bounded depth."""
    from lxml import etree  # type: ignore[import-untyped]
    from lxml.html import HTMLParser, document_fromstring, tostring  # type: ignore[import-untyped]

    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        tree = document_fromstring(html[:MOST_CHARS].encode(), parser=parser)
    except (etree.LxmlError, ValueError, AssertionError):  # there is nothing in it
        return ""
    depth = 0
    for event, element in etree.iterwalk(tree, events=("start", "end"), tag=_INDENTS):
        depth += 1 if event == "start" else -1
        if event == "end" and depth >= DEEPEST_INDENT:
            element.tag = "div"
    return str(tostring(tree, encoding="unicode"))


def _only_own_images(_tag: str, attribute: str, value: str) -> str | None:
    """An image from elsewhere tells its server who reads the mail, and when."""
    if attribute in ("src", "srcset", "background", "poster") and not value.lower().startswith("cid:"):
        return None
    return value
