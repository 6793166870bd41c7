"""Money is exact: what is written is read, what is shared adds up, and what could mean two things is refused."""

from __future__ import annotations

import copy
import json
import pickle
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import Field, ValidationError

from llmcoder import Model, strict_json
from llmcoder.errors import BadInput
from llmcoder.money import LARGEST_MINOR, BadMoney, Money, OtherCurrency, exponent_of

CURRENCIES = ("EUR", "JPY", "KWD", "CLF", "USD", "MRU")
moneys = st.builds(Money, st.integers(-LARGEST_MINOR, LARGEST_MINOR), st.sampled_from(CURRENCIES))


class Bill(Model):
    total: Money = Field(description="What is to be paid.", examples=["12.50 EUR"])


# --- currencies


@pytest.mark.parametrize(("code", "exponent"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("HUF", 2), ("UGX", 0)])
def test_a_currency_has_its_own_number_of_decimals(code: str, exponent: int) -> None:
    assert exponent_of(code) == exponent


@pytest.mark.parametrize("code", ["XAU", "XDR", "XXX", "XTS", "ABC", "eur", "", "EURO", "€", "EUR "])
def test_what_is_no_currency_with_a_minor_unit_is_refused(code: str) -> None:
    with pytest.raises(BadMoney):
        Money(1, code)


# --- exactness


@pytest.mark.parametrize("amount", [0.1, float("nan"), True, None, b"1", [1]])
def test_what_is_no_exact_amount_is_no_amount(amount: Any) -> None:
    with pytest.raises(TypeError):
        Money.of(amount, "EUR")
    with pytest.raises(TypeError):
        Money(amount, "EUR")
    with pytest.raises(TypeError):
        Money(1, "EUR") * amount
    with pytest.raises(TypeError):
        Money(1, "EUR").allocate([amount])


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        ("1.005", "EUR"), (Decimal("0.5"), "JPY"), ("1.0001", "KWD"), (Decimal("NaN"), "EUR"), (Decimal("1e99"), "EUR"),
        (Decimal("1e-99"), "EUR"), (2**63, "JPY"), ("1e3", "EUR"), ("", "EUR"), ("1,0", "EUR"), ("٣", "EUR"),
        (Decimal("1e999999"), "EUR"), ("9" * 39, "EUR"),
    ],
)  # fmt: skip
def test_an_amount_that_does_not_fit_is_refused_and_never_rounded(amount: Any, currency: str) -> None:
    with pytest.raises(BadMoney):
        Money.of(amount, currency)


def test_who_wants_it_rounded_says_how() -> None:
    assert Money.of("1.005", "EUR", ROUND_HALF_UP) == Money(101, "EUR")
    assert Money.of("1.005", "EUR", ROUND_DOWN) == Money(100, "EUR")
    assert Money(1, "EUR").times(Decimal("0.5")) == Money(0, "EUR")
    assert Money(3, "EUR").times(Decimal("0.5")) == Money(2, "EUR")
    assert Money(-1, "EUR").times(Decimal("0.1"), ROUND_UP) == Money(-1, "EUR")
    assert Money(LARGEST_MINOR, "EUR").times(Decimal("1.00000000000000000000001"), ROUND_DOWN).minor == LARGEST_MINOR


@given(moneys)
def test_its_texts_and_its_json_give_it_back(money: Money) -> None:
    assert Money.of(money.amount, money.currency) == money
    assert Money.parse(str(money), decimal=".") == money
    assert Bill.model_validate_json(Bill(total=money).model_dump_json()).total == money
    assert Bill.model_validate({"total": str(money)}).total == money
    assert Money.parse(money.written(",", "."), decimal=",") == money
    assert Money.parse(money.written(".", "\u202f"), decimal=".") == money
    assert eval(repr(money)) == money
    assert pickle.loads(pickle.dumps(money)) == copy.deepcopy(money) == money
    if money.exponent in (2, 4):
        assert Money.parse(money.written(".", ",")) == money


@given(moneys, st.lists(st.integers(0, 10**12) | st.decimals(0, 1_000, places=4), min_size=1, max_size=20))
def test_what_is_shared_out_adds_up_and_is_no_unit_off(money: Money, weights: list[int | Decimal]) -> None:
    if not any(weights):
        with pytest.raises(BadMoney):
            money.allocate(weights)
        return
    parts = money.allocate(weights)
    assert Money.total(parts, money.currency) == money
    whole = sum(map(Decimal, weights))
    for part, weight in zip(parts, weights, strict=True):
        assert abs(Decimal(part.minor) * whole - Decimal(money.minor) * Decimal(weight)) < 2 * whole
        assert weight or not part


