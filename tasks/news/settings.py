"""How long news is kept, and the keys of services that can be searched."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from llmcoder.settings import Settings


def _an_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://content.guardianapis.com")
    return url.rstrip("/")


Address = Annotated[str, AfterValidator(_an_address)]


class NewsSettings(Settings):
    """Nothing here must be set."""

    title = "News"

    news_keep_days: int = Field(
        180, ge=7, le=36_500, description="Days for which articles are kept; what a feed still lists stays longer."
    )

    @property
    def keep(self) -> timedelta:
        return timedelta(days=self.news_keep_days)


class GuardianSettings(Settings):
    """The Guardian's Open Platform."""

    title = "The Guardian"
    needs = ("GUARDIAN_API_KEY",)

    guardian_api_key: SecretStr | None = Field(None, description="Key of The Guardian's Open Platform.")
    guardian_api_url: Address = Field(
        "https://content.guardianapis.com",
        description="Address of The Guardian's API; a private one needs FETCH_ALLOW too.",
    )


class GNewsSettings(Settings):
    """GNews."""

    title = "GNews"
    needs = ("GNEWS_API_KEY",)

    gnews_api_key: SecretStr | None = Field(None, description="Key of GNews.")
    gnews_api_url: Address = Field(
        "https://gnews.io/api/v4", description="Address of the API of GNews; a private one needs FETCH_ALLOW too."
    )


class NewsApiSettings(Settings):
    """NewsAPI, whose free plan is for development only."""

    title = "NewsAPI"
    needs = ("NEWSAPI_API_KEY",)

    newsapi_api_key: SecretStr | None = Field(
        None, description="Key of NewsAPI; one of its free plan may not be used in production."
    )
    newsapi_api_url: Address = Field(
        "https://newsapi.org/v2", description="Address of NewsAPI; a private one needs FETCH_ALLOW too."
    )
