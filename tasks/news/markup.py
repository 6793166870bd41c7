"""Text and safe HTML of what feeds hold. Pure.

nh3 cleans, in time that grows with the length; the sanitizer of feedparser takes the square of it, 15 s for 5 MB.
"""

from __future__ import annotations

import html as entities
import re
from urllib.parse import quote, urljoin

#: Of one entry; a longer one is cut before it is cleaned.
MAX_HTML_CHARS = 200_000
MAX_SUMMARY_CHARS = 1_000
MAX_TITLE_CHARS = 500
MOST_URL_CHARS = 2_000

_TAGS = {
    "a", "abbr", "audio", "b", "bdi", "bdo", "blockquote", "br", "caption", "cite", "code", "dd", "del", "dfn", "div",
    "dl", "dt", "em", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li",
    "mark", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "samp", "small", "source", "span", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr", "u", "ul", "var", "video",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"dir", "lang", "title"},
    "a": {"href", "hreflang"},
    "img": {"src", "alt", "width", "height"},
    "audio": {"src", "controls"},
    "video": {"src", "controls", "poster", "width", "height"},
    "source": {"src", "type"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "time": {"datetime"},
    "ol": {"start"},
}
_SCHEMES = {"http", "https", "mailto"}
#: Whatever stands in these is not text.
_SILENT = {"script", "style", "noscript", "template", "svg", "math", "head", "title"}
# They hold what is shown where they cannot be; one that nobody ends would swallow the rest.
_FRAME = re.compile(r"</?(?:iframe|object|embed|applet|noframes|textarea|select|plaintext|xmp)\b[^<>]*>", re.IGNORECASE)
#: Elements in each other; a parser ends a paragraph, an item or a cell by itself.
MAX_DEPTH = 300
_NESTING = re.compile(r"<(/?)(?!(?:p|li|dt|dd|td|th|tr|br|hr|img|wbr|source|option)\b)[a-z][^<>]*>", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^<>]*>")
# Where a line ends for whoever reads.
_BOUNDARY = re.compile(
    r"<(?=/?(?:p|br|div|li|ul|ol|h[1-6]|tr|td|th|dd|dt|blockquote|pre|figure|figcaption|section|article|hr|table)\b)",
    re.IGNORECASE,
)
# A picture of one pixel tells somebody that the entry is read.
_PIXEL = re.compile(r"<img\b[^<>]{0,2000}\b(?:width|height)=[\"']?[01](?:px)?[\"'\s/>][^<>]{0,2000}>", re.IGNORECASE)
_IMAGE = re.compile(r"<img\b[^<>]{0,4000}?\bsrc=\"(https?://[^\"<>\s]{1,2000})\"", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_LINE_BREAKS = re.compile(r"[\t\r\n]")
_ROOTED = re.compile(r"https?:|/", re.IGNORECASE)
_UNSAFE = re.compile(r"[ <>\"]")
_ELEMENTS_TEXT = """
    a abbr acronym address applet area article aside audio b base basefont bdi bdo bgsound big blink blockquote body
    br button canvas caption center cite code col colgroup command data datalist dd del details dfn dialog dir div dl
    dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr
    html i iframe img input ins kbd keygen label legend li link main map mark marquee math menu meta meter nav nobr
    noembed noframes noscript object ol optgroup option output p param picture plaintext pre progress q rb rp rt rtc
    ruby s samp script section select slot small source span strike strong style sub summary sup svg table tbody td
    template textarea tfoot th thead time title tr track tt u ul var video wbr xmp
"""
_NAMES = "|".join(sorted(_ELEMENTS_TEXT.split(), key=len, reverse=True))
_TAG = re.compile(
    rf"</?(?:{_NAMES})(?=[\s/>])[^<>]*>|<!--|&(?:#\d{{1,7}}|#x[0-9a-f]{{1,6}}|[a-z]\w{{1,30}});", re.IGNORECASE
)
# What looks like an element and is none of HTML, nor one that a page has made: "Vec<T>", "x<y and y>z".
_NO_ELEMENT = re.compile(rf"<(?=/?[a-z])(?!/?(?:{_NAMES}|[a-z][a-z0-9]*[-:][\w:-]+)(?:[\s/>]|$))", re.IGNORECASE)
# What no text may hold that PostgreSQL keeps, and what only hides in one.
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff\ufffe\uffff]")


def _readable(html: str) -> str:
    """Cut, and without what swallows the rest or nests so deeply that cleaning it takes the square of its length."""
    html = _FRAME.sub("", _NO_ELEMENT.sub("&lt;", html[:MAX_HTML_CHARS]))
    depth = deepest = 0
    for found in _NESTING.finditer(html):
        depth = max(0, depth - 1) if found[1] else depth + 1
        deepest = max(deepest, depth)
    return html if deepest <= MAX_DEPTH else _ANY_TAG.sub(" ", html)


def safe_html(html: str, base_url: str) -> str:
    """HTML that a page may show as it is, with its links made whole; without pixels that count readers."""
    import nh3

    cleaned = nh3.clean(
        _readable(html),
        tags=_TAGS,
        clean_content_tags=_SILENT,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        url_relative=("rewrite_with_base", base_url) if base_url else "deny",
    )
    return _UNSEEN.sub("", _PIXEL.sub("", cleaned)).strip()


def text_of(html: str) -> str:
    """The text of HTML on one line, each block apart from the next."""
    import nh3

    apart = _BOUNDARY.sub(" <", _readable(html))
    return one_line(entities.unescape(nh3.clean(apart, tags=set(), clean_content_tags=_SILENT)))


def one_line(text: str) -> str:
    """White space as single spaces, and nothing that cannot be seen."""
    return " ".join(_UNSEEN.sub("", text.replace("\u00ad", "")).split())


def looks_like_html(text: str) -> bool:
    return _TAG.search(text) is not None


def first_image(safe: str) -> str:
    """The first picture of cleaned HTML; empty where there is none."""
    found = _IMAGE.search(safe)
    return entities.unescape(found[1]) if found else ""


def paragraphs(text: str) -> str:
    """Plain text as HTML."""
    parts = (part.strip() for part in re.split(r"\n\s*\n", text))
    return "".join(f"<p>{entities.escape(part, quote=False)}</p>" for part in parts if part)


def more_than(summary: str, html: str) -> str:
    """HTML, or nothing where it has nothing that the summary lacks."""
    return "" if one_line(html) in (summary, entities.escape(summary, quote=False), paragraphs(summary)) else html


def without_feed_scheme(text: str) -> str:
    """An address that a browser was to give to a reader of feeds, by the scheme `feed:`, as one of the web."""
    return re.sub(
        r"^feed://(?!https?:)", "http://", re.sub(r"^feed:(?://)?(?=https?:)", "", text, flags=re.I), flags=re.I
    )


def web_address(text: str, base: str = "") -> str:
    """The address that a text names, if it is one of the web; whole, where a base is given.

    As browsers do, line breaks in it are passed over, and what no address may hold, such as spaces, is escaped.
    """
    text = _LINE_BREAKS.sub("", text.strip())
    if _ROOTED.match(text):
        text = _UNSAFE.sub(lambda found: quote(found[0]), text)
    if not text or len(text) > MOST_URL_CHARS or _UNSEEN.search(text):
        return ""
    try:
        whole = urljoin(base, text) if base else text
    except ValueError:
        return ""
    return whole if _ADDRESS.fullmatch(whole) and len(whole) <= MOST_URL_CHARS else ""


def shortened(text: str, most_chars: int) -> str:
    """At most so many characters, cut between words."""
    if len(text) <= most_chars:
        return text
    cut = text.rfind(" ", most_chars // 2, most_chars - 1)
    return f"{text[: cut if cut > 0 else most_chars - 1].rstrip()}…"
