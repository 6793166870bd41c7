"""A Gmail on 127.0.0.1 with a mailbox that changes: threads, labels, drafts, history, pages, and what goes wrong.

Every request is held against the vendor's contract before it is looked at, and every answer before it is sent; what
does not fit stands in `violations`. The check is in this process, not in a proxy before it, so that silence, broken
connections and headers reach the client as they are.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage, Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gmail_contract import contract

BASE = "/gmail/v1/users/me"
UPLOAD = "/upload/gmail/v1/users/me"
ADDRESS = "carla@gmail.example"
TOKEN = "access-canary-1"
SYSTEM = ("INBOX", "SENT", "DRAFT", "UNREAD", "SPAM", "TRASH", "STARRED", "IMPORTANT", "CATEGORY_UPDATES")


@dataclass
class Kept:
    """One message in the mailbox."""

    id: str
    thread_id: str
    labels: list[str]
    raw: bytes
    at_ms: int
    history: int

    @property
    def parsed(self) -> Message:
        return message_from_bytes(self.raw)

    def headers(self, wanted: list[str]) -> list[dict[str, str]]:
        """As Gmail shows them: decoded and unfolded."""
        from email.header import decode_header, make_header

        names = {name.lower() for name in wanted}
        return [
            {"name": name, "value": str(make_header(decode_header(str(value).replace("\r\n", ""))))}
            for name, value in self.parsed.items()
            if not names or name.lower() in names
        ]

    def header(self, name: str) -> str:
        return " ".join(str(self.parsed[name] or "").split())


@dataclass
class Fault:
    """What goes wrong once.

    Attributes:
        where: Part of the method and path, such as `POST /messages/send`.
        does: `refuse`, `silence` and `drop` (nothing happened), `do_then_silence` and `do_then_drop`, `garbage`.
    """

    where: str
    does: str
    status: int = 500
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def complaint(status: int, reason: str, message: str = "the vendor's reason", domain: str = "global") -> dict[str, Any]:
    """An error as Google writes it."""
    errors = [{"message": message, "domain": domain, "reason": reason}]
    return {"error": {"code": status, "message": message, "errors": errors}}


class Refusal(Exception):
    """The mailbox says no."""

    def __init__(self, status: int, reason: str, message: str = "the vendor's reason") -> None:
        super().__init__(message)
        self.status, self.body = status, complaint(status, reason, message)


@dataclass
class Gmail:
    """The mailbox and how its server behaves.

    Attributes:
        replaces_ids: Whether what is sent gets another Message-ID, as Gmail has been seen to do.
        index_lags: Whether the search does not know yet what was sent or drafted last.
        oldest_history: Where its history begins.
        accepts: Which tokens are good.
    """

    url: str = ""
    messages: dict[str, Kept] = field(default_factory=dict)
    drafts: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=lambda: {name: name for name in SYSTEM})
    history: list[tuple[int, str]] = field(default_factory=list)
    clock: int = 1000
    replaces_ids: bool = True
    index_lags: bool = False
    oldest_history: int = 0
    accepts: Callable[[str], bool] = lambda token: token == TOKEN
    faults: list[Fault] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    over: threading.Event = field(default_factory=threading.Event)

    def next(self, where: str, does: str, status: int = 500, body: Any = None, **headers: str) -> None:
        """Let something go wrong at the next request there."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(where, does, status, body, named))

    def asked(self, part: str) -> list[str]:
        """Methods and targets of the requests seen there."""
        return [f"{method} {target}" for method, target, _ in self.seen if part in f"{method} {target}"]

    def put(self, raw: bytes, labels: list[str], thread_id: str | None = None, at_ms: int | None = None) -> Kept:
        """Have a message in the mailbox."""
        with self.lock:
            self.clock += 1
            name = f"{self.clock:016x}"
            at_ms = at_ms or int(time.time() * 1000)
            kept = Kept(name, thread_id or name, list(labels), raw, at_ms, self.clock)
            self.messages[name] = kept
            self.history.append((self.clock, name))
            return kept

    def receive(
        self, subject: str = "Hello", *, sender: str = "dora@example.org", text: str = "Hi!\n", **more: Any
    ) -> Kept:
        """A message comes in."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = sender, ADDRESS, subject
        message["Message-ID"] = more.pop("message_id", f"<{self.clock}@example.org>")
        for name, value in more.pop("headers", {}).items():
            message[name] = value
        message.set_content(text)
        return self.put(message.as_bytes(), more.pop("labels", ["INBOX", "UNREAD"]), **more)

    # --- what it answers

    def answer(self, method: str, target: str, body: bytes, media: str) -> Any:
        address = urlsplit(target)
        uploads = address.path.startswith(UPLOAD)
        path = unquote(address.path.removeprefix(UPLOAD if uploads else BASE))
        query = {name: values if name in ("labelIds", "metadataHeaders", "historyTypes") else values[0]
                 for name, values in parse_qs(address.query).items()}  # fmt: skip
        given = _parts(body, media) if uploads else json.loads(body or b"{}")
        for pattern, known in ROUTES:
            if found := re.fullmatch(pattern, f"{method} {path}"):
                with self.lock:
                    return known(self, query, given, *found.groups())
        raise Refusal(404, "notFound", f"no such path {path}")

    def profile(self, _query: Any, _given: Any) -> Any:
        total = len(self.messages)
        return {"emailAddress": ADDRESS, "historyId": str(self.clock), "messagesTotal": total, "threadsTotal": total}

    def list_messages(self, query: dict[str, Any], _given: Any) -> Any:
        wanted = set(query.get("labelIds", ()))
        if unknown := wanted - self.labels.keys():
            raise Refusal(400, "invalidArgument", f"Invalid label: {unknown}")
        found = [one for one in self.messages.values() if wanted <= set(one.labels) and self.matches(one, query)]
        return self.paged("messages", [{"id": one.id, "threadId": one.thread_id} for one in _newest(found)], query)

    def list_drafts(self, query: dict[str, Any], _given: Any) -> Any:
        found = [one for one in self.messages.values() if "DRAFT" in one.labels and self.matches(one, query)]
        names = {message: draft for draft, message in self.drafts.items()}
        shown = [{"id": names[one.id], "message": {"id": one.id, "threadId": one.thread_id}} for one in _newest(found)]
        return self.paged("drafts", shown, query)

    def paged(self, name: str, items: list[Any], query: dict[str, Any]) -> Any:
        token = query.get("pageToken", "0")
        if not token.isdigit():
            raise Refusal(400, "invalidArgument", "Invalid pageToken")
        start, most = int(token), int(query.get("maxResults", 100))
        page: dict[str, Any] = {"resultSizeEstimate": len(items)}
        if items[start : start + most]:  # Gmail leaves an empty list out
            page[name] = items[start : start + most]
        if len(items) > start + most:
            page["nextPageToken"] = str(start + most)
        return page

    def matches(self, one: Kept, query: dict[str, Any]) -> bool:
        """The little of Gmail's search that is asked here."""
        if {"SPAM", "TRASH"} & set(one.labels) and query.get("includeSpamTrash") != "true":
            return False
        return all(self._holds(one, term) for term in re.findall(r"\w+:\([^)]*\)|\S+", query.get("q", "")))

    def _holds(self, one: Kept, term: str) -> bool:
        name, _, value = term.partition(":")
        match name:
            case "rfc822msgid":
                return one.header("Message-ID").strip("<>") == value and not self.index_lags
            case "in":
                return value.upper() in one.labels
            case "is":
                return ("UNREAD" in one.labels) == (value == "unread")
            case "from":
                return value.strip("()").lower() in one.header("From").lower()
            case "after":
                return one.at_ms > int(value) * 1000
        return term.lower().encode() in one.raw.lower()

    def get_message(self, query: dict[str, Any], _given: Any, name: str) -> Any:
        return self.shown(self.found(name), query)

    def found(self, name: str) -> Kept:
        if not re.fullmatch("[0-9a-f]{16}", name):
            raise Refusal(400, "invalidArgument", "Invalid id value")
        if name not in self.messages:
            raise Refusal(404, "notFound", "Requested entity was not found.")
        return self.messages[name]

    def shown(self, one: Kept, query: dict[str, Any]) -> Any:
        form = query.get("format", "full")
        plain = {
            "id": one.id,
            "threadId": one.thread_id,
            "labelIds": list(one.labels),
            "historyId": str(one.history),
            "internalDate": str(one.at_ms),
            "sizeEstimate": len(one.raw),
            "snippet": "Hi &amp; welcome",
        }
        if form == "raw":
            return plain | {"raw": base64.urlsafe_b64encode(one.raw).decode()}
        if form == "metadata":
            wanted = query.get("metadataHeaders", [])
            return plain | {"payload": {"mimeType": "text/plain", "headers": one.headers(wanted)}}
        return plain

    def get_thread(self, query: dict[str, Any], _given: Any, name: str) -> Any:
        found = [one for one in self.messages.values() if one.thread_id == name]
        if not found:
            raise Refusal(404, "notFound")
        return {"id": name, "historyId": "1", "messages": [self.shown(one, query) for one in found]}

    def send(self, _query: Any, given: Any) -> Any:
        thread = given.get("threadId")
        if thread is not None and not any(one.thread_id == thread for one in self.messages.values()):
            raise Refusal(404, "notFound", "Requested entity was not found.")
        return self.gone_out(_raw(given), thread)

    def gone_out(self, raw: bytes, thread: str | None) -> Any:
        parsed = message_from_bytes(raw)
        if not (parsed["To"] or parsed["Cc"] or parsed["Bcc"]):
            raise Refusal(400, "invalidArgument", "Recipient address required")
        self.sent.append(raw)
        if self.replaces_ids:
            del parsed["Message-ID"]
            parsed["Message-ID"] = f"<CA{len(self.sent)}@mail.gmail.com>"
            raw = parsed.as_bytes()
        kept = self.put(raw, ["SENT"], thread)
        return {"id": kept.id, "threadId": kept.thread_id, "labelIds": kept.labels}

    def create_draft(self, _query: Any, given: Any) -> Any:
        return self.keep_draft(f"r-{len(self.drafts) + 1}", given["message"])

    def keep_draft(self, name: str, message: Any) -> Any:
        kept = self.put(_raw(message), ["DRAFT"], message.get("threadId"))
        self.drafts[name] = kept.id
        return {"id": name, "message": {"id": kept.id, "threadId": kept.thread_id, "labelIds": kept.labels}}

    def get_draft(self, query: dict[str, Any], _given: Any, name: str) -> Any:
        if name not in self.drafts:
            raise Refusal(404, "notFound")
        return {"id": name, "message": self.shown(self.messages[self.drafts[name]], query)}

    def update_draft(self, _query: Any, given: Any, name: str) -> Any:
        if name not in self.drafts:
            raise Refusal(404, "notFound")
        self.messages.pop(self.drafts.pop(name))
        return self.keep_draft(name, given["message"])

    def send_draft(self, _query: Any, given: Any) -> Any:
        if given["id"] not in self.drafts:
            raise Refusal(404, "notFound")
        draft = self.messages.pop(self.drafts.pop(given["id"]))
        return self.gone_out(draft.raw, draft.thread_id)

    def list_labels(self, _query: Any, _given: Any) -> Any:
        kind = {True: "system", False: "user"}
        return {"labels": [{"id": key, "name": name, "type": kind[key in SYSTEM]} for key, name in self.labels.items()]}

    def create_label(self, _query: Any, given: Any) -> Any:
        if given["name"] in self.labels.values():
            raise Refusal(409, "aborted", "Label name exists or conflicts")
        name = f"Label_{len(self.labels)}"
        self.labels[name] = given["name"]
        return {"id": name, "name": given["name"]}

    def modify(self, _query: Any, given: Any, name: str) -> Any:
        self.change([self.found(name)], given)
        return self.shown(self.found(name), {"format": "minimal"})

    def batch_modify(self, _query: Any, given: Any) -> Any:
        assert len(given["ids"]) <= 1000
        self.change([self.messages[one] for one in given["ids"] if one in self.messages], given)
        return None

    def change(self, messages: list[Kept], given: Any) -> None:
        for label in (*given.get("addLabelIds", ()), *given.get("removeLabelIds", ())):
            if label not in self.labels:
                raise Refusal(400, "invalidArgument", f"Invalid label: {label}")
        for one in messages:
            kept = [label for label in one.labels if label not in given.get("removeLabelIds", ())]
            one.labels = list(dict.fromkeys([*kept, *given.get("addLabelIds", ())]))

    def list_history(self, query: dict[str, Any], _given: Any) -> Any:
        start = int(query["startHistoryId"])
        if start < self.oldest_history:
            raise Refusal(404, "notFound", "Requested entity was not found.")
        start = max(start, int(query.get("pageToken", "0")))
        most, records, last = int(query.get("maxResults", 100)), [], start
        for at, name in sorted(one for one in self.history if one[0] > start)[:most]:
            last = at
            message = self.messages.get(name)
            if message is not None and query.get("labelId", message.labels[0]) in message.labels:
                added = {"id": name, "threadId": message.thread_id, "labelIds": list(message.labels)}
                records.append({"id": str(at), "messages": [added], "messagesAdded": [{"message": added}]})
        page: dict[str, Any] = {"historyId": str(self.clock)}
        if records:
            page["history"] = records
        if any(at > last for at, _ in self.history):
            page["nextPageToken"] = str(last)
        return page


