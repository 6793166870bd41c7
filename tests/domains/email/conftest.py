"""What the tests of mail share: a real mail server, once for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gmail_server import Gmail, gmail_on_loopback
from imap_kit import Mailboxes
from mail_server import MailServer, running, why_missing

from llmcoder.settings import EngineSettings, Settings
from tasks.email.settings import ImapSettings


@pytest.fixture(scope="session")
def mail_server() -> Iterator[MailServer]:
    """Dovecot and an SMTP server; a test makes users of its own: `address = mail_server.user("ada_reads")`."""
    if (reason := why_missing()) is not None:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with running() as server:
        yield server


@pytest.fixture
def mail_settings(mail_server: MailServer, tmp_path: Path) -> tuple[Settings, ...]:
    """For `FakeContext`: this machine may be reached, and the server's authority counts."""
    data_dir = tmp_path / "data"
    return EngineSettings(fetch_allow=("127.0.0.1",), data_dir=data_dir), ImapSettings(mail_ca_file=mail_server.ca_file)


@pytest.fixture
def mailboxes(mail_server: MailServer, mail_settings: tuple[Settings, ...]) -> Iterator[Mailboxes]:
    """Opens mailboxes of ours over the mail server: `mailboxes.open(address)`."""
    with closing(Mailboxes(mail_server, mail_settings)) as found:
        yield found


@pytest.fixture
def gmail() -> Iterator[Gmail]:
    with gmail_on_loopback() as found:
        yield found
