"""An Anki package as Anki 2.0 wrote it, which every later one reads: a ZIP file with `collection.anki2` and `media`.

The schema is number 11, as https://github.com/ankidroid/Anki-Android/wiki/Database-Structure describes it. Not by
genanki, which writes no schedule and no log. What FSRS knows of a card stands in `cards.data`, where Anki keeps it.
"""

from __future__ import annotations

import hashlib
import html
import re
import sqlite3
import zipfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from llmcoder import strict_json
from tasks.learning import cloze
from tasks.learning.scheduling import CardState, Entry, Kind, Memory, replayed, reviewed

#: By which a package of ours is known again, see `import_actions`.
GUID = "llmcoder-"
BASIC, CLOZE = 1_700_000_000_001, 1_700_000_000_002
EASE = 2_500
DAY = timedelta(days=1)
_SCHEMA = """
CREATE TABLE col (id integer PRIMARY KEY, crt integer NOT NULL, mod integer NOT NULL, scm integer NOT NULL,
    ver integer NOT NULL, dty integer NOT NULL, usn integer NOT NULL, ls integer NOT NULL, conf text NOT NULL,
    models text NOT NULL, decks text NOT NULL, dconf text NOT NULL, tags text NOT NULL);
CREATE TABLE notes (id integer PRIMARY KEY, guid text NOT NULL, mid integer NOT NULL, mod integer NOT NULL,
    usn integer NOT NULL, tags text NOT NULL, flds text NOT NULL, sfld integer NOT NULL, csum integer NOT NULL,
    flags integer NOT NULL, data text NOT NULL);
CREATE TABLE cards (id integer PRIMARY KEY, nid integer NOT NULL, did integer NOT NULL, ord integer NOT NULL,
    mod integer NOT NULL, usn integer NOT NULL, type integer NOT NULL, queue integer NOT NULL, due integer NOT NULL,
    ivl integer NOT NULL, factor integer NOT NULL, reps integer NOT NULL, lapses integer NOT NULL,
    left integer NOT NULL, odue integer NOT NULL, odid integer NOT NULL, flags integer NOT NULL, data text NOT NULL);
CREATE TABLE revlog (id integer PRIMARY KEY, cid integer NOT NULL, usn integer NOT NULL, ease integer NOT NULL,
    ivl integer NOT NULL, lastIvl integer NOT NULL, factor integer NOT NULL, time integer NOT NULL,
    type integer NOT NULL);
CREATE TABLE graves (usn integer NOT NULL, oid integer NOT NULL, type integer NOT NULL);
CREATE INDEX ix_notes_usn ON notes (usn);
CREATE INDEX ix_cards_usn ON cards (usn);
CREATE INDEX ix_revlog_usn ON revlog (usn);
CREATE INDEX ix_cards_nid ON cards (nid);
CREATE INDEX ix_cards_sched ON cards (did, queue, due);
CREATE INDEX ix_revlog_cid ON revlog (cid);
CREATE INDEX ix_notes_csum ON notes (csum);
"""
#: Blanks that a browser would not show: at the beginning of a line, and of several all.
_BLANKS = re.compile(r"^ +| {2,}| +$", re.MULTILINE)
_TAB = '<span style="white-space: pre;">\t</span>'
_CSS = ".card { font-family: arial; font-size: 20px; text-align: center; }"


@dataclass(frozen=True)
class OutgoingCard:
    """One card, with its log."""

    id: UUID
    front: str
    back: str
    deck: str
    tags: list[str]
    suspended: bool
    created_at: datetime
    memory: Memory
    log: list[Entry]


