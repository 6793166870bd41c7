"""Plaid, by its own client library: connected without a page of ours, read by cursors, with every trap it is known for."""

# ruff: noqa: E501  (a row of a table is a line)

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from plaid_server import CLIENT, SECRET, Plaid, error, plaid_on_loopback, transaction
from pydantic import SecretStr

from llmcoder import User
from llmcoder.declare.hook import Call
from llmcoder.errors import (
    ActionError,
    BadInput,
    Forbidden,
    NeedsReconnect,
    NotConfigured,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
    Unreadable,
)
from llmcoder.money import Money
from llmcoder.settings import EngineSettings
from llmcoder.testing import FakeContext, run_action
from models.connections import store as connections
from models.db.database import Database
from tasks.finance import actions, checks, hooks, webhooks
from tasks.finance.connections import PLAID, PlaidItem
from tasks.finance.plaid_client import PlaidClient
from tasks.finance.settings import PlaidSettings

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]
COFFEE = ("t1", "4.50", "2024-02-01", "Coffee")


@pytest.fixture
def plaid() -> Iterator[Plaid]:
    with plaid_on_loopback() as made:
        yield made


@pytest.fixture
def settings_of(plaid: Plaid) -> PlaidSettings:
    return PlaidSettings(plaid_client_id=CLIENT, plaid_secret=SECRET, plaid_url=plaid.url)


@pytest.fixture
def context(user: User, settings_of: PlaidSettings) -> Callable[..., FakeContext]:
    """A job of alice's at the local Plaid; with her item connected unless she has none."""

    def context(*, connected: bool = True, job_id: Any = None, timeout_s: float = 30.0) -> FakeContext:
        item = {PLAID: PlaidItem(access_token=SecretStr("access-1"))} if connected else {}
        return FakeContext(
            [settings_of, EngineSettings(public_url="https://llm.example.org")], user=user, job_id=job_id,
            fetch_allow=("127.0.0.1",), connections=item, account="item-1", timeout_s=timeout_s,
        )  # fmt: skip

    return context


@pytest.fixture
def sync(context: Callable[..., FakeContext]) -> Callable[[], Any]:
    return lambda: run_action(actions.sync, {}, context()).result


@pytest.fixture
def kept(user: User) -> Callable[[], list[tuple[str, Money, str, bool]]]:
    def kept() -> list[tuple[str, Money, str, bool]]:
        items = run_action(actions.list_transactions, {"sort": "date"}, FakeContext(user=user)).result.items
        return [(str(one.booked_on), one.amount, one.text, one.pending) for one in items]

    return kept


def usd(text: str) -> Money:
    return Money.of(text, "USD")


# --- reading


def test_positive_is_money_out_and_every_digit_of_an_amount_is_kept(plaid, sync, kept):
    item = plaid.item()
    item.log = [
        ("added", transaction("t1", "90071992547.93", "2024-02-01", "House")),
        ("added", transaction("t2", "-0.10", "2024-02-02", "Refund")),
    ]
    done = sync()
    assert (done.ready, done.added) == (True, 2)
    assert kept() == [
        ("2024-02-01", usd("-90071992547.93"), "House", False),
        ("2024-02-02", usd("0.10"), "Refund", False),
    ]


def test_the_next_reading_goes_on_at_the_cursor_and_an_unchanged_one_adds_nothing(plaid, sync, kept):
    item = plaid.item()
    item.log = [("added", transaction(f"t{n}", "1.00", "2024-02-01", f"Shop {n}")) for n in range(5)]
    assert sync().added == 5
    assert [given.get("cursor") for _, given in plaid.asked] == [None, "2", "4"]
    assert sync().added == 0
    item.log.append(("added", transaction("t9", "2.00", "2024-02-09", "New")))
    assert sync().added == 1
    assert len(kept()) == 6


