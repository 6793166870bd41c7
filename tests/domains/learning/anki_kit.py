"""Packages to import: small ones of our own making, and those that Anki itself writes, by its own library.

Anki's library is asked in a process of its own: it is not made to live beside another program's threads.
"""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

#: What Anki does, by a script that gets its arguments as JSON and prints its answer as the last line.
WITH_ANKI = """
import json, os, sys
from anki.collection import Collection, DeckIdLimit, ExportAnkiPackageOptions, ImportAnkiPackageRequest
given = json.loads(sys.argv[1])
col = Collection(os.path.join(given["folder"], "collection.anki2"))
answer = None
{script}
col.close()
print(json.dumps(answer))
"""
EXPORT = """
from anki.scheduler.v3 import CardAnswer
col.set_config("fsrs", given["fsrs"])
deck = col.decks.id(given["deck"])
for kind, fields, tags in given["notes"]:
    note = col.new_note(col.models.by_name(kind))
    for name, value in fields.items():
        note[name] = value
    note.tags = tags
    col.add_note(note, deck)
col.decks.select(deck)
for rating in given["ratings"]:
    card = col.get_card(col.sched.get_queued_cards(fetch_limit=1).cards[0].card.id)
    card.start_timer()
    states = col._backend.get_scheduling_states(card.id)
    col.sched.answer_card(col.sched.build_answer(card=card, states=states, rating=rating - 1))
if given["suspend"]:
    col.sched.suspend_cards(col.find_cards(given["suspend"]))
options = ExportAnkiPackageOptions(
    with_scheduling=True, with_deck_configs=True, with_media=True, legacy=given["legacy"]
)
col.export_anki_package(out_path=given["path"], options=options, limit=DeckIdLimit(deck))
today = col.sched.today
answer = [
    {{"question": card.question(), "type": card.type, "due": card.due - today, "reps": card.reps,
      "memory": card.memory_state and [card.memory_state.stability, card.memory_state.difficulty]}}
    for card in map(col.get_card, col.find_cards(""))
]
"""
IMPORT = """
request = ImportAnkiPackageRequest(package_path=given["path"])
request.options.with_scheduling = True
log = col.import_anki_package(request).log
ok, problems = col.fix_integrity(), None
answer = {{
    "new": len(log.new), "problems": ok[0] if not ok[1] else "",
    "cards": [
        {{"question": card.question(), "answer": card.answer(), "deck": col.decks.name(card.did),
          "tags": card.note().tags, "type": card.type, "queue": card.queue, "ivl": card.ivl,
          "due": card.due - col.sched.today, "reps": card.reps,
          "lapses": card.lapses, "guid": card.note().guid,
          "memory": card.memory_state and [card.memory_state.stability, card.memory_state.difficulty],
          "log": col.db.list("select ease from revlog where cid = ? order by id", card.id)}}
        for card in map(col.get_card, col.find_cards(""))
    ],
}}
"""


def anki(script: str, folder: Path, **given: Any) -> Any:
    """What Anki's library says; a collection in the folder is made or opened."""
    folder.mkdir(exist_ok=True)
    code = WITH_ANKI.replace("{script}", script.replace("{{", "{").replace("}}", "}"))
    command = [sys.executable, "-c", code, json.dumps({"folder": str(folder), **given})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout.splitlines()[-1])


def package_of_anki(folder: Path, notes: list[Any], **more: Any) -> tuple[bytes, Any]:
    """A package that Anki wrote, and its cards as Anki sees them."""
    path = folder / "exported.apkg"
    wanted = {"deck": "Math::Basic", "ratings": [], "fsrs": True, "legacy": False, "suspend": "", **more}
    seen = anki(EXPORT, folder / "anki", path=str(path), notes=notes, **wanted)
    return path.read_bytes(), seen


# --- of our own making: schema 11, with as much of it as a reader needs

TABLES = """
CREATE TABLE col (id integer, crt integer, models text, decks text);
CREATE TABLE notes (id integer PRIMARY KEY, guid text, mid integer, tags text, flds text);
CREATE TABLE cards (id integer PRIMARY KEY, nid integer, did integer, ord integer, type integer, queue integer,
    due integer, ivl integer, factor integer, odue integer, odid integer, data text);
CREATE TABLE revlog (id integer PRIMARY KEY, cid integer, ease integer, ivl integer, lastIvl integer, factor integer,
    time integer, type integer);
"""
CREATED_S = 1_700_000_000
BASIC = {
    "1": {
        "name": "Basic", "type": 0, "flds": [{"name": "Front"}, {"name": "Back"}],
        "tmpls": [{"qfmt": "{{Front}}", "afmt": "{{FrontSide}}<hr id=answer>{{Back}}"}],
    }
}  # fmt: skip


def collection(
    folder: Path,
    fill: Callable[[sqlite3.Connection], None] = lambda conn: None,
    models: Mapping[str, Any] = BASIC,
    tables: str = TABLES,
) -> bytes:
    """A collection with two decks, and whatever else is filled in."""
    path = folder / "made.anki2"
    path.unlink(missing_ok=True)
    conn = sqlite3.connect(path)
    conn.executescript(tables)
    decks = {"1": {"name": "Default"}, "7": {"name": "Spanish::Verbs"}}
    conn.execute("INSERT INTO col VALUES (1, ?, ?, ?)", (CREATED_S, json.dumps(models), json.dumps(decks)))
    fill(conn)
    conn.commit()
    conn.close()
    return path.read_bytes()


def add(conn: sqlite3.Connection, number: int, fields: list[str], **more: Any) -> None:
    """One note with one card."""
    wanted = {
        "mid": 1, "did": 7, "ord": 0, "type": 0, "queue": 0, "due": 0, "ivl": 0, "factor": 0, "odue": 0, "odid": 0,
        "data": "", "tags": " ", "guid": f"guid{number}", **more,
    }  # fmt: skip
    conn.execute(
        "INSERT OR IGNORE INTO notes VALUES (?, ?, ?, ?, ?)",
        (number, wanted["guid"], wanted["mid"], wanted["tags"], "\x1f".join(fields)),
    )
    names = ("did", "ord", "type", "queue", "due", "ivl", "factor", "odue", "odid", "data")
    card = number * 100 + wanted["ord"]
    conn.execute(
        f"INSERT INTO cards VALUES (?, ?, {', '.join('?' * len(names))})",
        (card, number, *(wanted[one] for one in names)),
    )


def zipped(content: bytes, name: str = "collection.anki2", **others: bytes) -> bytes:
    """A package with that collection."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        for other, value in others.items():
            archive.writestr(other, value)
    return out.getvalue()
