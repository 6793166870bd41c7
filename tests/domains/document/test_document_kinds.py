"""Documents as servers send them: named wrongly, twice, not at all; what leads on; what says nothing."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest
from document_files import pdf

from llmcoder import BadInput
from llmcoder.media_types import named, sniffed
from llmcoder.testing import FakeContext, run_action
from tasks.document.actions import summarize
from tasks.document.extractive import summary
from tasks.document.page import UnreadableDocument
from tasks.document.reading import read
from tasks.document.refresh import Refresh
from tasks.llm.settings import LlmSettings

TEXT = (
    "The council approved the new bridge on Monday after a long debate. Engineers expect the work to take three years. "
    "Several residents asked for better cycling lanes along the river."
)
PAGE = f"<html><head><title>T</title></head><body><article><h1>Report</h1><p>{TEXT}</p></article></body></html>"
RU = "Городской совет одобрил новый мост после долгих споров. Инженеры ожидают, что работы займут три года."
PDF = pdf(["The council approved the new bridge on Monday after a long debate."])


def in_page(text, head=""):
    return f"<html><head>{head}<title>T</title></head><body><article><p>{text}</p></article></body></html>"


# What a browser would show, unless a word says otherwise.
SENT = [
    ("text/html", PAGE.encode()),
    ("text/html, text/html; charset=utf-8", PAGE.encode()),
    ("text/html; charset=utf-8, text/html", PAGE.encode()),
    ("TEXT/HTML;charset=", PAGE.encode()),
    ("", PAGE.encode()),
    ("application/octet-stream", PAGE.encode()),
    ("application/x-download", PAGE.encode()),
    ("html", PAGE.encode()),
    ("text/plain", PAGE.encode()),  # raw files of forges
    ("application/pdf", PAGE.encode()),  # a page of errors behind the name of a file
    ("text/xml", b'<?xml version="1.0"?>' + PAGE.encode()),
    ("application/xml", b'<!-- x --><!DOCTYPE html>' + PAGE.encode()),
    ("application/xhtml+xml", b'<?xml version="1.0" encoding="utf-8"?>' + PAGE.encode()),
    ("text/html", b"\xef\xbb\xbf" + PAGE.encode()),
    ("text/html; charset=iso-8859-1", PAGE.encode("utf-16")),
    ("", PAGE.encode("utf-16")),
    ("text/html", PAGE.encode("utf-16-le")),
    ("text/html", gzip.compress(PAGE.encode(), mtime=0)),
    ("application/gzip", gzip.compress(PAGE.encode(), mtime=0)),
    ("application/octet-stream", gzip.compress(PDF, mtime=0)),
    ("text/html", PAGE.replace("bridge on", "bridge \0on").encode()),
    ("text/html", b"\x01" + PAGE.encode()),
    ("application/pdf", PDF), ("application/x-pdf", PDF), ("text/html", PDF), ("text/plain", PDF), ("image/pdf", PDF),
    ("", PDF), ("application/octet-stream", PDF), ("text/html", b"\r\n" + PDF), ("application/json", PDF),
    ("text/html; charset=utf-8, application/pdf", PDF),
    ("text/plain", TEXT.encode()), ("text/x-rst", TEXT.encode()), ("text", TEXT.encode()), ("", TEXT.encode()),
    ("text/md", TEXT.encode()), ("text/plain", TEXT.encode("utf-16")),
    # of what nobody says, a browser reads the first element (MIME sniffing standard, 7.1)
    ("", f"<div><p>{TEXT}</p></div>".encode()), ("", f"<table><tr><td>{TEXT}</td></tr></table>".encode()),
    ("unknown/unknown", f"<h1>x</h1><p>{TEXT}".encode()), ("text/html charset=utf-8", f"<div>{TEXT}</div>".encode()),
    ("application/xml", b"<?xml version='1.0'?><?xml-stylesheet href='x'?><html xmlns='http://www.w3.org/1999/xhtml'>"
     + PAGE.encode()[6:]),
    ("text/html", gzip.compress(gzip.compress(PAGE.encode(), mtime=0), mtime=0)),
    ("text/html", b"<html><body><p>Notice of the server.</p></body></html>" + PAGE.encode()),
    ("text/html", f"<table><tr><td><a href=/>Home</a></td><td><p>{TEXT}</p></td></tr></table>".encode()),
    ("text/html", f"<form id=aspnet><div><table><tr><td>{TEXT}<br><br>{RU}</td></tr></table></div></form>".encode()),
    ("text/html", f"<body><font>{TEXT}</font></body>".encode()),
    ("text/html", f"<html><body><noscript><p>{TEXT} {TEXT} {TEXT}</p></noscript><script>x()</script></body>".encode()),
]  # fmt: skip


@pytest.mark.parametrize(("content_type", "body"), SENT)
def test_a_document_is_read_whatever_it_is_sent_as(content_type, body):
    text = summary(read(body, content_type, "the page"), 10)
    assert "on Monday after a long debate." in text
    assert not any(crumb in text for crumb in ("<p>", "Tj", "\ufffdT", "Home"))


# The last column is what the standard of encodings makes of it.
ENCODED = [
    ("text/html; charset=gb2312", "总理朱镕基星期一批准了新大桥的建设方案。", "gbk", ""),
    ("text/html", "똠방각하 시장은 월요일에 새 다리 계획을 승인했다.", "cp949", '<meta charset="euc-kr">'),
    ("text/html", "똠방각하 시장은 월요일에 새 다리 계획을 승인했다.", "cp949", "<meta charset=ks_c_5601-1987>"),
    ("text/html; charset=Shift_JIS", "①㈱髙橋は月曜日に新しい橋を承認したと発表した。", "cp932", ""),
    ("text/html", RU, "cp1251", ""),
    ("text/html", RU, "koi8-r", ""),
    ("text/html; charset=", RU, "cp1251", "<meta http-equiv=Content-Type content='text/html; charset=windows-1251'>"),
    ("text/html", RU, "cp1251", "<script>" + "x;" * 5000 + "</script><meta charset=cp-1251>"),
    ("text/html; charset=utf-8", RU, "cp1251", "<meta charset=windows-1251>"),
    ("text/html; charset=x-unknown", RU, "cp866", "<meta charset=ibm866>"),
    ("text/html; charset=iso-8859-1", "Größe und „Zitat“ – der Rat hat die Brücke gestern genehmigt.", "utf-8", ""),
    ("text/html", "Größe und “Zitat” – der Rat hat die Brücke gestern genehmigt.", "cp1252", "<meta charset=latin1>"),
    ("text/html", "מועצת העיר אישרה ביום שני את הגשר החדש לאחר דיון ארוך.", "iso8859-8", "<meta charset=iso-8859-8-i>"),
    ("text/plain; charset=big5", "市議會星期一批准了新大橋的建設方案。工程師預計需要三年。", "big5", ""),
]


@pytest.mark.parametrize(("content_type", "text", "codec", "head"), ENCODED)
def test_a_page_is_read_in_the_encoding_that_it_is_in(content_type, text, codec, head):
    body = in_page(text, head).encode(codec) if "html" in content_type else text.encode(codec)
    assert text in read(body, content_type, "the page").text


def test_a_declaration_of_xml_names_the_encoding_of_a_page():
    body = ('<?xml version="1.0" encoding="windows-1251"?>' + in_page(RU)).encode("cp1251")
    for kind in ("application/xhtml+xml", "text/html"):
        assert RU in read(body, kind, "the page").text


@pytest.mark.parametrize("wrong", [b"\xff", b"\x81", b"\xc3", b"\x00"])
@pytest.mark.parametrize("codec", ["utf-8", "gbk", "shift_jis", "euc-kr"])
def test_one_bad_byte_spoils_one_character_and_not_the_page(codec, wrong):
    letters = {"utf-8": "Größe ", "gbk": "中文", "shift_jis": "日本", "euc-kr": "시장"}[codec] * 20
    body = in_page(f"{letters}@ {letters}.").encode(codec).replace(b"@", wrong)
    assert read(body, f"text/html; charset={codec}", "the page").text.count(letters.strip()) == 2


@pytest.mark.parametrize(
    ("content_type", "body", "kind"),
    [
        ("text/html", b"\x89PNG\r\n\x1a\n" + bytes(100), "image/png"),
        ("text/plain", b"PK\x03\x04" + bytes(100), "application/zip"),
        ("text/html", zlib.compress(bytes(range(256)) * 40), "unknown kind"),
        ("text/html", b"\xff\xd8\xff\xe0" + bytes(100), "image/jpeg"),
        ("text/plain", b"{\\rtf1 hello}", "application/rtf"),
        ("application/gzip", gzip.compress(b"PK\x03\x04" + bytes(100), mtime=0), "application/zip"),
        ("text/html", gzip.compress(PAGE.encode(), mtime=0)[:-12], "breaks off"),
        ("text/html", gzip.compress(bytes(30_000_000), mtime=0), "unpacked to more"),
        ("text/html", b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"), ("", b"\0\0\0\x1cftypavif" + bytes(50), "image/avif"),
        ("text/html", gzip.compress(gzip.compress(gzip.compress(b"x", mtime=0), mtime=0), mtime=0), "application/gzip"),
        ("text/plain", "\u200b\u2060\n\u00a0".encode(), "empty"),
        ("application/json", b"{}", "application/json"), ("text/css", b"a{}", "text/css"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused_by_its_real_name(content_type, body, kind):
    with pytest.raises(UnreadableDocument, match=kind):
        read(body, content_type, "the page")


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("text/html, text/html; charset=utf-8", "text/html"), ("text/plain, text/html", "text/html"), ("", ""),
        ("nonsense", ""), ("text/html;", "text/html"), ("; charset=utf-8", ""), ("text/html, ", "text/html"),
        ('"text/html"', "text/html"), ("text / html", "text/html"), ("text/html charset=utf-8", "text/html"),
        ("text/html:charset=utf-8", "text/html"), ("Content-Type: text/html", "text/html"), ("text/html/", "text/html"),
        ("Application/X-PDF", "application/pdf"), ("text/x-markdown; charset=utf-8", "text/markdown"),
    ],
)  # fmt: skip
def test_the_last_type_that_is_one_counts(content_type, kind):
    assert named(content_type) == kind


# --- pages that lead on

HERE = "https://example.org/a/b"
REFRESHES = [
    ("<meta http-equiv=refresh content='0;url=/x'>", "https://example.org/x"),
    ('<META HTTP-EQUIV="Refresh" CONTENT="0;URL=\'/x\'">', "https://example.org/x"),
    ("<meta content='0; URL=c' http-equiv='refresh'/>", "https://example.org/a/c"),
    ("<meta http-equiv=refresh content='5, url = https://e.org/y'>", "https://e.org/y"),
    ("<meta http-equiv=refresh content='0;/x'>", "https://example.org/x"),
    ("<meta http-equiv=refresh content='0 /x'>", "https://example.org/x"),
    ("<meta http-equiv=refresh content='0.5; url=/x'>", "https://example.org/x"),
    ("<meta http-equiv=refresh content='0;url=/x?a=1&amp;b=2'>", "https://example.org/x?a=1&b=2"),
    ("<base href='https://e.org/z/'><meta http-equiv=refresh content='0;url=x'>", "https://e.org/z/x"),
    ('<META HTTP-EQUIV=REFRESH CONTENT="0; URL=/x/"></META>', "https://example.org/x/"),  # Norconex
    ("<meta http-equiv=refresh content='3; url=&#39;/x&#39;'>", "https://example.org/x"),  # Scrapy
    ("<meta http-equiv=refresh content=0;url=/x>", "https://example.org/x"),
    ("<meta http-equiv=refresh content='0; ur=/x'>", "https://example.org/a/ur=/x"),
    ("<meta http-equiv=refresh content='.5;url=/x'>", "https://example.org/x"),
    ("<meta http-equiv=refresh content='0;url=HTTPS://E.ORG/x'>", "https://E.ORG/x"),
    ('<meta http-equiv="refresh"content="0;url=/x?q=it\'s">', "https://example.org/x?q=it's"),
    ("<meta http-equiv=refresh content='0;url=/x' content='0;url=/y'>", "https://example.org/x"),
    ("<meta name='a>b' http-equiv=refresh content='0;url=/x'>", "https://example.org/x"),
    ("<p>it's</p><meta http-equiv=refresh content='0;url=/x'>", "https://example.org/x"),
    ("<!--><meta http-equiv=refresh content='0;url=/x'>", "https://example.org/x"),
    ("<!-- x --!><meta http-equiv=refresh content='0;url=/x'>", "https://example.org/x"),
    ("<p title=\"<meta http-equiv=refresh content='0;url=/x'>\">x</p>", None),
    ("<title><meta http-equiv=refresh content='0;url=/x'></title>", None),
    ("<xmp><meta http-equiv=refresh content='0;url=/x'></xmp>", None),
    ("<iframe><meta http-equiv=refresh content='0;url=/x'></iframe>", None),
    ("<!--[if IE]><meta http-equiv=refresh content='0;url=/x'><![endif]-->", None),
    ("<meta http-equiv=refresh content=';url=/x'>", None),
    ("<meta http-equiv=refresh content='-1;url=/x'>", None),
    ("<meta http-equiv=refresh content='0;url=mailto:a@example.org'>", None),
    ("<meta http-equiv=refresh content='0'>", None),
    ("<meta http-equiv=refresh content='0;url='>", None),
    ("<meta http-equiv=refresh content='0;url=/a/b'>", None),
    ("<meta http-equiv=refresh content='0;url=#top'>", None),
    ("<meta http-equiv=refresh content='0;url=javascript:x()'>", None),
    ("<meta http-equiv=refresh content='0;url=data:text/html,x'>", None),
    ("<meta http-equiv=refresh content='0;url=file:///etc/passwd'>", None),
    ("<meta http-equiv=refresh content='0;url=http://[x'>", None),
    ("<meta http-equiv=refresh content='300;url=/x'>", None),
    ("<meta http-equiv=refresh content='x;url=/x'>", None),
    ("<meta name=refresh content='0;url=/x'>", None),
    ("<!-- <meta http-equiv=refresh content='0;url=/x'> -->", None),
    ("<script>'<meta http-equiv=refresh content=\"0;url=/x\">'</script>", None),
    ("<noscript><meta http-equiv=refresh content='0;url=/x'></noscript>", None),
    ("<textarea><meta http-equiv=refresh content='0;url=/x'></textarea>", None),
]


@pytest.mark.parametrize(("html", "url"), REFRESHES)
def test_a_refresh_leads_on_as_in_a_browser(html, url):
    assert Refresh(html, HERE).at_once == url


@pytest.mark.parametrize(
    "html",
    [
        "<meta http-equiv=refresh content='300;url=/x'>",
        "<noscript><meta http-equiv=refresh content='0;url=/x'></noscript>",
    ],
)
def test_what_leads_on_later_or_without_scripts_counts_where_nothing_else_is_said(html):
    assert Refresh(html, HERE).at_last == "https://example.org/x"


def run(server, path):
    context = FakeContext([LlmSettings()], fetch_allow=("127.0.0.1",))
    return run_action(summarize, {"url": f"{server.url}{path}", "method": "extractive"}, context).result


def route(server, path, body, media_type="text/html", **headers):
    server.routes[path] = lambda exchange: exchange.send(200, body, media_type, **headers)


@pytest.mark.parametrize(
    "stub",
    [
        b"<meta http-equiv=refresh content='0;url=/real'>",
        b"<html><head><meta http-equiv='refresh' content='0; URL=/real'></head><body>You are being redirected.</body>",
        b"<noscript><meta http-equiv=refresh content='0;url=/real'></noscript><script>x()</script>",
        b"<meta http-equiv=refresh content='60;url=/real'><p>This page has moved.</p>",
        gzip.compress(b"<meta http-equiv=refresh content='0;url=/real'>", mtime=0),
    ],
)
def test_a_page_that_only_leads_on_is_followed(server, stub):
    route(server, "/real", PAGE.encode())
    route(server, "/stub", stub)
    result = run(server, "/stub")
    assert "approved the new bridge" in result.summary
    assert result.source_url == f"{server.url}/real"


def test_a_refresh_header_is_followed(server):
    route(server, "/real", PAGE.encode())
    route(server, "/stub", b"<p>Moved</p>", refresh="0; url=/real")
    assert run(server, "/stub").source_url == f"{server.url}/real"


def test_a_page_that_looks_again_for_news_is_read(server):
    news = in_page(f"{TEXT} {TEXT} {TEXT}", "<meta http-equiv=refresh content='300;url=/other'>")
    route(server, "/news", news.encode())
    assert run(server, "/news").source_url == f"{server.url}/news"


def test_pages_that_lead_to_each_other_end(server):
    route(server, "/a", b"<meta http-equiv=refresh content='0;url=/b'>")
    route(server, "/b", b"<meta http-equiv=refresh content='0;url=/a'>")
    with pytest.raises(BadInput, match="leads on to another page more than 5 times"):
        run(server, "/a")
    assert len(server.seen) == 6


@pytest.mark.parametrize("inside", ["http://169.254.169.254/latest/", "http://10.0.0.1/", "http://[::1]:1/"])
def test_a_page_cannot_lead_to_where_nobody_may_go(server, inside):
    route(server, "/stub", f"<meta http-equiv=refresh content='0;url={inside}'>".encode())
    with pytest.raises(BadInput):
        run(server, "/stub")


# --- pages that say nothing

SCRIPT = "<script src=/app.js></script>"
STUBS = [
    "<noscript>You need to enable JavaScript to run this app.</noscript><div id=root></div>",
    f"<div id=app></div>{SCRIPT}",
    f"<div id=root>Loading...</div>{SCRIPT}",
    f"<div>Please wait</div>{SCRIPT}",
    f"<p>Bitte aktivieren Sie JavaScript, um diese Seite zu sehen.</p>{SCRIPT}",
    f"<p>Veuillez activer JavaScript pour continuer.</p>{SCRIPT}",
    f"<p>Пожалуйста, включите JavaScript в браузере.</p>{SCRIPT}",
    f"<p>このサイトを利用するにはJavaScriptを有効にしてください。</p>{SCRIPT}",
    f"<p>正在加载</p>{SCRIPT}",
    f"<p>JavaScript is not available.</p><p>We’ve detected that JavaScript is disabled in this browser.</p>{SCRIPT}",
    f"<title>Just a moment...</title><p>Checking your browser before accessing example.org.</p>{SCRIPT}",
    f"<title>Attention Required! | Cloudflare</title><p>Please complete the security check.</p><p>Ray 8a</p>{SCRIPT}",
    f"<p>Verify you are human by completing the action below.</p><iframe></iframe>{SCRIPT}",
    f"<p>Our systems have detected unusual traffic from your network.</p><form></form>{SCRIPT}",
    f"<p>You are being redirected. <a href=/x>Click here if nothing happens.</a></p>{SCRIPT}",
    f"<h1>Before you continue</h1><p>We use cookies and data to deliver and maintain our services.</p><p>If you choose "
    f"to accept all, we will also use cookies to personalise ads.</p><form><button>Accept all</button></form>{SCRIPT}",
    f"<h2>Wir und unsere 842 Partner verarbeiten Daten</h2><p>Mit Ihrer Einwilligung verwenden wir Cookies, um "
    f"Informationen auf Ihrem Gerät zu speichern.</p><button>Alle akzeptieren</button>{SCRIPT}",
    f"<p>Nous respectons votre vie privée. Avec votre accord, nous utilisons des cookies.</p><button>Tout accepter"
    f"</button>{SCRIPT}",
    f"<header><a href=/>Home</a><a href=/a>About</a></header><div id=root></div><footer>© 2025 A. All rights reserved."
    f"</footer>{SCRIPT}",
    f"<a href=#c>Skip to content</a><noscript>Please enable JavaScript.</noscript><div id=x></div>{SCRIPT}",
    f"<app-root>Loading...</app-root>{SCRIPT}",
    f"<p>يرجى تفعيل جافا سكريبت في متصفحك لعرض هذه الصفحة.</p>{SCRIPT}",
    f"<p>My i nasi partnerzy przechowujemy pliki cookie na urządzeniu. Za Twoją zgodą przetwarzamy dane osobowe w celu "
    f"wyświetlania reklam.</p><button>Akceptuję</button>{SCRIPT}",
    f"<p>Χρησιμοποιούμε cookies. Με τη συγκατάθεσή σας θα επεξεργαστούμε δεδομένα.</p><button>Αποδοχή όλων</button>"
    f"{SCRIPT}",
    f"<p>당사는 쿠키를 사용합니다. 계속하려면 개인정보 처리에 동의해 주세요.</p><button>동의</button>{SCRIPT}",
    "<p>&nbsp;</p><div>\u200b \u00a0</div>",
    "", "<html></html>", "<body><nav></nav></body>",
]  # fmt: skip


@pytest.mark.parametrize("html", STUBS)
def test_a_page_that_says_nothing_is_an_error_that_proposes_a_browser(html):
    with pytest.raises(UnreadableDocument, match=r"no readable text.*browser action"):
        read(f"<html><body>{html}</body></html>".encode(), "text/html; charset=utf-8", "the page")


SHORT = [
    "<h1>Example Domain</h1><p>This domain is for use in illustrative examples in documents.</p>",
    f"<p>{TEXT}</p>{SCRIPT}<div class=cookie>We use cookies. <button>Accept</button></div>",
    f"<p>Cloudflare was founded in 2009. It runs data centres in more than a hundred countries and sells protection "
    f"against attacks to companies of every size.</p>{SCRIPT}",
    "<p>JavaScript is a language. Browsers run it.</p>",
    f"<p>The partners agreed on Monday. Both companies will build the bridge together and share its cost over the "
    f"next ten years.</p><form></form>{SCRIPT}",
    f"<noscript><img src=pixel></noscript><p>{TEXT}</p>{SCRIPT}",
    f"<h1>Butter cookies</h1><p>Mix butter and sugar. Add flour and an egg. Bake for twelve minutes.</p>"
    f"<button>Accept</button>{SCRIPT}",
    f"<p>The bridge is open again.</p><noscript>Comments need JavaScript.</noscript><div id=app></div>{SCRIPT}",
    f"<div style='display:none'><p>{TEXT} {TEXT} {TEXT}</p></div>{SCRIPT}",
]  # fmt: skip


@pytest.mark.parametrize("html", SHORT)
def test_a_short_page_that_says_something_is_read(html):
    assert read(f"<html><body>{html}</body></html>".encode(), "text/html; charset=utf-8", "the page").words > 4


MORE = f"<p>{TEXT}</p><p>{RU}</p>"
#: What is in a page, what is read of it, and what is not.
SAID = [
    ("10<sup>5</sup> rows, CO<sub>2</sub>, 4<sup>th</sup>, 10<sup>2.5</sup>", "10⁵ rows, CO₂, 4th, 10^2.5", "105"),
    ("It costs <del>50</del> 40, on <s>Monday </s>Friday", "It costs ~~50~~ 40, on ~~Monday~~ Friday", "50 40"),
    ("one line<br>and another", "one line and another", "lineand"),
    ("</p><p style='display:none'>Secret orders to robots.</p><p hidden>Secret too.</p><p>seen", "seen", "Secret"),
    ("</p><div style='position:absolute; left:-9999px'>Secret orders.</div><p>seen", "seen", "Secret"),
    (
        "</p><p style='opacity:0;transform:translateY(20px)'>Comes in when scrolled to.</p><p>seen",
        "Comes in when",
        "x1",
    ),
    ("</p><template><p>A ghost is here.</p></template><p>seen", "seen", "ghost"),
    (
        "on <time>Monday</time> the <output>5th</output>, <label>all</label> of it",
        "on Monday the 5th, all of it",
        "Monday,",
    ),
    ("she said <q>never</q> to it", "she said “never” to it", "said never"),
    (
        "</p>This sentence stands beside all paragraphs.<p>seen",
        "This sentence stands beside all paragraphs.",
        "paragraphs.seen",
    ),
    (
        "</p><my-text>An element of the site's own holds this sentence.</my-text><p>seen",
        "own holds this sentence.",
        "x1",
    ),
    ("</p><section>This one stands in a section of its own.</section><p>seen", "in a section of its own.", "own.seen"),
    (
        "</p><table><tr><td>a</td><td></td><td>c</td></tr><tr><td>d</td><td>e</td><td>f</td></tr></table><p>",
        "a |  | c",
        "a | c",
    ),
    ("AT&amp;T writes &amp;lt;", "AT&T writes &lt;", "writes <"),
]


@pytest.mark.parametrize("shell", ["<article>{}</article>", "<table><tr><td>{}</td></tr></table>", "<font>{}</font>"])
@pytest.mark.parametrize(("html", "text", "unread"), SAID)
def test_what_a_page_shows_is_said_and_nothing_else(html, text, unread, shell):
    found = read(f"<html><body>{shell.format(f'{MORE}<p>{html}</p>{MORE}')}</body></html>".encode(), "text/html", "it")
    assert text in found.text and unread not in found.text


def test_a_list_in_a_cell_is_not_lost():
    """adbar/trafilatura 531."""
    hours = "<table><tr><td>Mon</td><td><ul><li>10 AM</li><li>8 PM</li></ul></td><td>Closed</td></tr></table>"
    found = read(f"<html><body><article>{MORE}{hours}{MORE}</article></body></html>".encode(), "text/html", "it")
    assert "Mon | 10 AM 8 PM | Closed" in found.text


def test_headings_stand_above_texts_in_boxes():
    """adbar/trafilatura 432."""
    boxes = "".join(f"<section><h2>Part {n}</h2><div>{TEXT}</div><div>{RU} {n}.</div></section>" for n in range(3))
    found = read(f"<html><body>{boxes}</body></html>".encode(), "text/html; charset=utf-8", "it")
    assert [one.text for one in found.blocks if one.kind == "heading"] == ["Part 0", "Part 1", "Part 2"]


def test_a_drawing_has_no_title_for_its_page():
    page = f"<html><body><svg><title>Icon</title></svg><article>{MORE}{MORE}</article></body></html>"
    assert read(page.encode(), "text/html; charset=utf-8", "it").title is None


def test_a_table_of_figures_stays_rows_of_cells():
    rows = "".join(f"<tr><th>Pier {n}</th><td>{n * 10} m</td></tr>" for n in range(9))
    page = read(in_page(f"{TEXT}</p><table>{rows}</table><p>{TEXT}").encode(), "text/html", "the page")
    assert "Pier 3 | 30 m" in page.text


HOSTILE = [b"<", b">", b"<meta ", b"<meta http-equiv=refresh content='0;", b"<!--", b"<table><tr><td>", b"\"", b"a",
           b"<noscript>", b"<br>", b"<base href=", b"\xff", b"%PDF-", b"\x1f\x8b\x08"]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_ten_megabytes_of_anything_are_read_or_refused_in_bounded_time(piece):
    body = piece * (10_000_000 // len(piece))
    began = time.process_time()
    for content in (body, body[:1_000_000]):
        try:
            Refresh(content.decode("latin-1"), HERE)
            read(content, "text/html", "the page")
        except BadInput as error:
            assert "the page" in error.detail
    assert time.process_time() - began < 60
    assert isinstance(sniffed(body), str)