@given(moneys, st.integers(1, 50))
def test_equal_parts_differ_by_one_unit_at_most(money: Money, number: int) -> None:
    parts = [abs(part).minor for part in money.split(number)]
    assert max(parts) - min(parts) <= 1
    assert parts == sorted(parts, reverse=True)


def test_it_adds_and_compares_within_one_currency_only() -> None:
    one, other = Money.of(1, "EUR"), Money.of("0.50", "EUR")
    assert (one + other, one - other, -one, one * 3) == (
        Money(150, "EUR"), Money(50, "EUR"), Money(-100, "EUR"), Money(300, "EUR"),
    )  # fmt: skip
    assert other < one and max(one, other) == one and not Money.zero("EUR")
    for wrong in (lambda: one + Money(1, "USD"), lambda: one < Money(1, "USD"), lambda: one - Money(1, "JPY")):
        with pytest.raises(OtherCurrency):
            wrong()
    assert one != Money.of(1, "USD")
    with pytest.raises(TypeError):
        one + 1  # type: ignore[operator]
    with pytest.raises(BadMoney):
        Money(LARGEST_MINOR, "EUR") + Money(1, "EUR")
    with pytest.raises(AttributeError):
        one.minor = 5


# --- what people write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.234,56 EUR", "1234.56 EUR"), ("1,234.56 EUR", "1234.56 EUR"), ("€1,234.56", "1234.56 EUR"),
        ("1 234,56 €", "1234.56 EUR"), ("1\u00a0234,56\u00a0€", "1234.56 EUR"), ("1\u202f234,5 €", "1234.50 EUR"),
        ("US$1,234.56", "1234.56 USD"), ("CHF 1'234.50", "1234.50 CHF"), ("CHF 1\u2019234.50", "1234.50 CHF"),
        ("CHF 5.–", "5.00 CHF"), ("5,-- EUR", "5.00 EUR"), ("(1,234.56 USD)", "-1234.56 USD"),
        ("USD (5.00)", "-5.00 USD"), ("\u221212,50 EUR", "-12.50 EUR"), ("12,50- EUR", "-12.50 EUR"),
        ("12,50 EUR-", "-12.50 EUR"), ("-US$ 5", "-5.00 USD"), ("US$ -5", "-5.00 USD"), ("+5 EUR", "5.00 EUR"),
        ("1.234.567,89 EUR", "1234567.89 EUR"), ("1,234,567 EUR", "1234567.00 EUR"), ("1.234.567 €", "1234567.00 EUR"),
        ("₹1,00,000.50", "100000.50 INR"), ("₹ 12,34,567.00", "1234567.00 INR"), ("JPY 1,200", "1200 JPY"),
        ("1200円", "1200 JPY"), ("JP¥1.200", "1200 JPY"), ("KWD 1.2345", None), ("KWD 0.123", "0.123 KWD"),
        ("1,234.567 KWD", "1234.567 KWD"), (".50 EUR", "0.50 EUR"), ("eur 5", "5.00 EUR"), ("5 zł", "5.00 PLN"),
        ("0,99 Kč", "0.99 CZK"), ("R$ 10,00", "10.00 BRL"), ("EUR 5 EUR", "5.00 EUR"), ("٥ EUR", "5.00 EUR"),
        ("５００ EUR", "500.00 EUR"), ("  7  EUR ", "7.00 EUR"), ("12.5 EUR", "12.50 EUR"),
    ],
)  # fmt: skip
def test_what_people_write_is_read(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(BadMoney):
            Money.parse(text)
    else:
        assert str(Money.parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1,234 EUR", "may mean 1234 or 1.234"), ("1.234 EUR", "may mean"), ("KWD 1.234", "may mean"),
        ("$5", "may mean USD, CAD"), ("¥1200", "may mean JPY, CNY"), ("5 kr", "may mean SEK"), ("£5", "may mean GBP"),
        ("5", "names no currency"), ("5.00", "names no currency"), ("EUR 5 USD", "more than one currency"),
        ("€5 USD", "more than one currency"), ("(-5 EUR)", "more than one sign"), ("-5- EUR", "more than one sign"),
        ("--5 EUR", "more than one sign"), ("5 EUR 6", "no amount"), ("", "no amount"), ("EUR", "no amount"),
        ("5 XAU", "no minor"),
        ("5 ABC", "no currency"), ("1,23,4 EUR", "groups"), ("12.34.56 EUR", "groups"), ("1.234'567,00 EUR", "groups"),
        ("1,2,3.00 EUR", "groups"), ("1 23 EUR", "groups"), ("5.001 EUR", "may mean"), ("0.005 EUR", "has 2 decimals"),
        ("1e5 EUR", "no amount"), ("NaN EUR", "no amount"), ("5 €/l", "no amount"), ("5 EURO", "no amount"),
        ("9" * 30 + " EUR", "larger than any"), ("5 " + "x" * 200, "at most 100"), ("½ EUR", "no amount"),
        ("1,234.5,6 EUR", "cannot be before decimals"), ("((5)) EUR", "no amount"),
        ("5. EUR", "no amount"), ("10 JPY.5", "no amount"), ("1\n2 EUR", "groups"),
    ],
)  # fmt: skip
def test_what_could_mean_several_or_none_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(BadMoney, match=why):
        Money.parse(text)


