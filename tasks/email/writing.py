"""From what somebody wrote to a message that is sent or kept as a draft. Pure; MIME is the standard library's."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from email.headerregistry import Address as MailAddress
from email.headerregistry import BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime, getaddresses
from uuid import UUID

from llmcoder.errors import BadInput
from tasks.email.addresses import Address
from tasks.email.reading import Mail

#: What Gmail takes, and most others; encoding makes a file a third larger.
LARGEST_MESSAGE_BYTES = 25 * 1024 * 1024
#: A References header names the first of a conversation and so many of the last.
REFERENCES = 20
LONGEST_ID_CHARS = 900
_PREFIX = re.compile(r"^\s*((re|aw|sv|vs|antw|odp|ref|rif|res|回复|答复)(\[\d{1,3}\])?\s*[:：]\s*)+", re.IGNORECASE)


class MessageIds(UnstructuredHeader, BaseHeader):
    """References and In-Reply-To, one id on each line.

    The standard library encodes an id that is longer than a line (=?utf-8?q?=3C…), as Outlook's are, and then it names
    no mail any more: the conversation falls apart.
    """

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {f'{policy.linesep} '.join(str(self).split())}{policy.linesep}"


def _policy() -> EmailPolicy[EmailMessage]:
    registry = HeaderRegistry()
    for name in ("references", "in-reply-to"):
        registry.map_to_type(name, MessageIds)
    return policy.SMTP.clone(header_factory=registry)


POLICY = _policy()


@dataclass(frozen=True)
class File:
    """A file to be sent along.

    Attributes:
        cid: Shown inside the HTML where that says `cid:…`; else it is attached.
    """

    name: str
    media_type: str
    content: bytes
    cid: str | None = None


@dataclass(frozen=True)
class Letter:
    """A mail to be written down.

    Attributes:
        references: Of the conversation; the last one is what it answers.
    """

    sender: Address
    to: Sequence[Address]
    subject: str
    text: str
    cc: Sequence[Address] = ()
    bcc: Sequence[Address] = ()
    html: str | None = None
    files: Sequence[File] = ()
    references: Sequence[str] = field(default_factory=tuple)

    @property
    def recipients(self) -> list[str]:
        """Every address once, Bcc among them."""
        return list(dict.fromkeys(one.email for one in (*self.to, *self.cc, *self.bcc)))


def message_id(job_id: UUID, sender: str, variant: int = 0) -> str:
    """The Message-ID of what a job writes: the same for all its attempts, so that it can be looked for."""
    domain = sender.rpartition("@")[2].encode("idna").decode("ascii", "replace") if sender.isascii() else ""
    own = f"{job_id}.{variant}" if variant else str(job_id)
    return f"<{own}@{domain or 'localhost'}>"


def build(letter: Letter, own_id: str, now: datetime) -> EmailMessage:
    """The message.

    Raises:
        BadInput: An address or a header cannot be written, nobody is addressed, or it is larger than servers take.
    """
    if not letter.recipients:
        raise BadInput("The mail has no recipients.")
    message = EmailMessage(policy=POLICY)
    try:
        _head(message, letter, own_id, now)
    except (ValueError, IndexError, UnicodeError) as error:
        raise BadInput(f"The mail's header cannot be written: {error}") from None
    _body(message, letter)
    size = len(message.as_bytes(policy=policy.SMTPUTF8))
    if size > LARGEST_MESSAGE_BYTES:
        raise BadInput(f"The mail has {size} bytes; at most {LARGEST_MESSAGE_BYTES} are sent. Send files as links.")
    return message


def reply_to(original: Mail, own: str, *, to_all: bool) -> tuple[list[Address], list[Address]]:
    """Whom a reply goes to, and who gets a copy. To ourselves only if nobody else took part."""
    mine = own.casefold()
    from_us = original.sender is not None and original.sender.email.casefold() == mine
    asked = list(original.to) if from_us else list(original.reply_to) or ([original.sender] if original.sender else [])
    to = [one for one in asked if one.email.casefold() != mine] or asked
    if not to_all:
        return _once(to), []
    others = [*([] if from_us else original.to), *original.cc]
    known = {one.email.casefold() for one in to} | {mine}
    return _once(to), _once([one for one in others if one.email.casefold() not in known])


def reply_subject(subject: str) -> str:
    """With one "Re:", in whatever language there were some before."""
    return f"Re: {_PREFIX.sub('', subject)}".strip()


def references_of(original: Mail) -> list[str]:
    """What a reply to it refers to, bounded: the first of the conversation, and the last ones."""
    told = dict.fromkeys([*original.references, original.message_id])
    found = [one for one in told if one and one.isascii() and len(one) <= LONGEST_ID_CHARS]
    return found if len(found) <= REFERENCES else [found[0], *found[1 - REFERENCES :]]


def parsed(text: str) -> Address:
    """An address as people write it: `ann@example.org`, or `Ann <ann@example.org>`.

    Raises:
        BadInput: It is none.
    """
    found = getaddresses([text]) if text.isprintable() else []
    name, address = found[0] if len(found) == 1 else ("", "")
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain or re.search(r"[\s,;<>()\[\]\\\"\x00-\x1f]", address):
        raise BadInput(f"{text!r} is no mail address such as ann@example.org or Ann <ann@example.org>.")
    return Address(address, " ".join(name.split()))


def file_of(name: str, media_type: str, content_base64: str, cid: str | None) -> File:
    """A file whose content came as base64.

    Raises:
        BadInput: It is no base64.
    """
    try:
        return File(name, media_type, base64.b64decode(content_base64, validate=True), cid)
    except (binascii.Error, ValueError):
        raise BadInput(f"The content of the file {name!r} is not base64.") from None


def _once(addresses: Sequence[Address]) -> list[Address]:
    return list({one.email.casefold(): one for one in reversed(addresses)}.values())[::-1]


def _head(message: EmailMessage, letter: Letter, own_id: str, now: datetime) -> None:
    message["From"] = _written(letter.sender)
    for name, addresses in (("To", letter.to), ("Cc", letter.cc), ("Bcc", letter.bcc)):
        if addresses:
            message[name] = [_written(one) for one in addresses]
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = own_id
    if letter.references:
        message["In-Reply-To"] = letter.references[-1]
        message["References"] = " ".join(letter.references)


def _written(address: Address) -> MailAddress:
    local, _, domain = address.email.rpartition("@")
    if local.isascii() and not domain.isascii():
        domain = domain.encode("idna").decode("ascii")  # so that servers without SMTPUTF8 take it
    return MailAddress(address.name, local, domain)


def _body(message: EmailMessage, letter: Letter) -> None:
    message.set_content(letter.text, charset="utf-8")
    shown = [one for one in letter.files if one.cid and letter.html]
    if letter.html is not None:
        message.add_alternative(letter.html, subtype="html", charset="utf-8")
        html = message.get_payload()[-1]  # type: ignore[index]  # a list after add_alternative
        for one in shown:
            main, _, sub = one.media_type.partition("/")
            html.add_related(one.content, main, sub, cid=f"<{one.cid}>", filename=one.name)  # type: ignore[union-attr]
    for one in letter.files:
        if one not in shown:
            main, _, sub = one.media_type.partition("/")
            message.add_attachment(one.content, main, sub, filename=one.name)
