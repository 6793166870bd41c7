"""Text out of bytes, in the encoding that people use and not in the one that they name. Pure; the one place for it.

Labels are read as browsers read them (the encoding standard of WHATWG, by `webencodings`): who says gb2312 writes GBK,
who says iso-8859-1 writes Windows-1252. Mail programs, forms and old files write more labels than browsers know.
Python's codecs do the work; where they know less than what people write under a label, the rest is here. Bytes that
nobody names are told by `chardetng`, the detector of Firefox: of 39 short texts in 25 languages it told all, and
charset-normalizer 27.
"""

from __future__ import annotations

import codecs
import re
import threading
from collections.abc import Callable
from functools import cache

from llmcoder.text import REPLACEMENT, whole

#: What is looked at to tell an encoding that nobody names; more tells nothing more.
SAMPLE_BYTES = 256 * 1024
#: A head of a page is read so far for what it says of its encoding. Browsers end at 1 KB, and pages with long scripts
#: above that line look wrong in them.
HEAD_BYTES = 512 * 1024
#: So far browsers look, wherever the head ends.
PRESCAN_BYTES = 1024
#: So many characters that are no ASCII and all of them UTF-8: no text in another encoding looks like that by chance.
SURELY_UTF8 = 8
#: Characters of a legacy encoding that are mended one by one; what is broken more often is no text.
MOST_MENDED = 10_000
LONGEST_LABEL_CHARS = 100

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: What browsers call them, and what Python does. `replacement` is what browsers refuse for fear of scripts.
_PYTHON_NAMES = {
    "shift_jis": "cp932", "euc-kr": "cp949", "big5": "big5hkscs", "iso-8859-8-i": "iso8859-8", "windows-874": "cp874",
    "macintosh": "mac-roman", "x-mac-cyrillic": "mac-cyrillic", "x-user-defined": "cp1252", "iso-2022-jp": "iso2022_jp",
}  # fmt: skip
#: No browser knows these, but mail programs, forms and old files name them; without what is neither letter nor figure.
_MORE_LABELS = {
    "ksc": "cp949", "ksc5601": "cp949", "ksc56011992": "cp949", "ksx1001": "cp949", "uhc": "cp949", "xuhc": "cp949",
    "gb": "gbk", "cngb": "gbk", "gb231280": "gbk", "gb23121980": "gbk", "gb13000": "gbk", "euccn": "gbk",
    "xeuccn": "gbk", "hz": "hz", "hzgb2312": "hz", "euctw": "big5hkscs", "big5eten": "big5hkscs",
    "big5hkscs2004": "big5hkscs", "iso2022kr": "iso2022_kr", "csiso2022kr": "iso2022_kr", "johab": "johab",
    "xjohab": "johab", "iso2022jp1": "iso2022_jp", "iso2022jp2": "iso2022_jp", "iso2022jp3": "iso2022_jp",
    "iso2022jpext": "iso2022_jp", "iso2022jpms": "iso2022_jp", "jis": "iso2022_jp", "jis7": "iso2022_jp",
    "jisencoding": "iso2022_jp", "eucjpms": "euc_jp", "eucjpwin": "euc_jp", "ujis": "euc_jp", "sjiswin": "cp932",
    "xsjiscp932": "cp932", "xmacjapanese": "cp932", "xmackorean": "cp949", "xmacchinesesimp": "gbk",
    "xmacchinesetrad": "big5hkscs", "xmacce": "mac-latin2", "xmaccentraleurroman": "mac-latin2",
    "xmacgreek": "mac-greek", "xmacromanian": "mac-romanian", "macroman": "mac-roman", "xmacturkish": "mac-turkish",
    "xmacicelandic": "mac-iceland", "xmaccroatian": "mac-croatian", "utf8mb4": "utf-8", "utf8mb3": "utf-8",
    "utf8sig": "utf-8", "utf8n": "utf-8", "utf8bom": "utf-8", "cesu8": "utf-8", "xutf8": "utf-8", "csutf8": "utf-8",
    "wtf8": "utf-8", "utf7": "utf-7", "unicode11utf7": "utf-7", "utf7imap": "utf-7", "xunicode20utf7": "utf-7",
    "utf32": "utf-32", "utf32le": "utf-32-le", "utf32be": "utf-32-be", "ucs4": "utf-32", "iso10646ucs4": "utf-32",
    "ansi": "cp1252", "ansix31101983": "cp1252", "iso88591windows31latin1": "cp1252", "latin": "cp1252",
    "iso885912": "iso8859-13", "latin7": "iso8859-13", "latin8": "iso8859-14", "latin9": "iso8859-15",
    "latin10": "iso8859-16", "arabic": "iso8859-6", "tis": "cp874", "thai": "cp874", "koi": "koi8-r", "koi8": "koi8-r",
    "koi8ru": "koi8-u", "koi8t": "koi8-t", "thai8": "cp874", "tis6202533": "cp874", "roman8": "hp-roman8",
    "hproman8": "hp-roman8", "ptcp154": "ptcp154", "kz1048": "kz1048", "cp037": "cp037", "ibm037": "cp037",
    "ebcdiccpus": "cp037",
}  # fmt: skip
#: What Microsoft counts, where Python has no codec of that number.
_CODE_PAGES = {
    874: "cp874", 932: "cp932", 936: "gbk", 943: "cp932", 949: "cp949", 950: "big5hkscs", 951: "big5hkscs",
    1200: "utf-16-le", 1201: "utf-16-be", 1361: "johab", 10000: "mac-roman", 10006: "mac-greek",
    10007: "mac-cyrillic", 10029: "mac-latin2", 10079: "mac-iceland", 10081: "mac-turkish", 12000: "utf-32-le",
    12001: "utf-32-be", 20127: "cp1252", 20866: "koi8-r", 20932: "euc_jp", 20936: "gbk", 20949: "cp949",
    21866: "koi8-u", 50220: "iso2022_jp", 50221: "iso2022_jp", 50222: "iso2022_jp", 50225: "iso2022_kr",
    51932: "euc_jp", 51936: "gbk", 51949: "cp949", 51950: "big5hkscs", 52936: "hz", 54936: "gb18030",
    65000: "utf-7", 65001: "utf-8",
}  # fmt: skip
_CODE_PAGE = re.compile(r"x?(?:cp|ibm|ms|win|windows|dos|oem|ccsid|codepage)?0*([1-9]\d{2,4})")
_ISO_PART = re.compile(r"(?:x?iso|cp)?8859(\d{1,2}?)(?:(?:19|20)\d\d)?[ei]?")  # with the year of its edition
_NO_LETTER = re.compile(r"[^a-z0-9]+")
#: A half of UTF-16, written as if it were a character.
_HALF = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")

