"""Cards of a text file: CSV or TSV, as spreadsheets write it, and as Anki does, with its comments at the beginning.

https://docs.ankiweb.net/importing/text-files.html says what those may be: `#separator:`, `#html:`, `#tags:`,
`#columns:`, `#deck:`, `#notetype:`, and which column holds what (`#deck column:`, `#tags column:`, `#guid column:`,
`#notetype column:`). Without them the separator is told by the lines, and a first line that names columns counts as
such. Pure.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from llmcoder.caseless import fold
from llmcoder.charsets import decode
from llmcoder.text import storable
from tasks.learning import cloze
from tasks.learning.anki_templates import without_question
from tasks.learning.html_text import text_of
from tasks.learning.incoming import MOST_CARDS, IncomingCard, UnreadableCards, cut, key_of, tidy_deck, tidy_tags
from tasks.learning.records import DEFAULT_DECK

MOST_TEXT_BYTES = 32 << 20
#: A note type of Anki's with more fields is rare; a table with more columns is no list of cards.
MOST_COLUMNS = 60
SAMPLE_LINES = 50
_SEPARATORS = {
    "comma": ",", "semicolon": ";", "tab": "\t", "space": " ", "pipe": "|", "colon": ":", "\\t": "\t",
}  # fmt: skip
#: By which a file tells Excel its separator.
_EXCEL = re.compile(r"\"?sep=(.)\"?\n", re.IGNORECASE)
#: In the order in which they are believed.
_LIKELY = ("\t", ";", ",", "|")
#: What columns are called, in the languages in which most cards are shared.
_NAMES = {
    "front": (
        "front", "front side", "front text", "question", "questions", "q", "term", "prompt", "word", "vorderseite",
        "vorne", "frage", "begriff", "wort", "vokabel", "recto", "terme", "mot", "anverso", "pregunta", "término",
        "palabra",
        "fronte", "domanda", "termine", "parola", "frente", "pergunta", "termo", "palavra", "voorkant", "vraag",
        "woord", "fråga", "framsida", "ord", "spørgsmål", "spørsmål", "kysymys", "pytanie", "słowo", "вопрос", "слово",
        "表", "表面", "質問", "問題", "単語", "用語", "正面", "问题", "單詞", "单词", "앞면", "질문", "단어",
    ),
    "back": (
        "back", "back side", "back text", "answer", "answers", "a", "definition", "meaning", "translation", "rückseite",
        "hinten", "antwort", "übersetzung", "bedeutung", "verso", "réponse", "définition", "traduction",
        "signification",
        "reverso", "respuesta", "definición", "significado", "traducción", "retro", "risposta", "definizione",
        "traduzione", "significato", "resposta", "definição", "tradução", "achterkant", "antwoord", "vertaling",
        "betekenis", "svar", "baksida", "översättning", "betydelse", "oversættelse", "oversettelse", "vastaus",
        "odpowiedź", "tłumaczenie", "ответ", "перевод", "значение", "裏", "裏面", "答え", "回答", "意味", "訳", "背面",
        "答案", "释义", "翻译", "뒷면", "답", "대답", "뜻",
    ),
    "deck": ("deck", "stapel", "paquet", "mazo", "mazzo", "baralho"),
    "tags": ("tags", "tag", "schlagwörter", "étiquettes", "etiquetas", "etichette"),
    "guid": ("guid", "id", "key"),
}  # fmt: skip
#: What a column may hold that is no field of the card.
_BESIDE = ("deck", "tags", "guid", "notetype")
#: What spreadsheets hold that were made from a program with HTML: an element with its end, or a break between words.
_HTML = re.compile(
    r"<(b|i|u|em|strong|div|span|p|font|sub|sup|ul|ol|li|table|ruby|a|code|pre)\b[^<>]{0,300}>[^<>]{0,300}</\1\s*>"
    r"|\S<br ?/?>\S|<br ?/?><br ?/?>|\w&nbsp;|<img\s[^<>]{0,300}\bsrc\s*=",
    re.IGNORECASE,
)
#: How people divide tags in a table: `verbs, lesson_1`.
_TAG_ENDS = re.compile(r"[,;]+(?=\s|$)")
_ROLES = {fold(name): role for role, names in _NAMES.items() for name in names}


@dataclass
class _Layout:
    """Which column holds what, from 0; every other one is a field of the card.

    Attributes:
        names: Of the columns, where the file says them.
        of_anki: Whether the file has comments as Anki writes them.
        quoted: Whether quotes around a cell are none of its text.
    """

    separator: str
    html: bool = False
    deck: str = DEFAULT_DECK
    tags: str = ""
    names: Sequence[str] = ()
    of_anki: bool = False
    quoted: bool = True
    columns: dict[str, int] = field(default_factory=dict)


def read(content: bytes, deck: str | None = None) -> Iterator[IncomingCard]:
    """The cards of a file, in its order.

    Args:
        deck: For cards whose deck the file does not say.

    Raises:
        UnreadableCards: It is no such file; the message names the line.
    """
    if len(content) > MOST_TEXT_BYTES:
        raise UnreadableCards(f"A text file of cards has at most {MOST_TEXT_BYTES >> 20} MB.")
    text = decode(content)
    if "\x00" in text:
        raise UnreadableCards("This is neither an Anki package nor a text file of cards.")
    comments, body, lines = _parted(text.replace("\r\n", "\n").replace("\r", "\n"))
    layout = _layout(comments, body)
    if deck is not None and "deck" not in comments:
        layout.deck = deck
    yield from _cards(body, layout, lines)


def _parted(text: str) -> tuple[dict[str, str], str, int]:
    """The comments at the beginning, by name; the rest; and how many lines came before it."""
    comments: dict[str, str] = {}
    at = lines = 0
    if excel := _EXCEL.match(text):
        comments["separator"], at, lines = excel[1], excel.end(), 1
    while text.startswith("#", at):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end + 1
        name, colon, value = text[at + 1 : end].rstrip("\n").partition(":")
        if colon:
            comments[name.strip().lower()] = value
        at = end
        lines += 1
    return comments, text[at:], lines


def _layout(comments: Mapping[str, str], body: str) -> _Layout:
    name = comments.get("separator", "")
    separator = _SEPARATORS.get(name.strip().lower(), name[:1] if len(name) == 1 else "") or _told(body)
    html = comments.get("html", "").strip().lower()
    layout = _Layout(separator, html=html == "true" if html else _HTML.search(body) is not None)
    layout.of_anki = bool(comments.keys() - {"separator"})
    layout.quoted = layout.of_anki or separator != "\t" or _is_quoted(body)
    layout.deck = tidy_deck(comments["deck"]) if comments.get("deck", "").strip() else DEFAULT_DECK
    layout.tags = comments.get("tags", "")
    if "columns" in comments:
        layout.names = next(csv.reader([comments["columns"]], delimiter=separator), [])
        layout.columns = _roles_of(layout.names)
    for role in ("deck", "tags", "guid", "notetype"):
        number = comments.get(f"{role} column", "").strip()
        if number.isdecimal() and 1 <= int(number) <= MOST_COLUMNS:
            layout.columns = {one: at for one, at in layout.columns.items() if at != int(number) - 1}
            layout.columns[role] = int(number) - 1
    return layout


def _told(body: str) -> str:
    """The separator that most lines have as often as the first one."""
    sample = [line for line in islice(_lines(body), SAMPLE_LINES) if line.strip()]
    if not sample:
        return ","

    def score(separator: str) -> tuple[float, int]:
        counts = Counter(len(row) - 1 for row in csv.reader(sample, delimiter=separator) if row)
        most, times = counts.most_common(1)[0]
        return (times / len(sample) if most else 0.0, -_LIKELY.index(separator))

    try:
        best = max(_LIKELY, key=score)
    except csv.Error:
        return next((one for one in _LIKELY if one in sample[0]), ",")
    return best


def _is_quoted(body: str) -> bool:
    """Whether quotes stand around cells alone; programs that copy cells as they are write `"Hi" is` too."""
    try:
        for _ in csv.reader(_lines(body), delimiter="\t", strict=True):
            pass
    except csv.Error:
        return False
    return True


def _roles_of(names: Sequence[str]) -> dict[str, int]:
    """By what columns are called; empty where none of them is a question or an answer."""
    columns: dict[str, int] = {}
    for at, name in enumerate(names):
        role = _ROLES.get(fold(name).strip())
        if role is not None:
            columns.setdefault(role, at)
    return columns if "front" in columns and "back" in columns else {}


def _cards(body: str, layout: _Layout, before: int) -> Iterator[IncomingCard]:
    lines = _Uncommented(body)
    reader = csv.reader(
        lines,
        delimiter=layout.separator,
        quoting=csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE,
        skipinitialspace=layout.separator not in " \t",
    )
    first = True
    count = 0
    while True:
        lines.is_row = True
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise UnreadableCards(f"Line {before + lines.number}: {error}.") from error
        if row is None:
            return
        if len(row) > MOST_COLUMNS:
            line = before + lines.number
            raise UnreadableCards(f"Line {line} has {len(row)} columns; a card has at most {MOST_COLUMNS}.")
        if not any(cell.strip() for cell in row):
            continue
        if first and not layout.names and not layout.columns and (roles := _roles_of(row)):
            layout.columns, layout.names, first = roles, row, False
            continue
        first = False
        for card in _of_row(row, layout):
            count += 1
            if count > MOST_CARDS:
                raise UnreadableCards(f"At most {MOST_CARDS:,} cards are imported at once.")
            yield card


class _Uncommented:
    """The lines of a file without those that are comments: a row that begins with `#`, and not with a quote before it.

    Attributes:
        is_row: Whether the next line begins a row; whoever reads says so.
        number: Of the last line.
    """

    def __init__(self, body: str) -> None:
        self._lines = _lines(body)
        self.is_row = True
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            self.number += 1
            if not (self.is_row and line.startswith("#")):
                self.is_row = False
                return line
        raise StopIteration


def _lines(body: str) -> Iterator[str]:
    """As `csv` takes them, which ends a row where a line ends, and not at any other end that Unicode knows."""
    at = 0
    while at < len(body):
        end = body.find("\n", at)
        end = len(body) if end < 0 else end + 1
        yield body[at:end]
        at = end


def _of_row(row: Sequence[str], layout: _Layout) -> Iterator[IncomingCard]:
    """One card; of a row with numbered holes, one for each."""
    columns = layout.columns
    special = {columns[role] for role in _BESIDE if role in columns}
    fields = [at for at in range(len(row)) if at not in special]
    if "front" in columns:
        fields.sort(key=lambda at: (at != columns["front"], at != columns["back"]))
    sides = [_plain(row[at], layout, is_answer=number > 0) for number, at in enumerate(fields)]
    front, back = (sides[0] if sides else ""), "\n".join(side for side in sides[1:] if side)

    def cell(role: str) -> str:
        at = columns.get(role)
        return row[at] if at is not None and at < len(row) else ""

    deck = tidy_deck(cell("deck")) if cell("deck").strip() else layout.deck
    listed = cell("tags") if layout.of_anki else _TAG_ENDS.sub(" ", cell("tags"))
    tags = tidy_tags(f"{layout.tags} {listed}")
    guid = cell("guid").strip() or hashlib.sha256("\x1f".join((deck, front, back)).encode()).hexdigest()[:40]
    holes = cloze.numbers_of(front)
    for number in holes or [1]:
        side = cloze.only(front, number) if holes else front
        yield IncomingCard(key_of(guid, number - 1), cut(side), cut(back), deck, tags)


def _plain(cell: str, layout: _Layout, *, is_answer: bool) -> str:
    if not layout.html:
        return storable(cell).strip()
    return text_of(without_question(cell) if is_answer else cell)