def test_a_change_between_pages_begins_again_at_the_cursor_of_the_first_page(plaid, sync, kept):
    item = plaid.item()
    item.log = [("added", transaction("t0", "1.00", "2024-01-01", "Old"))]
    sync()
    plaid.asked.clear()
    item.log += [("added", transaction(f"t{n}", "1.00", "2024-02-01", f"Shop {n}")) for n in range(1, 5)]

    def change(self: Plaid) -> Any:
        item.log[1] = ("added", transaction("t1", "9.99", "2024-02-01", "Changed"))
        return error("TRANSACTIONS_ERROR", "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION")

    plaid.faults["/transactions/sync"] = [lambda self: None, change]
    assert sync().added == 4
    assert [given.get("cursor") for _, given in plaid.asked] == ["1", "3", "1", "3"]
    assert ("2024-02-01", usd("-9.99"), "Changed", False) in kept()
    assert len(kept()) == 5


def test_a_bank_that_changes_each_time_is_transient_and_keeps_nothing(plaid, sync, kept):
    plaid.item().log = [("added", transaction(*COFFEE))]
    plaid.faults["/transactions/sync"] = [
        error("TRANSACTIONS_ERROR", "TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION")
    ] * 5
    with pytest.raises(Transient, match="each time"):
        sync()
    assert kept() == []
    assert sync().added == 1


def test_what_breaks_between_pages_keeps_nothing_and_comes_whole_the_next_time(plaid, sync, kept):
    plaid.item().log = [("added", transaction(f"t{n}", "1.00", "2024-02-01", f"Shop {n}")) for n in range(4)]
    plaid.faults["/transactions/sync"] = [lambda self: None, error("API_ERROR", "INTERNAL_SERVER_ERROR", 500)]
    with pytest.raises(Transient):
        sync()
    assert kept() == []
    assert sync().added == 4
    assert [given.get("cursor") for _, given in plaid.asked] == [None, "2", None, "2"]


def test_an_empty_cursor_is_not_yet_and_not_nothing(plaid, sync, kept):
    item = plaid.item()
    item.is_ready = False
    done = sync()
    assert (done.ready, done.added) == (False, 0)
    assert "fetching" in done.messages[0]
    item.is_ready, item.log = True, [("added", transaction(*COFFEE))]
    assert sync().added == 1
    assert [given.get("cursor") for _, given in plaid.asked] == [None, None]


PENDING = transaction("p1", "4.50", "2024-02-01", "Coffee (pending)", pending=True)
POSTED = transaction("t1", "5.00", "2024-02-03", "COFFEE SHOP", pending_transaction_id="p1")


@pytest.mark.parametrize(
    "steps",
    [
        [[("removed", {"transaction_id": "p1", "account_id": "acc-1"}), ("added", POSTED)]],
        [[("added", POSTED), ("removed", {"transaction_id": "p1", "account_id": "acc-1"})]],
        [[("removed", {"transaction_id": "p1", "account_id": "acc-1"})], [("added", POSTED)]],
    ],
    ids=["removed first", "added first", "in two readings"],
)
def test_a_pending_one_that_its_user_has_categorised_keeps_that_when_it_is_booked(plaid, sync, user, steps):
    item = plaid.item()
    item.log = [("added", PENDING)]
    sync()
    ctx = FakeContext(user=user)
    [pending] = run_action(actions.list_transactions, {"pending": True}, ctx).result.items
    run_action(actions.categorize, {"transaction_ids": [str(pending.id)], "category": "Treats"}, ctx)
    run_action(actions.change_transaction, {"transaction_id": str(pending.id), "note": "with Anna"}, ctx)
    for changes in steps:
        item.log += changes
        sync()
    [one] = run_action(actions.list_transactions, {}, FakeContext(user=user)).result.items
    assert (one.pending, one.amount, one.category, one.category_by, one.note) == (
        False,
        usd("-5.00"),
        "Treats",
        "user",
        "with Anna",
    )


def test_what_a_bank_changes_or_takes_back_is_changed_and_gone_and_edits_stay(plaid, sync, user, kept):
    item = plaid.item()
    item.log = [("added", transaction(*COFFEE)), ("added", transaction("t2", "2.00", "2024-02-02", "Tea"))]
    sync()
    ctx = FakeContext(user=user)
    coffee = run_action(actions.list_transactions, {"text": "coffee"}, ctx).result.items[0]
    run_action(actions.categorize, {"transaction_ids": [str(coffee.id)], "category": "Treats"}, ctx)
    item.log += [
        ("modified", transaction("t1", "4.75", "2024-02-01", "Coffee House")),
        ("removed", {"transaction_id": "t2", "account_id": "acc-1"}),
    ]
    done = sync()
    assert (done.added, done.changed, done.removed) == (0, 1, 1)
    [one] = run_action(actions.list_transactions, {}, ctx).result.items
    assert (one.id, one.amount, one.category) == (coffee.id, usd("-4.75"), "Treats")


