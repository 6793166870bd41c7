"""Packages that somebody made to do harm: refused with a reason, in bounded memory and time; nothing comes in."""

from __future__ import annotations

import io
import resource
import sqlite3
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from anki_kit import TABLES, add, collection, zipped
from learning_kit import Learner
from test_learning_import import imported, kept, rows

from llmcoder.errors import Cancelled
from llmcoder.testing import FakeContext, run_action
from tasks.learning import anki_collection, anki_package
from tasks.learning.actions import import_cards
from tasks.learning.anki_templates import filled
from tasks.learning.html_text import text_of
from tasks.learning.incoming import UnreadableCards
from tasks.learning.tables import cards

MUCH_MB = 400


def refused(learner: Learner, content: bytes, why: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with pytest.raises(UnreadableCards, match=why):
        imported(learner, "x.apkg", content)
    assert time.monotonic() - began < 60
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MUCH_MB
    assert rows(learner, cards) == []


@pytest.mark.parametrize("packed", ["deflate", "zstandard"])
def test_a_zip_bomb_ends_where_it_is_too_large(learner: Learner, packed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anki_package, "MOST_DATABASE_BYTES", 64 << 20)
    much = bytes(65 << 20)
    if packed == "deflate":
        bomb = zipped(much)
        assert len(bomb) < len(much) / 900
    else:
        bomb = zipped(zstandard.compress(much), "collection.anki21b")
    refused(learner, bomb, "larger than 64 MB when unpacked")


def test_a_frame_that_asks_for_a_huge_window_is_refused(learner: Learner) -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    refused(learner, zipped(frame.compress(bytes(10)) + frame.flush(), "collection.anki21b"), "damaged")


def test_a_table_of_contents_that_claims_gigabytes_is_not_read(learner: Learner) -> None:
    content = bytearray(zipped(b"x"))
    at = content.rfind(b"PK\x05\x06")
    struct.pack_into("<L", content, at + 12, 0xF0000000)
    refused(learner, bytes(content), "too many files")


def test_a_second_table_of_contents_that_claims_gigabytes_is_not_read(learner: Learner) -> None:
    content = zipped(b"x")
    at = content.rfind(b"PK\x05\x06")
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1 << 40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    refused(learner, content[:at] + end_64 + locator + content[at:], "too many files")


def test_a_package_without_a_collection_and_an_encrypted_one_say_so(learner: Learner) -> None:
    refused(learner, zipped(b"x", "readme.txt"), "no collection of Anki's")
    content = bytearray(zipped(b"x"))
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(sign) + at] |= 1
    refused(learner, bytes(content), "encrypted")


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_package_that_breaks_off_is_damaged(learner: Learner, tmp_path: Path, cut: float) -> None:
    whole = zipped(collection(tmp_path, lambda conn: add(conn, 1, ["a", "b"])))
    refused(learner, whole[: int(len(whole) * cut)], "not a ZIP file|damaged")


