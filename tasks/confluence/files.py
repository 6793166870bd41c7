"""The text of a page's files, as far as they have one that is cheap to find: plain text, HTML and PDF."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import PurePosixPath

from llmcoder.charsets import decode, header_labels, inner_labels
from llmcoder.errors import BadInput
from llmcoder.media_types import HTML, PDF, PLAIN, UNSAID, XHTML, is_text, named, sniffed
from tasks.confluence.wiki import WikiAttachment

MAX_FILES_PER_PAGE = 50
MAX_FILE_BYTES = 20_000_000
MAX_PDF_PAGES = 300
MAX_CHARS = 1_000_000

_HTML = (HTML, XHTML)
_BY_NAME = {
    ".pdf": PDF, ".txt": PLAIN, ".md": PLAIN, ".csv": PLAIN, ".log": PLAIN, ".html": HTML, ".htm": HTML, ".json": PLAIN,
    ".xml": PLAIN, ".yaml": PLAIN, ".yml": PLAIN,
}  # fmt: skip
_PLAIN = ("application/json", "application/xml", "application/x-yaml", "application/yaml")

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


def has_text(file: WikiAttachment) -> bool:
    """Whether it is of a kind that is read: by its media type, or by its name where nobody knew one."""
    kind = _kind(file)
    return kind.startswith("text/") or kind in (*_HTML, *_PLAIN, PDF)


def text_of_file(file: WikiAttachment, content: bytes, tick: Callable[[], None]) -> str:
    """The text in it, up to `MAX_CHARS`.

    Args:
        tick: Called between pages; whatever it raises ends the reading.

    Raises:
        BadInput: It is broken, or protected by a password.
    """
    kind = PDF if sniffed(content) == PDF else _kind(file)
    if kind == PDF:
        return _pdf(content, tick)[:MAX_CHARS]
    if not is_text(content, file.media_type):
        raise BadInput("It is called a text and is none.")
    is_page = kind in _HTML or (kind == PLAIN and sniffed(content) == HTML)
    text = decode(content, *header_labels(file.media_type), *inner_labels(content, kind))
    return (_html(text) if is_page else text)[:MAX_CHARS]


def _kind(file: WikiAttachment) -> str:
    kind = named(file.media_type)
    return _BY_NAME.get(PurePosixPath(file.title).suffix.lower(), kind) if kind in UNSAID else kind


def _html(text: str) -> str:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(text[: 4 * MAX_CHARS], "html.parser")
    for unwanted in soup.find_all(["script", "style", "noscript", "template", "svg"]):
        unwanted.decompose()
    return "\n".join(line for line in (" ".join(one.split()) for one in soup.get_text("\n").splitlines()) if line)


def _pdf(content: bytes, tick: Callable[[], None]) -> str:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    texts: list[str] = []
    try:
        reader = PdfReader(BytesIO(content), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise BadInput("It is protected by a password.")
        for page in reader.pages[:MAX_PDF_PAGES]:
            tick()
            texts.append(page.extract_text())
            if sum(map(len, texts)) > MAX_CHARS:
                break
    except _BROKEN + (PyPdfError,) as error:  # noqa: RUF005  mypy follows only the sum
        raise BadInput(f"It cannot be read as a PDF ({type(error).__name__}).") from error
    return "\n\n".join(texts)
