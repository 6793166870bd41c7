"""A local Plaid with a memory: links, items, and a log of changes that is read by cursors, page by page.

The vendor's own contract stands in front of it (`strict_fake.py --upstream`), so that it holds for both directions.
"""

# ruff: noqa: E501  (an answer is a line)

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

CLIENT, SECRET = "client-4711", "secret-0815"
ACCOUNT = {
    "account_id": "acc-1", "mask": "0000", "name": "Plaid Checking", "official_name": "Plaid Gold Checking",
    "type": "depository", "subtype": "checking",
    "balances": {"available": 100.5, "current": 110.0, "limit": None, "iso_currency_code": "USD", "unofficial_currency_code": None},
}  # fmt: skip
BANK = {"name": "First Platypus Bank", "institution_id": "ins_1"}
_PLACE = dict.fromkeys(("address", "city", "region", "postal_code", "country", "lat", "lon", "store_number"))
_PAYMENT = dict.fromkeys(
    ("reference_number", "ppd_id", "payee", "by_order_of", "payer", "payment_method", "payment_processor", "reason")
)
Answer = tuple[int, Any]


def transaction(number: str, amount: str, day: str, name: str, **more: Any) -> dict[str, Any]:
    """A transaction as Plaid tells it; the amount as text, so that not even a test makes a float of it."""
    return {
        "transaction_id": number, "account_id": "acc-1", "amount": Number(amount), "date": day, "name": name,
        "iso_currency_code": "USD", "unofficial_currency_code": None, "pending": False, "pending_transaction_id": None,
        "account_owner": None, "payment_channel": "in store", "payment_meta": _PAYMENT, "location": _PLACE,
        "authorized_date": None, "authorized_datetime": None, "datetime": None, "transaction_code": None,
        "merchant_name": None, "original_description": name, **more,
    }  # fmt: skip


class Number(float):
    """A number that is written as it was given."""

    def __new__(cls, text: str) -> Number:
        made = super().__new__(cls, text)
        made.text = text  # type: ignore[attr-defined]
        return made

    def __repr__(self) -> str:
        return str(self.text)  # type: ignore[attr-defined]


def error(kind: str, code: str, status: int = 400, message: str = "no") -> Answer:
    return status, {
        "error_type": kind, "error_code": code, "error_message": message, "display_message": None, "request_id": "r1",
    }  # fmt: skip


@dataclass
class Item:
    """One login at a bank.

    Attributes:
        log: Changes in their order: ("added" | "modified" | "removed", what).
        error: What Plaid says is wrong with it.
    """

    id: str
    log: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    is_ready: bool = True


