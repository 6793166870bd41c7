"""What is due: by the chance that it is recalled, no more than a day holds, on the clock of the user's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from learning_kit import START, Learner

from tasks.learning.actions import add_card, change_card, due, list_decks, review, take_back_review
from tasks.learning.day import day_of

both_stores = pytest.mark.both_stores
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham", "Australia/Lord_Howe")


def card_of(learner: Learner, front: str = "?", **more: Any) -> UUID:
    return learner(add_card, front=front, back="!", **more).id


def known_cards(learner: Learner, count: int, days_apart: int = 1) -> list[UUID]:
    """Cards that were answered with `easy`, one every few days: the first is the most forgotten."""
    made = []
    for number in range(count):
        made.append(card_of(learner, f"known {number}"))
        learner(review, card_id=made[-1], rating="easy")
        learner.later(days=days_apart)
    return made


def fronts(page: Any) -> list[str]:
    return [one.question for one in page.items]


@both_stores
def test_a_new_card_is_due_at_once_and_no_more_new_ones_than_a_day_holds(learner: Learner) -> None:
    learner.limits({"daily_new": 3})
    made = [card_of(learner, str(number)) for number in range(5)]
    page = learner(due)
    assert fronts(page) == ["0", "1", "2"]
    assert (page.left_today, page.answered_today) == (3, 0)
    assert page.summary == "3 cards for today: 3 new."
    for one in made[:2]:
        learner(review, card_id=one, rating="easy")
    page = learner(due)
    assert fronts(page) == ["2"]
    assert (page.left_today, page.answered_today) == (1, 2)
    learner.later(days=1)
    assert fronts(learner(due)) == ["2", "3", "4"]


@both_stores
def test_those_that_come_back_are_in_the_order_of_how_much_is_forgotten(learner: Learner) -> None:
    learner.limits({"fuzz": False})
    made = known_cards(learner, 6, days_apart=2)
    learner.later(days=20)
    page = learner(due)
    chances = [one.retrievability for one in page.items]
    assert [one.card_id for one in page.items] == made
    assert chances == sorted(chances) and 0 < chances[0] < chances[-1] < 1
    turned = learner(due, order="known_first")
    assert [one.card_id for one in turned.items] == made[::-1]


@both_stores
def test_a_backlog_is_cut_into_days_and_says_what_waits(learner: Learner) -> None:
    known_cards(learner, 12)
    learner.limits({"daily_reviews": 5})
    learner.later(days=200)
    page = learner(due)
    assert (len(page.items), page.left_today, page.waiting) == (5, 5, 7)
    assert page.summary == "5 cards for today: 5 to review. 7 more wait for another day."
    for one in page.items:
        learner(review, card_id=one.card_id, rating="good")
    page = learner(due)
    assert (page.items, page.summary, page.waiting, page.answered_today) == ([], None, 7, 5)
    learner.later(days=1)
    assert len(learner(due).items) == 5


@both_stores
def test_a_card_counts_once_a_day_however_often_it_is_answered(learner: Learner) -> None:
    learner.limits({"daily_reviews": 2})
    known_cards(learner, 3)
    learner.later(days=100)
    first = learner(due).items[0]
    learner(review, card_id=first.card_id, rating="again")
    learner.later(minutes=11)
    page = learner(due)
    assert page.items[0].card_id == first.card_id and len(page.items) == 2
    learner(review, card_id=first.card_id, rating="good")
    assert (len(learner(due).items), learner(due).answered_today) == (1, 1)


@both_stores
def test_what_was_taken_back_does_not_count(learner: Learner) -> None:
    learner.limits({"daily_new": 1})
    card_id = card_of(learner)
    done = learner(review, card_id=card_id, rating="easy")
    assert learner(due).items == []
    learner(take_back_review, review_id=done.review_id)
    page = learner(due)
    assert [one.card_id for one in page.items] == [card_id]
    assert page.answered_today == 0


@both_stores
def test_a_card_that_is_being_learned_comes_within_its_minutes_and_before_all_others(learner: Learner) -> None:
    first, second = card_of(learner, "first"), card_of(learner, "second")
    learner(review, card_id=second, rating="again")
    page = learner(due)
    assert [one.card_id for one in page.items] == [first]
    assert page.next_learning_at == START + timedelta(minutes=1)
    learner.later(minutes=1)
    assert [one.card_id for one in learner(due).items] == [second, first]


@both_stores
def test_a_day_ends_on_the_clock_of_the_users_zone(learner: Learner) -> None:
    learner.limits({"daily_new": 1})
    made = [card_of(learner, str(number)) for number in range(2)]
    learner.lives_in("America/New_York")
    learner.now = datetime(2026, 3, 10, 3, 0, tzinfo=UTC)  # 23:00 on the 9th there
    learner(review, card_id=made[0], rating="easy")
    page = learner(due)
    assert (page.items, page.timezone) == ([], "America/New_York")
    assert page.day_ends_at == datetime(2026, 3, 10, 8, 0, tzinfo=UTC)  # 4 in the morning there
    learner.now = datetime(2026, 3, 10, 7, 59, tzinfo=UTC)
    assert learner(due).items == []
    learner.now = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)
    assert [one.card_id for one in learner(due).items] == [made[1]]


@both_stores
def test_a_card_of_this_evening_is_due_this_morning(learner: Learner) -> None:
    learner.limits({"fuzz": False})
    learner.now = START.replace(hour=22)
    card_id = card_of(learner)
    wait = learner(review, card_id=card_id, rating="easy").due_at - learner.now
    learner.now = START.replace(hour=7) + wait
    assert [one.card_id for one in learner(due).items] == [card_id]
    learner.now -= timedelta(days=1)
    assert learner(due).items == []


@both_stores
def test_a_deck_alone_and_what_is_put_aside(learner: Learner) -> None:
    git, sql = card_of(learner, "git?", deck="Git"), card_of(learner, "sql?", deck="sql")
    card_of(learner, "later?", deck="git")
    assert fronts(learner(due, deck="GIT")) == ["git?", "later?"]
    learner(change_card, card_id=git, suspended=True)
    assert fronts(learner(due)) == ["sql?", "later?"]
    learner(review, card_id=sql, rating="easy")
    learner.later(days=30)
    decks = {one.deck: (one.cards, one.new, one.due) for one in learner(list_decks).items}
    assert decks == {"Git": (2, 2, 0), "sql": (1, 0, 1)}


@both_stores
def test_a_card_with_holes_asks_for_them_and_answers_with_the_whole(learner: Learner) -> None:
    learner(add_card, front="{{c1::Paris::city}} is the capital of {{c2::France}}.", back="Since 987.")
    (one,) = learner(due).items
    assert one.question == "[city] is the capital of […]."
    assert one.answer == "Paris is the capital of France.\n\nSince 987."


@both_stores
def test_anothers_cards_are_not_due_for_me(learner: Learner, bob: Learner) -> None:
    card_of(learner)
    page = bob(due)
    assert (page.items, page.summary, page.left_today) == ([], None, 0)


@given(st.integers(0, 15 * 365 * 86_400), st.sampled_from(ZONES), st.integers(0, 12))
def test_every_instant_belongs_to_one_day_and_days_leave_no_gap(second: int, name: str, hour: int) -> None:
    now, zone = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=second), ZoneInfo(name)
    day = day_of(now, zone, hour)
    assert day.start <= now < day.end
    assert timedelta(hours=22) <= day.end - day.start <= timedelta(hours=26)
    following = day_of(day.end, zone, hour)
    assert following.start == day.end and following.date == day.date + timedelta(days=1)
    assert day_of(day.end - timedelta(microseconds=1), zone, hour) == day
