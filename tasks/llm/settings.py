"""Which language models this installation may ask, where they are, and in which order."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from llmcoder.settings import CommaList, Settings
from tasks.llm.prices import Budgets, Prices, UsageBudget

ProviderName = Literal["openai", "ollama"]
OPENAI_URL = "https://api.openai.com/v1"
OLLAMA_PORT = 11434


class LlmSettings(Settings):
    """One provider is enough: OpenAI with a key, any OpenAI-compatible server by its address, or Ollama."""

    title = "Language models"

    openai_api_key: SecretStr | None = Field(None, description="OpenAI key; a server of your own may do without.")
    openai_base_url: str | None = Field(
        None, description="Address of an OpenAI-compatible server, mostly ending in /v1; OpenAI itself when unset."
    )
    openai_model: str | None = Field(
        None, description="Model to ask there; unset takes OpenAI's small one, or the first that your server lists."
    )
    ollama_host: str | None = Field(None, description="Address of Ollama, such as http://127.0.0.1:11434.")
    ollama_model: str | None = Field(None, description="Model to ask there; unset takes the first one installed.")
    ollama_context_tokens: int | None = Field(
        None,
        ge=512,
        le=10_000_000,
        description="Tokens that a model there keeps in view, prompt and answer; unset leaves it to Ollama, which "
        "takes 4,096 on small machines and cuts longer prompts without a word.",
    )
    openai_embedding_model: str | None = Field(
        None, description="Model there that compares meanings, for searches; none is used when unset."
    )
    ollama_embedding_model: str | None = Field(
        None, description="The same at Ollama. Searches use the first provider that has one, and no other."
    )
    llm_prices: Prices = Field(
        default_factory=dict,
        description="Prices in cents for a million tokens, as JSON by model, provider/model or a prefix with *: "
        '{"gpt-5*": {"in": 25, "out": 200}}. Models at Ollama cost nothing unless one stands here.',
    )
    llm_budget_cents: int | None = Field(
        None, ge=0, description="What each user may spend a calendar month (UTC); no limit when unset."
    )
    llm_budget_tokens: int | None = Field(
        None, ge=0, description="Tokens that each user may use a calendar month (UTC); no limit when unset."
    )
    llm_budgets: Budgets = Field(
        default_factory=dict,
        description='Other budgets for some users, as JSON by email address: {"ann@example.org": {"cents": 500}}. What '
        "is left out is as for everybody, null is without limit.",
    )
    llm_currency: str = Field(
        "USD", pattern="^[A-Z]{3}$", description="Currency of prices and budgets in money, such as EUR."
    )
    llm_providers: CommaList = Field(("openai", "ollama"), description="Order in which configured providers are asked.")
    llm_timeout_s: float = Field(
        120.0, ge=1, le=3600, description="Seconds a provider may stay silent, before the first token or between two."
    )

    @field_validator("openai_base_url")
    @classmethod
    def _an_address(cls, url: str | None) -> str | None:
        return None if url is None else _checked(url)

    @field_validator("ollama_host")
    @classmethod
    def _an_address_or_host(cls, host: str | None) -> str | None:
        """As Ollama's own tools read it: a bare host means http and Ollama's port."""
        if host is None or "://" in host:
            return host and _checked(host)
        url = _checked(f"http://{host}")
        return url if urlsplit(url).port else url.replace(urlsplit(url).netloc, f"{urlsplit(url).netloc}:{OLLAMA_PORT}")

    @field_validator("llm_providers")
    @classmethod
    def _known_providers(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in ("openai", "ollama")]
        if unknown or not names:
            raise ValueError("lists openai and ollama in the order of preference")
        return tuple(dict.fromkeys(names))

    @property
    def openai_url(self) -> str:
        """Where the openai provider is: the operator's server, else OpenAI."""
        return self.openai_base_url or OPENAI_URL

    def budget_of(self, email: str) -> UsageBudget:
        """What a user may use a month."""
        own = self.llm_budgets.get(email.lower(), UsageBudget()).model_dump(exclude_unset=True)
        return UsageBudget.model_validate({"cents": self.llm_budget_cents, "tokens": self.llm_budget_tokens} | own)

    def embedding(self) -> tuple[str, str] | None:
        """Provider and model that compare meanings: one only, since vectors of two models cannot be compared."""
        models = {"openai": self.openai_embedding_model, "ollama": self.ollama_embedding_model}
        return next(((name, model) for name in self.configured() if (model := models[name])), None)

    def configured(self) -> tuple[str, ...]:
        """The providers that can be asked, the preferred one first."""
        filled = {"openai": self.openai_api_key or self.openai_base_url, "ollama": self.ollama_host}
        return tuple(name for name in self.llm_providers if filled[name])

    def model_names(self) -> set[str]:
        """The models that the operator named."""
        chosen = (self.openai_model, self.ollama_model, self.openai_embedding_model, self.ollama_embedding_model)
        priced = [name for key in self.llm_prices for name in (key, key.partition("/")[2])]
        return {name for name in (*chosen, *priced) if name}

    def missing(self) -> list[str]:
        """Any one of these is enough, so they are named together."""
        return [] if self.configured() else ["one of OPENAI_API_KEY, OPENAI_BASE_URL or OLLAMA_HOST"]


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as http://127.0.0.1:8000/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be an address without user, password or query; a key goes into OPENAI_API_KEY")
    return url.rstrip("/")
