"""Where sentences end, in every script. Pure.

`sentencex`, which Wikipedia's translators use, knows the marks of all scripts and the abbreviations of each language;
what it takes for an end amid a quotation is mended here.
"""

from __future__ import annotations

import re
from collections import Counter

import regex

#: It takes time by the square of the quotation marks in a piece, so a piece is not long.
PIECE_CHARS = 5_000

#: The language whose rules serve all of a script, where its words say no more.
_OF_SCRIPT = (
    ("el", r"\p{Greek}"), ("hy", r"\p{Armenian}"), ("ka", r"\p{Georgian}"), ("he", r"\p{Hebrew}"),
    ("ar", r"\p{Arabic}"), ("hi", r"\p{Devanagari}"), ("bn", r"\p{Bengali}"), ("pa", r"\p{Gurmukhi}"),
    ("gu", r"\p{Gujarati}"), ("ta", r"\p{Tamil}"), ("te", r"\p{Telugu}"), ("kn", r"\p{Kannada}"),
    ("ml", r"\p{Malayalam}"), ("th", r"\p{Thai}"), ("km", r"\p{Khmer}"), ("my", r"\p{Myanmar}"),
    ("am", r"\p{Ethiopic}"), ("ko", r"\p{Hangul}"), ("ja", r"[\p{Hiragana}\p{Katakana}]"), ("zh", r"\p{Han}"),
    ("ru", r"\p{Cyrillic}"),
    ("en", r"\p{Latin}"),
)  # fmt: skip
_SCRIPTS = tuple((language, regex.compile(script)) for language, script in _OF_SCRIPT)
_SAMPLE_CHARS = 5_000
#: The commonest words of a language that its neighbours do not have.
_COMMON_WORDS = {
    "en": "the of and to is was for with that this are have",
    "de": "der die und das ist nicht mit den ein eine auf für",
    "fr": "les des est une dans pour que qui sur pas avec aux", "es": "el los las del una por con para es como más",
    "it": "il gli che della per una sono con non del alla", "pt": "os das dos uma para não com são mais pelo ao",
    "nl": "het een van niet dat zijn met voor aan worden", "pl": "nie się na jest do że przez oraz który po z w",
    "cs": "se na je že který jako pro jsou není byl ve", "sk": "sa na je že ktorý ako pre sú nie bol vo",
    "sv": "och att som är på inte ett för med den av", "da": "og at er på ikke det en af som til med",
    "nb": "og å er på ikke det som en av til har", "fi": "ja on ei että se oli ovat mutta kun hän",
    "hu": "a az és hogy nem egy van is meg de", "ro": "și în de la care este pe cu nu din o",
    "tr": "ve bir bu için ile da de olarak çok", "id": "yang dan di dengan untuk dari ini itu tidak",
    "vi": "của và là có được cho không người một", "ca": "els les amb per que una dels és són",
    "hr": "je i u na se da su za od koji", "sl": "je in na se da so za ki pri", "lt": "ir yra kad su iš buvo",
    "ru": "и в не на что он как это по с", "uk": "і в не на що як це та з до", "bg": "и на да се за от че не са",
    "sr": "је и у на се да су за од који", "be": "і ў не на што як гэта па з",
    "ar": "في من على أن إلى هذا التي", "fa": "و در به از که این را است", "ur": "کے میں کی ہے اور سے کا",
    "hi": "के में है की और को का से", "mr": "आहे आणि या च्या मध्ये हे", "ne": "छ र को मा यो हो",
}  # fmt: skip
_LANGUAGES = {language: frozenset(words.split()) for language, words in _COMMON_WORDS.items()}
_WORD = regex.compile(r"[\p{L}\p{M}]+")

