"""A Slack on 127.0.0.1: one workspace that changes, its Web API, and the socket on which it tells apps what happens.

Every request is held against Slack's own contract before it is looked at, and every answer before it is sent; what does
not fit stands in `violations`. The check is in this process, so that silence, broken connections and headers reach the
client as they are.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from slack_contract import contract
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

TEAM, TEAM_NAME = "T0TEAM0001", "Chess club"
ADA, BEA, BOT = "U0ADA00001", "U0BEA00001", "U0BOT00001"
GENERAL, SECRET, OLD = "C0GENERAL1", "C0SECRET01", "C0OLD00001"
ADA_TOKEN, BEA_TOKEN, BOT_TOKEN, APP_TOKEN = "xoxp-ada-canary", "xoxp-bea-canary", "xoxb-bot-canary", "xapp-canary"
CLIENT_ID, CLIENT_SECRET = "1234.5678", "client-secret-canary"
PEOPLE = {ADA: "Ada", BEA: "Bea", BOT: "LLMCoder"}
NULL = [None]
#: https://docs.slack.dev/reference/scopes
KIND_SCOPES = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "mpim": "mpim:read",
    "im": "im:read",
}
LISTS = ("channels:read", "groups:read", "mpim:read", "im:read")
METHOD_SCOPES = {
    "chat.postMessage": {"chat:write"}, "chat.update": {"chat:write"}, "chat.delete": {"chat:write"},
    "conversations.open": {"im:write"}, "users.list": {"users:read"}, "users.info": {"users:read"},
    "users.lookupByEmail": {"users:read.email"},
}  # fmt: skip


@dataclass
class Fault:
    """What a method does in place of its work, or after it.

    Attributes:
        status: Answered with this body and these headers; None: as said below.
        does: Whether the work is done first.
        silent: Says nothing.
    """

    status: int | None = None
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    does: bool = False
    silent: bool = False
    times: int = 1


@dataclass
class Asked:
    """One request as Slack saw it."""

    method: str
    token: str
    given: dict[str, Any]
    headers: dict[str, str]


class SlackError(Exception):
    """`ok: false`."""

    def __init__(self, name: str, **more: Any) -> None:
        super().__init__(name)
        self.answer = {"ok": False, "error": name, **more}


@dataclass
class Slack:
    """The workspace, and how it behaves.

    Attributes:
        url: Of the Web API, as SLACK_API_URL takes it.
        members: Of each channel, by id.
        said: Messages of each channel, oldest first.
        violations: What the contract did not allow.
        later: What was sent to response_urls.
        acks: What apps answered on the socket, by envelope.
        codes: Given out at the sign-in, with what it is that a person granted.
        page: Most items of a page, whatever is asked for.
        scopes: What a token may do, by the token; one that is not here may do all.
    """

    url: str = ""
    ws_url: str = ""
    tokens: dict[str, str] = field(
        default_factory=lambda: {ADA_TOKEN: ADA, BEA_TOKEN: BEA, BOT_TOKEN: BOT, APP_TOKEN: BOT}
    )
    channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    said: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    later: list[dict[str, Any]] = field(default_factory=list)
    acks: dict[str, dict[str, Any]] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    page: int = 1000
    scopes: dict[str, set[str]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    over: threading.Event = field(default_factory=threading.Event)
    sockets: list[ServerConnection] = field(default_factory=list)
    opened: int = 0
    _clock: int = 0

    def __post_init__(self) -> None:
        self.add_channel(GENERAL, "general", {ADA, BEA, BOT})
        self.add_channel(SECRET, "secret", {ADA}, private=True)
        self.add_channel(OLD, "old", {ADA}, archived=True)

    # --- what a test does

    def add_channel(
        self, one: str, name: str, members: set[str], *, private: bool = False, archived: bool = False
    ) -> None:
        about = {"value": f"About {name}", "creator": ADA, "last_set": 0}
        self.channels[one] = {
            "id": one, "name": name, "name_normalized": name, "created": 1, "creator": ADA, "is_archived": archived,
            "is_channel": not private, "is_general": name == "general", "is_group": private, "is_im": False,
            "is_mpim": False, "is_org_shared": False, "is_shared": False, "is_private": private, "unlinked": 0,
            "topic": about, "purpose": about,
        }  # fmt: skip
        self.members[one] = members
        self.said[one] = []

    def say(self, channel: str, user: str, text: str, *, thread_ts: str | None = None, ago_s: float = 0.0,
            **more: Any) -> str:  # fmt: skip
        """A message by somebody; its timestamp."""
        with self.lock:
            ts = self._next_ts(ago_s)
            said = {"type": "message", "user": user, "text": text, "ts": ts, **more}
            if thread_ts is not None:
                said["thread_ts"] = thread_ts
                parent = next(one for one in self.said[channel] if one["ts"] == thread_ts)
                parent |= {"thread_ts": thread_ts, "reply_count": parent.get("reply_count", 0) + 1}
            self.said[channel].append(said)
            self.said[channel].sort(key=lambda one: one["ts"])
            return ts

    def fail(self, method: str, status: int = 200, error: str = "", times: int = 1, *, does: bool = False,
             body: object = None, more: dict[str, Any] | None = None, **headers: str) -> None:  # fmt: skip
        """Have a method answer with this instead, or after doing it."""
        content = body if body is not None else {"ok": False, "error": error, **(more or {})}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.setdefault(method, []).append(Fault(status, content, named, does=does, times=times))

    def stay_silent(self, method: str, *, does: bool = False, times: int = 1) -> None:
        self.faults.setdefault(method, []).append(Fault(silent=True, does=does, times=times))

    def hang_up(self, method: str, *, does: bool = False, times: int = 1) -> None:
        self.faults.setdefault(method, []).append(Fault(does=does, times=times))

    def calls(self, method: str) -> list[Asked]:
        return [one for one in self.asked if one.method == method]

    def direct(self, user: str) -> str:
        """The channel of the direct messages between the app and somebody."""
        return f"D0{BOT[2:5]}{user[2:7]}"

    def texts(self, channel: str) -> list[str]:
        return [one["text"] for one in self.said.get(channel, [])]

    # --- OAuth, which the contract knows only as it was in 2021

    def access(self, form: dict[str, Any]) -> dict[str, Any]:
        """https://docs.slack.dev/reference/methods/oauth.v2.access: errors come with 200 as everywhere."""
        self.asked.append(Asked("oauth.v2.access", "", form, {}))
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            return {"ok": False, "error": "bad_client_secret"}
        if form.get("grant_type") == "refresh_token":
            if form["refresh_token"] != "xoxe-1-refresh":
                return {"ok": False, "error": "invalid_refresh_token"}
            more = {"refresh_token": "xoxe-1-refresh", "expires_in": 43_200, "token_type": "user"}
            return {"ok": True, "access_token": ADA_TOKEN, **more}
        if form.get("code") not in self.codes:
            return {"ok": False, "error": "invalid_code"}
        return {"ok": True, "token_type": "bot", "access_token": BOT_TOKEN, "scope": "commands", "bot_user_id": BOT,
                "team": {"id": TEAM, "name": TEAM_NAME}, "authed_user": self.codes.pop(form["code"])}  # fmt: skip

    # --- the Web API

    def answer(self, asked: Asked) -> dict[str, Any]:
        if asked.token not in self.tokens:
            raise SlackError("invalid_auth")
        words = re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", asked.method.replace(".", "_"))
        work = getattr(self, f"_{words}", None)
        if work is None:
            raise SlackError("unknown_method")
        self._check_scopes(asked)
        with self.lock:
            found: dict[str, Any] = work(self.tokens[asked.token], asked.given)
        return {"ok": True, **found}

    def _check_scopes(self, asked: Asked) -> None:
        """Each scope that is wanted and missing; a list names all scopes of lists as needed, whatever was asked for."""
        has = self.scopes.get(asked.token)
        if has is not None and not (wanted := self._wanted_scopes(asked)) <= has:
            told = LISTS if asked.method == "conversations.list" else sorted(wanted)
            raise SlackError("missing_scope", needed=",".join(told), provided=",".join(sorted(has)))

    def _wanted_scopes(self, asked: Asked) -> set[str]:
        if asked.method == "conversations.list":
            return {KIND_SCOPES[one] for one in asked.given.get("types", "public_channel").split(",")}
        if asked.method in ("conversations.history", "conversations.replies"):
            kind = self.channels.get(str(asked.given["channel"]), {})
            private, direct = kind.get("is_private"), kind.get("is_im")
            return {f"{'im' if direct else 'groups' if private else 'channels'}:history"}
        return METHOD_SCOPES.get(asked.method, set())

    def _apps_connections_open(self, _who: str, _given: dict[str, Any]) -> dict[str, Any]:
        self.opened += 1
        return {"url": f"{self.ws_url}/link/?ticket={uuid.uuid4()}"}

    def _auth_test(self, who: str, _given: dict[str, Any]) -> dict[str, Any]:
        bot = {"bot_id": "B0BOT00001"} if who == BOT else {}
        url = "https://chess.slack.com/"
        return {"url": url, "team": TEAM_NAME, "user": PEOPLE[who].lower(), "team_id": TEAM, "user_id": who, **bot}

    def _conversations_list(self, who: str, given: dict[str, Any]) -> dict[str, Any]:
        shown = [
            {**one, "is_member": who in self.members[one["id"]]}
            for one in self.channels.values()
            if not one["is_im"]
            and (who in self.members[one["id"]] if one["is_private"] else True)
            and ("private_channel" if one["is_private"] else "public_channel") in given.get("types", "public_channel")
            and not (one["is_archived"] and given.get("exclude_archived") == "1")
        ]
        page, more = self._paged(shown, given)
        return {"channels": page, "response_metadata": {"next_cursor": more}}

    def _paged(self, items: list[Any], given: dict[str, Any]) -> tuple[list[Any], str]:
        """A page and the cursor of the next; Slack may give fewer than were asked for."""
        start = int(given.get("cursor") or 0)
        end = start + min(int(given.get("limit") or 100), self.page)
        return items[start:end], str(end) if end < len(items) else ""

    def _users_info(self, _who: str, given: dict[str, Any]) -> dict[str, Any]:
        if given["user"] not in PEOPLE:
            raise SlackError("user_not_found")
        return {"user": self._person(given["user"])}

    def _users_list(self, _who: str, given: dict[str, Any]) -> dict[str, Any]:
        page, more = self._paged([self._person(one) for one in PEOPLE], given)
        return {"members": page, "cache_ts": 1, "response_metadata": {"next_cursor": more}}

    def _users_lookup_by_email(self, _who: str, given: dict[str, Any]) -> dict[str, Any]:
        found = next((one for one in PEOPLE if f"{PEOPLE[one].lower()}@example.org" == given["email"]), None)
        if found is None:
            raise SlackError("users_not_found")
        return {"user": self._person(found)}

    def _person(self, one: str) -> dict[str, Any]:
        name = PEOPLE[one]
        profile = {
            "real_name": name, "display_name": name, "avatar_hash": "x", "real_name_normalized": name, "title": "",
            "display_name_normalized": name, "phone": "", "skype": "", "status_text": "", "status_emoji": "",
            "fields": {}, "team": TEAM,
        }  # fmt: skip
        return {"id": one, "name": name.lower(), "profile": profile, "is_bot": one == BOT, "updated": 1,
                "is_app_user": False, "deleted": False, "team_id": TEAM}  # fmt: skip

    def _conversations_open(self, who: str, given: dict[str, Any]) -> dict[str, Any]:
        user = given["users"]
        if user not in PEOPLE:
            raise SlackError("user_not_found")
        one = self.direct(user)
        if one not in self.channels:
            self.add_channel(one, one, {who, user})
            self.channels[one] |= {"is_im": True, "is_channel": False, "user": user}
        return {"channel": {"id": one}}

    def _conversations_history(self, who: str, given: dict[str, Any]) -> dict[str, Any]:
        channel = self._readable(who, given)
        top = [one for one in self.said[channel] if one.get("thread_ts") in (None, one["ts"])]
        found = [self._shown(one, given) for one in reversed(top) if _within(one["ts"], given)]
        page, more = self._paged(found, given)
        return {"messages": page, "has_more": bool(more), "pin_count": 0, "channel_actions_ts": NULL,
                "channel_actions_count": 0, "response_metadata": {"next_cursor": more}}  # fmt: skip

    def _conversations_replies(self, who: str, given: dict[str, Any]) -> dict[str, Any]:
        channel = self._readable(who, given)
        first = [one for one in self.said[channel] if one["ts"] == given["ts"]]
        if not first:
            raise SlackError("thread_not_found")
        rest = [one for one in self.said[channel] if one.get("thread_ts") == given["ts"] and one not in first]
        found = [self._shown(one, given) for one in (*first, *(one for one in rest if _within(one["ts"], given)))]
        page, more = self._paged(found, given)
        return {"messages": page, "has_more": bool(more), "response_metadata": {"next_cursor": more}}

    def _readable(self, who: str, given: dict[str, Any]) -> str:
        channel = str(given["channel"])
        private = self.channels.get(channel, {}).get("is_private")
        if channel not in self.channels or (private and who not in self.members[channel]):
            raise SlackError("channel_not_found")
        if who == BOT and who not in self.members[channel]:
            raise SlackError("not_in_channel")
        return channel

    @staticmethod
    def _shown(said: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
        hidden = () if given.get("include_all_metadata") == "1" else ("metadata",)
        return {name: value for name, value in said.items() if name not in hidden}

    def _chat_post_message(self, who: str, given: dict[str, Any]) -> dict[str, Any]:
        channel = str(given["channel"])
        if channel not in self.channels or (self.channels[channel]["is_private"] and who not in self.members[channel]):
            raise SlackError("channel_not_found")
        if self.channels[channel]["is_archived"]:
            raise SlackError("is_archived")
        if who not in self.members[channel]:
            raise SlackError("not_in_channel")
        if len(given["text"]) > 40_000:
            raise SlackError("msg_too_long")
        more = {name: given[name] for name in ("metadata", "blocks", "client_msg_id") if name in given}
        ts = self.say(channel, who, given["text"], thread_ts=given.get("thread_ts"), **more)
        return {"channel": channel, "ts": ts, "message": {"type": "message", "text": given["text"], "ts": ts}}

    def _chat_update(self, who: str, given: dict[str, Any]) -> dict[str, Any]:
        said = self._own(who, given, "cant_update_message")
        said |= {"text": given["text"], "blocks": given.get("blocks", [])}
        text = given["text"]
        return {"channel": given["channel"], "ts": given["ts"], "text": text, "message": {"text": text}}

    def _chat_delete(self, who: str, given: dict[str, Any]) -> dict[str, Any]:
        self.said[given["channel"]].remove(self._own(who, given, "cant_delete_message"))
        return {"channel": given["channel"], "ts": given["ts"]}

    def _own(self, who: str, given: dict[str, Any], otherwise: str) -> dict[str, Any]:
        found = next((one for one in self.said.get(given["channel"], []) if one["ts"] == given["ts"]), None)
        if found is None:
            raise SlackError("message_not_found")
        if found["user"] != who:
            raise SlackError(otherwise)
        return found

    def _chat_post_ephemeral(self, _who: str, given: dict[str, Any]) -> dict[str, Any]:
        self.later.append({"channel": given["channel"], "user": given["user"], "text": given["text"]})
        return {"message_ts": self._next_ts(0)}

    def _next_ts(self, ago_s: float) -> str:
        self._clock += 1
        return f"{int(time.time() - ago_s)}.{self._clock:06d}"

    # --- the socket

    def push(self, kind: str, payload: dict[str, Any], *, envelope_id: str | None = None, **more: Any) -> str:
        """Tell the app something, on the newest of its connections."""
        one = envelope_id or str(uuid.uuid4())
        envelope = {"envelope_id": one, "type": kind, "payload": payload, "accepts_response_payload": True, **more}
        self.sockets[-1].send(json.dumps(envelope))
        return one

    def disconnect(self) -> None:
        """As Slack does every few hours: first a warning, then the end."""
        for one in list(self.sockets):
            one.send(json.dumps({"type": "disconnect", "reason": "refresh_requested", "debug_info": {}}))

    def converse(self, connection: ServerConnection) -> None:
        self.sockets.append(connection)
        about = {"host": "local", "approximate_connection_time": 18060}
        try:
            connection.send(json.dumps({"type": "hello", "num_connections": len(self.sockets), "debug_info": about}))
            for message in connection:
                ack = json.loads(message)
                self.acks[ack["envelope_id"]] = ack.get("payload") or {}
        except ConnectionClosed:
            pass
        finally:
            self.sockets.remove(connection)


def _within(ts: str, given: dict[str, Any]) -> bool:
    return float(given.get("oldest") or 0) < float(ts) < float(given.get("latest") or "inf")


class Exchange(BaseHTTPRequestHandler):
    """One request to the Web API, or to a response_url."""

    protocol_version = "HTTP/1.1"
    server: SlackHttp

    def do_POST(self) -> None:
        slack = self.server.slack
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path.startswith("/respond/"):
            slack.later.append(json.loads(body))
            return self._send(200, {"ok": True})
        if self.path == "/api/oauth.v2.access":
            return self._send(200, slack.access(_given(headers, body)))
        method, token = self.path.removeprefix("/api/"), headers.get("authorization", "")[7:]
        asked = Asked(method, token, _given(headers, body), headers)
        self._check_request(slack, headers, body)
        with slack.lock:
            slack.asked.append(asked)
            fault = self._fault(asked.method)
        self._answer(asked, fault)

    def _check_request(self, slack: Slack, headers: dict[str, str], body: bytes) -> None:
        if self.path == "/api/apps.connections.open":  # newer than the contract
            return
        if why := contract().refusal(self.path, headers, body):
            slack.violations.append(why)

    def _fault(self, method: str) -> Fault | None:
        waiting = self.server.slack.faults.get(method) or []
        if not waiting:
            return None
        waiting[0].times -= 1
        return waiting[0] if waiting[0].times > 0 else waiting.pop(0)

    def _answer(self, asked: Asked, fault: Fault | None) -> None:
        if fault is not None and not fault.does:
            return self._misbehave(fault)
        try:
            answer = self.server.slack.answer(asked)
        except SlackError as error:
            return self._send(200, error.answer)
        if fault is not None:
            return self._misbehave(fault)
        if asked.method != "apps.connections.open" and (why := contract().forbids(self.path, answer)):
            self.server.slack.violations.append(why)
        self._send(200, answer)

    def _misbehave(self, fault: Fault) -> None:
        if fault.status is not None:
            return self._send(fault.status, fault.body, fault.headers)
        if fault.silent:
            self.server.slack.over.wait(30)
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


def _given(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    if "json" in headers.get("content-type", ""):
        found: dict[str, Any] = json.loads(body or b"{}")
        return found
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


class SlackHttp(ThreadingHTTPServer):
    """Its HTTP side."""

    daemon_threads = True

    def __init__(self, slack: Slack) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.slack = slack

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients leave; that is what some tests are about."""


@contextmanager
def slack_on_loopback() -> Iterator[Slack]:
    """A workspace for one test; at its end nothing has been refused by the contract."""
    contract()
    slack = Slack()
    http = SlackHttp(slack)
    sockets: Server = serve(slack.converse, "127.0.0.1", 0)
    slack.url = f"http://127.0.0.1:{http.server_address[1]}/api/"
    slack.ws_url = f"ws://127.0.0.1:{sockets.socket.getsockname()[1]}"
    threads = [
        threading.Thread(target=http.serve_forever, args=[0.005]),
        threading.Thread(target=sockets.serve_forever),
    ]
    for thread in threads:
        thread.start()
    try:
        yield slack
    finally:
        slack.over.set()
        http.shutdown()
        http.server_close()
        sockets.shutdown()
        for one in list(slack.sockets):
            one.close()
        for thread in threads:
            thread.join()
    assert slack.violations == []
