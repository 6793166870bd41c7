"""A provider that says yes has done it: however its answer looks, the job ends knowing that, and sends nothing twice.

Every action that writes has a row here, or says why no provider answers it.
"""

# ruff: noqa: E402, E501  (the kits of four domains are imported; a row of a table is a line)

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

HERE = Path(__file__).parent
for folder in ("jira", "confluence", "slack", "email", "finance"):
    sys.path.append(str(HERE / folder))
sys.path.append(str(HERE.parent / "integration"))

from confluence_server import TOKEN as CONFLUENCE_TOKEN
from confluence_server import confluence_on_loopback
from gmail_server import TOKEN as GMAIL_TOKEN
from gmail_server import gmail_on_loopback
from imap_kit import mail, messages
from inline_kit import Inline
from jira_server import EMAIL, jira_on_loopback
from jira_server import TOKEN as JIRA_TOKEN
from mail_server import MailServer, running, why_missing
from plaid_server import plaid_on_loopback
from scripted_mail import Eavesdropper, Last, Script, scripted, smtp
from slack_server import BOT, BOT_TOKEN, GENERAL, slack_on_loopback

from engine import commands
from engine.commands import WrongState
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.registry import Registry, discover
from models.db.database import Database

#: The answers: status, body, headers. An absent body is that of the provider.
ANSWERS: dict[str, tuple[int, bytes | None, dict[str, str]]] = {
    "half of its JSON": (200, b'{"id": "1", "ok": true, "ke', {}),
    "a list": (200, b"[1, 2]", {}),
    "a number": (200, b"7", {}),
    "null": (201, b"null", {}),
    "no id": (200, b'{"ok": true, "fields": {}}', {}),
    "an id that is an object": (200, b'{"ok": true, "id": {"a": 1}, "ts": {"a": 1}, "key": [], "version": "x"}', {}),
    "an id that is empty": (200, b'{"ok": true, "id": "", "ts": "", "key": ""}', {}),
    "NaN": (200, b'{"ok": true, "id": NaN, "ts": NaN}', {}),
    "a huge number": (200, b'{"ok": true, "id": ' + b"9" * 5000 + b"}", {}),
    "deeply nested": (200, b'{"a":' * 5000, {}),
    "a byte-order mark before it": (200, b"\xef\xbb\xbf{}", {}),
    "UTF-16": (200, '{"ok": true}'.encode("utf-16"), {}),
    "bytes of another encoding": (200, b'{"ok": true, "name": "Gr\xfc\xdfe"}', {"content-type": "application/json; charset=iso-8859-1"}),
    "bytes of none": (200, bytes(range(256)), {}),
    "half of a character": (200, b'{"ok": true, "title": "\\ud83d"}', {}),
    "much of nothing": (200, b" " * 3_000_000, {}),
    "many brackets": (200, b"[" * 3_000_000, {}),
    "a web page": (200, b"<html><h1>Done</h1></html>", {"content-type": "text/html"}),
    "accepted, and no more": (202, b"", {}),
    "no content": (204, b"", {}),
    "created, and nothing said": (201, b"", {}),
    "done, see there": (303, b"", {"location": "/there"}),
    "gzip that is none": (200, b"no gzip", {"content-encoding": "gzip"}),
    "an encoding that nobody asked for": (200, b"x", {"content-encoding": "br"}),
    "a body that breaks off": (200, b'{"ok": true', {"content-length": "9000"}),
    "an unknown media type": (200, None, {"content-type": "x/y; charset=nonsense"}),
}  # fmt: skip