def test_the_arguments_decide_what_a_text_leaves_open() -> None:
    assert str(Money.parse("$1,234.56", "CAD")) == "1234.56 CAD"
    assert str(Money.parse("¥1200", "JPY")) == "1200 JPY"
    assert str(Money.parse("1,200", "JPY")) == "1200 JPY"
    assert str(Money.parse("1,234", "EUR", ".")) == "1234.00 EUR"
    assert str(Money.parse("1.234", "EUR", ",")) == "1234.00 EUR"
    assert str(Money.parse("1,234", "KWD", ",")) == "1.234 KWD"
    assert str(Money.parse("(5.50)", "GBP")) == "-5.50 GBP"
    for text, currency, why in (("$5", "EUR", "none of EUR"), ("5 USD", "EUR", "more than one"), ("£5", "USD", "none")):
        with pytest.raises(BadMoney, match=why):
            Money.parse(text, currency)
    with pytest.raises(BadMoney, match="2 decimals"):
        Money.parse("1.234 EUR", decimal=".")


@given(st.text(max_size=120))
def test_any_text_is_money_or_refused(text: str) -> None:
    for currency in (None, "EUR"):
        try:
            assert isinstance(Money.parse(text, currency), Money)
        except BadInput as error:
            assert error.status == 422


@given(st.text("0123456789.,' -+()€$¥EURK", max_size=20))
def test_any_text_of_money_signs_is_money_or_refused(text: str) -> None:
    try:
        money = Money.parse(text, "EUR", ".")
    except BadMoney:
        return
    digits = "".join(filter(str.isdigit, text.partition(".")[0]))
    assert abs(money.amount) >= int(digits or "0")


# --- as a field


@pytest.mark.parametrize(
    "wrong",
    [
        12.5, 12, None, "12.50", "12,50 EUR", "12.50 XAU", "$5", "1.005 EUR", {}, {"amount": "1"}, ["1", "EUR"],
        {"amount": 12.5, "currency": "EUR"}, {"amount": True, "currency": "EUR"}, {"amount": "1,5", "currency": "EUR"},
        {"amount": "1", "currency": "EUR", "more": 1}, {"amount": "1.005", "currency": "EUR"},
        {"amount": "1", "currency": 5}, {"amount": 10**30, "currency": "EUR"}, {"amount": None, "currency": "EUR"},
    ],
)  # fmt: skip
def test_what_an_input_says_wrongly_is_refused_as_any_wrong_input(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        Bill.model_validate({"total": wrong})
    with pytest.raises(ValidationError):
        Bill.model_validate_json(json.dumps({"total": wrong}))


def test_a_number_with_a_fraction_is_refused_with_what_to_write_instead() -> None:
    text = '{"total": {"amount": 1234567890123456.78, "currency": "EUR"}}'
    with pytest.raises(ValidationError, match="write the amount as text"):
        Bill.model_validate_json(text)
    with pytest.raises(ValidationError, match="write the amount as text"):
        Bill.model_validate(strict_json.read(text))


def test_an_input_takes_an_object_or_a_text_and_the_schema_says_so() -> None:
    whole = {"total": {"amount": "12.5", "currency": "EUR"}}
    schema = Bill.model_json_schema()
    for good in (whole, {"total": "12.50 EUR"}):
        Draft202012Validator(schema).validate(good)
        assert Bill.model_validate(good).total == Money(1250, "EUR")
    assert not Draft202012Validator(schema).is_valid({"total": 12.5})
    shown = json.loads(Bill(total=Money(1250, "EUR")).model_dump_json())
    assert shown == {"total": {"amount": "12.50", "currency": "EUR"}}
    Draft202012Validator(Bill.model_json_schema(mode="serialization")).validate(shown)
    assert Bill.model_validate({"total": {"amount": 12, "currency": "EUR"}}).total == Money(1200, "EUR")


def test_outside_of_a_model_it_is_written_as_a_text() -> None:
    assert strict_json.write({"total": Money(1250, "EUR")}) == '{"total":"12.50 EUR"}'
