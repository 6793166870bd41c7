"""StatementImports: added once, twins kept two, doubts asked about, proven against the balance, undone as one, on both stores."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest
import sqlalchemy as sa
from csv_samples import SAMPLES
from statement_kit import camt, entry, mt940, ofx

from llmcoder import BadInput, NotFound
from llmcoder.ids import new_id
from llmcoder.money import Money
from llmcoder.provenance import Taint
from llmcoder.testing import FakeContext, run_action
from models.db.database import Database
from tasks.finance import actions
from tasks.finance.import_actions import ImportReport
from tasks.finance.tables import accounts, balances, doubts, imports, sightings, transactions

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]
COFFEE = ("2024-02-01", "-3.50", "Coffee")
TEA = ("2024-02-02", "-2.00", "Tea")
PAY = ("2024-02-03", "100.00", "Pay")


def counts(report: ImportReport) -> tuple[int, int, int]:
    return report.added, report.known, report.doubtful


def test_a_statement_becomes_transactions_of_an_account(bring, run, kept):
    report = bring(ofx(COFFEE, TEA))
    assert counts(report) == (2, 0, 0)
    assert kept() == [("2024-02-01", Decimal("-3.50"), "Coffee"), ("2024-02-02", Decimal("-2.00"), "Tea")]
    account = run(actions.list_accounts).items[0]
    assert (account.number, account.currency, account.id) == ("100 12345", "EUR", report.accounts[0].account_id)


def test_the_same_file_again_adds_nothing(bring, kept):
    bring(ofx(COFFEE, TEA))
    assert counts(bring(ofx(COFFEE, TEA))) == (0, 2, 0)
    assert len(kept()) == 2


def test_the_same_job_again_imports_nothing_and_answers_the_same(bring, kept):
    job_id = new_id()
    first = bring(ofx(COFFEE), job_id)
    assert bring(ofx(COFFEE), job_id) == first
    assert len(kept()) == 1


def test_statements_that_overlap_add_what_is_new(bring, kept):
    bring(ofx(COFFEE, TEA))
    assert counts(bring(ofx(TEA, PAY))) == (1, 1, 0)
    assert len(kept()) == 3


def test_real_twins_stay_two_however_often_they_come(bring, kept):
    for expected in ((2, 0, 0), (0, 2, 0)):
        assert counts(bring(ofx(COFFEE, COFFEE))) == expected
    assert len(kept()) == 2


def test_a_twin_that_comes_later_is_added(bring, kept):
    bring(ofx(COFFEE))
    assert counts(bring(ofx(COFFEE, COFFEE))) == (1, 1, 0)
    assert len(kept()) == 2


def test_a_bank_that_renumbers_everything_doubles_nothing(bring, kept):
    bring(ofx((*COFFEE, "1"), (*TEA, "2")))
    assert counts(bring(ofx((*COFFEE, "901"), (*TEA, "902")))) == (0, 2, 0)
    assert len(kept()) == 2


def test_one_number_for_all_rows_keeps_them_apart(bring, kept):
    bring(ofx((*COFFEE, "0"), (*TEA, "0"), (*PAY, "0")))
    assert len(kept()) == 3


def test_case_blanks_and_signs_of_a_text_make_no_other_transaction(bring, kept):
    bring(ofx(("2024-02-01", "-3.50", "Coffee  Shop, Berlin")))
    assert counts(bring(ofx(("2024-02-01", "-3.50", "COFFEE SHOP BERLIN")))) == (0, 1, 0)


def test_accounts_keep_apart_what_is_alike(bring, kept):
    bring(ofx(COFFEE, account="1"))
    assert counts(bring(ofx(COFFEE, account="2"))) == (1, 0, 0)
    assert len(kept()) == 2


def test_imports_at_the_same_time_make_one_account_and_add_nothing_twice(bring, run, kept):
    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(bring, [ofx(COFFEE, COFFEE, TEA), ofx(COFFEE, COFFEE, PAY)] * 2))
    assert sum(one.added for one in reports) == len(kept()) == 4
    assert len(run(actions.list_accounts).items) == 1


# --- a person is asked


def test_another_text_for_the_same_amount_is_held_back_until_a_person_says(bring, run, kept):
    bring(ofx(COFFEE, TEA))
    report = bring(ofx(("2024-02-01", "-3.50", "CARD 4711 BERLIN"), TEA))
    assert counts(report) == (0, 1, 1)
    [doubt] = report.doubts
    assert (doubt.held.text, doubt.existing.text) == ("CARD 4711 BERLIN", "Coffee")
    assert run(actions.list_doubts).items == report.doubts
    assert len(kept()) == 2


def test_the_same_leaves_one_and_is_not_asked_again(bring, run, kept):
    bring(ofx(COFFEE, TEA))
    other = ofx(("2024-02-01", "-3.50", "CARD 4711 BERLIN"), TEA)
    report = bring(other)
    run(actions.settle_doubts, answer="same", doubt_ids=[report.doubts[0].id])
    assert counts(bring(other)) == (0, 2, 0)
    assert len(kept()) == 2
    assert run(actions.list_doubts).items == []


def test_different_adds_it_and_is_not_asked_again(bring, run, kept):
    bring(ofx(COFFEE, TEA))
    other = ofx(("2024-02-01", "-3.50", "CARD 4711 BERLIN"), TEA)
    report = bring(other)
    run(actions.settle_doubts, answer="different", import_id=report.import_id)
    assert len(kept()) == 3
    assert counts(bring(other)) == (0, 2, 0)
    assert len(kept()) == 3


def test_an_answer_is_taken_back_by_its_undo_and_can_be_another(bring, run, kept):
    bring(ofx(COFFEE, TEA))
    report = bring(ofx(("2024-02-01", "-3.50", "CARD 4711 BERLIN"), TEA))
    given = actions.settle_doubts.input(answer="different", import_id=report.import_id)
    settled = run(actions.settle_doubts, **given.model_dump())
    for _ in range(2):
        run(actions.reopen_doubts, **actions.settle_doubts.undo.input(given, settled).model_dump())
        assert len(kept()) == 2
        assert len(run(actions.list_doubts).items) == 1
    run(actions.settle_doubts, answer="same", import_id=report.import_id)
    assert len(kept()) == 2


def test_a_bank_that_keeps_its_numbers_and_gives_another_one_is_asked_about(bring):
    bring(ofx((*COFFEE, "1"), (*TEA, "2")))
    report = bring(ofx((*COFFEE, "3"), (*TEA, "2")))
    assert counts(report) == (0, 1, 1)
    assert "another number" in report.doubts[0].reason


def test_the_same_number_on_another_day_is_asked_about(bring):
    bring(ofx((*COFFEE, "1")))
    assert counts(bring(ofx(("2024-02-03", "-3.50", "Kaffee", "1")))) == (0, 0, 1)


def test_a_neighbour_that_the_file_does_not_speak_of_is_no_doubt(bring):
    bring(ofx(("2024-01-31", "-3.50", "Coffee")))
    assert counts(bring(ofx(("2024-02-01", "-3.50", "Coffee"), TEA))) == (2, 0, 0)


def test_a_page_that_goes_on_on_the_same_day_asks_about_what_is_alike(bring):
    day = "2024-02-01"
    first = mt940((day, "-3,50", "Coffee"), opening=("2024-01-31", "100,00"), closing=(day, "96,50"))
    second = mt940((day, "-3,50", "Coffee"), opening=(day, "96,50"), closing=(day, "93,00"))
    assert counts(bring(first)) == (1, 0, 0)
    report = bring(second)
    assert counts(report) == (0, 0, 1)
    assert "goes on" in report.doubts[0].reason
    assert counts(bring(first)) == (0, 1, 0)


def test_pages_of_one_day_in_one_file_count_what_is_alike_through(bring, kept):
    day = "2024-02-01"
    first = mt940((day, "-3,50", "Coffee"), opening=("2024-01-31", "100,00"), closing=(day, "96,50"))
    second = mt940((day, "-3,50", "Coffee"), opening=(day, "96,50"), closing=(day, "93,00"))
    for expected in ((2, 0, 0), (0, 2, 0)):
        report = bring(first + second)
        assert counts(report) == expected
        assert report.proven
    assert len(kept()) == 2


def test_a_transaction_added_by_hand_is_asked_about_when_its_statement_comes(bring, run):
    account = bring(ofx(TEA)).accounts[0].account_id
    run(actions.add_transaction, account=str(account), booked_on="2024-02-01", amount="-3.50 EUR", text="Kaffee")
    assert counts(bring(ofx(COFFEE, TEA))) == (0, 1, 1)


# --- pending


def test_what_was_pending_is_booked_and_keeps_what_its_user_said_of_it(bring, run, kept):
    pending = entry("-12.00", "CARD HOTEL BERLIN", "2024-02-01", status="<Sts>PDNG</Sts>")
    bring(camt(pending, closing="100.00"))
    [one] = run(actions.list_transactions, pending=True).items
    run(actions.categorize, transaction_ids=[one.id], category="Travel")
    run(actions.change_transaction, transaction_id=one.id, note="with Anna")
    report = bring(camt(entry("-12.00", "HOTEL BERLIN MITTE", "2024-02-03"), closing="88.00"))
    assert (report.added, report.accounts[0].booked) == (0, 1)
    [booked] = run(actions.list_transactions).items
    assert (booked.pending, booked.category, booked.note, booked.booked_on) == (
        False,
        "Travel",
        "with Anna",
        date(2024, 2, 3),
    )


# --- the proof


def test_a_statement_that_adds_up_is_proven(bring):
    report = bring(mt940(("2024-02-01", "-12,50", "Tea"), closing=("2024-02-29", "87,50")))
    assert report.proven
    [proof] = report.accounts[0].proofs
    assert (str(proof.verdict), proof.opening, proof.sum, proof.closing) == (
        "proven", Money.parse("100 EUR"), Money.parse("-12.50 EUR"), Money.parse("87.50 EUR")
    )  # fmt: skip


def test_a_statement_that_does_not_add_up_says_by_how_much(bring):
    report = bring(mt940(("2024-02-01", "-12,50", "Tea"), closing=("2024-02-29", "80,00")))
    [proof] = report.accounts[0].proofs
    assert (str(proof.verdict), proof.by, report.proven) == ("differs", Money.parse("-7.50 EUR"), False)


def test_where_proof_is_required_nothing_is_imported_without(bring, kept, db: Database):
    with pytest.raises(BadInput, match="Nothing was imported"):
        bring(mt940(("2024-02-01", "-12,50", "Tea"), closing=("2024-02-29", "80,00")), require_proof=True)
    assert kept() == []
    assert left(db) == {"imports": 0, "transactions": 0, "sightings": 0, "balances": 0, "doubts": 0, "accounts": 0}


def test_a_closing_balance_proves_the_next_statement(bring):
    first = bring(ofx(COFFEE, balance=("2024-02-01", "96.50")))
    assert str(first.accounts[0].proofs[0].verdict) == "unproven"
    assert bring(ofx(TEA, PAY, balance=("2024-02-03", "194.50"))).proven
    wrong = bring(ofx(("2024-02-05", "-1.00", "Gum"), balance=("2024-02-05", "190.00")))
    assert str(wrong.accounts[0].proofs[0].verdict) == "differs"


def test_an_empty_statement_with_balances_is_proven(bring):
    assert bring(mt940()).proven


# --- undo


def left(db: Database) -> dict[str, int]:
    tables = {
        "imports": imports, "transactions": transactions, "sightings": sightings, "balances": balances, "doubts": doubts,
        "accounts": accounts,
    }  # fmt: skip
    with db.read() as conn:
        return {
            name: conn.execute(sa.select(sa.func.count()).select_from(one)).scalar_one() for name, one in tables.items()
        }


def test_an_import_is_undone_as_one_and_twice_is_as_once(bring, run, kept, db: Database):
    report = bring(ofx(COFFEE, TEA, balance=("2024-02-02", "1.00")))
    given = actions.import_statement.undo.input(None, report)
    undone = run(actions.undo_import, **given.model_dump())
    assert (undone.removed, undone.kept) == (2, 0)
    assert run(actions.undo_import, **given.model_dump()).removed == 0
    assert kept() == []
    assert left(db) == {"imports": 1, "transactions": 0, "sightings": 0, "balances": 0, "doubts": 0, "accounts": 1}
    assert run(actions.list_imports).items[0].undone


def test_what_another_import_has_too_outlives_the_undo_of_one(bring, run, kept):
    first = bring(ofx(COFFEE, TEA))
    bring(ofx(TEA, PAY))
    undone = run(actions.undo_import, import_id=first.import_id)
    assert (undone.removed, undone.kept) == (1, 1)
    assert [text for _, _, text in kept()] == ["Tea", "Pay"]


def test_undoing_both_imports_of_a_transaction_removes_it(bring, run, kept):
    first, second = bring(ofx(COFFEE, TEA)), bring(ofx(TEA, PAY))
    for report in (first, second):
        run(actions.undo_import, import_id=report.import_id)
    assert kept() == []


def test_what_was_added_by_hand_outlives_the_undo_of_an_import_that_has_it(bring, run, kept):
    account = bring(ofx(TEA)).accounts[0].account_id
    run(actions.add_transaction, account=str(account), booked_on="2024-02-01", amount="-3.50 EUR", text="Coffee")
    run(actions.undo_import, import_id=bring(ofx(COFFEE)).import_id)
    assert [text for _, _, text in kept()] == ["Coffee", "Tea"]


def test_an_undone_import_takes_its_questions_and_their_answers_along(bring, run, kept):
    bring(ofx(COFFEE, TEA))
    report = bring(ofx(("2024-02-01", "-3.50", "CARD 4711"), TEA))
    run(actions.settle_doubts, answer="different", import_id=report.import_id)
    run(actions.undo_import, import_id=report.import_id)
    assert [text for _, _, text in kept()] == ["Coffee", "Tea"]
    with pytest.raises(NotFound):
        run(actions.settle_doubts, answer="same", import_id=report.import_id)


def test_an_undone_file_can_be_imported_again(bring, run, kept):
    run(actions.undo_import, import_id=bring(ofx(COFFEE)).import_id)
    assert counts(bring(ofx(COFFEE))) == (1, 0, 0)


# --- accounts and layouts


def test_a_file_that_names_no_account_asks_and_is_known_the_next_time(bring, kept):
    content = "Date;Amount;Description\n13.02.2024;-3,50;Coffee\n"
    with pytest.raises(BadInput, match="names no account"):
        bring(content, currency="EUR")
    bring(content, currency="EUR", account="Cash")
    later = "Date;Amount;Description\n13.02.2024;-3,50;Coffee\n14.02.2024;-2,00;Tea\n"
    report = bring(later, currency="EUR")
    assert (counts(report), report.accounts[0].name) == ((1, 1, 0), "Cash")


def test_a_layout_that_was_confirmed_counts_for_the_next_file_with_these_columns(bring, kept):
    content = "Date,Amount,Description\n01/02/2024,-3.50,Coffee\n"
    with pytest.raises(BadInput, match="date_order"):
        bring(content, currency="USD", account="Card")
    bring(content, currency="USD", account="Card", layout={"date_order": "mdy", "negate": True})
    bring("Date,Amount,Description\n03/04/2024,5.00,Tea\n", currency="USD")
    assert kept() == [("2024-01-02", Decimal("3.50"), "Coffee"), ("2024-03-04", Decimal("-5.00"), "Tea")]


def test_an_account_named_by_its_user_takes_the_files_number(bring, run):
    bring(ofx(COFFEE), account="Household")
    assert bring(ofx(TEA)).accounts[0].name == "Household"
    assert len(run(actions.list_accounts).items) == 1


def test_several_accounts_are_brought_in_by_one_file(bring):
    sample = "Date,Account,Amount,Currency,Description\n2024-01-31,A,1.00,EUR,x\n2024-01-31,B,2.00,EUR,y\n"
    assert [one.added for one in bring(sample).accounts] == [1, 1]
    with pytest.raises(BadInput, match="several accounts"):
        bring(sample, account="One")


def test_an_account_in_another_currency_is_refused_and_nothing_is_half_imported(bring, kept):
    bring(ofx(COFFEE), account="Household")
    with pytest.raises(BadInput, match="is in EUR, and the file in USD"):
        bring(ofx(TEA, account="9", currency="USD"), account="Household")
    assert len(kept()) == 1


@pytest.mark.parametrize("sample", [one for one in SAMPLES if one.balance], ids=lambda one: one.name)
def test_a_csv_with_balances_is_proven_and_comes_again_as_known(bring, sample):
    given = {"currency": sample.currency, "layout": sample.layout} | ({} if sample.number else {"account": "Mine"})
    report = bring(sample.bytes, **given)
    assert report.proven, report.accounts
    assert counts(bring(sample.bytes, **given)) == (0, len(sample.rows), 0)


# --- looked at first


def test_a_preview_shows_what_would_be_read_and_keeps_nothing(user, db: Database):
    ctx = FakeContext(user=user)
    ref = ctx.give_file("x.csv", b"Date;Amount;Description\n13.02.2024;-3,50;Coffee\n")
    preview = run_action(
        actions.preview_statement, {"file": ref.model_dump(mode="json"), "currency": "EUR"}, ctx
    ).result
    assert preview.layout.model_dump(exclude_none=True) == {
        "delimiter": ";", "header_line": 1, "date": "Date", "amount": "Amount", "text": ["Description"], "decimal": ",",
    }  # fmt: skip
    assert preview.accounts[0].sample[0].text == "Coffee"
    assert preview.accounts[0].money_out == Money.parse("-3.50 EUR")
    assert [one.field for one in preview.questions] == ["account"]
    assert left(db)["accounts"] == 0


def test_a_preview_asks_what_the_file_leaves_open(user):
    ctx = FakeContext(user=user)
    ref = ctx.give_file("x.csv", b"Date,Amount,Description\n01/02/2024,-3.50,Coffee\n")
    preview = run_action(
        actions.preview_statement, {"file": ref.model_dump(mode="json"), "currency": "USD"}, ctx
    ).result
    assert [(one.field, one.choices) for one in preview.questions] == [("layout.date_order", ["dmy", "mdy"])]


# --- whose it is


def test_others_imports_do_not_exist(bring, run, new_user):
    bob = new_user("bob@example.org")
    report = bring(ofx(COFFEE), who=bob)
    assert run(actions.list_transactions).items == []
    for action, given in (
        (actions.undo_import, {"import_id": report.import_id}),
        (actions.categorize, {"transaction_ids": [new_id()], "category": "x"}),
        (actions.add_transaction, {"account": str(report.accounts[0].account_id), "booked_on": "2024-01-01", "amount": "1.00 EUR", "text": "x"}),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            run(action, **given)
    assert counts(bring(ofx(COFFEE))) == (1, 0, 0)


def test_what_a_file_says_is_a_strangers(user, bring):
    bring(ofx(COFFEE))
    ctx = FakeContext(user=user)
    run_action(actions.list_transactions, {}, ctx)
    assert ctx.trail.result_taint is Taint.OUTSIDE


def test_what_was_added_by_hand_is_the_users_own(user, run):
    run(actions.add_transaction, account="Cash", booked_on="2024-01-01", amount="-1.00 EUR", text="Gum")
    ctx = FakeContext(user=user)
    run_action(actions.list_transactions, {}, ctx)
    assert ctx.trail.result_taint is None


# --- categories


def test_a_category_is_given_and_its_undo_gives_back_the_one_before(bring, run):
    bring(ofx(COFFEE, TEA))
    ids = [one.id for one in run(actions.list_transactions).items]
    run(actions.categorize, transaction_ids=ids[:1], category="Drinks")
    given = actions.categorize.input(transaction_ids=ids, category="Food")
    done = run(actions.categorize, **given.model_dump())
    assert {one.category for one in run(actions.list_transactions, category="Food").items} == {"Food"}
    run(actions.restore_categories, **actions.categorize.undo.input(given, done).model_dump())
    assert [one.category for one in run(actions.list_transactions).items] == ["Drinks", None]
    assert len(run(actions.list_transactions, has_category=False).items) == 1
