"""Atlassian's descriptions of both APIs, as `strict_fake.py` reads them: what they allow to be asked and answered."""

from __future__ import annotations

import importlib.util
import json
import tempfile
import threading
from functools import cache
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, unquote

from vendor_contracts import CONTRACTS, need_contracts

CLOUD = ""
DATA_CENTER = "/rest"
SPECS = {CLOUD: "jira_cloud_v3.json", DATA_CENTER: "jira_dc_10.3.json"}
#: What is wrong in them, beyond what the patch beside them says, and where the vendor's own documentation says so.
PATCHES: dict[str, list[dict[str, Any]]] = {
    CLOUD: [
        {
            "at": "/components/schemas/User/properties/accountId/nullable",
            "set": True,
            "why": "the description of PUT assignee: accountId null sets the issue to unassigned",
        },
    ],
    DATA_CENTER: [
        {
            "at": "/components/schemas/UserBean/properties/name/nullable",
            "set": True,
            "why": "the documentation of PUT assignee: a null name removes the assignee",
        },
        {
            "at": "/components/schemas/IssueBean/properties/fields",
            "set": {"type": "object", "additionalProperties": True},
            "why": "values of fields are strings, numbers, arrays or objects, as in the patch for IssueUpdateBean",
        },
        {
            "at": "/components/schemas/SearchRequestBean/properties/fields",
            "set": {"type": "array", "items": {"type": "string"}},
            "why": 'names of fields are texts; the documentation\'s example is ["summary", "status", "assignee"]',
        },
        {
            "at": "/paths/~1api~12~1user~1assignable~1search/get/responses/200/content/application~1json/schema",
            "set": {"type": "array", "items": {"$ref": "#/components/schemas/UserBean"}},
            "why": "it answers with a list of users",
        },
        {
            "at": "/paths/~1api~12~1user~1search/get/responses/200/content/application~1json/schema",
            "set": {"type": "array", "items": {"$ref": "#/components/schemas/UserBean"}},
            "why": "it answers with a list of users",
        },
        {
            "at": "/paths/~1api~12~1issue~1createmeta~1{projectIdOrKey}~1issuetypes/get/responses/200/content/"
            "application~1json/schema",
            "set": {"type": "object"},
            "why": "it answers with a page of them: maxResults, startAt, total, isLast, values",
        },
        {
            "at": "/paths/~1api~12~1issue~1createmeta~1{projectIdOrKey}~1issuetypes~1{issueTypeId}/get/responses/200/"
            "content/application~1json/schema",
            "set": {"type": "object"},
            "why": "it answers with a page of fields",
        },
    ],
}
#: Items of a long answer that are checked; they are all made by the same function.
CHECKED_ITEMS = 3


class Contract:
    """One of them.

    The check is in this process, not in a proxy before the server, so that silence, broken connections and headers
    reach the client as they are.
    """

    ORIGIN = "http://jira.contract"

    def __init__(self, base: str) -> None:
        self._module = _strict_fake()
        with tempfile.NamedTemporaryFile("w", suffix=".json") as patch:
            given = json.loads((CONTRACTS / "jira_dc.patch.json").read_text()) if base == DATA_CENTER else []
            json.dump(given + PATCHES[base], patch)
            patch.flush()
            spec = str(CONTRACTS / "specs" / SPECS[base])
            self._fake = self._module.Fake(spec, self.ORIGIN, base, patch=patch.name)
        self._lock = threading.Lock()

    def refusal(self, method: str, target: str, headers: dict[str, str], body: bytes) -> str | None:
        """Why the contract does not allow a request; None if it does."""
        with self._lock:
            try:
                self._check(method, target, headers, body)
            except Exception as error:  # noqa: BLE001 (each of the validator's libraries has errors of its own)
                return f"{method} {target}: {self._fake.why(error)}"
        return None

    def forbids(self, method: str, target: str, status: int, answer: Any) -> str | None:
        """Why an answer of ours is none that JIRA could give."""
        for items in ("issues", "comments"):
            if isinstance(answer, dict) and isinstance(answer.get(items), list):
                answer = {**answer, items: answer[items][:CHECKED_ITEMS]}
        with self._lock:
            operation = self._operation(self._request(method, target, {}, b""))[0]
            found: str | None = self._fake.response_errors(operation, status, answer)
        return found

    def _check(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        request = self._request(method, target, headers, body)
        operation, shared = self._operation(request)
        if not headers.get("authorization"):
            raise ValueError("no authorization")
        known = {one["name"] for one in map(self._fake.sample.ref, [*operation.get("parameters", []), *shared])}
        if unknown := [name for name in parse_qs(target.partition("?")[2]) if name not in known]:
            raise ValueError(f"query parameters not in the contract: {unknown}")
        self._fake.api.validate_request(self._module.WerkzeugOpenAPIRequest(request))
        content = self._fake.sample.ref(operation.get("requestBody") or {}).get("content") or {}
        if body and not content:
            raise ValueError("a body where none is taken")
        if body and (unknown := self._fake.unknown(content["application/json"]["schema"], json.loads(body))):
            raise ValueError(f"body fields not in the contract: {unknown}")

    def _operation(self, request: Any) -> tuple[Any, Any]:
        operation, shared, _name = self._fake.operation(self._module.WerkzeugOpenAPIRequest(request))
        return operation, shared

    def _request(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Any:
        from werkzeug.test import EnvironBuilder
        from werkzeug.wrappers import Request

        path, _, query = target.partition("?")
        kept = {name: value for name, value in headers.items() if name not in ("host", "content-length")}
        # Cloud takes basic or OAuth, and the validator knows no OAuth; that there is one of them is checked by us.
        kept |= {"authorization": "Basic eDp5"} if "authorization" in kept else {}
        builder = EnvironBuilder(path=unquote(path), query_string=query, base_url=self.ORIGIN, method=method,
                                 headers=list(kept.items()), data=body or None)  # fmt: skip
        request = Request(builder.get_environ())
        request.get_data(cache=True, parse_form_data=False)
        return request


@cache
def _strict_fake() -> ModuleType:
    spec = importlib.util.spec_from_file_location("strict_fake", CONTRACTS / "strict_fake.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def contract(base: str) -> Contract:
    need_contracts()
    return Contract(base)
