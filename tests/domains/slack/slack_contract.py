"""Slack's own description of its Web API, as `strict_fake.py` reads it, with what Slack has added since 2021.

Each addition says where Slack documents it. Everything else is refused as the contract wants it.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
import threading
from functools import cache
from typing import Any

from vendor_contracts import CONTRACTS, need_contracts

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TEXT = {"type": "string"}
ORIGIN = "http://slack.contract"


def moved_on(doc: dict[str, Any]) -> dict[str, Any]:
    """The description with what the real API has learned since it was last published."""
    paths = doc["paths"]
    for operation in (one for item in paths.values() for one in item.values() if isinstance(one, dict)):
        operation.pop(
            "security", None
        )  # an oauth2 scheme, which the validator cannot read; the token is looked at here
    post = _form(paths, "chat.postMessage")
    # https://docs.slack.dev/messaging/message-metadata: one argument of chat.postMessage, shown to apps on request
    post["metadata"] = TEXT
    for method in ("conversations.history", "conversations.replies"):
        paths[f"/{method}"]["get"]["parameters"].append(
            {"name": "include_all_metadata", "in": "query", "schema": {"type": "boolean"}}
        )
    # no documented argument, but the errors of chat.postMessage speak of it: duplicate_message_not_found
    post["client_msg_id"] = TEXT
    for message in (
        _answer(paths, "conversations.history")["messages"]["items"],
        doc["components"]["schemas"]["objs_message"],
    ):
        _properties(message)["metadata"] = {"type": "object"}
    # https://docs.slack.dev/apis/web-api/pagination: history and replies are paged by cursors like everything else
    for method in ("conversations.history", "conversations.replies"):
        _answer(paths, method)["response_metadata"] = {"type": "object"}
    # an empty channel has an empty history
    history = _answer(paths, "conversations.history")
    history["messages"].pop("minItems", None)
    return doc


def _form(paths: dict[str, Any], method: str) -> dict[str, Any]:
    found: dict[str, Any] = paths[f"/{method}"]["post"]["requestBody"]["content"][FORM]["schema"]["properties"]
    return found


def _answer(paths: dict[str, Any], method: str) -> dict[str, Any]:
    operation = paths[f"/{method}"].get("get") or paths[f"/{method}"]["post"]
    found: dict[str, Any] = operation["responses"]["200"]["content"][JSON]["schema"]["properties"]
    return found


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    return schema.setdefault("properties", {}) if isinstance(schema, dict) else {}


class Contract:
    """Says of a request and of an answer whether Slack's description allows it."""

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("strict_fake", CONTRACTS / "strict_fake.py")
        assert spec is not None and spec.loader is not None
        self._module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._module)
        doc = moved_on(json.loads((CONTRACTS / "specs" / "slack_web.oas3.json").read_text(encoding="utf-8")))
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(doc, file)
            file.flush()
            self._fake = self._module.Fake(file.name, ORIGIN, base="/api", rpc=True)
        self._lock = threading.Lock()

    def refusal(self, path: str, headers: dict[str, str], body: bytes) -> str | None:
        """Why the contract does not allow a request; None if it does."""
        with self._lock:
            try:
                self._check(path, headers, body)
            except Exception as error:  # noqa: BLE001 (each of the validator's libraries has errors of its own)
                return f"{path}: {self._fake.why(error)}"
        return None

    def _check(self, path: str, headers: dict[str, str], body: bytes) -> None:
        if not headers.get("authorization", "").startswith("Bearer "):
            raise ValueError("no bearer token")
        request = self._fake.as_rpc(_request(path, headers, body))
        asked = self._module.WerkzeugOpenAPIRequest(request)
        operation, shared, _name = self._fake.operation(asked)
        content = self._fake.sample.ref(operation.get("requestBody") or {}).get("content") or {}
        form = self._fake.form(request, content[self._module.FORM]["schema"]) if FORM in content else None
        self._fake.api.validate_request(asked if form is None else self._module.FormAsJson(asked, form))
        known = {one["name"] for one in map(self._fake.sample.ref, [*operation.get("parameters", []), *shared])}
        if unknown := [name for name in request.args if name not in known]:
            raise ValueError(f"parameters not in the contract: {unknown}")
        if form is not None and (unknown := self._fake.unknown(content[FORM]["schema"], form)):
            raise ValueError(f"fields not in the contract: {unknown}")

    def forbids(self, path: str, answer: object) -> str | None:
        """Why an answer of ours is none that Slack could give."""
        with self._lock:
            request = self._fake.as_rpc(_request(path, {"content-type": JSON}, b"{}"))
            operation, _, _ = self._fake.operation(self._module.WerkzeugOpenAPIRequest(request))
            found: str | None = self._fake.response_errors(operation, 200, answer)
        return found and f"{path}: our own answer: {found}"


def _request(path: str, headers: dict[str, str], body: bytes) -> Any:
    from werkzeug.test import EnvironBuilder
    from werkzeug.wrappers import Request

    kept = {name: value for name, value in headers.items() if name not in ("host", "content-length")}
    builder = EnvironBuilder(path=path, base_url=ORIGIN, method="POST", headers=kept, data=body or None)
    request = Request(builder.get_environ())
    request.get_data(cache=True, parse_form_data=False)
    return request


@cache
def contract() -> Contract:
    need_contracts()
    return Contract()
