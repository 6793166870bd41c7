"""The providers by their names. Only the two modules that it hands out speak to the SDKs and know their errors."""

from __future__ import annotations

from llmcoder.errors import NotConfigured
from tasks.llm.asking import ModelProvider
from tasks.llm.ollama_client import OllamaProvider
from tasks.llm.openai_client import OpenAIProvider
from tasks.llm.settings import LlmSettings

CHECK_TIMEOUT_S = 10.0


def provider(name: str, settings: LlmSettings, timeout_s: float = CHECK_TIMEOUT_S) -> ModelProvider:
    """The provider of that name.

    Args:
        name: `openai` or `ollama`.
        settings: Where it is, and with which key.
        timeout_s: Longest silence.

    Raises:
        NotConfigured: The settings do not say where it is.
    """
    if name not in settings.configured():
        wanted = {"openai": "OPENAI_API_KEY or OPENAI_BASE_URL", "ollama": "OLLAMA_HOST"}[name]
        raise NotConfigured(f"The provider {name} is not configured: set {wanted} and list it in LLM_PROVIDERS.")
    return OpenAIProvider(settings, timeout_s) if name == "openai" else OllamaProvider(settings, timeout_s)
