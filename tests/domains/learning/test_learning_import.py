"""Packages of Anki's and text files: what is in them comes out right, once, and is taken back as one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from anki_kit import CREATED_S, add, collection, package_of_anki, zipped
from learning_kit import START, Learner

from llmcoder.ids import new_id
from llmcoder.testing import run_action
from tasks.learning import delimited
from tasks.learning.actions import (
    check_schedule,
    due,
    import_cards,
    list_cards,
    remove_card,
    remove_import,
    review,
)
from tasks.learning.html_text import text_of
from tasks.learning.incoming import UnreadableCards
from tasks.learning.tables import cards, reviews

both_stores = pytest.mark.both_stores
NOTES: list[Any] = [
    [
        "Basic",
        {"Front": "What is <b>2&nbsp;+&nbsp;2</b>?", "Back": "4<br>four &amp; no more [sound:four.mp3]"},
        ["math"],
    ],
    ["Basic (and reversed card)", {"Front": "Haus", "Back": "house"}, []],
    ["Cloze", {"Text": "{{c1::Paris}} is the capital of {{c2::France::country}}", "Back Extra": "Since 987"}, ["geo"]],
    ["Basic (optional reversed card)", {"Front": "one", "Back": "uno", "Add Reverse": ""}, []],
]


def imported(learner: Learner, name: str, content: bytes, job_id: UUID | None = None, **more: Any) -> Any:
    ctx = learner.context(job_id)
    given = {"file": ctx.give_file(name, content).model_dump(), **more}
    return run_action(import_cards, given, ctx).result


def kept(learner: Learner) -> dict[str, Any]:
    return {one.front: one for one in learner(list_cards, limit=100).items}


def rows(learner: Learner, table: sa.Table) -> list[Any]:
    with learner.db.read() as conn:
        return list(conn.execute(sa.select(table).where(table.c.user_id == learner.user.id)))


@both_stores
@pytest.mark.parametrize("legacy", [False, True], ids=["zstandard, schema 18", "legacy, schema 11"])
def test_a_package_that_anki_wrote_comes_in_as_anki_shows_it(learner: Learner, tmp_path: Path, legacy: bool) -> None:
    learner.now = datetime.now(UTC)
    content, seen = package_of_anki(tmp_path, NOTES, ratings=[4, 4, 3, 1], legacy=legacy, suspend="uno")
    done = imported(learner, "math.apkg", content)
    found = kept(learner)
    assert done.added == len(seen) == len(found) == 6
    assert done.decks == {"Math::Basic": 6} and done.left_out == 0 and done.reviews == 4
    assert found["What is 2 + 2?"].back == "4\nfour & no more [sound: four.mp3]"
    assert found["What is 2 + 2?"].tags == ["math"]
    assert (found["Haus"].back, found["house"].back) == ("house", "Haus")
    assert found["{{c1::Paris}} is the capital of France"].back == "Since 987"
    assert found["Paris is the capital of {{c2::France::country}}"].tags == ["geo"]
    assert [one.front for one in found.values() if one.suspended] == ["one"]
    learned = [one for one in seen if one["memory"]]
    stored = [one for one in found.values() if one.stability is not None]
    assert len(stored) == len(learned) == 4
    theirs = sorted((one["due"], round(one["memory"][0], 3)) for one in learned if one["type"] == 2)
    ours = sorted((one.due_at, round(one.stability, 3)) for one in stored if one.state == "review")
    assert [stability for _, stability in ours] == [stability for _, stability in theirs] and len(ours) == 2
    for (due_at, _), (days, _) in zip(ours, theirs, strict=True):
        assert abs((due_at - learner.now) / timedelta(days=1) - days) < 1.1
    assert learner(check_schedule).differing == []


@both_stores
def test_the_same_file_again_adds_nothing_and_a_job_that_runs_again_adds_nothing(
    learner: Learner, tmp_path: Path
) -> None:
    content, _ = package_of_anki(tmp_path, NOTES, ratings=[3, 3])
    job_id = new_id()
    first = imported(learner, "math.apkg", content, job_id)
    assert imported(learner, "math.apkg", content, job_id).added == first.added
    again = imported(learner, "math.apkg", content)
    assert (again.added, again.already_there, again.reviews) == (0, 6, 0)
    assert (len(rows(learner, cards)), len(rows(learner, reviews))) == (6, first.reviews + 1 * _told(learner))
    assert learner(check_schedule).differing == []


def _told(learner: Learner) -> int:
    """Entries by which Anki said where it stands with a card."""
    return sum(row.kind == "state" for row in rows(learner, reviews))


@both_stores
def test_an_import_is_taken_back_as_one_and_what_was_there_before_stays(learner: Learner, tmp_path: Path) -> None:
    first = imported(learner, "a.csv", b"front,back\none,uno\ntwo,dos\n")
    content, _ = package_of_anki(tmp_path, NOTES, ratings=[4, 4])
    second = imported(learner, "math.apkg", content)
    card = kept(learner)["Haus"]
    learner.now = max(learner.now, datetime.now(UTC))
    learner(review, card_id=card.id, rating="good")
    undo = import_cards.undo.input(None, second)
    gone = learner(remove_import, **undo.model_dump())
    assert (gone.removed, gone.answered_here) == (6, 1)
    assert learner(remove_import, **undo.model_dump()).removed == 0
    assert sorted(kept(learner)) == ["one", "two"]
    assert [row.import_id for row in rows(learner, reviews)] == [None]  # what was answered here stays in the log
    assert imported(learner, "math.apkg", content).added == 6
    assert learner(remove_import, import_id=first.import_id).removed == 2


@both_stores
def test_anothers_import_is_not_there(learner: Learner, bob: Learner) -> None:
    done = imported(learner, "a.csv", b"one,uno\n")
    assert bob(remove_import, import_id=done.import_id).removed == 0
    assert imported(bob, "a.csv", b"one,uno\n").added == 1
    assert len(kept(learner)) == 1


@both_stores
def test_a_card_that_was_removed_comes_back_with_the_next_import_and_no_other_does(learner: Learner) -> None:
    imported(learner, "a.csv", b"one,uno\ntwo,dos\n")
    learner(remove_card, card_id=kept(learner)["one"].id)
    again = imported(learner, "a.csv", b"one,uno\ntwo,dos\n")
    assert (again.added, again.already_there) == (1, 1)


def test_answers_in_anki_count_but_for_what_was_set_by_hand(learner: Learner, tmp_path: Path) -> None:
    answered_ms = CREATED_S * 1000

    def fill(conn: Any) -> None:
        add(conn, 1, ["uno", "one"], type=2, queue=2, due=40, ivl=30, factor=2500)
        add(conn, 2, ["dos", "two"])
        for number, (card, ease, factor, kind) in enumerate([
            (100, 3, 0, 0), (100, 3, 2500, 1), (100, 0, 2500, 4),  # answered twice, then put off by hand
            (100, 4, 0, 3),  # practised beside the schedule
            (200, 3, 0, 0), (200, 0, 0, 4),  # answered, then reset
        ]):  # fmt: skip
            at = answered_ms + number * 86_400_000
            conn.execute("INSERT INTO revlog VALUES (?, ?, ?, 1, 1, ?, 3000, ?)", (at, card, ease, factor, kind))

    done = imported(learner, "x.apkg", zipped(collection(tmp_path, fill)))
    found = kept(learner)
    assert done.reviews == 2
    assert (found["uno"].reviews, found["uno"].state) == (2, "review")
    assert found["uno"].due_at == datetime.fromtimestamp(CREATED_S + 40 * 86_400, UTC)
    assert (found["dos"].state, found["dos"].reviews) == ("new", 0)
    new = imported(learner, "y.apkg", zipped(collection(tmp_path, lambda conn: add(conn, 3, ["tres", "three"]))))
    assert new.reviews == 0


def test_a_card_of_the_old_algorithm_without_its_answers_keeps_its_interval(learner: Learner, tmp_path: Path) -> None:
    fill = lambda conn: add(conn, 1, ["uno", "one"], type=2, queue=2, due=40, ivl=30, factor=1300)  # noqa: E731
    imported(learner, "x.apkg", zipped(collection(tmp_path, fill)))
    (card,) = kept(learner).values()
    assert (card.stability, card.state, card.reviews) == (30.0, "review", 0)
    assert 9 < card.difficulty <= 10, "an ease of 130 % is a hard card"
    assert learner(due).items[0].card_id == card.id
    assert learner(check_schedule).differing == []


def test_without_history_all_cards_are_new(learner: Learner, tmp_path: Path) -> None:
    fill = lambda conn: add(conn, 1, ["uno", "one"], type=2, queue=2, due=40, ivl=30, factor=2500)  # noqa: E731
    done = imported(learner, "x.apkg", zipped(collection(tmp_path, fill)), with_history=False)
    assert done.reviews == 0
    assert [one.state for one in kept(learner).values()] == ["new"]


@pytest.mark.parametrize(
    ("question", "answer", "fields", "front", "back"),
    [
        ("{{Front}}", "{{FrontSide}}<hr id=answer>{{Back}}", ["a", "b"], "a", "b"),
        ("{{Front}}{{#Back}} (has one){{/Back}}", "{{Back}}", ["a", "b"], "a (has one)", "b"),
        ("{{Front}}{{^Back}} (has none){{/Back}}", "{{FrontSide}}", ["a", ""], "a (has none)", ""),
        ("{{#Front}}{{^Back}}x{{/Back}}{{Front}}{{/Front}}", "<hr id='answer'>{{type:Back}}", ["a", "b"], "a", "b"),
        ("<!-- {{Back}} -->{{hint:Front}}", "{{edit:text:Back}}", ["a", "b"], "a", "b"),
        ("{{Tags}}: {{Front}} {{Deck}} {{Subdeck}}", "{{Back}}", ["a", "b"], "verbs: a Spanish::Verbs Verbs", "b"),
        ("{{Nothing}}", "{{Back}}", ["a", "b"], "a", "b"),
        ("{{Front}}{{type:Back}}{{hint:Back}}", "{{FrontSide}}<hr id=answer>{{type:Back}}", ["a", "b"], "a", "b"),
        ("{{Front}}{{tts en_US:Back}}", "{{Back}}{{tts de_DE voices=x:Front}}", ["a", "b"], "a", "b"),
        ("{{kanji:Front}}", "{{kana:Front}}", [" 日本[にほん]", ""], "日本", "にほん"),
    ],
)
def test_a_template_is_filled_as_anki_fills_it(
    learner: Learner, tmp_path: Path, question: str, answer: str, fields: list[str], front: str, back: str
) -> None:
    names = [{"name": "Front"}, {"name": "Back"}]
    models = {"1": {"name": "Own", "type": 0, "flds": names, "tmpls": [{"qfmt": question, "afmt": answer}]}}
    fill = lambda conn: add(conn, 1, fields, tags=" verbs ")  # noqa: E731
    done = imported(learner, "x.apkg", zipped(collection(tmp_path, fill, models)))
    assert done.left_out == (0 if back else 1)
    assert [(one.front, one.back) for one in kept(learner).values()] == ([(front, back)] if back else [])


def test_a_hole_in_an_image_is_left_out(learner: Learner, tmp_path: Path) -> None:
    hole = "{{c1::image-occlusion:rect:left=.1:top=.2:width=.3:height=.1:oi=1}}"
    names = [{"name": "Occlusion"}, {"name": "Image"}]
    models = {
        "1": {"name": "Occlusion", "type": 1, "flds": names, "tmpls": [{"qfmt": "{{cloze:Occlusion}}", "afmt": ""}]}
    }
    fill = lambda conn: add(conn, 1, [hole, "<img src=heart.png>"])  # noqa: E731
    done = imported(learner, "x.apkg", zipped(collection(tmp_path, fill, models)))
    assert (done.added, done.left_out) == (0, 1)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain", "plain"),
        ("a<br>b<br/>c<div>d</div>e", "a\nb\nc\nd\ne"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("&lt;b&gt; &amp; &euro; &#8364; &nbsp;x", "<b> & € € x"),
        ("<ul><li>a</li><li>b</li></ul>", "- a\n- b"),
        ("<script>alert(1)</script><style>x{}</style>safe<iframe src=x>no</iframe>", "safe"),
        ("<img src='cat.jpg'> <img src=x alt='A cat'>", "[image: cat.jpg] [image: A cat]"),
        ("<img src='data:image/png;base64,AA'>", "[image]"),
        ("[sound:a b.mp3]", "[sound: a b.mp3]"),
        ("<anki-mathjax>x^2</anki-mathjax> [latex]y[/latex]", "\\(x^2\\) \\(y\\)"),
        ("a<!-- hidden -->b<![CDATA[c]]>", "ab"),
        ("<b>unclosed <i>markup", "unclosed markup"),
        ("x\x00y&#0;z", "xyz"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a | b"),
    ],
)  # fmt: skip
def test_html_becomes_what_is_read_aloud(html: str, text: str) -> None:
    assert text_of(html).replace("\ufffd", "") == text


# --- text files


def read(text: str | bytes, deck: str | None = None) -> list[tuple[str, str, str, tuple[str, ...]]]:
    content = text if isinstance(text, bytes) else text.encode()
    return [(one.front, one.back, one.deck, one.tags) for one in delimited.read(content, deck)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,b\nc,d\n", [("a", "b", "Default", ()), ("c", "d", "Default", ())]),
        ("a\tb, c\n", [("a", "b, c", "Default", ())]),
        ("a;b\r\nc;d\r\n", [("a", "b", "Default", ()), ("c", "d", "Default", ())]),
        ("Question;Answer;Tags\na;b;x y\n", [("a", "b", "Default", ("x", "y"))]),
        ("Antwort,Frage,Stapel\nb,a,Spanisch\n", [("a", "b", "Spanisch", ())]),
        ("#separator:Pipe\n#deck:Math\n#tags:t\na|b\n", [("a", "b", "Math", ("t",))]),
        ("#separator:tab\n#html:true\n<b>a</b>\t&lt;b&gt;<br>c\n", [("a", "<b>\nc", "Default", ())]),
        ("#separator:,\n#html:false\n<b>a</b>,b\n", [("<b>a</b>", "b", "Default", ())]),
        ("#deck column:1\n#tags column:4\n#separator:;\nD;a;b;x\n", [("a", "b", "D", ("x",))]),
        ("#separator:Comma\n#columns:Back,Front\nb,a\n", [("a", "b", "Default", ())]),
        ("#guid column:1\n#notetype column:2\n#separator:,\ng,Basic,a,b\n", [("a", "b", "Default", ())]),
        ('"a ""quoted""","two\nlines"\n', [('a "quoted"', "two\nlines", "Default", ())]),
        ("# a comment\na,b\n# another\n\n,,\n", [("a", "b", "Default", ())]),
        ("sep=;\na, x;b\n", [("a, x", "b", "Default", ())]),
        ("a,b\rc,d\r", [("a", "b", "Default", ()), ("c", "d", "Default", ())]),
        ("a,b,more,\n", [("a", "b\nmore", "Default", ())]),
        ("{{c1::a}} {{c2::b}}\n", [("{{c1::a}} b", "", "Default", ()), ("a {{c2::b}}", "", "Default", ())]),
        ("a\u2028x,b\n", [("a\u2028x", "b", "Default", ())]),
    ],
)
def test_text_files_of_spreadsheets_and_of_anki(text: str, found: list[Any]) -> None:
    assert read(text) == found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_text_files_are_read_in_the_encoding_that_they_have(encoding: str) -> None:
    text = "Größe;Maß\nStraße;straße – “zitiert”\nÜber;über die Brücke, schön\n"
    assert [one[:2] for one in read(text.encode(encoding))][1] == ("Straße", "straße – “zitiert”")


