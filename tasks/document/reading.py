"""From the bytes of a document to its blocks, whatever of the known kinds it is."""

from __future__ import annotations

import re
from collections.abc import Callable

from tasks.document.page import ParsedDocument, UnreadableDocument

#: Called between pages of long documents: how many are read, of how many. Whatever it raises ends the reading.
Tick = Callable[[int, int], None]

_HTML = ("text/html", "application/xhtml+xml")
_TEXT = ("text/plain", "text/markdown", "text/x-markdown")
_UNSAID = ("", "application/octet-stream", "binary/octet-stream", "application/unknown")

_CHARSET = re.compile(r"charset=\s*[\"']?([\w.:-]+)", re.ASCII | re.IGNORECASE)
_META = re.compile(rb"<meta[^>]{0,200}?charset=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_META_WITHIN_BYTES = 4096
_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
# The encoding standard of the web: who says Latin-1 or ASCII means Windows-1252.
_MEANT = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}


def read(body: bytes, content_type: str, where: str, tick: Tick = lambda done, of: None) -> ParsedDocument:
    """Find the text of a document.

    Args:
        body: All of it.
        content_type: As its server names it; empty or general where nobody said.
        where: What to call the document in an error.

    Raises:
        Unreadable: No text in it, too large, broken, or of a kind that is not known.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in _UNSAID:
        media_type = sniffed(body)
    if media_type in _HTML:
        from tasks.document.html import read_html  # loads trafilatura

        return read_html(decoded(body, content_type), media_type, where)
    if media_type in _TEXT:
        from tasks.document.text import read_text

        return read_text(decoded(body, content_type), media_type, where)
    if media_type == "application/pdf":
        from tasks.document.pdf import read_pdf  # loads pypdf

        return read_pdf(body, where, tick)
    known = "HTML, plain text, Markdown and PDF"
    raise UnreadableDocument(f"{where} is {media_type or 'of an unknown kind'}; what can be read is {known}.")


def sniffed(body: bytes) -> str:
    """The media type by the first bytes; empty when they say nothing."""
    head = body[:1024].lstrip().lower()
    if head.startswith(b"%pdf-"):
        return "application/pdf"
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "text/html"
    return "" if b"\0" in body[:4096] or not _is_utf8(body) else "text/plain"


def decoded(body: bytes, content_type: str) -> str:
    """The text, in the character set of its byte order mark, its header, or its own `<meta>`, in this order.

    Without any of them it is UTF-8, or Windows-1252 where it cannot be that. What does not fit becomes U+FFFD.
    """
    header = _CHARSET.search(content_type)
    meta = _META.search(body[:_META_WITHIN_BYTES])
    bom = next((name for mark, name in _BOMS if body.startswith(mark)), None)
    for name in (bom, header and header[1], meta and meta[1].decode("ascii", "replace")):
        if name and (text := _decoded_as(body, name)) is not None:
            return text
    return body.decode("utf-8" if _is_utf8(body) else "cp1252", errors="replace")


def _decoded_as(body: bytes, name: str) -> str | None:
    try:
        return body.decode(_MEANT.get(name.lower(), name), errors="replace")
    except (LookupError, UnicodeError):  # unknown, not a text encoding, or one that cannot replace
        return None


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
