"""Each way in which a site of Atlassian's refuses, fails or says nothing, and the remedy that it is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from products import KINDS, READS, WAYS, WRITES, LocalSite, Product, named, running
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
    Unreadable,
)
from tasks.atlassian.errors import Refusals

NOW = datetime(2026, 1, 1, tzinfo=UTC)
both = pytest.mark.parametrize("kind", KINDS)
every_way = pytest.mark.parametrize(("product", "way"), WAYS, ids=named(WAYS))
every_read = pytest.mark.parametrize(("product", "way"), READS, ids=named(READS))
every_write = pytest.mark.parametrize(("product", "way"), WRITES, ids=named(WRITES))


@pytest.fixture
def site(product: Product) -> Iterator[LocalSite]:
    with running(product) as local:
        yield local


def raised(site: LocalSite, kind: str, way: str) -> ActionError:
    """What comes of a request of that kind."""
    site.product.fill(site.server)
    with pytest.raises(ActionError) as caught:
        site.do(way, site.context(kind, timeout_s=3.5))
    return caught.value


@both
@every_way
@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadInput), (401, NeedsReconnect), (403, Forbidden), (404, NotFound), (413, Refused), (418, Refused)],
)
def test_a_refusal_names_its_remedy(
    site: LocalSite, kind: str, way: str, status: int, error: type[ActionError]
) -> None:
    site.server.next(way, "refuse", status, {"message": "the reason"})
    found = raised(site, kind, way)
    assert type(found) is error
    assert status == 401 or "the reason" in found.detail
    assert len(site.server.seen) == 1


#: What an update of a page makes of a conflict is Confluence's own business, see its tests.
CONFLICTS = [(product, way) for product, way in WAYS if (product.name, way) != ("confluence", "PUT")]


@both
@pytest.mark.parametrize(("product", "way"), CONFLICTS, ids=named(CONFLICTS))
def test_409_says_that_somebody_was_quicker(site: LocalSite, kind: str, way: str) -> None:
    site.server.next(way, "refuse", 409)
    assert type(raised(site, kind, way)) is site.product.conflict


@both
@every_way
def test_429_waits_as_long_as_it_says_and_is_not_asked_again(site: LocalSite, kind: str, way: str) -> None:
    site.server.next(way, "refuse", 429, retry_after="7")
    error = raised(site, kind, way)
    assert isinstance(error, RateLimited)
    assert timedelta(seconds=4) < error.retry_at - datetime.now(UTC) <= timedelta(seconds=7)
    assert len(site.server.seen) == 1


@both
@every_read
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_that_fails_has_told_a_reader_nothing(site: LocalSite, kind: str, way: str, status: int) -> None:
    site.server.next(way, "refuse", status)
    assert type(raised(site, kind, way)) is Transient


@both
@every_write
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_that_fails_may_have_done_what_was_asked(site: LocalSite, kind: str, way: str, status: int) -> None:
    site.server.next(way, "refuse", status)
    assert type(raised(site, kind, way)) is Uncertain
    assert len(site.server.seen) == 1


@both
@every_way
def test_a_server_that_is_busy_and_says_until_when_has_done_nothing(site: LocalSite, kind: str, way: str) -> None:
    site.server.next(way, "refuse", 503, retry_after="7")
    assert type(raised(site, kind, way)) is Transient


@both
@every_way
def test_a_refused_connection_has_done_nothing(site: LocalSite, kind: str, way: str, refused_url: str) -> None:
    account = {"site": refused_url, "token": SecretStr("t"), "email": "a@b.example" if kind == "cloud" else None}
    with pytest.raises(Transient):
        site.do(way, site.context(credentials=site.product.account.model_validate(account)))


@every_way
@pytest.mark.parametrize(("kind", "does"), [("cloud", "drop"), ("data_center", "silence")])
def test_silence_after_sending_is_uncertain_for_a_write_and_nothing_for_a_read(
    site: LocalSite, kind: str, way: str, does: str
) -> None:
    site.server.next(way, does)
    assert type(raised(site, kind, way)) is (Transient if way in site.product.reads else Uncertain)
    assert len(site.server.seen) == 1


@both
@every_way
def test_a_login_page_in_place_of_data_wants_a_reconnect(site: LocalSite, kind: str, way: str) -> None:
    site.server.next(way, "login_page")
    error = raised(site, kind, way)
    assert isinstance(error, NeedsReconnect) and "login page" in error.detail


@both
@every_write
@pytest.mark.parametrize("to", ["login", "elsewhere"])
def test_a_write_that_is_redirected_has_done_nothing_and_is_not_sent_on(
    site: LocalSite, kind: str, way: str, to: str
) -> None:
    posts = way == site.product.first_write
    site.server.next(way, "refuse", 302, location=site.product.login if to == "login" else "/elsewhere")
    expected = (NeedsReconnect if to == "login" else Refused) if posts else BadInput
    assert type(raised(site, kind, way)) is expected
    assert len(site.server.seen) == 1


@both
def test_an_answer_that_cannot_be_read_is_nothing_for_a_read_and_no_riddle_for_a_write(
    every_site: LocalSite, kind: str
) -> None:
    write = every_site.product.first_write
    for body in (b"no JSON", ["x"], b"[" * 100_000):
        every_site.server.next("GET", "refuse", 200, body)
        assert type(raised(every_site, kind, "GET")) is Transient, body
    for status, wrong in ((200, {"unexpected": True}), (201, b"no JSON"), (201, b"")):
        every_site.server.next(write, "refuse", status, wrong)
        assert type(raised(every_site, kind, write)) is Unreadable, wrong


@both
@every_write
def test_a_write_that_is_answered_with_see_other_is_done(site: LocalSite, kind: str, way: str) -> None:
    site.server.next(way, "refuse", 303, location="/there")
    assert type(raised(site, kind, way)) is Unreadable


@both
def test_strangers_answers_for_a_wrong_token_are_seen_through(every_site: LocalSite, kind: str) -> None:
    for status, header, why, says in (
        (200, "x_seraph_loginreason", "AUTHENTICATED_FAILED", "does not accept"),
        (403, "x_seraph_loginreason", "AUTHENTICATION_DENIED", "CAPTCHA"),
        (403, "x_authentication_denied_reason", "CAPTCHA_CHALLENGE; login-url=https://x.example/login.jsp", "CAPTCHA"),
    ):
        every_site.server.next("GET", "refuse", status, {"results": []}, **{header: why})
        error = raised(every_site, kind, "GET")
        assert type(error) is NeedsReconnect and says in error.detail


def test_a_good_token_whose_account_may_not_log_in_is_forbidden_and_not_asked_for_anew() -> None:
    headers = {"x-seraph-loginreason": "AUTHORISATION_FAILED"}
    assert type(Refusals().error_of(403, headers, b"", site="s", now=NOW, writes=False)) is Forbidden


@both
def test_a_wrong_token_is_told_without_it(every_site: LocalSite, kind: str) -> None:
    every_site.product.fill(every_site.server)
    ctx = every_site.context(credentials=getattr(every_site.server, kind)("wrong-canary"))
    with pytest.raises(NeedsReconnect) as caught:
        every_site.do(every_site.product.first_write, ctx)
    told: BaseException | None = caught.value
    while told is not None:
        assert "wrong-canary" not in str(told)
        told = told.__cause__ or told.__context__


@both
def test_a_site_at_a_private_address_is_not_asked_unless_an_operator_allows_it(
    every_site: LocalSite, kind: str
) -> None:
    with pytest.raises(BadInput):
        every_site.do("GET", every_site.context(kind, fetch_allow=()))
    assert every_site.server.seen == []


@both
def test_a_cancelled_job_stops_reading_and_does_not_stop_writing(every_site: LocalSite, kind: str) -> None:
    every_site.product.fill(every_site.server)
    with pytest.raises(Cancelled):
        every_site.do("GET", every_site.context(kind, cancel_after=0))
    every_site.do(every_site.product.first_write, every_site.context(kind, cancel_after=0))
    assert every_site.product.written(every_site.server) == 1


# --- what refusals say, whatever the product


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"code":401,"message":"Unauthorized; scope does not match"}', "Unauthorized; scope does not match"),
        (b'{"error":"invalid_grant"}', "invalid_grant"),
        (b"<html>oops</html>", ""),
        (b"", ""),
        (b'["x"]', ""),
        (b'{"message":{"a":1}}', ""),
        (b'{"message":"a\\u0000b\\nc"}', "a b c"),
        (b'{"message":"' + b"x" * 1000 + b'"}', "x" * 300 + "…"),
    ],
)
def test_a_refusal_says_why_in_one_line(body: bytes, said: str) -> None:
    assert Refusals().reason(body) == said


@pytest.mark.parametrize("status", [301, 302, 304])
def test_a_redirect_that_leads_nowhere_is_a_wrong_address(status: int) -> None:
    assert type(Refusals().error_of(status, {}, b"", site="s", now=NOW, writes=True)) is Refused


@pytest.mark.parametrize("status", [200, 201, 204])
def test_an_answer_is_no_error(status: int) -> None:
    headers = {"content-type": "application/json"}
    assert Refusals().error_of(status, headers, b"{}", site="s", now=NOW, writes=True) is None
