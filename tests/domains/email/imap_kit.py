"""What the tests of IMAP need besides a server: mailboxes over it, mails, and a look past our own code."""

from __future__ import annotations

import email
import email.policy
import imaplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

from mail_server import HOST, MailServer

from llmcoder.settings import Settings
from llmcoder.testing import FakeContext
from tasks.email.imap import ImapMailbox
from tasks.email.imap_account import ImapAccount

Open = Callable[..., ImapMailbox]


class Mailboxes:
    """Opens mailboxes over the test server, and closes them at the end."""

    def __init__(self, server: MailServer, settings: tuple[Settings, ...]) -> None:
        self.server = server
        self.settings = settings
        self._opened: list[ImapMailbox] = []

    def open(self, address: str, *, ctx: FakeContext | None = None, **more: Any) -> ImapMailbox:
        context = ctx or self.context()
        mailbox = ImapMailbox(ImapAccount(**self.server.account(address, **more)), context, context.check)
        self._opened.append(mailbox)
        return mailbox

    def context(self, **more: Any) -> FakeContext:
        return FakeContext(self.settings, **more)

    def close(self) -> None:
        for mailbox in self._opened:
            mailbox.close()


@contextmanager
def imap(server: MailServer, address: str) -> Iterator[imaplib.IMAP4]:
    """The mailbox as another client sees it."""
    context = ssl.create_default_context(cafile=str(server.ca_file))
    with imaplib.IMAP4_SSL(HOST, server.imaps, ssl_context=context) as client:
        client.login(address.partition("@")[0], server.password)
        yield client


def messages(server: MailServer, address: str, folder: str) -> list[tuple[str, bytes]]:
    """Flags and content of every message of a folder."""
    with imap(server, address) as client:
        answer, count = client.select(f'"{folder}"', readonly=True)
        assert answer == "OK", count
        found = client.fetch("1:*", "(FLAGS BODY.PEEK[])")[1] if int(count[0] or b"0") else []
        return [(str(imaplib.ParseFlags(one[0])), one[1]) for one in found if isinstance(one, tuple)]


def mail(subject: str, text: str = "Hello.", **headers: str) -> EmailMessage:
    """A mail with a Message-ID made of its subject."""
    message = EmailMessage(policy=email.policy.SMTP)
    given = {"From": "ada@example.org", "To": "bob@elsewhere.example", "Message-ID": mark(subject)}
    for name, value in {**given, "Subject": subject, **headers}.items():
        if name.replace("_", "-") in message:
            del message[name.replace("_", "-")]
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def mark(subject: str) -> str:
    """The Message-ID of a mail of ours."""
    name = "".join(char if char.isascii() and char.isalnum() else "." for char in subject.lower())
    return f"<{name}@example.org>"
