"""The main text of a web page: by trafilatura, and by where its elements end where trafilatura finds too little."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from llmcoder.hidden_html import empty_hidden, without_early_ends
from llmcoder.html_signs import put_signs
from llmcoder.text import is_seen
from tasks.document.blocks import BOUNDARIES, blocks_of
from tasks.document.page import (
    Block,
    BlockKind,
    ParsedDocument,
    UnreadableDocument,
    collapsed,
    has_words,
    is_sentence,
    word_count,
    words_of,
)
from tasks.document.stubs import FEW_WORDS, FEWEST_WORDS, SOME_WORDS, nothing_said

MAX_CHARS = 5_000_000
#: No page has so many of either; libxml2 takes minutes for a tag of 100,000 attributes, in which nothing can stop it.
MAX_ATTRIBUTES, MAX_DEPTH = 1_000, 500
#: Less than `FEW_WORDS` from trafilatura is taken for a miss, if there is so many times more on the page.
MUCH_MORE = 4

#: What may hold sentences and blocks beside each other.
_CONTAINERS = (
    "body",
    "main",
    "article",
    "section",
    "div",
    "center",
    "fieldset",
    "address",
    "hgroup",
    "blockquote",
    "td",
    "form",
    "font",
    "span",
)
#: Of which trafilatura reads no text but that of their paragraphs.
_WITHOUT_TEXT = ("main", "section", "center", "address", "hgroup")
_SILENT = ("script", "style", "noscript", "template", "svg", "iframe", "object", "math")
#: What stands around the text of a page. No `form`: whole pages are made of one.
_AROUND = ("nav", "header", "footer", "aside", "button", "select", "datalist", "dialog")
# lxml refuses a text that says which bytes it once was.
_XML_DECLARATION = re.compile(r"\s*<\?xml\s[^<>]{0,300}\?>", re.IGNORECASE)
# Each costs trafilatura the more the more there are beside it.
_MANY_BREAKS = re.compile(r"<br\s{0,9}/?>\s*(?:<br\s{0,9}/?>\s*){2,}", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,3}")


@dataclass(frozen=True)
class Parsed:
    """A page's title, language and text, and what a browser without scripts would show beside it."""

    title: str | None
    language: str | None
    blocks: list[Block]
    unscripted: list[Block]


def read_html(html: str, media_type: str, where: str) -> ParsedDocument:
    """Find title and main text.

    Raises:
        Unreadable: Too large, made to exhaust its readers, or without text: also where scripts would draw it, or where
            it asks for consent or for a proof that a person looks.
    """
    if len(html) > MAX_CHARS:
        raise UnreadableDocument(f"{where} has {len(html)} characters of HTML; at most {MAX_CHARS} are read.")
    html = _XML_DECLARATION.sub("", html[:1000], count=1) + html[1000:]
    html = _MANY_BREAKS.sub("<br><br>", html)
    html = without_early_ends(html)
    _refuse_traps(html, where)
    page = parsed(html)
    blocks = page.blocks
    if not has_words(blocks, FEW_WORDS) and has_words(page.unscripted, FEW_WORDS):
        blocks = page.unscripted
    if why := nothing_said(page.title, blocks, html):
        raise UnreadableDocument(f"{where} has no readable text: {why}")
    return ParsedDocument(page.title, tuple(blocks), media_type, language=page.language)


def parsed(html: str) -> Parsed:
    """What there is to read in a page that no trap is in.

    What its styles hide is not, unless that is all of it: such a page is shown by its scripts when it is complete.
    """
    page = _parsed(html, hidden=False)
    if not has_words(page.blocks, SOME_WORDS):
        whole = _parsed(html, hidden=True)
        if has_words(whole.blocks, FEW_WORDS):
            return whole
    return page


def _parsed(html: str, *, hidden: bool) -> Parsed:
    title, language, blocks, unscripted = _by_trafilatura(html, hidden=hidden)
    if not has_words(blocks, FEW_WORDS):
        others = _by_boundaries(html, hidden=hidden)
        if words_of(others) > MUCH_MORE * words_of(blocks):
            blocks = others
    return Parsed(title, language, blocks, unscripted)


def _refuse_traps(html: str, where: str) -> None:
    """Go through the tags without keeping them, with the parser that would later make a tree of them."""
    from lxml import etree  # type: ignore[import-untyped]

    parser = etree.HTMLParser(target=_Tags(where))
    parser.feed(html)
    parser.close()


