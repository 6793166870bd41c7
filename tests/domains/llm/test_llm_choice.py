"""Which provider is asked, when another one takes over, and what the settings say of themselves."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from llm_wire import chunk, error_body, event_stream, models

from engine.integration_checks import check_settings
from llmcoder import BadInput, Forbidden, NotConfigured, RateLimited, Transient
from llmcoder.language import LanguageModel, Message
from llmcoder.settings import InvalidSettings
from llmcoder.testing import FakeContext, run_action
from tasks.llm.actions import generate
from tasks.llm.asking import first_chat_model
from tasks.llm.openai_client import without_denied
from tasks.llm.services import most_helpful
from tasks.llm.settings import LlmSettings

CHAT = "/v1/chat/completions"
ASK = {"prompt": "What do leases do?"}


@pytest.fixture
def both(openai, ollama):
    """One server that is both providers."""
    return openai.model_copy(update={"ollama_host": ollama.ollama_host, "ollama_model": "llama3"})


def run(settings, given=ASK):
    return run_action(generate, given, FakeContext([settings]))


def test_the_configured_order_decides(both):
    assert run(both).result.provider == "openai"
    assert run(both.model_copy(update={"llm_providers": ("ollama", "openai")})).result.provider == "ollama"


def test_the_request_can_name_the_provider(both):
    assert run(both, {**ASK, "provider": "ollama"}).result.provider == "ollama"


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_the_next_provider_takes_over_while_nothing_was_generated(server, both, status):
    server.routes[CHAT] = lambda exchange: exchange.send(status, error_body())
    assert run(both).result.provider == "ollama"


def test_no_other_provider_is_asked_once_text_was_seen(server, both):
    server.routes[CHAT] = event_stream([chunk("Le"), error_body("worker died")])
    with pytest.raises(Transient):
        run(both)
    assert [seen.path for seen in server.seen] == [CHAT]


def test_no_other_provider_is_asked_when_the_request_itself_is_wrong(server, both):
    server.routes[CHAT] = lambda exchange: exchange.send(400, error_body("too long"))
    with pytest.raises(BadInput):
        run(both)
    assert [seen.path for seen in server.seen] == [CHAT]


def test_no_other_provider_is_asked_when_the_request_names_one(server, both):
    server.routes[CHAT] = lambda exchange: exchange.send(500, error_body())
    with pytest.raises(Transient):
        run(both, {**ASK, "provider": "openai"})
    assert [seen.path for seen in server.seen] == [CHAT]


def test_naming_a_provider_that_is_not_configured_names_the_setting(openai):
    with pytest.raises(NotConfigured, match="OLLAMA_HOST"):
        run(openai, {**ASK, "provider": "ollama"})


def test_without_any_provider_the_action_names_all_ways_to_get_one():
    with pytest.raises(NotConfigured, match="OPENAI_API_KEY, OPENAI_BASE_URL or OLLAMA_HOST"):
        run(LlmSettings())


def test_the_error_that_stands_for_all_is_the_one_that_heals_soonest():
    now = datetime.now(UTC)
    late, soon = (RateLimited("x", now + timedelta(seconds=s)) for s in (60, 10))
    assert most_helpful([Forbidden("x"), Transient("y"), late, soon]) is soon
    assert isinstance(most_helpful([Forbidden("x"), Transient("y")]), Transient)
    assert isinstance(most_helpful([Forbidden("x"), NotConfigured("y")]), Forbidden)


def test_other_domains_get_the_models_from_their_context(openai):
    context = FakeContext([openai])
    model = context.use(LanguageModel)
    assert model.configured()
    assert model.complete([Message("user", "Hi")]).text == "Leases expire."
    assert context.tokens == [], "only a caller who asks for it streams to the watchers"


def test_what_a_server_denies_is_given_up_only_where_the_answer_stays_as_good():
    request = {"model": "m", "stream_options": {}, "max_tokens": 5, "temperature": 1}
    assert without_denied(request, "stream_options?") == {"model": "m", "max_tokens": 5, "temperature": 1}
    assert without_denied(request, "use max_completion_tokens")["max_completion_tokens"] == 5
    assert without_denied(request, "temperature is not supported") == request


def test_an_embedding_model_is_not_asked_to_chat():
    assert first_chat_model(["nomic-embed-text", "llama3"]) == "llama3"
    assert first_chat_model(["text-embedding-3-small"]) is None


def test_the_check_names_who_answers_and_who_does_not(server, both, refused_url):
    found = check_settings(both.model_copy(update={"ollama_host": refused_url}))
    assert f"openai at {server.url}/v1 answers with 2 models; used: tiny-1." in found
    assert f"{refused_url} cannot be reached" in found


def test_the_check_says_when_the_configured_model_is_not_there(openai):
    assert "does not list" in check_settings(openai.model_copy(update={"openai_model": "huge"}))


def test_the_check_fails_when_nobody_answers(refused_url):
    with pytest.raises(Transient, match="cannot be reached"):
        check_settings(LlmSettings(ollama_host=refused_url))
    with pytest.raises(NotConfigured):
        check_settings(LlmSettings())


def test_the_check_of_a_wrong_key_names_the_setting(server, openai):
    server.routes["/v1/models"] = lambda exchange: exchange.send(401, error_body())
    with pytest.raises(NotConfigured, match="OPENAI_API_KEY"):
        check_settings(openai)
    server.routes["/v1/models"] = lambda exchange: exchange.send(200, models())
    assert "OPENAI_MODEL" in check_settings(openai.model_copy(update={"openai_model": None}))


@pytest.mark.parametrize(
    ("given", "url"),
    [("http://127.0.0.1:11434/", "http://127.0.0.1:11434"), ("gpu.lan", "http://gpu.lan:11434"),
     ("gpu.lan:80", "http://gpu.lan:80"), ("https://gpu.lan", "https://gpu.lan")],
)  # fmt: skip
def test_ollamas_host_is_read_as_ollamas_own_tools_read_it(given, url):
    assert LlmSettings.read({"OLLAMA_HOST": given}).ollama_host == url


@pytest.mark.parametrize(
    ("name", "value"),
    [("OPENAI_BASE_URL", "ftp://x/v1"), ("OPENAI_BASE_URL", "http://user:word@x/v1"), ("OPENAI_BASE_URL", "/v1"),
     ("LLM_PROVIDERS", "openai,claude"), ("LLM_PROVIDERS", ","), ("LLM_TIMEOUT_S", "0")],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_refused(name, value):
    with pytest.raises(InvalidSettings, match=name) as caught:
        LlmSettings.read({name: value})
    assert "word" not in str(caught.value).replace("password", "")


def test_importing_the_domain_loads_no_sdk_and_no_http_library():
    code = (
        "import sys, tasks.llm.actions, tasks.llm.services, tasks.llm.settings, tasks.llm.client\n"
        "print({m.partition('.')[0] for m in sys.modules} & {'openai', 'ollama', 'httpx', 'httpx2', 'httpcore'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
