"""Cards out of here: Anki reads the package, with its schedule and its log, and so do we."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from anki_kit import IMPORT, anki
from learning_kit import Learner
from test_learning_import import imported, kept

from llmcoder.testing import run_action
from tasks.learning.actions import add_card, change_card, check_schedule, export, list_cards, remove_card, review
from tasks.learning.tables import cards

both_stores = pytest.mark.both_stores


def exported(learner: Learner, **wish: Any) -> tuple[Any, bytes]:
    ctx = learner.context()
    done = run_action(export, wish, ctx).result
    return done, ctx.attached[done.name]


def filled(learner: Learner) -> None:
    """Cards in every state, with texts that are no HTML."""
    learner.limits({"fuzz": False})
    learner.now = datetime.now(UTC) - timedelta(days=40)
    given = [
        ("new", "1 < 2 & <b>?", "yes &amp; no\nsecond line", "Math::Basic", ["a", "b"]),
        ("known", "known?", "yes", "Math::Basic", []),
        ("forgotten", "forgotten?", "yes", "Default", []),
        ("learning", "learning?", "yes", "Default", []),
        ("hole", "{{c2::Paris}} is the capital of {{c3::France::country}}", "Since 987", "Geo", ["x"]),
        ("aside", "aside?", "yes", "Default", []),
    ]
    ids = {
        name: learner(add_card, front=front, back=back, deck=deck, tags=tags).id
        for name, front, back, deck, tags in given
    }
    for name in ("known", "forgotten"):
        learner(review, card_id=ids[name], rating="easy", duration_s=3)
    learner.later(days=20)
    learner(review, card_id=ids["known"], rating="good")
    learner(review, card_id=ids["forgotten"], rating="again")
    learner(review, card_id=ids["learning"], rating="hard")
    learner(change_card, card_id=ids["aside"], suspended=True)


@both_stores
def test_anki_reads_our_package_with_its_schedule_and_its_log(learner: Learner, tmp_path: Path) -> None:
    filled(learner)
    done, content = exported(learner)
    path = tmp_path / "cards.apkg"
    path.write_bytes(content)
    seen = anki(IMPORT, tmp_path / "anki", path=str(path))
    assert (seen["new"], seen["problems"]) == (done.cards, "")
    assert done.cards == 6
    by_question = {one["question"].rpartition("</style>")[2]: one for one in seen["cards"]}
    new = by_question["1 &lt; 2 &amp; &lt;b&gt;?"]
    assert (new["type"], new["deck"], new["tags"], new["log"]) == (0, "Math::Basic", ["a", "b"], [])
    assert new["answer"].endswith("yes &amp;amp; no<br>second line")
    known = by_question["known?"]
    ours = kept(learner)["known?"]
    assert (known["type"], known["queue"], known["reps"], known["log"]) == (2, 2, 2, [4, 3])
    assert known["memory"] == pytest.approx([ours.stability, ours.difficulty], abs=0.01)
    assert abs(known["due"] - (ours.due_at - datetime.now(UTC)) / timedelta(days=1)) < 1.5
    forgotten = by_question["forgotten?"]
    assert (forgotten["type"], forgotten["lapses"], forgotten["log"]) == (3, 1, [4, 1])
    assert (by_question["learning?"]["type"], by_question["aside?"]["queue"]) == (1, -1)
    (hole,) = [one for one in seen["cards"] if one["deck"] == "Geo"]
    assert "[...]" in hole["question"] and "[country]" in hole["question"] and "Since 987" in hole["answer"]


@both_stores
@pytest.mark.parametrize("kind", ["apkg", "csv"])
def test_what_is_here_is_known_again(learner: Learner, kind: str) -> None:
    filled(learner)
    done, content = exported(learner, format=kind)
    again = imported(learner, done.name, content)
    assert (again.added, again.already_there) == (0, 6)
    assert learner(check_schedule).differing == []


@both_stores
def test_another_user_gets_the_same_cards_with_what_was_learned_of_them(learner: Learner, bob: Learner) -> None:
    filled(learner)
    bob.now = learner.now
    done, content = exported(learner)
    imported(bob, done.name, content)
    theirs, ours = kept(bob), kept(learner)
    hole = "{{c1::Paris}} is the capital of {{c1::France::country}}"
    assert theirs.keys() - {hole} == {one for one in ours if "Paris" not in one} and hole in theirs
    for front in ("known?", "1 < 2 & <b>?", "aside?"):
        one, other = theirs[front], ours[front]
        names = ("back", "deck", "tags", "suspended", "state", "reviews")
        assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
    assert theirs["known?"].stability == pytest.approx(ours["known?"].stability, abs=0.001)
    assert bob(check_schedule).differing == []


def test_the_text_file_brings_back_a_card_that_was_removed(learner: Learner) -> None:
    learner(add_card, front='a, "b"', back="c\nd", deck="D", tags=["t"])
    _, content = exported(learner, format="csv")
    assert content.decode().startswith("#separator:Comma\n#html:false\n")
    (card,) = learner(list_cards).items
    learner(remove_card, card_id=card.id)
    imported(learner, "cards.csv", content)
    (again,) = learner(list_cards).items
    assert (again.front, again.back, again.deck, again.tags) == ('a, "b"', "c\nd", "D", ["t"])


def test_a_deck_alone_without_history(learner: Learner, tmp_path: Path) -> None:
    filled(learner)
    done, content = exported(learner, deck="math::basic", with_history=False)
    path = tmp_path / "cards.apkg"
    path.write_bytes(content)
    seen = anki(IMPORT, tmp_path / "anki", path=str(path))
    assert done.cards == len(seen["cards"]) == 2
    assert [(one["type"], one["log"]) for one in seen["cards"]] == [(0, [])] * 2


def test_no_cards_are_a_package_without_cards(learner: Learner, tmp_path: Path) -> None:
    done, content = exported(learner)
    assert done.cards == 0
    path = tmp_path / "cards.apkg"
    path.write_bytes(content)
    assert zipfile.ZipFile(path).namelist() == ["collection.anki2", "media"]
    with pytest.raises(AssertionError):
        assert imported(learner, "x.apkg", content).added
    with learner.db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(cards)).scalar_one() == 0
