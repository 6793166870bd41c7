"""Which Confluence this installation has for users without an account of their own, and how it is registered."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from llmcoder.settings import Settings


class ConfluenceSettings(Settings):
    """The installation's account, and our OAuth client at Atlassian."""

    title = "Confluence"

    confluence_url: str | None = Field(
        None, description="Confluence site, such as https://acme.atlassian.net, or the address of a Data Center."
    )
    confluence_email: str | None = Field(
        None, description="Whose API token it is, on Cloud; unset for a personal access token of a Data Center."
    )
    confluence_api_token: SecretStr | None = Field(
        None, description="Confluence API token (Cloud), or personal access token (Data Center)."
    )
    confluence_oauth_client_id: str | None = Field(
        None, description="OAuth client id of our app at Atlassian, so that users connect in the browser."
    )
    confluence_oauth_client_secret: SecretStr | None = Field(None, description="OAuth client secret of that app.")
    confluence_oauth_url: str = Field(
        "https://auth.atlassian.com", description="Where browsers sign in and tokens are had; Atlassian's unless set."
    )
    confluence_oauth_api_url: str = Field(
        "https://api.atlassian.com", description="Where granted sites are reached; a private one needs FETCH_ALLOW too."
    )

    @field_validator("confluence_url", "confluence_oauth_url", "confluence_oauth_api_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError("must be an address such as https://acme.atlassian.net")
        return url and url.rstrip("/")

    def missing(self) -> list[str]:
        """Either the installation has an account, or users can connect theirs in the browser."""
        account = {"CONFLUENCE_URL": self.confluence_url, "CONFLUENCE_API_TOKEN": self.confluence_api_token}
        lacking = [name for name, value in account.items() if not value]
        registered = self.confluence_oauth_client_id and self.confluence_oauth_client_secret
        return [] if registered and len(lacking) == len(account) else lacking

    def check(self) -> str:
        """Ask Confluence who we are there, where the installation has an account.

        Raises:
            NotConfigured: Nothing is named.
            ActionError: The site refuses the token, or could not be asked.
        """
        super().check()
        from tasks.confluence.connections import describe_installation  # loads the kind of account

        return describe_installation(self)
