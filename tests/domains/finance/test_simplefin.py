"""A SimpleFIN bridge: its token counts once, its messages are always shown, its amounts are text."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from llmcoder.errors import (
    ActionError,
    BadInput,
    NeedsReconnect,
    NotFound,
    RateLimited,
    Refused,
    Transient,
    Uncertain,
    Unreadable,
)
from llmcoder.money import Money
from llmcoder.testing import FakeContext, run_action
from models.connections import store as connections
from models.db.database import Database
from tasks.finance import actions
from tasks.finance.connections import SIMPLEFIN, SIMPLEFIN_RATE, SimpleFinAccess, whose_bridge

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("configured")]
DAY = int(datetime(2024, 2, 1, 12, tzinfo=UTC).timestamp())


class Bridge:
    """What a bridge knows: one token, and the accounts behind the access that it is given for."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.claimed = 0
        self.accounts: list[dict[str, Any]] = []
        self.more: dict[str, Any] = {"errors": []}
        self.faults: list[Callable[[Any], None]] = []
        server.routes["/claim/demo"] = self._claim
        server.routes["/simplefin/accounts"] = self._accounts

    @property
    def token(self) -> str:
        return base64.b64encode(f"{self.server.url}/claim/demo".encode()).decode()

    @property
    def access_url(self) -> str:
        return self.server.url.replace("http://", "http://demo:p%40ss@") + "/simplefin"

    def _claim(self, exchange: Any) -> None:
        if self.faults:
            return self.faults.pop(0)(exchange)
        self.claimed += 1
        if self.claimed > 1:
            return exchange.send(403, b"claimed before", "text/plain")
        return exchange.send(200, self.access_url.encode(), "text/plain")

    def _accounts(self, exchange: Any) -> None:
        if self.faults:
            return self.faults.pop(0)(exchange)
        expected = f"Basic {base64.b64encode(b'demo:p@ss').decode()}"
        if exchange.seen.headers.get("authorization") != expected:
            return exchange.send(403, {})
        return exchange.send(200, {"accounts": self.accounts, **self.more})


@pytest.fixture
def bridge(server: Any) -> Bridge:
    return Bridge(server)


@pytest.fixture
def context(user: Any, bridge: Bridge) -> Callable[..., FakeContext]:
    def context(*, connected: bool = True, timeout_s: float = 30.0) -> FakeContext:
        access = {SIMPLEFIN: SimpleFinAccess(access_url=SecretStr(bridge.access_url))} if connected else {}
        return FakeContext(
            user=user, fetch_allow=("127.0.0.1",), connections=access, account="bridge", timeout_s=timeout_s
        )

    return context


@pytest.fixture
def sync(context: Callable[..., FakeContext]) -> Callable[[], Any]:
    return lambda: run_action(actions.sync, {}, context()).result


@pytest.fixture
def kept(user: Any) -> Callable[[], list[tuple[str, Money, str, bool]]]:
    def kept() -> list[tuple[str, Money, str, bool]]:
        items = run_action(actions.list_transactions, {"sort": "date"}, FakeContext(user=user)).result.items
        return [(str(one.booked_on), one.amount, one.text, one.pending) for one in items]

    return kept


def account(*rows: dict[str, Any], number: str = "ACT-1", currency: str = "USD") -> dict[str, Any]:
    return {
        "org": {"domain": "bank.example", "name": "My Bank", "sfin-url": "x"}, "id": number, "name": "Savings",
        "currency": currency, "balance": "100.23", "available-balance": "75.23", "balance-date": DAY,
        "transactions": list(rows),
    }  # fmt: skip


def row(number: str, amount: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "posted": DAY, "amount": amount, "description": text, **more}


def recently(days: int) -> int:
    return int((datetime.now(UTC) - timedelta(days=days)).timestamp())


# --- the claim


def claim(context: Callable[..., FakeContext], token: str, **more: Any) -> Any:
    return run_action(actions.connect_simplefin, {"token": token}, context(connected=False, **more))


def test_a_token_is_claimed_once_and_the_access_is_kept_sealed(bridge, context, db: Database, user):
    done = claim(context, bridge.token)
    with db.read() as conn:
        [stored] = connections.listed(conn, user.id, "simplefin")
        access = connections.credentials(conn, stored, SIMPLEFIN)[1]
    assert done.result.accounts == [stored.account]
    assert access.access_url.get_secret_value() == bridge.access_url
    assert "p%40ss" not in stored.shown
    assert done.markers[0].keys() == {"claim"}
    assert done.context.confirmations == 1


def test_a_token_that_was_claimed_before_says_so(bridge, context):
    claim(context, bridge.token)
    with pytest.raises(NotFound, match="claimed before"):
        claim(context, bridge.token)


def test_silence_is_uncertain_and_what_was_kept_is_found_again(bridge, context):
    bridge.faults = [lambda exchange: exchange.stay_silent()]
    with pytest.raises(Uncertain):
        claim(context, bridge.token, timeout_s=2.0)
    marker = claim(context, bridge.token).markers[0]
    given = actions.connect_simplefin.input(token=bridge.token)
    found = actions.connect_simplefin.reconcile(given, marker, context(connected=False))
    assert found is not None
    assert actions.connect_simplefin.reconcile(given, {"claim": "another"}, context(connected=False)) is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, b"<html>done</html>"), Unreadable),
        ((500, b""), Uncertain),
        ((429, b""), RateLimited),
        ((404, b""), NotFound),
    ],
)
def test_each_answer_to_a_claim_has_its_remedy(bridge, context, answer, kind):
    bridge.faults = [lambda exchange: exchange.send(answer[0], answer[1], "text/plain")]
    with pytest.raises(ActionError) as raised:
        claim(context, bridge.token)
    assert type(raised.value) is kind