ROUTES: list[tuple[str, Callable[..., Any]]] = [
    (r"GET /profile", Gmail.profile),
    (r"GET /messages", Gmail.list_messages),
    (r"POST /messages/send", Gmail.send),
    (r"POST /messages/batchModify", Gmail.batch_modify),
    (r"GET /messages/([^/]+)", Gmail.get_message),
    (r"POST /messages/([^/]+)/modify", Gmail.modify),
    (r"GET /threads/([^/]+)", Gmail.get_thread),
    (r"GET /drafts", Gmail.list_drafts),
    (r"POST /drafts", Gmail.create_draft),
    (r"POST /drafts/send", Gmail.send_draft),
    (r"GET /drafts/([^/]+)", Gmail.get_draft),
    (r"PUT /drafts/([^/]+)", Gmail.update_draft),
    (r"GET /labels", Gmail.list_labels),
    (r"POST /labels", Gmail.create_label),
    (r"GET /history", Gmail.list_history),
]


def _newest(messages: list[Kept]) -> list[Kept]:
    return sorted(messages, key=lambda one: (one.at_ms, one.id), reverse=True)


def _raw(given: Any) -> bytes:
    raw = given["raw"]
    return raw if isinstance(raw, bytes) else base64.urlsafe_b64decode(raw)


