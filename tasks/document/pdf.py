"""The text of a PDF, within limits: a PDF is a program for drawing, and a small one can ask for a great deal."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from statistics import median

from tasks.document.page import Block, BlockKind, ParsedDocument, UnreadableDocument, collapsed

MAX_PAGES = 400
MAX_CHARS = 3_000_000

# pypdf raises whatever the structure of a broken file trips over, and only sometimes its own error.
_BROKEN: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
_BROKEN += (NotImplementedError, RecursionError, zlib.error)

_HYPHENATED = re.compile(r"(\w)[-\u00ad]\n(?=[a-zà-ÿ])")
_SENTENCE_END = (".", "!", "?", ":", "。", "！", "？")
_ITEM = re.compile(r"^\s*(?:[-*•▪‣]|\d{1,3}[.)])\s+")


def read_pdf(body: bytes, where: str, tick: Callable[[int, int], None]) -> ParsedDocument:
    """Find the text of all pages.

    Raises:
        Unreadable: Broken, encrypted, too long, or pictures only.
    """
    from pypdf.errors import PyPdfError

    try:
        title, texts = _title_and_texts(body, where, tick)
    except _BROKEN + (PyPdfError,) as error:  # noqa: RUF005  mypy follows only the sum
        raise UnreadableDocument(f"{where} cannot be read as a PDF ({type(error).__name__}).") from error
    blocks = tuple(block for text in texts for block in blocks_of(text))
    if not blocks:
        raise UnreadableDocument(f"{where} holds no text; scanned pages are pictures and would need OCR.")
    return ParsedDocument(title, blocks, "application/pdf")


def _title_and_texts(body: bytes, where: str, tick: Callable[[int, int], None]) -> tuple[str | None, list[str]]:
    from pypdf import PdfReader

    reader = PdfReader(BytesIO(body), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableDocument(f"{where} is protected by a password.")
    pages = len(reader.pages)
    if pages > MAX_PAGES:
        raise UnreadableDocument(f"{where} has {pages} pages; at most {MAX_PAGES} are read.")
    texts: list[str] = []
    chars = 0
    for number, page in enumerate(reader.pages):
        tick(number, pages)
        texts.append(page.extract_text())
        chars += len(texts[-1])
        if chars > MAX_CHARS:
            raise UnreadableDocument(f"{where} has more than {MAX_CHARS} characters of text.")
    metadata = reader.metadata
    return (collapsed(metadata.title or "") or None if metadata else None), texts


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks of one page's lines. Pure.

    A PDF knows lines and no paragraphs: one ends at an empty line, before a bullet, and where a sentence ends in a line
    that is clearly shorter than most. A short line that ends no sentence, where a paragraph would begin, is a heading.
    """
    lines = [line.strip() for line in _HYPHENATED.sub(r"\1", text).splitlines()]
    usual = median([len(line) for line in lines if line] or [0])
    held: list[str] = []
    for line in lines:
        if not line or _ITEM.match(line):
            yield from _block(held)
            held = []
        if not held and _is_heading(line, usual):
            yield Block(BlockKind.HEADING, collapsed(line))
            continue
        held.append(line)
        if line.endswith(_SENTENCE_END) and len(line) < 0.8 * usual:
            yield from _block(held)
            held = []
    yield from _block(held)


def _is_heading(line: str, usual: float) -> bool:
    ends = line.endswith((*_SENTENCE_END, ",", ";"))
    return 0 < len(line) < 0.6 * usual and not ends and not _ITEM.match(line)


def _block(lines: list[str]) -> Iterator[Block]:
    joined = " ".join(lines)
    kind = BlockKind.ITEM if _ITEM.match(joined) else BlockKind.PARAGRAPH
    if text := collapsed(_ITEM.sub("", joined)):
        yield Block(kind, text)