class Between(ThreadingHTTPServer):
    """Stands before a provider, and answers in its place once it has done what it was told.

    Attributes:
        answer: What it says, instead of the provider, to the request that writes; None while the provider speaks.
        writes: Those requests.
    """

    daemon_threads = True

    def __init__(self, upstream: str, write: str) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.upstream, self.write = urlsplit(upstream), re.compile(write)
        self.answer: tuple[int, bytes | None, dict[str, str]] | None = None
        self.writes: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Exchange(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Between

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if self.raw_requestline and self.parse_request():
            self._pass_on()
        self.close_connection = True

    def _pass_on(self) -> None:
        asked = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/token":
            return self._say(200, json.dumps({"access_token": GMAIL_TOKEN, "expires_in": 3600}).encode(), {})
        status, body, headers = self._done(asked)
        if self.server.write.search(f"{self.command} {self.path}"):
            self.server.writes.append(self.path)
            if self.server.answer is not None:
                status, other, more = self.server.answer
                body, headers = body if other is None else other, headers | more
        return self._say(status, body, headers)

    def _done(self, asked: bytes) -> tuple[int, bytes, dict[str, str]]:
        provider = http.client.HTTPConnection(
            self.server.upstream.hostname or "", self.server.upstream.port, timeout=20
        )
        given = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        provider.request(self.command, self.path, asked, given)
        answer = provider.getresponse()
        body = answer.read()
        provider.close()
        return answer.status, body, {"content-type": answer.headers.get("content-type", "application/json")}

    def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"content-type": "application/json", "content-length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def rig(db: Database, db_url: str, user: User, tmp_path: Path) -> Iterator[Callable[..., tuple[Inline, Between]]]:
    """An engine, and what stands before the provider that its settings name."""
    with ExitStack() as stack:

        def made(upstream: str, write: str, environ: Callable[[str], dict[str, str]]) -> tuple[Inline, Between]:
            between = Between(upstream, write)
            thread = threading.Thread(target=between.serve_forever, kwargs={"poll_interval": 0.005})
            thread.start()
            stack.callback(thread.join)
            stack.callback(between.server_close)
            stack.callback(between.shutdown)
            told = {"FETCH_ALLOW": "127.0.0.1", "DATA_DIR": str(tmp_path), "DATABASE_URL": db_url}
            stack.enter_context(use(Config.open(told | environ(between.url), cwd=tmp_path)))
            return Inline(db, user, Registry(discover())), between

        yield made


Case = tuple[Inline, Between, dict[str, Any]]


def jira(rig: Any, stack: ExitStack, write: str, given: Callable[[Any], dict[str, Any]]) -> Case:
    site = stack.enter_context(jira_on_loopback())
    issue = site.add("OPS", "The disk is full")
    names = {"JIRA_EMAIL": EMAIL, "JIRA_API_TOKEN": JIRA_TOKEN}
    engine, between = rig(site.url, write, lambda url: {"JIRA_SERVER_URL": url, **names})
    return engine, between, given(issue)


def confluence(rig: Any, stack: ExitStack, write: str, given: Callable[[Any], dict[str, Any]]) -> Case:
    site = stack.enter_context(confluence_on_loopback())
    site.space("OPS")
    page = site.add("OPS", "Disks", "<p>Full.</p>")
    names = {"CONFLUENCE_EMAIL": EMAIL, "CONFLUENCE_API_TOKEN": CONFLUENCE_TOKEN}
    engine, between = rig(site.url, write, lambda url: {"CONFLUENCE_URL": url, **names})
    return engine, between, given(page)


def slack(rig: Any, stack: ExitStack, write: str, given: Callable[[Any], dict[str, Any]]) -> Case:
    team = stack.enter_context(slack_on_loopback())
    names = {"SLACK_BOT_TOKEN": BOT_TOKEN}
    engine, between = rig(team.url, write, lambda url: {"SLACK_API_URL": f"{url}/api/", **names})
    return engine, between, given(team)


def gmail(rig: Any, stack: ExitStack, write: str, given: Callable[[Any], dict[str, Any]]) -> Case:
    box = stack.enter_context(gmail_on_loopback())
    mail = box.receive("Lunch?")
    names = {"GMAIL_CLIENT_ID": "engine", "GMAIL_CLIENT_SECRET": "secret", "GMAIL_REFRESH_TOKEN": "refresh"}
    engine, between = rig(
        box.url, write, lambda url: {"GMAIL_API_URL": url, "GMAIL_TOKEN_URL": f"{url}/token", **names}
    )
    return engine, between, given(mail)


def plain(rig: Any, stack: ExitStack, write: str, given: Callable[[Any], dict[str, Any]]) -> Case:
    site = stack.enter_context(jira_on_loopback())  # any server that answers
    engine, between = rig(site.url, write, lambda url: {})
    return engine, between, given(between.url)


def plaid(rig: Any, stack: ExitStack, write: str, given: Callable[[Any], dict[str, Any]]) -> Case:
    bank = stack.enter_context(plaid_on_loopback())
    names = {"PLAID_CLIENT_ID": "client", "PLAID_SECRET": "secret"}
    engine, between = rig(bank.url, write, lambda url: {"PLAID_URL": url, **names})
    link = engine.done("finance.connect_bank", {})
    bank.sign_in("link-sandbox-1")
    return engine, between, given(link)


def simplefin_token(url: str) -> dict[str, Any]:
    return {"token": base64.b64encode(f"{url}/claim/1".encode()).decode()}


#: Each action that a provider answers: who that is, which request writes, and what it is given.
ROWS: dict[str, tuple[Callable[..., Case], str, Callable[[Any], dict[str, Any]]]] = {
    "http.request": (plain, "^POST", lambda url: {"method": "POST", "url": f"{url}/x", "json": {"a": 1}}),
    "jira.add_comment": (jira, "^POST .*/comment", lambda issue: {"issue": issue.key, "markdown": "Done."}),
    "jira.delete_comment": (jira, "^DELETE", lambda issue: {"issue": issue.key, "comment_id": "1"}),
    "jira.create_issue": (jira, "^POST .*/issue$", lambda issue: {"project": "OPS", "summary": "One more"}),
    "jira.transition": (jira, "^POST .*/transitions", lambda issue: {"issue": issue.key, "to": "In Progress"}),
    "jira.assign": (jira, "^PUT .*/assignee", lambda issue: {"issue": issue.key, "assignee": "none"}),
    "jira.restore_assignee": (
        jira, "^PUT .*/assignee", lambda issue: {"issue": issue.key, "assignee_id": "5b10ac8d82e05b22cc7d4ef5"},
    ),
    "confluence.create_page": (
        confluence, "^POST .*/pages", lambda page: {"space": "OPS", "title": "New", "markdown": "Hello."},
    ),
    "confluence.update_page": (
        confluence, "^PUT", lambda page: {"page": page.id, "base_version": 1, "markdown": "Empty."},
    ),
    "confluence.append_section": (confluence, "^PUT", lambda page: {"page": page.id, "markdown": "Empty."}),
    "confluence.restore_version": (
        confluence, "^PUT", lambda page: {"page": page.id, "version": 1, "base_version": 1},
    ),
    "confluence.trash_page": (confluence, "^DELETE", lambda page: {"page": page.id}),
    "slack.post_message": (slack, "chat.postMessage", lambda team: {"channel": "#general", "text": "Deployed"}),
    "slack.delete_message": (
        slack, "chat.delete", lambda team: {"channel": GENERAL, "ts": team.say(GENERAL, BOT, "Deployed")},
    ),
    "email.send": (gmail, "messages/send", lambda mail: {"to": ["ann@example.org"], "subject": "x", "text": "y"}),
    "email.send_reply": (gmail, "messages/send", lambda mail: {"id": mail.id, "text": "Yes."}),
    "email.label": (gmail, "/modify", lambda mail: {"ids": [mail.id], "add": ["STARRED"]}),
    "email.unlabel": (gmail, "/modify", lambda mail: {"ids": [mail.id], "remove": ["STARRED"]}),
    "email.archive": (gmail, "/modify", lambda mail: {"ids": [mail.id]}),
    "email.unarchive": (gmail, "/modify", lambda mail: {"ids": [mail.id]}),
    "finance.finish_connecting": (plaid, "public_token/exchange", lambda link: {"link_id": str(link.id)}),
    "finance.connect_simplefin": (plain, "^POST", simplefin_token),
}  # fmt: skip
#: Domains of which nothing but our own database knows; a page that has a recipe is only read.
OUR_RECORDS = ("general.", "learning.", "recipe.", "reminders.")
#: Those that no provider answers, and why.
OURS = {
    "email.add_watch": "a row here", "email.change_watch": "a row here", "email.remove_watch": "a row here",
    **dict.fromkeys(
        (
            "finance.change_account", "finance.change_rule", "finance.change_transaction", "finance.remove_account",
            "finance.remove_rule", "finance.remove_transaction", "finance.reopen_doubts", "finance.restore_categories",
            "finance.undo_import",
        ),
        "rows here",
    ),
    "system.stop_realtime": "our own processes", "tasks.ask_person": "a person answers",
    "travel.change_watch": "rows here", "travel.unwatch": "rows here", "travel.watch_price": "rows here",
    "news.add_feed": "it only reads there; rows here", "news.add_search": "likewise", "news.mark_unread": "rows here",
    "news.restore_feeds": "rows here", "news.put_topic_back": "rows here",
}  # fmt: skip


def test_every_action_that_writes_has_a_row() -> None:
    known = Registry(discover())
    writing = {name for name in known if known.find(name).effect.writes and not name.startswith("test.")}
    rows = {name for name in writing if name.startswith(OUR_RECORDS) or known.find(name).own_records}
    assert writing - rows == ROWS.keys() | OURS.keys()


#: One action of each client meets all answers, the others those that differ most.
ALL_ANSWERS = {"http.request", "jira.add_comment", "confluence.create_page", "slack.post_message", "email.send"}
SOME_ANSWERS = ("half of its JSON", "no id", "NaN", "a web page", "no content", "a body that breaks off")
CASES = [(action, answer) for action in ROWS for answer in (ANSWERS if action in ALL_ANSWERS else SOME_ANSWERS)]


@pytest.mark.parametrize(("action", "answer"), CASES)
def test_what_was_answered_with_a_success_is_known_and_not_sent_again(
    rig: Callable[..., tuple[Inline, Between]], action: str, answer: str
) -> None:
    provider, write, given = ROWS[action]
    with ExitStack() as stack:
        engine, between, told = provider(rig, stack, write, given)
        between.answer = ANSWERS[answer]
        job = engine.done(action, told)
        assert len(between.writes) == 1, (job.state, job.reason, job.error)
        assert job.state == "succeeded" or (job.state, job.reason) == ("failed", "after_effect"), (
            job.error,
            job.reason,
        )
        if job.state == "failed":
            with pytest.raises(WrongState, match="twice"), engine.db.write() as conn:
                commands.retry(conn, engine.known, engine.user.id, job.id, engine.db.now())


# --- mail over SMTP and IMAP


@pytest.fixture(scope="module")
def mail_server() -> Iterator[MailServer]:
    if (reason := why_missing()) is not None:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with running() as server:
        yield server


class Mailbox:
    """An engine with a mailbox, whose server is a real one behind `imap`, and which sends by a script."""

    def __init__(self, server: MailServer, name: str, script: Script, stack: ExitStack) -> None:
        self.server, self.script = server, script
        self.address = server.user(name)
        self.imap = stack.enter_context(closing(Eavesdropper(server.imap)))
        self._port = stack.enter_context(scripted(script))

    def environ(self) -> dict[str, str]:
        imap = {"IMAP_HOST": "127.0.0.1", "IMAP_PORT": str(self.imap.port), "IMAP_SECURITY": "plain"}
        smtp = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self._port), "SMTP_SECURITY": "plain"}
        return {**imap, **smtp, "IMAP_USER": self.address, "IMAP_PASSWORD": self.server.password}

    @property
    def mails_sent(self) -> int:
        return self.script.heard.count(b"DATA")

    def holds(self, folder: str) -> int:
        return len(messages(self.server, self.address, folder))


