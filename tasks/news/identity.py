"""When two articles are one story: by the page that they lead to, then by the words of their titles. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from llmcoder.caseless import fold

#: Of two titles this share of their words and pairs of words is the same, if they are of one story.
ALIKE = 0.6
ALIKE_IF_EXCHANGED = 0.8
#: Shorter titles ("Morning briefing") are everybody's.
MIN_WORDS = 4
#: So far apart sources tell the same story.
WITHIN = timedelta(days=3)
#: Added to addresses so that somebody can count where readers come from.
_COUNTING = re.compile(
    r"(?:utm|at|ns|mc|hsa|pk|mtm|piwik|matomo|oly|vero|__s|_hs|wt|stm|sc|itm|int)_\w*|[fgymd]b?clid|gclsrc|[gw]braid|dclid|msclkid|"
    r"twclid|igshid|igsh|yclid|wickedid|cmp|cmpid|cmpg|ocid|smid|smtyp|ito|icid|ncid|sref|srnd|xtor|ref_?(?:src|url)?|"
    r"referr?er|rss(?:feed)?|from_?rss|fromrss|feed(?:name|type)?|syn|spm|guccounter|guce_\w+|"
    r"campaign(?:_?id)?|amp|outputtype|traffic_source|taid|mbid|intcid|ftag|trk|s_cid|ftcamp|wtmc|srsltid|_g[al]|emc",
    re.IGNORECASE,
)
_SAID_BY_SOURCE = re.compile(r"rss\w*|feed|atom|syndication|newsletter|twitter|facebook|share", re.IGNORECASE)
_COUNTING_FRAGMENT = re.compile(r"(?:utm_|at_|:~:text|(?:xtor|ref|rss|echobox|comments?|cmt|intcmp)\b)", re.IGNORECASE)
_SAYING_SOURCE = frozenset({"source", "src", "via", "from", "medium", "mod", "partner"})
#: Pages of services that only lead to another: host, path, and the parameters that say where.
_LEADING = (
    (re.compile(r"(?:www\.)?google\.[a-z.]{2,6}"), "/url", ("url", "q")),
    (re.compile(r"(?:www\.)?bing\.com"), "/news/apiclick.aspx", ("url",)),
)
_HOST_PREFIX = re.compile(r"(?:www\d?|m|mobile|amp|rss|feeds?)\.")
_LAST_OF_PATH = re.compile(r"(?:/amp|/amp/|\.amp|/index\.(?:html?|php|aspx?))$", re.IGNORECASE)

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
#: What sources put before a title of theirs.
_OPENING = re.compile(
    r"\s*(?:\[[^\]]{1,30}\]|(?:breaking(?: news)?|update(?: ?\d+)?|live|watch|video|exclusive|opinion|analysis|"
    r"eilmeldung|liveticker|en direct|última hora|urgent|just in|developing|photos?|listen|explainer)"
    r"(?: ?\d+)?\s*[:\-–—|])\s*",
    re.IGNORECASE,
)
#: What they put behind it: their own name.
_CLOSING = re.compile(r"\s+[-–—|·•:]\s+(?P<name>[^-–—|·•]{2,60})$")
_STOP_TEXT = """
    a an the of in on at to for and or by with from as is are was were be after over into its it that this
    der die das und in im am zu für von mit auf ist ein eine le la les de des du et en un une à au aux el los las y del
    al para por con una il lo gli di che
"""
_STOP = frozenset(_STOP_TEXT.split())
_TURNS_TEXT = """
    not no never cannot without neither nor denies deny denied nicht kein keine keinen keiner nie niemals ohne ne pas
    jamais sans aucun aucune nunca sin ningún ninguna non senza nessun nessuna não sem niet geen nooit zonder inte ingen
    inga aldrig utan ikke ikkje aldri uten uden nie bez не нет без
"""
_TURNS = frozenset(_TURNS_TEXT.split())
_NOT = re.compile(r"cannot|\w+n't|n'\w+")
#: Numbers that titles write as words, without those that mean something else in another language (one, due, once).
_NUMBERS_TEXT = """
    two zwei deux dos twee två, three drei trois tres tre drie, four vier quatre cuatro quattro fyra,
    five fünf cinq cinco cinque vijf fem, six sechs seis zes seks, seven sieben siete sette zeven sju syv,
    eight acht huit ocho otto åtta otte, nine neun neuf nueve nove negen nio, ten zehn diez dieci tien tio,
    eleven elf onze undici elva elleve, twelve zwölf douze doce dodici twaalf tolv
"""
_NUMBERS = {
    fold(name): str(number) for number, names in enumerate(_NUMBERS_TEXT.split(","), 2) for name in names.split()
}
# "35,000", "35.000" and "35 000" are one figure; "U.S." is one word.
_THOUSANDS = re.compile(r"(?<=\d)[.,'’\u00a0\u202f](?=\d{3}(?!\d))")
_INITIALS = re.compile(r"\b(?:[^\W\d_]\.){2,}")


def page_key(url: str) -> str:
    """What two addresses of one page have in common; empty where it is none, or the front page of a site."""
    return _place_key(_where_it_leads(url) or url)


def _place_key(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not host:
        return ""
    host = _HOST_PREFIX.sub("", _as_ascii(host))
    path = quote(unquote(_LAST_OF_PATH.sub("", parts.path), errors="replace"), safe="/")
    path = re.sub(r"//+", "/", path).rstrip("/")
    query = urlencode(sorted(_telling(parts.query)))
    fragment = "" if _COUNTING_FRAGMENT.match(parts.fragment) else parts.fragment
    if not path and not query:
        return ""
    place = f"{host}{f':{port}' if port not in (None, 80, 443) else ''}{path}?{query}#{fragment}"
    return hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()


def _where_it_leads(url: str) -> str:
    """The page behind one that only counts who goes there, as those of Google's alerts and of Bing's news."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = (parts.hostname or "").lower()
    names = next((names for one, path, names in _LEADING if path == parts.path and one.fullmatch(host)), ())
    given = dict(parse_qsl(parts.query, max_num_fields=None, errors="replace")) if names else {}
    found = next((given[name] for name in names if name in given), "")
    return found if found.startswith(("http://", "https://")) else ""


