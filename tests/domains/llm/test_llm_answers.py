"""What servers send besides the protocol: the answer is read out of it, or the error says what came in its place."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

import json

import pytest
from llm_wire import chunk, event_stream, ndjson

from llmcoder import BadInput, Forbidden, NotConfigured, NotFound, RateLimited, Refused, Transient
from llmcoder.errors import ActionError
from llmcoder.testing import FakeContext, run_action
from tasks.llm.actions import generate

CHAT = "/v1/chat/completions"
PROSE = "The bridge was approved on Monday."
STOP = chunk(finish="stop")
DONE = "data: [DONE]\n\n"


def data(sent):
    return f"data: {json.dumps(sent)}\n\n"


def delta(**fields):
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def body(server, content, media_type="text/event-stream"):
    content = content if isinstance(content, bytes) else content.encode()
    server.routes[CHAT] = lambda exchange: exchange.send(200, content, media_type)


def run(settings, **given):
    return run_action(generate, {"prompt": "Say it.", **given}, FakeContext([settings]))


TEXT = data(chunk(PROSE))
END = data(STOP) + DONE
#: Streams, and who sends them so.
STREAMS = {
    "content as a list (Mistral)": data(delta(content=[{"type": "text", "text": PROSE}])) + END,
    "a list of strings": data(delta(content=[PROSE])) + END,
    "thoughts in the list (Magistral)": data(
        delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": PROSE}])
    ) + END,
    "thoughts as a part (Claude behind LiteLLM)": data(
        delta(content=[{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": PROSE}])
    ) + END,
    "output_text (Responses API behind a proxy)": data(delta(content=[{"type": "output_text", "text": PROSE}])) + END,
    "a text with a value (Assistants)": data(delta(content=[{"type": "text", "text": {"value": PROSE}}])) + END,
    "one part that is no list": data(delta(content={"type": "text", "text": PROSE})) + END,
    "reasoning_content (DeepSeek, vLLM)": data(delta(reasoning_content="hm", content=None)) + TEXT + END,
    "reasoning (OpenRouter, Ollama)": data(delta(reasoning="hm", content="")) + TEXT + END,
    "reasoning_details (OpenRouter)": data(delta(reasoning_details=[{"type": "reasoning.text", "text": "hm"}])) + TEXT + END,
    "data without data": "data: \n\n" + TEXT + "data:\n\n" + END,
    "a comment as data": "data: : keepalive\n\n" + TEXT + END,
    "a ping as data": 'data: ping\n\ndata: "ping"\n\ndata: null\n\ndata: {"type": "ping"}\n\n' + TEXT + END,
    "comments between (OpenRouter)": ": OPENROUTER PROCESSING\n\n" + TEXT + ": OPENROUTER PROCESSING\n\n" + END,
    "ids, retries and named events": "retry: 10\n\nid: 1\nevent: message\n" + TEXT + "event: ping\n\n" + END,
    "line ends of Windows": (TEXT + END).replace("\n", "\r\n"),
    "a byte-order mark before it": "\ufeff" + TEXT + END,
    "blank lines before it": "\n\n\n" + TEXT + END,
    "no blank after the colon": TEXT.replace("data: ", "data:") + END,
    "no blank line at the end": TEXT + data(STOP).rstrip("\n"),
    "no [DONE]": TEXT + data(STOP),
    "no reason to stop": TEXT + DONE,
    "an empty list of choices first (Azure)": data({"choices": [], "prompt_filter_results": []}) + TEXT + END,
    "null for choices": data({"choices": None}) + TEXT + END,
    "a choice without a delta": data({"choices": [{"index": 0, "finish_reason": None}]}) + TEXT + END,
    "null for a delta": data({"choices": [{"index": 0, "delta": None}]}) + TEXT + END,
    "text of the older API": data({"choices": [{"index": 0, "text": PROSE}]}) + END,
    "a message instead of a delta": data({"choices": [{"index": 0, "message": {"content": PROSE}}]}) + END,
    "a reason that is an object (SGLang)": TEXT + data({"choices": [{"delta": {}, "finish_reason": {"type": "stop"}}]}) + DONE,
    "a reason of its own": TEXT + data(chunk(finish="eos_token")) + DONE,
    "NaN in it": TEXT.replace('"created": 1', '"created": NaN') + END,
    "a model that is null": TEXT.replace('"model": "tiny-1"', '"model": null') + END,
    "usage that is no usage": data(chunk(PROSE, usage="none")) + END,
    "a wrong byte in it": TEXT.encode().replace(b'"c1"', b'"c\xff"') + END.encode(),
}  # fmt: skip


@pytest.mark.parametrize("sender", STREAMS)
def test_the_answer_is_read_out_of_a_stream(server, openai, sender):
    body(server, STREAMS[sender])
    assert run(openai).result.text == PROSE


def whole(content=PROSE, **more):
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"} | more
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


WHOLE = {
    "as it should be": (whole(), "application/json"),
    "as plain text": (whole(), "text/plain; charset=utf-8"),
    "as a stream, which it is not": (whole(), "text/event-stream"),
    "as nothing": (whole(), "application/octet-stream"),
    "content as a list": (whole([{"type": "text", "text": PROSE}]), "application/json"),
    "thoughts beside it": (whole(message={"content": PROSE, "reasoning_content": "hm"}), "application/json"),
    "text of the older API": ({"choices": [{"text": PROSE}]}, "application/json"),
    "no usage and no model": ({"choices": [{"message": {"content": PROSE}}]}, "application/json"),
}


@pytest.mark.parametrize("sender", WHOLE)
def test_the_answer_is_read_out_of_one_object(server, openai, sender):
    sent, media_type = WHOLE[sender]
    body(server, json.dumps(sent), media_type)
    assert run(openai).result.text == PROSE


def test_one_object_may_have_a_mark_before_it_and_blanks(server, openai):
    body(server, b"\xef\xbb\xbf\r\n " + json.dumps(whole()).encode(), "application/json")
    assert run(openai).result.text == PROSE


def test_a_stream_under_another_name_is_one(server, openai):
    body(server, TEXT + END, "application/json")
    assert run(openai).result.text == PROSE


#: Nothing that is an answer, or not all of one; what the error says of it.
FAILURES = {
    "an error event": ('event: error\ndata: {"message": "upstream died"}\n\n', Transient, "upstream died"),
    "an error event in words": ("event: error\ndata: upstream died\n\n", Transient, "upstream died"),
    "an error as an object": (data({"error": {"message": "worker died", "code": 502}}), Transient, "worker died"),
    "an error as a text": (data({"error": "worker died"}), Transient, "worker died"),
    "an error after the beginning": (TEXT + data({"error": {"message": "worker died"}}) + DONE, Transient, "worker died"),
    "an error of vLLM": (data({"object": "error", "message": "worker died"}), Transient, "worker died"),
    "an error of Anthropic": (data({"type": "error", "error": {"message": "Overloaded"}}), Transient, "Overloaded"),
    "an error of FastAPI": (data({"detail": "Not today"}), Transient, "Not today"),
    "an error of a choice": (
        data({"choices": [{"delta": {}, "finish_reason": "error", "error": {"message": "worker died"}}]}), Transient, "worker died",
    ),
    "an error in a list (Gemini)": (json.dumps([{"error": {"message": "worker died"}}]), Transient, "worker died"),
    "an error that is a number": (data({"error": {"code": 502}}), Transient, "502"),
    "an error with its status (OpenRouter's credits)": (
        data({"error": {"code": 402, "message": "Insufficient credits"}}), Refused, "Insufficient credits",
    ),
    "a status in words (LiteLLM)": (data({"error": {"code": "429", "message": "slow"}}), RateLimited, "slow"),
    "no credit (OpenAI, in its stream)": (
        data({"error": {"code": "insufficient_quota", "message": "No credit"}}), Refused, "No credit",
    ),
    "too long a prompt (vLLM, in its stream)": (
        data({"object": "error", "type": "BadRequestError", "code": 400, "message": "too long"}), BadInput, "too long",
    ),
    "too long a prompt (llama.cpp)": (
        data({"error": {"type": "exceed_context_size_error", "message": "too long"}}), BadInput, "too long",
    ),
    "no such model (LM Studio)": (data({"error": {"code": "model_not_found", "message": "none"}}), NotFound, "none"),
    "a key of no use": (data({"error": {"code": 401, "message": "no"}}), NotConfigured, "OPENAI_API_KEY"),
    "a region that may not (OpenRouter)": (data({"error": {"code": 403, "message": "no"}}), Forbidden, "no"),
    "an error that numbers itself as it likes": (data({"error": {"code": 1305, "message": "busy"}}), Transient, "busy"),
    "a number that is none of an error": (data({"error": {"code": 200, "message": "odd"}}), Transient, "odd"),
    "one object with its status": (json.dumps({"error": {"code": 402, "message": "pay"}}), Refused, "pay"),
    "the reason is error": (data(chunk("The bri")) + data(chunk(finish="error")) + DONE, Transient, "error"),
    "the reason is abort (vLLM)": (TEXT + data(chunk(finish="abort")) + DONE, Transient, "abort"),
    "the reason is an abort (SGLang)": (
        TEXT + data({"choices": [{"delta": {}, "finish_reason": {"type": "abort", "message": "x"}}]}) + DONE, Transient, "abort",
    ),
    "the reason is network_error (GLM)": (TEXT + data(chunk(finish="network_error")) + DONE, Transient, "network_error"),
    "the reason is insufficient_system_resource (DeepSeek)": (
        TEXT + data(chunk(finish="insufficient_system_resource")) + DONE, Transient, "insufficient",
    ),
    "the reason is MALFORMED_FUNCTION_CALL (Gemini)": (
        data(chunk(finish="MALFORMED_FUNCTION_CALL")) + DONE, Transient, "MALFORMED",
    ),
    "filtered by OpenAI": (TEXT + data(chunk(finish="content_filter")) + DONE, Refused, "content filter"),
    "filtered by GLM": (TEXT + data(chunk(finish="sensitive")) + DONE, Refused, "content filter"),
    "filtered by Gemini": (TEXT + data(chunk(finish="SAFETY")) + DONE, Refused, "content filter"),
    "a refusal": (data(delta(refusal="I cannot.")) + END, Refused, "I cannot"),
    "a refusal in the list": (data(delta(content=[{"type": "refusal", "refusal": "I cannot."}])) + END, Refused, "I cannot"),
    "thoughts apart and no answer": (data(delta(reasoning_content="hm")) + END, Transient, "only thoughts"),
    "thoughts in the text and no answer": (data(chunk("<think>hm</think>\n\n")) + END, Transient, "only thoughts"),
    "thoughts up to the limit": (data(chunk("<think>hm")) + data(chunk(finish="length")) + DONE, Refused, "limit of tokens"),
    "a call of a tool": (data(delta(tool_calls=[{"id": "t"}])) + data(chunk(finish="tool_calls")) + DONE, Transient, "tool"),
    "an empty text": (data(chunk("")) + END, Transient, "no answer"),
    "blanks": (data(chunk(" \n")) + END, Transient, "no answer"),
    "nothing but the end": (DONE, Transient, "no answer"),
    "nothing at all": ("", Transient, "broke off"),
    "comments alone": (": ping\n\n: ping\n\n", Transient, "broke off"),
    "words instead of data": ("data: Internal Server Error\n\n", Transient, "Internal Server Error"),
    "a beginning, and an orderly end": (data(chunk("The bri")), Transient, "broke off"),
    "JSON of something else": (json.dumps({"status": "ok"}), NotConfigured, "OPENAI_BASE_URL"),
    "half of an object": (json.dumps(whole())[:60], NotConfigured, "OPENAI_BASE_URL"),
    "one object without an answer": (json.dumps(whole(None)), Transient, "no answer"),
    "one object without choices": (json.dumps({"choices": []}), Transient, "no answer"),
    "one object with thoughts alone": (json.dumps(whole("<think>hm</think>")), Transient, "only thoughts"),
    "one object that ended in an error": (json.dumps(whole("The bri", finish_reason="error")), Transient, "error"),
}  # fmt: skip


@pytest.mark.parametrize("sender", FAILURES)
def test_no_answer_is_an_error_that_says_so(server, openai, sender):
    sent, error, words = FAILURES[sender]
    body(server, sent)
    with pytest.raises(error) as caught:
        run(openai)
    assert words in caught.value.detail


def test_the_key_stands_in_no_error_of_a_stream(server, openai):
    keyed = openai.model_validate({**openai.model_dump(), "openai_api_key": "sk-canary"})
    for sent in ("data: bad key sk-canary\n\n", data({"error": {"message": "bad key sk-canary"}})):
        body(server, sent)
        with pytest.raises(ActionError) as caught:
            run(keyed)
        assert "sk-canary" not in caught.value.detail


def test_deep_and_huge_lines_are_no_answer(server, openai):
    for noise in ("[" * 100_000, '{"choices":' * 5_000, "x" * 5_000_000, "<" * 5_000_000):
        body(server, f"data: {noise}\n\n" + TEXT + END)
        assert run(openai).result.text == PROSE


# --- Ollama


def part(text="", done=False, **more):
    return {"model": "llama3", "message": {"role": "assistant", "content": text}, "done": done, **more}


LAST = part(done=True, done_reason="stop")
OLLAMA = {
    "empty lines (a proxy)": ["", json.dumps(part(PROSE)), "", "", json.dumps(LAST)],
    "lines of an event stream (a proxy)": [f"data: {json.dumps(part(PROSE))}", "", f"data: {json.dumps(LAST)}", "data: [DONE]"],
    "comments": [": ping", json.dumps(part(PROSE)), json.dumps(LAST)],
    "thoughts apart": [json.dumps(part(message={"content": "", "thinking": "hm"})), json.dumps(part(PROSE)), json.dumps(LAST)],
    "content as a list": [json.dumps(part([{"type": "text", "text": PROSE}])), json.dumps(LAST)],
    "null for content": [json.dumps(part(None)), json.dumps(part(PROSE)), json.dumps(LAST)],
    "no message at the end": [json.dumps(part(PROSE)), json.dumps({"done": True})],
    "all at once": [json.dumps(part(PROSE, done=True))],
    "NaN among the figures": [json.dumps(part(PROSE)), json.dumps({**LAST, "eval_count": float("nan")})],
    "an event stream with all its fields": [
        "retry: 10", "id: 1", "event: message", f"data: {json.dumps(part(PROSE))}", "", f"data: {json.dumps(LAST)}",
    ],
    "lines that are no JSON": ["data: ping", json.dumps(part(PROSE)), "keepalive", "null", '"ping"', json.dumps(LAST)],
    "a mark before it": ["\ufeff" + json.dumps(part(PROSE)), json.dumps(LAST)],
    "line ends of Windows": [json.dumps(part(PROSE)) + "\r", json.dumps(LAST) + "\r"],
    "a figure that is a text": [json.dumps(part(PROSE)), json.dumps({**LAST, "eval_count": "3"})],
}  # fmt: skip


@pytest.mark.parametrize("sender", OLLAMA)
def test_the_answer_is_read_out_of_ollamas_lines(server, ollama, sender):
    lines = "\n".join([*OLLAMA[sender], ""]).encode()
    server.routes["/api/chat"] = lambda exchange: exchange.send(200, lines, "application/x-ndjson")
    assert run(ollama).result.text == PROSE


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"], ids=ascii)
def test_what_only_some_take_for_a_lines_end_may_stand_in_a_text(server, openai, ollama, end):
    """httpx ends a line there, and no JSON does (modaic's 188, hermes-agent's 111345)."""
    text = f"one{end}two"
    written = json.dumps(text, ensure_ascii=False)[1:-1]
    lines = "\n".join([json.dumps(part("TEXT")).replace("TEXT", written), json.dumps(LAST), ""]).encode()
    server.routes["/api/chat"] = lambda exchange: exchange.send(200, lines, "application/x-ndjson")
    assert run(ollama).result.text == text
    body(server, (data(chunk("TEXT")) + END).replace("TEXT", written))
    assert run(openai).result.text == text


def test_what_an_ollama_said_instead_is_told(server, ollama):
    server.routes["/api/chat"] = lambda exchange: exchange.send(200, b"upstream connect error\n", "text/plain")
    with pytest.raises(Transient, match="upstream connect error"):
        run(ollama)


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ([part(done=True, done_reason="stop")], Transient, "no answer"),
        ([part(done=True, done_reason="load")], Transient, "no answer"),
        ([part("The bri"), part(done=True, done_reason="unload")], Transient, "unload"),
        ([part("<think>hm</think>"), LAST], Transient, "only thoughts"),
        ([part(message={"thinking": "hm", "content": ""}), LAST], Transient, "only thoughts"),
        ([part("<think>hm"), part(done=True, done_reason="length")], Refused, "limit of tokens"),
        ([part("The bri"), {"error": {"message": "runner died"}}], Transient, "runner died"),
        ([part("The bri")], Transient, "broke off"),
        ([], Transient, "broke off"),
    ],
)
def test_no_answer_of_ollamas_is_an_error_that_says_so(server, ollama, parts, error, words):
    server.routes["/api/chat"] = ndjson(parts)
    with pytest.raises(error) as caught:
        run(ollama)
    assert words in caught.value.detail


def test_a_model_that_has_answered_shows_what_came_before_an_error(server, openai):
    server.routes[CHAT] = event_stream([chunk("Leases "), {"error": "worker died"}])
    context = FakeContext([openai])
    with pytest.raises(Transient):
        run_action(generate, {"prompt": "x"}, context)
    assert context.tokens == ["Leases "]