# Georgian counts as small letters, and has no others.
# Names of things may begin small, too: iPhone, eBay.
_OPENS_LOWER = regex.compile(r"[\"'“‘«„(\[]*(?!\p{Georgian}|\p{Ll}{1,3}\p{Lu})\p{Ll}")
#: Marks that are nothing but the end of a sentence, some of them unknown to `sentencex`.
# Behind a quotation that ends one, it knows none either.
_STOPS = regex.compile(r"(?<=[។៕。！？｡།༎।॥۔።፧፨᠃᠉᱾᱿꓿꘎])\s+|(?<=[.!?…][”»’\"])\s+(?=[\"“‘«„(\[]?(?!\p{Georgian})\p{Lu})")
_AMID = re.compile(r"[」』）】]$")
_HIRAGANA = regex.compile(r"\p{Hiragana}")
# Of every language, since people quote names and titles of others: with these no sentence ends.
_BEGIN = r"(?:^|[\s(\[\"'“‘«„’])"
_TITLE = regex.compile(
    _BEGIN
    + r"(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Sra|Hr|Fr|Mme|Mlle|e\.g|i\.e|vs|cf|\p{Lu}|Fa|Fam|Gen|Gov|Sen|Rep|Capt|Lt|Col|Sgt"
    r"|Rev|Mt|Srta|Dra|Dña|Exmo|Exma|Ilmo|Av|Avda|[Dd]ott|[Ii]ng|[Aa]vv|[Ss]ig|Dhr|[Mm]evr|[Dd]rs|hab|[Mm]gr|inż|[Uu]l|[Nn]p"
    r"|Např|např|tzv|tzn|MUDr|JUDr|nám|[Пп]роф|[Уу]л|[Вв]ул|просп|[Аа]кад|[Дд]оц|ім|κ|κα|δρ|TP|TS|GS|PGS|ThS|\p{Arabic}"
    r"|डॉ|डा|रु|प्रो|पं|श्री)\.$"
)
#: Nor with these before a number.
_OF_NUMBER = regex.compile(
    _BEGIN
    + r"(?:[Nn]r|[Nn]úm|n|[Nn]|№|[Pp]ág|[Pp]|pp|[Čč]|[Αα]ρ|σελ|[Рр]ис|[Тт]абл|[Сс]т|[Сс]тр|д|[Aa]bs|[Aa]bb|[Tt]ab"
    r"|[Kk]ap|[Ff]igs?|[Cc]ap|[Vv]ol|[Tt]el|[Vv]er|blz|odst|[Aa]l|[Aa]rts?|[Ss]ecs?|[Cc]h|par|approx|ca|[Oo]k|[Ss]tr|Bd)\.$"
    r"|(?<!\p{Latin})(?:[Vv]er|No|Vol)\.$"
)
#: What belongs to what is before it, whatever splits them; and a name in capitals behind a point: ASP.NET.
_TAIL = regex.compile(r"[,;:)\]，、；：）،؛]")
_GLUED = regex.compile(r"\p{Lu}{2}")
_BEHIND_QUOTE = regex.compile(r"[\"”’」』]$")
_HANGUL = regex.compile(r"\p{Hangul}")


def language_of(text: str, named: str | None = None) -> str:
    """The language whose rules split it best: by its script, and by its commonest words where several write in it.

    Args:
        named: What the document says of itself; many say the language of their template, so its words count more.
    """
    sample = text[:_SAMPLE_CHARS]
    counts = Counter({language: len(script.findall(sample)) for language, script in _SCRIPTS})
    if counts["ja"]:  # which writes Han, too
        counts["ja"] += counts["zh"]
    by_script = counts.most_common(1)[0][0] if any(counts.values()) else "en"
    words = Counter(_WORD.findall(sample.lower()))
    scores = {language: sum(words[word] for word in common) for language, common in _LANGUAGES.items()}
    best = max(scores, key=lambda language: (scores[language], language == by_script))
    if by_script in ("el", "ja", "zh", "ko", "th"):
        return by_script
    return best if scores[best] >= 2 else re.split("[-_]", named or by_script)[0].lower()


def opens_small(text: str) -> bool:
    """Whether it begins in small letters, as no sentence does in a script that has others."""
    return _OPENS_LOWER.match(text) is not None


def sentences_of(text: str, language: str | None = None) -> list[str]:
    """Split a paragraph where sentences end, not at abbreviations and initials.

    Args:
        language: Such as de; told by the text when left out.
    """
    from sentencex import segment

    found: list[str] = []
    apart = True
    for piece in _pieces(text):
        for long in segment(language or language_of(text), piece):
            for part in filter(None, (one.strip() for one in _STOPS.split(long))):
                if found and _goes_on(found[-1], part, apart=apart):
                    found[-1] += (" " if apart and not _AMID.search(found[-1]) else "") + part
                else:
                    found.append(part)
                apart = True
            apart = long[-1:].isspace()
    return found


def _goes_on(before: str, part: str, *, apart: bool) -> bool:
    """Whether a sentence has not ended yet: it goes on in small letters, behind a title, or behind a quotation.

    Args:
        apart: Whether a blank is between them.
    """
    end = before[-20:]
    if _TITLE.search(end) or (part[0].isdigit() and _OF_NUMBER.search(end)) or _TAIL.match(part):
        return True
    if _AMID.search(before) and _HIRAGANA.match(part):
        return True
    if not apart and (_GLUED.match(part) or (_HANGUL.match(part) and _BEHIND_QUOTE.search(end))):
        return True
    return opens_small(part) and before[-1:] in ".…!?\"'”’»“)"


def _pieces(text: str) -> list[str]:
    """The text, cut at spaces where it is very long."""
    pieces: list[str] = []
    while len(text) > PIECE_CHARS:
        cut = text.rfind(" ", PIECE_CHARS // 2, PIECE_CHARS) + 1 or PIECE_CHARS
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]