@pytest.fixture
def mailbox(
    db: Database, user: User, tmp_path: Path, mail_server: MailServer, request: pytest.FixtureRequest
) -> Iterator[Callable[[Script], tuple[Inline, Mailbox]]]:
    with ExitStack() as stack:

        def made(script: Script) -> tuple[Inline, Mailbox]:
            name = re.sub(r"\W", "_", f"{request.node.name}_{db.url.get_backend_name()}")
            box = Mailbox(mail_server, f"known{abs(hash(name))}", script, stack)
            told = {"FETCH_ALLOW": "127.0.0.1", "DATA_DIR": str(tmp_path), **box.environ()}
            stack.enter_context(use(Config.open(told, cwd=tmp_path)))
            return Inline(db, user, Registry(discover())), box

        yield made


LETTER = {"to": ["bob@elsewhere.example"], "subject": "x", "text": "y"}
#: What a server says to a mail that it has taken. Its first digit is a yes.
TAKEN: dict[str, bytes] = {
    "in a word": b"250 OK\r\n",
    "in three digits": b"250\r\n",
    "in several lines": b"250-2.0.0 taken\r\n250-as 4711\r\n250 for bob\r\n",
    "with another number": b"252 cannot be verified, taken all the same\r\n",
    "in another encoding": b"250 Gr\xfc\xdfe aus K\xf6ln\r\n",
    "in bytes of none": b"250 " + bytes(range(128, 256)) + b"\r\n",
    "in a line longer than SMTP has": b"250 " + b"x" * 70_000 + b"\r\n",
    "in more lines than anybody reads": b"250-more\r\n" * 500 + b"250 enough\r\n",
    "with the end of a line of Unix": b"250 OK\n",
    "and hangs up": Last(b"250 OK\r\n"),
    "and hangs up in the middle": Last(b"250-2.0.0 taken\r\n250-as"),
    "and hangs up before the line ends": Last(b"250 OK"),
    "and says goodbye": Last(b"250 OK\r\n421 4.4.2 timeout\r\n"),
}


