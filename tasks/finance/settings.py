"""How this installation is registered at Plaid. Files and SimpleFIN need no setting."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from llmcoder.settings import Settings

#: https://plaid.com/docs/api/#api-host
HOSTS = {"sandbox": "https://sandbox.plaid.com", "production": "https://production.plaid.com"}


class PlaidSettings(Settings):
    """A client of Plaid's; its sandbox by default, where everything is made up and nothing is paid for."""

    title = "Plaid"
    needs = ("PLAID_CLIENT_ID", "PLAID_SECRET")

    plaid_client_id: str | None = Field(None, description="Client id of this installation at Plaid.")
    plaid_secret: SecretStr | None = Field(None, description="Secret of this installation for the environment.")
    plaid_environment: Literal["sandbox", "production"] = Field(
        "sandbox", description="Plaid's environment: sandbox (made-up banks) or production."
    )
    plaid_countries: str = Field("US", description="Countries whose banks are offered: codes such as US,CA,GB,DE.")
    plaid_url: str | None = Field(
        None, description="Another address of Plaid's API than the environment's; a private one needs FETCH_ALLOW too."
    )

    @field_validator("plaid_countries")
    @classmethod
    def _codes(cls, countries: str) -> str:
        codes = [one.strip().upper() for one in countries.split(",") if one.strip()]
        if not codes or not all(len(one) == 2 and one.isascii() and one.isalpha() for one in codes):
            raise ValueError("must be codes of ISO 3166 such as US,CA")
        return ",".join(codes)

    @property
    def host(self) -> str:
        return (self.plaid_url or HOSTS[self.plaid_environment]).rstrip("/")
