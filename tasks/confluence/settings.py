"""Which Confluence this installation has for users without an account of their own, and how it is registered."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from llmcoder.settings import Settings
from tasks.atlassian.installation import Installation, an_address


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

    _addresses = field_validator("confluence_url", "confluence_oauth_url", "confluence_oauth_api_url")(an_address)

    @property
    def installation(self) -> Installation:
        """These settings by the names that all of Atlassian's products share."""
        return Installation(
            prefix="CONFLUENCE",
            url_name="CONFLUENCE_URL",
            url=self.confluence_url,
            email=self.confluence_email,
            token=self.confluence_api_token,
            client_id=self.confluence_oauth_client_id,
            client_secret=self.confluence_oauth_client_secret,
            oauth_url=self.confluence_oauth_url,
            api_url=self.confluence_oauth_api_url,
        )

    def missing(self) -> list[str]:
        """Either the installation has an account, or users can connect theirs in the browser."""
        return self.installation.missing()
