"""Each way in which Confluence refuses, fails or says nothing, and the remedy that it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from confluence_server import Confluence
from pydantic import SecretStr
from site_kit import KINDS, confluence, context, site

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
from tasks.confluence.account import ConfluenceAccount
from tasks.confluence.client import opened
from tasks.confluence.connections import CONFLUENCE
from tasks.confluence.errors import Conflict, complaint, error_of
from tasks.confluence.site import Site
from tasks.confluence.wiki import Space

__all__ = ["confluence"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
both = pytest.mark.parametrize("kind", KINDS)
SPACE = Space("1", "OPS", "Operations")


def read(wiki: Site) -> object:
    return wiki.page("100002")


def make(wiki: Site) -> object:
    return wiki.create(SPACE, "New", "<p>x</p>", None, "m-1")


def change(wiki: Site) -> object:
    return wiki.update("100002", "Title", "<p>x</p>", 1, "m-1")


def trash(wiki: Site) -> object:
    wiki.trash("100002")
    return None


WAYS: dict[str, Callable[[Site], object]] = {"GET": read, "POST": make, "PUT": change, "DELETE": trash}
every_way = pytest.mark.parametrize("method", WAYS)
every_write = pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])


def raised(confluence: Confluence, kind: str, method: str) -> ActionError:
    """What comes of a request of that method."""
    confluence.add("OPS", "Title")
    with pytest.raises(ActionError) as caught:
        WAYS[method](site(confluence, kind, timeout_s=3.5))
    return caught.value


@both
@every_way
@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadInput), (401, NeedsReconnect), (403, Forbidden), (404, NotFound), (413, Refused), (418, Refused)],
)
def test_a_refusal_names_its_remedy(
    confluence: Confluence, kind: str, method: str, status: int, error: type[ActionError]
) -> None:
    confluence.next(method, "refuse", status)
    if status == 401:
        confluence.next(method, "refuse", status)
    assert type(raised(confluence, kind, method)) is error


@both
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_409_is_a_conflict(confluence: Confluence, kind: str, method: str) -> None:
    confluence.next(method, "refuse", 409)
    assert type(raised(confluence, kind, method)) is Conflict


@both
@every_way
def test_429_waits_as_long_as_it_says(confluence: Confluence, kind: str, method: str) -> None:
    confluence.next(method, "refuse", 429, retry_after="7")
    error = raised(confluence, kind, method)
    assert isinstance(error, RateLimited)
    assert timedelta(seconds=4) < error.retry_at - datetime.now(UTC) <= timedelta(seconds=7)


@both
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_that_fails_has_told_a_reader_nothing(confluence: Confluence, kind: str, status: int) -> None:
    confluence.next("GET", "refuse", status)
    assert type(raised(confluence, kind, "GET")) is Transient


@both
@every_write
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_that_fails_may_have_done_what_was_asked(
    confluence: Confluence, kind: str, method: str, status: int
) -> None:
    confluence.next(method, "refuse", status)
    assert type(raised(confluence, kind, method)) is Uncertain


@both
@every_way
def test_a_server_that_is_busy_and_says_until_when_has_done_nothing(
    confluence: Confluence, kind: str, method: str
) -> None:
    confluence.next(method, "refuse", 503, retry_after="7")
    assert type(raised(confluence, kind, method)) is Transient


@both
@every_way
def test_a_refused_connection_has_done_nothing(
    confluence: Confluence, kind: str, method: str, refused_url: str
) -> None:
    account = {"site": refused_url, "token": SecretStr("t"), "email": "a@b.example" if kind == "cloud" else None}
    ctx = context(confluence, credentials=ConfluenceAccount.model_validate(account))
    with pytest.raises(Transient):
        WAYS[method](opened(ctx.connection(CONFLUENCE), ctx))


@both
@every_way
@pytest.mark.parametrize("does", ["silence", "drop"])
def test_silence_after_sending_is_uncertain_for_a_write_and_nothing_for_a_read(
    confluence: Confluence, kind: str, method: str, does: str
) -> None:
    confluence.next(method, does)
    assert type(raised(confluence, kind, method)) is (Transient if method == "GET" else Uncertain)


@both
@every_way
def test_a_login_page_in_place_of_data_wants_a_reconnect(confluence: Confluence, kind: str, method: str) -> None:
    confluence.next(method, "login_page")
    assert "login page" in str(raised(confluence, kind, method))


@both
def test_an_answer_that_is_not_what_was_asked_for_is_no_page(confluence: Confluence, kind: str) -> None:
    confluence.next("GET", "refuse", 200, {"id": "1", "title": 3})
    assert type(raised(confluence, kind, "GET")) is Transient
    confluence.next("POST", "refuse", 200, {"unexpected": True})
    assert type(raised(confluence, kind, "POST")) is Uncertain


def test_strangers_answers_for_a_wrong_token_are_seen_through(confluence: Confluence) -> None:
    confluence.next("GET", "refuse", 200, {"results": []}, x_seraph_loginreason="AUTHENTICATED_FAILED")
    assert type(raised(confluence, "data_center", "GET")) is NeedsReconnect
    confluence.next("GET", "refuse", 403, x_seraph_loginreason="AUTHENTICATION_DENIED")
    assert "CAPTCHA" in str(raised(confluence, "data_center", "GET"))


@both
def test_a_site_at_a_private_address_is_not_asked_unless_an_operator_allows_it(
    confluence: Confluence, kind: str
) -> None:
    confluence.add("OPS", "Title")
    with pytest.raises(BadInput):
        read(site(confluence, kind, fetch_allow=()))
    assert confluence.seen == []


@both
def test_a_cancelled_job_stops_reading_and_does_not_stop_writing(confluence: Confluence, kind: str) -> None:
    confluence.add("OPS", "Title")
    with pytest.raises(Cancelled):
        read(site(confluence, kind, cancel_after=0))
    confluence.space("OPS").id = SPACE.id
    make(site(confluence, kind, cancel_after=0))
    assert len(confluence.titled("New")) == 1


@both
@pytest.mark.parametrize(
    ("method", "to", "error"),
    [
        ("POST", "/login.action?os_destination=x", NeedsReconnect),
        ("POST", "/elsewhere", Refused),
        ("PUT", "/elsewhere", BadInput),
        ("DELETE", "/elsewhere", BadInput),
    ],
)
def test_a_write_that_is_redirected_has_done_nothing_and_is_not_sent_on(
    confluence: Confluence, kind: str, method: str, to: str, error: type[ActionError]
) -> None:
    confluence.next(method, "refuse", 302, location=to)
    assert type(raised(confluence, kind, method)) is error
    assert len(confluence.seen) == 1


def test_a_login_page_in_place_of_a_file_is_not_its_content(confluence: Confluence) -> None:
    page = confluence.add("OPS", "Title")
    confluence.attach(page.id, "a.txt", "text/plain", b"x")
    wiki = site(confluence)
    (file,) = wiki.attachments(page.id)
    confluence.next("GET /wiki/download", "login_page")
    with pytest.raises(NeedsReconnect):
        wiki.download(file, 1000)


@both
def test_members_that_are_null_are_as_if_left_out(confluence: Confluence, kind: str) -> None:
    version = {"number": 1, "message": None, "createdAt": "2026-01-01T00:00:00Z", "when": "2026-01-01T00:00:00Z"}
    page = {"id": 7, "title": "T", "spaceId": 100_001, "space": {"key": "OPS"}, "version": version | {"by": None}}
    confluence.space("OPS")
    odd = {"_links": {"base": "javascript:alert(1)//", "webui": "x"}, "body": None, "parentId": None}
    confluence.next("GET", "refuse", 200, page | odd)
    head = site(confluence, kind).page("7").head
    assert (head.id, head.space_key, head.parent_id) == ("7", "OPS", None)
    assert head.url.startswith(confluence.url)


# --- what refusals say


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"errors":[{"status":400,"code":"X","title":"Bad title","detail":"too long"}]}', "Bad title: too long"),
        (b'{"errors":[{"title":"Only","detail":null}]}', "Only"),
        (b'{"statusCode":404,"message":"No content found"}', "No content found"),
        (b'{"code":401,"message":"Unauthorized; scope does not match"}', "Unauthorized; scope does not match"),
        (b"<html>oops</html>", ""),
        (b"", ""),
        (b'["x"]', ""),
        (b'{"errors":[]}', ""),
        (b'{"errors":["x"]}', ""),
        (b'{"message":{"a":1}}', ""),
        (b'{"message":"a\\u0000b\\nc"}', "a b c"),
        (b'{"message":"' + b"x" * 1000 + b'"}', "x" * 300 + "…"),
    ],
)
def test_a_refusal_says_why_in_one_line(body: bytes, said: str) -> None:
    assert complaint(body) == said


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (409, "Version must be incremented on update. Current version is: 3"),
        (400, "Version must be incremented on update. Current version is: 3"),
        (409, ""),
    ],
)
def test_a_wrong_version_is_a_conflict_whatever_status_it_has(status: int, message: str) -> None:
    body = f'{{"message": "{message}"}}'.encode()
    assert type(error_of(status, {}, body, site="s", now=NOW, writes=True)) is Conflict


@pytest.mark.parametrize("status", [301, 302, 304])
def test_a_redirect_that_leads_nowhere_is_a_wrong_address(status: int) -> None:
    assert type(error_of(status, {}, b"", site="s", now=NOW, writes=True)) is Refused


@pytest.mark.parametrize("status", [200, 204])
def test_an_answer_is_no_error(status: int) -> None:
    assert error_of(status, {"content-type": "application/json"}, b"{}", site="s", now=NOW, writes=True) is None
