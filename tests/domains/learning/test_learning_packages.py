"""Collections as programs of several ages leave them: what they say of answers, days and decks comes out right."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anki_kit import BASIC, CREATED_S, IMPORT, add, anki, collection, zipped
from learning_kit import START, Learner
from test_learning_export import exported
from test_learning_import import imported, kept, rows

from tasks.learning.actions import (
    add_card,
    check_schedule,
    list_cards,
    remove_card,
    review,
)
from tasks.learning.tables import reviews

both_stores = pytest.mark.both_stores
DAY_MS = 86_400_000
FIRST_MS = 1_740_000_000_000  # in February 2025


def log(conn: sqlite3.Connection, card: int, *entries: tuple[int, int, int], factor: int = 2500) -> None:
    """Answers of a card: day, ease and kind."""
    for day, ease, kind in entries:
        conn.execute(
            "INSERT INTO revlog VALUES (?, ?, ?, 1, 1, ?, 4000, ?)", (FIRST_MS + day * DAY_MS, card, ease, factor, kind)
        )


@both_stores
def test_removed_and_imported_again_a_card_has_its_log_again(learner: Learner, tmp_path: Path) -> None:
    def fill(conn: sqlite3.Connection) -> None:
        add(conn, 1, ["a", "b"], type=2, queue=2, due=600, ivl=9, factor=2500)
        log(conn, 100, (0, 3, 0), (1, 3, 1), (9, 3, 1))

    content = zipped(collection(tmp_path, fill))
    for _ in range(3):
        done = imported(learner, "x.apkg", content)
        assert (done.added, done.reviews) == (1, 3)
        assert learner(check_schedule).differing == []
        (card,) = learner(list_cards).items
        assert card.reviews == 3
        learner(remove_card, card_id=card.id)


@both_stores
def test_answers_and_days_that_are_still_to_come_do_not_hold_a_card_back(learner: Learner, tmp_path: Path) -> None:
    """A clock that ran ahead, and a due date that was set by hand to far ahead of the interval."""
    ahead = int(START.timestamp() * 1000) + 3_000 * DAY_MS
    due = int((START.timestamp() - CREATED_S) // 86_400) + 200

    def fill(conn: sqlite3.Connection) -> None:
        add(conn, 1, ["wrong clock", "b"])
        conn.execute("INSERT INTO revlog VALUES (?, 100, 3, 1, 1, 2500, 4000, 1)", (ahead,))
        add(conn, 2, ["set by hand", "b"], type=2, queue=2, due=due, ivl=3, factor=2500)
        add(conn, 3, ["both", "b"], type=2, queue=2, due=due, ivl=3, factor=2500)
        conn.execute("INSERT INTO revlog VALUES (?, 300, 3, 1, 1, 2500, 4000, 1)", (ahead + 5,))

    imported(learner, "x.apkg", zipped(collection(tmp_path, fill)))
    learner.later(hours=1)
    for front, card in kept(learner).items():
        assert card.last_review_at is None or card.last_review_at <= START, front
        answered = learner(review, card_id=card.id, rating="again")
        assert answered.due_at < learner.now + timedelta(days=1), front
    assert learner(check_schedule).differing == []


@pytest.mark.parametrize(
    ("conf", "name", "entries", "ratings"),
    [
        # the first scheduler had three buttons for a card in its minutes: again, good, easy
        ({"curDeck": 1, "schedVer": 1}, "collection.anki2", [(0, 1, 0), (1, 2, 0), (2, 3, 0), (9, 2, 1)], [1, 3, 4, 2]),
        ({"curDeck": 1, "nextPos": 3}, "collection.anki2", [(0, 2, 0), (8, 1, 1), (9, 2, 2), (10, 3, 1)], [3, 1, 3, 3]),
        ({"curDeck": 1, "schedVer": 2}, "collection.anki2", [(0, 2, 0), (1, 3, 0)], [2, 3]),
        ({"curDeck": 1}, "collection.anki21", [(0, 2, 0), (1, 3, 0)], [2, 3]),
        ({"curDeck": 1}, "collection.anki2", [(0, 2, 0), (1, 4, 0)], [2, 4]),
        ({}, "collection.anki2", [(0, 2, 0), (1, 3, 0)], [2, 3]),
    ],
)
def test_answers_of_the_first_scheduler_are_what_its_buttons_said(
    learner: Learner, tmp_path: Path, conf: dict[str, Any], name: str, entries: list[Any], ratings: list[int]
) -> None:
    def fill(conn: sqlite3.Connection) -> None:
        conn.execute("ALTER TABLE col ADD COLUMN conf text")
        conn.execute("UPDATE col SET conf = ?", (json.dumps(conf),))
        add(conn, 1, ["a", "b"])
        log(conn, 100, *entries)

    imported(learner, "x.apkg", zipped(collection(tmp_path, fill), name))
    log_here = sorted(rows(learner, reviews), key=lambda row: row.reviewed_at)
    assert [row.rating for row in log_here] == ratings


def test_a_card_that_the_first_scheduler_had_forgotten_keeps_its_place(learner: Learner, tmp_path: Path) -> None:
    """In its minutes such a card was a review card in the queue of those being learned, with its day in `odue`."""

    def fill(conn: sqlite3.Connection) -> None:
        now = int(START.timestamp())
        add(conn, 1, ["a", "b"], type=2, queue=1, due=now, odue=840, ivl=5, factor=2300)

    imported(learner, "x.apkg", zipped(collection(tmp_path, fill)))
    (card,) = learner(list_cards).items
    assert card.state == "review" and card.due_at == datetime.fromtimestamp(CREATED_S + 840 * 86_400, UTC)


@pytest.mark.parametrize("queue", [-2, -3])
def test_buried_cards_come_in_as_others_and_suspended_ones_put_aside(
    learner: Learner, tmp_path: Path, queue: int
) -> None:
    def fill(conn: sqlite3.Connection) -> None:
        add(conn, 1, ["buried", "b"], queue=queue)
        add(conn, 2, ["aside", "b"], queue=-1)

    imported(learner, "x.apkg", zipped(collection(tmp_path, fill)))
    assert {front: card.suspended for front, card in kept(learner).items()} == {"buried": False, "aside": True}


def test_a_collection_that_was_left_in_the_mode_of_a_write_ahead_log_is_read(learner: Learner, tmp_path: Path) -> None:
    def fill(conn: sqlite3.Connection) -> None:
        add(conn, 1, ["a", "b"])

    collection(tmp_path, fill)
    path = tmp_path / "made.anki2"
    conn = sqlite3.connect(path)
    conn.execute("PRAGMA journal_mode = WAL")
    conn.close()
    assert imported(learner, "x.apkg", zipped(path.read_bytes())).added == 1


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("UPDATE col SET decks = ?", (json.dumps({"²": {"name": "x"}, "7": {"name": "Spanish::Verbs"}}),)),
        ("UPDATE col SET models = ?", (json.dumps({**BASIC, "٣": BASIC["1"], "²": BASIC["1"]}),)),
        ("UPDATE notes SET tags = ?", (None,)),
        ("UPDATE col SET decks = ?", (json.dumps({"7": {"name": None}}),)),
    ],
)
def test_names_and_numbers_of_other_kinds_are_left_out(
    learner: Learner, tmp_path: Path, sql: str, values: tuple[Any, ...]
) -> None:
    def fill(conn: sqlite3.Connection) -> None:
        add(conn, 1, ["a", "b"])
        conn.execute(sql, values)

    imported(learner, "x.apkg", zipped(collection(tmp_path, fill)))
    (card,) = learner(list_cards).items
    assert card.tags == [] and card.deck in ("Spanish::Verbs", "Default")


# --- out and in again

TEXTS = [
    ("def f():\n    return  1\n\tx", "a  b   c"),
    ("#include <x.h>", "#hash"),
    ("two\n\nparagraphs", "- a\n  - b"),
    ("1 < 2 && 3 > 2", "<b>no markup</b> &amp; &nbsp;"),
    ("[latex]x[/latex] \\(y\\) [$]z[/$]", "{{c1::not a hole of the front}}"),
    ("{{c1::std}} and {{c2::b::hint}}", "more\n    code"),
    ("{{c1::open", "}} closed"),
    ('"quoted", and; more\tthan one', "'=1+1"),
    ("日本[にほん]", "10⁻³ H₂O 🎴"),
    ("sep=;", "#separator:tab"),
    ("front", "back"),
    ("a\\n", "C:\\temp"),
    ("{{Front}} {{#a}}x{{/a}}", "{{Back}} {{FrontSide}} <hr id=answer>"),
    ("[sound:a.mp3]", "[image: x.png]"),
]


@pytest.mark.parametrize("kind", ["apkg", "csv"])
def test_what_goes_out_comes_in_as_it_was(learner: Learner, bob: Learner, kind: str) -> None:
    for front, back in TEXTS:
        learner(add_card, front=front, back=back, deck="D::e", tags=["t", "u::v"])
    done, content = exported(learner, format=kind)
    imported(bob, done.name, content)
    here = {(one.front, one.back, one.deck, tuple(one.tags)) for one in learner(list_cards, limit=100).items}
    there = {(one.front, one.back, one.deck, tuple(one.tags)) for one in bob(list_cards, limit=100).items}
    changed = {"{{c1::std}} and {{c2::b::hint}}": "{{c1::std}} and {{c1::b::hint}}", "[sound:a.mp3]": "[sound: a.mp3]"}
    changed |= {"[latex]x[/latex] \\(y\\) [$]z[/$]": "\\(x\\) \\(y\\) \\(z\\)"} if kind == "apkg" else {}
    if kind == "csv":
        del changed["[sound:a.mp3]"]
    assert there == {(changed.get(front, front), *rest) for front, *rest in here}


def test_decks_whose_names_differ_in_case_alone_are_one_for_anki(learner: Learner, tmp_path: Path) -> None:
    names = ["git", "Git", "default", "Default", "a::b", "A::B", "x::", "::y", "straße", "STRASSE"]
    for number, deck in enumerate(names):
        learner(add_card, front=f"q{number}", back="a", deck=deck)
    _, content = exported(learner)
    path = tmp_path / "cards.apkg"
    path.write_bytes(content)
    seen = anki(IMPORT, tmp_path / "anki", path=str(path))
    assert len(seen["cards"]) == len(names) and seen["problems"] == ""