@dataclass
class Plaid:
    """What the server knows.

    Attributes:
        items: By access token.
        links: By link token: the public tokens that came of it, None while nobody has signed in.
        public_tokens: Those that have not been given away, and the access token behind each.
        faults: Answers that come instead, by operation; each once. `None` stays silent, a function may change things.
    """

    page: int = 2
    items: dict[str, Item] = field(default_factory=dict)
    links: dict[str, list[str] | None] = field(default_factory=dict)
    public_tokens: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[Answer | Callable[[Plaid], Answer | None] | None]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    # --- what a person does

    def item(self, access_token: str = "access-1", item_id: str = "item-1") -> Item:
        return self.items.setdefault(access_token, Item(item_id))

    def sign_in(self, link_token: str, item_id: str = "item-1") -> Item:
        """Somebody goes through Plaid's page."""
        number = len(self.items) + 1
        made = self.item(f"access-{number}", item_id)
        self.public_tokens[f"public-{number}"] = f"access-{number}"
        self.links[link_token] = [*(self.links[link_token] or []), f"public-{number}"]
        return made

    def operations(self) -> list[str]:
        return [name for name, _ in self.asked]

    # --- what is answered

    def answer(self, operation: str, given: dict[str, Any]) -> Answer | None:
        self.asked.append((operation, given))
        waiting = self.faults.get(operation)
        if waiting:
            fault = waiting.pop(0)
            found = fault(self) if callable(fault) else fault
            if found is not None or not callable(fault):
                return found
        method = getattr(self, operation.strip("/").replace("/", "_"), None)
        made: Answer = method(given) if method else error("INVALID_REQUEST", "UNKNOWN_OPERATION", 404)
        return made

    def link_token_create(self, given: dict[str, Any]) -> Answer:
        token = f"link-sandbox-{len(self.links) + 1}"
        self.links[token] = None
        return 200, {
            "link_token": token, "expiration": "2030-01-01T04:00:00Z", "request_id": "r1",
            "hosted_link_url": f"https://secure.plaid.com/hl/{token}",
        }  # fmt: skip

    def link_token_get(self, given: dict[str, Any]) -> Answer:
        tokens = self.links.get(given["link_token"], ...)
        if tokens is ...:
            return error("INVALID_INPUT", "INVALID_LINK_TOKEN")
        added = [{"public_token": one, "accounts": [], "institution": BANK} for one in tokens or []]
        none_of = ("cra_item_add_results", "cra_update_results", "bank_income_results", "payroll_income_results")
        results: dict[str, Any] = {name: [] for name in none_of}
        results |= {"item_add_results": added, "document_income_results": None}
        session = {"link_session_id": "s1", "finished_at": "2030-01-01T00:00:00Z", "results": results}
        metadata = {
            "initial_products": ["transactions"], "webhook": None, "country_codes": ["US"], "language": "en",
            "redirect_uri": None, "client_name": "LLMCoder",
        }  # fmt: skip
        return 200, {
            "link_token": given["link_token"], "created_at": "2030-01-01T00:00:00Z", "metadata": metadata,
            "expiration": "2030-01-01T04:00:00Z", "link_sessions": [session] if tokens else [], "request_id": "r1",
        }  # fmt: skip

    def item_public_token_exchange(self, given: dict[str, Any]) -> Answer:
        access_token = self.public_tokens.pop(given["public_token"], None)
        if access_token is None:
            return error("INVALID_INPUT", "INVALID_PUBLIC_TOKEN")
        return 200, {"access_token": access_token, "item_id": self.items[access_token].id, "request_id": "r1"}

    def item_get(self, given: dict[str, Any]) -> Answer:
        item = self.items.get(given["access_token"])
        if item is None:
            return error("INVALID_INPUT", "INVALID_ACCESS_TOKEN")
        about = {
            "item_id": item.id, "webhook": None, "error": item.error, "available_products": [], "institution_id": "ins_1",
            "billed_products": ["transactions"], "consent_expiration_time": None, "update_type": "background",
            "institution_name": "First Platypus Bank",
        }  # fmt: skip
        return 200, {"item": about, "request_id": "r1"}

    def institutions_get(self, given: dict[str, Any]) -> Answer:
        return 200, {"institutions": [], "total": 12_000, "request_id": "r1"}

    def webhook_verification_key_get(self, given: dict[str, Any]) -> Answer:
        key = self.keys.get(given["key_id"])
        if key is None:
            return error("INVALID_INPUT", "INVALID_WEBHOOK_VERIFICATION_KEY_ID")
        return 200, {"key": key, "request_id": "r1"}

    def transactions_sync(self, given: dict[str, Any]) -> Answer:
        item = self.items.get(given["access_token"])
        if item is None:
            return error("INVALID_INPUT", "INVALID_ACCESS_TOKEN")
        if item.error is not None:
            return error(item.error["error_type"], item.error["error_code"])
        start = int(given.get("cursor") or 0)
        changes = item.log[start : start + self.page] if item.is_ready else []
        end = start + len(changes)
        lists: dict[str, list[Any]] = {"added": [], "modified": [], "removed": []}
        for kind, what in changes:
            lists[kind].append(what)
        return 200, {
            **lists, "accounts": [ACCOUNT], "next_cursor": str(end) if item.is_ready and item.log else "",
            "has_more": end < len(item.log) and item.is_ready, "request_id": "r1",
            "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE" if item.is_ready else "NOT_READY",
        }  # fmt: skip

    # --- webhooks

    def new_key(self, kid: str = "key-1", *, expired: bool = False) -> ec.EllipticCurvePrivateKey:
        made = ec.generate_private_key(ec.SECP256R1())
        numbers = made.public_key().public_numbers()

        def wide(number: int) -> str:
            return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()

        self.keys[kid] = {
            "alg": "ES256", "kid": kid, "kty": "EC", "crv": "P-256", "x": wide(numbers.x), "y": wide(numbers.y),
            "use": "sig", "created_at": 1, "expired_at": 2 if expired else None,
        }  # fmt: skip
        return made

    def signed(
        self, key: Any, body: bytes, *, kid: str = "key-1", age_s: int = 0, algorithm: str = "ES256", **claims: Any
    ) -> str:
        said = {"iat": int(time.time()) - age_s, "request_body_sha256": hashlib.sha256(body).hexdigest(), **claims}
        return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid})


class _Exchange(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        plaid = self.server.plaid
        answer = plaid.answer(self.path, given)
        if answer is None:  # silence after sending
            plaid.over.wait(20)
            self.close_connection = True
            return
        status, body = answer
        content = body if isinstance(body, bytes) else _written(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


def _written(value: Any) -> str:
    """JSON with numbers as they were given."""
    if isinstance(value, Number):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_written(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return json.dumps(value)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, plaid: Plaid) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.plaid = plaid

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves early is something tests look for, not an error."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def plaid_on_loopback() -> Iterator[Plaid]:
    plaid = Plaid()
    server = _Server(plaid)
    plaid.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield plaid
    finally:
        plaid.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
