"""Between our words and Gmail's: searches, headers, raw messages. Pure."""

from __future__ import annotations

import base64
import binascii
import copy
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email import policy
from email.header import Header
from email.message import EmailMessage
from email.utils import formataddr, parseaddr
from typing import Any
from uuid import UUID

from llmcoder.errors import BadInput, Refused
from tasks.email.addresses import listed
from tasks.email.mailbox import Query, StoredMail

#: Gmail gives what it sends through its API a Message-ID of its own and keeps no trace of ours
#: (github.com/FlowCrypt/flowcrypt-browser/issues/4273). Headers that it does not know it leaves alone.
OWN_ID = "X-LLMCoder-Message-ID"
ORIGINAL_ID = "X-Google-Original-Message-ID"
IDS = ("Message-ID", ORIGINAL_ID, OWN_ID)
#: What a list is good for: who, when, about what, and whether a machine wrote it.
LISTED = (
    *("From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Date", "Message-ID", "In-Reply-To", "References"),
    *("Auto-Submitted", "Precedence", "List-Id", "List-Unsubscribe", "Content-Type", "X-Google-Original-Message-ID"),
)
ADDRESSES = {"from", "sender", "reply-to", "to", "cc", "bcc"}
#: `maxSize` of messages.send in Google's discovery document.
LARGEST_BYTES = 36_700_160
MIB = 1024 * 1024
SYSTEM = {
    *("INBOX", "SENT", "DRAFT", "SPAM", "TRASH", "UNREAD", "STARRED", "IMPORTANT", "CHAT"),
    *("CATEGORY_PERSONAL", "CATEGORY_SOCIAL", "CATEGORY_PROMOTIONS", "CATEGORY_UPDATES", "CATEGORY_FORUMS"),
}
_WHERE = re.compile(r"(?:^|[\s({-])(?:in|label|l):", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?7[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}", re.IGNORECASE)
_MADE_BY_EMAIL_UTILS = re.compile(r"^<(\d{11,13})\.\d+\.")


# --- searches


def search(query: Query) -> str:
    """The query in Gmail's search language, without its label."""
    parts = [f"({query.words})" if " OR " in query.words else query.words.strip()]
    if query.unread is not None:
        parts.append("is:unread" if query.unread else "is:read")
    if query.sender:
        parts.append(f"from:({_plain(query.sender)})")
    if query.since is not None:
        # whether `after:` includes the second itself is not documented; what is too early is dropped afterwards
        parts.append(f"after:{int(query.since.timestamp()) - 1}")
    return " ".join(part for part in parts if part)


def says_where(words: str) -> bool:
    """Whether a search names a place itself, so that the inbox is not meant."""
    return bool(_WHERE.search(words))


def by_message_id(header: str) -> str:
    """The search for a Message-ID."""
    return f"rfc822msgid:{_plain(bare(header))}"


def _plain(text: str) -> str:
    return " ".join(re.sub(r'[(){}"\s]+', " ", text).split())


def bare(message_id: str) -> str:
    """A Message-ID without its brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">")


def made_at(message_id: str) -> datetime | None:
    """When a Message-ID of ours was made: it holds a UUIDv7 (RFC 9562), or is of Python's `make_msgid`."""
    if found := _UUID.search(message_id):
        return datetime.fromtimestamp((UUID(found[0]).int >> 80) / 1000, UTC)
    if found := _MADE_BY_EMAIL_UTILS.match(message_id.strip()):
        return datetime.fromtimestamp(int(found[1]) / 100, UTC)
    return None


# --- what comes


def stored(message: Mapping[str, Any], names: Mapping[str, str]) -> StoredMail:
    """A message of Gmail's as everybody knows messages.

    Args:
        names: Of labels, by their ids.
    """
    labels = tuple(message.get("labelIds", ()))
    raw, whole = (unpacked(message["raw"]), True) if "raw" in message else (header_of(message), False)
    return StoredMail(
        id=str(message["id"]),
        thread_id=message.get("threadId"),
        labels=tuple(names.get(label, label) for label in labels),
        unread="UNREAD" in labels,
        received_at=received_at(message),
        raw=raw,
        whole=whole,
        size_bytes=int(message.get("sizeEstimate") or len(raw)),
        snippet=html.unescape(message["snippet"]) if "snippet" in message else None,
    )


def received_at(message: Mapping[str, Any]) -> datetime:
    """When Gmail took it in."""
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(message.get("internalDate") or 0))


