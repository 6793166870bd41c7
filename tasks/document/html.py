"""The main text of a web page: by trafilatura, and by BeautifulSoup where trafilatura finds too little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.document.page import Block, BlockKind, ParsedDocument, UnreadableDocument, collapsed

MAX_CHARS = 5_000_000
#: No page has so many of either; libxml2 takes minutes for a tag of 100,000 attributes, in which nothing can stop it.
MAX_ATTRIBUTES, MAX_DEPTH = 1_000, 500
#: Less than this from trafilatura is taken for a miss, if BeautifulSoup finds much more.
FEW_WORDS = 60
MUCH_MORE = 4

_NOT_TEXT = ["script", "style", "noscript", "template", "svg", "iframe"]
_NOT_TEXT += ["nav", "header", "footer", "aside", "form", "button", "select"]
_KINDS = {
    "p": BlockKind.PARAGRAPH,
    "blockquote": BlockKind.PARAGRAPH,
    "dd": BlockKind.PARAGRAPH,
    "li": BlockKind.ITEM,
    "pre": BlockKind.CODE,
}
_KINDS |= {"td": BlockKind.TABLE, "th": BlockKind.TABLE} | {f"h{level}": BlockKind.HEADING for level in range(1, 7)}


def read_html(html: str, media_type: str, where: str) -> ParsedDocument:
    """Find title and main text.

    Raises:
        Unreadable: Too large, made to exhaust its readers, or without text.
    """
    if len(html) > MAX_CHARS:
        raise UnreadableDocument(f"{where} has {len(html)} characters of HTML; at most {MAX_CHARS} are read.")
    _refuse_traps(html, where)
    title, blocks = _by_trafilatura(html)
    if _words(blocks) < FEW_WORDS:
        other_title, others = _by_soup(html)
        title = title or other_title
        if _words(others) > MUCH_MORE * _words(blocks):
            blocks = others
    if not blocks:
        raise UnreadableDocument(f"{where} has no readable text; a page that scripts draw in the browser has none.")
    return ParsedDocument(title, tuple(blocks), media_type)


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


def _words(blocks: list[Block]) -> int:
    return sum(len(block.text.split()) for block in blocks)


def _by_trafilatura(html: str) -> tuple[str | None, list[Block]]:
    import trafilatura

    tree = trafilatura.load_html(html)
    if tree is None:
        return None, []
    title = collapsed(tree.findtext(".//title") or "") or None
    found = trafilatura.bare_extraction(tree, include_comments=False, include_tables=True, include_formatting=True)
    body = getattr(found, "body", None)
    return title, [] if body is None else list(_blocks(body))


def _blocks(body: Any) -> Iterator[Block]:
    """The blocks of trafilatura's own XML: head, p, quote, code, list of item, table of row of cell."""
    for element in body:
        if element.tag == "list":
            for item in element.iter("item"):
                yield from _block(BlockKind.ITEM, item)
        elif element.tag == "table":
            for row in element.iter("row"):
                cells = [collapsed("".join(cell.itertext())) for cell in row.iter("cell")]
                if any(cells):
                    yield Block(BlockKind.TABLE, " | ".join(cells))
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
    raw = "".join(element.itertext())
    text = raw.strip("\n").rstrip() if kind is BlockKind.CODE else collapsed(raw)
    if text:
        yield Block(kind, text)


def _by_soup(html: str) -> tuple[str | None, list[Block]]:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "lxml")
    title = collapsed(soup.title.get_text()) if soup.title else ""
    for unwanted in soup.find_all(_NOT_TEXT):
        unwanted.decompose()
    blocks = []
    for element in soup.find_all(list(_KINDS)):
        if element.find_parent(list(_KINDS)) is None:  # the outermost holds the text of those inside
            blocks += list(_soup_block(_KINDS[element.name], element.get_text(" ")))
    if not blocks:
        lines = soup.get_text("\n").splitlines()
        blocks = [Block(BlockKind.PARAGRAPH, collapsed(line)) for line in lines if collapsed(line)]
    return title or None, blocks


def _soup_block(kind: BlockKind, raw: str) -> Iterator[Block]:
    text = raw.strip("\n").rstrip() if kind is BlockKind.CODE else collapsed(raw)
    if text:
        yield Block(kind, text)
