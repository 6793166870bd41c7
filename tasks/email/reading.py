"""From a message's bytes to what a person reads: decoded, bounded, and safe to show. Pure.

Mails are written by everybody's programs, and some by people who mean harm: nothing in here raises for what stands in
one. The older, lenient parser is used on purpose; the newer one raises on headers that real mails have.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parsedate_to_datetime

LONGEST_TEXT_CHARS = 100_000
LONGEST_HTML_CHARS = 200_000
#: HTML beyond this is not even looked at.
MOST_HTML_CHARS = 2_000_000
LONGEST_HEADER_CHARS = 2_000
MOST_PARTS = 500
LONGEST_HEAD_BYTES = 1_000_000
MOST_ADDRESSES = 500
MOST_ATTACHMENTS = 100
SNIPPET_CHARS = 200

#: What turns the text after it about: "exe.fdp" shown for "pdf.exe".
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,990}>")
_WROTE = re.compile(
    r"^(on .{3,200} wrote|am .{3,200} schrieb.{0,200}|le .{3,200} a écrit|el .{3,200} escribió"
    r"|-{2,} ?(original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht) ?-{2,}) ?:?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Address:
    """Somebody's address, and the name beside it."""

    email: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email


@dataclass(frozen=True)
class Attachment:
    """A file of a mail; its content stays where it is.

    Attributes:
        size_bytes: About, without decoding it.
        cid: By which the HTML shows it.
    """

    name: str
    media_type: str
    size_bytes: int
    cid: str | None = None


@dataclass(frozen=True)
class Mail:
    """A mail as it is read.

    Attributes:
        message_id: With its angle brackets; empty where it has none.
        references: Message-IDs of the conversation, the oldest first.
        sent_at: As its sender says; None where that cannot be read.
        text: What it says, from its plain text or made of its HTML.
        html: Safe to show: without scripts, styles and forms, and nothing in it is fetched from elsewhere.
        truncated: Whether more stands in it than in `text` and `html`.
    """

    message_id: str
    references: tuple[str, ...]
    subject: str
    sender: Address | None
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    sent_at: datetime | None
    text: str
    html: str | None
    attachments: tuple[Attachment, ...]
    truncated: bool

    @property
    def snippet(self) -> str:
        """Its beginning, on one line."""
        return " ".join(own_words(self.text).split())[:SNIPPET_CHARS]


def read(raw: bytes) -> Mail:
    """Read a message, or as much of one as there is."""
    try:
        message = email.message_from_bytes(raw)
        parts = list(_parts(message))
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):  # nested beyond all reason, or worse
        message, parts = BytesHeaderParser().parsebytes(raw[:LONGEST_HEAD_BYTES]), []
    plain, html = _text_of(parts, "text/plain"), _text_of(parts, "text/html")
    text = plain if plain.strip() else as_text(html)
    return Mail(
        message_id=_first_id(_header(message, "message-id")),
        references=_references(message),
        subject=_header(message, "subject"),
        sender=next(iter(_addresses(message, "from")), None),
        reply_to=_addresses(message, "reply-to"),
        to=_addresses(message, "to"),
        cc=_addresses(message, "cc"),
        sent_at=_date(_header(message, "date")),
        text=text[:LONGEST_TEXT_CHARS],
        html=safe_html(html)[:LONGEST_HTML_CHARS] if html.strip() else None,
        attachments=tuple(_attachments(parts)),
        truncated=len(text) > LONGEST_TEXT_CHARS or len(html) > LONGEST_HTML_CHARS,
    )


def own_words(text: str) -> str:
    """A text without what it quotes at its end or between its lines, as far as that is marked in the usual ways."""
    kept: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if _WROTE.match(line.strip()) and _rest_is_quoted(lines[number + 1 :]):
            break
        if not line.lstrip().startswith(">"):
            kept.append(line)
    return "\n".join(kept).strip() or text.strip()


def _rest_is_quoted(lines: list[str]) -> bool:
    """What follows "wrote:" is a quote, whether it is marked line by line or, as Outlook does it, not at all."""
    return any(line.strip() for line in lines[:5])


