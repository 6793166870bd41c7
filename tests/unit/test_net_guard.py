"""The guard's policy without a socket: which URLs, hosts and addresses pass, and what a redirect changes."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address

import pytest

from llmcoder.errors import BadInput
from llmcoder.net.body import read_body, unpacked
from llmcoder.net.guard import AllowList, canonical_host, checked_answers, parse_target, refuse_port, why_not_public
from llmcoder.net.request import becomes_get, prepare, redirected

NOBODY = AllowList.parse(())

NOT_PUBLIC = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:100.100.100.200",
    "::ffff:a9fe:a9fe",
    "::ffff:0:7f00:1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::f7f7:f7f7",
    "2001:0:808:808::80ff:fffe",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2606:4700::5efe:7f00:1",
    "2606:4700::200:5efe:c0a8:101",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.32.0.1",
    "192.0.1.1",
    "2606:4700:4700::1111",
    "2a00:1450:4001:800::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_named_as_what_it_is(address: str) -> None:
    assert why_not_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_passes(address: str) -> None:
    assert why_not_public(ip_address(address)) is None


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "127.0.0.0x1",
        "127.0.0.01",
        "0",
        "0x",
        "1.2.3.4.5",
        "256.1.1.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "１２７.0.0.1",
        "١٢٧.0.0.1",
        "example.²",
        "127.0.0.1%00",
        "exa mple.com",
        "exam_ple..com",
        "-a.example",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
        "a%2eb",
        "",
        ".",
    ],
)
def test_a_host_that_is_not_canonical_is_refused_before_any_look_up(host: str) -> None:
    with pytest.raises(BadInput):
        canonical_host(host)


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("Example.COM", "example.com"),
        ("localhost.", "localhost"),
        ("127.0.0.1.", "127.0.0.1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("r3---sn-x.example", "r3---sn-x.example"),
        ("_dmarc.example", "_dmarc.example"),
        ("1and1.example", "1and1.example"),
        ("::FFFF:7f00:1", str(IPv6Address("::ffff:7f00:1"))),  # from 3.13 on Python writes ::ffff:127.0.0.1
    ],
)
def test_a_host_has_one_spelling(given: str, canonical: str) -> None:
    assert canonical_host(given) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "data:text/plain,hello",
        "jar:http://example.com!/",
        "javascript:alert(1)",
        "example.com",
        "//example.com/",
        "http:/example.com",
        "http:example.com",
        "http://",
        "http:///path",
        "http://a@127.0.0.1:80\\@b/",
        "http://user:secret@example.com/",
        "http://user@example.com/",
        "http://example.com\\@evil.example/",
        "http://example.com/a\r\nX-Injected: 1",
        "http://example.com/\x00",
        "http://exam\tple.com/",
        "\nhttp://example.com/",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:80:80/",
        "http://example.com:٨٠/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://[127.0.0.1]/",
        "http://[v1.x]/",
        "http://example.com/" + "a" * 9000,
    ],
)
def test_a_hostile_url_is_refused_and_its_secrets_are_not_repeated(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_target(url)
    assert "secret" not in refused.value.detail


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Example.com", "http://example.com/"),
        ("  https://example.com:443/a#part ", "https://example.com/a"),
        ("http://example.com:8080?q=1", "http://example.com:8080/?q=1"),
        ("https://de.example/wiki/Köln?q=a b", "https://de.example/wiki/K%C3%B6ln?q=a%20b"),
        ("https://example.com/%E2%82%AC?next=http://b@c", "https://example.com/%E2%82%AC?next=http://b@c"),
        ("http://[2606:4700:0::1]:81/", "http://[2606:4700::1]:81/"),
    ],
)
def test_a_good_url_is_made_normal(url: str, normal: str) -> None:
    assert parse_target(url).url == normal


def test_one_answer_that_is_not_public_spoils_all_of_them() -> None:
    with pytest.raises(BadInput, match=r"rebind\.example .*FETCH_ALLOW") as refused:
        checked_answers("rebind.example", 80, ["8.8.8.8", "10.1.2.3"], NOBODY)
    assert "10.1.2.3" not in refused.value.detail


@pytest.mark.parametrize(
    "entry", ["*", "127.0.0.1", "127.0.0.0/8", "127.1.2.3/8", "intranet.example", "intranet.example:8080"]
)
def test_what_the_operator_allows_passes_although_it_is_not_public(entry: str) -> None:
    answers = checked_answers("intranet.example", 8080, ["127.0.0.1", "::ffff:127.0.0.1"], AllowList.parse([entry]))
    assert len(answers) == 2


@pytest.mark.parametrize("entry", ["10.0.0.0/8", "::1", "other.example", "intranet.example:81", "[::1]:8080"])
def test_allowing_something_else_does_not_help(entry: str) -> None:
    with pytest.raises(BadInput):
        checked_answers("intranet.example", 8080, ["127.0.0.1"], AllowList.parse([entry]))


@pytest.mark.parametrize("entry", ["http://intranet/", "a b", "10.0.0.0/40", "127.1", "host:port", "*.example"])
def test_an_allow_entry_that_cannot_be_read_is_quoted(entry: str) -> None:
    with pytest.raises(ValueError, match="FETCH_ALLOW"):
        AllowList.parse([entry])


def test_ports_of_other_protocols_are_refused_unless_the_host_is_allowed() -> None:
    for port in (22, 25, 81, 5432, 6379, 6667):
        with pytest.raises(BadInput, match="FETCH_ALLOW"):
            refuse_port("example.com", port, NOBODY)
    for port in (80, 443, 3000, 8000, 8080, 8443, 11434):
        refuse_port("example.com", port, NOBODY)
    refuse_port("example.com", 81, AllowList.parse(["example.com:81"]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "internal"),
        ("content-length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "keep-alive"),
        ("X-A", "secret\r\nX-B: 2"),
        ("X-A", "secret\n"),
        ("X-A", "secret€"),
        ("X A", "secret"),
        ("X-A:", "secret"),
        ("", "secret"),
    ],
)
def test_headers_that_would_break_the_framing_are_refused_without_their_values(name: str, value: str) -> None:
    with pytest.raises(BadInput) as refused:
        prepare("GET", "http://example.com/", {name: value}, None, user_agent="test")
    assert "secret" not in refused.value.detail


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET /x HTTP/1.1\r\nX:", "", "GÉT"])
def test_methods_that_are_not_requests_are_refused(method: str) -> None:
    with pytest.raises(BadInput):
        prepare(method, "http://example.com/", None, None, user_agent="test")


def test_a_get_with_a_body_is_refused() -> None:
    with pytest.raises(BadInput, match="POST"):
        prepare("get", "http://example.com/", None, b"body", user_agent="test")


CREDENTIALS = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Api-Key": "k", "Accept": "text/html"}


@pytest.mark.parametrize(
    ("start", "location", "goes_along"),
    [
        ("https://a.example/x", "/y", True),
        ("https://a.example/x", "https://a.example:443/y", True),
        ("http://a.example/x", "https://a.example/y", True),
        ("https://a.example/x", "https://b.example/y", False),
        ("https://a.example/x", "//b.example/y", False),
        ("https://a.example/x", "https://a.example:8443/y", False),
        ("http://a.example:8080/x", "https://a.example/y", False),
        ("https://a.example/x", "https://sub.a.example/y", False),
    ],
)
def test_credentials_stay_with_the_origin_they_were_meant_for(start: str, location: str, goes_along: bool) -> None:
    first = prepare("GET", start, CREDENTIALS, None, user_agent="test")
    names = {name for name, _ in redirected(first, 302, location).headers}
    assert {"Accept", "User-Agent"} <= names
    assert (names >= set(CREDENTIALS)) is goes_along
    assert goes_along or not names & {"Authorization", "Cookie", "X-Api-Key"}


@pytest.mark.parametrize(
    "location",
    ["http://a.example/y", "file:///etc/passwd", "ftp://a.example/", "http://[bad", "/a\tb", "//u:p@b.example/"],
)
def test_a_redirect_from_https_to_anything_unfit_is_refused(location: str) -> None:
    first = prepare("GET", "https://a.example/x", None, None, user_agent="test")
    with pytest.raises(BadInput):
        redirected(first, 302, location)


@pytest.mark.parametrize(
    ("method", "status", "follows_with"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 301, "PUT"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("DELETE", 303, "GET"),
        ("GET", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("HEAD", 302, "HEAD"),
    ],
)
def test_redirects_change_the_method_as_the_fetch_standard_says(method: str, status: int, follows_with: str) -> None:
    content = None if method in {"GET", "HEAD"} else b"body"
    headers = {"Content-Type": "text/plain"}
    first = prepare(method, "https://a.example/x", headers, content, user_agent="test")
    following = redirected(first, status, "/y")
    assert following.method == follows_with
    assert becomes_get(method, status) is (following.method != method)
    if following.method != method:
        assert following.content is None
        assert "Content-Type" not in dict(following.headers)
    else:
        assert following.content == content


def _gzip(content: bytes, wbits: int = zlib.MAX_WBITS | 16) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return packer.compress(content) + packer.flush()


def _bytewise(content: bytes) -> Iterator[bytes]:
    return (content[at : at + 1] for at in range(len(content)))


TEXT = b"".join(b"%d lines of text\n" % n for n in range(40_000))


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", _gzip(TEXT)),
        ("X-GZIP", _gzip(TEXT)),
        ("deflate", _gzip(TEXT, zlib.MAX_WBITS)),
        ("deflate", _gzip(TEXT, -zlib.MAX_WBITS)),
    ],
)
def test_bodies_are_decoded_however_the_network_cuts_them(encoding: str, packed: bytes) -> None:
    for chunks in ([packed], _bytewise(packed)):
        body = read_body(chunks, encoding, wire_bytes=len(packed), decoded_bytes=len(TEXT))
        assert body.fault is None
        assert b"".join(body.pieces) == TEXT


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", ", ".join(["gzip"] * 10), "compress"])
def test_an_encoding_that_was_not_asked_for_is_a_fault_only_if_there_is_a_body(encoding: str) -> None:
    fault = read_body([b"x"], encoding, wire_bytes=9, decoded_bytes=9).fault
    assert fault is not None
    assert "encoding" in fault
    assert read_body([], encoding, wire_bytes=9, decoded_bytes=9).fault is None


@pytest.mark.parametrize("encoding", ["none", "utf-8", "UTF-8", "binary", "8bit", "text/html", "identity, none", "x"])
def test_an_encoding_that_packs_nothing_leaves_the_body_as_it_is(encoding: str) -> None:
    assert read_body([b"plain"], encoding, wire_bytes=9, decoded_bytes=9).pieces == (b"plain",)


def test_gzip_that_nobody_announced_is_unpacked_within_its_cap() -> None:
    assert b"".join(unpacked(_gzip(TEXT), len(TEXT)).pieces) == TEXT
    assert unpacked(b"plain", 9).pieces == (b"plain",)
    assert unpacked(_gzip(bytes(10**7)), 1000).fault


def test_bodies_are_cut_at_the_caps_and_say_so() -> None:
    wire = read_body([b"abc", b"def"], "", wire_bytes=4, decoded_bytes=99)
    assert (b"".join(wire.pieces), wire.fault is not None) == (b"abcd", True)
    decoded = read_body([_gzip(b"a" * 5000)], "gzip", wire_bytes=999, decoded_bytes=100)
    assert (b"".join(decoded.pieces), decoded.fault is not None) == (b"a" * 100, True)


def test_damaged_gzip_is_a_fault() -> None:
    packed = _gzip(TEXT)
    assert read_body([packed[:-20]], "gzip", wire_bytes=10**6, decoded_bytes=10**7).fault
    assert read_body([b"<html>not packed"], "gzip", wire_bytes=10**6, decoded_bytes=10**7).fault


def test_importing_the_package_loads_no_http_library() -> None:
    code = "import sys, llmcoder.net; print(sorted({'httpx', 'httpcore', 'idna', 'certifi'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