class Package:
    """A package in the making.

    Args:
        folder: Where its parts stand until it is whole.
    """

    def __init__(self, folder: Path, now: datetime) -> None:
        self._folder = folder
        self._now = now
        self._start = now.replace(hour=0, minute=0, second=0, microsecond=0) - DAY
        self._decks = {"Default": 1}
        self._last_id = 0
        self._log_ids: set[int] = set()

    def write(self, cards: Iterable[OutgoingCard]) -> Path:
        """The whole package, as a file in the folder."""
        collection, whole = self._folder / "collection.anki2", self._folder / "cards.apkg"
        with closing(sqlite3.connect(collection)) as conn:
            conn.executescript(_SCHEMA)
            for number, card in enumerate(cards):
                self._add(conn, number, card)
            self._describe(conn)
            conn.commit()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(collection, "collection.anki2")
            archive.writestr("media", "{}")
        return whole

    def _add(self, conn: sqlite3.Connection, number: int, card: OutgoingCard) -> None:
        self._last_id = one = max(self._last_id + 1, _ms(card.created_at))
        holes = bool(cloze.numbers_of(card.front))
        fields = [_html(cloze.of_one_number(card.front) if holes else card.front), _html(card.back)]
        mod, tags = int(self._now.timestamp()), f" {' '.join(card.tags)} " if card.tags else ""
        kind, guid = CLOZE if holes else BASIC, f"{GUID}{card.id.hex}"
        _insert(conn, "notes", (one, guid, kind, mod, -1, tags, "\x1f".join(fields), fields[0], _sum(fields[0]), 0, ""))
        deck = self._decks.setdefault(card.deck, BASIC + 1_000 + len(self._decks))
        place = self._place(card, number)
        _insert(conn, "cards", (one, one, deck, 0, mod, -1, *place))
        for row in _log_rows(card):
            _insert(conn, "revlog", (self._log_id(row[0]), one, -1, *row[1:]))

    def _place(self, card: OutgoingCard, number: int) -> tuple[Any, ...]:
        """Where a card stands, as the columns from `type` on."""
        memory = card.memory
        kind, due, days, left = 0, number, 0, 0
        if memory.state is CardState.REVIEW:
            assert memory.last_review_at is not None
            kind, due = 2, (memory.due_at - self._start) // DAY
            days = max(1, round((memory.due_at - memory.last_review_at) / DAY))
        elif memory.state is not CardState.NEW:
            kind, due, left = 1 if memory.state is CardState.LEARNING else 3, int(memory.due_at.timestamp()), 1001
            days = max(1, round(memory.stability or 1)) if kind == 3 else 0
        queue = -1 if card.suspended else min(kind, 2) if kind != 3 else 1
        has_memory = memory.stability is not None and memory.difficulty is not None
        data: dict[str, Any] = {}
        if has_memory and memory.last_review_at is not None:
            data = {"s": round(memory.stability or 0, 4), "d": round(memory.difficulty or 0, 3)}
            data |= {"lrt": int(memory.last_review_at.timestamp())}
        ease = EASE if kind >= 2 else 0
        return (
            kind, queue, due, days, ease, memory.reviews, memory.lapses, left, 0, 0, 0, strict_json.write(data),
        )  # fmt: skip

    def _log_id(self, at_ms: int) -> int:
        """The instant of an answer in milliseconds, by which Anki knows it; a later one where that is taken."""
        while at_ms in self._log_ids:
            at_ms += 1
        self._log_ids.add(at_ms)
        return at_ms

    def _describe(self, conn: sqlite3.Connection) -> None:
        now_s = int(self._now.timestamp())
        models = {str(one["id"]): one for one in (_note_type(BASIC, now_s), _note_type(CLOZE, now_s))}
        decks = {str(number): _deck(name, number, now_s) for name, number in self._decks.items()}
        conf = {"nextPos": 1, "sortType": "noteFld", "sortBackwards": False, "addToCur": True, "curDeck": 1}
        conf |= {
            "activeDecks": [1],
            "newSpread": 0,
            "collapseTime": 1200,
            "timeLim": 0,
            "estTimes": True,
            "dueCounts": True,
            "schedVer": 2,
        }
        texts = [strict_json.write(one) for one in (conf, models, decks, {"1": _DECK_OPTIONS | {"mod": now_s}}, {})]
        _insert(conn, "col", (1, int(self._start.timestamp()), now_s * 1000, now_s * 1000, 11, 0, 0, 0, *texts))


