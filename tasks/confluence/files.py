"""The text of a page's files, as far as they have one that is cheap to find: plain text, HTML and PDF."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from io import BytesIO

from llmcoder.errors import BadInput
from tasks.confluence.wiki import WikiAttachment

MAX_FILES_PER_PAGE = 50
MAX_FILE_BYTES = 20_000_000
MAX_PDF_PAGES = 300
MAX_CHARS = 1_000_000

_HTML = ("text/html", "application/xhtml+xml")
_PDF = "application/pdf"
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
    """Whether it is of a kind that is read."""
    kind = _kind(file)
    return kind.startswith("text/") or kind in (*_HTML, *_PLAIN, _PDF)


def text_of_file(file: WikiAttachment, content: bytes, tick: Callable[[], None]) -> str:
    """The text in it, up to `MAX_CHARS`.

    Args:
        tick: Called between pages; whatever it raises ends the reading.

    Raises:
        BadInput: It is broken, or protected by a password.
    """
    kind = _kind(file)
    if kind == _PDF:
        return _pdf(content, tick)[:MAX_CHARS]
    text = content.decode("utf-8", "replace")
    return (_html(text) if kind in _HTML else text)[:MAX_CHARS]


def _kind(file: WikiAttachment) -> str:
    return file.media_type.partition(";")[0].strip().lower()


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
