"""Which mail accounts this installation has, and how it is registered where users connect their own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from llmcoder.settings import Settings

MailSecurity = Literal["tls", "starttls", "plain"]


class GmailSettings(Settings):
    """Our OAuth client at Google, and perhaps a mailbox for users who have connected none."""

    title = "Gmail"

    gmail_client_id: str | None = Field(None, description="OAuth client id of the Gmail application.")
    gmail_client_secret: SecretStr | None = Field(None, description="OAuth client secret of the Gmail application.")
    gmail_refresh_token: SecretStr | None = Field(None, description="OAuth refresh token of the Gmail account.")
    gmail_credentials_file: Path | None = Field(
        None, description="Google's credentials.json (or a token.json with a refresh token), instead of id and secret."
    )
    gmail_api_url: str = Field(
        "https://gmail.googleapis.com", description="Address of the Gmail API; a private one needs FETCH_ALLOW too."
    )
    gmail_authorize_url: str | None = Field(
        None, description="Where browsers sign in; as the credentials file says, else Google's address."
    )
    gmail_token_url: str | None = Field(
        None, description="Where tokens are had; as the credentials file says, else Google's address."
    )

    @field_validator("gmail_api_url", "gmail_authorize_url", "gmail_token_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError("must be an address such as https://gmail.googleapis.com")
        return url and url.rstrip("/")

    def missing(self) -> list[str]:
        """Either way to name the client is enough, so they are named together."""
        named = self.gmail_credentials_file or (self.gmail_client_id and self.gmail_client_secret)
        return [] if named else ["GMAIL_CREDENTIALS_FILE, or GMAIL_CLIENT_ID and GMAIL_CLIENT_SECRET"]


class ImapSettings(Settings):
    """A mailbox behind IMAP and SMTP for users who have connected none, and authorities of private mail servers."""

    title = "IMAP and SMTP"

    imap_host: str | None = Field(None, description="IMAP server, such as imap.example.org.")
    imap_port: int | None = Field(None, ge=1, le=65_535, description="Its port; 993 for TLS, else 143.")
    imap_security: MailSecurity = Field("tls", description="tls, starttls, or plain on a network you trust.")
    imap_user: str | None = Field(None, description="User name there, mostly the address.")
    imap_password: SecretStr | None = Field(None, description="Password, or app password.")
    smtp_host: str | None = Field(None, description="SMTP server for sending; the IMAP server when unset.")
    smtp_port: int | None = Field(None, ge=1, le=65_535, description="Its port; 465 for TLS, else 587.")
    smtp_security: MailSecurity = Field("tls", description="tls, starttls, or plain on a network you trust.")
    smtp_user: str | None = Field(None, description="User name there, where it is another than for IMAP.")
    smtp_password: SecretStr | None = Field(None, description="Password there, where it is another than for IMAP.")
    mail_address: str | None = Field(None, description="The mailbox's address; the user name where that is one.")
    mail_name: str | None = Field(None, description="Whose name mails carry beside the address.")
    mail_ca_file: Path | None = Field(
        None, description="PEM file of authorities that mail servers may be certified by, besides the system's."
    )

    def missing(self) -> list[str]:
        """What the installation's own mailbox lacks."""
        named = {"IMAP_HOST": self.imap_host, "IMAP_USER": self.imap_user, "IMAP_PASSWORD": self.imap_password}
        lacking = [name for name, value in named.items() if not value]
        if self.imap_user and not (self.mail_address or "@" in self.imap_user):
            lacking.append("MAIL_ADDRESS")
        return lacking
