"""An Ollama with a script for a model: it streams as Ollama does, and holds both sides to Ollama's own description."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from vendor_contracts import CONTRACTS, need_contracts

SPEC = "urn:ollama"
MODEL = "llama3.2:latest"
AT = "2030-06-01T12:00:00.000000Z"
TEXT = "Leases expire by themselves. Whoever holds one renews it, and whoever dies lets go of it."


class OllamaServer:
    """Routes of a local server.

    Attributes:
        form: What the model answers where a form is asked for.
        held: While it is set, an answer stops after its first piece.
        wrong: Where a request or an answer breaks the contract, and why.
    """

    def __init__(self, local: Any) -> None:
        need_contracts()  # here, since it answers in a thread of its own, which no test ends with
        self._local = local
        self.form: dict[str, Any] = {}
        self.held = threading.Event()
        self.wrong: list[str] = []
        local.routes["/api/tags"] = self._tags
        local.routes["/api/chat"] = self._chat

    @property
    def url(self) -> str:
        return str(self._local.url)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of an engine that asks it and nobody else."""
        return {"LLM_PROVIDERS": "ollama", "OLLAMA_HOST": self.url}

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The conversations, as they came."""
        return [seen.json for seen in self._local.seen if seen.path == "/api/chat"]

    def _tags(self, exchange: Any) -> None:
        details = {"format": "gguf", "family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"}
        listed = {"name": MODEL, "model": MODEL, "modified_at": AT, "size": 1, "digest": "a80c", "details": details}
        exchange.send(200, self._held_to("ListResponse", {"models": [listed]}))

    def _chat(self, exchange: Any) -> None:
        asked = self._held_to("ChatRequest", exchange.seen.json, closed=True)
        if asked["model"] not in (MODEL, MODEL.partition(":")[0]):
            absent = {"error": f"model '{asked['model']}' not found"}
            return exchange.send(404, self._held_to("ErrorResponse", absent))
        text = json.dumps(self.form) if asked.get("format") else TEXT
        exchange.start("application/x-ndjson")
        for part in self._parts(asked, text):
            exchange.piece(json.dumps(part).encode() + b"\n")
            while self.held.is_set() and not self._local.over.wait(0.02):
                pass
        exchange.finish_pieces()

    def _parts(self, asked: dict[str, Any], text: str) -> Iterator[dict[str, Any]]:
        plain = {"model": asked["model"], "created_at": AT}
        words = text.split(" ")
        for n, word in enumerate(words):
            message = {"role": "assistant", "content": word if n == 0 else f" {word}"}
            yield self._held_to("ChatStreamEvent", {**plain, "message": message, "done": False})
        prompt = sum(len(turn["content"].split()) for turn in asked["messages"])
        counts = {"prompt_eval_count": prompt, "eval_count": len(words), "total_duration": 1, "eval_duration": 1}
        last = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
        yield self._held_to("ChatResponse", {**plain, **last, **counts})

    def _held_to(self, name: str, value: dict[str, Any], *, closed: bool = False) -> dict[str, Any]:
        error = best_match(validator(name, closed=closed).iter_errors(value))
        if error is not None:
            self.wrong.append(f"{name} at {error.json_path}: {error.message}")
        return value


@cache
def validator(name: str, *, closed: bool) -> Draft202012Validator:
    """Of one schema of the contract; closed, what the contract does not name is wrong."""
    path = CONTRACTS / "specs" / "ollama.yaml"
    need_contracts()
    spec = yaml.safe_load(path.read_text())
    described = Resource(contents=_closed(spec) if closed else spec, specification=DRAFT202012)
    known: Registry[Any] = Registry().with_resource(SPEC, described)
    return Draft202012Validator({"$ref": f"{SPEC}#/components/schemas/{name}"}, registry=known)


def _closed(node: Any) -> Any:
    if isinstance(node, list):
        return [_closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {name: _closed(one) for name, one in node.items()}
    is_an_object = node.get("type") == "object" and isinstance(node.get("properties"), dict)
    return {"additionalProperties": False, **found} if is_an_object else found
