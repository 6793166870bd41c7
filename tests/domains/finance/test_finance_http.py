"""Money over HTTP: the list with its filters, records by hand, and what is no answer."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from llmcoder.context import User

if TYPE_CHECKING:
    from served import Served

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]


@pytest.fixture
def alice(served: Served, user: User) -> Iterator[httpx.Client]:
    with served.client(user) as client:
        yield client


def add(client: httpx.Client, day: str, amount: str, text: str, **more: Any) -> dict[str, Any]:
    body = {"account": "Cash", "booked_on": day, "amount": amount, "text": text, **more}
    answer = client.post("/finance/transactions", json=body)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def texts(client: httpx.Client, **asked: Any) -> list[str]:
    answer = client.get("/finance/transactions", params=asked)
    assert answer.status_code == 200, answer.text
    return [one["text"] for one in answer.json()["items"]]


def test_transactions_are_listed_by_every_filter_and_page(alice: httpx.Client) -> None:
    coffee = add(alice, "2030-06-01", "-3.50 EUR", "Coffee", category="Drinks")
    add(alice, "2030-06-02", "-54.20 EUR", "Groceries")
    add(alice, "2030-06-03", "2500.00 EUR", "Salary")
    assert coffee["amount"] == {"amount": "-3.50", "currency": "EUR"}
    assert texts(alice) == ["Salary", "Groceries", "Coffee"]
    assert texts(alice, **{"from": "2030-06-02", "to": "2030-06-02"}) == ["Groceries"]
    assert texts(alice, account=coffee["account_id"], text="COFF") == ["Coffee"]
    assert texts(alice, category="Drinks", pending="false") == ["Coffee"]
    assert texts(alice, sort="amount", limit=1) == ["Groceries"]
    first = alice.get("/finance/transactions", params={"limit": 2}).json()
    assert texts(alice, limit=2, cursor=first["next"]) == ["Coffee"]


@pytest.mark.parametrize(
    "asked", [{"from": "yesterday"}, {"from": "2030-02-31"}, {"from": "7"}, {"account": "mine"}, {"sort": "size"}, {"nonsense": "1"}]
)  # fmt: skip
def test_what_cannot_be_asked_is_422(alice: httpx.Client, asked: dict[str, str]) -> None:
    assert alice.get("/finance/transactions", params=asked).status_code == 422


def test_category_and_note_change_and_what_the_bank_says_does_not(alice: httpx.Client) -> None:
    one = add(alice, "2030-06-01", "-3.50 EUR", "Tea")
    place = f"/finance/transactions/{one['id']}"
    changed = alice.patch(place, json={"category": "Drinks", "note": "with Anna"})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["category"], changed.json()["category_by"]) == ("Drinks", "user")
    assert alice.patch(place, json={"amount": "-1.00 EUR"}).status_code == 422
    assert alice.delete(place).status_code == 204
    assert alice.get(place).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": {"amount": 3.5, "currency": "EUR"}}, {"amount": "3.505 EUR"}, {"amount": "1.00 XYZ"}, {"amount": "1.00"},
        {"amount": "100000000000000.00 EUR"}, {"booked_on": "2030-02-30"}, {"booked_on": 20300601}, {"text": ""}, {"account": ""},
    ],
)  # fmt: skip
def test_what_is_no_transaction_is_422(alice: httpx.Client, wrong: dict[str, Any]) -> None:
    body = {"account": "Cash", "booked_on": "2030-06-01", "amount": "-1.00 EUR", "text": "x", **wrong}
    assert alice.post("/finance/transactions", json=body).status_code == 422


def test_rules_and_accounts_are_records_too(alice: httpx.Client) -> None:
    account = alice.post("/finance/accounts", json={"name": "Purse", "currency": "CHF"}).json()
    assert alice.patch(f"/finance/accounts/{account['id']}", json={"name": "Wallet"}).json()["name"] == "Wallet"
    rule = alice.post("/finance/rules", json={"words": "kiosk", "category": "Papers"})
    assert rule.status_code == 201, rule.text
    assert add(alice, "2030-06-01", "-2.00 CHF", "KIOSK 4711", account="Wallet")["category"] == "Papers"
    assert alice.post("/finance/accounts", json={"name": "x", "currency": "XYZ"}).status_code == 422


def test_nobody_calls_plaids_address_without_a_signature(served: Served) -> None:
    answer = httpx.post(f"{served.url}/finance/plaid", json={"webhook_type": "TRANSACTIONS"}, timeout=60)
    assert answer.status_code in (403, 409)