def test_real_twins_stay_two_also_when_they_come_apart(plaid, sync, kept):
    item = plaid.item()
    item.log = [("added", transaction("t1", "4.50", "2024-02-01", "Coffee"))]
    sync()
    item.log.append(("added", transaction("t2", "4.50", "2024-02-01", "Coffee")))
    sync()
    assert len(kept()) == 2
    sync()
    assert len(kept()) == 2


def test_what_cannot_be_kept_is_said_and_holds_nothing_up(plaid, sync):
    item = plaid.item()
    item.log = [
        (
            "added",
            transaction(
                "t1", "1.00", "2024-02-01", "Points", iso_currency_code=None, unofficial_currency_code="POINTS"
            ),
        ),
        ("added", transaction(*COFFEE[:1], "2.00", "2024-02-02", "Tea") | {"transaction_id": "t2"}),
    ]
    done = sync()
    assert done.added == 1
    assert "no currency" in done.messages[0]


# --- the error map


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error("ITEM_ERROR", "ITEM_LOGIN_REQUIRED"), NeedsReconnect), (error("INVALID_INPUT", "INVALID_ACCESS_TOKEN"), NeedsReconnect),
        (error("ITEM_ERROR", "ACCESS_NOT_GRANTED"), NeedsReconnect), (error("ITEM_ERROR", "USER_PERMISSION_REVOKED"), NeedsReconnect),
        (error("ITEM_ERROR", "PASSWORD_RESET_REQUIRED"), NeedsReconnect), (error("INSTITUTION_ERROR", "INSTITUTION_REGISTRATION_REQUIRED"), NotConfigured),
        (error("INSTITUTION_ERROR", "INSTITUTION_DOWN"), Transient), (error("ITEM_ERROR", "PRODUCT_NOT_READY"), Transient),
        (error("INSTITUTION_ERROR", "INSTITUTION_NOT_RESPONDING"), Transient), (error("API_ERROR", "PLANNED_MAINTENANCE", 503), Transient),
        (error("API_ERROR", "INTERNAL_SERVER_ERROR", 500), Transient), (error("RATE_LIMIT_EXCEEDED", "TRANSACTIONS_SYNC_LIMIT", 429), RateLimited),
        (error("RATE_LIMIT_EXCEEDED", "TRANSACTIONS_LIMIT", 400), RateLimited), (error("INVALID_INPUT", "INVALID_API_KEYS"), NotConfigured),
        (error("INVALID_INPUT", "UNAUTHORIZED_ENVIRONMENT"), NotConfigured), (error("INVALID_REQUEST", "MISSING_FIELDS"), BadInput),
        (error("ITEM_ERROR", "SOMETHING_NEW"), Refused), (error("X", "Y", 403), Forbidden), (error("X", "Y", 404), NotFound),
        ((500, b"<html>bad gateway"), Transient), ((502, b"\xff\xfe\x00"), Transient), ((401, b""), NotConfigured),
        ((200, b"not json"), Transient), ((200, {"added": []}), Transient), ((200, b"[]"), Transient), ((302, b""), Refused),
    ],
)  # fmt: skip
def test_each_refusal_has_its_remedy(plaid, sync, answer, kind):
    plaid.item()
    plaid.faults["/transactions/sync"] = [answer]
    with pytest.raises(ActionError) as raised:
        sync()
    assert type(raised.value) is kind
    assert SECRET not in raised.value.detail
    assert "access-1" not in raised.value.detail


def test_silence_while_reading_is_transient_and_a_closed_port_too(plaid, context, refused_url):
    plaid.item()
    plaid.faults["/transactions/sync"] = [None]
    with pytest.raises(Transient):
        run_action(actions.sync, {}, context(timeout_s=2.0))
    closed = PlaidSettings(plaid_client_id=CLIENT, plaid_secret=SECRET, plaid_url=refused_url)
    with pytest.raises(Transient):
        PlaidClient(FakeContext([closed], fetch_allow=("127.0.0.1",))).institutions()


