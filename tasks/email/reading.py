"""From a message's bytes to what a person reads: decoded, bounded, and safe to show. Pure.

Mails are written by everybody's programs, and some by people who mean harm: nothing in here raises for what stands in
one. The older, lenient parser is used on purpose; the newer one raises on headers that real mails have.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import Compat32, Policy
from email.utils import getaddresses, parsedate_to_datetime
from typing import cast

from llmcoder.text import whole
from tasks.email.html import as_text, safe_html

LONGEST_TEXT_CHARS = 100_000
LONGEST_HTML_CHARS = 200_000
LONGEST_HEADER_CHARS, LONGEST_REFERENCES_CHARS = 2_000, 20_000
#: As they stand in the mail. Those that say what a part is are taken apart often, by the square of their length.
LONGEST_RAW_HEADER_CHARS, LONGEST_RAW_PART_HEADER_CHARS = 50_000, 4_000
#: Parts that are looked at; a message of more than the second is not taken apart at all: each takes a kilobyte.
MOST_PARTS, MOST_OBJECTS = 500, 10_000
MOST_HEADERS = 2_000
#: The parser makes an object of each line. 50 MB of base64 have 700,000.
MOST_LINES = 2_000_000
LONGEST_HEAD_BYTES = 1_000_000
MOST_ADDRESSES, LONGEST_ADDRESS_CHARS, LONGEST_NAME_CHARS = 500, 400, 200
MOST_ATTACHMENTS = 100
SNIPPET_CHARS = 200

#: What turns the text after it about ("exe.fdp" shown for "pdf.exe"), and what is there without being seen. Joiners are
#: none of it: languages and emoji need them.
_DECEIVING = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u200b\u2060-\u2064\ufeff\u00ad]")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: They decode text, but no mail is written in them; punycode takes time by the square of the length.
_NO_CHARSETS = {"punycode", "idna", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"}
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,990}>")
_WROTE = re.compile(
    r"^(on .{3,200} wrote|am .{3,200} schrieb.{0,200}|le .{3,200} a écrit|el .{3,200} escribió"
    r"|-{2,} ?(original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht) ?-{2,}) ?:?$",
    re.IGNORECASE,
)


class _Bounded(Compat32):
    """The lenient policy, which no header can keep busy, and which reads bare UTF-8 as what it is."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        of_part = name[:8].lower() == "content-"
        return name, value[: LONGEST_RAW_PART_HEADER_CHARS if of_part else LONGEST_RAW_HEADER_CHARS]

    def header_fetch_parse(self, name: str, value: str) -> str:
        return value if value.isascii() else _as_text(value.encode("utf-8", "surrogateescape"), None)


_POLICY = _Bounded()


class _Part(Message):
    """A part without endless headers."""

    @property
    def content(self) -> list[_Part] | str:
        """As it stands in the mail; what is public decodes it, by whatever charset is named."""
        found: list[_Part] | str | None = self._payload  # type: ignore[attr-defined]  # not in typeshed
        return found or ""

    def set_raw(self, name: str, value: str) -> None:
        if len(self) < MOST_HEADERS:
            super().set_raw(name, value)


def _parsed(raw: bytes) -> _Part:
    """Raises ValueError for more parts than anybody writes, RecursionError for deeper ones."""
    made = 0

    def part(policy: Policy = _POLICY) -> _Part:
        nonlocal made
        made += 1
        if made > MOST_OBJECTS:
            raise ValueError("too many parts")
        return _Part(policy)

    return cast("_Part", BytesParser(part, policy=_POLICY).parsebytes(raw))


@dataclass(frozen=True)
class Address:
    """Somebody's address, and the name beside it."""

    email: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email


@dataclass(frozen=True)
class MailAttachment:
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
        bcc: Only in drafts, and in copies of what was sent.
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
    bcc: tuple[Address, ...]
    sent_at: datetime | None
    text: str
    html: str | None
    attachments: tuple[MailAttachment, ...]
    truncated: bool

    @property
    def snippet(self) -> str:
        """Its beginning, on one line."""
        return " ".join(own_words(self.text).split())[:SNIPPET_CHARS]