def _as_ascii(host: str) -> str:
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def _telling(query: str) -> Iterable[tuple[str, str]]:
    for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=None, errors="replace"):
        counted = name.lower() in _SAYING_SOURCE and _SAID_BY_SOURCE.fullmatch(value)
        if not _COUNTING.fullmatch(name) and not counted:
            yield name, value


@dataclass(frozen=True)
class TitleWords:
    """A title as it is compared.

    Attributes:
        shingles: Its telling words, and its words two by two.
        numbers: Its figures; stories that differ in them differ.
        turns: Words that turn what is said into its opposite.
    """

    words: tuple[str, ...]
    shingles: frozenset[str]
    numbers: frozenset[str]
    turns: frozenset[str]

    @property
    def tells(self) -> bool:
        """Whether it says enough to know a story by."""
        return len(self.words) >= MIN_WORDS


def title_words(title: str, source: str = "") -> TitleWords:
    """A title without what its source puts around it.

    Args:
        source: The name of the feed, which many have behind their titles.
    """
    plain = _without_source(_OPENING.sub("", title, count=1), source)
    plain = _INITIALS.sub(lambda found: found[0].replace(".", ""), _THOUSANDS.sub("", plain))
    folded = fold(plain)
    all_words = [word for part in _WORD.findall(folded) for word in _as_words(part.replace("’", "'"))]
    words = tuple(_NUMBERS.get(word, word) for word in (word.removesuffix("'s") for word in all_words))
    telling = [word for word in words if word not in _STOP]
    pairs = {f"{one} {other}" for one, other in pairwise(telling)}
    numbers = frozenset(word for word in words if any(char.isdigit() for char in word))
    turns = frozenset("not" if _NOT.fullmatch(word) else word for word in words) & _TURNS
    return TitleWords(tuple(telling), frozenset(telling) | pairs, numbers, turns)


def _without_source(title: str, source: str) -> str:
    closing = _CLOSING.search(title)
    if closing is None:
        return title
    before, name, own = title[: closing.start()], fold(closing["name"]).strip(), fold(source)
    if bool(own) and (name in own or own in name):
        return before
    # Aggregators end titles with the name of whoever wrote it: "… - The New York Times", "… | example.org".
    is_address = re.fullmatch(r"[\w-]+(?:\.[\w-]+)+", name) is not None
    is_capital = closing["name"][:1].isupper() and len(name.split()) <= MIN_WORDS <= len(before.split())
    return before if is_address or is_capital else title


def _as_words(part: str) -> list[str]:
    """Scripts without spaces as overlapping pairs of characters."""
    if not _SPACELESS.search(part):
        return [part]
    runs = [run for run in _SPACELESS.findall(part) if run]
    rest = [one for one in _SPACELESS.split(part) if one]
    return rest + [run[at : at + 2] for run in runs for at in range(max(1, len(run) - 1))]


def likeness(one: TitleWords, other: TitleWords) -> float:
    """How much of two titles is the same, from 0 to 1; 0 where that is not enough to be of one story.

    One title may say more than the other. Where each has a word that the other lacks, one was exchanged ("tariffs on
    Canada", "tariffs on Mexico"), and where both have the same in another order, who does it and to whom. A figure or
    a "not" that is exchanged makes another story of it.
    """
    exchanged = not (one.numbers <= other.numbers or other.numbers <= one.numbers)
    if exchanged or one.turns != other.turns:
        return 0.0
    shared = len(one.shingles & other.shingles)
    share = shared / (len(one.shingles) + len(other.shingles) - shared) if shared else 0.0
    says_more = _has_in_order(one.words, other.words) or _has_in_order(other.words, one.words)
    return share if share >= (ALIKE if says_more else ALIKE_IF_EXCHANGED) else 0.0


def _has_in_order(words: tuple[str, ...], some: tuple[str, ...]) -> bool:
    rest = iter(words)
    return all(word in rest for word in some)


@dataclass
class TitleIndex:
    """Stories by the words of their titles; finds those that a title may belong to.

    Attributes:
        stories: By number: when it was first told, and its titles.
    """

    stories: dict[int, tuple[datetime, list[TitleWords]]] = field(default_factory=dict)
    _by_word: dict[str, set[int]] = field(default_factory=dict)

    def add(self, story: int, at: datetime, title: TitleWords) -> None:
        self.stories.setdefault(story, (at, []))[1].append(title)
        for word in title.words:
            self._by_word.setdefault(word, set()).add(story)

    def find(self, title: TitleWords, at: datetime) -> list[int]:
        """Stories of that time whose titles are alike, the likest first, then the oldest."""
        if not title.tells:
            return []
        scores: Mapping[int, float] = {
            story: best
            for story in self._sharing(title)
            if abs(self.stories[story][0] - at) <= WITHIN
            and (best := max(likeness(title, one) for one in self.stories[story][1])) > 0
        }
        return sorted(scores, key=lambda story: (-scores[story], story))

    def _sharing(self, title: TitleWords) -> set[int]:
        """Those that have one of its rarest words: of two titles so much alike not all of these can differ."""
        rarest = sorted(set(title.words), key=lambda word: len(self._by_word.get(word, ())))
        needed = max(1, len(rarest) // 2 + 1)
        return set().union(*(self._by_word.get(word, set()) for word in rarest[:needed]))
