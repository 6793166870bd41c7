"""The mail server that the tests of mail use."""

from __future__ import annotations

import imaplib
import smtplib
import ssl

import pytest
from mail_server import HOST, Behaviour, MailServer

MAIL = b"From: x@example.net\r\nSubject: hello\r\nMessage-ID: <%b@example.net>\r\n\r\nhi\r\n"


def login(server: MailServer, name: str) -> imaplib.IMAP4:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    client = imaplib.IMAP4_SSL(HOST, server.imaps, ssl_context=context)
    client.login(name, server.password)
    return client


def count(server: MailServer, name: str) -> int:
    with login(server, name) as client:
        return int(client.select("INBOX", readonly=True)[1][0] or b"0")


def submission(server: MailServer, *, tls: bool) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    if tls:
        return smtplib.SMTP_SSL(HOST, server.smtps, context=context)
    client = smtplib.SMTP(HOST, server.smtp)
    client.starttls(context=context)
    return client


@pytest.mark.parametrize("tls", [True, False])
def test_what_is_sent_is_seen_once_and_lands_where_it_should(mail_server: MailServer, tls: bool) -> None:
    name = f"server_{tls}".lower()
    address, mark = mail_server.user(name), f"<{name}@example.net>"
    with submission(mail_server, tls=tls) as client:
        client.login(name, mail_server.password)
        client.sendmail(address, [address, "far@elsewhere.example"], MAIL % name.encode())
    (taken,) = mail_server.sent(mark)
    assert taken.recipients == (address, "far@elsewhere.example")
    mail_server.deliver(address, MAIL % b"other")
    assert count(mail_server, name) == 2


def test_it_can_refuse_and_be_restarted(mail_server: MailServer) -> None:
    address = mail_server.user("server_refuses")
    with mail_server.behave(Behaviour(refuse={"nobody@example.org": "550 5.1.1 nobody here"})):
        with submission(mail_server, tls=True) as client, pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("server_refuses", "wrong")
        with submission(mail_server, tls=True) as client:
            client.login("server_refuses", mail_server.password)
            assert client.sendmail(address, [address, "nobody@example.org"], MAIL % b"refuses") == {
                "nobody@example.org": (550, b"5.1.1 nobody here")
            }
    mail_server.restart()
    assert count(mail_server, "server_refuses") == 1
