"""http.request over real HTTP: what is sent, what is kept, and which silence is a riddle."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from llmcoder import BadInput, Cancelled, RateLimited, Transient, Uncertain
from llmcoder.testing import FakeContext, run_action
from tasks.http.actions import KEPT_BYTES, MOST_CONTAINERS, HttpRequest, request

LOOPBACK = ("127.0.0.1",)


def post(server, context=None, path="/x", **given):
    return run_action(
        request, {"method": "POST", "url": server.url + path, **given}, context or FakeContext(fetch_allow=LOOPBACK)
    )


def get(server, context=None, path="/x", **given):
    """`run_action` wants every write to arm; a GET does not."""
    checked = HttpRequest(method="GET", url=server.url + path, **given)
    return request(checked, context or FakeContext(fetch_allow=LOOPBACK))


def answer(server, status, body=b"", media_type="text/plain", **headers):
    server.routes["/x"] = lambda exchange: exchange.send(status, body, media_type, **headers)


def test_the_job_id_goes_along_as_idempotency_key(server):
    answer(server, 201, b'{"id": 7}', "application/json")
    done = post(server, json={"item": "tea"})
    sent = server.seen[0]
    assert sent.headers["idempotency-key"] == str(done.context.job_id)
    assert (sent.json, sent.headers["content-type"]) == ({"item": "tea"}, "application/json")
    assert done.result.model_dump(by_alias=True, include={"status", "ok", "json_body", "text"}) == {
        "status": 201, "ok": True, "json": {"id": 7}, "text": None,
    }  # fmt: skip


def test_the_callers_own_key_and_content_type_are_kept(server):
    answer(server, 200)
    post(server, text="<a/>", headers={"idempotency-key": "mine", "content-type": "application/xml"})
    sent = server.seen[0].headers
    assert (sent["idempotency-key"], sent["content-type"]) == ("mine", "application/xml")


def test_text_is_sent_as_utf8(server):
    answer(server, 200)
    post(server, text="Grüße")
    assert server.seen[0].body == "Grüße".encode()
    assert server.seen[0].headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_a_request_that_may_change_something_is_armed_with_its_key_before_it_is_sent(server, method):
    armed_at_arrival = []
    context = FakeContext(fetch_allow=LOOPBACK)
    server.routes["/x"] = lambda exchange: (armed_at_arrival.append(list(context.markers)), exchange.send(200, b""))
    run_action(request, {"method": method, "url": f"{server.url}/x"}, context)
    assert armed_at_arrival == [[{"idempotency_key": str(context.job_id)}]]


def test_a_request_that_only_looks_is_not_armed_so_that_a_lost_worker_leaves_no_riddle(server):
    answer(server, 200, b"hello")
    context = FakeContext(fetch_allow=LOOPBACK)
    assert get(server, context).text == "hello"
    assert context.markers == []


def test_a_cancelled_job_sends_nothing(server):
    with pytest.raises(Cancelled):
        post(server, FakeContext(fetch_allow=LOOPBACK, cancel_after=0))
    assert server.seen == []


@pytest.mark.parametrize("status", [204, 301, 400, 401, 403, 404, 409, 418, 422, 429, 500, 503])
def test_any_status_is_a_result_because_the_server_has_answered(server, status):
    answer(server, status)
    result = post(server).result
    assert (result.status, result.ok) == (status, status == 204)
    assert len(server.seen) == 1


def test_a_429_that_says_when_to_come_back_makes_the_job_wait(server):
    answer(server, 429, retry_after="60")
    with pytest.raises(RateLimited) as caught:
        post(server)
    assert abs(caught.value.retry_at - datetime.now(UTC) - timedelta(seconds=60)) < timedelta(seconds=5)
    assert caught.value.provider == "127.0.0.1"


def test_silence_after_sending_is_uncertain_because_it_may_have_happened(server):
    server.routes["/x"] = lambda exchange: exchange.stay_silent()
    with pytest.raises(Uncertain):
        post(server, timeout_s=1)
    assert len(server.seen) == 1


def test_a_connection_cut_after_sending_is_uncertain(server):
    server.routes["/x"] = lambda exchange: exchange.hang_up()
    with pytest.raises(Uncertain):
        post(server)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_silence_is_transient_for_a_request_that_only_looks(server, method):
    server.routes["/x"] = lambda exchange: exchange.hang_up()
    given = HttpRequest(method=method, url=f"{server.url}/x")
    with pytest.raises(Transient):
        request(given, FakeContext(fetch_allow=LOOPBACK))


def test_a_refused_connection_is_transient_because_nothing_was_sent(refused_url):
    with pytest.raises(Transient, match="Nothing was sent"):
        run_action(request, {"method": "POST", "url": refused_url}, FakeContext(fetch_allow=LOOPBACK))


def test_a_request_that_only_looks_ends_when_the_job_is_cancelled(server):
    server.routes["/x"] = lambda exchange: exchange.stay_silent()
    with pytest.raises(Cancelled):
        get(server, FakeContext(fetch_allow=LOOPBACK, cancel_after=2))


def test_a_private_address_is_refused_and_nothing_is_sent(server):
    with pytest.raises(BadInput):
        post(server, FakeContext())
    assert server.seen == []


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"url": "file:///etc/passwd"}, "http"),
        ({"url": "http://user:word@example.org/"}, "user name"),
        ({"url": "http://0x7f.1/"}, "number form"),
        ({"headers": {"Host": "internal"}}, "Host"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "Transfer-Encoding"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "line breaks"),
        ({"headers": {"X A": "b"}}, "header name"),
        ({"method": "CONNECT"}, "method"),
        ({"method": "GE T"}, "pattern"),
        ({"method": "GET", "json": {}}, "no body"),
        ({"text": "a", "json": {}}, "not both"),
        ({"json": float("nan")}, "finite number"),
        ({"timeout_s": 9999}, "300"),
        ({"colour": "red"}, "Extra"),
    ],
)
def test_a_request_that_cannot_be_right_is_refused_before_it_becomes_a_job(given, reason):
    with pytest.raises(ValidationError, match=reason):
        HttpRequest.model_validate({"method": "POST", "url": "http://example.org/", **given})


def test_json_of_any_json_media_type_is_parsed(server):
    answer(server, 422, b'{"title": "no"}', "application/problem+json; charset=utf-8")
    assert post(server).result.json_body == {"title": "no"}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b'\xef\xbb\xbf{"x": "\xc3\xbc"}', "application/json"),
        ('{"x": "ü"}'.encode("utf-16"), "application/json"),
        ('{"x": "ü"}'.encode("utf-16-be"), "application/json; charset=utf-16"),
        ('{"x": "ü"}'.encode("latin-1"), "application/json; charset=ISO-8859-1"),
        ('{"x": "ü"}'.encode(), "application/json; charset=ISO-8859-1"),
        (b'{"x": "\\u00fc"}', "text/json"),
        (b'{"x": "\\u00fc"}', "application/x-json"),
    ],
)
def test_json_is_read_in_whatever_encoding_it_comes(server, body, media_type):
    answer(server, 200, body, media_type)
    result = post(server).result
    assert (result.json_body, result.text) == ({"x": "ü"}, None)


@pytest.mark.parametrize(
    "body",
    [
        b"{not json",
        b"[" + b"[]," * MOST_CONTAINERS + b"1]",
        b"[" * 5000 + b"]" * 5000,
        b"[" * 150 + b"]" * 150,
        b'{"n": NaN}',
        b'{"n": -Infinity}',
        b'{"n": 1e400}',
        b'{"n": ' + b"1" * 5_000 + b"}",
        b'{"half": "\\ud83d"}',
    ],
)
def test_json_that_cannot_be_read_is_kept_as_text(server, body):
    answer(server, 200, body, "application/json")
    result = post(server).result
    assert (result.json_body, result.text) == (None, body.decode())


@pytest.mark.parametrize(
    ("body", "media_type", "text"),
    [
        ("Grüße".encode("latin-1"), "text/plain; charset=iso-8859-1", "Grüße"),
        ("Grüße".encode(), "text/plain; charset=no-such-thing", "Grüße"),
        ("Grüße".encode(), "text/plain; charset=base64", "Grüße"),
        ("Grüße".encode(), "text/plain; charset=idna", "Grüße"),
        ("Grüße".encode(), "text/plain; charset = 'UTF-8'", "Grüße"),
        ("朱镕基".encode("gbk"), "text/plain; charset=gb2312", "朱镕基"),
        ("漢字①".encode("cp932"), "text/plain; charset=Shift_JIS", "漢字①"),
        ("똠".encode("cp949"), "text/plain; charset=euc-kr", "똠"),
        ("€ “x”".encode("cp1252"), "text/plain; charset=iso-8859-1", "€ “x”"),
        ("\ufeffx".encode(), "text/plain", "x"),
        ("Grüße".encode("utf-16"), "text/plain", "Grüße"),
        ("Grüße".encode("utf-16-le"), "text/csv; charset=utf-16le", "Grüße"),
        ("<a>ü</a>".encode("utf-8-sig"), "text/xml; charset=iso-8859-1", "<a>ü</a>"),
        (b"\xff\xfe", "text/plain", ""),  # a byte-order mark, and nothing behind it
        (b"\xff\xfe" + "Grüße".encode("utf-16-le"), "text/plain; charset=utf-8", "Grüße"),
        ("总理朱镕基".encode("gbk"), "text/html; charset=gb2312", "总理朱镕基"),
        ("똠방각하".encode("cp949"), "text/plain; charset=ks_c_5601-1987", "똠방각하"),
        ("“Zitat”".encode("cp1252"), "text/plain; charset=iso-8859-1", "“Zitat”"),
        (b"<meta charset=windows-1251>" + "Привет".encode("cp1251"), "text/html", "<meta charset=windows-1251>Привет"),
        ("Привет, мир".encode("koi8-r"), "text/plain", "Привет, мир"),
        (
            b'<?xml version="1.0" encoding="euc-jp"?><a>' + "橋".encode("euc-jp"),
            "text/xml",
            '<?xml version="1.0" encoding="euc-jp"?><a>橋',
        ),
        (b"a" * 100 + b"\0" + b"b" * 100, "text/plain", "a" * 100 + "\ufffd" + "b" * 100),
        (gzip.compress("Grüße".encode(), mtime=0), "text/plain; charset=utf-8", "Grüße"),
        (gzip.compress(b"archive", mtime=0), "application/gzip", None),
        (b"%PDF-1.5\n%\xe2\xe3\xcf\xd3\n1 0 obj", "application/pdf", None),
        ("Grü".encode("utf-16"), "text/plain", "Grü"),
        ("Größe €".encode("cp1252"), "text/plain; charset=iso-8859-1", "Größe €"),
        ("안녕".encode("cp949"), "text/plain; charset=ks_c_5601-1987", "안녕"),
        (b"\x89PNG\0\0", "image/png", None),
        (b"\xff\xd8\xff", "image/jpeg", None),
        (b"<svg/>", "image/svg+xml", "<svg/>"),
        (b"PK\3\4\0\0", "application/zip", None),
    ],
)
def test_the_body_is_read_in_the_character_set_it_claims_and_never_fails(server, body, media_type, text):
    answer(server, 200, body, media_type)
    assert post(server).result.text == text


@pytest.mark.parametrize("charset", ["utf-8", "gb2312", "shift_jis", "euc-kr", "utf-16le"])
def test_a_large_text_is_cut_between_characters(server, charset):
    letters = {"gb2312": "中", "shift_jis": "日", "euc-kr": "시"}.get(charset, "漢")
    answer(server, 200, ("a" + letters * KEPT_BYTES).encode(charset), f"text/plain; charset={charset}")
    result = post(server).result
    assert (result.truncated, set(result.text)) == (True, {"a", letters})


def test_json_in_another_encoding_is_json_all_the_same(server):
    answer(server, 200, '{"name": "Grüße"}'.encode("cp1252"), "application/json; charset=iso-8859-1")
    assert post(server).result.json_body == {"name": "Grüße"}


@pytest.mark.parametrize("encoding", ["none", "utf-8", "binary", "identity, none", '"identity"', "8bit", "text/html"])
def test_a_content_encoding_that_is_none_packs_nothing(server, encoding):
    answer(server, 200, b"plain", "text/plain", content_encoding=encoding)
    assert post(server).result.text == "plain"


def test_a_large_answer_is_kept_in_part_and_says_so(server):
    answer(server, 200, b"[" + b"1," * KEPT_BYTES + b"1]", "application/json")
    result = post(server).result
    assert (result.truncated, len(result.text), result.json_body) == (True, KEPT_BYTES, None)
    assert result.body_bytes > KEPT_BYTES


@pytest.mark.parametrize("codec", ["utf-8", "gbk", "cp932", "utf-16-le"])
def test_a_large_answer_is_cut_between_two_characters(server, codec):
    answer(server, 200, ("x" + "漢" * KEPT_BYTES).encode(codec), f"text/plain; charset={codec}")
    text = post(server).result.text
    assert set(text) == {"x", "漢"} and KEPT_BYTES - 3 <= len(text.encode(codec)) <= KEPT_BYTES


def test_a_compressed_bomb_is_cut_and_the_effect_still_known(server):
    answer(server, 200, gzip.compress(bytes(60_000_000), mtime=0), content_encoding="gzip")
    result = post(server).result
    assert (result.status, result.truncated) == (200, True)


def test_the_input_survives_being_stored():
    given = HttpRequest.model_validate({"method": "post", "url": "http://example.org/", "json": {"a": [None, 1.5]}})
    assert given.method == "POST"
    assert HttpRequest.model_validate_json(given.model_dump_json()) == given


# --- what was done and what its answer looks like are two things


@pytest.mark.parametrize(
    ("body", "media_type", "parsed"),
    [
        (b'\xef\xbb\xbf{"x": 1}', "application/json", {"x": 1}),
        ('{"x": "Grüße"}'.encode("cp1252"), "application/json; charset=iso-8859-1", {"x": "Grüße"}),
        ('{"x": 1}'.encode("utf-16"), "application/json", {"x": 1}),
        (b'{"score": NaN}', "application/json", None),
        (b'{"half": ', "application/json", None),
    ],
)
def test_json_is_read_behind_a_mark_and_in_other_encodings(server, body, media_type, parsed):
    answer(server, 200, body, media_type)
    result = post(server).result
    assert result.json_body == parsed
    assert (result.text is None) == (parsed is not None)


def test_a_limit_of_the_page_that_a_redirect_leads_to_does_not_send_the_request_again(server):
    server.routes["/x"] = lambda exchange: exchange.send(303, b"", location=f"{server.url}/there")
    server.routes["/there"] = lambda exchange: exchange.send(429, b"", retry_after="7")
    result = post(server).result
    assert (result.status, [seen.method for seen in server.seen]) == (429, ["POST", "GET"])