@pytest.mark.parametrize(
    "token", ["not base64 at all!", "aGVsbG8gd29ybGQ=", "ZmlsZTovLy9ldGMvcGFzc3dk", "//////////////"]
)
def test_what_is_no_token_is_refused_before_anything_is_asked(context, server, token):
    with pytest.raises(BadInput):
        claim(context, token)
    assert server.seen == []


def test_an_access_url_can_be_connected_as_it_is(bridge, context):
    name = whose_bridge(SimpleFinAccess(access_url=SecretStr(bridge.access_url)), context())
    assert name.startswith("127.0.0.1")
    assert "demo" not in name
    with pytest.raises(NeedsReconnect):
        whose_bridge(SimpleFinAccess(access_url=SecretStr(bridge.access_url.replace("demo", "other"))), context())
    with pytest.raises(BadInput):
        whose_bridge(SimpleFinAccess(access_url=SecretStr("https://bridge.example/no/user")), context())


# --- reading


def test_transactions_are_read_with_their_exact_amounts(bridge, sync, kept):
    bridge.accounts = [
        account(row("1", "-33293.43", "Grocery store", payee="John's", memo="weekly"), row("2", "1.005", "x"))
    ]
    done = sync()
    assert (done.added, done.ready) == (2, True)
    assert ("2024-02-01", Money.of("-33293.43", "USD"), "John's · Grocery store · weekly", False) in kept()


def test_the_same_again_adds_nothing_and_a_change_changes(bridge, sync, kept):
    bridge.accounts = [account(row("1", "-5.00", "Coffee"))]
    sync()
    bridge.accounts = [account(row("1", "-5.50", "Coffee"))]
    done = sync()
    assert (done.added, done.changed) == (0, 1)
    assert [amount for _, amount, _, _ in kept()] == [Money.of("-5.50", "USD")]


def test_a_pending_one_that_is_not_told_any_more_is_gone(bridge, sync, kept):
    bridge.accounts = [account(row("p", "-5.00", "Coffee", posted=0, transacted_at=recently(2), pending=True))]
    sync()
    assert [pending for *_, pending in kept()] == [True]
    bridge.accounts = [account(row("1", "-5.00", "Coffee shop", posted=recently(1)))]
    assert sync().removed == 1
    assert [pending for *_, pending in kept()] == [False]


def test_a_bank_that_could_not_be_asked_keeps_its_pending_ones(bridge, sync, kept):
    bridge.accounts = [account(row("p", "-5.00", "Coffee", posted=0, transacted_at=recently(2), pending=True))]
    sync()
    bridge.accounts, bridge.more = [account()], {"errors": ["My Bank does not answer."]}
    assert sync().removed == 0
    assert len(kept()) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"errors": ["You must reauthenticate."]},
        {"errlist": [{"code": "con.auth", "msg": "You must reauthenticate.", "conn_id": "c1"}]},
        {"errlist": [{"code": "gen.", "message": "You must reauthenticate."}], "errors": []},
    ],
)
def test_what_a_bridge_has_to_say_is_always_shown(bridge, sync, more):
    bridge.accounts = [account(row("1", "-5.00", "Coffee"))]
    bridge.more = more
    done = sync()
    assert (done.added, done.messages) == (1, ["You must reauthenticate."])


def test_what_cannot_be_kept_is_said_and_holds_nothing_up(bridge, sync):
    bad = [row("1", "five", "x"), {"id": "2"}, row("3", "1.00", "y", posted="soon"), row("", "1.00", "z")]
    bridge.accounts = [
        account(*bad, row("4", "1.00", "kept")),
        account(number="ACT-2", currency="https://miles.example"),
    ]
    done = sync()
    assert (done.added, len(done.messages)) == (1, 5)


def test_it_asks_for_ninety_days_at_first_and_then_for_what_is_new(bridge, sync, server):
    bridge.accounts = [account()]
    sync()
    sync()
    first, second = (int(one.path.partition("start-date=")[2].partition("&")[0]) for one in server.seen)
    now = datetime.now(UTC).timestamp()
    assert 88 * 86_400 < now - first < 90 * 86_400
    assert 13 * 86_400 < now - second < 15 * 86_400


def test_it_is_asked_no_more_than_a_bridge_answers():
    assert (SIMPLEFIN_RATE.calls, SIMPLEFIN_RATE.per_s) == (24, 86_400)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((403, b""), NeedsReconnect), ((401, b""), NeedsReconnect), ((402, b""), Refused), ((429, b""), RateLimited),
        ((500, b"oops"), Transient), ((503, b""), Transient), ((200, b"nonsense"), Transient), ((404, b""), Refused),
        ((200, b'{"accounts": {}}'), Transient), ((200, b"[]"), Transient), ((204, b""), Transient),
    ],
)  # fmt: skip
def test_each_refusal_has_its_remedy(bridge, sync, kept, answer, kind):
    bridge.faults = [lambda exchange: exchange.send(*answer)]
    with pytest.raises(ActionError) as raised:
        sync()
    assert type(raised.value) is kind
    assert "p@ss" not in raised.value.detail
    assert kept() == []


def test_silence_while_reading_is_transient(bridge, context):
    bridge.faults = [lambda exchange: exchange.stay_silent()]
    with pytest.raises(Transient):
        run_action(actions.sync, {}, context(timeout_s=2.0))
