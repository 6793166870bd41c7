"""Subjects, senders, dates and names of files as the world's programs write them.

Each row says where its expectation is from: an RFC, the encoding standard of WHATWG, or the program that writes so.
"""

from __future__ import annotations

import base64
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.email.addresses import Address, listed
from tasks.email.dates import date_of
from tasks.email.gmail_format import header_of
from tasks.email.headers import decoded
from tasks.email.reading import read

GERMAN, CHINESE, JAPANESE, RUSSIAN = "Grüße aus Köln", "朱镕基先生", "会議①は㈱ソニー", "Привет, мир"


def b_word(text: str, codec: str, label: str | None = None) -> str:
    return f"=?{label or codec}?B?{base64.b64encode(text.encode(codec)).decode()}?="


def q_word(text: str, codec: str, label: str | None = None) -> str:
    return f"=?{label or codec}?Q?{''.join(f'={byte:02X}' for byte in text.encode(codec))}?="


def subject(value: str | bytes, more: bytes = b"") -> str:
    raw = value if isinstance(value, bytes) else value.encode()
    return read(b"Subject: " + raw + b"\r\n" + more + b"\r\nx").subject


SUBJECTS = {
    # the label says one thing and means another: encoding standard
    "gb2312": (b_word(CHINESE, "gbk", "gb2312"), CHINESE),
    "GB2312 in capitals": (b_word("喆", "gbk", "GB2312"), "喆"),
    "gb_2312-80": (b_word(CHINESE, "gbk", "gb_2312-80"), CHINESE),
    "gbk that is gb18030": (b_word("𠮷", "gb18030", "gbk"), "𠮷"),
    "shift_jis": (b_word("①㈱", "cp932", "shift_jis"), "①㈱"),
    "x-sjis": (b_word("髙橋", "cp932", "x-sjis"), "髙橋"),
    "windows-31j": (b_word("①", "cp932", "windows-31j"), "①"),
    "ks_c_5601-1987": (b_word("똠방각하", "cp949", "ks_c_5601-1987"), "똠방각하"),
    "euc-kr": (b_word("뷁", "cp949", "euc-kr"), "뷁"),
    "iso-8859-1 with a dash": (q_word("it’s – 5 €", "cp1252", "iso-8859-1"), "it’s – 5 €"),
    "latin1": (q_word("“so”", "cp1252", "latin1"), "“so”"),
    "iso-8859-9": (q_word("Işık €", "cp1254", "iso-8859-9"), "Işık €"),
    "tis-620": (b_word("สวัสดี", "cp874", "tis-620"), "สวัสดี"),
    "big5 with the euro": (b_word("價格€", "cp950", "big5"), "價格€"),
    "cp-850": (q_word(GERMAN, "cp850", "cp-850"), GERMAN),
    "cp1251 without windows": (b_word(RUSSIAN, "cp1251", "cp1251"), RUSSIAN),
    "iso-8859-8-i": (q_word("שלום", "iso8859-8", "iso-8859-8-i"), "שלום"),
    "utf8 without a hyphen": (b_word(GERMAN, "utf-8", "utf8"), GERMAN),
    "iso-2022-jp with circled figures": ("=?iso-2022-jp?B?GyRCLSEbKEI=?=", "①"),  # Outlook
    # words that are cut: RFC 2047 forbids it, and Exchange and PHP's mb_encode do it
    "a character cut between two words": ("=?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?=", "Grüße"),
    "base64 cut between groups of four": ("=?utf-8?B?R3LDvMO?= =?utf-8?B?fZQ==?=", "Grüße"),
    "words that nothing separates": ("=?utf-8?Q?Gr=C3=BC?==?utf-8?Q?=C3=9Fe?=", "Grüße"),
    "words on two lines": ("=?utf-8?Q?Gr=C3=BC?=\r\n =?utf-8?Q?=C3=9Fe?=", "Grüße"),
    "labels in two cases": ("=?UTF-8?Q?Gr=C3?= =?utf-8?Q?=BCn?=", "Grün"),
    "two charsets": (f"{b_word('я', 'koi8-r')} {b_word('é', 'latin-1', 'iso-8859-1')}", "яé"),
    # what is broken
    "base64 without its end": ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
    "base64 with too much of one": ("=?utf-8?B?R3LDvMOfZQ====?=", "Grüße"),
    "base64 cut after one letter": ("=?utf-8?B?R3LDvMOfZQ==a?=", "Grüße"),
    "a space in a word": ("=?utf-8?Q?Gr=C3=BC=C3=9Fe aus?=", "Grüße aus"),
    "a question mark in a word": ("=?utf-8?Q?Wirklich??=", "Wirklich?"),
    "small letters and a small figure": ("=?utf-8?q?Gr=c3=bc=c3=9fe?=", "Grüße"),
    "a language": ("=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),  # RFC 2231, 5
    "right behind a word": ("Re:=?utf-8?Q?Gr=C3=BCn?=.", "Re:Grün."),
    "utf-8 that is none": ("=?utf-8?Q?Gr=FC=DFe?=", "Grüße"),
    "one bad byte": (q_word("Grüße ", "utf-8")[:-2] + "=FF?=", "Grüße \ufffd"),
    "an unknown charset": ("=?x-unknown?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
    "a charset in quotes": ('=?"utf-8"?Q?Gr=C3=BCn?=', "Grün"),
    # neomutt, zammad, K-9, stalwart's mail-parser
    "an escape cut by a fold": ("=?utf-8?Q?Gr=C3=BC=C3=9\r\n Fe?=", "Grüße"),
    "a soft break as in a body": ("=?utf-8?Q?Gr=C3=BC=C3=\r\n =9Fe?=", "Grüße"),
    "base64 cut by a fold": ("=?utf-8?B?R3LDvMO\r\n fZQ==?=", "Grüße"),
    "no charset": ("=??Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
    "an end without its last sign": ("Re: =?utf-8?B?R3LDvMOfZQ==?", "Re: Grüße"),
    "an equals sign at the end": ("=?utf-8?Q?a=3Db=?=", "a=b="),
    "a mark of a filter before it": ("[SPAM]=?utf-8?B?VGhpcw==?=", "[SPAM]This"),
    "an empty word before others": ("=?utf-8?Q??=  =?utf-8?Q?=D0=9F=D0=BE?=", "По"),
    "iso-2022-jp that each word begins anew": (
        "=?iso-2022-jp?B?GyRCRnxLXA==?= =?iso-2022-jp?B?GyRCOGwbKEI=?=",
        "日本語",
    ),
    "an empty word": ("=?utf-8?Q??= x", "x"),
    "a word that does not end": ("=?utf-8?Q?Gr=C3=BCn", "=?utf-8?Q?Gr=C3=BCn"),
    "no word at all": ("1 =? 2 ?= 3", "1 =? 2 ?= 3"),
}


@pytest.mark.parametrize(("value", "text"), SUBJECTS.values(), ids=SUBJECTS)
def test_encoded_words_are_read_as_they_are_meant(value: str, text: str) -> None:
    assert subject(value) == text


UNENCODED = {
    "UTF-8": (GERMAN.encode(), b"", GERMAN),  # RFC 6532
    "Western Europe's": (GERMAN.encode("cp1252"), b"", GERMAN),
    "as the body's koi8-r": (RUSSIAN.encode("koi8-r"), b"Content-Type: text/plain; charset=koi8-r\r\n", RUSSIAN),
    "as the body's gb2312": (CHINESE.encode("gbk"), b"Content-Type: text/plain; charset=gb2312\r\n", CHINESE),
    "as the body's Shift_JIS": ("①日本".encode("cp932"), b"Content-Type: text/plain; charset=shift_jis\r\n", "①日本"),
    "UTF-8 beside another": (GERMAN.encode(), b"Content-Type: text/plain; charset=koi8-r\r\n", GERMAN),
    "one byte of UTF-8 broken": (GERMAN.encode() + b" \xff", b"", GERMAN + " \ufffd"),
    "where the body says it is UTF-8": (
        GERMAN.encode("cp1252"),
        b"Content-Type: text/plain; charset=utf-8\r\n",
        GERMAN,
    ),
}


@pytest.mark.parametrize(("value", "more", "text"), UNENCODED.values(), ids=UNENCODED)
def test_bytes_that_nobody_encoded_are_read_as_the_body_says(value: bytes, more: bytes, text: str) -> None:
    assert subject(value, more) == text


# --- people

PEOPLE = {
    # names that look like addresses: PayPal, Google Docs, Outlook write them
    "Ann @ Work <a@example.net>": ["Ann @ Work <a@example.net>"],
    "ann@evil.example <a@example.net>": ["ann@evil.example <a@example.net>"],
    '"ann@evil.example" <a@example.net>': ["ann@evil.example <a@example.net>"],
    "ann@evil.example via Docs <d@example.net>": ["ann@evil.example via Docs <d@example.net>"],
    "'ann@evil.example' <a@example.net>": ["ann@evil.example <a@example.net>"],
    "=?utf-8?Q?ann=40evil.example?= <a@example.net>": ["ann@evil.example <a@example.net>"],
    "=?utf-8?Q?ann=40evil.example=2C_Bob?= <a@example.net>": ["ann@evil.example, Bob <a@example.net>"],
    "=?utf-8?Q?Ann_<evil@evil.example>?= <a@example.net>": ["Ann <evil@evil.example> <a@example.net>"],
    "Ann <ann@home> <a@example.net>": ["Ann <ann@home>", "a@example.net"],
    "Tickets @ Hall, Ann <a@example.net>, b@example.net": ["Tickets @ Hall, Ann <a@example.net>", "b@example.net"],
    "@ann <a@example.net>": ["@ann <a@example.net>"],
    "Ann (ann@evil.example) <a@example.net>": ["Ann (ann@evil.example) <a@example.net>"],
    # commas, quotes and colons that nobody protected: Exchange, Lotus Notes
    "Doe, Ann <a@example.net>": ["Doe, Ann <a@example.net>"],
    '"Doe, Ann" <a@example.net>': ["Doe, Ann <a@example.net>"],
    '"Ann <a@example.net>': ["Ann <a@example.net>"],
    "Ann: Sales <a@example.net>": ["Ann: Sales <a@example.net>"],
    '"Ann \\"The Boss\\" Doe" <a@example.net>': ['Ann "The Boss" Doe <a@example.net>'],
    'Ann "The Boss" Doe <a@example.net>': ["Ann The Boss Doe <a@example.net>"],
    "Ann Doe :-) <a@example.net>": ["Ann Doe :-) <a@example.net>"],
    "Ann [Team] <a@example.net>": ["Ann [Team] <a@example.net>"],
    # forms of RFC 5322
    "a@example.net": ["a@example.net"],
    "<a@example.net>": ["a@example.net"],
    "a@example.net (Ann Doe)": ["Ann Doe <a@example.net>"],
    "a@example.net, b@example.net": ["a@example.net", "b@example.net"],
    "a@example.net; b@example.net": ["a@example.net", "b@example.net"],
    "Team: a@example.net, Bob <b@example.net>;": ["a@example.net", "Bob <b@example.net>"],
    "Team: a@example.net": ["Team <a@example.net>"],
    "undisclosed-recipients:;": [],
    '"ann doe"@example.net': ['"ann doe"@example.net'],
    "Ann <a@[192.0.2.1]>": ["Ann <a@[192.0.2.1]>"],
    "Ann <@relay.example:a@example.net>": ["Ann <a@example.net>"],
    "jürgen@例え.jp": ["jürgen@例え.jp"],
    # what programs write all the same
    "Ann <<a@example.net>>": ["Ann <a@example.net>"],
    "Ann <SMTP:a@example.net>": ["Ann <a@example.net>"],
    "=?utf-8?Q?Ann_=3Ca=40example=2Enet=3E?=": ["Ann <a@example.net>"],
    "a@example.net b@example.net": ["a@example.net", "b@example.net"],
    "Ann <a@example.net, Bob <b@example.net>": ["Ann <a@example.net>", "Bob <b@example.net>"],
    "Doe, Ann <a@example.net>; Roe, Bob <b@example.net>": ["Doe, Ann <a@example.net>", "Roe, Bob <b@example.net>"],
    "Team: a@example.net;, b@example.net": ["a@example.net", "b@example.net"],
    # what is broken
    "Ann <mailto:a@example.net>": ["Ann <a@example.net>"],
    "Ann < a@example.net >": ["Ann <a@example.net>"],
    "Ann <a@example.net": ["Ann <a@example.net>"],
    "Ann a@example.net": ["Ann <a@example.net>"],
    "Ann <>, Bob <b@example.net>": ["Bob <b@example.net>"],
    "Ann": [],
    "": [],
    "@": [],
    ",,;:<>@": [],
}


@pytest.mark.parametrize(("value", "people"), PEOPLE.items(), ids=PEOPLE)
def test_an_address_stands_in_brackets_or_alone_and_names_are_names(value: str, people: list[str]) -> None:
    assert [str(one) for one in read(f"To: {value}\r\n\r\nx".encode()).to] == people


@pytest.mark.parametrize(
    "address",
    [
        Address("a@example.net", "Ann @ Work"), Address("a@example.net", "Jürgen @ Büro"),
        Address("a@example.net", "ann@evil.example"), Address("a@example.net", "Müller, Jürgen"),
        Address("a@example.net", "朱镕基 @ 北京"), Address("a@example.net", 'Jürgen "Jü" Müller'),
        Address("a@example.net"),
    ],
    ids=str,
)  # fmt: skip
def test_a_list_of_gmails_names_the_same_people_as_the_mail(address: Address) -> None:
    """Gmail gives headers decoded, with no quotes round names."""
    listed_by_gmail = {"payload": {"headers": [{"name": "From", "value": f"{address}"}]}}
    sender = read(header_of(listed_by_gmail), whole=False).sender
    assert sender is not None and (sender.email, sender.name.replace('"', "")) == (
        address.email,
        address.name.replace('"', ""),
    )


@given(st.text(max_size=500))
def test_no_text_makes_an_address_without_an_at_sign(text: str) -> None:
    assert all("@" in one.email and one.email.isprintable() is not None for one in listed(text))


# --- dates

DATES = {
    "Mon, 1 Dec 2025 10:00:00 +0100": "09:00",
    # zones: RFC 5322, and what Java, Exchange and PHP write in their stead
    "Mon, 1 Dec 2025 10:00:00 GMT+0100": "09:00",
    "Mon, 1 Dec 2025 10:00:00 GMT+01:00": "09:00",
    "Mon, 1 Dec 2025 10:00:00 GMT+1": "09:00",
    "Mon, 1 Dec 2025 10:00:00 GMT-0530": "15:30",
    "Mon, 1 Dec 2025 10:00:00 UTC+2": "08:00",
    "Mon, 1 Dec 2025 10:00:00 UTC+05:30": "04:30",
    "Mon, 1 Dec 2025 10:00:00 UT+0100": "09:00",
    "Mon, 1 Dec 2025 10:00:00 gmt+0100": "09:00",
    "Mon, 1 Dec 2025 10:00:00 GMT +0100": "09:00",
    "Mon, 1 Dec 2025 10:00:00 GMT+0100 (CET)": "09:00",
    "Mon Dec 01 2025 10:00:00 GMT+0100 (Central European Standard Time)": "09:00",  # JavaScript
    "Mon, 1 Dec 2025 10:00:00 +01:00": "09:00",
    "Mon, 1 Dec 2025 10:00:00 +0100 (GMT+01:00)": "09:00",
    "Mon, 1 Dec 2025 10:00:00 GMT": "10:00",
    "Mon, 1 Dec 2025 10:00:00 Z": "10:00",
    "Mon, 1 Dec 2025 10:00:00 EST": "15:00",
    "Mon, 1 Dec 2025 10:00:00 PDT": "17:00",
    "Mon, 1 Dec 2025 10:00:00 CET": "09:00",
    "Mon, 1 Dec 2025 10:00:00 CEST": "08:00",
    "Mon, 1 Dec 2025 10:00:00 MEZ": "09:00",
    "Mon, 1 Dec 2025 10:00:00 JST": "01:00",
    "Mon, 1 Dec 2025 10:00:00 MSK": "07:00",
    "Mon, 1 Dec 2025 10:00:00 AEDT (Sydney)": "23:00",
    "Mon, 1 Dec 2025 10:00:00 -0000": "10:00",
    "Mon, 1 Dec 2025 10:00:00": "10:00",
    # other forms
    "1 Dec 2025 10:00 +0100": "09:00",
    "Mon, 1 Dec 25 10:00:00 +0100": "09:00",
    "Mon, 01-Dec-2025 10:00:00 GMT": "10:00",
    "Mon Dec  1 10:00:00 2025": "10:00",
    "Mon, 1 Dec 2025 10.00.00 +0100": "09:00",
    "Mon, 1 Dec 2025 10:00:00 PM +0100": "21:00",
    "Mon, 1 Dec 2025 12:05:00 AM GMT": "00:05",
    "2025-12-01T10:00:00Z": "10:00",
    "2025-12-01T10:00:00+01:00": "09:00",
    "2025-12-01 10:00:00 +0100": "09:00",
    "2025-12-01 10:00:00.123 CET": "09:00",
    "Mon,1 Dec 2025 10:00:00 +0100": "09:00",
    "  Mon, 1 Dec 2025 \t 10:00:00 +0100 ": "09:00",
    # as ddeboer/imap, Webklex/php-imap, mailcore and imapclient were sent them
    "Thur, 1 Dec 2025 10:00:00 +0100": "09:00",
    "Mon, 01 12 2025 10:00:00": "10:00",
    "1 DEC 25 10:00:00 UT/1 DEC 25 10:00:00 UT": "10:00",
    "Mo., 1 Dez. 2025 10:00:00 +0100 (MEZ)": "09:00",
    "lun., 1 déc. 2025 10:00:00 +0100": "09:00",
    "pon, 1 gru 2025 10:00:00 +0100": "09:00",
    "пн, 1 дек. 2025 10:00:00 +0300": "07:00",
    "2025年12月1日 10:00:00 +0900": "01:00",
    "Mon, 1 Dec 2025 10:00:00 +0000 <AM8PR08@example.net>": "10:00",
    "1 Dec 2025 10:00:00 +0100DKIM-Signature:": "09:00",
    "Mon, 1 Dec 2025 10:00:00 +0100(CET)": "09:00",
    "Mon, 1 Dec 2025 10:00:00 (CET) +0100": "09:00",
    "Mon, 1 Dec 2025 10:00:00 +1": "09:00",
    "Mon, 1 Dec 2025 10:00:00 +100": "09:00",
    "Mon, 1 Dec 2025 10:00:00 \u22120500": "15:00",
    "Mon, 1 Dec 2025 10:00:00 Europe/Berlin": "09:00",
    "Mon, 1 Dec 2025 10:00:00.123 +0100": "09:00",
    "Mon, 1 Dec 125 10:00:00 +0000": "10:00",
    "Mon Dec  1 10:00:00 CET 2025": "09:00",
    "Mon Dec  1 10:00:00 2025 +0100": "09:00",
    "Monday, December 1, 2025 at 10:00 AM": "10:00",
    "2025/12/01 10:00:00 +0900": "01:00",
    "20251201T100000Z": "10:00",
    "Date: Mon, 1 Dec 2025 10:00:00 +0100": "09:00",
    "Sun, 30 Nov 2025 23:59:60 +0000": "00:00",
    "Sun, 30 Nov 2025 24:00:00 +0000": "00:00",
    # none
    "": None,
    "1/12/2025 10:00:00": None,
    "yesterday": None,
    "Mon, 99 Dec 2025 10:00:00 +0100": None,
    "Mon, 1 Dec 2025 10:00:00 GMT+9999": None,
    "Fri, 31 Dec 9999 23:00:00 -2300": None,
}


@pytest.mark.parametrize(("value", "time_of_day"), DATES.items(), ids=DATES)
def test_a_date_means_its_instant_however_its_zone_is_written(value: str, time_of_day: str | None) -> None:
    found = date_of(value)
    assert (found and f"{found:%H:%M}") == time_of_day
    assert found is None or found.date().isoformat() in ("2025-11-30", "2025-12-01")


@given(st.text(max_size=300))
def test_no_date_raises(text: str) -> None:
    date_of(text)


# --- names of files

DISPOSITION = "Content-Disposition: attachment; "
OCTETS = "Content-Type: application/octet-stream"


def pct(text: str, codec: str = "utf-8") -> str:
    return quote(text.encode(codec), safe="")


FILES = {
    # RFC 2231
    "extended": (f"{DISPOSITION}filename*=utf-8''{pct('Rechnung €.pdf')}", "Rechnung €.pdf"),
    "with a language": (f"{DISPOSITION}filename*=utf-8'de'{pct('Grüße.txt')}", "Grüße.txt"),
    "gb2312 that is GBK": (f"{DISPOSITION}filename*=gb2312''{pct('朱镕基.doc', 'gbk')}", "朱镕基.doc"),
    "Shift_JIS that is cp932": (f"{DISPOSITION}filename*=Shift_JIS''{pct('①.txt', 'cp932')}", "①.txt"),
    "iso-8859-1 that is Windows'": (f"{DISPOSITION}filename*=iso-8859-1''{pct('5 €.txt', 'cp1252')}", "5 €.txt"),
    "cut inside a character": (f"{DISPOSITION}filename*0*=utf-8''Gr%C3; filename*1*=%BC%C3%9Fe.txt", "Grüße.txt"),
    "in any order": (f"{DISPOSITION}filename*1*=%BCn.txt; filename*0*=utf-8''Gr%C3", "Grün.txt"),
    "some pieces encoded": (f"{DISPOSITION}filename*0*=utf-8''%C3%84; filename*1=\"b.txt\"", "Äb.txt"),
    "pieces of ASCII": (f'{DISPOSITION}filename*0="long"; filename*1="name.txt"', "longname.txt"),
    "iso-2022-jp in pieces": (
        f"{DISPOSITION}filename*0*=ISO-2022-JP''%1B%24B%24%22%24; filename*1*=%24%1B%28B.png", "あい.png",
    ),
    "beside what old programs get": (f"{DISPOSITION}filename=\"G.txt\"; filename*=utf-8''Gr%C3%BC.txt", "Grü.txt"),
    "an apostrophe in the name": (f"{DISPOSITION}filename*=utf-8''Ann%27s%20x.txt", "Ann's x.txt"),
    # what breaks it: Outlook, Lotus Notes, Chinese and Japanese web mail, PHP scripts
    "an encoded word in quotes": (f'{DISPOSITION}filename="{b_word("Grüße.txt", "utf-8")}"', "Grüße.txt"),
    "an encoded word without quotes": (f"{DISPOSITION}filename={b_word('Grüße.txt', 'utf-8')}", "Grüße.txt"),
    "an encoded word of gb2312": (f'{DISPOSITION}filename="{b_word("朱镕基.doc", "gbk", "gb2312")}"', "朱镕基.doc"),
    "two encoded words": (
        f'{DISPOSITION}filename="=?utf-8?Q?Gr=C3?=\r\n =?utf-8?Q?=BC=C3=9Fe.txt?="', "Grüße.txt",
    ),
    "an encoded word in pieces": (
        f'{DISPOSITION}filename*0="=?utf-8?B?R3LDvMO"; filename*1="fZS50eHQ=?="', "Grüße.txt",
    ),
    "in quotes all of it": (f"{DISPOSITION}filename*=\"utf-8''Gr%C3%BC.txt\"", "Grü.txt"),
    "in quotes the name": (f"{DISPOSITION}filename*=utf-8''\"Gr%C3%BC.txt\"", "Grü.txt"),
    "without the asterisk": (f"{DISPOSITION}filename=\"utf-8''Gr%C3%BC.txt\"", "Grü.txt"),
    "pieces without asterisks": (f"{DISPOSITION}filename*0=\"utf-8''Gr%C3\"; filename*1=\"%BC.txt\"", "Grü.txt"),
    "without a charset": (f"{DISPOSITION}filename*={pct('Grüße.txt')}", "Grüße.txt"),
    "with an empty charset": (f"{DISPOSITION}filename*=''{pct('Grüße.txt')}", "Grüße.txt"),
    "one apostrophe": (f"{DISPOSITION}filename*=utf-8'Gr%C3%BC.txt", "Grü.txt"),
    "apostrophes of its own": (f"{DISPOSITION}filename*=Ann's%20and%20Bob's.txt", "Ann's and Bob's.txt"),
    "bytes of UTF-8": (f'{DISPOSITION}filename="Grüße.txt"', "Grüße.txt"),
    "spaces without quotes": (f"{DISPOSITION}filename=My long name.txt", "My long name.txt"),
    "a quote that does not end": (f'{DISPOSITION}filename="name.txt', "name.txt"),
    "a semicolon in quotes": (f'{DISPOSITION}filename="a;b.txt"', "a;b.txt"),
    "only in the type": (f'{OCTETS}; name="{b_word("Grüße.txt", "utf-8")}"', "Grüße.txt"),
    "extended in the type": (f"{OCTETS}; name*=utf-8''Gr%C3%BC.txt", "Grü.txt"),
    "an empty one, and one in the type": (f'{OCTETS}; name="a.txt"\r\n{DISPOSITION}filename=""', "a.txt"),
    "turned about": (f"{DISPOSITION}filename*=utf-8''a%E2%80%AEfdp.exe", "afdp.exe"),
    "a path": (f'{DISPOSITION}filename="C:\\\\Users\\\\a.pdf"', "a.pdf"),  # RFC 2183, 2.3
    "a path upwards": (f'{DISPOSITION}filename="../../etc/passwd"', "passwd"),
    "without a semicolon": ('Content-Disposition: attachment filename="a.txt"', "a.txt"),
    "very long": (f'{DISPOSITION}filename="{"a" * 400}.pdf"', "a" * 251 + ".pdf"),
    "a percent sign": (f'{DISPOSITION}filename="100%25.txt"', "100%25.txt"),
    "an unknown charset": (f"{DISPOSITION}filename*=x-none''Gr%C3%BC.txt", "x-none''Grü.txt"),
}  # fmt: skip


@pytest.mark.parametrize(("header", "name"), FILES.values(), ids=FILES)
def test_a_file_has_the_name_that_its_sender_gave_it(header: str, name: str) -> None:
    kind = "" if header.startswith(OCTETS) else f"{OCTETS}\r\n"
    [file] = read(f"From: a@example.net\r\n{kind}{header}\r\n\r\nx".encode()).attachments
    assert file.name == name


def test_a_name_of_bytes_is_in_the_charset_of_the_text_beside_it() -> None:
    parts = b"--b\r\nContent-Type: text/plain; charset=gb2312\r\n\r\nx\r\n--b\r\nContent-Type: a/b\r\n"
    raw = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + parts
    raw += b'Content-Disposition: attachment; filename="' + "朱镕基.doc".encode("gbk") + b'"\r\n\r\nx\r\n--b--'
    assert [one.name for one in read(raw).attachments] == ["朱镕基.doc"]


HOSTILE = {
    "words that do not end": b"Subject: " + b"=?utf-8?q?a " * 1_000_000,
    "words": b"Subject: " + b"=?utf-8?b?YQ==?= " * 600_000,
    "quotes": b"From: " + b'"\\' * 5_000_000,
    "open brackets": b"From: " + b"<" * 10_000_000,
    "closed brackets": b"From: " + b">" * 10_000_000,
    "at signs": b"From: " + b"@" * 10_000_000,
    "commas": b"To: " + b"a," * 5_000_000,
    "parentheses": b"From: " + b"(" * 10_000_000,
    "equals signs": b"From: " + b"=?" * 5_000_000,
    "a date": b"Date: " + b"GMT+1 " * 1_000_000,
    "a date of letters": b"Date: " + b"A" * 10_000_000,
    "names of files": b"Content-Disposition: attachment; filename*=" + b"'" * 10_000_000,
    "percent signs": b"Content-Disposition: attachment; filename*=utf-8''" + b"%" * 10_000_000,
    "pieces": b"Content-Disposition: attachment; " + b"".join(b"filename*%d*=a; " % n for n in range(500_000)),
    "bytes": b"Subject: " + b"\xe4" * 10_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_header_keeps_the_reader_busy(name: str) -> None:
    began = time.monotonic()
    read(HOSTILE[name] + b"\r\n\r\nx")
    assert time.monotonic() - began < 20  # not a timing: without a bound each would take minutes


@given(st.text(max_size=300))
def test_what_is_no_encoded_word_stays(text: str) -> None:
    if "=?" not in text:
        assert decoded(text) == text
    decoded(f"=?utf-8?q?{text}?= {text} =?utf-8?b?{text}?=")
