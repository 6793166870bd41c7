"""Files that go back beyond others, and what was pending in one and booked in the next, on both stores."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from statement_kit import camt, entry, ofx

from tasks.finance import actions
from tasks.finance.doubt_actions import MOST_AT_ONCE

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]
PENDING = "<Sts>PDNG</Sts>"


def test_a_file_that_goes_back_beyond_the_last_balances_is_proven_from_one_within_it(bring):
    coffee, tea, pay = ("2024-01-05", "-3.50", "Coffee"), ("2024-02-02", "-2.00", "Tea"), ("2024-03-03", "9.00", "Pay")
    bring(ofx(coffee, balance=("2024-01-31", "96.50")))
    bring(ofx(tea, balance=("2024-02-29", "94.50")))
    report = bring(ofx(coffee, tea, pay, balance=("2024-03-31", "103.50")))
    assert (report.added, report.known, report.proven) == (1, 2, True)
    wrong = bring(ofx(coffee, tea, pay, ("2024-04-03", "1.00", "Gift"), balance=("2024-04-30", "100.00")))
    assert str(wrong.accounts[0].proofs[0].verdict) == "differs"


def test_an_older_file_brings_nothing_back_that_is_booked_by_now(bring, kept):
    older = camt(entry("-12.00", "CARD HOTEL BERLIN", "2024-02-01", status=PENDING))
    bring(older)
    bring(camt(entry("-12.00", "HOTEL BERLIN MITTE", "2024-02-12"), closing="88.00"))
    again = bring(older)
    assert (again.added, again.known, again.doubtful) == (0, 1, 0)
    assert [text for _, _, text in kept()] == ["Payee · HOTEL BERLIN MITTE"]


def test_a_pending_payment_after_one_that_is_booked_is_another(bring, kept):
    bring(camt(entry("-3.50", "COFFEE CORNER", "2024-02-01"), closing="96.50"))
    assert bring(camt(entry("-3.50", "COFFEE CORNER", "2024-02-02", status=PENDING))).added == 1
    assert len(kept()) == 2


def test_what_was_pending_before_outlives_the_undo_of_the_import_that_booked_it(bring, run):
    bring(camt(entry("-12.00", "CARD HOTEL BERLIN", "2024-02-01", status=PENDING)))
    [one] = run(actions.list_transactions).items
    run(actions.categorize, transaction_ids=[one.id], category="Travel")
    booked = bring(camt(entry("-12.00", "HOTEL BERLIN MITTE", "2024-02-03"), closing="88.00"))
    undone = run(actions.undo_import, import_id=booked.import_id)
    assert (undone.removed, undone.kept) == (0, 1)
    assert [one.category for one in run(actions.list_transactions).items] == ["Travel"]


def test_more_questions_than_one_answer_takes_say_so_and_each_answer_is_taken_back_whole(bring, run):
    days = [str(date(2024, 1, 1) + timedelta(days=number)) for number in range(MOST_AT_ONCE + 10)]
    bring(ofx(*((day, "-1.00", f"Shop {day}") for day in days)))
    report = bring(ofx(*((day, "-1.00", f"Market {day}") for day in days)))
    assert report.doubtful == len(days)
    first = run(actions.settle_doubts, import_id=report.import_id, answer="same")
    assert (len(first.doubt_ids), first.left) == (MOST_AT_ONCE, 10)
    assert run(actions.settle_doubts, import_id=report.import_id, answer="same").left == 0
    run(actions.reopen_doubts, doubt_ids=first.doubt_ids)
    assert len(run(actions.list_doubts, limit=200).items) == 200