@pytest.mark.parametrize("at", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_collection_with_broken_pages_is_damaged_or_read(learner: Learner, tmp_path: Path, at: float) -> None:
    content = bytearray(
        collection(tmp_path, lambda conn: [add(conn, n, ["a" * 50, "b"]) for n in range(1, 500)] and None)
    )
    place = int(len(content) * at)
    content[place : place + 200] = bytes(b ^ 0xA5 for b in content[place : place + 200])
    try:
        imported(learner, "x.apkg", zipped(bytes(content)))
    except UnreadableCards:
        assert rows(learner, cards) == []


HOSTILE_SCHEMAS: dict[str, Callable[[str], str]] = {
    "a view that never ends": lambda tables: tables.replace(
        "CREATE TABLE notes (id integer PRIMARY KEY, guid text, mid integer, tags text, flds text);",
        "CREATE VIEW notes AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) "
        "SELECT id, 'g' AS guid, 1 AS mid, '' AS tags, 'a' AS flds FROM n;",
    ),
    "a generated column": lambda tables: tables.replace(
        "tags text, flds text);", "tags text, flds text GENERATED ALWAYS AS (hex(zeroblob(400000000))));"
    ),
    "a virtual table": lambda tables: tables.replace(
        "CREATE TABLE revlog (id integer PRIMARY KEY, cid integer, ease integer, ivl integer, lastIvl integer, "
        "factor integer,\n    time integer, type integer);",
        "CREATE VIRTUAL TABLE revlog USING fts5(id, cid, ease);",
    ),
}


@pytest.mark.parametrize("name", HOSTILE_SCHEMAS)
def test_what_a_schema_would_execute_is_not_executed(learner: Learner, tmp_path: Path, name: str) -> None:
    tables = HOSTILE_SCHEMAS[name](TABLES)
    assert tables != TABLES
    refused(learner, zipped(collection(tmp_path, tables=tables)), "no plain table")


def test_triggers_and_views_of_other_names_do_nothing(learner: Learner, tmp_path: Path) -> None:
    more = """
    CREATE TABLE fired (x);
    CREATE TRIGGER t AFTER INSERT ON notes BEGIN INSERT INTO fired VALUES (load_extension('x')); END;
    CREATE VIEW v AS SELECT load_extension('/tmp/x.so');
    """
    content = collection(tmp_path, tables=TABLES + more.replace("load_extension('x')", "1"))
    assert imported(learner, "x.apkg", zipped(content)).added == 0


def test_a_collection_without_its_tables_and_an_empty_one_say_so(learner: Learner, tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    conn = sqlite3.connect(path)
    conn.execute("CREATE TABLE passwords (x)")
    conn.commit()
    conn.close()
    refused(learner, zipped(path.read_bytes()), "none of Anki's")
    refused(learner, zipped(b"not a database at all, but long enough" * 100), "damaged")
    refused(learner, zipped(b""), "none of Anki's|damaged")


def test_a_value_of_many_megabytes_is_refused(learner: Learner, tmp_path: Path) -> None:
    content = collection(tmp_path, lambda conn: add(conn, 1, ["x" * (9 << 20), "b"]))
    refused(learner, zipped(content), "too big|damaged")


def test_a_join_that_multiplies_ends_with_its_time(
    learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of notes whose `id` is no key: every card has all of them."""
    tables = TABLES.replace("CREATE TABLE notes (id integer PRIMARY KEY", "CREATE TABLE notes (id integer")

    def fill(conn: sqlite3.Connection) -> None:
        conn.executemany("INSERT INTO notes VALUES (1, 'g', 1, '', 'a\x1fb')", [()] * 3_000)
        conn.executemany(
            "INSERT INTO cards VALUES (?, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, '')", [(n,) for n in range(1, 3_000)]
        )

    monkeypatch.setattr(anki_collection, "MOST_CARDS", 1_000)
    refused(learner, zipped(collection(tmp_path, fill, tables=tables)), "At most 100,000 cards")


def test_a_deadline_ends_the_reading(learner: Learner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anki_collection, "STEPS", 100)
    content = collection(tmp_path, lambda conn: [add(conn, n, ["a", "b"]) for n in range(1, 2_000)] and None)
    ctx = FakeContext(user=learner.user, timeout_s=0)
    given = {"file": ctx.give_file("x.apkg", zipped(content)).model_dump()}
    with pytest.raises(UnreadableCards, match="too long"):
        run_action(import_cards, given, ctx)
    assert rows(learner, cards) == []


def test_a_cancellation_ends_the_reading(learner: Learner, tmp_path: Path) -> None:
    content = collection(tmp_path, lambda conn: [add(conn, n, ["a", "b"]) for n in range(1, 2_000)] and None)
    ctx = FakeContext(user=learner.user, cancel_after=2, timeout_s=60)
    given = {"file": ctx.give_file("x.apkg", zipped(content)).model_dump()}
    with pytest.raises(Cancelled):
        run_action(import_cards, given, ctx)
    assert rows(learner, cards) == []


@pytest.mark.parametrize("where", ["models", "decks"])
def test_json_that_is_none_is_damage(learner: Learner, tmp_path: Path, where: str) -> None:
    def fill(conn: sqlite3.Connection) -> None:
        conn.execute(f"UPDATE col SET {where} = ?", ("{" * 100_000,))

    refused(learner, zipped(collection(tmp_path, fill)), "damaged")


@pytest.mark.both_stores
def test_columns_of_the_wrong_kind_break_nothing(learner: Learner, tmp_path: Path) -> None:
    """SQLite keeps anything in any column."""
    odd: list[Any] = [None, -1, 2**62, 1.5, b"\xff\xfe", "text", ""]

    def fill(conn: sqlite3.Connection) -> None:
        for number, value in enumerate(odd, start=1):
            add(conn, number, ["front", "back"], guid=f"g{number}", data=value, type=2, queue=value, due=value)
            conn.execute("UPDATE notes SET tags = ?, mid = ? WHERE id = ?", (value, value, number))
            conn.execute(
                "UPDATE cards SET ivl = ?, factor = ?, did = ?, ord = ? WHERE nid = ?", (value,) * 4 + (number,)
            )
            at = 1_700_000_000_000 + number
            conn.execute(
                "INSERT INTO revlog VALUES (?, ?, ?, 0, 0, ?, ?, ?)", (at, number * 100, value, value, value, value)
            )

    done = imported(learner, "x.apkg", zipped(collection(tmp_path, fill)))
    assert done.added + done.left_out == len(odd)


@pytest.mark.both_stores
def test_texts_that_no_store_takes_are_made_so(learner: Learner, tmp_path: Path) -> None:
    def fill(conn: sqlite3.Connection) -> None:
        add(conn, 1, ["a\x00b", "c" * 100_000])
        conn.execute("UPDATE notes SET flds = CAST(x'61ff62' AS TEXT) || char(31) || flds WHERE id = 1")

    assert imported(learner, "x.apkg", zipped(collection(tmp_path, fill))).added == 1
    (card,) = kept(learner).values()
    assert "\x00" not in card.back and len(card.back) <= 20_000


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 100_000, "<" * 500_000, "&" * 500_000, "<!--" * 100_000, "<a b='" * 50_000, "&#x" * 100_000,
        "<![CDATA[" * 50_000, "[latex]" * 50_000, "[sound:" * 50_000,
        "a" + " " * 500_000, "a" + "\xa0" * 500_000 + "b", "a" + " \xa0" * 250_000, "<sup>1" * 50_000,
        "<ol><li>" * 50_000, "<pre> \n" * 50_000, "<video>" * 50_000,
    ],
)  # fmt: skip
def test_markup_that_is_made_to_take_long_takes_seconds_at_most(html: str) -> None:
    began = time.monotonic()
    text_of(html)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("part", ["{{", "{{#a}}", "{{^a}}", "{{a", "<!--", "{{c1::", "{{/a}}", "<hr "])
def test_templates_that_are_made_to_take_long_take_seconds_at_most(part: str) -> None:
    from tasks.learning import cloze

    began = time.monotonic()
    filled(part * 20_000, {"a": "x"})
    cloze.answer(part * 20_000)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("text", ["a" * 500_000, "a[" * 250_000, "\u65e5 " * 250_000])
def test_readings_of_characters_are_looked_for_in_seconds(text: str) -> None:
    began = time.monotonic()
    filled("{{furigana:a}}{{kana:a}}", {"a": text})
    assert time.monotonic() - began < 20


def test_a_member_whose_sum_is_wrong_is_damage(learner: Learner, tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("collection.anki2", collection(tmp_path))
    content = bytearray(out.getvalue())
    content[3_000] ^= 0xFF
    refused(learner, bytes(content), "damaged")