def read(raw: bytes) -> Mail:
    """Read a message, or as much of one as there is."""
    looked_at = raw if raw.count(b"\n") <= MOST_LINES else raw[:LONGEST_HEAD_BYTES]
    try:
        message = _parsed(looked_at)
        parts = list(_parts(message))
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):  # nested beyond all reason, or worse
        looked_at = raw[:LONGEST_HEAD_BYTES].split(b"\r\n\r\n")[0]
        message, parts = cast("_Part", BytesHeaderParser(_Part, policy=_POLICY).parsebytes(looked_at)), []
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
        bcc=_addresses(message, "bcc"),
        sent_at=_date(_header(message, "date")),
        text=text[:LONGEST_TEXT_CHARS],
        html=safe_html(html[:LONGEST_HTML_CHARS]) if html.strip() else None,  # cut first: what is cut has loose ends
        attachments=tuple(_attachments(parts)),
        truncated=len(text) > LONGEST_TEXT_CHARS or len(html) > LONGEST_HTML_CHARS or len(looked_at) < len(raw),
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


# --- headers


def _header(message: _Part, name: str, longest: int = LONGEST_HEADER_CHARS) -> str:
    """One header on one line, decoded as far as it can be."""
    value = message.get(name)
    return "" if value is None else _one_line(str(value)[: 4 * longest])[:longest]


def _one_line(value: str) -> str:
    return _DECEIVING.sub("", clean(" ".join(decoded(value).split())))


def decoded(value: str) -> str:
    """A header's encoded words as text (RFC 2047); what cannot be decoded stays as it is."""
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return value
    return "".join(one if isinstance(one, str) else _as_text(one, charset) for one, charset in pieces)


def _addresses(message: _Part, name: str) -> tuple[Address, ...]:
    values = [str(value) for value in message.get_all(name, [])]
    try:
        pairs = getaddresses(values)
    except (ValueError, IndexError, RecursionError):  # comments within comments, without end
        return ()
    found = [
        Address(
            _DECEIVING.sub("", clean(address.strip())), _one_line(who[: 4 * LONGEST_NAME_CHARS])[:LONGEST_NAME_CHARS]
        )
        for who, address in pairs
    ]
    return tuple(one for one in found if "@" in one.email and len(one.email) <= LONGEST_ADDRESS_CHARS)[:MOST_ADDRESSES]


def _references(message: _Part) -> tuple[str, ...]:
    told = " ".join(_header(message, name, LONGEST_REFERENCES_CHARS) for name in ("references", "in-reply-to"))
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


def _parts(message: _Part) -> Iterator[_Part]:
    """All parts that are no containers; an enclosed message is one part, whatever is in it."""
    waiting = [message]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        part = waiting.pop(0)
        if isinstance(part.content, list) and part.get_content_maintype() == "multipart":
            waiting[:0] = part.content
        else:
            yield part


def _text_of(parts: list[_Part], media_type: str) -> str:
    found = [part for part in parts if part.get_content_type() == media_type and not _is_file(part)]
    return "\n\n".join(text for part in found if (text := _content(part)).strip())


def _content(part: _Part) -> str:
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
            if name and codecs.lookup(name).name not in _NO_CHARSETS:
                return data.decode(name)
        except (LookupError, ValueError, UnicodeError):
            continue
    return data.decode("cp1252", "replace")


def clean(text: str) -> str:
    """Without control characters and halves of characters, which no database and no JSON takes."""
    return whole(_CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def _is_file(part: _Part) -> bool:
    """All that is not shown as the mail's text, so that nothing is lost from sight: invitations are `text/calendar`."""
    shown = part.get_content_type() in ("text/plain", "text/html")
    return not shown or part.get_content_disposition() == "attachment" or bool(_file_name(part))


def _attachments(parts: list[_Part]) -> Iterator[MailAttachment]:
    for part in [one for one in parts if _is_file(one)][:MOST_ATTACHMENTS]:
        cid = clean(str(part.get("content-id") or "")).strip().strip("<>") or None
        yield MailAttachment(
            _shown_name(part), part.get_content_type(), _size(part), cid and cid[:LONGEST_HEADER_CHARS]
        )


def _file_name(part: _Part) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


def _shown_name(part: _Part) -> str:
    name = _one_line(_file_name(part))[:255]
    if name:
        return name
    if part.get_content_type() == "message/rfc822":
        inner = part.content
        subject = _header(inner[0], "subject") if isinstance(inner, list) and inner else ""
        return f"{subject or 'message'}.eml"[:255]
    return f"unnamed.{part.get_content_subtype()[:20]}"


def _size(part: _Part) -> int:
    content = part.content
    if isinstance(content, list):
        return sum(len(one.content) for one in content[:1] if isinstance(one.content, str))
    size = len(content)
    return size * 3 // 4 if str(part.get("content-transfer-encoding", "")).lower() == "base64" else size
