"""What an account in a workspace is: a person's, or a bot's; and what it is called here."""

from __future__ import annotations

from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from llmcoder.declare.connection import Grant
from llmcoder.model import Model


class SlackAccount(Model):
    """Somebody's account in a workspace: signed in to with the browser, or by a token that is typed in."""

    token: SecretStr | None = Field(
        None, description="User OAuth token, xoxp-…, of your account; a bot's, xoxb-…, acts as the bot."
    )
    grant: Grant | None = None
    # What follows comes from Slack at the sign-in, and no form asks for it.
    bot_token: SkipJsonSchema[SecretStr | None] = Field(None, description="Of the app's bot in that workspace.")
    team_id: SkipJsonSchema[str] = Field("", max_length=40, description="Which workspace.")
    team: SkipJsonSchema[str] = Field("", max_length=200, description="What the workspace is called.")
    user_id: SkipJsonSchema[str] = Field("", max_length=40, description="Which person there.")

    @field_validator("token")
    @classmethod
    def _a_token(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not token.get_secret_value().startswith(
            ("xoxp-", "xoxb-", "xoxe.xoxp-", "xoxe.xoxb-")
        ):
            raise ValueError("is a user's token, which begins with xoxp-, or a bot's, which begins with xoxb-")
        return token

    @model_validator(mode="after")
    def _proved(self) -> Self:
        if self.token is None and self.grant is None:
            raise ValueError("give the token")
        return self


def account_name(team_id: str, user_id: str) -> str:
    """What the account of a person in a workspace is called here."""
    return f"{team_id}/{user_id}"
