"""What a mail says itself, and what it quotes. Pure, in one pass over the lines.

Nothing that its sender may have written is left out: an answer below a quote is one, and a mail that is forwarded is
what the forwarding says. Programs write the line above a quote in their users' languages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.email.letters import has_letters
from tasks.email.quoted_headers import MOST_LINES, lines_of_quoted_header

#: The line above a quote may be cut by its program; longer ones are none.
MOST_LINES_ABOVE, LONGEST_LINE_ABOVE_CHARS = 4, 400
_BLANK_LINES_BELOW = 3
#: Signs of Hebrew and Arabic, which stand round addresses.
_DIRECTIONS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_VERBS = (
    r"wrote|writes|schrieb|a [ée]crit|escribió|escribi[oó]|ha scritto|scrisse|escreveu|schreef|skrev|skreiv|kirjoitti"
    r"|napisał(?:a|\(a\)|/a)?|pisze|napsal(?:a|\(a\))?|napísal(?:a|\(a\))?|írta|a scris|yazdı|έγραψε"
    r"|пишет|писал(?:а|\(а\))?|написал(?:а|\(а\))?|пише|написав|написала|написа|je napisao"
    r"|kirjutas|rakstīja|rašė|đã viết|menulis|sanoi"
    r"|写道|寫道|書きました|のメール|作成|작성|כתב|כתבה|كتب|เขียน"
)
_WROTE = re.compile(rf"\W{{0,8}}(?=.*(?:\d|@)).{{3,300}}?(?:{_VERBS}).{{0,200}}[:：]\W{{0,8}}", re.IGNORECASE)
_BETWEEN_DASHES = re.compile(rf"-{{1,20}} ?\S.{{3,300}} (?:{_VERBS})\W{{0,3}}-{{1,20}}", re.IGNORECASE)
#: How such a line begins that is cut into several, so that the answer right above it is none of it.
_BEGINNING = re.compile(
    r"\W{0,4}(?:(?:on|am|um|le|el|il|em|op|den|dne|dňa|dnia|w dniu|på|kl|a|в|во|от|в[іо]|στις)\b|在|於|\d|\w{2,4}[.,])"
    r"(?=.*(?:\d{4}|\d{1,2}[:.h]\d{2}))",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"[^\s<>@]@[^\s<>@]")
_ADDRESS_OR_TIME = re.compile(r"[^\s<>@]@[^\s<>@]|\d{1,2}[:.h]\d{2}")
_ORIGINAL = re.compile(
    r"[-_=]{2,} ?(?:original (?:message|appointment)|ursprüngliche (?:nachricht|mitteilung)|original ?nachricht"
    r"|message d['’]origine|courriel original|mensaje original|messaggio originale|mensagem original"
    r"|oorspronkelijk(?:e)? bericht|ursprungligt meddelande|oprindelig meddelelse|opprinnelig melding"
    r"|alkuperäinen viesti|(?:oryginalna wiadomość|wiadomość oryginalna)|původní zpráva|eredeti üzenet|mesaj original"
    r"|özgün ileti|исходное сообщение|原始邮件|原始郵件|邮件原件|元のメッセージ|원본 메시지) ?[-_=]{2,} ?:?",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"[-_=* ]{0,40}(?:forwarded (?:message|mail|by)|begin forwarded message|weitergeleitete (?:nachricht|mail)"
    r"|anfang der weitergeleiteten|message transf[ée]r[ée]|début du message|mensaje reenviado|inicio del mensaje"
    r"|messaggio inoltrato|inizio messaggio inoltrato|mensagem encaminhada|mensagem reencaminhada"
    r"|doorgestuurd bericht|begin doorgestuurd|vidarebefordrat (?:meddelande|brev)|videresendt|välitetty viesti"
    r"|przekazana wiadomość|wiadomość przekazana|přeposlaná zpráva|továbbított üzenet|mesaj redirecționat"
    r"|iletilen (?:mesaj|ileti)|пересылаемое сообщение|пересланное сообщение|переадресованное сообщение|начало пере"
    r"|προωθημένο μήνυμα|转发(?:的)?(?:邮件|信件|信息)|轉寄(?:的)?(?:郵件|信件)"
    r"|転送メッセージ|転送された|전달된 메시지)",
    re.IGNORECASE,
)
#: Behind what servers write before it: [EXTERNAL].
_FORWARD_SUBJECT = re.compile(
    r"(?:\s*\[[^\[\]\n]{1,30}\])?\s*\[?(?:fwd?|wg|tr|rv|enc|i|vs|vb|vl|doorst|pd|prev|ynt|ilt|fyi|továbbítás"
    r"|пер(?:есл)?|πρθ|הועבר|إعادة توجيه|转发|轉寄|転送|전달)\s*(?:\[\d\])?[:：]",
    re.IGNORECASE,
)


def is_forward(subject: str) -> bool:
    """Whether a subject says that its mail passes another one on."""
    return _FORWARD_SUBJECT.match(subject) is not None


def own_words(text: str, *, cuts_unmarked: bool = True) -> str:
    """A text without what it quotes, as far as that is marked in the usual ways; all of it where nothing else is there.

    Args:
        cuts_unmarked: Whether what follows "Original Message", without a sign on each line, is left out as a quote.
            Whoever answers above it, as Outlook's users do, has written nothing in there; but nothing says so.
    """
    lines = text.splitlines()
    own: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if len(line) <= LONGEST_LINE_ABOVE_CHARS and _FORWARDED.match(line) and not _is_quoted(line):
            own += lines[at:]
            break
        if _is_quoted(line):
            at += 1
            continue
        above = _lines_above_quote(lines, at)
        if above and _is_quoted(_next(lines, at + above)):
            at += above
            continue
        if above and cuts_unmarked and _is_surely_above(lines[at : at + above]) and has_letters("\n".join(own)):
            break
        header = lines_of_quoted_header(lines[at : at + MOST_LINES]) if cuts_unmarked else 0
        if header and _has_words(own):
            break
        own += lines[at : at + max(header, 1)]
        at += max(header, 1)
    said = "\n".join(own).strip()
    return said if has_letters(said) else text.strip()


def _has_words(lines: Sequence[str]) -> bool:
    """A line across the page is none."""
    return any(char.isalnum() for line in lines for char in line)


def _is_quoted(line: str) -> bool:
    """The `>` before "From " is no quote but what mail boxes of the old kind need."""
    return line.lstrip().startswith(">") and not line.startswith(">From ")


def _next(lines: Sequence[str], at: int) -> str:
    """The next line that is not blank, if it is near."""
    return next((line for line in lines[at : at + _BLANK_LINES_BELOW + 1] if line.strip()), "")


def _lines_above_quote(lines: Sequence[str], at: int) -> int:
    """How many lines from here on say who wrote what follows; 0 if they do not."""
    text = ""
    for number, line in enumerate(lines[at : at + MOST_LINES_ABOVE], 1):
        text = f"{text} {_DIRECTIONS.sub('', line).strip()}".strip()
        if not line.strip() or len(text) > LONGEST_LINE_ABOVE_CHARS:
            return 0
        if number == 2 and not _BEGINNING.match(lines[at]):
            return 0
        if number > 1 and _BEGINNING.match(line):
            return 0
        if _says_who_wrote(text) or (_may_say_who_wrote(text) and _is_quoted(_next(lines, at + number))):
            return number
    return 0


def _says_who_wrote(text: str) -> bool:
    if text[0] in "-_=" and (_ORIGINAL.fullmatch(text) or _BETWEEN_DASHES.fullmatch(text)):
        return True
    return text.rstrip(" -_*").endswith((":", "：")) and _WROTE.fullmatch(text) is not None


def _may_say_who_wrote(text: str) -> bool:
    """In a language that is not known here."""
    if not text.endswith((":", "：")):
        return False
    return bool(_ADDRESS.search(text) or (_BEGINNING.match(text) and _ADDRESS_OR_TIME.search(text)))


def _is_surely_above(lines: Sequence[str]) -> bool:
    """Whether nobody writes such lines: a program's, with a time or an address."""
    text = _DIRECTIONS.sub("", " ".join(line.strip() for line in lines))
    return bool(_ORIGINAL.fullmatch(text) or _ADDRESS_OR_TIME.search(text))