_HEADER_LABEL = re.compile(r"(?:^|[;,\s])charset\s*=\s*[\"']?\s*([^\s\"';,]+)", re.IGNORECASE)
_XML_LABEL = re.compile(rb"\s*<\?xml\s[^<>]{0,200}?encoding\s*=\s*[\"']\s*([^\"'<>\s]{1,100})", re.IGNORECASE)
_CSS_LABEL = re.compile(rb'@charset "([^"\n]{1,100})"', re.IGNORECASE)
# What shows nothing is one match, with its end or that of all: looked for from many places, it would take for ever.
_IN_HEAD = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(?P<silent>script|style)\b.*?(?:</(?P=silent)|\Z)"
    rb"|(?P<end><body\b|</head\b)|<meta\b(?P<meta>[^<>]{0,2000})",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    rb"([a-z-]{1,30})\s*=\s*(?:\"([^\"]{0,1000})|'([^']{0,1000})|([^\s\"'>]{1,1000}))", re.IGNORECASE
)


@cache
def _web_labels() -> dict[str, str]:
    """The labels of the standard, without what is neither letter nor figure."""
    from webencodings.labels import LABELS

    return {_NO_LETTER.sub("", label): name for label, name in LABELS.items()}


def codec_of(label: str | None) -> str | None:
    """The Python codec that browsers mean by a label (WHATWG: gb2312 is gbk, iso-8859-1 is cp1252, euc-kr cp949,
    shift_jis cp932 ...); also ks_c_5601-1987, iso-8859-8-i, cp-850 and what mail programs write; None where nobody
    knows it.

    Read with `decode`, which knows more of some of these encodings than their codecs do.
    """
    if not label or len(label) > LONGEST_LABEL_CHARS:
        return None
    label = label.partition("*")[0].lower()  # RFC 2231 hangs a language on: utf-8*en
    return _codec_of(label) or _codec_of(re.split(r"[;,(]", label, maxsplit=1)[0])


