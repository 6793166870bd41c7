"""What Gmail's refusals, its silence and its absence come to: for looking, and for sending."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gmail_kit import context, grant, letter, mailbox, settings
from gmail_server import ADDRESS, Gmail, complaint

from llmcoder import (
    BadInput,
    Cancelled,
    Forbidden,
    NeedsReconnect,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
    Unreadable,
)
from llmcoder.net import GuardedClient
from llmcoder.testing import FakeContext
from tasks.email.gmail import GmailMailbox, open_gmail
from tasks.email.gmail_connection import GMAIL
from tasks.email.gmail_errors import SCOPE, error_of
from tasks.email.mailbox import Query

SEND = "POST /gmail/v1/users/me/messages/send"
LIST = "GET /gmail/v1/users/me/messages?"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.email.gmail_client.SILENCE_S", 0.4)


def look(box: GmailMailbox) -> object:
    return box.page(Query(), None, 10)


def send(box: GmailMailbox) -> object:
    return box.send(letter(), ["dora@example.org"], None)


def newer(status: int, name: str, reason: str) -> dict[str, Any]:
    """An error in the form of Google's newer APIs."""
    detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    return {"error": {"code": status, "message": "the vendor's reason", "status": name, "details": [detail]}}


REFUSALS = [
    (400, complaint(400, "invalidArgument"), BadInput, "the vendor's reason"),
    (400, complaint(400, "failedPrecondition", "Mail service not enabled"), Forbidden, "has no Gmail"),
    (400, complaint(400, "failedPrecondition", "Precondition check failed."), Refused, "Precondition"),
    (400, complaint(400, "invalidArgument", "Invalid id value"), NotFound, "no such message"),
    (403, complaint(403, "insufficientPermissions"), NeedsReconnect, SCOPE),
    (403, newer(403, "PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), NeedsReconnect, SCOPE),
    (403, complaint(403, "domainPolicy"), Forbidden, "administrator"),
    (403, complaint(403, "accessNotConfigured"), NotConfigured, "The Gmail API is off"),
    (403, newer(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), NotConfigured, "The Gmail API is off"),
    (403, complaint(403, "forbidden", "Delegation denied"), Forbidden, "Delegation denied"),
    (403, complaint(403, "rateLimitExceeded"), RateLimited, "asks to wait"),
    (403, complaint(403, "userRateLimitExceeded"), RateLimited, "asks to wait"),
    (403, complaint(403, "dailyLimitExceeded"), RateLimited, "asks to wait"),
    (403, newer(403, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), RateLimited, "asks to wait"),
    (403, b"<html>no JSON", Forbidden, "status 403"),
    (404, complaint(404, "notFound"), NotFound, "does not find it"),
    (409, complaint(409, "aborted"), Transient, "at this moment"),
    (413, b"", Refused, "too large"),
    (418, {"error": "odd"}, Refused, "odd"),
    (429, complaint(429, "rateLimitExceeded"), RateLimited, "asks to wait"),
    (302, b"", NotConfigured, "GMAIL_API_URL"),
]


@pytest.mark.parametrize(("status", "body", "error", "said"), REFUSALS)
@pytest.mark.parametrize("act", [look, send])
def test_a_refusal_is_mapped_by_its_status_and_its_reason(gmail, act, status, body, error, said):
    gmail.next(SEND if act is send else LIST, "refuse", status, body)
    with pytest.raises(error, match=said) as caught:
        act(mailbox(gmail))
    assert "canary" not in str(caught.value)
    assert gmail.sent == []


@pytest.mark.parametrize("status", [302, 307])
def test_the_token_does_not_follow_where_somebody_sends_it(gmail, status):
    gmail.next(LIST, "refuse", status, b"", location=f"{gmail.url}/elsewhere")
    with pytest.raises((NotConfigured, BadInput)):
        look(mailbox(gmail))
    assert len(gmail.seen) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failure_is_transient_when_looking_and_uncertain_when_sending(gmail, status):
    gmail.next(LIST, "refuse", status, complaint(status, "backendError"))
    gmail.next(SEND, "refuse", status, complaint(status, "backendError"))
    box = mailbox(gmail)
    with pytest.raises(Transient, match=str(status)):
        look(box)
    with pytest.raises(Uncertain, match=str(status)):
        send(box)


@pytest.mark.parametrize("does", ["silence", "drop"])
def test_without_an_answer_of_gmails_looking_is_tried_again_and_sending_is_uncertain(gmail, quick, does):
    gmail.next(LIST, does)
    gmail.next(SEND, does)
    box = mailbox(gmail)
    with pytest.raises(Transient):
        look(box)
    with pytest.raises(Uncertain):
        send(box)


def test_a_success_that_cannot_be_read_is_nothing_when_looking_and_done_when_sending(gmail):
    gmail.next(LIST, "garbage")
    gmail.next(SEND, "garbage")
    box = mailbox(gmail)
    with pytest.raises(Transient):
        look(box)
    with pytest.raises(Unreadable):
        send(box)


@pytest.mark.parametrize("does", ["do_then_silence", "do_then_drop"])
def test_what_was_sent_before_the_silence_is_found_and_not_sent_again(gmail, quick, does):
    gmail.next(SEND, does)
    box, message = mailbox(gmail), letter()
    with pytest.raises(Uncertain):
        box.send(message, ["dora@example.org"], None)
    found = box.find_sent(message["Message-ID"])
    assert (found.message_id, len(gmail.sent)) == ("<CA1@mail.gmail.com>", 1)


@pytest.mark.parametrize("does", ["do_then_silence", "do_then_drop"])
def test_a_draft_that_went_out_before_the_silence_is_a_draft_no_more(gmail, quick, does):
    box = mailbox(gmail)
    message = letter()
    draft = box.save_draft(message, None)
    gmail.next("POST /gmail/v1/users/me/drafts/send", does)
    with pytest.raises(Uncertain):
        box.send_draft(draft.id, ["dora@example.org"])
    assert not box.has_draft(draft.id)
    assert box.find_sent(message["Message-ID"]) is not None


@pytest.mark.parametrize("does", ["do_then_silence", "do_then_drop"])
def test_a_draft_kept_before_the_silence_is_not_doubled(gmail, quick, does):
    gmail.next("POST /gmail/v1/users/me/drafts", does)
    box, message = mailbox(gmail), letter()
    with pytest.raises(Transient, match="no harm"):
        box.save_draft(message, None)
    box.save_draft(message, None)
    assert len(gmail.drafts) == 1


def test_a_refused_connection_is_transient_and_nothing_was_sent(refused_url):
    box = mailbox(Gmail(url=refused_url))
    for act in (look, send):
        with pytest.raises(Transient, match="Nothing was sent"):
            act(box)


def test_a_failure_after_the_sending_does_not_unsay_it(gmail):
    gmail.next("GET /gmail/v1/users/me/messages/", "refuse", 503, b"")
    message = letter()
    done = mailbox(gmail).send(message, ["dora@example.org"], None)
    assert (done.message_id, done.id in gmail.messages) == (message["Message-ID"], True)
    assert "is not known" in done.note


def test_nothing_is_sent_by_an_attempt_that_has_lost_its_lease(gmail):
    class Lost(FakeContext):
        @property
        def http(self) -> GuardedClient:
            return GuardedClient(allow=("127.0.0.1",), before_send=self.lost)

        def lost(self) -> None:
            raise Cancelled("Another worker has this job by now.")

    ctx = Lost([settings(gmail.url)], connections={GMAIL: grant()}, account=ADDRESS)
    with pytest.raises(Cancelled):
        send(open_gmail(ctx.connection(GMAIL), ctx))
    assert gmail.seen == []


def test_a_cancelled_job_stops_looking_and_waits_for_what_it_sends(gmail):
    ctx = context(gmail, cancel_after=3)
    gmail.next(LIST, "silence")
    with pytest.raises(Cancelled):
        look(open_gmail(ctx.connection(GMAIL), ctx))
    done = open_gmail(ctx.connection(GMAIL), ctx).send(letter(), ["dora@example.org"], None)
    assert done.id in gmail.messages


# --- limits


def wait_s(caught: pytest.ExceptionInfo[RateLimited]) -> float:
    return (caught.value.retry_at - datetime.now(UTC)).total_seconds()


def later(seconds: float) -> str:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"User-rate limit exceeded.  Retry after {text} (Mail sending)"


@pytest.mark.parametrize(
    ("status", "reason", "message", "header", "seconds"),
    [
        (429, "rateLimitExceeded", "x", "90", 90),
        (403, "userRateLimitExceeded", "x", "90", 90),
        (429, "userRateLimitExceeded", lambda: later(600), None, 600),
        (429, "userRateLimitExceeded", lambda: later(-600), None, 10),
        (429, "rateLimitExceeded", "Too many concurrent requests for user", None, 60),
        (403, "dailyLimitExceeded", "Daily Limit Exceeded", None, 3600),
        (429, "rateLimitExceeded", "x", "99999999", 24 * 3600),
    ],
)
def test_a_limit_says_for_how_long_and_for_whom(
    gmail: Gmail, status: int, reason: str, message: str | Callable[[], str], header: str | None, seconds: float
) -> None:
    said = message if isinstance(message, str) else message()
    headers = {} if header is None else {"retry_after": header}
    gmail.next(LIST, "refuse", status, complaint(status, reason, said), **headers)
    ctx = context(gmail)
    with pytest.raises(RateLimited) as caught:
        look(open_gmail(ctx.connection(GMAIL), ctx))
    assert seconds - 5 < wait_s(caught) <= seconds
    assert (caught.value.provider, caught.value.account) == ("gmail", ADDRESS)
    assert len(ctx.pauses) == (header is not None)


# --- tokens


def test_a_refused_token_is_renewed_once_and_a_401_has_done_nothing(gmail):
    tokens = ["stale", "access-canary-1"]
    box = mailbox(gmail)
    box._client._http._token = lambda refused: tokens[refused == "stale"]
    done = send(box)
    assert (len(gmail.sent), done.message_id) == (1, "<CA1@mail.gmail.com>")


def test_a_token_that_is_refused_twice_needs_a_person(gmail):
    asked: list[str | None] = []

    def token(refused: str | None) -> str:
        asked.append(refused)
        return f"stale-{len(asked)}"

    box = mailbox(gmail)
    box._client._http._token = token
    with pytest.raises(NeedsReconnect, match="Connect it again"):
        send(box)
    assert (asked, len(gmail.seen)) == ([None, "stale-1"], 2)


def test_many_requests_at_once_renew_one_after_the_other(gmail):
    for number in range(12):
        gmail.receive(f"{number}")
    box = mailbox(gmail)
    running = threading.Semaphore(1)
    renewed: list[str] = []

    def token(refused: str | None) -> str:
        assert running.acquire(blocking=False), "two at once"
        time.sleep(0.01)
        if refused == "stale":
            renewed.append(refused)
        running.release()
        return "stale" if refused is None and not renewed else "access-canary-1"

    box._client._http._token = token
    assert len(box.page(Query(), None, 20).messages) == 12


def test_what_quotes_unprintable_characters_is_told_in_one_short_line():
    said = complaint(400, "invalidArgument", "a\r\n\x1b[31m" + "b" * 1000)
    error = error_of(400, {}, json.dumps(said).encode(), account="", now=datetime.now(UTC), sends=False)
    assert error.detail.isprintable() and len(error.detail) < 400