def test_the_deck_that_is_given_is_for_cards_whose_deck_the_file_does_not_say(learner: Learner) -> None:
    assert [one[2] for one in read("a,b\n", "Mine")] == ["Mine"]
    assert [one[2] for one in read("#deck:Theirs\na,b\n", "Mine")] == ["Theirs"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"SQLite format 3\x00" + bytes(100), "export a deck"),
        (bytes(range(256)) * 10, "neither"),
        (b",".join([b"x"] * 300) + b"\n", "300 columns"),
        (b"a,b\n" + b'"' + b"x" * 200_000 + b"\n", "field larger than field limit"),
        (b"PK\x03\x04 and no more", "not a ZIP file"),
    ],
)
def test_what_is_no_file_of_cards_is_refused_with_the_reason(learner: Learner, content: bytes, why: str) -> None:
    with pytest.raises(UnreadableCards, match=why):
        imported(learner, "x.apkg", content)
    assert rows(learner, cards) == []


def test_a_file_of_which_the_end_is_broken_leaves_nothing(learner: Learner) -> None:
    good = "".join(f"{number},x\n" for number in range(2_000)).encode()
    with pytest.raises(UnreadableCards, match="Line 2001"):
        imported(learner, "x.csv", good + b",".join([b"x"] * 100) + b"\n")
    assert rows(learner, cards) == []


@both_stores
def test_several_thousand_cards_come_in_at_once(learner: Learner) -> None:
    content = "".join(f"question {number};answer {number}\n" for number in range(3_000)).encode()
    assert imported(learner, "x.csv", content, deck="Many").decks == {"Many": 3_000}
    newest = learner(list_cards, limit=1).items[0]
    assert newest.front == "question 2999" and newest.due_at == START