@cache
def _known(name: str) -> str | None:
    """The name, if Python has such a codec for text."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    return codec.name if codec._is_text_encoding else None


def _codec_of(label: str) -> str | None:
    key = _NO_LETTER.sub("", label)
    name = _web_labels().get(key, "")
    if name and name != "replacement":
        return _known(_PYTHON_NAMES.get(name, name))
    if key in _MORE_LABELS:
        return _known(_MORE_LABELS[key])
    if part := _ISO_PART.fullmatch(key):
        standard = _web_labels().get(f"iso8859{part[1]}")
        return standard and _known(_PYTHON_NAMES.get(standard, standard))
    if page := _CODE_PAGE.fullmatch(key):
        return _of_code_page(int(page[1]))
    if key.startswith("ksc"):
        return "cp949"
    return None


def _of_code_page(number: int) -> str | None:
    if 28591 <= number <= 28606:
        return _codec_of(f"iso8859{number - 28590}")
    return _known(_CODE_PAGES.get(number, f"cp{number}"))


def header_labels(content_type: str) -> tuple[str, ...]:
    """What a Content-Type says of the encoding; of several the last counts, as in browsers (Fetch, 2.2.2)."""
    return tuple(reversed(_HEADER_LABEL.findall(content_type[:2000])))


def inner_labels(content: bytes, media_type: str = "") -> tuple[str, ...]:
    """What a page, an XML document or a style sheet says of its own encoding, what counts more first.

    The declaration of XML counts in XML, and `<meta>`, anywhere in the head, in HTML.
    """
    declared = tuple(found[1] for one in (_XML_LABEL, _CSS_LABEL) if (found := one.match(content)))
    meta = _meta_label(content[:HEAD_BYTES])
    labels = (*declared, *meta) if "xml" in media_type else (*meta, *declared)
    return tuple(label.decode("ascii", "replace") for label in labels)


def _meta_label(head: bytes) -> tuple[bytes, ...]:
    if b"<meta" not in head.lower():
        return ()
    for tag in _IN_HEAD.finditer(head):
        if tag["end"] and tag.start() > PRESCAN_BYTES:
            break
        if tag["meta"] and (label := _of_meta(tag["meta"])):
            return (label,)
    return ()


def _of_meta(attributes: bytes) -> bytes:
    values: dict[bytes, bytes] = {
        name.lower(): (a or b or c).strip() for name, a, b, c in reversed(_ATTRIBUTE.findall(attributes))
    }
    if label := values.get(b"charset"):
        return label
    if values.get(b"http-equiv", b"").lower() != b"content-type":
        return b""  # a description may speak of charsets, too
    found = header_labels(values.get(b"content", b"").decode("ascii", "replace"))
    return found[0].encode("ascii", "replace") if found else b""


def decode(content: bytes, *labels: str | None) -> str:
    """Text of bytes. Never raises; a byte that is wrong becomes one U+FFFD and spoils no other; a mark is left out.

    A byte-order mark counts first, then the first label that is known (in the order given), else it is UTF-8 where it
    is that but for few bytes, else what the detector says.

    Two labels are not believed: any where the text is UTF-8 beyond doubt, and utf-8 where it is nothing of the kind.
    """
    codec = encoding_of(content, *labels)
    mark = next((mark for mark, _ in _MARKS if content.startswith(mark)), b"")
    return _text(content[len(mark) :], codec).removeprefix("\ufeff")


def encoding_of(content: bytes, *labels: str | None) -> str:
    """The codec by which `decode` reads it; for `cut`."""
    marked = next((codec for mark, codec in _MARKS if content.startswith(mark)), None)
    believed = (_meant(content, codec) for codec in map(codec_of, labels) if codec)
    return marked or next(filter(None, believed), None) or _detected(content)


def _meant(content: bytes, codec: str) -> str | None:
    """The codec for content that is named to be in this one; None where that cannot be."""
    if codec.startswith(("utf-16", "utf-32")):
        return _as_wide(content, codec)
    if codec == "utf-8":
        return None if _is_lie(content) else codec
    if content.isascii():
        return codec
    if codec == "utf-7" or (codec == "iso2022_jp" and b"\x1b$" not in content):
        return None  # in seven bits nothing but ASCII is written
    text = _strictly(content, "utf-8")
    if text is None:
        return codec
    enough = 1 if codec == "cp1252" else SURELY_UTF8
    if _odd_chars(text) >= enough or _strictly(content, _AS_WRITTEN.get(codec, codec)) is None:
        return "utf-8"
    return codec


def _is_lie(content: bytes) -> bool:
    """Whether hardly any of it is UTF-8: then it says so since somebody's template did."""
    if _strictly(content, "utf-8") is not None or with_halves(content) is not None:
        return False
    text = content.decode("utf-8", "replace")
    wrong = text.count(REPLACEMENT)
    return wrong >= SURELY_UTF8 and 2 * wrong > _odd_chars(text) and b"\0" not in content[:SAMPLE_BYTES]


