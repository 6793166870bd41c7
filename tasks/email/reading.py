"""From a message's bytes to what a person reads: decoded, bounded, and safe to show. Pure.

Nothing in here raises for what stands in a mail. Parts are in `mime.py`, headers in `headers.py` and `addresses.py`,
and what is read of a body in `body.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tasks.email.addresses import LONGEST_NAME_CHARS, MOST_ADDRESSES, Address, listed, shown_name
from tasks.email.body import Body, Limits, body_of, charset_of
from tasks.email.dates import date_of
from tasks.email.headers import as_written, file_name, one_line
from tasks.email.letters import clean, has_letters
from tasks.email.mime import Part, header_alone, parsed
from tasks.email.quotes import is_forward, own_words

LONGEST_TEXT_CHARS = 100_000
LONGEST_HTML_CHARS = 200_000
LONGEST_HEADER_CHARS, LONGEST_REFERENCES_CHARS = 2_000, 20_000
#: The parser makes an object of each line. 50 MB of base64 have 700,000.
MOST_LINES = 2_000_000
LONGEST_HEAD_BYTES = 1_000_000
MOST_ATTACHMENTS = 100
SNIPPET_CHARS = 200
#: Enclosed mails that are read, within each other too.
MOST_ENCLOSED, DEEPEST_ENCLOSED = 20, 3
FORWARDED = "---------- Forwarded message ----------"

_MESSAGE_ID = re.compile(r"<[^<>\s]{1,990}>")


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
        enclosed: What mails say that are sent along as files; those that are part of the mail are in `text`.
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
    enclosed: str = ""

    @property
    def snippet(self) -> str:
        """Its beginning, on one line."""
        return snippet_of(own_words(self.text, cuts_unmarked=not self.is_forward))

    @property
    def is_forward(self) -> bool:
        return is_forward(self.subject)


def snippet_of(text: str) -> str:
    """The beginning of a text, without what stands between its words and is not seen."""
    beginning = text[: 40 * SNIPPET_CHARS]
    return " ".join(word for word in beginning.split() if has_letters(word))[:SNIPPET_CHARS]


def read(raw: bytes, *, whole: bool = True) -> Mail:
    """Read a message, or as much of one as there is.

    Args:
        whole: False for the beginning of a message, which may end inside a character.
    """
    looked_at = raw if raw.count(b"\n") <= MOST_LINES else raw[:LONGEST_HEAD_BYTES]
    try:
        message = parsed(looked_at)
        mail = _read(message, whole and len(looked_at) == len(raw), depth=0)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError):  # nested beyond all reason, or worse
        looked_at = raw[:LONGEST_HEAD_BYTES].split(b"\r\n\r\n")[0]
        mail = _mail(header_alone(looked_at), Body("", None, [], [], True), None)
    return mail if len(looked_at) == len(raw) else replace(mail, truncated=True)


def _read(message: Part, whole: bool, depth: int) -> Mail:
    body = body_of(message, Limits(LONGEST_TEXT_CHARS, LONGEST_HTML_CHARS), whole=whole)
    charset = next((label for part in message.walk() if (label := charset_of(part))), None)
    mail = _mail(message, body, charset)
    if depth >= DEEPEST_ENCLOSED or message.get_content_type() == "multipart/report":
        return mail  # what a report encloses is what it is about
    return _with_enclosed(mail, body.enclosed[:MOST_ENCLOSED], whole, depth)


def _with_enclosed(mail: Mail, messages: Sequence[tuple[Part, bool]], whole: bool, depth: int) -> Mail:
    """With what enclosed mails say: in its text where they are shown with it, as with digests, else beside it."""
    text, enclosed = mail.text, mail.enclosed
    for message, is_shown in messages:
        if len(text) + len(enclosed) > LONGEST_TEXT_CHARS:
            return replace(mail, text=text[:LONGEST_TEXT_CHARS], enclosed=enclosed, truncated=True)
        found = _forwarded(_read(message, whole, depth + 1))
        text = "\n\n".join(filter(has_letters, (text, found))) if is_shown else text
        enclosed = enclosed if is_shown else "\n\n".join(filter(None, (enclosed, found)))
    return replace(
        mail, text=text[:LONGEST_TEXT_CHARS], enclosed=enclosed[:LONGEST_TEXT_CHARS],
        truncated=mail.truncated or len(text) > LONGEST_TEXT_CHARS,
    )  # fmt: skip


def _forwarded(mail: Mail) -> str:
    """An enclosed mail as mail programs write it into one that forwards it."""
    sent = f"{mail.sent_at:%Y-%m-%d %H:%M} UTC" if mail.sent_at else ""
    fields = {"From": str(mail.sender or ""), "Date": sent, "Subject": mail.subject}
    lines = [FORWARDED, *(f"{name}: {value}" for name, value in fields.items() if value)]
    return "\n".join([*lines, "", "\n\n".join(filter(None, (mail.text, mail.enclosed)))]).strip()


def _mail(message: Part, body: Body, charset: str | None) -> Mail:
    def people(name: str) -> tuple[Address, ...]:
        return _addresses(message, name, charset)

    return Mail(
        message_id=_first_id(_header(message, "message-id")),
        references=_references(message),
        subject=_header(message, "subject", charset=charset),
        sender=next(iter(people("from")), None),
        reply_to=people("reply-to"),
        to=people("to"),
        cc=people("cc"),
        bcc=people("bcc"),
        sent_at=date_of(_header(message, "date", charset=charset)),
        text=body.text,
        html=body.html,
        attachments=tuple(_attachments(body.files, charset)),
        truncated=body.truncated,
    )


# --- headers


def _header(message: Part, name: str, longest: int = LONGEST_HEADER_CHARS, charset: str | None = None) -> str:
    """One header on one line, decoded as far as it can be."""
    value = message.get(name)
    return "" if value is None else one_line(str(value)[: 4 * longest], charset)[:longest]


def _addresses(message: Part, name: str, charset: str | None) -> tuple[Address, ...]:
    values = [as_written(str(value), charset) for value in message.get_all(name, [])]
    found: list[Address] = []
    for one in (address for value in values for address in listed(value)):
        if len(found) >= MOST_ADDRESSES:
            break
        name_shown = one_line(shown_name(one.name, charset))[:LONGEST_NAME_CHARS]
        found.append(Address(one_line(one.email), name_shown))
    return tuple(found)


def _references(message: Part) -> tuple[str, ...]:
    told = " ".join(_header(message, name, LONGEST_REFERENCES_CHARS) for name in ("references", "in-reply-to"))
    return tuple(dict.fromkeys(_MESSAGE_ID.findall(told)))


def _first_id(value: str) -> str:
    found = _MESSAGE_ID.search(value)
    return found[0] if found else ""


# --- files


def _attachments(files: Sequence[Part], charset: str | None) -> Iterator[MailAttachment]:
    for part in files[:MOST_ATTACHMENTS]:
        cid = clean(str(part.get("content-id") or "")).strip().strip("<>") or None
        yield MailAttachment(
            _shown_name(part, charset), part.get_content_type(), _size(part), cid and cid[:LONGEST_HEADER_CHARS]
        )


def _shown_name(part: Part, charset: str | None) -> str:
    if name := file_name(part, charset):
        return name
    if part.get_content_type() == "message/rfc822":
        inner = part.content
        subject = _header(inner[0], "subject", charset=charset) if isinstance(inner, list) and inner else ""
        return f"{subject or 'message'}.eml"[-255:]
    return f"unnamed.{part.get_content_subtype()[:20]}"


def _size(part: Part) -> int:
    content = part.content
    if isinstance(content, list):
        return sum(len(one.content) for one in content[:1] if isinstance(one.content, str))
    size = len(content)
    return size * 3 // 4 if str(part.get("content-transfer-encoding", "")).lower() == "base64" else size