@pytest.mark.parametrize("how", TAKEN)
def test_a_mail_that_was_taken_is_sent_however_the_server_says_so(
    mailbox: Callable[[Script], tuple[Inline, Mailbox]], how: str
) -> None:
    engine, box = mailbox(smtp({".": TAKEN[how]}))
    job = engine.done("email.send", LETTER)
    assert (job.state, job.reason, job.error) == ("succeeded", None, None)
    assert (box.mails_sent, box.holds("Sent"), box.holds("Drafts")) == (1, 1, 0)


class Severing(Script):
    """An SMTP server with which the IMAP server goes away, as soon as it has taken a mail."""

    box: Mailbox
    instead: bytes

    def to(self, line: bytes) -> bytes | None:
        if line == b".":
            self.box.imap.hang_up(self.instead)
        return super().to(line)


@pytest.mark.parametrize(
    "instead", [b"", b"* BYE too busy\r\n", b"220 I speak SMTP\r\n", b"\x16\x03\x01", b"* OK hello\r\n"]
)
@pytest.mark.parametrize("action", ["email.send", "email.send_reply"])
def test_a_mail_that_was_taken_is_sent_though_its_copy_cannot_be_moved(
    mailbox: Callable[[Script], tuple[Inline, Mailbox]], action: str, instead: bytes
) -> None:
    plain = smtp({".": b"250 OK\r\n"})
    script = Severing(plain.greeting, plain.answers, plain.otherwise)
    engine, box = mailbox(script)
    script.box, script.instead = box, instead
    given: dict[str, Any] = LETTER
    if action == "email.send_reply":
        box.server.deliver(box.address, mail("Lunch?", From="bob@elsewhere.example", To=box.address).as_bytes())
        asked = engine.done("email.emails", {"limit": 1})
        given = {"id": json.loads(asked.result or "")["items"][0]["id"], "text": "Yes."}
    job = engine.done(action, given)
    assert (job.state, job.reason) == ("succeeded", None), job.error
    assert box.mails_sent == 1
    assert "could not be moved" in json.loads(job.result or "")["note"]


