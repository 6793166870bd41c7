"""A mailbox behind IMAP and SMTP: where its servers are and what proves it; and the one of this installation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError

from llmcoder.declare.connection import GetSettings
from llmcoder.errors import NotConfigured
from llmcoder.model import Model
from tasks.email.settings import ImapSettings, MailSecurity

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def _one_line(text: str) -> str:
    """Both protocols end a command at a line's end: what follows it would be a command of its own."""
    if _CONTROLS.search(text):
        raise ValueError("holds control characters")
    return text


def _one_line_secret(secret: SecretStr) -> SecretStr:
    _one_line(secret.get_secret_value())
    return secret


Text = Annotated[str, Field(min_length=1, max_length=254), AfterValidator(_one_line)]


Secret = Annotated[SecretStr, Field(min_length=1, max_length=4_096), AfterValidator(_one_line_secret)]


Port = Annotated[int, Field(ge=1, le=65_535)]


class ImapAccount(Model):
    """A mailbox behind IMAP and SMTP."""

    address: Text = Field(
        pattern=r"^[^\s@<>]+@[^\s@<>]+$", description="The mailbox's address.", examples=["ada@example.org"]
    )
    password: Secret = Field(description="Password; an app password where the provider has such.")
    name: Text | None = Field(None, description="Whose name mails carry beside the address.")
    imap_host: Text = Field(description="IMAP server.", examples=["imap.example.org"])
    imap_port: Port | None = Field(None, description="Its port; 993 for tls, else 143.")
    imap_security: MailSecurity = Field("tls", description="plain only where an operator's FETCH_ALLOW names the host.")
    user: Text | None = Field(None, description="User name there; the address when left out.")
    smtp_host: Text = Field(description="SMTP server for sending.", examples=["smtp.example.org"])
    smtp_port: Port | None = Field(None, description="Its port; 465 for tls, else 587.")
    smtp_security: MailSecurity = Field("tls", description="plain only where an operator's FETCH_ALLOW names the host.")
    smtp_user: Text | None = Field(None, description="User name there, where it is another than for IMAP.")
    smtp_password: Secret | None = Field(None, description="Password there, where it is another than for IMAP.")
    drafts_folder: Text | None = Field(None, description="Folder for drafts, where it is not found by itself.")
    sent_folder: Text | None = Field(None, description="Folder for what was sent, where it is not found by itself.")
    archive_folder: Text | None = Field(None, description="Folder of the archive, where it is not found by itself.")
    sent_copies: Literal["auto", "server", "client"] = Field(
        "auto", description="Who keeps a copy of what is sent: the server by itself, or we; auto knows the big ones."
    )

    @property
    def imap(self) -> MailServer:
        """Where IMAP is spoken."""
        port = self.imap_port or (993 if self.imap_security == "tls" else 143)
        return MailServer(self.imap_host, port, self.imap_security, self.user or self.address, self.password)

    @property
    def smtp(self) -> MailServer:
        """Where mail is sent."""
        port = self.smtp_port or (465 if self.smtp_security == "tls" else 587)
        user, password = self.smtp_user or self.user or self.address, self.smtp_password or self.password
        return MailServer(self.smtp_host, port, self.smtp_security, user, password)


@dataclass(frozen=True)
class MailServer:
    """One of an account's two servers, and how one signs in there."""

    host: str
    port: int
    security: MailSecurity
    user: str
    password: SecretStr


def own_account(get: GetSettings) -> ImapAccount | None:
    """The mailbox of this installation.

    Raises:
        NotConfigured: Its settings do not fit together.
    """
    found = get(ImapSettings)
    if found.missing():
        return None
    try:
        return _account_of(found)
    except ValidationError as error:
        fields = ", ".join(sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]}))
    # Raised outside the handler: a validation error carries the secrets.
    raise NotConfigured(f"The settings of the mailbox of this installation do not make an account: {fields}.")


def _account_of(found: ImapSettings) -> ImapAccount:
    assert found.imap_host is not None and found.imap_user is not None and found.imap_password is not None
    return ImapAccount(
        address=found.mail_address or found.imap_user,
        password=found.imap_password,
        name=found.mail_name,
        imap_host=found.imap_host,
        imap_port=found.imap_port,
        imap_security=found.imap_security,
        user=found.imap_user,
        smtp_host=found.smtp_host or found.imap_host,
        smtp_port=found.smtp_port,
        smtp_security=found.smtp_security,
        smtp_user=found.smtp_user,
        smtp_password=found.smtp_password,
    )
