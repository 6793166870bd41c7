"""Where flight prices come from, and who we are there."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from llmcoder.settings import Settings
from tasks.travel.search import SourceName


def _an_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://api.example.com")
    return url.rstrip("/")


class TravelSettings(Settings):
    """The source that is asked where nobody names one, and those that need no account."""

    title = "Flights"

    travel_source: SourceName = Field(
        SourceName.RECORDED,
        description="Where flight prices come from unless a search says it: `recorded` (no network, no key; nobody "
        "sells at these prices), `kiwi` (no key), `duffel`, `skyscanner`.",
    )
    travel_recorded_file: Path | None = Field(
        None, description="Recorded quotes of your own, in the shape of those that come with the program."
    )
    kiwi_mcp_url: str = Field(
        "https://mcp.kiwi.com/mcp",
        description="Address of Kiwi.com's public search (MCP); a private one needs FETCH_ALLOW too.",
    )

    _addresses = field_validator("kiwi_mcp_url")(_an_address)


class DuffelSettings(Settings):
    """The installation's account at Duffel."""

    title = "Duffel"
    needs = ("DUFFEL_ACCESS_TOKEN",)

    duffel_access_token: SecretStr | None = Field(
        None, description="Duffel access token, duffel_test_… or duffel_live_…; test tokens see a made-up airline."
    )
    duffel_api_url: str = Field(
        "https://api.duffel.com", description="Address of Duffel's API; a private one needs FETCH_ALLOW too."
    )

    _addresses = field_validator("duffel_api_url")(_an_address)


class SkyscannerSettings(Settings):
    """The installation's key as a partner of Skyscanner."""

    title = "Skyscanner"
    needs = ("SKYSCANNER_API_KEY",)

    skyscanner_api_key: SecretStr | None = Field(None, description="API key of a partner of Skyscanner.")
    skyscanner_market: str = Field(
        "UK", pattern=r"^[A-Z]{2}$", description="Country for which Skyscanner shows prices, as it writes it (UK, DE)."
    )
    skyscanner_locale: str = Field(
        "en-GB", pattern=r"^[a-z]{2}-[A-Z]{2}$", description="Language of what Skyscanner answers."
    )
    skyscanner_api_url: str = Field(
        "https://partners.api.skyscanner.net/apiservices/v3",
        description="Address of Skyscanner's API; a private one needs FETCH_ALLOW too.",
    )

    _addresses = field_validator("skyscanner_api_url")(_an_address)
