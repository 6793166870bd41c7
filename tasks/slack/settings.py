"""How this installation is registered at Slack, and the bot that acts for users who have connected no account."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from llmcoder.settings import Settings


class SlackSettings(Settings):
    """One Slack app: its bot, its socket or its signed requests, and its OAuth client."""

    title = "Slack"

    slack_bot_token: SecretStr | None = Field(None, description="Slack bot token, xoxb-….")
    slack_app_token: SecretStr | None = Field(
        None, description="Slack app-level token, xapp-…, with connections:write; turns Socket Mode on."
    )
    slack_signing_secret: SecretStr | None = Field(
        None, description="Signing secret of the Slack app; turns on what Slack calls by HTTP."
    )
    slack_client_id: str | None = Field(None, description="OAuth client id of the Slack app.")
    slack_client_secret: SecretStr | None = Field(None, description="OAuth client secret of the Slack app.")
    slack_api_url: str = Field(
        "https://slack.com/api/", description="Address of Slack's Web API; a private one needs FETCH_ALLOW too."
    )

    @field_validator("slack_api_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an address such as https://slack.com/api/")
        return f"{url.rstrip('/')}/"

    @model_validator(mode="after")
    def _tokens_in_their_places(self) -> Self:
        """Slack shows the two side by side, and says of the wrong one only that its type is not allowed."""
        for name, token, start in (
            ("SLACK_BOT_TOKEN", self.slack_bot_token, "xapp-"),
            ("SLACK_APP_TOKEN", self.slack_app_token, "xox"),
        ):
            if token is not None and token.get_secret_value().startswith(start):
                raise ValueError(f"{name} holds the other token: a bot's begins with xoxb-, the app's with xapp-")
        return self

    def missing(self) -> list[str]:
        """A bot, or a way for users to connect their own accounts: either is enough."""
        named = self.slack_bot_token or (self.slack_client_id and self.slack_client_secret)
        return [] if named else ["SLACK_BOT_TOKEN, or SLACK_CLIENT_ID and SLACK_CLIENT_SECRET"]