def _parts(body: bytes, media: str) -> Any:
    """The JSON and the message of a multipart/related upload, byte for byte."""
    boundary = media.partition("boundary=")[2].strip('"').encode()
    _, first, second, last = body.split(b"--" + boundary)
    assert last.strip() == b"--"
    head, _, meta = first.partition(b"\r\n\r\n")
    assert b"application/json" in head
    head, _, raw = second.partition(b"\r\n\r\n")
    assert b"message/rfc822" in head
    given = json.loads(meta)
    inner = given.get("message", given)
    inner["raw"] = raw.removesuffix(b"\r\n")
    return given


class Exchange(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    gmail: Gmail

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        gmail = self.gmail
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        gmail.seen.append((self.command, self.path, body))
        if why := contract().refusal(self.command, self.path, headers, body):
            gmail.violations.append(why)
        if not gmail.accepts(headers.get("authorization", "").removeprefix("Bearer ")):
            return self._send(401, complaint(401, "authError", "Invalid Credentials"))
        fault = self._fault()
        if fault is None:
            return self._done(body, headers)
        if fault.does.startswith("do_then"):
            gmail.answer(self.command, self.path, body, headers.get("content-type", ""))
        if fault.does == "refuse":
            return self._send(fault.status, fault.body, fault.headers)
        if fault.does == "garbage":
            return self._send(200, b"<html>Sign in to the hotel</html>", {"content-type": "text/html"})
        return self._vanish(silently=fault.does.endswith("silence"))

    def _fault(self) -> Fault | None:
        with self.gmail.lock:
            found = next((one for one in self.gmail.faults if one.where in f"{self.command} {self.path}"), None)
            if found is not None:
                self.gmail.faults.remove(found)
            return found

    def _done(self, body: bytes, headers: dict[str, str]) -> None:
        try:
            answer = self.gmail.answer(self.command, self.path, body, headers.get("content-type", ""))
        except Refusal as refusal:
            return self._send(refusal.status, refusal.body)
        if answer is None:
            return self._send(204, b"")
        if why := contract().forbids(self.command, self.path, answer):
            self.gmail.violations.append(f"answer to {self.command} {self.path}: {why}")
        return self._send(200, answer)

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        told = {"content-type": "application/json; charset=UTF-8", "content-length": str(len(content))}
        for name, value in (told | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _vanish(self, *, silently: bool) -> None:
        if silently:
            self.gmail.over.wait(30)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up on silence is what some tests are about."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


@contextmanager
def gmail_on_loopback() -> Iterator[Gmail]:
    """A Gmail that runs; at its end, nothing may have broken the contract."""
    contract()
    gmail = Gmail()
    server = Server(("127.0.0.1", 0), type("Bound", (Exchange,), {"gmail": gmail}))
    gmail.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.005})
    thread.start()
    try:
        yield gmail
        assert gmail.violations == []
    finally:
        gmail.over.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