# --- connecting


def connect(context: Callable[..., FakeContext], **given: Any) -> Any:
    return run_action(actions.connect_bank, given, context(connected=False)).result


def accounts_of(db: Database, user: User) -> dict[str, str]:
    with db.read() as conn:
        listed = connections.listed(conn, user.id, "plaid")
        return {
            one.account: connections.credentials(conn, one, PLAID)[1].access_token.get_secret_value() for one in listed
        }


def test_a_bank_is_connected_at_plaids_own_page(plaid, context, db, user):
    link = connect(context)
    assert link.url.startswith("https://secure.plaid.com/hl/")
    [(_, asked)] = plaid.asked
    assert asked["transactions"] == {"days_requested": 730}
    assert asked["webhook"] == "https://llm.example.org/finance/plaid"
    assert "hosted_link" in asked
    plaid.sign_in("link-sandbox-1")
    done = run_action(actions.finish_connecting, {"link_id": link.link_id}, context(connected=False)).result
    assert done.accounts == ["item-1"]
    assert accounts_of(db, user) == {"item-1": "access-1"}
    with db.read() as conn:
        [stored] = connections.listed(conn, user.id, "plaid")
    assert json.loads(stored.shown) == {"institution": "First Platypus Bank"}


def test_who_has_not_signed_in_yet_is_told_so_and_may_ask_again(plaid, context):
    link = connect(context)
    with pytest.raises(BadInput, match="Nobody has signed in"):
        run_action(actions.finish_connecting, {"link_id": link.link_id}, context(connected=False))
    plaid.sign_in("link-sandbox-1")
    assert run_action(
        actions.finish_connecting, {"link_id": link.link_id}, context(connected=False)
    ).result.accounts == ["item-1"]


def test_finishing_twice_exchanges_once(plaid, context, db, user):
    link = connect(context)
    plaid.sign_in("link-sandbox-1")
    for _ in range(2):
        run_action(actions.finish_connecting, {"link_id": link.link_id}, context(connected=False))
    assert plaid.operations().count("/item/public_token/exchange") == 1
    assert list(accounts_of(db, user)) == ["item-1"]


def test_a_public_token_that_was_lost_before_the_exchange_is_found_again(plaid, context, db, user):
    link = connect(context)
    plaid.sign_in("link-sandbox-1")
    plaid.faults["/item/public_token/exchange"] = [error("API_ERROR", "INTERNAL_SERVER_ERROR", 500)]
    ctx = context(connected=False)
    with pytest.raises(Uncertain):
        run_action(actions.finish_connecting, {"link_id": link.link_id}, ctx)
    given = actions.finish_connecting.input(link_id=link.link_id)
    assert actions.finish_connecting.reconcile(given, ctx.markers[0], context(connected=False)) is None
    run_action(actions.finish_connecting, given, context(connected=False))
    assert plaid.operations().count("/link/token/get") == 2
    assert accounts_of(db, user) == {"item-1": "access-1"}


def test_silence_at_the_exchange_is_uncertain_and_what_is_used_up_is_said(plaid, context):
    link = connect(context)
    plaid.sign_in("link-sandbox-1")
    plaid.faults["/item/public_token/exchange"] = [lambda self: self.public_tokens.clear(), None]
    with pytest.raises(NotFound, match="given the access away already"):
        run_action(actions.finish_connecting, {"link_id": link.link_id}, context(connected=False))
    with pytest.raises(Uncertain):
        run_action(actions.finish_connecting, {"link_id": link.link_id}, context(connected=False, timeout_s=2.0))


def test_a_yes_that_cannot_be_read_is_no_question(plaid, context):
    link = connect(context)
    plaid.sign_in("link-sandbox-1")
    plaid.faults["/item/public_token/exchange"] = [(200, b'{"access_token": "acc'), (200, {"request_id": "r"})]
    for _ in range(2):
        with pytest.raises(Unreadable):
            run_action(actions.finish_connecting, {"link_id": link.link_id}, context(connected=False))


