"""How a text becomes terms: the same for pages, queries and snippets, and for both stores. Pure.

Terms are folded (lower case, ß as ss, no accents, full-width letters as plain ones) and English words are reduced to
their stems. Scripts that put no spaces between words (Chinese, Japanese, Thai and the like; Korean too, whose words
carry their particles) become overlapping pairs of characters: 東京都 is found by 東京, 京都 and 京.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from tasks.confluence.stop_words import STOP_WORDS

#: Longer ones are no words.
MAX_TERM_CHARS = 64
MAX_QUERY_WORDS = 12
#: Marks beyond are of Han characters' variants, which do without.
SCRIPTS_END = 0x1E000
#: Shorter words begin too many others.
PREFIX_FROM_CHARS = 4

_ACCENTS = "\u0300-\u036f"
#: Written inside words and no part of them: soft hyphen, zero-width characters, byte order mark.
_INVISIBLE = "\u00ad\u200b-\u200d\u2060\ufeff"
_DROPPED = re.compile(f"[{_ACCENTS}{_INVISIBLE}]")
_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Myanmar, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han, Kana
    "\uac00-\ud7af"  # Hangul
)
#: VPNs, PDFs; the stemmer takes no word without a vowel for one.
_PLURAL_OF_LETTERS = re.compile("[b-df-hj-np-tv-xz]{3,}s")
_RUNS = re.compile(f"([{_SPACELESS}]+)|[^{_SPACELESS}]+")


@dataclass(frozen=True)
class Word:
    """One word that is looked for.

    Attributes:
        opens: Whether longer words that begin with it count too.
    """

    term: str
    opens: bool


@dataclass(frozen=True)
class Placed:
    """A word of a text, and where it stands there."""

    terms: tuple[str, ...]
    begins: int
    ends: int


def terms_of(text: str) -> list[str]:
    """The terms of a text, in their order, as they are indexed."""
    found: list[str] = []
    for token in _words().findall(folded(text)):
        if token.isascii():
            found.append(_stem(token[:MAX_TERM_CHARS]))
        else:
            found += _analysed(token)
    return found


def placed_terms(text: str, beginnings: tuple[str, ...] = ("",)) -> Iterator[Placed]:
    """The words of a text with their places in it as it is written, for marking them.

    Args:
        beginnings: Words of other beginnings are left out, unanalysed; those of other scripts are not.
    """
    for match in _words().finditer(text):
        plain = folded(match[0])
        if plain.startswith(beginnings) or not plain.isascii():
            terms = tuple(term for token in _words().findall(plain) for term in _analysed(token))
            yield Placed(terms, match.start(), match.end())


def words_of(query: str) -> tuple[Word, ...]:
    """The words that a query looks for, each once; those that stand everywhere only where there are no others."""
    tokens = [(token, run) for token in _words().findall(folded(query)) for run in _RUNS.finditer(token)]
    telling = [run for token, run in tokens if token not in STOP_WORDS]
    runs = telling or [run for _, run in tokens]
    words = dict.fromkeys(word for run in runs for word in _looked_for(run))
    return tuple(words)[:MAX_QUERY_WORDS]


def folded(text: str) -> str:
    """Without what people leave out when they type: accents, capitals, the width of letters."""
    if text.isascii():
        return text.lower()
    plain = _DROPPED.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", plain.casefold())


def _looked_for(run: re.Match[str]) -> list[Word]:
    if run[1]:
        return [Word(term, len(run[1]) == 1) for term in _pairs(run[1])]
    term = _stem(run[0][:MAX_TERM_CHARS]) if run[0].isascii() else run[0][:MAX_TERM_CHARS]
    opens = len(term) >= PREFIX_FROM_CHARS and term.isalpha() and run[0] not in STOP_WORDS
    return [Word(term, opens)]


@lru_cache(65_536)
def _analysed(token: str) -> tuple[str, ...]:
    terms: list[str] = []
    for run in _RUNS.finditer(token):
        if run[1]:
            terms += [*_pairs(run[1]), *(run[1][-1] if len(run[1]) > 1 else "")]
        else:
            terms.append(_stem(run[0][:MAX_TERM_CHARS]) if run[0].isascii() else run[0][:MAX_TERM_CHARS])
    return tuple(terms)


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


# Words repeat so much that nearly all are found here; a stem costs 35 µs.
@lru_cache(65_536)
def _stem(token: str) -> str:
    if len(token) < 3 or not token.isalpha():
        return token
    if _PLURAL_OF_LETTERS.fullmatch(token):
        return token[:-1]
    stemmer = getattr(_own, "stemmer", None)
    if stemmer is None:
        import snowballstemmer  # type: ignore[import-untyped]

        stemmer = _own.stemmer = snowballstemmer.stemmer("english")
    return str(stemmer.stemWord(token))


#: A stemmer holds the word it works on, so each thread has its own.
_own = threading.local()


@cache
def _words() -> re.Pattern[str]:
    """Runs of letters and digits with the marks that belong to them, such as the vowel signs of Devanagari."""
    marks = "".join(_escaped(code) for code in range(SCRIPTS_END) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
    return re.compile(f"[^\\W_](?:[^\\W_]|[{marks}{_INVISIBLE}])*")


def _escaped(code: int) -> str:
    return f"\\U{code:08x}"
