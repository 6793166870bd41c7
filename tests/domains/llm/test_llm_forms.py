"""Answers of a given form, and vectors: asked for in the provider's own way, checked, and repaired once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llm_wire import chunk, event_stream, ndjson
from pydantic import BaseModel, Field

from llmcoder import NotConfigured, Transient
from llmcoder.language import LanguageModel, Message, json_in
from llmcoder.testing import FakeContext
from tasks.llm.settings import LlmSettings

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


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here it is:\n```\n{GOOD}\n```\nAnything else?",
        f"Sure! {GOOD} I hope that helps.",
        '{"name": "a } in a \\"string\\" {", "people": 1}',
    ],
)
def test_a_form_is_found_in_what_models_write_around_it(server: Any, openai: LlmSettings, text: str) -> None:
    server.routes[CHAT] = says(text)
    assert isinstance(models(openai).structured([Message("user", "Ulm?")], City).value, City)


def test_openai_is_given_the_schema_in_its_own_way_and_in_the_prompt(server: Any, openai: LlmSettings) -> None:
    server.routes[CHAT] = says(GOOD)
    models(openai).structured([Message("system", "Be brief."), Message("user", "Ulm?")], City)
    [body] = bodies(server)
    assert body["response_format"]["type"] == "json_schema"
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["name", "people"]
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert "Be brief." in body["messages"][0]["content"] and '"people"' in body["messages"][0]["content"]
    assert body["temperature"] == 0


def test_a_server_that_does_not_know_forms_is_asked_without(server: Any, openai: LlmSettings) -> None:
    def route(exchange: Any) -> None:
        if "response_format" in exchange.seen.json:
            exchange.send(400, {"error": {"message": "response_format is not supported", "type": "e"}})
        else:
            says(GOOD)(exchange)

    server.routes[CHAT] = route
    assert models(openai).structured([Message("user", "Ulm?")], City).value.name == "Ulm"


def test_a_wrong_answer_goes_back_once_with_what_is_wrong_about_it(server: Any, openai: LlmSettings) -> None:
    server.routes[CHAT] = says('{"name": "Ulm", "people": "many"}', GOOD)
    done = models(openai).structured([Message("user", "Ulm?")], City)
    assert (done.value.people, len(done.completions)) == (126_000, 2)
    repair = bodies(server)[1]["messages"]
    assert repair[-2]["role"] == "assistant" and "people" in repair[-1]["content"]


def test_a_model_that_keeps_to_no_form_is_a_clear_error(server: Any, openai: LlmSettings) -> None:
    server.routes[CHAT] = says("no", "still no")
    with pytest.raises(Transient, match="tiny-1 does not answer in the form"):
        models(openai).structured([Message("user", "Ulm?")], City)


def test_ollama_is_given_the_schema_as_its_format(server: Any, ollama: LlmSettings) -> None:
    part = {"model": "llama3", "message": {"role": "assistant", "content": GOOD}, "done": True}
    server.routes["/api/chat"] = ndjson([part])
    assert models(ollama).structured([Message("user", "Ulm?")], City).value.name == "Ulm"
    assert bodies(server, "/api/chat")[0]["format"]["required"] == ["name", "people"]


def test_what_is_no_object_is_left_as_it_is() -> None:
    assert json_in("nothing here") == "nothing here"
    assert json_in("} {") == "} {"


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
