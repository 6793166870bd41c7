"""Answers of a given form, and vectors: asked for in the provider's own way, checked, and repaired once."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from llm_wire import chunk, error_body, event_stream, ndjson
from pydantic import BaseModel, Field, RootModel, create_model

from llmcoder import BadInput, Forbidden, NotConfigured, NotFound, RateLimited, Transient
from llmcoder.errors import ActionError
from llmcoder.language import LanguageModel, Message, WrongForm
from llmcoder.testing import FakeContext
from tasks.llm.services import in_batches
from tasks.llm.settings import LlmSettings
from tasks.llm.strict import strict

CHAT = "/v1/chat/completions"


class City(BaseModel):
    name: str = Field(description="Its name.")
    people: int = Field(description="How many live there.")


GOOD = '{"name": "Ulm", "people": 126000}'


def says(*texts: str) -> Any:
    """A model that says one text after the other."""
    left = list(texts)

    def route(exchange: Any) -> None:
        event_stream([chunk(left.pop(0)), chunk(finish="stop")])(exchange)

    return route


def models(settings: LlmSettings) -> LanguageModel:
    return FakeContext([settings]).use(LanguageModel)


def bodies(server: Any, path: str = CHAT) -> list[Any]:
    return [seen.json for seen in server.seen if seen.path == path]


def test_openai_is_given_the_schema_in_its_own_way_and_in_the_prompt(server: Any, openai: LlmSettings) -> None:
    server.routes[CHAT] = says(GOOD)
    models(openai).structured([Message("system", "Be brief."), Message("user", "Ulm?")], City)
    [body] = bodies(server)
    assert body["response_format"]["type"] == "json_schema"
    asked = body["response_format"]["json_schema"]
    assert (asked["name"], asked["strict"], asked["schema"]["required"]) == ("City", True, ["name", "people"])
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert "Be brief." in body["messages"][0]["content"] and '"people"' in body["messages"][0]["content"]
    assert "temperature" not in body, "OpenAI's reasoning models refuse any but their own"


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (400, "response_format is not supported"),
        (400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."),
        (422, "The provided JSON schema contains features not supported by xgrammar."),
        (400, "failed to parse grammar"),
    ],
)
def test_a_server_that_cannot_hold_a_model_to_the_form_is_asked_without(
    server: Any, openai: LlmSettings, status: int, complaint: str
) -> None:
    def route(exchange: Any) -> None:
        if "response_format" in exchange.seen.json:
            exchange.send(status, error_body(complaint))
        else:
            says(GOOD)(exchange)

    server.routes[CHAT] = route
    assert models(openai).structured([Message("user", "Ulm?")], City).value.name == "Ulm"
    assert len(server.seen) == 2


def test_a_wrong_answer_goes_back_and_both_calls_count(server: Any, openai: LlmSettings) -> None:
    server.routes[CHAT] = says('{"name": "Ulm", "people": "many"}', GOOD)
    ctx = FakeContext([openai])
    done = ctx.use(LanguageModel).structured([Message("user", "Ulm?")], City)
    assert (done.value.people, len(done.completions), len(ctx.usage.calls)) == (126_000, 2, 2)
    assert ctx.tokens == [], "nobody wants to watch JSON being written"


def test_an_answer_that_was_cut_off_says_so(server: Any, openai: LlmSettings, ollama: LlmSettings) -> None:
    server.routes[CHAT] = event_stream([chunk("Le"), chunk(finish="length")])
    assert models(openai).complete([Message("user", "Hi")]).cut_off
    part = {"model": "llama3", "message": {"role": "assistant", "content": "Le"}, "done": True}
    server.routes["/api/chat"] = ndjson([part | {"done_reason": "length"}])
    assert models(ollama).complete([Message("user", "Hi")]).cut_off
    server.routes["/api/chat"] = ndjson([part | {"done_reason": "stop"}])
    assert not models(ollama).complete([Message("user", "Hi")]).cut_off


def test_ollama_is_given_the_schema_as_its_format(server: Any, ollama: LlmSettings) -> None:
    part = {"model": "llama3", "message": {"role": "assistant", "content": GOOD}, "done": True}
    server.routes["/api/chat"] = ndjson([part])
    assert models(ollama).structured([Message("user", "Ulm?")], City).value.name == "Ulm"
    assert bodies(server, "/api/chat")[0]["format"]["required"] == ["name", "people"]


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (400, "json: cannot unmarshal object into Go struct field ChatRequest.format of type string"),
        (500, "failed to load model vocabulary required for format"),
    ],
)
def test_an_ollama_that_cannot_hold_a_model_to_the_form_is_asked_without(
    server: Any, ollama: LlmSettings, status: int, complaint: str
) -> None:
    part = {"model": "llama3", "message": {"role": "assistant", "content": GOOD}, "done": True}

    def route(exchange: Any) -> None:
        if exchange.seen.json.get("format"):
            exchange.send(status, {"error": complaint})
        else:
            ndjson([part])(exchange)

    server.routes["/api/chat"] = route
    assert models(ollama).structured([Message("user", "Ulm?")], City).value.name == "Ulm"
    assert len(server.seen) == 2


class Street(BaseModel):
    name: str = Field("", max_length=9, pattern="^[A-Z]", description="Its name.")
    kind: Literal["road", "path"] | None = Field(None, description="Which kind.")


class Town(BaseModel):
    street: Street = Field(description="The main one.")
    streets: list[Street] = Field(default_factory=list, min_length=1, description="All of them.")
    people: int = Field(ge=0, description="How many live there.")


def test_a_form_is_closed_and_complete_for_strict_mode() -> None:
    closed = strict(Town.model_json_schema())
    assert closed is not None
    assert (closed["required"], closed["additionalProperties"]) == (["street", "streets", "people"], False)
    assert closed["properties"]["street"] == {"$ref": "#/$defs/Street"}
    assert closed["properties"]["streets"]["minItems"] == 1
    assert closed["properties"]["people"]["minimum"] == 0
    street = closed["$defs"]["Street"]
    assert (street["required"], street["additionalProperties"]) == (["name", "kind"], False)
    assert street["properties"]["name"] == {"description": "Its name.", "type": "string"}
    assert street["properties"]["kind"]["anyOf"][0] == {"enum": ["road", "path"], "type": "string"}


def fields(**kinds: Any) -> dict[str, Any]:
    return create_model("Any", **{name: (kind, ...) for name, kind in kinds.items()}).model_json_schema()


@pytest.mark.parametrize(
    "schema",
    [
        fields(a=dict[str, int]),
        fields(a=dict),
        fields(a=Any),
        fields(a=list),
        fields(a=tuple[int, str]),
        RootModel[list[int]].model_json_schema(),
        {"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "object", "properties": {}}}},
        {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}]}}},
    ],
    ids=str,
)
def test_what_strict_mode_cannot_say_is_asked_for_without_it(schema: dict[str, Any]) -> None:
    assert strict(schema) is None


def test_the_forms_that_are_asked_for_keep_to_the_vendors_contracts(strict_fake: Any) -> None:
    fake = strict_fake("openai.json", "--base", "/v1")
    settings = LlmSettings.model_validate(
        {"openai_base_url": fake.url, "openai_api_key": "sk-x", "openai_model": "m", "openai_embedding_model": "e"}
    )
    for form in (City, create_model("Free", any=(dict[str, int], ...))):
        with pytest.raises(WrongForm):  # the fake's text is no form
            models(settings).structured([Message("user", "Ulm?")], form)
    vector = {"object": "embedding", "index": 0, "embedding": [0.0, 2.0]}
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    fake.override("POST /embeddings", 200, {"object": "list", "data": [vector], "model": "e", "usage": usage})
    assert models(settings).embed(["a"]).vectors == [[0.0, 1.0]]
    assert set(fake.operations()) == {"POST /chat/completions", "POST /embeddings"}
    assert fake.refusals() == []


def test_what_ollama_is_asked_keeps_to_its_contract(strict_fake: Any) -> None:
    fake = strict_fake("ollama.yaml")
    settings = LlmSettings.model_validate(
        {"ollama_host": fake.url, "ollama_model": "llama3", "ollama_embedding_model": "nomic"}
    )
    with pytest.raises(WrongForm):
        models(settings).structured([Message("user", "Ulm?")], City)
    fake.override("embed", 200, {"model": "nomic", "embeddings": [[0.0, 2.0]], "prompt_eval_count": 1})
    assert models(settings).embed(["a"]).vectors == [[0.0, 1.0]]
    assert set(fake.operations()) == {"POST /api/chat", "POST /api/embed"}
    assert fake.refusals() == []


# --- vectors


def embeds(vectors: list[list[float]]) -> Any:
    def route(exchange: Any) -> None:
        given = exchange.seen.json["input"]
        data = [{"object": "embedding", "index": n, "embedding": vectors[n % len(vectors)]} for n in range(len(given))]
        usage = {"prompt_tokens": 5, "total_tokens": 5}
        exchange.send(200, {"object": "list", "data": data[::-1], "model": "embed-1", "usage": usage})

    return route


def with_embeddings(settings: LlmSettings, **more: str) -> LlmSettings:
    return LlmSettings.model_validate({**settings.model_dump(), **more})


def test_texts_become_vectors_of_length_one_in_their_order(server: Any, openai: LlmSettings) -> None:
    server.routes["/v1/embeddings"] = embeds([[3.0, 4.0], [0.0, 2.0]])
    own = with_embeddings(openai, openai_embedding_model="embed-1")
    ctx = FakeContext([own])
    assert ctx.use(LanguageModel).can_embed()
    found = ctx.use(LanguageModel).embed(["a", "b"])
    assert (found.model, found.vectors) == ("openai/embed-1", [[0.6, 0.8], [0.0, 1.0]])
    [(call, _, tokens, _)] = ctx.usage.calls.values()
    assert (call.kind, tokens) == ("embedding", 5)


def test_many_texts_go_in_several_requests(server: Any, openai: LlmSettings) -> None:
    server.routes["/v1/embeddings"] = embeds([[1.0]])
    own = with_embeddings(openai, openai_embedding_model="embed-1")
    assert len(models(own).embed(["x"] * 150).vectors) == 150
    assert [len(body["input"]) for body in bodies(server, "/v1/embeddings")] == [64, 64, 22]


def test_long_texts_go_in_several_requests_as_well() -> None:
    assert [len(batch) for batch in in_batches(["x" * 200_000] * 5)] == [2, 2, 1]
    assert [len(batch) for batch in in_batches(["x" * 2_000_000, "y"])] == [1, 1]
    assert list(in_batches([])) == []


def test_an_empty_text_is_sent_as_a_blank(server: Any, openai: LlmSettings) -> None:
    """OpenAI refuses an empty one."""
    server.routes["/v1/embeddings"] = embeds([[1.0]])
    models(with_embeddings(openai, openai_embedding_model="embed-1")).embed(["", "a"])
    assert bodies(server, "/v1/embeddings")[0]["input"] == [" ", "a"]


@pytest.mark.parametrize(
    "data",
    [
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}],
        [{"index": 1, "embedding": [1.0]}, {"index": 2, "embedding": [2.0]}],
        [{"embedding": [1.0]}, {"embedding": [2.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}],
        [{"index": 0, "embedding": "AACAPw=="}, {"index": 1, "embedding": "AACAPw=="}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": []}],
        [{"index": 0, "embedding": [1.0]}],
    ],
    ids=str,
)
def test_vectors_that_cannot_be_told_apart_are_an_error_and_not_a_mix_up(
    server: Any, openai: LlmSettings, data: list[dict[str, Any]]
) -> None:
    answer = {"object": "list", "model": "e", "data": [{"object": "embedding", **one} for one in data]}
    server.routes["/v1/embeddings"] = lambda exchange: exchange.send(200, answer)
    with pytest.raises(Transient):
        models(with_embeddings(openai, openai_embedding_model="embed-1")).embed(["a", "b"])


def test_a_vector_with_values_that_are_no_numbers_is_an_error(server: Any, ollama: LlmSettings) -> None:
    answer = b'{"model": "nomic", "embeddings": [[1.0, NaN]]}'
    server.routes["/api/embed"] = lambda exchange: exchange.send(200, answer)
    with pytest.raises(Transient, match="no numbers"):
        models(with_embeddings(ollama, ollama_embedding_model="nomic")).embed(["a"])


def test_a_server_that_does_not_count_may_embed(server: Any, openai: LlmSettings) -> None:
    answer = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [2.0]}], "model": "e"}
    server.routes["/v1/embeddings"] = lambda exchange: exchange.send(200, answer)
    assert models(with_embeddings(openai, openai_embedding_model="e")).embed(["a"]).vectors == [[1.0]]


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadInput), (401, NotConfigured), (403, Forbidden), (404, NotFound), (429, RateLimited), (503, Transient)],
)
def test_a_refused_embedding_is_mapped_and_does_not_count(
    server: Any, openai: LlmSettings, status: int, error: type[ActionError]
) -> None:
    server.routes["/v1/embeddings"] = lambda exchange: exchange.send(status, error_body())
    ctx = FakeContext([with_embeddings(openai, openai_embedding_model="embed-1")])
    with pytest.raises(error):
        ctx.use(LanguageModel).embed(["a"])
    assert ctx.usage.calls == {}


def test_silence_after_texts_were_sent_counts_since_it_may_be_billed(server: Any, openai: LlmSettings) -> None:
    server.routes["/v1/embeddings"] = lambda exchange: exchange.hang_up()
    ctx = FakeContext([with_embeddings(openai, openai_embedding_model="embed-1")])
    with pytest.raises(Transient, match="broke off"):
        ctx.use(LanguageModel).embed(["four"])
    assert [call.tokens_in for call, *_ in ctx.usage.calls.values()] == [1]


def test_ollama_embeds_too(server: Any, ollama: LlmSettings) -> None:
    answer = {"model": "nomic", "embeddings": [[0.0, 5.0]], "prompt_eval_count": 3}
    server.routes["/api/embed"] = lambda exchange: exchange.send(200, answer)
    found = models(with_embeddings(ollama, ollama_embedding_model="nomic")).embed(["a"])
    assert (found.model, found.vectors) == ("ollama/nomic", [[0.0, 1.0]])


def test_a_wrong_number_of_vectors_is_an_error_and_not_a_mix_up(server: Any, ollama: LlmSettings) -> None:
    server.routes["/api/embed"] = lambda exchange: exchange.send(200, {"model": "nomic", "embeddings": [[1.0]]})
    with pytest.raises(Transient, match="1 vectors for 2 texts"):
        models(with_embeddings(ollama, ollama_embedding_model="nomic")).embed(["a", "b"])


def test_without_an_embedding_model_there_is_none(openai: LlmSettings) -> None:
    assert not models(openai).can_embed()
    with pytest.raises(NotConfigured, match="OPENAI_EMBEDDING_MODEL"):
        models(openai).embed(["a"])


def test_one_provider_embeds_and_no_other_stands_in(server: Any, openai: LlmSettings) -> None:
    both = with_embeddings(openai, openai_embedding_model="a", ollama_host=server.url, ollama_embedding_model="b")
    assert both.embedding() == ("openai", "a")
    server.routes["/v1/embeddings"] = lambda exchange: exchange.send(503, {"error": {"message": "busy"}})
    with pytest.raises(Transient):
        models(both).embed(["a"])
    assert not [seen for seen in server.seen if seen.path == "/api/embed"]
    assert json.loads(server.seen[-1].body)["encoding_format"] == "float"