#: What an IMAP server says once it has moved or marked messages.
MOVED: dict[str, bytes] = {
    "not where they are now": b"{tag} OK\r\n",
    "nonsense for where they are": b"{tag} OK [COPYUID x y z] done\r\n",
    "more places than messages": b"{tag} OK [COPYUID 1 1 7:9] done\r\n",
    "places without messages": b"{tag} OK [COPYUID 1] done\r\n",
    "a number of thousands of digits": b"{tag} OK [COPYUID 1 1 " + b"9" * 5_000 + b"] done\r\n",
    "a range without an end": b"{tag} OK [COPYUID 1 1 1:99999999999999] done\r\n",
    "words in another encoding": b"{tag} OK erledigt, Gr\xfc\xdfe\r\n",
    "what nobody asked": b"* 1 FETCH (FLAGS (\\Seen))\r\n* OK [HIGHESTMODSEQ 9] x\r\n{tag} OK done\r\n",
    "and says goodbye": b"{tag} OK done\r\n* BYE see you\r\n",
    "in small letters": b"{tag} ok done\r\n",
}


@pytest.mark.parametrize("how", MOVED)
@pytest.mark.parametrize("action", ["email.archive", "email.label"])
def test_what_an_imap_server_has_done_is_done_however_it_says_so(
    mailbox: Callable[[Script], tuple[Inline, Mailbox]], action: str, how: str
) -> None:
    engine, box = mailbox(smtp())
    box.server.deliver(box.address, mail("Lunch?", To=box.address).as_bytes())
    listed = engine.done("email.emails", {"limit": 1})
    ids = [json.loads(listed.result or "")["items"][0]["id"]]
    box.imap.answer = MOVED[how]
    job = engine.done(action, {"ids": ids} if action == "email.archive" else {"ids": ids, "add": ["Bank"]})
    assert (job.state, job.reason) == ("succeeded", None), job.error
    assert len(box.imap.changes) == 1
    assert box.holds("Archive" if action == "email.archive" else "INBOX") == 1


def test_what_was_copied_and_not_removed_is_not_copied_again(
    mailbox: Callable[[Script], tuple[Inline, Mailbox]],
) -> None:
    """A server without MOVE goes away between the two commands that stand for it."""
    engine, box = mailbox(smtp())
    box.imap.hidden = b" MOVE"
    box.server.deliver(box.address, mail("Lunch?", To=box.address).as_bytes())
    listed = engine.done("email.emails", {"limit": 1})
    box.imap.change = re.compile(rb"^(\S+) UID STORE .*$", re.MULTILINE)
    box.imap.answer = b"* BYE too busy\r\n"
    job = engine.done("email.archive", {"ids": [json.loads(listed.result or "")["items"][0]["id"]]})
    assert job.state == "failed" and "copied to the folder" in (job.error or ""), (job.state, job.error)
    assert (box.holds("Archive"), len(box.imap.changes)) == (1, 1)