def _as_wide(content: bytes, codec: str) -> str:
    """Programs write "utf-16" into the XML that they then save as UTF-8; and without a mark, nobody says which half
    comes first."""
    if b"\0" not in content[:SAMPLE_BYTES] and _strictly(content, "utf-8") is not None:
        return "utf-8"
    if codec == "utf-32":
        return "utf-32-be" if content.startswith(b"\0\0") else "utf-32-le"
    return _wide(content) or ("utf-16-le" if codec == "utf-16" else codec)


def _wide(content: bytes) -> str | None:
    """Which UTF-16 it is, told by the halves that are zero in all Latin texts; None where it is none."""
    head = content[:4096]
    if len(head) < 4:
        return None
    first, second = head[::2].count(0), head[1::2].count(0)
    if max(first, second) * 4 < len(head) or min(first, second) * 20 > max(first, second):
        return None
    codec = "utf-16-be" if first > second else "utf-16-le"
    shown = head[: len(head) // 2 * 2].decode(codec, "replace")
    printable = sum(one.isprintable() or one in "\t\n\f\r\ufeff" for one in shown)
    return codec if printable >= 0.95 * len(shown) else None


def _detected(content: bytes) -> str:
    """The codec of content of which nothing is known."""
    if b"\0" in content[:4096] and (wide := _wide(content)):
        return wide
    if content.isascii():
        return "iso2022_jp" if re.search(rb"\x1b\$[@B]", content[:SAMPLE_BYTES]) else "utf-8"
    if with_halves(content) is not None:
        return "utf-8"
    text = content.decode("utf-8", "replace")
    wrong = text.count(REPLACEMENT)
    if 3 * wrong <= _odd_chars(text):  # of which they are a part
        return "utf-8"
    from chardetng_py import detect

    first = re.search(rb"[\x80-\xff]", content)
    start = first.start() if first else 0
    sample = content[max(0, start - 1024) : start + SAMPLE_BYTES]
    return codec_of(detect(sample)) or "cp1252"


def with_halves(content: bytes) -> str | None:
    """Text of UTF-8 whose writer took the halves of UTF-16 for characters, as Oracle, MySQL and Java do now and then
    (CESU-8): two that belong together become theirs, and one alone stays as it is. None where it is no such thing.
    """
    if _HALF.search(content) is None:
        return None
    try:
        text = content.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _odd_chars(text: str) -> int:
    """Characters that are no ASCII."""
    return len(text) - len(text.encode("ascii", "ignore"))


def _strictly(content: bytes, codec: str) -> str | None:
    try:
        return content.decode(codec)
    except UnicodeError:
        return None


def cut(content: bytes, size: int, codec: str = "utf-8") -> bytes:
    """At most so many bytes, cut between characters."""
    if len(content) <= size:
        return content
    kept = content[: max(0, size)]
    decoder = codecs.getincrementaldecoder(_AS_WRITTEN.get(codec, codec))("replace")
    decoder.decode(kept)
    begun = decoder.getstate()[0]  # of a character whose end is cut off
    return kept[: len(kept) - len(begun)]


# --- what people write under a label, and Python's codec of that name does not know

#: GBK grew into GB 18030, and that is what browsers read it as.
_AS_WRITTEN = {"gbk": "gb18030", "gb2312": "gb18030"}
_PAIRED = ("gb18030", "cp932", "cp949", "big5hkscs", "euc_jp", "johab")
_ERRORS = "llmcoder.charsets"
#: What Python makes of the bytes A0 and FD to FF, which stand for nothing.
_NO_SHIFT_JIS = re.compile("[\uf8f0-\uf8f3]")
_mended = threading.local()


def _text(content: bytes, codec: str) -> str:
    codec = _AS_WRITTEN.get(codec, codec)
    if codec == "iso2022_jp":
        content, codec = _as_euc(content), "euc_jp"
    if codec in _PAIRED:
        _mended.left = MOST_MENDED
        text = content.decode(codec, _ERRORS)
        return _NO_SHIFT_JIS.sub(REPLACEMENT, text) if codec == "cp932" else text
    if codec == "utf-8" and (halved := with_halves(content)) is not None:
        return whole(halved)
    text = content.decode(codec, "replace")
    return whole(text) if codec == "utf-7" else text  # it can write halves of characters


def _mend(error: UnicodeError) -> tuple[str, int]:
    """What stands where a codec of one or two bytes fails: as in the standard, a wrong pair is one character, but an
    ASCII byte behind a wrong one is itself (else it would swallow the end of a tag)."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    _mended.left -= 1
    content, start = error.object, error.start
    if _mended.left < 0:
        return content[start:].decode(error.encoding, "replace"), len(content)
    pair = content[start : start + 2]
    if error.encoding == "gb18030" and pair[:1] == b"\x80":
        return "€", start + 1
    if error.encoding == "euc_jp" and pair[:1] == b"\x8f" and len(content) > start + 2 and pair[1] > 0xA0:
        return REPLACEMENT, start + 3
    known = _MORE.get(error.encoding, _nothing)(pair) if len(pair) == 2 else None
    if known:
        return known, start + 2
    is_pair = len(pair) == 2 and 0x81 <= pair[0] <= 0xFE and pair[1] >= 0x80
    return REPLACEMENT, start + (2 if is_pair else 1)


def _nothing(pair: bytes) -> str | None:
    return None


def _by_microsoft(pair: bytes) -> str | None:
    """Of Big5: the euro, and what ETen added."""
    return _strictly(pair, "cp950")


def _by_row(pair: bytes) -> str | None:
    """Of EUC-JP: circled figures, units and the rarer characters of names, which are where Shift_JIS has them."""
    row, cell = pair[0] - 0xA1, pair[1] - 0xA1
    if not (0 <= row < 94 and 0 <= cell < 94):
        return None
    lead = row // 2 + (0x81 if row < 62 else 0xC1)
    trail = cell + (0x9F if row % 2 else 0x40 if cell < 63 else 0x41)
    return _strictly(bytes((lead, trail)), "cp932")


_MORE: dict[str, Callable[[bytes], str | None]] = {"big5hkscs": _by_microsoft, "euc_jp": _by_row}
codecs.register_error(_ERRORS, _mend)

_SHIFT = re.compile(rb"\x1b(\$\([DQO@B]|\$[@B]|\([BJIH]|\([^\x1b]?|\$)")
_HIGH = bytes(byte | 0x80 if 0x21 <= byte <= 0x7E else byte for byte in range(256))


def _as_euc(content: bytes) -> bytes:
    """ISO-2022-JP as EUC-JP, which has no states that a lost byte could leave wrong."""
    pieces = _SHIFT.split(content)
    made, mode = [pieces[0]], b""
    for at in range(1, len(pieces), 2):
        mode, piece = pieces[at], pieces[at + 1]
        made.append(_in_mode(mode, piece))
    return b"".join(made)


def _in_mode(mode: bytes, piece: bytes) -> bytes:
    if mode in (b"$@", b"$B", b"$(@", b"$(B"):
        return piece.translate(_HIGH)
    if mode == b"(I":
        return re.sub(rb"[\x21-\x5f]", lambda one: bytes((0x8E, one[0][0] | 0x80)), piece)
    if mode == b"$(D":
        return re.sub(rb"[\x21-\x7e]{2}", lambda two: b"\x8f" + two[0].translate(_HIGH), piece)
    return piece
