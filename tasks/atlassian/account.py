"""What an account at a site is: where, and what proves it. Three ways, told apart by what is filled in."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import ClassVar, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from llmcoder.connection import Connection
from llmcoder.declare.connection import Grant
from llmcoder.errors import NeedsReconnect
from llmcoder.model import Model

_SPEAKS_HTTP = re.compile(r"[\x21-\x7e]+")
CLOUD = ".atlassian.net"

#: The value of the header Authorization; given the one that was refused, another one.
Authorization = Callable[[str | None], str]


class AtlassianAccount(Model):
    """An account: email and API token (Cloud), a personal access token alone (Data Center), or signed in to (Cloud).

    Attributes:
        page_path: Where pages of a site of the product begin; what stands before is the site's context path.
    """

    page_path: ClassVar[re.Pattern[str] | None] = None

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
        return normal_site(site, cls.page_path)

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not _SPEAKS_HTTP.fullmatch(token.get_secret_value()):
            raise ValueError("has characters that no token has")
        return token

    @model_validator(mode="after")
    def _proves_something(self) -> Self:
        if self.grant is None and self.token is None:
            raise ValueError("give a token")
        if self.grant is not None and self.cloud_id is None:
            raise ValueError("a site that was signed in to has Atlassian's id")
        if not self.is_cloud and (urlsplit(self.site).hostname or "").endswith(CLOUD):
            raise ValueError("on Cloud, give the email address whose API token it is, too")
        return self


A = TypeVar("A", bound=AtlassianAccount)


def normal_site(site: str, page_path: re.Pattern[str] | None = None) -> str:
    """The address that all paths of a site begin with; what people copy from the browser is often longer.

    Raises:
        ValueError: It is no address.
    """
    parts = urlsplit(site.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://acme.atlassian.net")
    if parts.hostname.endswith(CLOUD):
        return f"https://{parts.netloc.lower()}"
    path = parts.path if page_path is None else page_path.sub("", parts.path)
    return f"{parts.scheme}://{parts.netloc.lower()}{path.rstrip('/')}"


def host_of(url: str) -> str:
    """What a site is called where people read it."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}".rstrip("/")


# --- what proves it


def authorization(connection: Connection[A]) -> Authorization:
    """Of the account that a job acts for; a grant is renewed where it ends or is refused."""
    account = connection.credentials

    def proof(refused: str | None) -> str:
        if account.grant is None:
            return proof_of(account)
        return f"Bearer {connection.access_token(refused=refused and refused.removeprefix('Bearer '))}"

    return proof


def proof_of(account: AtlassianAccount) -> str:
    """The header Authorization of an account as it is kept.

    Raises:
        NeedsReconnect: There is nothing that proves it.
    """
    if account.grant is not None:
        return f"Bearer {account.grant.access_token.get_secret_value()}"
    if account.token is None:
        raise NeedsReconnect("This account has no token. Connect it again.")
    token = account.token.get_secret_value()
    if account.email is None:
        return f"Bearer {token}"
    return f"Basic {base64.b64encode(f'{account.email}:{token}'.encode()).decode()}"
