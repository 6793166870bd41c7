"""What kind of content it is: by what is said of it, made of many spellings one, and by its first bytes. Pure.

Servers name kinds as carelessly as encodings: a PDF as text/html, a page as text/plain, the type twice, a type that
nobody registered. What the first bytes show beyond doubt counts more than any of it, as in browsers (the MIME sniffing
standard of WHATWG).
"""

from __future__ import annotations

import re

from llmcoder.charsets import codec_of, decode, encoding_of, header_labels

HTML, XHTML, PDF, PLAIN = "text/html", "application/xhtml+xml", "application/pdf", "text/plain"
GZIP = "application/gzip"
#: What says that nobody knows the kind.
UNKNOWN = frozenset({"", "*/*", "application/unknown", "unknown/unknown", "content/unknown", "application/x-unknown"})
#: Kinds of bytes that nobody has looked at.
UNSAID = UNKNOWN | {
    "application/octet-stream", "binary/octet-stream", "application/octetstream", "application/binary",
    "application/download", "application/x-download", "application/force-download", "application/save",
}  # fmt: skip
#: By what is seen in the wild.
_MEANT = {
    "application/x-pdf": PDF, "application/acrobat": PDF, "application/vnd.pdf": PDF, "applications/vnd.pdf": PDF,
    "text/pdf": PDF, "text/x-pdf": PDF, "image/pdf": PDF, "pdf": PDF, "application/pdfs": PDF, "file/pdf": PDF,
    "html": HTML, "text/htm": HTML, "application/html": HTML, "text/x-html": HTML, "text/x-server-parsed-html": HTML,
    "application/vnd.wap.xhtml+xml": XHTML, "text/xhtml": XHTML, "application/xhtml": XHTML, "text/xhtml+xml": XHTML,
    "text": PLAIN, "plain": PLAIN, "text/txt": PLAIN, "plain/text": PLAIN, "text/ascii": PLAIN,
    "application/txt": PLAIN, "text/md": "text/markdown", "text/x-markdown": "text/markdown",
    "application/markdown": "text/markdown", "text/x-web-markdown": "text/markdown",
    "application/x-gzip": GZIP, "application/gzipped": GZIP, "application/x-gunzip": GZIP, "gzip/document": GZIP,
}  # fmt: skip
#: With what careless servers write round it: quotes, its header's name, no semicolon before what follows.
_TYPE = re.compile(
    r"(?:content-type:)?[\s\"']*([\w.+*-]{1,80}(?: ?/ ?[\w.+*-]{1,100})?)[\s\"'/]*(?:[:;\s].*)?", re.ASCII | re.DOTALL
)
#: A byte-order mark, spaces and comments stand before a page's first tag; `\Z` for a comment without an
#: end. Nothing here is taken back (`++`, `*+`): 4,000 spaces would be divided in every way.
_BEFORE = rb"(?:\xef\xbb\xbf)?(?:\s++|<!--(?>.*?(?:-->|\Z)))*+"
_PAGE = re.compile(
    _BEFORE
    + rb"(?:<\?xml[\s-][^>]{0,300}>"
    + _BEFORE
    + rb"){0,9}<(?:!doctype\s+html|html|head|body|title|meta|script)\b",
    re.IGNORECASE | re.DOTALL,
)
#: With what a page of which nobody says anything begins as well; some begin in the middle.
_PIECE_OF_PAGE = re.compile(
    _BEFORE
    + rb"<(?:!--|(?:iframe|h[1-6]|div|font|table|a|style|b|br|p|center|form|ul|ol|section|article|main)(?=[\s/>]))",
    re.IGNORECASE | re.DOTALL,
)
_OF_FTYP = {
    b"avif": "image/avif", b"avis": "image/avif", b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heic",
    b"M4A ": "audio/mp4", b"qt  ": "video/quicktime",
}  # fmt: skip
_OF_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BINARY = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"Rar!\x1a\x07", "application/vnd.rar"), (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"BZh", "application/x-bzip2"), (b"\xfd7zXZ\0", "application/x-xz"), (b"(\xb5/\xfd", "application/zstd"),
    (b"OggS", "application/ogg"), (b"ID3", "audio/mpeg"), (b"\x7fELF", "application/x-executable"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"), (b"{\\rtf", "application/rtf"),
    (b"%!PS-", "application/postscript"), (b"wOFF", "font/woff"), (b"wOF2", "font/woff2"),
)  # fmt: skip
_HEAD_BYTES = 1024
_WIDE = ("utf-16", "utf-32")
#: One in so many bytes may be none of any text; of what is packed or drawn, one in ten is.
MOST_BROKEN = 50
#: No text has them (MIME sniffing standard, "binary data byte"), but for the escape of ISO-2022.
_NO_TEXT = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")


def named(content_type: str) -> str:
    """The kind that a Content-Type names, in its usual spelling; of several the last; empty where it names none."""
    parts = (_TYPE.fullmatch(part.strip().lower()) for part in content_type[:2000].split(","))
    kinds = [part[1].replace(" ", "") for part in parts if part]
    valid = [_MEANT.get(kind, kind) for kind in kinds if "/" in kind or kind in _MEANT]
    return valid[-1] if valid else ""


def sniffed(body: bytes) -> str:
    """The kind by the first bytes, where they leave no doubt; text/plain for any text; empty where they say nothing."""
    head = body[:_HEAD_BYTES]
    if b"%PDF-" in head and (head.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-") or _NO_TEXT.search(head)):
        return PDF
    if head.startswith(b"\x1f\x8b\x08"):
        return GZIP
    for magic, kind in _BINARY:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return _OF_RIFF.get(head[8:12], "")
    if head[4:8] == b"ftyp":
        return _OF_FTYP.get(head[8:12], "video/mp4")
    if is_page(body):
        return HTML
    return PLAIN if is_text(body) else ""


def is_page(body: bytes) -> bool:
    """Whether it begins as HTML does."""
    head = body[: 4 * _HEAD_BYTES]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head[:4]:  # UTF-16
        head = decode(head).encode("utf-8", "replace")
    return _PAGE.match(head) is not None


def may_be_page(body: bytes) -> bool:
    """Whether a browser shows it as HTML where nobody says what it is: it may begin with any element."""
    head = body[: 4 * _HEAD_BYTES]
    return is_page(body) or _PIECE_OF_PAGE.match(head) is not None


def is_text(body: bytes, content_type: str = "") -> bool:
    """Whether these can be the bytes of a text, in whatever encoding; a few that no text has are broken characters."""
    head = body[: 4 * _HEAD_BYTES]
    if MOST_BROKEN * len(_NO_TEXT.findall(head)) <= len(head):
        return True
    # What is left may be a text of two or four bytes each.
    labels = [label for label in header_labels(content_type) if (codec_of(label) or "").startswith(_WIDE)]
    head = head[: len(head) // 4 * 4]
    if not head or not encoding_of(head, *labels).startswith(_WIDE):
        return False
    return not any(char < " " and char not in "\t\n\f\r\x1b" for char in decode(head, *labels))
