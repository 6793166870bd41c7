"""Text out of bytes: labels as people mean them, marks, lies, broken bytes, cuts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcoder.charsets import codec_of, cut, decode, header_labels, inner_labels

# The expectation is that of the encoding standard unless a word behind it says otherwise.
LABELS = [
    ("gb2312", "gbk"), ("GB_2312-80", "gbk"), ("x-gbk", "gbk"), ("cp936", "gbk"), ("EUC-CN", "gbk"),  # the last: IANA
    ("gb18030", "gb18030"), ("iso-8859-1", "cp1252"), ("latin1", "cp1252"), ("us-ascii", "cp1252"),
    ("ANSI_X3.4-1968", "cp1252"), ("ansi_x3.110-1983", "cp1252"),  # Lotus Notes
    ("iso-8859-9", "cp1254"), ("iso-8859-11", "cp874"), ("TIS-620", "cp874"), ("iso-8859-15", "iso8859-15"),
    ("ISO8859_2", "iso8859-2"), ("iso 8859-5", "iso8859-5"), ("8859-1", "cp1252"),  # the last three: Java, PHP
    ("iso-8859-8-i", "iso8859-8"), ("iso-8859-8-e", "iso8859-8"), ("logical", "iso8859-8"),
    ("iso-8859-12", "iso8859-13"), ("iso-8859-99", None),
    ("euc-kr", "cp949"), ("ks_c_5601-1987", "cp949"), ("ks_c_5601", "cp949"), ("ks_c", "cp949"),  # Outlook
    ("KSC5601", "cp949"), ("windows-949", "cp949"), ("x-windows-949", "cp949"), ("uhc", "cp949"), ("ms949", "cp949"),
    ("shift_jis", "cp932"), ("x-sjis", "cp932"), ("Windows-31J", "cp932"), ("MS932", "cp932"), ("cp943", "cp932"),
    ("iso-2022-jp", "iso2022_jp"), ("cp50220", "iso2022_jp"), ("iso-2022-jp-ms", "iso2022_jp"),
    ("euc-jp", "euc_jp"), ("cp51932", "euc_jp"), ("eucJP-ms", "euc_jp"),
    ("big5", "big5hkscs"), ("big5-hkscs", "big5hkscs"), ("cp950", "big5hkscs"), ("x-x-big5", "big5hkscs"),
    ("hz-gb-2312", "hz"), ("iso-2022-kr", "iso2022_kr"),  # mail, RFC 1842 and 1557; browsers refuse them
    ("cp-850", "cp850"), ("IBM850", "cp850"), ("ibm-437", "cp437"), ("dos-866", "cp866"), ("cp1125", "cp1125"),
    ("windows 1251", "cp1251"), ("win-1251", "cp1251"), ("x-cp1251", "cp1251"), ("1251", "cp1251"),
    ("koi8-r", "koi8-r"), ("koi8-ru", "koi8-u"), ("macintosh", "mac-roman"), ("x-mac-ce", "mac-latin2"),
    ("utf8", "utf-8"), ("UTF_8", "utf-8"), ("utf-8*de", "utf-8"), ("utf8mb4", "utf-8"), ("'utf-8'", "utf-8"),
    ("65001", "utf-8"), ("unicode-1-1-utf-8", "utf-8"), ("cp65001", "utf-8"), ("utf-7", "utf-7"),
    ("utf-16", "utf-16-le"), ("unicode", "utf-16-le"), ("utf-16be", "utf-16-be"), ("x-user-defined", "cp1252"),
    ("cn-gb", "gbk"), ("gb2312.1980", "gbk"), ("tis620.2533", "cp874"), ("thai8", "cp874"),  # RFC 1922, Java, HP
    ("csUTF8", "utf-8"), ("wtf-8", "utf-8"), ("macroman", "mac-roman"), ("x-mac-romanian", "mac-romanian"),
    ("ISO_8859-16:2001", "iso8859-16"), ("ISO_8859-2:1987", "iso8859-2"), ("ebcdic-cp-us", "cp037"),  # IANA
    ("koi8-r (Cyrillic)", "koi8-r"), ("us-ascii; format=flowed", "cp1252"), ("utf-8, utf-8", "utf-8"),
    (None, None), ("", None), ("unknown-8bit", None), ("x-unknown", None), ("binary", None), ("8bit", None),
    ("base64", None), ("rot13", None), ("zlib", None), ("punycode", None), ("idna", None), ("undefined", None),
    ("unicode_escape", None), ("raw-unicode-escape", None), ("mbcs", None), ("é", None), ("\ud800", None),
    ("x" * 1_000_000, None), ("cp99999", None), ("none", None),
]  # fmt: skip


@pytest.mark.parametrize(("label", "codec"), LABELS)
def test_a_label_means_what_people_write_under_it(label, codec):
    assert codec_of(label) == codec


def test_every_label_of_the_standard_is_known():
    from webencodings.labels import LABELS as STANDARD

    unknown = {label for label, name in STANDARD.items() if codec_of(label) is None}
    assert unknown <= {label for label, name in STANDARD.items() if name == "replacement"}


def euc(text: str) -> bytes:
    return text.encode("euc_jp")


TEXTS = [
    ("总理朱镕基".encode("gbk"), ["gb2312"], "总理朱镕基"),
    ("똠방각하".encode("cp949"), ["euc-kr"], "똠방각하"),
    ("똠방각하".encode("cp949"), ["ks_c_5601-1987"], "똠방각하"),
    ("①㈱髙﨑".encode("cp932"), ["shift_jis"], "①㈱髙﨑"),
    ("“Grüße” – 5 €".encode("cp1252"), ["iso-8859-1"], "“Grüße” – 5 €"),
    ("“Grüße”".encode("cp1252"), ["us-ascii"], "“Grüße”"),
    ("שלום".encode("iso8859-8"), ["iso-8859-8-i"], "שלום"),
    ("Größe".encode("cp850"), ["cp-850"], "Größe"),
    ("€".encode("cp1252"), ["latin1"], "€"),
    (b"\x80 100", ["gbk"], "€ 100"),  # WHATWG gb18030 decoder
    (b"\xa3\xe1 100", ["big5"], "€ 100"),  # WHATWG index-big5
    ("香港嘅".encode("big5hkscs"), ["big5"], "香港嘅"),
    (b"\xad\xa1\xad\xea" + euc("の山"), ["euc-jp"], "①㈱の山"),  # row 13 of NEC, WHATWG index-jis0208
    (b"\xfc\xe2" + euc("橋"), ["euc-jp"], "髙橋"),  # row 92
    (b"\x1b$B-!-j\x1b(B ok", ["iso-2022-jp"], "①㈱ ok"),  # as Outlook writes it
    (b"\x1b$B|b66\x1b(B", ["iso-2022-jp"], "髙橋"),
    (b"\x1b(I1234\x1b(B!", ["iso-2022-jp"], "ｱｲｳｴ!"),  # JIS X 0201, RFC 1468 has it not and mails do
    ("日本語".encode("iso2022_jp"), ["iso-2022-jp"], "日本語"),
    ("日本語".encode("iso2022_jp"), [], "日本語"),
    ("日本語のメール".encode("cp932"), ["iso-2022-jp"], "日本語のメール"),
    (b"~{VPND~}", ["hz-gb-2312"], "中文"),
    ("시장".encode("iso2022_kr"), ["iso-2022-kr"], "시장"),
    ("𠮷野家".encode("gb18030"), ["gb18030"], "𠮷野家"),
    ("𠮷野家".encode("gb18030"), ["gb2312"], "𠮷野家"),
    # marks
    (b"\xef\xbb\xbf" + "é".encode(), ["latin1"], "é"),
    ("é".encode("utf-16"), ["utf-8"], "é"),
    (b"\xfe\xff" + "é".encode("utf-16-be"), [], "é"),
    (b"\xff\xfe\0\0" + "é".encode("utf-32-le"), [], "é"),
    ("é".encode("utf-16-le"), ["utf-16"], "é"),
    ("<a>é".encode("utf-16-be"), ["utf-16"], "<a>é"),
    ("a plain note".encode("utf-16-le"), [], "a plain note"),
    (b"\x84\x31\x95\x33" + "好".encode("gbk"), ["gb18030"], "好"),
    # order: the first that is known
    ("Привет".encode("koi8-r"), [None, "", "x-unknown", "koi8-r", "cp1251"], "Привет"),
    ("日本".encode("cp932"), ["no-such-thing", "shift_jis"], "日本"),
    # lies
    ("Grüße".encode(), ["iso-8859-1"], "Grüße"),
    ("Grüße".encode(), ["us-ascii"], "Grüße"),
    ("Городской совет".encode(), ["windows-1251"], "Городской совет"),
    ("总理星期一批准了新大桥".encode(), ["gb2312"], "总理星期一批准了新大桥"),
    ("日本語".encode(), ["iso-2022-jp"], "日本語"),
    ("一些".encode("gbk"), ["gb2312"], "一些"),  # also valid as UTF-8, but too short to say so
    ("Городской совет одобрил".encode("cp1251"), ["utf-8"], "Городской совет одобрил"),
    ("Городской совет одобрил".encode("koi8-r"), ["utf-8", "koi8-r"], "Городской совет одобрил"),
    ("<?xml?><a>Grüße</a>".encode(), ["utf-16"], "<?xml?><a>Grüße</a>"),  # .NET's StringWriter
    # one byte spoils one character
    (b"caf\xe9 au lait", ["utf-8"], "caf\ufffd au lait"),
    ("Grüße aus Köln".encode() + b" \xff ok", [], "Grüße aus Köln \ufffd ok"),
    ("中文".encode("gbk") + b"\xff" + "文中".encode("gbk"), ["gbk"], "中文\ufffd文中"),
    (b"a\xd6<p>b", ["gb2312"], "a\ufffd<p>b"),
    (b"a\x81<p>b", ["shift_jis"], "a\ufffd<p>b"),
    (b"\xc9\xff" + "시장".encode("cp949"), ["euc-kr"], "\ufffd시장"),
    (b"\x8f\xfe\xfe" + euc("山"), ["euc-jp"], "\ufffd山"),
    ("漢".encode()[:2], ["utf-8"], "\ufffd"),
    (b"a\0b", ["utf-8"], "a\0b"),
    (b"", [], ""), (b"", ["utf-16"], ""), (b"\0", [], "\0"), (b"x", ["utf-16"], "x"),
    (b"+2AA-", ["utf-7"], "\ufffd"),  # half a character, which nobody could store
]  # fmt: skip


@pytest.mark.parametrize(("content", "labels", "text"), TEXTS)
def test_bytes_are_read_as_they_are_meant(content, labels, text):
    assert decode(content, *labels) == text


UNNAMED = [
    ("Городской совет одобрил новый мост после долгих споров.", ["cp1251", "koi8-r", "cp866", "iso8859-5"]),
    ("Привет, мир", ["cp1251", "koi8-r"]),
    ("Міська рада схвалила новий міст після довгих суперечок.", ["cp1251", "koi8-u"]),
    ("Общинският съвет одобри новия мост след дълги спорове.", ["cp1251"]),
    ("Το συμβούλιο ενέκρινε τη νέα γέφυρα τη Δευτέρα.", ["cp1253", "iso8859-7"]),
    ("Rada zatwierdziła most. Łódź otrzyma dziewięćdziesiąt złotych, żaden mieszkaniec.", ["cp1250", "iso8859-2"]),
    ("Městská rada v pondělí schválila nový most. Žluťoučký kůň úpěl.", ["cp1250", "iso8859-2"]),
    ("A városi tanács jóváhagyta az új hidat. Árvíztűrő tükörfúrógép.", ["cp1250", "iso8859-2"]),
    ("Belediye meclisi pazartesi günü yeni köprüyü onayladı. İstanbul için ığdır.", ["cp1254"]),
    ("מועצת העיר אישרה ביום שני את הגשר החדש לאחר דיון ארוך.", ["cp1255"]),
    ("وافق مجلس المدينة يوم الاثنين على الجسر الجديد بعد نقاش طويل.", ["cp1256"]),
    ("สภาเมืองอนุมัติสะพานใหม่เมื่อวันจันทร์หลังจากการอภิปรายยาวนาน", ["cp874"]),
    ("市議会は月曜日に新しい橋の建設を承認した。工事は三年かかる見込みだ。", ["cp932", "euc-jp", "iso2022_jp"]),
    ("日本語のテスト", ["cp932", "euc-jp"]),
    ("总理星期一批准了新大桥的建设方案。工程师预计需要三年时间。", ["gbk", "gb18030"]),
    ("你好，世界", ["gbk"]),
    ("市議會星期一批准了新大橋的建設方案。工程師預計需要三年時間。", ["big5"]),
    ("시장은 월요일에 새 다리 계획을 승인했다. 공사는 삼 년 걸릴 것이다.", ["cp949"]),
    ("Grüße aus München, schöne Straße, “Zitat”", ["cp1252"]),
    ("Grüße", ["cp1252"]),
    ("Le conseil a approuvé le nouveau pont après un long débat à l’hôtel de ville.", ["cp1252"]),
    ("El año próximo los niños irán a España; ¿mañana?", ["cp1252"]),
    ("A Câmara aprovou a construção da nova ponte após discussões; São João não.", ["cp1252"]),
    ("Kommunfullmäktige godkände den nya bron på måndagen efter en lång debatt.", ["cp1252"]),
    ("Miesto taryba pirmadienį patvirtino naują tiltą po ilgų ginčų. Šių žmonių ėjimas.", ["cp1257"]),
    ("Kaupunginvaltuusto hyväksyi uuden sillan maanantaina pitkän väittelyn jälkeen.", ["cp1252"]),
]


@pytest.mark.parametrize(("text", "codec"), [(text, codec) for text, codecs in UNNAMED for codec in codecs])
def test_what_nobody_names_is_told_by_its_bytes(text, codec):
    assert decode(text.encode(codec)) == text
    assert decode(b"<html><p>" + b"<div class=x>" * 1000 + text.encode(codec)).endswith(text)


@pytest.mark.parametrize(
    ("content_type", "labels"),
    [
        ("text/html", ()), ("text/html; charset=gb2312", ("gb2312",)), ('text/html;charset="utf-8"', ("utf-8",)),
        ("text/html; Charset = 'utf-8' ", ("utf-8",)), ("text/html; charset=utf-8;x=y", ("utf-8",)),
        ("text/html; charset=", ()), ("text/html; xcharset=utf-8", ()),
        ("text/html, text/html; charset=utf-8", ("utf-8",)),
        ("text/html; charset=gbk, text/html", ("gbk",)),
        ("text/html; charset=gbk, text/html; charset=utf-8", ("utf-8", "gbk")),
        ("charset=utf-8", ("utf-8",)),
    ],
)  # fmt: skip
def test_a_header_names_the_encoding(content_type, labels):
    assert header_labels(content_type) == labels


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        (b"<meta charset=gbk>", ("gbk",)),
        (b"<META CHARSET='gbk' />", ("gbk",)),
        (b'<meta http-equiv="Content-Type" content="text/html; charset=euc-kr">', ("euc-kr",)),
        (b'<meta content="text/html;charset=euc-kr" http-equiv=content-type>', ("euc-kr",)),
        (b"<meta http-equiv=Content-Type content=text/html; charset=big5>", ("big5",)),
        (b'<meta name="description" content="what charset=koi8-r means"><meta charset=gbk>', ("gbk",)),
        (b"<!-- <meta charset=koi8-r> --><meta charset=gbk>", ("gbk",)),
        (b"<script>w('<meta charset=koi8-r>')</script><meta charset=gbk>", ("gbk",)),
        (b"<head><style>" + b"a{} " * 50_000 + b"</style><meta charset=gbk></head>", ("gbk",)),
        (b"<head>" + b"<link rel=x href=y>" * 1000 + b"</head><body><meta charset=gbk>", ()),
        (b"<p>no head</p><meta charset=gbk>", ("gbk",)),
        (b'<?xml version="1.0" encoding="windows-1251"?><html>', ("windows-1251",)),
        (b"<?xml version='1.0' encoding='gbk'?><html><meta charset=utf-8>", ("utf-8", "gbk")),
        (b'\n<?xml version="1.0"?>', ()),
        (b'@charset "gbk";', ("gbk",)),
        (b"<meta>", ()),
        (b"<meta charset>", ()),
    ],
)
def test_a_page_names_its_encoding_anywhere_in_its_head(content, labels):
    assert inner_labels(content) == labels


def test_in_xml_the_declaration_counts_more_than_what_html_says():
    content = b"<?xml version='1.0' encoding='gbk'?><html><meta charset=utf-8>"
    assert inner_labels(content, "application/xhtml+xml") == ("gbk", "utf-8")


CODECS = ["utf-8", "utf-16-le", "utf-16-be", "gbk", "gb18030", "cp932", "cp949", "big5hkscs", "euc_jp", "cp1252"]


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 40), st.sampled_from(CODECS))
def test_a_cut_never_leaves_half_a_character(text, size, codec):
    content = text.encode(codec, "ignore")
    kept = cut(content, size, codec)
    assert len(kept) <= size
    assert content.startswith(kept)
    assert content.decode(codec).startswith(kept.decode(codec))
    assert len(kept) > size - 4 or kept == content


@given(st.binary(max_size=300), st.lists(st.sampled_from([one for one, _ in LABELS]), max_size=3))
def test_whatever_bytes_and_labels_there_are_a_text_comes_out(content, labels):
    decode(content, *labels).encode()
    inner_labels(content)


LETTERS = {"utf-8": "éß漢", "gbk": "中文", "cp932": "日本ア", "cp949": "시장", "big5hkscs": "漢字", "euc_jp": "日本"}


@given(st.sampled_from(sorted(LETTERS)), st.integers(2, 30), st.integers(0, 29), st.sampled_from([b"\xff", b"\xfe<"]))
def test_a_wrong_byte_spoils_one_character(codec, count, place, wrong):
    letters = [LETTERS[codec][number % len(LETTERS[codec])] for number in range(count)]
    before, behind = "".join(letters[:place]), "".join(letters[place:])
    text = decode(before.encode(codec) + wrong[:1] + b" " + behind.encode(codec), codec)
    assert text == f"{before}\ufffd {behind}"


@pytest.mark.parametrize("label", ["utf-8", "gbk", "cp932", "euc-kr", "big5", "euc-jp", "iso-2022-jp", "utf-7", None])
@pytest.mark.parametrize("piece", [b"<", b"\xff", b"\xd6<", b"\x1b$B", b"\x81\xff", b"<meta ", b"<!--", b"\0", b'="'])
def test_ten_megabytes_of_anything_take_bounded_time(label, piece):
    content = piece * (10_000_000 // len(piece))
    began = time.process_time()
    decode(content, label, *inner_labels(content))
    cut(content, 5_000_001, codec_of(label) or "utf-8")
    assert time.process_time() - began < 20
