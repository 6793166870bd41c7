"""From the bytes of a document to its blocks, whatever of the known kinds it is."""

from __future__ import annotations

from collections.abc import Callable

from llmcoder.charsets import decode, header_labels, inner_labels
from llmcoder.media_types import GZIP, HTML, PDF, PLAIN, UNKNOWN, UNSAID, XHTML, is_text, may_be_page, named, sniffed
from llmcoder.net.body import unpacked
from tasks.document.page import ParsedDocument, UnreadableDocument

#: Called between pages of long documents: how many are read, of how many. Whatever it raises ends the reading.
Tick = Callable[[int, int], None]

#: What a document may unpack to that came as gzip without a word; as much as one that says so.
MAX_UNPACKED_BYTES = 20 * 1024 * 1024
#: Times that a document is packed: a server may pack what is packed already.
MAX_PACKED = 2

_PAGES = (HTML, XHTML)
_XML = ("text/xml", "application/xml")
#: Texts that are read by machines and not by people.
_NO_PROSE = frozenset({"text/css", "text/javascript", "text/ecmascript", "text/rtf", "text/calendar", "text/vcard"})


def read(body: bytes, content_type: str, where: str, tick: Tick = lambda done, of: None) -> ParsedDocument:
    """Find the text of a document.

    Args:
        body: All of it.
        content_type: As its server names it; empty or general where nobody said.
        where: What to call the document in an error.

    Raises:
        Unreadable: No text in it, too large, broken, or of a kind that is not known.
    """
    body = _unpacked(body, where)
    media_type = kind_of(body, content_type)
    if media_type in _PAGES:
        from tasks.document.html import read_html  # loads trafilatura

        return read_html(decoded(body, content_type), media_type, where)
    if media_type == PDF:
        from tasks.document.pdf import read_pdf  # loads pypdf

        return read_pdf(body, where, tick)
    if media_type.startswith("text/") and media_type not in _NO_PROSE and media_type not in _XML:
        from tasks.document.text import read_text

        return read_text(decoded(body, content_type), media_type, where)
    known = "HTML, plain text, Markdown and PDF"
    raise UnreadableDocument(f"{where} is {media_type or 'of an unknown kind'}; what can be read is {known}.")


def html_of(body: bytes, content_type: str) -> str | None:
    """The source of a web page; None where it is another kind of document, or cannot be unpacked."""
    try:
        body = _unpacked(body, "It")
    except UnreadableDocument:
        return None
    return decoded(body, content_type) if kind_of(body, content_type) in _PAGES else None


def kind_of(body: bytes, content_type: str) -> str:
    """The media type of a document: what its server says, unless its bytes show that it is something else.

    A page is a page also where it is sent as text or as a PDF (an error page behind the name of a file), and a PDF is
    one whatever it is sent as. What is sent as text and cannot be one is called by what it is, or by nothing.
    """
    said, seen = named(content_type), sniffed(body)
    if seen == PLAIN and said in UNKNOWN and may_be_page(body):
        return HTML
    if seen == PDF or said == GZIP or said in UNSAID:
        return seen
    if seen == HTML and (said in (PLAIN, PDF, *_XML)):
        return HTML if said in (PLAIN, PDF) else XHTML
    if said.startswith("text/") or said == XHTML:
        is_so = seen in (HTML, PLAIN) or (not seen and is_text(body, content_type))
        return said if is_so else seen
    return said


def decoded(body: bytes, content_type: str) -> str:
    """The text, in the encoding of its byte-order mark, its header, or what it says of itself, in this order."""
    return decode(body, *header_labels(content_type), *inner_labels(body, named(content_type)))


def _unpacked(body: bytes, where: str) -> bytes:
    """What is in it where it is gzip, which nobody need have said."""
    for _ in range(MAX_PACKED):
        if sniffed(body) != GZIP:
            break
        inside = unpacked(body, MAX_UNPACKED_BYTES)
        if inside.fault is not None:
            raise UnreadableDocument(f"{where} {inside.fault}.")
        body = b"".join(inside.pieces)
    return body