def test_a_bank_that_wants_a_sign_in_again_is_mended_in_update_mode(plaid, context, db, user):
    link = connect(context)
    item = plaid.sign_in("link-sandbox-1")
    run_action(actions.finish_connecting, {"link_id": link.link_id}, context(connected=False))
    item.error = {
        "error_type": "ITEM_ERROR",
        "error_code": "ITEM_LOGIN_REQUIRED",
        "error_message": "x",
        "display_message": None,
    }
    with pytest.raises(NeedsReconnect, match="reconnect"):
        run_action(actions.sync, {}, context())
    again = connect(context, reconnect="item-1")
    asked = plaid.asked[-1][1]
    assert (asked["access_token"], "products" in asked, "transactions" in asked) == ("access-1", False, False)
    with pytest.raises(NeedsReconnect):
        run_action(actions.finish_connecting, {"link_id": again.link_id}, context(connected=False))
    item.error = None
    done = run_action(actions.finish_connecting, {"link_id": again.link_id}, context(connected=False)).result
    assert done.accounts == ["item-1"]


def test_anothers_link_is_an_unknown_one(plaid, context, new_user, settings_of):
    link = connect(context)
    bob = FakeContext([settings_of], user=new_user("bob@example.org"), fetch_allow=("127.0.0.1",))
    with pytest.raises(NotFound):
        run_action(actions.finish_connecting, {"link_id": link.link_id}, bob)


def test_without_a_client_nothing_is_asked(user):
    with pytest.raises(NotConfigured, match="PLAID_CLIENT_ID"):
        run_action(actions.connect_bank, {}, FakeContext(user=user))


def test_the_doctor_says_how_many_banks_there_are_and_what_is_wrong(plaid, context, settings_of):
    assert checks.PLAID.ask(settings_of, context()) == "Plaid, sandbox: 12,000 banks in US."
    plaid.faults["/institutions/get"] = [error("INVALID_INPUT", "INVALID_API_KEYS")]
    with pytest.raises(NotConfigured, match="does not know PLAID_CLIENT_ID"):
        checks.PLAID.ask(settings_of, context())


# --- webhooks


NEWS = json.dumps(
    {
        "webhook_type": "TRANSACTIONS",
        "webhook_code": "SYNC_UPDATES_AVAILABLE",
        "item_id": "item-1",
        "initial_update_complete": True,
        "historical_update_complete": True,
        "environment": "sandbox",
    }
).encode()


class Door:
    """The engine as a hook meets it; remembers what it was given."""

    def __init__(self, settings: PlaidSettings, user: User) -> None:
        self._settings, self._user = settings, user
        self.jobs: dict[str, tuple[str, dict[str, Any]]] = {}

    def settings(self, kind: type[Any]) -> Any:
        return self._settings if kind is PlaidSettings else EngineSettings(fetch_allow="127.0.0.1")

    def user_of(self, provider: str, account: str) -> User | None:
        return self._user if (provider, account) == ("plaid", "item-1") else None

    def submit(self, user: User, action: str, given: dict[str, Any], *, key: str) -> None:
        self.jobs.setdefault(key, (action, given))


@pytest.fixture
def door(settings_of: PlaidSettings, user: User, monkeypatch: pytest.MonkeyPatch) -> Door:
    monkeypatch.setattr(hooks, "_KEYS", webhooks.Keys())
    return Door(settings_of, user)


def call(door: Door, token: str, body: bytes = NEWS) -> int:
    return hooks.PLAID.answer(Call({"plaid-verification": token}, body), door).status  # type: ignore[arg-type]


def test_news_that_plaid_has_signed_make_one_job_however_often_they_come(plaid, door):
    key = plaid.new_key()
    token = plaid.signed(key, NEWS)
    assert [call(door, token), call(door, token)] == [200, 200]
    assert list(door.jobs.values()) == [("finance.sync", {"account": "plaid:item-1"})]
    assert plaid.operations().count("/webhook_verification_key/get") == 1
    call(door, plaid.signed(key, NEWS, age_s=1))
    assert len(door.jobs) == 2


