"""Google's own description of its API, against which the local Gmail holds every request and every answer."""

from __future__ import annotations

import importlib.util
import json
import threading
from functools import cache
from urllib.parse import parse_qs, unquote

from vendor_contracts import CONTRACTS, need_contracts


class Contract:
    """Google's description of its API, as `strict_fake.py` reads it."""

    ORIGIN = "http://gmail.contract"

    def __init__(self) -> None:
        spec = importlib.util.spec_from_file_location("strict_fake", CONTRACTS / "strict_fake.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self._module = module
        self._fake = module.Fake(str(CONTRACTS / "specs" / "gmail.oas3.json"), self.ORIGIN)
        self._lock = threading.Lock()

    def refusal(self, method: str, target: str, headers: dict[str, str], body: bytes) -> str | None:
        """Why the contract does not allow a request; None if it does."""
        with self._lock:
            try:
                self._check(method, target, headers, body)
            except Exception as error:  # noqa: BLE001 (each of the validator's libraries has errors of its own)
                return f"{method} {target}: {self._fake.why(error)}"
        return None

    def _check(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        from werkzeug.test import EnvironBuilder
        from werkzeug.wrappers import Request

        path, _, query = target.partition("?")
        kept = {name: value for name, value in headers.items() if name not in ("host", "content-length")}
        builder = EnvironBuilder(path=unquote(path), query_string=query, base_url=self.ORIGIN, method=method,
                                 headers=kept, data=body or None)  # fmt: skip
        request = Request(builder.get_environ())
        request.get_data(cache=True, parse_form_data=False)
        asked = self._module.WerkzeugOpenAPIRequest(request)
        operation, shared, _name = self._fake.operation(asked)
        if not headers.get("authorization", "").startswith("Bearer "):
            raise ValueError("no bearer token")
        known = {one["name"] for one in map(self._fake.sample.ref, [*operation.get("parameters", []), *shared])}
        if unknown := [name for name in parse_qs(query) if name not in known]:
            raise ValueError(f"query parameters not in the contract: {unknown}")
        media = (headers.get("content-type") or "").partition(";")[0]
        if media == "multipart/related":  # the contract says nothing of its parts
            return
        self._fake.api.validate_request(asked)
        content = self._fake.sample.ref(operation.get("requestBody") or {}).get("content") or {}
        if media in content and body:
            if unknown := self._fake.unknown(content[media]["schema"], json.loads(body)):
                raise ValueError(f"body fields not in the contract: {unknown}")
        elif body:
            raise ValueError(f"a body of {media!r}")

    def forbids(self, method: str, target: str, answer: object) -> str | None:
        """Why an answer of ours is none that Gmail could give."""
        from werkzeug.test import EnvironBuilder
        from werkzeug.wrappers import Request

        path = unquote(target.partition("?")[0])
        request = Request(EnvironBuilder(path=path, base_url=self.ORIGIN, method=method).get_environ())
        with self._lock:
            operation, _, _ = self._fake.operation(self._module.WerkzeugOpenAPIRequest(request))
            found: str | None = self._fake.response_errors(operation, 200, answer)
        return found


@cache
def contract() -> Contract:
    need_contracts()
    return Contract()