def _log_rows(card: OutgoingCard) -> Iterable[tuple[int, ...]]:
    """The answers that count: instant, ease, interval after and before, factor, time, kind."""
    void = {one.voids for one in card.log if one.kind is Kind.VOID}
    memory = Memory(CardState.NEW, due_at=card.created_at)
    before = 0
    for one in sorted(card.log, key=lambda entry: (entry.at, entry.id)):
        if one.id in void or one.kind is Kind.VOID:
            continue
        if one.kind is Kind.STATE:
            memory = replayed([one], card.created_at)
            continue
        kind = {CardState.REVIEW: 1, CardState.RELEARNING: 2}.get(memory.state, 0)
        memory = reviewed(memory, one)
        wait = memory.due_at - one.at
        after = wait // DAY if memory.state is CardState.REVIEW else -int(wait.total_seconds())
        assert one.rating is not None
        took_ms = int((one.duration_s or 0) * 1000)
        yield _ms(one.at), one.rating.number, after, before, EASE if kind else 0, took_ms, kind
        before = after


def _insert(conn: sqlite3.Connection, table: str, values: tuple[Any, ...]) -> None:
    conn.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)


def _sum(text: str) -> int:
    """By which Anki finds notes that begin alike."""
    return int(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:8], 16)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _html(text: str) -> str:
    """The text so that a browser keeps its blanks and tabs, as Anki's own editor writes them."""
    safe = html.escape(text, quote=False).replace("\x1f", " ")
    kept = _BLANKS.sub(lambda blanks: "&nbsp;" * len(blanks[0]), safe).replace("\t", _TAB)
    return kept.replace("\n", "<br>")


def _note_type(number: int, now_s: int) -> dict[str, Any]:
    holes = number == CLOZE
    names = ("Text", "Back Extra") if holes else ("Front", "Back")
    question = "{{cloze:Text}}" if holes else "{{Front}}"
    answer = "{{cloze:Text}}<br>{{Back Extra}}" if holes else "{{FrontSide}}<hr id=answer>{{Back}}"
    template = {"name": "Card 1", "ord": 0, "qfmt": question, "afmt": answer, "did": None, "bqfmt": "", "bafmt": ""}
    field = {"sticky": False, "rtl": False, "font": "Arial", "size": 20, "media": []}
    return {
        "id": number, "name": "LLMCoder Cloze" if holes else "LLMCoder Basic", "type": int(holes), "mod": now_s,
        "usn": -1, "sortf": 0, "did": 1, "tmpls": [template], "css": _CSS, "latexPre": "", "latexPost": "",
        "flds": [{"name": name, "ord": at, **field} for at, name in enumerate(names)], "tags": [], "vers": [],
        "req": [[0, "all", [0]]],
    }  # fmt: skip


def _deck(name: str, number: int, now_s: int) -> dict[str, Any]:
    return {
        "id": number, "name": name, "mod": now_s, "usn": -1, "desc": "", "dyn": 0, "conf": 1, "collapsed": False,
        "browserCollapsed": False, "extendNew": 0, "extendRev": 0, "newToday": [0, 0], "revToday": [0, 0],
        "lrnToday": [0, 0], "timeToday": [0, 0],
    }  # fmt: skip


_DECK_OPTIONS: dict[str, Any] = {
    "id": 1, "name": "Default", "usn": 0, "maxTaken": 60, "autoplay": True, "timer": 0, "replayq": True, "dyn": False,
    "new": {"bury": True, "delays": [1, 10], "initialFactor": EASE, "ints": [1, 4, 7], "order": 1, "perDay": 20,
            "separate": True},
    "rev": {"bury": True, "ease4": 1.3, "fuzz": 0.05, "ivlFct": 1, "maxIvl": 36500, "minSpace": 1, "perDay": 200},
    "lapse": {"delays": [10], "leechAction": 0, "leechFails": 8, "minInt": 1, "mult": 0},
}  # fmt: skip