def forgeries(plaid: Plaid) -> Iterator[tuple[str, str, bytes]]:
    key, old = plaid.new_key(), plaid.new_key("old", expired=True)
    yield "no token", "", NEWS
    yield "nonsense", "a.b.c", NEWS
    yield "another body", plaid.signed(key, NEWS), NEWS + b" "
    yield "five minutes old", plaid.signed(key, NEWS, age_s=301), NEWS
    yield "from the future", plaid.signed(key, NEWS, age_s=-120), NEWS
    yield "an expired key", plaid.signed(old, NEWS, kid="old"), NEWS
    yield "a key that is none", plaid.signed(key, NEWS, kid="other"), NEWS
    yield "an id that is none", plaid.signed(key, NEWS, kid="../../x"), NEWS
    yield "another's key", plaid.signed(plaid.new_key("mine"), NEWS, kid="key-1"), NEWS
    yield "HMAC with the public key", plaid.signed("x" * 64, NEWS, algorithm="HS256"), NEWS
    yield "no signature", plaid.signed(None, NEWS, algorithm="none"), NEWS
    yield "no hash", plaid.signed(key, NEWS, request_body_sha256=None), NEWS
    yield "a hash that is a number", plaid.signed(key, NEWS, request_body_sha256=7), NEWS
    yield "an age that is text", plaid.signed(key, NEWS, iat="now"), NEWS
    yield "too long", plaid.signed(key, NEWS, more="x" * 5_000), NEWS


def test_whatever_is_not_plaids_is_refused_and_does_nothing(plaid, door):
    for name, token, body in forgeries(plaid):
        with pytest.raises(Forbidden):
            pytest.fail(f"{name}: {call(door, token, body)}")
    assert door.jobs == {}


def test_made_up_keys_make_us_ask_so_often_and_no_more(plaid, door):
    key = plaid.new_key()
    for n in range(30):
        with pytest.raises((Forbidden, Transient)):
            call(door, plaid.signed(key, NEWS, kid=f"made-up-{n}"))
    assert plaid.operations().count("/webhook_verification_key/get") == webhooks.MOST_QUESTIONS


@pytest.mark.parametrize(
    "told", [{"webhook_type": "ITEM", "webhook_code": "ERROR", "item_id": "item-1"}, {"webhook_type": "TRANSACTIONS", "webhook_code": "SYNC_UPDATES_AVAILABLE", "item_id": "nobody's"}, {}]
)  # fmt: skip
def test_other_news_are_acknowledged_and_make_no_job(plaid, door, told):
    body = json.dumps(told).encode()
    assert call(door, plaid.signed(plaid.new_key(), body), body) == 200
    assert door.jobs == {}


def test_the_age_is_that_of_the_wall_clock(plaid):
    key, keys = plaid.new_key(), webhooks.Keys()
    token = plaid.signed(key, NEWS)
    assert webhooks.prove({"plaid-verification": token}, NEWS, plaid.keys.get, keys, time.time() + 299)  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        webhooks.prove({"plaid-verification": token}, NEWS, plaid.keys.get, keys, time.time() + 302)  # type: ignore[arg-type]


# --- by the vendor's own contract


def test_everything_that_is_asked_keeps_plaids_own_contract_and_so_does_the_server_here(plaid, user, strict_fake):
    fake = strict_fake("plaid.json", "--upstream", plaid.url)
    told = PlaidSettings(plaid_client_id=CLIENT, plaid_secret=SECRET, plaid_url=fake.url)
    ctx = FakeContext([told], user=user, fetch_allow=("127.0.0.1",))
    client = PlaidClient(ctx, ctx=ctx)
    link = client.create_link(user.id, "https://llm.example.org/finance/plaid")
    item = plaid.sign_in(link.token)
    item.log = [("added", transaction(f"t{n}", "1.25", "2024-02-01", f"Shop {n}")) for n in range(3)]
    session = client.session_of(link.token)
    access_token, item_id = client.exchange(next(iter(session.public_tokens)))
    assert item_id == "item-1"
    client.create_link(user.id, None, access_token)
    assert client.item(access_token)["item_id"] == "item-1"
    first = client.changes(access_token, None)
    second = client.changes(access_token, first.next_cursor)
    assert [str(one["amount"]) for one in (*first.added, *second.added)] == ["1.25"] * 3
    assert client.institutions() == 12_000
    plaid.new_key()
    assert client.webhook_key("key-1")["crv"] == "P-256"
    assert fake.refusals() == []