def unpacked(raw: str) -> bytes:
    """Bytes of base64url, with or without its padding."""
    try:
        return base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
    except (binascii.Error, ValueError) as error:
        raise Refused("Gmail gave a message that cannot be read.") from error


def header_of(message: Mapping[str, Any]) -> bytes:
    """The header as it would stand in a message. Gmail gives it decoded and unfolded."""
    lines = [_line(*pair) for pair in _headers(message)]
    return b"".join(lines) + b"\r\n"


def header_values(message: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, str]:
    """Some headers by their names in lower case, the first of each."""
    names = {name.lower() for name in wanted}
    found: dict[str, str] = {}
    for name, value in _headers(message):
        if name.lower() in names:
            found.setdefault(name.lower(), value.strip())
    return found


def _headers(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    listed = message.get("payload", {}).get("headers", ())
    return [(str(one.get("name", "")), str(one.get("value", ""))) for one in listed]


def _line(name: str, value: str) -> bytes:
    text = " ".join(value.split())
    if not text.isascii():
        text = _encoded(text, name.lower() in ADDRESSES)
    return f"{name}: {text}\r\n".encode("ascii", "replace")


def _encoded(text: str, addresses: bool) -> str:
    """By RFC 2047; where it is a list of addresses, only the names in it."""
    if addresses:
        with suppress(UnicodeError):  # an international address
            return ", ".join(_addresses(text))
    return Header(text, "utf-8", maxlinelen=None).encode()


def _addresses(text: str) -> Iterator[str]:
    """Each address of a decoded list, whose names may hold commas that quotes no longer protect."""
    for one in listed(text):
        yield formataddr((one.name, one.email), "utf-8")


# --- what goes


def outgoing(message: EmailMessage, recipients: Sequence[str] | None = None) -> bytes:
    """The message as Gmail takes it, with a header of ours to find it by.

    Args:
        recipients: Who is to get it; Gmail reads them from the header, so those whom it does not name go into Bcc.

    Raises:
        BadInput: The header names somebody who is not among them.
        Refused: It is too large.
    """
    if recipients is not None:
        message = _addressed(message, recipients)
    raw = _found_by(message) + message.as_bytes(policy=policy.SMTP)
    if len(raw) > LARGEST_BYTES:
        raise Refused(
            f"The message has {len(raw) / MIB:.0f} MiB with its attachments encoded; Gmail sends {LARGEST_BYTES // MIB}"
            " MiB, which is about 25 MiB of files."
        )
    return raw


def _found_by(message: EmailMessage) -> bytes:
    own = str(message["Message-ID"] or "").strip()
    return f"{OWN_ID}: {own}\r\n".encode("ascii", "replace") if own else b""


def _addressed(message: EmailMessage, recipients: Sequence[str]) -> EmailMessage:
    wanted = {parseaddr(one)[1].lower(): one for one in recipients}
    named = addressees([str(value) for name in ("To", "Cc", "Bcc") for value in message.get_all(name, [])])
    if unwanted := named - wanted.keys():
        raise BadInput(f"Gmail sends to everybody whom the header names, also to {', '.join(sorted(unwanted))}.")
    hidden = [one for address, one in wanted.items() if address not in named]
    if not hidden:
        return message
    changed = copy.deepcopy(message)
    before = [str(value) for value in changed.get_all("Bcc", [])]
    del changed["Bcc"]
    changed["Bcc"] = ", ".join([*before, *hidden])
    return changed


def addressees(values: Sequence[str]) -> set[str]:
    """Addresses in header values, in lower case."""
    return {one.email.lower() for value in values for one in listed(value)}


def packed(raw: bytes) -> str:
    """A message as Gmail's JSON carries it."""
    return base64.urlsafe_b64encode(raw).decode()