class _Tags:
    """What lxml calls for each tag."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._depth = 0

    def start(self, _tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if len(attributes) > MAX_ATTRIBUTES or self._depth > MAX_DEPTH:
            raise UnreadableDocument(
                f"{self._where} nests its elements too deeply, or loads one with too many attributes."
            )

    def end(self, _tag: str) -> None:
        self._depth -= 1

    def close(self) -> None:
        """Nothing was kept."""


def _by_trafilatura(html: str, *, hidden: bool) -> tuple[str | None, str | None, list[Block], list[Block]]:
    import trafilatura
    from lxml import etree

    tree = trafilatura.load_html(html)
    if tree is None:
        tree = _tree(html)
    if tree is None:
        return None, None, [], []
    title, language = _title(tree), _language(tree)
    unscripted = [block for one in tree.iter("noscript") for block in blocks_of(one)]
    # What is there for those without scripts says that they need them, or shows again what scripts would show.
    etree.strip_elements(tree, "noscript", "template", with_tail=False)
    _prepare(tree, hidden=hidden)
    _keep_words(tree)
    _flatten_lists(tree)
    found = trafilatura.bare_extraction(tree, include_comments=False, include_tables=True, include_formatting=True)
    body = getattr(found, "body", None)
    return title, language, [] if body is None else list(_blocks(body)), unscripted


def _prepare(tree: Any, *, hidden: bool) -> None:
    """Take out what nobody sees, and say by signs what letters do not."""
    if not hidden:
        empty_hidden(tree, scripted=True)
    put_signs(tree)


def _keep_words(tree: Any) -> None:
    """Name what trafilatura throws away by its name, and people write sentences with, by names that it leaves."""
    for element in tree.iter("time", "output", "label"):
        if _is_amid_text(element):
            element.tag = "span"
    for element in tree.xpath("//*[contains(name(), '-')]"):  # of the site's own
        is_box = any(child.tag in BOUNDARIES for child in element)
        element.tag = "div" if is_box or not _is_amid_text(element) else "span"
    for element in tree.iter("q"):
        element.tag, element.text = "span", f"“{element.text or ''}"
        if len(element):
            element[-1].tail = f"{element[-1].tail or ''}”"
        else:
            element.text += "”"
    for line_break in tree.xpath("//pre//br"):
        line_break.tag, line_break.tail = "span", f"\n{line_break.tail or ''}"
    for element in list(tree.iter(*_CONTAINERS)):
        _box_sentences(element)


def _is_amid_text(element: Any) -> bool:
    before = element.getprevious()
    beside = element.getparent().text if before is None else before.tail
    return bool((beside or "").strip() or (element.tail or "").strip())


def _box_sentences(container: Any) -> None:
    """Sentences that stand beside blocks without an element of their own get one, as browsers give them a box."""
    children = list(container)
    boxes = {child for child in children if child.tag in BOUNDARIES}
    if not boxes:
        if container.tag in _WITHOUT_TEXT and (container.text or "").strip():
            container.tag = "div"
        return
    for before, after in pairwise([None, *children, None]):
        text = (container.text if before is None else before.tail) or ""
        if text and _in(before, boxes) and _in(after, boxes) and is_sentence(text) and word_count(text) >= FEWEST_WORDS:
            _box(container, before, text)


def _in(child: Any, boxes: Collection[Any]) -> bool:
    """Whether it is one of these, or the edge of what they are in."""
    return child is None or child in boxes


def _box(container: Any, before: Any, text: str) -> None:
    """Put a text that stands there into a paragraph."""
    paragraph = container.makeelement("p")
    paragraph.text = text
    if before is None:
        container.text = None
        container.insert(0, paragraph)
    else:
        before.tail = None
        before.addnext(paragraph)


def _flatten_lists(tree: Any) -> None:
    """Items of lists in cells as lines: trafilatura gives cells no lists."""
    for item in tree.xpath("//td//li | //th//li"):
        item.tag = "span"
        item.tail = f" {item.tail or ''}"
        item.append(item.makeelement("br"))
    for one in tree.xpath("//td//ul | //td//ol | //th//ul | //th//ol"):
        one.tag = "span"


def _title(tree: Any) -> str | None:
    """Of the page, and not of a drawing in it."""
    title = next((one for one in tree.iter("title") if next(one.iterancestors("svg"), None) is None), None)
    return None if title is None else collapsed(title.text or "") or None


def _tree(html: str) -> Any:
    from lxml import etree
    from lxml.html import HTMLParser, document_fromstring  # type: ignore[import-untyped]

    parser = HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        return document_fromstring(html.encode("utf-8", "replace"), parser=parser, ensure_head_body=True)
    except etree.ParserError:  # there is no element in it
        return None


def _language(tree: Any) -> str | None:
    said = next((one for one in (tree.get("lang"), tree.get("xml:lang")) if one), "").strip()
    return said if _LANGUAGE.fullmatch(said) else None


def _blocks(body: Any) -> Iterator[Block]:
    """The blocks of trafilatura's own XML: head, p, quote, code, list of item, table of row of cell."""
    for element in body:
        if element.tag == "list":
            for item in element.iter("item"):
                yield from _block(BlockKind.ITEM, item)
        elif element.tag == "table":
            yield from blocks_of(element)
        else:
            yield from _block(_kind(element), element)


def _kind(element: Any) -> BlockKind:
    if element.tag == "head":
        return BlockKind.HEADING
    if element.tag == "code" or _is_all_code(element):
        return BlockKind.CODE
    return BlockKind.PARAGRAPH


def _is_all_code(element: Any) -> bool:
    outside = (element.text or "") + "".join(child.tail or "" for child in element)
    return len(element) > 0 and not outside.strip() and all(child.tag == "code" for child in element)


def _block(kind: BlockKind, element: Any) -> Iterator[Block]:
    for line_break in element.iter("lb"):
        line_break.tail = f"\n{line_break.tail or ''}"
    raw = "".join(element.itertext())
    text = raw.strip("\n").rstrip() if kind is BlockKind.CODE else collapsed(raw)
    if is_seen(text):
        yield Block(kind, text)


def _by_boundaries(html: str, *, hidden: bool) -> list[Block]:
    """All text of the page, without what stands around it; with that, where there is nothing else."""
    from lxml import etree

    tree = _tree(html)
    if tree is None:
        return []
    _prepare(tree, hidden=hidden)
    body = tree.find("body")
    etree.strip_elements(body, *_SILENT, with_tail=False)
    whole = blocks_of(body)
    etree.strip_elements(body, *_AROUND, with_tail=False)
    return blocks_of(body) or whole
