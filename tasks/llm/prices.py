"""What models cost and how much a user may spend, as operators write it down. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from llmcoder import strict_json
from llmcoder.model import Model

MICROCENTS = 1_000_000


class Price(Model):
    """Of one model, in cents for a million tokens; fractions are allowed."""

    model_config = ConfigDict(populate_by_name=True)

    tokens_in: float = Field(ge=0, le=1e7, alias="in", description="Cents for a million tokens of prompt.")
    tokens_out: float = Field(ge=0, le=1e7, alias="out", description="Cents for a million generated tokens.")


FREE = Price(tokens_in=0, tokens_out=0)


class UsageBudget(Model):
    """What a user may use in a calendar month (UTC)."""

    cents: int | None = Field(None, ge=0, description="Money; null is without limit.")
    tokens: int | None = Field(None, ge=0, description="Tokens, in and out; null is without limit.")


M = TypeVar("M", bound=Model)


def _by_name(kind: type[M], key: Callable[[str], str]) -> Callable[[object], dict[str, M]]:
    """Reads an object of them from JSON text (the environment) or as it is (config.json); names the wrong entry."""

    def read(given: object) -> dict[str, M]:
        try:
            found = strict_json.read(given) if isinstance(given, str) else given
        except (ValueError, RecursionError):
            raise ValueError("must be a JSON object") from None
        if not isinstance(found, Mapping):
            raise ValueError("must be a JSON object")
        return {key(name): _entry(kind, name, one) for name, one in found.items()}

    return read


def _entry(kind: type[M], name: str, given: object) -> M:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        one = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ": ".join([name, *map(str, one["loc"])])
    raise ValueError(f"{where}: {one['msg']}")


def _model_name(name: str) -> str:
    if not name or "*" in name[:-1]:
        raise ValueError(f"{name or 'an empty name'}: a * stands for the rest of a name, at its end only")
    return name


def _address(email: str) -> str:
    if "@" not in email:
        raise ValueError(f"{email}: budgets are listed by email address")
    return email.strip().lower()


Prices = Annotated[dict[str, Price], BeforeValidator(_by_name(Price, _model_name))]
Budgets = Annotated[dict[str, UsageBudget], BeforeValidator(_by_name(UsageBudget, _address))]


def price_of(prices: Mapping[str, Price], provider: str, model: str) -> Price | None:
    """The price of a model: under `provider/model`, its name, the longest prefix that ends in `*`, or `*`.

    A model that runs on one's own machine costs nothing unless a price says otherwise.
    """
    for name in (f"{provider}/{model}", model):
        if name in prices:
            return prices[name]
    fitting = [name for name in prices if name.endswith("*") and _fits(name[:-1], provider, model)]
    if fitting:
        return prices[max(fitting, key=len)]
    return FREE if provider == "ollama" else None


def _fits(prefix: str, provider: str, model: str) -> bool:
    return model.startswith(prefix) or f"{provider}/{model}".startswith(prefix)


def cost_microcents(price: Price | None, tokens_in: int, tokens_out: int) -> int | None:
    """What a call costs; cents for a million tokens are millionths of a cent for one."""
    return None if price is None else round(tokens_in * price.tokens_in + tokens_out * price.tokens_out)


def estimated_tokens(text: str) -> int:
    """Four bytes of UTF-8 make a token, about: four letters of English, two of Russian, more than one of Chinese."""
    return -(-len(text.encode("utf-8", "replace")) // 4)
