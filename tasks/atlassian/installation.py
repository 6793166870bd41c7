"""What the settings of a product say of the installation, by common names: its account there, and its OAuth client."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr


@dataclass(frozen=True)
class Installation:
    """What the settings of one product say.

    Attributes:
        prefix: What the names of its settings begin with, such as JIRA.
        url_name: Name of the setting that holds the site.
        oauth_url: Where browsers sign in and tokens are had.
        api_url: Where granted sites are reached.
    """

    prefix: str
    url_name: str
    url: str | None
    email: str | None
    token: SecretStr | None
    client_id: str | None
    client_secret: SecretStr | None
    oauth_url: str
    api_url: str

    def missing(self) -> list[str]:
        """Either the installation has an account, or users can connect theirs in the browser."""
        account = {self.url_name: self.url, f"{self.prefix}_API_TOKEN": self.token}
        lacking = [name for name, value in account.items() if not value]
        registered = self.client_id and self.client_secret
        return [] if registered and len(lacking) == len(account) else lacking


def an_address(url: str | None) -> str | None:
    """A setting that holds an address, without a slash at its end; a validator of the settings.

    Raises:
        ValueError: It is none.
    """
    if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
        raise ValueError("must be an address such as https://acme.atlassian.net")
    return url and url.rstrip("/")
