"""What models cost and how much a user may spend, as operators write it down. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, ConfigDict, Field

from llmcoder.model import Model

MICROCENTS = 1_000_000


class Price(Model):
    """Of one model, in cents for a million tokens; fractions are allowed."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    tokens_in: float = Field(ge=0, le=1e7, alias="in", description="Cents for a million tokens of prompt.")
    tokens_out: float = Field(0, ge=0, le=1e7, alias="out", description="Cents for a million generated tokens.")


class Budget(Model):
    """What a user may use in a calendar month (UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cents: int | None = Field(None, ge=0, description="Money; null is without limit.")
    tokens: int | None = Field(None, ge=0, description="Tokens, in and out; null is without limit.")


def _object(given: object) -> object:
    """Settings come as text from the environment, and as they are from config.json."""
    if not isinstance(given, str):
        return given
    try:
        return json.loads(given)
    except ValueError:
        raise ValueError("must be a JSON object") from None


Prices = Annotated[dict[str, Price], BeforeValidator(_object)]
Budgets = Annotated[dict[str, Budget], BeforeValidator(_object)]


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
    return Price.model_validate({"in": 0, "out": 0}) if provider == "ollama" else None


def _fits(prefix: str, provider: str, model: str) -> bool:
    return model.startswith(prefix) or f"{provider}/{model}".startswith(prefix)


def cost_microcents(price: Price | None, tokens_in: int, tokens_out: int) -> int | None:
    """What a call costs; cents for a million tokens are millionths of a cent for one."""
    return None if price is None else round(tokens_in * price.tokens_in + tokens_out * price.tokens_out)


def estimated_tokens(text_chars: int) -> int:
    """About four characters make a token, in most languages and models; more rather than fewer."""
    return -(-text_chars // 4) if text_chars else 0
