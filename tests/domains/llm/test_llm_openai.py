"""The openai provider: its SDK over real HTTP, every branch of the error map included."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from llm_wire import answer_chunks, chunk, error_body, event_stream, models

from engine.integration_checks import check_settings
from llmcoder import (
    BadInput,
    Cancelled,
    Forbidden,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    TimedOut,
    Transient,
)
from llmcoder.testing import FakeContext, run_action
from tasks.llm.actions import chat, generate
from tasks.llm.settings import LlmSettings

CHAT = "/v1/chat/completions"
ASK = {"prompt": "What do leases do?"}


def run(settings, given=ASK, action=generate, **context):
    return run_action(action, given, FakeContext([settings], **context))


def answer(server, status, body, **headers):
    server.routes[CHAT] = lambda exchange: exchange.send(status, body, **headers)


def test_text_is_streamed_and_counted(server, openai):
    done = run(openai)
    assert done.tokens == ["Leases ", "expire", "."]
    assert done.result.model_dump() == {
        "text": "Leases expire.", "provider": "openai", "model": "tiny-1", "tokens_in": 12, "tokens_out": 3,
        "cut_off": False,
    }  # fmt: skip


def test_what_is_left_out_is_not_sent(server, openai):
    run(openai)
    assert set(server.seen[0].json) == {"model", "messages", "stream", "stream_options"}


def test_the_callers_choices_are_sent(server, openai):
    given = {"prompt": "Hi", "system": "Be brief.", "model": "big", "max_tokens": 7, "temperature": 0.5}
    run(openai, given)
    sent = server.seen[0].json
    assert [turn["role"] for turn in sent["messages"]] == ["system", "user"]
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("big", 7, 0.5)


def test_a_conversation_is_sent_as_it_is(server, openai):
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    assert run(openai, {"messages": turns}, chat).result.text == "Leases expire."
    assert server.seen[0].json["messages"] == turns


def test_a_server_without_a_key_is_asked_with_a_placeholder(server, openai):
    run(openai)
    assert server.seen[0].headers["authorization"] == "Bearer no-key"


def test_without_a_model_the_first_one_that_chats_is_asked(server, openai):
    run(openai.model_copy(update={"openai_model": None}))
    assert server.seen[-1].json["model"] == "tiny-1"


def test_a_server_that_lists_no_model_asks_for_the_setting(server, openai):
    server.routes["/v1/models"] = lambda exchange: exchange.send(200, models())
    with pytest.raises(NotConfigured, match="OPENAI_MODEL"):
        run(openai.model_copy(update={"openai_model": None}))


def test_a_server_that_denies_stream_options_is_asked_without(server, openai):
    def picky(exchange):
        if "stream_options" in exchange.seen.json:
            exchange.send(400, error_body("Unrecognized request argument: stream_options"))
        else:
            event_stream(answer_chunks()[:-1])(exchange)

    server.routes[CHAT] = picky
    assert run(openai).result.tokens_out is None
    assert len(server.seen) == 2


def test_a_model_that_wants_the_newer_name_of_the_token_limit_gets_it(server, openai):
    def picky(exchange):
        if "max_tokens" in exchange.seen.json:
            exchange.send(400, error_body("Use 'max_completion_tokens' instead of 'max_tokens'."))
        else:
            event_stream(answer_chunks())(exchange)

    server.routes[CHAT] = picky
    assert run(openai, {**ASK, "max_tokens": 5}).result.text == "Leases expire."
    assert server.seen[1].json["max_completion_tokens"] == 5


def test_a_server_that_ignores_stream_is_read_whole(server, openai):
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Whole."}}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    answer(server, 200, {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [message],
                         "usage": usage})  # fmt: skip
    done = run(openai)
    assert (done.result.text, done.result.tokens_out, done.tokens) == ("Whole.", 2, ["Whole."])


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadInput), (401, NotConfigured), (402, Refused), (403, Forbidden), (404, NotFound), (408, Transient),
     (409, Transient), (413, BadInput), (418, Refused), (422, BadInput), (500, Transient), (503, Transient)],
)  # fmt: skip
def test_a_refusal_is_mapped_by_its_status(server, openai, status, error):
    answer(server, status, error_body("the vendor's reason"))
    with pytest.raises(error) as caught:
        run(openai)
    assert type(caught.value) is error
    assert len(server.seen) == 1, "the SDK must not retry on its own"
    assert ("the vendor's reason" in caught.value.detail) == (status != 401)


def test_a_redirect_is_not_followed_and_names_the_remedy(server, openai):
    answer(server, 307, b"", location="http://192.0.2.1/v1")
    with pytest.raises(NotConfigured, match="final address"):
        run(openai)


def test_a_rate_limit_says_when_to_come_back(server, openai):
    answer(server, 429, error_body(), retry_after="120")
    with pytest.raises(RateLimited) as caught:
        run(openai)
    assert abs(caught.value.retry_at - datetime.now(UTC) - timedelta(seconds=120)) < timedelta(seconds=5)


def test_a_rate_limit_without_a_time_waits_a_little(server, openai):
    answer(server, 429, error_body())
    with pytest.raises(RateLimited) as caught:
        run(openai)
    assert caught.value.retry_at > datetime.now(UTC) + timedelta(seconds=10)


def test_an_account_without_credit_is_refused_because_waiting_does_not_help(server, openai):
    answer(server, 429, error_body("You exceeded your quota", "insufficient_quota"))
    with pytest.raises(Refused, match="credit"):
        run(openai)


def test_the_key_never_stands_in_an_error(server):
    settings = LlmSettings(openai_base_url=f"{server.url}/v1", openai_api_key="sk-canary", openai_model="m")
    for status in (400, 401, 500):
        answer(server, status, error_body("bad key sk-canary"))
        with pytest.raises(Exception) as caught:
            run(settings)
        assert "sk-canary" not in str(caught.value)


def test_a_refused_connection_is_transient(refused_url):
    with pytest.raises(Transient, match="cannot be reached"):
        run(LlmSettings(openai_base_url=f"{refused_url}/v1", openai_model="m"))


def test_silence_is_transient_because_generating_changes_nothing_outside(server, openai):
    server.routes[CHAT] = lambda exchange: exchange.stay_silent()
    with pytest.raises(Transient, match="silent"):
        run(openai.model_copy(update={"llm_timeout_s": 1.0}))


def test_silence_in_the_middle_of_the_text_is_transient(server, openai):
    def stalls(exchange):
        exchange.start("text/event-stream")
        exchange.piece(b'data: {"choices":[{"index":0,"delta":{"content":"Le"}}]}\n\n')
        exchange.stay_silent()

    server.routes[CHAT] = stalls
    with pytest.raises(Transient):
        run(openai.model_copy(update={"llm_timeout_s": 1.0}))


def test_a_connection_cut_in_the_middle_of_the_text_is_transient(server, openai):
    def breaks(exchange):
        exchange.start("text/event-stream")
        exchange.piece(b'data: {"choices":[{"index":0,"delta":{"content":"Le"}}]}\n\n')
        exchange.hang_up()

    server.routes[CHAT] = breaks
    with pytest.raises(Transient):
        run(openai)


def test_an_unframed_answer_without_a_finish_is_taken_for_cut_off(server, openai):
    server.routes[CHAT] = event_stream([chunk("Le")], chunked=False, done=False)
    with pytest.raises(Transient, match="broke off"):
        run(openai)


def test_an_error_event_in_the_stream_is_transient(server, openai):
    server.routes[CHAT] = event_stream([chunk("Le"), error_body("worker died")])
    with pytest.raises(Transient, match="worker died"):
        run(openai)


def test_a_filtered_answer_is_refused(server, openai):
    server.routes[CHAT] = event_stream([chunk("Le"), chunk(finish="content_filter")])
    with pytest.raises(Refused, match="content filter"):
        run(openai)


def test_a_web_page_instead_of_an_answer_points_to_the_address(server, openai):
    answer(server, 200, b"<html>Welcome</html>", content_type="text/html")
    with pytest.raises(NotConfigured, match="/v1"):
        run(openai)


def test_garbage_instead_of_json_points_to_the_address(server, openai):
    answer(server, 200, b"{not json", content_type="application/json")
    with pytest.raises(NotConfigured, match="OPENAI_BASE_URL"):
        run(openai)


def test_a_cancellation_ends_the_generation_and_closes_the_connection(server, openai):
    left = threading.Event()

    def endless(exchange):
        exchange.start("text/event-stream")
        try:
            while not server.over.is_set():
                exchange.piece(b'data: {"choices":[{"index":0,"delta":{"content":"more "}}]}\n\n')
        except OSError:
            left.set()

    server.routes[CHAT] = endless
    context = FakeContext([openai], cancel_after=5)
    with pytest.raises(Cancelled):
        run_action(generate, ASK, context)
    assert 0 < len(context.tokens) <= 5
    assert left.wait(120), "the server still writes to nobody"


def test_a_model_that_writes_past_the_deadline_is_stopped(server, openai):
    server.routes[CHAT] = event_stream(chunk("more ") for _ in iter(server.over.is_set, True))
    with pytest.raises(TimedOut):
        run(openai, timeout_s=0.5)


def test_the_requests_keep_to_the_vendors_contract(strict_fake):
    fake = strict_fake("openai.json", "--base", "/v1")
    settings = LlmSettings(openai_base_url=fake.url, openai_api_key="sk-x", openai_model="gpt-5.4-mini")
    given = {"prompt": "Hi", "system": "Be brief.", "max_tokens": 7, "temperature": 0.5}
    assert run(settings, given).result.provider == "openai"
    assert "openai at" in check_settings(settings)
    assert fake.operations() == ["POST /chat/completions", "GET /models"]
    assert fake.refusals() == []


# --- limits


@pytest.mark.parametrize(
    ("said", "pauses_s"),
    [
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "6m0s"}, [360]),
        ({"x_ratelimit_remaining_requests": "1", "x_ratelimit_reset_requests": "6m0s"}, []),
        (
            {
                "x_ratelimit_remaining_requests": "0",
                "x_ratelimit_reset_requests": "250ms",
                "x_ratelimit_remaining_tokens": "0",
                "x_ratelimit_reset_tokens": "1m1.5s",
            },
            [61.5],
        ),
        ({"ratelimit_remaining": "0", "ratelimit_reset": "30"}, [30]),
        ({"retry_after": "20"}, [20]),
        ({"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "soon"}, [0]),
        ({}, []),
    ],
)
def test_an_answer_that_uses_up_the_limit_pauses_everybody(server, openai, said, pauses_s):
    whole = {"model": "tiny-1", "choices": [{"index": 0, "message": {"content": "Leases."}, "finish_reason": "stop"}]}
    answer(server, 200, whole, **said)
    began = datetime.now(UTC)
    ctx = run(openai).context
    assert [(pause - began).total_seconds() for pause in ctx.pauses] == [pytest.approx(s, abs=5) for s in pauses_s]


def test_where_another_provider_can_be_asked_nobody_waits(server, openai, ollama):
    whole = {"model": "tiny-1", "choices": [{"index": 0, "message": {"content": "Leases."}, "finish_reason": "stop"}]}
    answer(server, 200, whole, retry_after="20")
    both = openai.model_copy(update={"ollama_host": ollama.ollama_host, "ollama_model": "llama3"})
    done = run(both)
    assert (done.result.provider, done.context.pauses) == ("openai", [])
