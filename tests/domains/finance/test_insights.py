"""What transactions come to: sums, rhythms, what is unusual, rules, the exported file, and the part of the digest."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statement_kit import ofx

from llmcoder import Action, User
from llmcoder.declare.digest import Span
from llmcoder.ids import new_id
from llmcoder.money import Money
from llmcoder.testing import FakeContext, run_action
from llmcoder.zones import zone_of
from models.db.database import Database
from tasks.finance import actions
from tasks.finance.digests import SPENDING
from tasks.finance.patterns import Payment, is_outlier, median, name_key, oddities, recurrences

ACCOUNT = new_id()
TODAY = date(2030, 6, 30)


def paid(on: date, minor: int, text: str = "Shop", currency: str = "EUR") -> Payment:
    return Payment(new_id(), ACCOUNT, on, minor, currency, text, None, None)


def every(days: int, count: int, minor: int = -1_000, text: str = "Gym", until: date = TODAY) -> list[Payment]:
    return [paid(until - timedelta(days=days * n), minor, text) for n in reversed(range(count))]


# --- patterns, which are pure


@pytest.mark.parametrize(
    ("days", "name"), [(7, "weekly"), (14, "every two weeks"), (30, "monthly"), (91, "quarterly"), (365, "yearly")]
)
def test_what_comes_in_a_rhythm_is_found(days: int, name: str):
    [found] = recurrences(every(days, 4, until=TODAY), TODAY)
    assert (found.rhythm.name, found.usual, len(found.payments)) == (name, Money.parse("-10 EUR"), 4)


def test_months_of_any_length_are_monthly_and_end_on_the_day_there_is():
    days = [date(2030, 1, 31), date(2030, 2, 28), date(2030, 3, 31), date(2030, 4, 30), date(2030, 5, 31)]
    [found] = recurrences([paid(day, -1_000, "Rent") for day in days], date(2030, 6, 1))
    assert found.next_on == date(2030, 6, 30)


@pytest.mark.parametrize("text", ["NETFLIX 4711 2030-01", "Netflix.  ABC123 2030-02", "netflix,0815"])
def test_numbers_in_a_text_make_no_other_payee(text: str):
    assert name_key(paid(TODAY, -1, text)) == "netflix"


def test_what_came_twice_or_without_a_rhythm_or_is_over_is_not_recurring():
    irregular = [paid(TODAY - timedelta(days=n), -500, "Bar") for n in (0, 3, 40, 41, 90)]
    over = every(30, 6, text="Old gym", until=TODAY - timedelta(days=200))
    assert recurrences([*every(30, 2, text="Twice"), *irregular, *over], TODAY) == []


def test_a_payment_far_from_the_median_is_unusual_and_says_so_in_words():
    usual = [paid(TODAY - timedelta(days=10 + n), -300 - n, "Coffee") for n in range(10)]
    [found] = oddities([*usual, paid(TODAY, -4_500, "Coffee")], TODAY - timedelta(days=5))
    assert found.payment.minor == -4_500
    assert found.why == "45.00 EUR instead of about 3.04 EUR (the middle of 10 payments), 15 times as much."


def test_what_always_costs_the_same_is_unusual_when_it_costs_a_tenth_more():
    same = every(30, 6, until=TODAY - timedelta(days=30))
    assert oddities([*same, paid(TODAY, -1_050, "Gym")], TODAY) == []
    assert len(oddities([*same, paid(TODAY, -1_200, "Gym")], TODAY)) == 1


def test_a_large_payment_to_somebody_new_is_held_against_all_of_them():
    usual = [paid(TODAY - timedelta(days=10 + n), -2_000 - 10 * n, f"Shop {chr(97 + n)}") for n in range(10)]
    [found] = oddities([*usual, paid(TODAY, -90_000, "Stranger Ltd")], TODAY)
    assert found.why.startswith("900.00 EUR for somebody new")
    assert oddities([*usual, paid(TODAY, -100, "Kiosk")], TODAY) == []


def test_fewer_than_five_to_compare_with_say_nothing():
    few = [paid(TODAY - timedelta(days=n), -300, "Coffee") for n in range(1, 5)]
    assert oddities([*few, paid(TODAY, -90_000, "Coffee")], TODAY) == []


def test_currencies_are_not_compared():
    usual = [paid(TODAY - timedelta(days=n), -300 - n, "Coffee") for n in range(1, 9)]
    assert oddities([*usual, paid(TODAY, -90_000, "Coffee", "JPY")], TODAY) == []


@given(st.lists(st.integers(-(10**13), 10**13), min_size=1, max_size=30), st.integers(-(10**13), 10**13))
@settings(max_examples=200, deadline=None)
def test_the_median_is_in_the_middle_and_is_no_outlier_itself(values: list[int], shift: int):
    middle = median(values)
    assert 2 * sum(one < middle for one in values) <= len(values)
    assert 2 * sum(one > middle for one in values) <= len(values)
    assert middle.denominator in (1, 2)
    if middle.denominator == 1:
        assert not is_outlier(int(middle), values)
    assert median([one + shift for one in values]) == middle + Fraction(shift)


# --- actions

needs_a_store = pytest.mark.usefixtures("configured")


@pytest.fixture
def run(user: User) -> Callable[..., Any]:
    def run(action: Action[Any, Any], **given: object) -> Any:
        return run_action(action, given, FakeContext(user=user)).result

    return run


@pytest.fixture
def bring(user: User) -> Callable[[str], Any]:
    def bring(content: str | bytes, **given: object) -> Any:
        ctx = FakeContext(user=user)
        ref = ctx.give_file("statement.ofx", content.encode() if isinstance(content, str) else content)
        return run_action(actions.import_statement, {"file": ref.model_dump(mode="json"), **given}, ctx).result

    return bring


@pytest.mark.both_stores
@needs_a_store
def test_sums_are_by_month_currency_and_category(run, bring):
    bring(ofx(("2024-01-31", "-3.50", "Coffee"), ("2024-02-01", "-2.00", "Tea"), ("2024-02-02", "100.00", "Pay")))
    bring(ofx(("2024-02-02", "-700", "Ramen"), account="9", currency="JPY"))
    found = run(actions.list_transactions, text="tea").items[0]
    run(actions.categorize, transaction_ids=[found.id], category="Drinks")
    months = run(actions.summary, **{"from": "2024-01-01", "to": "2024-02-29"}).months
    assert [(one.month, one.net) for one in months] == [
        ("2024-02", Money.parse("-700 JPY")),
        ("2024-02", Money.parse("98.00 EUR")),
        ("2024-01", Money.parse("-3.50 EUR")),
    ]  # fmt: skip
    assert [(one.category, one.money_out, one.money_in) for one in months[1].categories] == [
        ("Drinks", Money.parse("-2.00 EUR"), Money.zero("EUR")), (None, Money.zero("EUR"), Money.parse("100 EUR"))
    ]  # fmt: skip


@pytest.mark.both_stores
@needs_a_store
def test_what_recurs_and_what_is_unusual_is_found_in_stored_rows(run, bring, db: Database):
    today = db.now().date()
    rows = [((today - timedelta(days=30 * n)).isoformat(), "-10.00", f"GYM {n}") for n in range(1, 8)]
    bring(ofx(*rows, (today.isoformat(), "-25.00", "GYM 99")))
    [found] = run(actions.recurring).items
    assert (found.every, found.usual, found.times) == ("monthly", Money.parse("-10 EUR"), 8)
    assert found.note == "The last one was -25.00 EUR, and they are about -10.00 EUR else."
    [odd] = run(actions.unusual).items
    assert odd.why == "25.00 EUR instead of about 10.00 EUR (the middle of 7 payments), 2.5 times as much."


@pytest.mark.both_stores
@needs_a_store
def test_rules_put_what_comes_and_what_is_there_into_categories(run, bring):
    bring(ofx(("2024-01-31", "-3.50", "Coffee House"), ("2024-02-01", "5.00", "Coffee refund")))
    mine = run(actions.list_transactions, text="house").items[0]
    run(actions.add_rule, words="COFFEE", category="Drinks", direction="out")
    run(actions.add_rule, words="coffee refund", category="Refunds")
    given = actions.apply_rules.input()
    done = run(actions.apply_rules)
    assert done.changed == 2
    assert {one.category for one in run(actions.list_transactions).items} == {"Drinks", "Refunds"}
    run(actions.restore_categories, **actions.apply_rules.undo.input(given, done).model_dump())
    assert {one.category for one in run(actions.list_transactions).items} == {None}
    run(actions.categorize, transaction_ids=[mine.id], category="Treats")
    assert run(actions.apply_rules).changed == 1
    bring(ofx(("2024-03-01", "-3.50", "coffee to go")))
    by_text = {one.text: (one.category, one.category_by) for one in run(actions.list_transactions).items}
    assert by_text == {
        "coffee to go": ("Drinks", "rule"), "Coffee refund": ("Refunds", "rule"), "Coffee House": ("Treats", "user")
    }  # fmt: skip


@pytest.mark.both_stores
@needs_a_store
def test_an_undo_leaves_alone_what_has_been_put_into_another_category_since(run, bring):
    bring(ofx(("2024-02-01", "-3.50", "Coffee House"), ("2024-02-03", "-4.00", "Coffee Bar")))
    house, bar = run(actions.list_transactions, sort="date").items
    by_hand = actions.categorize.input(transaction_ids=[house.id, bar.id], category="Food")
    run(actions.add_rule, words="coffee", category="Drinks")
    for wanted, do in ((actions.apply_rules.input(), actions.apply_rules), (by_hand, actions.categorize)):
        done = run(do, **wanted.model_dump())
        run(actions.categorize, transaction_ids=[bar.id], category="Travel")
        run(actions.restore_categories, **do.undo.input(wanted, done).model_dump())
        assert {one.text: one.category for one in run(actions.list_transactions).items} == {
            "Coffee House": None, "Coffee Bar": "Travel"
        }  # fmt: skip
        run(actions.categorize, transaction_ids=[bar.id], category=None)


@pytest.mark.both_stores
@needs_a_store
def test_what_is_exported_imports_again_and_adds_nothing(user, run, bring):
    report = bring(
        ofx(("2024-01-31", "-1234.50", 'Café "Größe", Berlin'), ("2024-02-01", "5.00", "=cmd|' /C calc'!A0"))
    )
    ctx = FakeContext(user=user)
    exported = run_action(actions.export, {}, ctx).result
    content = ctx.attached["transactions.csv"]
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert (exported.transactions, rows[0]["Amount"], rows[0]["Text"]) == (2, "-1234.50", 'Café "Größe", Berlin')
    assert rows[1]["Text"].startswith("'=cmd")
    again = bring(content, account=str(report.accounts[0].account_id))
    assert (again.added, again.known) == (0, 2)


@pytest.mark.both_stores
@needs_a_store
def test_an_export_is_read_as_it_was_written_also_by_somebody_else(user, new_user, run):
    for text in ("Total", "Opening balance", "=1+1", "-dash", "Coffee"):
        run(actions.add_transaction, account="Cash", booked_on="2024-01-31", amount="-3.50 EUR", text=text)
    noted = run(actions.list_transactions, text="coffee").items[0]
    run(actions.change_transaction, transaction_id=noted.id, note="=with Anna", category="Food")
    ctx = FakeContext(user=user)
    run_action(actions.export, {}, ctx)
    content = ctx.attached["transactions.csv"]
    for who, counts in ((user, (0, 5)), (new_user("eve@example.com"), (5, 0))):
        own = FakeContext(user=who)
        ref = own.give_file("transactions.csv", content)
        report = run_action(actions.import_statement, {"file": ref.model_dump(mode="json")}, own).result
        assert (report.added, report.known, report.doubtful) == (*counts, 0)
        listed = run_action(actions.list_transactions, {}, own).result.items
        assert {one.text for one in listed} == {"Total", "Opening balance", "=1+1", "-dash", "Coffee"}
        assert [one.category for one in listed if one.text == "Coffee"] == ["Food"]


@pytest.mark.both_stores
@needs_a_store
def test_the_digest_says_what_was_spent_in_its_time(run, bring, db: Database):
    now = db.now()
    day = now.date().isoformat()
    bring(ofx((day, "-3.50", "Coffee"), (day, "-2.50", "Tea"), (day, "100.00", "Pay"), ("2020-01-01", "-9.00", "Old")))
    span = Span(now - timedelta(days=1), now, now + timedelta(days=1), zone_of("UTC"))
    items = run(actions.spending, **SPENDING.given(span)).items
    assert [(one.text, one.detail) for one in items] == [("No category", "6.00 EUR in 2 payments")]
    assert Decimal("6.00") == Money.parse(items[0].detail.split(" in ")[0]).amount
