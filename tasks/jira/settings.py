"""Which JIRA this installation has for users without an account of their own, and how it is registered."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from llmcoder.settings import Settings
from tasks.atlassian.installation import Installation, an_address


class JiraSettings(Settings):
    """The installation's account, and our OAuth client at Atlassian."""

    title = "JIRA"

    jira_server_url: str | None = Field(
        None, description="JIRA site, such as https://acme.atlassian.net, or the address of a Data Center."
    )
    jira_email: str | None = Field(
        None, description="Whose API token it is, on Cloud; unset for a personal access token of a Data Center."
    )
    jira_api_token: SecretStr | None = Field(
        None, description="JIRA API token (Cloud), or personal access token (Data Center)."
    )
    jira_oauth_client_id: str | None = Field(
        None, description="OAuth client id of our app at Atlassian, so that users connect in the browser."
    )
    jira_oauth_client_secret: SecretStr | None = Field(None, description="OAuth client secret of that app.")
    jira_oauth_url: str = Field(
        "https://auth.atlassian.com", description="Where browsers sign in and tokens are had; Atlassian's unless set."
    )
    jira_oauth_api_url: str = Field(
        "https://api.atlassian.com", description="Where granted sites are reached; a private one needs FETCH_ALLOW too."
    )

    _addresses = field_validator("jira_server_url", "jira_oauth_url", "jira_oauth_api_url")(an_address)

    @property
    def installation(self) -> Installation:
        """These settings by the names that all of Atlassian's products share."""
        return Installation(
            prefix="JIRA",
            url_name="JIRA_SERVER_URL",
            url=self.jira_server_url,
            email=self.jira_email,
            token=self.jira_api_token,
            client_id=self.jira_oauth_client_id,
            client_secret=self.jira_oauth_client_secret,
            oauth_url=self.jira_oauth_url,
            api_url=self.jira_oauth_api_url,
        )

    def missing(self) -> list[str]:
        """Either the installation has an account, or users can connect theirs in the browser."""
        return self.installation.missing()
