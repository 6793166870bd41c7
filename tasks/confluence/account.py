"""What an account at a Confluence site is: where, and what proves it. Three ways, told apart by what is filled in."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from llmcoder.declare.connection import Grant
from llmcoder.model import Model

_SPEAKS_HTTP = re.compile(r"[\x21-\x7e]+")


class ConfluenceAccount(Model):
    """An account: email and API token (Cloud), a personal access token alone (Data Center), or signed in to (Cloud)."""

    site: str = Field(
        max_length=500,
        description="Address of the site: https://acme.atlassian.net, or that of a Data Center with its path.",
        examples=["https://acme.atlassian.net"],
    )
    email: str | None = Field(
        None,
        max_length=200,
        pattern=r"^[^\s:@]+@[^\s:@]+$",
        description="Whose API token it is, on Cloud. Leave it out for a Data Center.",
        examples=["ada@example.org"],
    )
    token: SecretStr | None = Field(None, description="API token (Cloud), or personal access token (Data Center).")
    cloud_id: str | None = Field(
        None,
        pattern=r"^[0-9A-Za-z-]{1,64}$",
        description="Atlassian's id of the site, for an API token with scopes: see SITE/_edge/tenant_info.",
    )
    grant: Grant | None = None

    @property
    def is_cloud(self) -> bool:
        return self.grant is not None or self.email is not None

    @field_validator("site")
    @classmethod
    def _an_address(cls, site: str) -> str:
        return normal_site(site)

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _SPEAKS_HTTP.fullmatch(token.get_secret_value()):
            raise ValueError("has characters that no token has")
        return token

    @model_validator(mode="after")
    def _proves_something(self) -> ConfluenceAccount:
        if self.grant is None and self.token is None:
            raise ValueError("give a token")
        if self.grant is not None and self.cloud_id is None:
            raise ValueError("a site that was signed in to has Atlassian's id")
        return self


def normal_site(site: str) -> str:
    """The address that all paths of a site begin with; what people copy from the browser is often longer.

    Raises:
        ValueError: It is no address.
    """
    parts = urlsplit(site.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://acme.atlassian.net")
    if parts.hostname.endswith(".atlassian.net"):
        return f"https://{parts.netloc.lower()}"
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def host_of(url: str) -> str:
    """What a site is called where people read it."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}".rstrip("/")
