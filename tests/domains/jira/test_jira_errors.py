"""Each way in which JIRA refuses, fails or says nothing, and the remedy that it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from jira_kit import KINDS, context, jira
from jira_server import Jira
from pydantic import SecretStr

from llmcoder.errors import (
    ActionError,
    BadInput,
    Cancelled,
    Forbidden,
    NeedsReconnect,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
)
from tasks.jira.account import JiraAccount
from tasks.jira.client import opened
from tasks.jira.connections import JIRA
from tasks.jira.errors import Conflict, complaint, error_of
from tasks.jira.tracker import Tracker

__all__ = ["jira"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
both = pytest.mark.parametrize("kind", KINDS)


def read(site: Tracker) -> object:
    return site.issue("OPS-1")


def find(site: Tracker) -> object:
    return site.search("project = OPS", ("summary",), 10)


def say(site: Tracker) -> object:
    return site.add_comment("OPS-1", site.body("x"), "m-1")


def assign(site: Tracker) -> object:
    site.assign("OPS-1", None)
    return None


def unsay(site: Tracker) -> object:
    site.delete_comment("OPS-1", "10001")
    return None


#: The search reads, although it is a POST.
WAYS: dict[str, Callable[[Tracker], object]] = {
    "GET": read,
    "POST /search": find,
    "POST /issue": say,
    "PUT": assign,
    "DELETE": unsay,
}
READS = ("GET", "POST /search")
every_way = pytest.mark.parametrize("method", WAYS)
every_read = pytest.mark.parametrize("method", READS)
every_write = pytest.mark.parametrize("method", ["POST /issue", "PUT", "DELETE"])


def ready(jira: Jira) -> None:
    jira.add("OPS", "Title")
    jira.issues["OPS-1"].comments.clear()


def raised(jira: Jira, kind: str, method: str) -> ActionError:
    """What comes of a request of that kind."""
    ready(jira)
    ctx = context(jira, kind, timeout_s=3.5)
    with pytest.raises(ActionError) as caught:
        WAYS[method](opened(ctx.connection(JIRA), ctx))
    return caught.value


@both
@every_way
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BadInput),
        (401, NeedsReconnect),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, Refused),
        (418, Refused),
    ],
)
def test_a_refusal_names_its_remedy(jira: Jira, kind: str, method: str, status: int, error: type[ActionError]) -> None:
    jira.next(method, "refuse", status, {"errorMessages": ["the reason"], "errors": {"summary": "is too long"}})
    found = raised(jira, kind, method)
    assert type(found) is error
    assert status == 401 or "the reason; summary: is too long" in found.detail
    assert len(jira.seen) == 1


@both
@every_way
def test_429_waits_as_long_as_it_says_and_is_not_asked_again(jira: Jira, kind: str, method: str) -> None:
    jira.next(method, "refuse", 429, retry_after="7")
    error = raised(jira, kind, method)
    assert isinstance(error, RateLimited)
    assert timedelta(seconds=4) < error.retry_at - datetime.now(UTC) <= timedelta(seconds=7)
    assert len(jira.seen) == 1


@both
@every_read
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_that_fails_has_told_a_reader_nothing(jira: Jira, kind: str, method: str, status: int) -> None:
    jira.next(method, "refuse", status)
    assert type(raised(jira, kind, method)) is Transient


@both
@every_write
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_that_fails_may_have_done_what_was_asked(jira: Jira, kind: str, method: str, status: int) -> None:
    jira.next(method, "refuse", status)
    assert type(raised(jira, kind, method)) is Uncertain
    assert len(jira.seen) == 1


@both
@every_way
def test_a_server_that_is_busy_and_says_until_when_has_done_nothing(jira: Jira, kind: str, method: str) -> None:
    jira.next(method, "refuse", 503, retry_after="7")
    assert type(raised(jira, kind, method)) is Transient


@both
@every_way
def test_a_refused_connection_has_done_nothing(jira: Jira, kind: str, method: str, refused_url: str) -> None:
    account = {"site": refused_url, "token": SecretStr("t"), "email": "a@b.example" if kind == "cloud" else None}
    ctx = context(jira, credentials=JiraAccount.model_validate(account))
    with pytest.raises(Transient):
        WAYS[method](opened(ctx.connection(JIRA), ctx))


@every_way
@pytest.mark.parametrize(("kind", "does"), [("cloud", "drop"), ("data_center", "silence")])
def test_silence_after_sending_is_uncertain_for_a_write_and_nothing_for_a_read(
    jira: Jira, kind: str, method: str, does: str
) -> None:
    jira.next(method, does)
    assert type(raised(jira, kind, method)) is (Transient if method in READS else Uncertain)
    assert len(jira.seen) == 1


@both
@every_way
def test_a_login_page_in_place_of_data_wants_a_reconnect(jira: Jira, kind: str, method: str) -> None:
    jira.next(method, "login_page")
    error = raised(jira, kind, method)
    assert isinstance(error, NeedsReconnect) and "login page" in error.detail


@both
@pytest.mark.parametrize("body", [{"fields": {"summary": ["x"]}}, ["x"], b"no JSON", b"[" * 100_000])
def test_an_answer_that_is_not_what_was_asked_for_is_no_issue(jira: Jira, kind: str, body: object) -> None:
    jira.next("GET", "refuse", 200, body)
    assert type(raised(jira, kind, "GET")) is Transient


@both
@pytest.mark.parametrize("body", [{"unexpected": True}, b"no JSON", b""])
def test_an_answer_to_a_write_that_cannot_be_read_leaves_it_uncertain(jira: Jira, kind: str, body: object) -> None:
    jira.next("POST", "refuse", 201, body)
    assert type(raised(jira, kind, "POST /issue")) is Uncertain


@both
@pytest.mark.parametrize("odd", [b'"half \\ud83d"', b"NaN", b"1e400", b'{"\\udc00": 1}'])
def test_a_receipt_beside_what_not_every_reader_takes_is_known(jira: Jira, kind: str, odd: bytes) -> None:
    stamp = b"2026-01-01T00:00:00.000+0000"
    body = b'{"id": "77", "created": "%b", "updated": "%b", "body": "x \\ud83d", "odd": %b}' % (stamp, stamp, odd)
    jira.next("POST", "refuse", 201, body)
    ready(jira)
    ctx = context(jira, kind, timeout_s=3.5)
    assert "77" in str(say(opened(ctx.connection(JIRA), ctx)))


@both
def test_strangers_answers_for_a_wrong_token_are_seen_through(jira: Jira, kind: str) -> None:
    jira.next("POST", "refuse", 200, {"issues": []}, x_seraph_loginreason="AUTHENTICATED_FAILED")
    assert type(raised(jira, kind, "POST /search")) is NeedsReconnect
    jira.next("GET", "refuse", 403, x_seraph_loginreason="AUTHENTICATION_DENIED")
    assert "CAPTCHA" in raised(jira, kind, "GET").detail
    denied = "CAPTCHA_CHALLENGE; login-url=https://x.example/login.jsp"
    jira.next("GET", "refuse", 403, x_authentication_denied_reason=denied)
    assert type(raised(jira, kind, "GET")) is NeedsReconnect


@both
def test_a_wrong_token_is_told_without_it(jira: Jira, kind: str) -> None:
    ready(jira)
    ctx = context(jira, credentials=getattr(jira, kind)("wrong-canary"))
    with pytest.raises(NeedsReconnect) as caught:
        say(opened(ctx.connection(JIRA), ctx))
    told: BaseException | None = caught.value
    while told is not None:
        assert "wrong-canary" not in str(told)
        told = told.__cause__ or told.__context__


@both
def test_a_site_at_a_private_address_is_not_asked_unless_an_operator_allows_it(jira: Jira, kind: str) -> None:
    ctx = context(jira, kind, fetch_allow=())
    with pytest.raises(BadInput):
        read(opened(ctx.connection(JIRA), ctx))
    assert jira.seen == []


@both
def test_a_cancelled_job_stops_reading_and_does_not_stop_writing(jira: Jira, kind: str) -> None:
    ready(jira)
    ctx = context(jira, kind, cancel_after=0)
    with pytest.raises(Cancelled):
        read(opened(ctx.connection(JIRA), ctx))
    say(opened(ctx.connection(JIRA), ctx))
    assert len(jira.issues["OPS-1"].comments) == 1


@both
@pytest.mark.parametrize(
    ("method", "to", "error"),
    [
        ("POST /issue", "/login.jsp?os_destination=x", NeedsReconnect),
        ("POST /issue", "/elsewhere", Refused),
        ("PUT", "/elsewhere", BadInput),
        ("DELETE", "/elsewhere", BadInput),
    ],
)
def test_a_write_that_is_redirected_has_done_nothing_and_is_not_sent_on(
    jira: Jira, kind: str, method: str, to: str, error: type[ActionError]
) -> None:
    jira.next(method, "refuse", 302, location=to)
    assert type(raised(jira, kind, method)) is error
    assert len(jira.seen) == 1


@both
def test_members_that_are_null_are_as_if_left_out(jira: Jira, kind: str) -> None:
    ready(jira)
    odd = {"summary": "S", "status": None, "assignee": None, "labels": None, "created": None, "issuelinks": None}
    jira.next("GET", "refuse", 200, {"id": 7, "key": "OPS-1", "fields": odd})
    ctx = context(jira, kind)
    found = opened(ctx.connection(JIRA), ctx).issue("OPS-1")
    assert (found.id, found.fields.summary, found.fields.labels) == ("7", "S", ())


# --- what refusals say


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"errorMessages":["No project"],"errors":{}}', "No project"),
        (b'{"errorMessages":[],"errors":{"summary":"is required","due":"is no date"}}',
         "summary: is required; due: is no date"),
        (b'{"errorMessages":["A","B"],"errors":{"x":"C"}}', "A; B; x: C"),
        (b'{"code":401,"message":"Unauthorized; scope does not match"}', "Unauthorized; scope does not match"),
        (b'{"errorMessage":"down"}', "down"),
        (b'{"error":"invalid_grant","error_description":"expired"}', "expired"),
        (b"<html>oops</html>", ""),
        (b"", ""),
        (b'["x"]', ""),
        (b'{"errorMessages":"x","errors":["y"]}', ""),
        (b'{"message":{"a":1}}', ""),
        (b'{"message":"a\\u0000b\\nc"}', "a b c"),
        (b'{"message":"' + b"x" * 1000 + b'"}', "x" * 600 + "…"),
    ],
)  # fmt: skip
def test_a_refusal_says_why_in_one_line(body: bytes, said: str) -> None:
    assert complaint(body) == said


@pytest.mark.parametrize("status", [301, 302, 304])
def test_a_redirect_that_leads_nowhere_is_a_wrong_address(status: int) -> None:
    assert type(error_of(status, {}, b"", site="s", now=NOW, writes=True)) is Refused


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_answer_is_no_error(status: int) -> None:
    assert error_of(status, {"content-type": "application/json"}, b"{}", site="s", now=NOW, writes=True) is None
