"""An Anki collection as SQLite keeps it: decks, note types, notes, cards and the log of reviews.

The file is somebody's, and SQLite executes what a file says: views, triggers, generated columns, virtual tables. So it
is opened for reading alone and as one that does not change, without extensions and with a schema that is not trusted;
only plain tables of the names that Anki gives them are read, an authorizer refuses every function and anything but
reading, values are bounded in size, and a clock runs. That bound is why it is Python's own SQLite: `pysqlite3`, which
the engine's database needs, cannot set one. Schemas 11 (JSON in the one row of `col`) and 15 to 18 (tables)
are read; what stands at the same place as in Anki 2.1.50 to 26.09.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import exp, isfinite
from pathlib import Path
from typing import Any

from llmcoder import Context, strict_json
from llmcoder.text import storable
from tasks.learning import anki_wire
from tasks.learning.anki_templates import NoteType, Template
from tasks.learning.incoming import (
    MOST_CARDS,
    IncomingCard,
    PastReview,
    PastSchedule,
    UnreadableCards,
    cut,
    key_of,
    tidy_deck,
    tidy_tags,
)
from tasks.learning.scheduling import EARLIEST

#: Of one value: a note of Anki's is at most some 100 KB.
MOST_VALUE_BYTES = 8 << 20
#: Reviews of all cards; somebody who answers 200 a day has as many after four years. They are one transaction.
MOST_REVIEWS = 300_000
_TOO_MANY = f"At most {MOST_CARDS:,} cards and {MOST_REVIEWS:,} reviews are imported at once. Export some decks only."
#: Of one card; what is older is left out.
MOST_OF_A_CARD = 1_000
AT_ONCE = 500
#: Steps of SQLite's machine between two looks at the clock: some milliseconds.
STEPS = 100_000
TABLES = ("col", "notes", "cards", "revlog", "decks", "notetypes", "fields", "templates")
NEW, LEARNING, REVIEW, RELEARNING = range(4)
SUSPENDED = -1
#: Kinds of entries in Anki's log: within a card's minutes, practised beside the schedule, set by hand.
LEARNED, RELEARNED, CRAMMED, MANUAL = 0, 2, 3, 4
#: Queues of cards within their minutes, or their day.
SOON = (1, 3)
DAY_S = 86_400
#: What the clocks of people's machines have said: 1990 to 2100.
EARLIEST_S, LATEST_S = int(EARLIEST.timestamp()), 4_102_444_800


@dataclass(frozen=True)
class Collection:
    """What a collection says of itself.

    Attributes:
        created_s: The day from which it counts days.
    """

    created_s: int
    decks: Mapping[int, str]
    note_types: Mapping[int, NoteType]


@contextmanager
def opened(path: Path, deadline: float, ctx: Context) -> Iterator[Any]:
    """A connection that can do nothing but read.

    Args:
        deadline: Of `time.monotonic`.

    Raises:
        UnreadableCards: It is no such file, or takes too long to read.
        Cancelled: The job is to end.
    """

    def look() -> int:
        return int(ctx.cancelled() or time.monotonic() > deadline)

    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
            _restrict(conn, look)
            yield conn
    except sqlite3.OperationalError as error:
        ctx.check()
        if time.monotonic() > deadline:
            raise UnreadableCards("The collection takes too long to read.") from error
        raise UnreadableCards(f"The collection is damaged: {error}.") from error
    except (sqlite3.Error, OverflowError) as error:
        raise UnreadableCards(f"The collection is damaged: {error}.") from error


def _restrict(conn: Any, look: Callable[[], int]) -> None:
    conn.text_factory = lambda raw: raw.decode("utf-8", "replace")
    conn.create_collation("unicase", lambda one, other: (one > other) - (one < other))  # Anki's own, which it names
    for setting in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "cache_size = -16384"):
        conn.execute(f"PRAGMA {setting}")
    conn.execute("PRAGMA temp_store = FILE")
    conn.set_progress_handler(look, STEPS)
    conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_VALUE_BYTES)
    _refuse_what_is_no_table(conn)
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ}
    conn.set_authorizer(lambda what, *_: sqlite3.SQLITE_OK if what in allowed else sqlite3.SQLITE_DENY)


def _refuse_what_is_no_table(conn: Any) -> None:
    marks = ", ".join("?" * len(TABLES))
    for name, kind, sql in conn.execute(f"SELECT name, type, sql FROM sqlite_master WHERE name IN ({marks})", TABLES):
        text = " ".join(str(sql).upper().split())
        if kind != "table" or not text.startswith("CREATE TABLE") or " AS (" in text or " AS(" in text:
            raise UnreadableCards(f"The collection is none of Anki's: {name} is no plain table.")


def read(conn: Any, *, with_history: bool, oldest: bool = False) -> Iterator[IncomingCard]:
    """Every card of a collection, in the order of their ids.

    Args:
        oldest: Whether its name says that the first scheduler may have written it.

    Raises:
        UnreadableCards: It has more cards or reviews than may be.
    """
    tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_master")} & set(TABLES)
    if not {"notes", "cards", "col"} <= tables:
        raise UnreadableCards("The collection is none of Anki's: it has no notes and cards.")
    collection = _described(conn, tables)
    has_log = with_history and "revlog" in tables
    three_buttons = has_log and oldest and _has_three_buttons(conn)
    count = reviews = 0
    for rows in _batches(conn):
        logs = _logs(conn, [row[0] for row in rows], three_buttons=three_buttons) if has_log else {}
        for row in rows:
            card = _card(collection, row, logs.get(row[0], ()), with_history=with_history)
            count += 1
            reviews += len(card.history)
            if count > MOST_CARDS or reviews > MOST_REVIEWS:
                raise UnreadableCards(_TOO_MANY)
            yield card


def _batches(conn: Any) -> Iterator[list[Any]]:
    query = (
        "SELECT cards.id, nid, did, ord, type, queue, due, ivl, factor, odue, odid, cards.data, guid, mid, tags, flds"
        " FROM cards JOIN notes ON notes.id = cards.nid WHERE cards.id > ? ORDER BY cards.id LIMIT ?"
    )
    last = -(2**63)
    while rows := conn.execute(query, (last, AT_ONCE)).fetchall():
        yield rows
        last = rows[-1][0]


def _has_three_buttons(conn: Any) -> bool:
    """Whether cards within their minutes were answered by again, good and easy, as 1 to 3.

    That was so in Anki's first scheduler, which the second one replaced in 2018 and which its options name. Where there
    is a fourth button it was not.
    """
    col = conn.execute("SELECT * FROM col LIMIT 1")
    named = dict(zip((column[0] for column in col.description), col.fetchone() or (), strict=False))
    conf = _json(named.get("conf") or "{}")
    if "curDeck" not in conf or conf.get("schedVer", 1) != 1:
        return False
    fourth = f"SELECT 1 FROM revlog WHERE ease = 4 AND type IN ({LEARNED}, {RELEARNED}) LIMIT 1"
    return conn.execute(fourth).fetchone() is None


def _logs(conn: Any, ids: Sequence[int], *, three_buttons: bool) -> dict[int, tuple[PastReview, ...]]:
    """What people answered, of these cards: what was set by hand is no answer, and a card that was reset has none."""
    answers: dict[int, list[PastReview]] = defaultdict(list)
    marks = ", ".join("?" * len(ids))
    for number, card, ease, factor, took_ms, kind in conn.execute(
        f"SELECT id, cid, ease, factor, time, type FROM revlog WHERE cid IN ({marks}) ORDER BY id", tuple(ids)
    ):
        at = _instant(number, 1000)
        if kind == MANUAL and factor == 0 and ease == 0:
            answers[card].clear()
        elif at is not None and ease in (1, 2, 3, 4) and not (kind == CRAMMED and factor == 0):
            if three_buttons and ease in (2, 3) and kind in (LEARNED, RELEARNED):
                ease += 1
            took_s = took_ms / 1000 if isinstance(took_ms, int) and 0 <= took_ms <= DAY_S * 1000 else None
            answers[card].append(PastReview(number, at, ease, took_s))
    return {card: tuple(entries[-MOST_OF_A_CARD:]) for card, entries in answers.items()}


def _card(collection: Collection, row: Any, log: tuple[PastReview, ...], *, with_history: bool) -> IncomingCard:
    _, note, deck, number, _, queue, _, _, _, _, odid, _, guid, kind, tags, fields = row
    number = number if isinstance(number, int) and 0 <= number < 1_000 else 0
    deck_name = collection.decks.get(odid or deck) or collection.decks.get(deck, "")
    note_type = collection.note_types.get(kind) or NoteType("", (), (), is_cloze=False)
    tags = str(tags or "")
    special = {
        "Tags": tags.strip(),
        "Deck": deck_name,
        "Subdeck": deck_name.rpartition("::")[2],
        "Type": note_type.name,
    }
    front, back = note_type.sides(str(fields).split("\x1f"), number, special)
    return IncomingCard(
        key=key_of(str(guid or note), number),
        front=cut(front),
        back=cut(back),
        deck=tidy_deck(deck_name),
        tags=tidy_tags(tags),
        suspended=queue == SUSPENDED,
        history=log,
        scheduled=_scheduled(collection, row, log) if with_history else None,
    )


def _scheduled(collection: Collection, row: Any, log: tuple[PastReview, ...]) -> PastSchedule | None:
    """Where Anki stands with a card that comes back in days; one within its minutes follows from its answers."""
    _, _, _, _, kind, queue, due, interval, factor, odue, odid, data, *_ = row
    # in a filtered deck, and of a card that the first scheduler's user had forgotten, its day stands aside
    due = odue if odid or (queue in SOON and odue) else due
    numbers = (due, interval, factor)
    if kind != REVIEW or not all(isinstance(one, int) and abs(one) < 100_000 for one in numbers) or interval <= 0:
        return None
    due_at = _instant(collection.created_s + due * DAY_S, 1)
    if due_at is None:
        return None
    memory = _memory_of(data)
    if memory is None and not log:
        memory = _memory_of_interval(interval, factor / 1000)
    stability, difficulty = memory or (None, None)
    at = log[-1].at if log else due_at - timedelta(days=interval)
    return PastSchedule(at, due_at, stability, difficulty)


def _memory_of(data: object) -> tuple[float, float] | None:
    """What FSRS in Anki knows of a card: stability and difficulty."""
    try:
        memory = strict_json.read_lenient(str(data)) if data else {}
        stability, difficulty = float(memory["s"]), float(memory["d"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    fits = isfinite(stability) and isfinite(difficulty) and 0.001 <= stability <= 36_500 and 1 <= difficulty <= 10
    return (stability, difficulty) if fits else None


def _memory_of_interval(days: int, ease: float) -> tuple[float, float]:
    """Of a card that the algorithm SM-2 scheduled, as FSRS takes it over (`memory_state_from_sm2` of fsrs-rs)."""
    from fsrs.scheduler import DEFAULT_PARAMETERS as W

    stability = float(min(days, 36_500))
    gain = exp(W[8]) * stability ** -W[9] * (exp(0.1 * W[10]) - 1)
    return stability, min(10.0, max(1.0, 11.0 - (max(ease, 1.3) - 1.0) / gain))


def _instant(number: object, per_second: int) -> datetime | None:
    if not isinstance(number, int) or not EARLIEST_S <= number / per_second <= LATEST_S:
        return None
    return datetime.fromtimestamp(number / per_second, UTC)


# --- what a collection says of itself


def _described(conn: Any, tables: set[str]) -> Collection:
    row = conn.execute("SELECT crt, models, decks FROM col LIMIT 1").fetchone()
    if row is None:
        raise UnreadableCards("The collection is empty.")
    created_s, models, decks = row
    if not isinstance(created_s, int) or _instant(created_s, 1) is None:
        created_s = EARLIEST_S
    if "notetypes" in tables and "decks" in tables:
        return Collection(created_s, _decks_of_tables(conn), _types_of_tables(conn))
    return Collection(created_s, _decks_of_json(_json(decks)), _types_of_json(_json(models)))


def _json(text: object) -> dict[str, Any]:
    try:
        found = strict_json.read_lenient(str(text))
    except ValueError as error:
        raise UnreadableCards(f"The collection is damaged: {error}.") from error
    return found if isinstance(found, dict) else {}


def _decks_of_json(decks: dict[str, Any]) -> dict[int, str]:
    named = {number: deck for number, deck in decks.items() if _is_id(number) and isinstance(deck, dict)}
    return {int(number): storable(str(deck.get("name") or "")) for number, deck in named.items()}


def _types_of_json(models: dict[str, Any]) -> dict[int, NoteType]:
    return {
        int(number): NoteType(
            name=storable(str(model.get("name", ""))),
            fields=[storable(str(field.get("name", ""))) for field in _dicts(model.get("flds"))],
            templates=[
                Template(str(one.get("qfmt", "")), str(one.get("afmt", ""))) for one in _dicts(model.get("tmpls"))
            ],
            is_cloze=model.get("type") == 1,
        )
        for number, model in models.items()
        if _is_id(number) and isinstance(model, dict)
    }


def _is_id(number: str) -> bool:
    return number.isascii() and number.isdecimal() and len(number) < 20


def _dicts(value: object) -> list[dict[str, Any]]:
    """Anki keeps fields and cards in their order; whoever does not has said it in `ord`."""
    listed = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return sorted(listed, key=lambda one: one["ord"] if isinstance(one.get("ord"), int) else len(listed))


def _decks_of_tables(conn: Any) -> dict[int, str]:
    rows = conn.execute("SELECT id, name FROM decks LIMIT 100000")
    return {number: storable(str(name).replace("\x1f", "::")) for number, name in rows}


def _types_of_tables(conn: Any) -> dict[int, NoteType]:
    fields: dict[int, list[tuple[int, str]]] = defaultdict(list)
    templates: dict[int, list[tuple[int, Template]]] = defaultdict(list)
    for kind, number, name in conn.execute("SELECT ntid, ord, name FROM fields LIMIT 1000000"):
        fields[kind].append((number, storable(str(name))))
    for kind, number, config in conn.execute("SELECT ntid, ord, config FROM templates LIMIT 100000"):
        message = anki_wire.fields_of(config if isinstance(config, bytes) else b"")
        templates[kind].append((number, Template(anki_wire.text(message, 1), anki_wire.text(message, 2))))
    return {
        kind: NoteType(
            name=storable(str(name)),
            fields=[one for _, one in sorted(fields[kind], key=lambda pair: pair[0])],
            templates=[one for _, one in sorted(templates[kind], key=lambda pair: pair[0])],
            is_cloze=anki_wire.fields_of(config if isinstance(config, bytes) else b"").get(1) == 1,
        )
        for kind, name, config in conn.execute("SELECT id, name, config FROM notetypes LIMIT 100000")
    }