def safe_html(html: str) -> str:
    """HTML that may be shown inside a page: what it may do is read, and follow links."""
    import nh3

    if len(html) > MOST_HTML_CHARS:
        return ""
    return nh3.clean(
        html,
        attribute_filter=_only_own_images,
        url_schemes={"http", "https", "mailto", "cid"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def _only_own_images(tag: str, attribute: str, value: str) -> str | None:
    """An image from elsewhere tells its server who reads the mail, and when."""
    if attribute in ("src", "srcset", "background", "poster") and not value.lower().startswith("cid:"):
        return None
    return value


def as_text(html: str) -> str:
    """What HTML says, laid out as text."""
    if not html.strip() or len(html) > MOST_HTML_CHARS:
        return ""
    from inscriptis import get_text  # type: ignore[import-untyped]
    from lxml.etree import LxmlError  # type: ignore[import-untyped]

    try:
        found = str(get_text(safe_html(html)))
    except (LxmlError, ValueError, RecursionError, AssertionError):
        found = re.sub(r"<[^<>]{0,1000}>", " ", html)
    return re.sub(r"\n{3,}", "\n\n", found).strip()


# --- headers


def _header(message: Message, name: str) -> str:
    """One header on one line, decoded as far as it can be."""
    value = message.get(name)
    return "" if value is None else _one_line(str(value))[:LONGEST_HEADER_CHARS]


def _one_line(value: str) -> str:
    return _BIDI.sub("", clean(" ".join(decoded(value).split())))


def decoded(value: str) -> str:
    """A header's encoded words as text (RFC 2047); what cannot be decoded stays as it is."""
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    return "".join(one if isinstance(one, str) else _as_text(one, charset) for one, charset in pieces)


def _addresses(message: Message, name: str) -> tuple[Address, ...]:
    values = [str(value)[:100_000] for value in message.get_all(name, [])]
    try:
        pairs = getaddresses(values)
    except (ValueError, IndexError):
        return ()
    found = [
        Address(clean(address.strip()), _BIDI.sub("", clean(" ".join(decoded(who).split())))) for who, address in pairs
    ]
    return tuple(one for one in found if "@" in one.email)[:MOST_ADDRESSES]


def _references(message: Message) -> tuple[str, ...]:
    told = f"{_header(message, 'references')} {_header(message, 'in-reply-to')}"
    return tuple(dict.fromkeys(_MESSAGE_ID.findall(told)))


def _first_id(value: str) -> str:
    found = _MESSAGE_ID.search(value)
    return found[0] if found else ""


def _date(value: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(value)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


# --- parts


def _parts(message: Message) -> Iterator[Message]:
    """All parts that are no containers; an enclosed message is one part, whatever is in it."""
    waiting = [message]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        payload = part.get_payload()
        if isinstance(payload, list) and part.get_content_maintype() == "multipart":
            waiting[:0] = [one for one in payload if isinstance(one, Message)]
        else:
            yield part


def _text_of(parts: list[Message], media_type: str) -> str:
    found = [part for part in parts if part.get_content_type() == media_type and not _is_file(part)]
    return "\n\n".join(text for part in found if (text := _content(part)).strip())


def _content(part: Message) -> str:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        payload = None
    if not isinstance(payload, bytes):
        return ""
    return clean(_as_text(payload, part.get_content_charset()))


def _as_text(data: bytes, charset: str | None) -> str:
    """As declared, else as UTF-8, else as Western Europe's mail programs write it; many mails lie about it."""
    for name in (charset, "utf-8"):
        try:
            if name:
                return data.decode(name)
        except (LookupError, ValueError, UnicodeError):
            continue
    return data.decode("cp1252", "replace")


def clean(text: str) -> str:
    """Without control characters and halves of characters, which no database and no JSON takes."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).encode("utf-8", "replace").decode("utf-8")


def _is_file(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or (
        part.get_content_maintype() != "text" or bool(_file_name(part))
    )


def _attachments(parts: list[Message]) -> Iterator[Attachment]:
    for part in [one for one in parts if _is_file(one)][:MOST_ATTACHMENTS]:
        cid = clean(str(part.get("content-id") or "")).strip().strip("<>") or None
        yield Attachment(_shown_name(part), part.get_content_type(), _size(part), cid and cid[:LONGEST_HEADER_CHARS])


def _file_name(part: Message) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


def _shown_name(part: Message) -> str:
    name = _one_line(_file_name(part))[:255]
    if name:
        return name
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        first = inner[0] if isinstance(inner, list) and inner else None
        subject = _header(first, "subject") if isinstance(first, Message) else ""
        return f"{subject or 'message'}.eml"[:255]
    return f"unnamed.{part.get_content_subtype()[:20]}"


def _size(part: Message) -> int:
    payload = part.get_payload()
    if isinstance(payload, list):
        return sum(len(str(one.get_payload())) for one in payload[:1] if isinstance(one, Message))
    size = len(str(payload))
    return size * 3 // 4 if str(part.get("content-transfer-encoding", "")).lower() == "base64" else size
