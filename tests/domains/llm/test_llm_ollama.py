"""The ollama provider: its SDK over real HTTP, every branch of the error map included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from llm_wire import ndjson, ollama_parts

from engine.integration_checks import check_settings
from llmcoder import BadInput, Cancelled, Forbidden, NotConfigured, NotFound, RateLimited, Transient
from llmcoder.testing import FakeContext, run_action
from tasks.llm.actions import generate
from tasks.llm.settings import LlmSettings

CHAT = "/api/chat"
ASK = {"prompt": "What do leases do?"}


def run(settings, given=ASK, **context):
    return run_action(generate, given, FakeContext([settings], **context))


def answer(server, status, body, **headers):
    server.routes[CHAT] = lambda exchange: exchange.send(status, body, **headers)


def test_text_is_streamed_and_counted(server, ollama):
    done = run(ollama)
    assert done.tokens == ["Leases ", "expire", "."]
    assert done.result.model_dump() == {
        "text": "Leases expire.", "provider": "ollama", "model": "llama3", "tokens_in": 9, "tokens_out": 3,
        "cut_off": False,
    }  # fmt: skip


def test_the_callers_choices_become_ollamas_options(server, ollama):
    run(ollama, {**ASK, "system": "Be brief.", "max_tokens": 7, "temperature": 0.5, "model": "qwen3"})
    sent = server.seen[0].json
    assert sent["options"] == {"num_predict": 7, "temperature": 0.5}
    assert sent["model"] == "qwen3"
    assert [turn["role"] for turn in sent["messages"]] == ["system", "user"]


def test_what_a_model_keeps_in_view_is_the_operators_choice(server, ollama):
    run(ollama.model_copy(update={"ollama_context_tokens": 16_384}))
    run(ollama)
    assert [seen.json["options"] for seen in server.seen] == [{"num_ctx": 16_384}, {}]


def test_without_a_model_the_first_one_installed_is_asked(server, ollama):
    run(ollama.model_copy(update={"ollama_model": None}))
    assert server.seen[-1].json["model"] == "llama3:latest"


def test_an_ollama_without_models_says_how_to_get_one(server, ollama):
    server.routes["/api/tags"] = lambda exchange: exchange.send(200, {"models": []})
    with pytest.raises(NotConfigured, match="ollama pull"):
        run(ollama.model_copy(update={"ollama_model": None}))


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadInput), (401, NotConfigured), (403, Forbidden), (404, NotFound), (500, Transient), (503, Transient)],
)
def test_a_refusal_is_mapped_by_its_status(server, ollama, status, error):
    answer(server, status, {"error": "the vendor's reason"})
    with pytest.raises(error) as caught:
        run(ollama)
    assert type(caught.value) is error
    assert ("the vendor's reason" in caught.value.detail) == (status != 401)


def test_a_rate_limit_says_when_to_come_back(server, ollama):
    answer(server, 429, {"error": "slow down"}, retry_after="120")
    with pytest.raises(RateLimited) as caught:
        run(ollama)
    assert abs(caught.value.retry_at - datetime.now(UTC) - timedelta(seconds=120)) < timedelta(seconds=5)


def test_a_refused_connection_is_transient(refused_url):
    with pytest.raises(Transient, match="cannot be reached"):
        run(LlmSettings(ollama_host=refused_url, ollama_model="llama3"))


def test_a_refused_connection_is_transient_when_asking_for_the_models_too(refused_url):
    with pytest.raises(Transient, match="cannot be reached"):
        run(LlmSettings(ollama_host=refused_url))


def test_silence_is_transient_because_generating_changes_nothing_outside(server, ollama):
    server.routes[CHAT] = lambda exchange: exchange.stay_silent()
    with pytest.raises(Transient, match="silent"):
        run(ollama.model_copy(update={"llm_timeout_s": 1.0}))


def test_a_text_that_breaks_off_is_transient(server, ollama):
    server.routes[CHAT] = ndjson(ollama_parts()[:-1])
    with pytest.raises(Transient, match="broke off"):
        run(ollama)


def test_an_error_in_the_stream_is_transient(server, ollama):
    server.routes[CHAT] = ndjson([*ollama_parts()[:1], {"error": "runner died"}])
    with pytest.raises(Transient, match="runner died"):
        run(ollama)


def test_a_web_page_instead_of_an_answer_points_to_the_address(server, ollama):
    answer(server, 200, b"<html>Welcome</html>", content_type="text/html")
    with pytest.raises(NotConfigured, match="OLLAMA_HOST"):
        run(ollama)


def test_a_cancellation_ends_the_generation(server, ollama):
    endless = iter(lambda: server.over.is_set(), True)
    server.routes[CHAT] = ndjson(ollama_parts()[0] for _ in endless)
    context = FakeContext([ollama], cancel_after=5)
    with pytest.raises(Cancelled):
        run_action(generate, ASK, context)
    assert server.left.wait(120), "the server still writes to nobody"


def test_the_requests_keep_to_the_vendors_contract(strict_fake):
    fake = strict_fake("ollama.yaml")
    settings = LlmSettings(ollama_host=fake.url, ollama_model="llama3", ollama_context_tokens=8_192)
    given = {"prompt": "Hi", "system": "Be brief.", "max_tokens": 7, "temperature": 0.5}
    assert run(settings, given).result.provider == "ollama"
    assert "ollama at" in check_settings(settings)
    assert fake.operations() == ["POST /api/chat", "GET /api/tags"]
    assert fake.refusals() == []
