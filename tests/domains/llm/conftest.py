"""Settings of local servers that answer well until a test says otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from llm_wire import answer_chunks, event_stream, models, ndjson, ollama_parts

from tasks.llm.settings import LlmSettings


@pytest.fixture
def openai(server: Any) -> LlmSettings:
    """Settings of an OpenAI-compatible server."""
    server.routes["/v1/chat/completions"] = event_stream(answer_chunks())
    server.routes["/v1/models"] = lambda exchange: exchange.send(200, models("text-embed-1", "tiny-1"))
    return LlmSettings(openai_base_url=f"{server.url}/v1", openai_model="tiny-1", llm_timeout_s=5)


@pytest.fixture
def ollama(server: Any) -> LlmSettings:
    """Settings of an Ollama."""
    server.routes["/api/chat"] = ndjson(ollama_parts())
    server.routes["/api/tags"] = lambda exchange: exchange.send(200, {"models": [{"model": "llama3:latest"}]})
    return LlmSettings(ollama_host=server.url, ollama_model="llama3", llm_timeout_s=5)
