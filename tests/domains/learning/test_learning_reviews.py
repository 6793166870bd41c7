"""Answers: each counts once, the log only grows, and a card is what its log says, as py-fsrs says it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import fsrs
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from learning_kit import START, Learner

from llmcoder import BadInput, NotFound
from llmcoder.ids import new_id
from tasks.learning import log_rows
from tasks.learning.actions import (
    add_card,
    add_cards,
    change_card,
    change_options,
    check_schedule,
    list_cards,
    remove_card,
    remove_cards,
    restore_options,
    review,
    show_options,
    take_back_review,
)
from tasks.learning.scheduling import (
    CardState,
    Entry,
    Kind,
    Memory,
    Rating,
    of_row,
    replayed,
    retrievability,
    reviewed,
    varied_days,
)
from tasks.learning.tables import cards, reviews

both_stores = pytest.mark.both_stores
Ratings = list[tuple[Rating, int]]


def card_of(learner: Learner, **more: Any) -> UUID:
    return learner(add_card, **({"front": "2 + 2?", "back": "4"} | more)).id


def row_of(learner: Learner, card_id: UUID) -> Any:
    with learner.db.read() as conn:
        return conn.execute(sa.select(cards).where(cards.c.id == card_id)).one()


def log_of(learner: Learner, card_id: UUID) -> list[Entry]:
    with learner.db.read() as conn:
        return log_rows.entries_of(conn, learner.user.id, [card_id])[card_id]


# --- pure: equal to py-fsrs, whatever somebody answers

answers = st.lists(st.tuples(st.sampled_from(Rating), st.integers(0, 400 * 86_400)), min_size=1, max_size=25)


def entries(ratings: Ratings) -> list[Entry]:
    at, made = START, []
    for rating, wait_s in ratings:
        at += timedelta(seconds=wait_s)
        made.append(Entry(new_id(), at, rating=rating))
    return made


@given(answers)
@settings(max_examples=300, deadline=None)
def test_a_card_is_what_py_fsrs_makes_of_its_log(ratings: Ratings) -> None:
    log = entries(ratings)
    scheduler = fsrs.Scheduler(enable_fuzzing=False)
    logs = [fsrs.ReviewLog(1, fsrs.Rating(one.rating.number), one.at, None) for one in log if one.rating]
    theirs = scheduler.reschedule_card(fsrs.Card(card_id=1, due=START), logs)
    ours = replayed(log, START)
    assert (ours.stability, ours.difficulty, ours.step) == (theirs.stability, theirs.difficulty, theirs.step)
    assert (ours.due_at, ours.last_review_at) == (theirs.due, theirs.last_review)
    assert ours.state.name == theirs.state.name.upper()
    later = ours.due_at + timedelta(days=3)
    assert retrievability(ours, later) == scheduler.get_card_retrievability(theirs, later)


@given(answers, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_in_which_answers_arrive_changes_nothing(ratings: Ratings, random: Any) -> None:
    log = entries(ratings)
    step_by_step = Memory(CardState.NEW, due_at=START)
    for one in log:
        step_by_step = reviewed(step_by_step, one)
    mixed = list(log)
    random.shuffle(mixed)
    assert replayed(mixed, START) == step_by_step


@given(answers, st.data())
@settings(max_examples=100, deadline=None)
def test_an_answer_that_was_taken_back_was_never_given(ratings: Ratings, data: st.DataObject) -> None:
    log = entries(ratings)
    gone = data.draw(st.sampled_from(log))
    void = Entry(new_id(), log[-1].at, Kind.VOID, voids=gone.id)
    assert replayed([*log, void], START) == replayed([one for one in log if one is not gone], START)


@given(st.integers(1, 40_000), st.floats(0, 1))
def test_fuzz_stays_within_the_ranges_of_fsrs(days: int, chance: float) -> None:
    days = min(days, 36_500)
    varied = varied_days(days, chance)
    assert varied == days if days < 3 else 2 <= varied <= 36_500
    assert abs(varied - days) <= 1 + 0.15 * 4.5 + 0.1 * 13 + 0.05 * max(0, days - 20) + 1


def test_fuzz_spreads_cards_of_one_day_over_several() -> None:
    days = {varied_days(30, number / 100) for number in range(101)}
    assert days == set(range(min(days), max(days) + 1)) and len(days) >= 5


# --- with rows


@both_stores
@given(answers)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_stored_equals_what_the_log_says(learner: Learner, ratings: Ratings) -> None:
    """With fuzz, too: the chance stands in the log."""
    learner.now = START
    card_id = card_of(learner)
    for rating, wait_s in ratings:
        learner.later(seconds=wait_s)
        learner(review, card_id=card_id, rating=rating)
    row = row_of(learner, card_id)
    assert of_row(row) == replayed(log_of(learner, card_id), row.created_at)
    check = learner(check_schedule)
    assert check.cards >= 1 and check.differing == []


@both_stores
def test_the_check_finds_a_card_that_somebody_has_changed_by_sql(learner: Learner) -> None:
    good, bad = card_of(learner), card_of(learner)
    for one in (good, bad):
        learner(review, card_id=one, rating="good")
    with learner.db.write() as conn:
        conn.execute(sa.update(cards).where(cards.c.id == bad).values(stability=99.0))
    check = learner(check_schedule)
    assert (check.cards, check.differing) == (2, [bad])


@both_stores
def test_without_fuzz_the_intervals_are_those_of_py_fsrs(learner: Learner) -> None:
    learner.limits({"fuzz": False, "retention": 0.85})
    card_id = card_of(learner)
    theirs, scheduler = fsrs.Card(card_id=1), fsrs.Scheduler(desired_retention=0.85, enable_fuzzing=False)
    for rating in (Rating.GOOD, Rating.GOOD, Rating.HARD, Rating.AGAIN, Rating.GOOD, Rating.EASY):
        learner(review, card_id=card_id, rating=rating)
        theirs, _ = scheduler.review_card(theirs, fsrs.Rating(rating.number), learner.now)
        row = row_of(learner, card_id)
        assert (row.due_at, row.stability) == (theirs.due, theirs.stability)
        learner.now = row.due_at
    assert (row.reviews, row.lapses) == (6, 1)


@both_stores
def test_a_double_click_counts_once(learner: Learner) -> None:
    card_id = card_of(learner)
    first = learner(review, card_id=card_id, rating="good", key="click-1")
    learner.later(seconds=1)
    second = learner(review, card_id=card_id, rating="good", key="click-1")
    assert (first.counted, second.counted) == (True, False)
    assert second.review_id == first.review_id and second.due_at == first.due_at
    assert len(log_of(learner, card_id)) == 1
    assert learner(review, card_id=card_id, rating="good", key="click-2").counted


@both_stores
def test_ten_clicks_at_the_same_time_count_once(learner: Learner) -> None:
    card_id = card_of(learner)
    counted: list[bool] = []
    start = threading.Barrier(10)

    def click() -> None:
        start.wait(30)
        counted.append(learner(review, card_id=card_id, rating="easy", key="same").counted)

    threads = [threading.Thread(target=click) for _ in range(10)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(counted) == [False] * 9 + [True]
    assert row_of(learner, card_id).reviews == 1


@both_stores
def test_a_job_that_is_run_again_counts_once(learner: Learner) -> None:
    card_id, job_id = card_of(learner), new_id()
    assert learner(review, job_id, card_id=card_id, rating="good").counted
    assert not learner(review, job_id, card_id=card_id, rating="good").counted


@both_stores
@pytest.mark.parametrize("other", ["card", "rating"])
def test_a_key_of_another_answer_is_refused(learner: Learner, other: str) -> None:
    one, two = card_of(learner), card_of(learner)
    learner(review, card_id=one, rating="good", key="k")
    with pytest.raises(BadInput, match="another answer"):
        learner(review, card_id=two if other == "card" else one, rating="easy", key="k")
    assert row_of(learner, two).reviews == 0


@both_stores
def test_the_same_key_of_another_user_is_another_key(learner: Learner, bob: Learner) -> None:
    mine, theirs = card_of(learner), card_of(bob)
    assert learner(review, card_id=mine, rating="good", key="k").counted
    assert bob(review, card_id=theirs, rating="good", key="k").counted


@both_stores
def test_an_answer_given_without_a_network_takes_its_place_among_the_others(learner: Learner) -> None:
    card_id = card_of(learner)
    learner.later(days=3)
    learner(review, card_id=card_id, rating="good")
    early = START + timedelta(hours=1)
    learner(review, card_id=card_id, rating="again", reviewed_at=early.isoformat(), duration_s=4.5)
    row, log = row_of(learner, card_id), log_of(learner, card_id)
    assert sorted(one.at for one in log) == [early, START + timedelta(days=3)]
    assert of_row(row) == replayed(log, row.created_at)
    assert (row.introduced_at, row.last_review_at) == (early, START + timedelta(days=3))
    assert 4.5 in [one.duration_s for one in log]


@pytest.mark.parametrize("at", ["1969-12-31T23:00:00Z", "1970-01-01T00:00:00Z", "1904-01-01T00:00:00Z"])
def test_an_answer_of_a_clock_that_was_never_set_is_refused(learner: Learner, at: str) -> None:
    card = learner(add_card, front="q", back="a")
    with pytest.raises(BadInput, match="never set"):
        learner(review, card_id=card.id, rating="good", reviewed_at=at)
    assert learner(check_schedule).differing == [] and learner(list_cards).items[0].state == "new"


@both_stores
def test_an_answer_of_tomorrow_is_refused_and_a_clock_that_is_a_little_ahead_is_not(learner: Learner) -> None:
    card_id = card_of(learner)
    with pytest.raises(BadInput, match="still to come"):
        learner(review, card_id=card_id, rating="good", reviewed_at=(START + timedelta(days=1)).isoformat())
    learner(review, card_id=card_id, rating="good", reviewed_at=(START + timedelta(minutes=2)).isoformat())
    assert row_of(learner, card_id).last_review_at == START


@both_stores
def test_an_answer_is_taken_back_once_and_the_log_keeps_both(learner: Learner) -> None:
    card_id = card_of(learner)
    before = of_row(row_of(learner, card_id))
    done = learner(review, card_id=card_id, rating="again")
    undo = review.undo.input(None, done)
    for _ in range(2):
        taken = learner(take_back_review, **undo.model_dump())
        assert (taken.state, taken.due_at) == ("new", START)
    assert of_row(row_of(learner, card_id)) == before
    assert sorted(one.kind for one in log_of(learner, card_id)) == ["review", "void"]


@both_stores
def test_no_key_of_a_client_stands_in_the_way_of_ours(learner: Learner) -> None:
    card_id = card_of(learner)
    first = learner(review, card_id=card_id, rating="good")
    learner(review, card_id=card_id, rating="good", key=f"void {first.review_id}")
    learner(review, card_id=card_id, rating="good", key="x" * 100)
    learner(take_back_review, review_id=first.review_id)
    assert row_of(learner, card_id).reviews == 2


@both_stores
def test_the_log_refuses_to_be_changed(learner: Learner) -> None:
    card_id = card_of(learner)
    learner(review, card_id=card_id, rating="good")
    with pytest.raises(sa.exc.DBAPIError, match="only grows"), learner.db.write() as conn:
        conn.execute(sa.update(reviews).values(rating=4))
    assert [one.rating for one in log_of(learner, card_id)] == [Rating.GOOD]


@both_stores
def test_a_card_that_is_gone_leaves_its_log_and_takes_no_more_answers(learner: Learner) -> None:
    card_id = card_of(learner)
    done = learner(review, card_id=card_id, rating="good")
    learner(remove_card, card_id=card_id)
    assert len(log_of(learner, card_id)) == 1
    with pytest.raises(NotFound, match="no card"):
        learner(review, card_id=card_id, rating="good")
    assert learner(take_back_review, review_id=done.review_id).state is None


@both_stores
def test_anothers_cards_and_answers_are_not_there(learner: Learner, bob: Learner) -> None:
    card_id = card_of(learner)
    done = learner(review, card_id=card_id, rating="good")
    with pytest.raises(NotFound):
        bob(review, card_id=card_id, rating="again")
    with pytest.raises(NotFound):
        bob(take_back_review, review_id=done.review_id)
    assert bob(remove_cards, ids=[card_id]).removed == 0
    assert row_of(learner, card_id).reviews == 1


@both_stores
def test_limits_are_changed_and_set_back(learner: Learner) -> None:
    usual = learner(show_options)
    done = learner(change_options, daily_new=3)
    assert learner(show_options).daily_new == 3
    learner(restore_options, **change_options.undo.input(None, done).model_dump())
    assert learner(show_options) == usual


@both_stores
def test_several_cards_are_kept_at_once_in_order_and_taken_back_as_one(learner: Learner) -> None:
    job_id = new_id()
    new = [{"front": f"{n}?", "back": str(n), "tags": ["x", "y"], "source_path": "/jobs/1"} for n in range(5)]
    done = learner(add_cards, job_id, cards=new)
    assert learner(add_cards, job_id, cards=new) == done
    listed = learner(list_cards, sort="created").items
    assert [one.front for one in listed] == [one["front"] for one in new]
    assert [one.id for one in listed] == done.added
    assert [one.id for one in learner(list_cards, tag="y", source="/jobs/1", text="3").items] == [done.added[3]]
    assert learner(remove_cards, **add_cards.undo.input(None, done).model_dump()).removed == 5


@both_stores
def test_what_is_learned_of_a_card_stays_when_its_words_change(learner: Learner) -> None:
    card_id = card_of(learner)
    learner(review, card_id=card_id, rating="easy")
    before = of_row(row_of(learner, card_id))
    changed = learner(change_card, card_id=card_id, back="four", suspended=True)
    assert (changed.back, changed.suspended) == ("four", True)
    assert of_row(row_of(learner, card_id)) == before


def test_a_card_without_an_answer_is_refused_unless_its_front_has_a_hole(learner: Learner) -> None:
    with pytest.raises(ValueError, match="a card has a back"):
        card_of(learner, back="")
    assert card_of(learner, front="{{c1::Paris}} is in France", back="")


def test_times_are_utc(learner: Learner) -> None:
    card_id = card_of(learner)
    done = learner(review, card_id=card_id, rating="good", reviewed_at="2026-03-02T09:30:00+01:00")
    assert done.due_at.tzinfo is UTC or done.due_at.utcoffset() == timedelta(0)
    assert row_of(learner, card_id).last_review_at == datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
