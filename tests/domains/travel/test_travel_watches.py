"""Price watches: a drop under the threshold is told once, a rise re-arms, and a job that is run again counts once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from travel_kit import recorded_file

from engine import scheduling
from engine.outbox import Outbox
from llmcoder import BadInput, NotConfigured, NotFound
from llmcoder.config import Config, use
from llmcoder.context import User
from llmcoder.declare.channel import Channel
from llmcoder.ids import new_id
from llmcoder.money import Money
from llmcoder.registry import Registry, discover
from llmcoder.testing import FakeContext, run_action
from models.accounts import preferences
from models.accounts.preferences import Preferences
from models.db.database import Database, database
from models.jobs.tables import jobs
from models.schedules import store as schedules
from models.schedules.tables import schedules as schedule_table
from schedules.triggers import TriggerTick
from tasks.travel import price_alerts as alert_trigger
from tasks.travel import watch_actions, watch_store
from tasks.travel.actions import (
    alerts,
    change_watch,
    check_price,
    flights,
    quotes,
    tell_price_drop,
    unwatch,
    watch_price,
    watches,
)
from tasks.travel.recorded import RecordedSource
from tasks.travel.search import Trip, search_of
from tasks.travel.settings import TravelSettings
from tasks.travel.source import SourceAnswer, cheapest
from tasks.travel.tables import price_alerts, price_quotes, price_watches
from tasks.travel.watch_store import NewQuote

pytestmark = pytest.mark.both_stores

START = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
WANTED_TRIP = {"from": "Berlin", "to": "London", "depart_on": "2027-02-10"}
WANTED = WANTED_TRIP | {"below": "90.00 EUR"}


class Desk:
    """One user, a clock that stands until it is moved, and a file of recorded prices."""

    def __init__(self, db: Database, user: User, file: Path) -> None:
        self.db, self.user, self.file = db, user, file
        self.now = START

    def ctx(self, job_id: UUID | None = None, user: User | None = None) -> FakeContext:
        settings = TravelSettings(travel_recorded_file=self.file)
        return FakeContext([settings], user=user or self.user, job_id=job_id or new_id())

    def run(self, action: Any, given: Any, ctx: FakeContext | None = None) -> Any:
        return run_action(action, given, ctx or self.ctx()).result

    def watch(self, **more: Any) -> Any:
        return self.run(watch_price, WANTED | more)

    def price(self, cents: int) -> None:
        recorded_file(self.file, [cents])

    def look(self, watch: Any, cents: int, ctx: FakeContext | None = None) -> Any:
        """One day later, at this price."""
        self.price(cents)
        self.now += DAY
        return self.run(check_price, {"watch_id": watch.id}, ctx)

    def count(self, table: sa.Table) -> int:
        with self.db.read() as conn:
            return int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())

    def made(self, action: str = alert_trigger.TELL) -> list[Any]:
        with self.db.read() as conn:
            return list(conn.execute(sa.select(jobs).where(jobs.c.action == action).order_by(jobs.c.id)))


@pytest.fixture
def desk(db: Database, db_url: str, user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    environ = {"DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": db_url}
    made = Desk(db, user, tmp_path / "prices.json")
    made.price(10_000)
    with use(Config.open(environ, cwd=tmp_path)), closing(database()) as shared:
        for one in (db, shared):
            monkeypatch.setattr(one, "now", lambda: made.now)
        yield made


@pytest.fixture
def ask(desk: Desk, redis_url: str) -> Iterator[Callable[[], int]]:
    outbox = Outbox(redis_url, redis_url, window=100)
    outbox.start()
    yield TriggerTick(desk.db, outbox, Registry(discover()), alert_trigger.PRICE_ALERTS).ask
    outbox.close()


Ask = Callable[[], int]


# --- kept


def test_a_watch_is_a_schedule_that_looks_at_once_and_until_the_last_day(desk: Desk) -> None:
    watch = desk.watch(flexible_days=1, every_s=3_600)
    assert (watch.name, watch.source) == ("Berlin - London, 2027-02-10", "recorded")
    assert (watch.is_below, watch.drops, watch.last_price, watch.enabled) == (False, 0, None, True)
    with desk.db.read() as conn:
        schedule = schedules.get(conn, desk.user.id, watch.id)
    assert schedule is not None
    assert (schedule.action, json.loads(schedule.input)) == ("travel.check_price", {"watch_id": str(watch.id)})
    assert schedule.next_fire_at is not None and schedule.next_fire_at - START < timedelta(seconds=1)
    assert schedule.next_after(schedule.next_fire_at) == schedule.next_fire_at + timedelta(hours=1)
    assert schedule.ends_at == datetime(2027, 2, 11, 22, 59, 59, 999999, tzinfo=UTC), "midnight in Berlin"
    assert (schedule.overlap, schedule.catch_up) == ("skip", "once")


def test_an_attempt_that_is_run_again_adds_no_second_watch(desk: Desk) -> None:
    ctx = desk.ctx()
    first, again = (desk.run(watch_price, WANTED, ctx) for _ in range(2))
    assert first == again
    assert (desk.count(price_watches), desk.count(schedule_table)) == (1, 1)


def test_watches_are_listed_page_by_page_and_are_their_users_own(desk: Desk) -> None:
    kept = [desk.watch(depart_on=f"2027-02-1{number}").id for number in range(3)]
    first = desk.run(watches, {"limit": 2})
    rest = desk.run(watches, {"limit": 2, "before": first.next})
    assert [one.id for one in (*first.items, *rest.items)] == kept[::-1]
    assert rest.next is None
    other = desk.ctx(user=User(new_id(), "other@example.org"))
    assert desk.run(watches, {}, other).items == []
    for action in (quotes, check_price):
        with pytest.raises(NotFound):
            desk.run(action, {"watch_id": kept[0]}, desk.ctx(user=User(new_id(), "other@example.org")))


def test_what_undoes_it_takes_the_schedule_the_quotes_and_the_alerts_with_it(desk: Desk) -> None:
    ctx = desk.ctx()
    watch = desk.run(watch_price, WANTED, ctx)
    desk.look(watch, 8_000)
    assert watch_price.undo is not None
    taking_back = watch_price.undo.input(None, watch)
    removed = desk.run(unwatch, taking_back).removed
    assert (removed.id, removed.drops) == (watch.id, 1)
    assert [desk.count(one) for one in (price_watches, price_quotes, price_alerts, schedule_table)] == [0, 0, 0, 0]
    assert desk.run(unwatch, {"watch_id": watch.id}).removed is None, "twice is no error"


def test_a_removed_schedule_is_said_so_and_no_obstacle(desk: Desk) -> None:
    watch = desk.watch()
    with desk.db.write() as conn:
        schedules.remove(conn, watch.id)
    (shown,) = desk.run(watches, {}).items
    assert (shown.enabled, shown.next_at) == (False, None)
    assert "was removed" in shown.note
    assert desk.run(unwatch, {"watch_id": watch.id}).removed.id == watch.id


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"to": "Oslo"}, "no recorded quotes"),
        ({"below": "90.00 USD"}, "Recorded quotes are in EUR, not in USD"),
        ({"from": "Atlantis"}, "no airport or city"),
        ({"depart_on": "2026-11-01"}, "which is past"),
    ],
)
def test_what_would_never_tell_anything_is_not_kept(desk: Desk, given: dict[str, Any], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        desk.watch(**given)
    assert (desk.count(price_watches), desk.count(schedule_table)) == (0, 0)


@pytest.mark.parametrize("source", ["duffel", "skyscanner"])
def test_a_watch_without_an_account_could_never_look_and_is_not_kept(desk: Desk, source: str) -> None:
    with pytest.raises(NotConfigured, match="account"):
        desk.watch(source=source)
    assert (desk.count(price_watches), desk.count(schedule_table)) == (0, 0)


@pytest.mark.parametrize("below", ["0 EUR", "-5 EUR", "90", "90 XXQ", 90.5, {"amount": 90.5, "currency": "EUR"}])
def test_a_threshold_is_an_amount_of_money_that_something_can_be_under(desk: Desk, below: Any) -> None:
    with pytest.raises(ValidationError):
        desk.watch(below=below)


def test_nobody_has_too_many(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_store, "MOST_WATCHES", 1)
    desk.watch()
    with pytest.raises(BadInput, match="which is the most"):
        desk.watch()


# --- drops


def drops_of(prices: Sequence[int], below: int) -> list[int]:
    """The places of the prices that are a drop, said once more in another way."""
    return [at for at, cents in enumerate(prices) if cents < below and (at == 0 or prices[at - 1] >= below)]


def test_a_drop_is_told_once_and_a_rise_re_arms(desk: Desk) -> None:
    watch = desk.watch()
    prices = [9_500, 8_999, 8_000, 8_500, 9_000, 8_999, 9_500, 8_000]
    seen = [desk.look(watch, cents).is_drop for cents in prices]
    assert [at for at, is_drop in enumerate(seen) if is_drop] == drops_of(prices, 9_000) == [1, 5, 7]
    (shown,) = desk.run(watches, {}).items
    assert (shown.drops, shown.is_below) == (3, True)
    assert (str(shown.last_price), str(shown.lowest_price)) == ("80.00 EUR", "80.00 EUR")


def test_the_first_price_may_be_the_drop(desk: Desk) -> None:
    assert desk.look(desk.watch(), 8_000).is_drop


def test_the_evidence_is_both_prices_their_sources_and_their_times(desk: Desk) -> None:
    watch = desk.watch()
    first = desk.ctx()
    desk.look(watch, 9_500, first)
    second = desk.ctx()
    desk.look(watch, 8_450, second)
    (alert,) = desk.run(alerts, {}).items
    told = alert.evidence
    assert (told.number, str(told.price), str(told.price_before), str(told.below)) == (
        1,
        "84.50 EUR",
        "95.00 EUR",
        "90.00 EUR",
    )
    assert (told.quote_before_id, told.quote_id) == (first.job_id, second.job_id)
    assert (told.quoted_before_at, told.quoted_at) == (START + DAY, START + 2 * DAY)
    assert (told.source, told.recorded) == ("recorded", True)
    assert told.flight is not None and told.flight.price == told.price
    assert "Berlin - London, 2027-02-10 costs 84.50 EUR, under 90.00 EUR. It was 95.00 EUR." in alert.text
    assert alert.text.startswith("Recorded quote, nobody sells at it")


def test_quotes_are_kept_with_source_and_age(desk: Desk) -> None:
    watch = desk.watch()
    for cents in (9_500, 9_400, 9_300):
        desk.look(watch, cents)
    desk.now += timedelta(hours=2)
    first = desk.run(quotes, {"watch_id": watch.id, "limit": 2})
    rest = desk.run(quotes, {"watch_id": watch.id, "limit": 2, "before": first.next})
    assert [str(one.price) for one in (*first.items, *rest.items)] == ["93.00 EUR", "94.00 EUR", "95.00 EUR"]
    assert [one.age_s for one in first.items] == [7_200, 86_400 + 7_200]
    assert {(one.source, one.recorded, one.flights, one.complete) for one in first.items} == {
        ("recorded", True, 1, True)
    }


def test_what_a_source_said_taints_what_is_made_of_it_and_the_own_watch_does_not(desk: Desk) -> None:
    watch = desk.watch()
    look = desk.ctx()
    desk.look(watch, 8_000, look)
    for action, given in ((quotes, {"watch_id": watch.id}), (alerts, {})):
        ctx = desk.ctx()
        desk.run(action, given, ctx)
        assert (ctx.trail.result_taint, ctx.trail.sources) == ("outside", (look.job_id,))
    ctx = desk.ctx()
    desk.run(watches, {}, ctx)
    assert ctx.trail.result_taint is None


def test_old_quotes_give_way_and_an_alert_keeps_its_own(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_store, "MOST_QUOTES", 2)
    watch = desk.watch()
    for cents in (8_000, 8_100, 8_200, 8_300):
        desk.look(watch, cents)
    assert [one.price.minor for one in desk.run(quotes, {"watch_id": watch.id}).items] == [8_300, 8_200]
    assert desk.run(alerts, {}).items[0].evidence.price == Money(8_000, "EUR")


# --- once


def test_a_look_that_is_run_again_finds_its_quote_and_asks_nobody(desk: Desk) -> None:
    watch, ctx = desk.watch(), desk.ctx()
    first = desk.look(watch, 8_000, ctx)
    desk.file.unlink()
    again = desk.run(check_price, {"watch_id": watch.id}, ctx)
    assert (again.price, again.is_drop, again.is_below) == (first.price, True, True)
    assert (desk.count(price_quotes), desk.count(price_alerts)) == (1, 1)


def test_two_attempts_of_one_look_that_overlap_keep_one_quote_and_one_alert(desk: Desk) -> None:
    """A worker that was frozen comes back with its answer after another one has run the job."""
    watch, quote_id = desk.watch(), new_id()
    cheapest = _flight(desk, 8_000)

    def keep(quoted_at: datetime, cheap: Any) -> Any:
        new = NewQuote(quote_id, "recorded", True, cheap, 1, True, quoted_at, None)
        with desk.db.write() as conn:
            return watch_store.keep_quote(conn, desk.user.id, watch.id, new)

    first = keep(START + DAY, cheapest)
    late = keep(START + 2 * DAY, _flight(desk, 9_900))
    assert (first.is_drop, late.is_drop, late.price) == (True, True, first.price), "it tells what was kept"
    assert (desk.count(price_quotes), desk.count(price_alerts)) == (1, 1)


def test_an_answer_that_comes_after_a_later_one_tells_nothing(desk: Desk) -> None:
    watch = desk.watch()

    def keep(cents: int, quoted_at: datetime) -> Any:
        new = NewQuote(new_id(), "recorded", True, _flight(desk, cents), 1, True, quoted_at, None)
        with desk.db.write() as conn:
            return watch_store.keep_quote(conn, desk.user.id, watch.id, new)

    keep(9_500, START + 2 * DAY)
    late = keep(8_000, START + DAY)
    assert (late.is_drop, late.note) == (False, "A later look has told the price already.")
    (shown,) = desk.run(watches, {}).items
    assert (str(shown.last_price), shown.is_below, shown.drops) == ("95.00 EUR", False, 0)
    assert desk.count(price_quotes) == 2, "it is kept as what it was"


def _flight(desk: Desk, cents: int) -> Any:
    desk.price(cents)
    asked = {name: value for name, value in WANTED.items() if name != "below"}
    return desk.run(flights, asked).items[0]


def test_where_no_price_compares_nothing_changes(desk: Desk) -> None:
    watch = desk.watch()
    desk.look(watch, 8_000)
    nothing = NewQuote(new_id(), "recorded", True, None, 0, True, desk.now + DAY, "recorded had no flight.")
    with desk.db.write() as conn:
        found = watch_store.keep_quote(conn, desk.user.id, watch.id, nothing)
    assert (found.price, found.is_below, found.is_drop) == (None, True, False)
    (shown,) = desk.run(watches, {}).items
    assert (shown.note, shown.is_below, str(shown.last_price)) == ("recorded had no flight.", True, "80.00 EUR")
    desk.now += 2 * DAY
    assert not desk.look(watch, 8_100).is_drop, "it was never above"


def test_a_rise_that_an_answer_which_was_not_whole_shows_counts_when_the_next_look_shows_it_too(desk: Desk) -> None:
    watch = desk.watch()

    def keep(cents: int, complete: bool) -> Any:
        desk.now += DAY
        new = NewQuote(new_id(), "recorded", True, _flight(desk, cents), 1, complete, desk.now, None)
        with desk.db.write() as conn:
            return watch_store.keep_quote(conn, desk.user.id, watch.id, new)

    assert keep(8_000, True).is_drop
    doubtful = keep(9_500, False)
    assert (doubtful.is_below, doubtful.note) == (True, watch_store.DOUBTFUL_RISE)
    assert not keep(8_000, True).is_drop, "the cheaper flight was there all the time"
    assert [keep(9_500, False).is_below, keep(9_600, False).is_below] == [True, False]
    assert keep(8_000, False).is_drop, "a price under the threshold is one, however many others there are"
    assert [keep(9_500, True).is_below, keep(8_000, True).is_drop] == [False, True]


def test_what_was_not_asked_for_does_not_take_the_place_of_what_counts(desk: Desk) -> None:
    asked = _flight(desk, 8_000)
    others = [asked.model_copy(update={"other_airport": True, "price": Money(100, "EUR")}) for _ in range(150)]
    others += [asked.model_copy(update={"other_day": True, "price": Money(100, "EUR")}) for _ in range(150)]
    search = search_of(Trip.model_validate(WANTED_TRIP), desk.now, "EUR", watch_actions.MOST_FLIGHTS)
    answer = SourceAnswer(cheapest([*others, asked], search))
    quote = watch_actions._quote(new_id(), RecordedSource(desk.file), search, answer)
    assert (quote.minor, quote.flights) == (8_000, 1)


# --- changed


def test_a_threshold_can_be_changed_and_what_was_told_is_not_told_again(desk: Desk) -> None:
    watch = desk.watch()

    def below(amount: str) -> bool:
        shown = desk.run(change_watch, {"watch_id": watch.id, "below": amount})
        assert str(shown.below) == amount
        return bool(shown.is_below)

    assert desk.look(watch, 8_500).is_drop
    assert below("95.00 EUR"), "85 was told"
    assert not desk.look(watch, 8_500).is_drop
    assert not below("80.00 EUR")
    assert [desk.look(watch, 8_500).is_drop, desk.look(watch, 7_999).is_drop] == [False, True]
    assert not desk.look(watch, 9_000).is_drop
    assert not below("100.00 EUR")
    assert desk.look(watch, 9_000).is_drop, "at the old threshold nobody was told of it"
    assert (desk.count(price_alerts), desk.count(price_quotes)) == (3, 6)


def test_how_often_it_looks_is_its_schedule_s(desk: Desk) -> None:
    watch = desk.watch()
    assert desk.run(change_watch, {"watch_id": watch.id, "every_s": 900}).every_s == 900
    with desk.db.write() as conn:
        made = schedules.get(conn, desk.user.id, watch.id)
        assert (made.every_s, made.next_fire_at is not None) == (900, True)
        timing = {"every_s": 7_200}
        scheduling.change(conn, Registry(discover()), desk.user.id, watch.id, timing, None, desk.now)
    (shown,) = desk.run(watches, {}).items
    assert shown.every_s == 7_200, "a schedule may be changed by itself"


def test_what_cannot_be_changed_is_refused_and_changes_nothing(desk: Desk) -> None:
    watch = desk.watch()
    with pytest.raises(BadInput, match=r"in EUR\. Add another one for USD"):
        desk.run(change_watch, {"watch_id": watch.id, "below": "80 USD", "every_s": 900})
    with pytest.raises(NotFound):
        desk.run(change_watch, {"watch_id": new_id(), "below": "80 EUR"})
    for wrong in ({"below": "0 EUR"}, {"every_s": 60}, {"source": "kiwi"}):
        with pytest.raises(ValidationError):
            desk.run(change_watch, {"watch_id": watch.id} | wrong)
    assert desk.run(change_watch, {"watch_id": watch.id}) == desk.run(watches, {}).items[0]
    desk.run(unwatch, {"watch_id": watch.id})
    with pytest.raises(NotFound):
        desk.run(change_watch, {"watch_id": watch.id, "every_s": 900})


@pytest.mark.parametrize(
    ("trip", "name"),
    [
        ({"to": "LHR"}, "Berlin - London (LHR), 2027-02-10"),
        ({"to": "London"}, "Berlin - London, 2027-02-10"),
        ({"from": "BER", "adults": 2, "cabin": "business"}, "Berlin - London, 2027-02-10, 2 passengers, business"),
    ],
)
def test_two_watches_of_one_trip_are_told_apart_by_their_names(desk: Desk, trip: dict[str, Any], name: str) -> None:
    assert desk.watch(**trip).name == name


# --- told


@pytest.mark.parametrize(
    "wrong", [{"price": "90.00 EUR"}, {"price": "1.00 USD"}, {"price_before": "95.00 USD"}, {"price": "1 XXQ"}]
)
def test_what_is_no_drop_is_told_by_nobody(desk: Desk, wrong: dict[str, str]) -> None:
    example = tell_price_drop.example
    assert desk.run(tell_price_drop, example).price == Money(8_450, "EUR")
    with pytest.raises(ValidationError):
        desk.run(tell_price_drop, example | wrong)


def test_a_drop_becomes_one_job_that_tells_it(desk: Desk, ask: Ask) -> None:
    watch = desk.watch()
    assert ask() == 0
    desk.look(watch, 8_000)
    assert [ask(), ask(), ask()] == [1, 0, 0]
    (told,) = desk.made()
    assert (told.state, told.origin, told.tainted) == ("queued", "schedule", True)
    assert json.loads(told.input)["price"] == {"amount": "80.00", "currency": "EUR"}
    (alert,) = desk.run(alerts, {}).items
    assert (alert.told_at, alert.note) == (desk.now, None)


def test_it_goes_over_the_channels_of_reminders_without_asking(
    desk: Desk, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = Channel("test", action="test.post", given=lambda to, said: {"to": to.email, "text": said.text})
    monkeypatch.setattr(alert_trigger, "channels", lambda: {"test": channel})
    with desk.db.write() as conn:
        wanted = Preferences.model_validate({"notify": ["test", "pigeon"], "policies": {"*": "ask"}})
        preferences.save(conn, desk.user.id, wanted, START)
    desk.look(desk.watch(), 8_000)
    assert ask() == 2
    (sent,) = desk.made("test.post")
    assert (sent.state, sent.reason) == ("queued", None), "it goes to its user, so nobody is asked"
    assert "costs 80.00 EUR, under 90.00 EUR" in json.loads(sent.input)["text"]
    (alert,) = desk.run(alerts, {}).items
    assert "no channel 'pigeon'" in alert.note


def test_a_scheduler_that_dies_before_its_commit_has_told_nothing_and_the_next_one_tells_it(
    desk: Desk, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.look(desk.watch(), 8_000)
    with pytest.raises(ZeroDivisionError), desk.db.write() as conn:
        assert len(alert_trigger.take(conn, desk.now, 10)) == 1
        raise ZeroDivisionError
    assert (ask(), len(desk.made())) == (1, 1)


def test_thirty_days_of_recorded_prices_have_as_many_alerts_as_drops(desk: Desk, ask: Ask) -> None:
    """The prices that come with the program, by its own clock. With workers that die: `test_travel_killed.py`."""
    from tasks.travel.recorded import bundled_quotes

    route = next(one for one in bundled_quotes().routes if (one.origin, one.destination) == ("BER", "LHR"))
    ctx = lambda: FakeContext(user=desk.user, job_id=new_id())  # noqa: E731
    day = (START + DAY).date()
    depart_on = date.fromisoformat(WANTED["depart_on"])
    lowest = []
    for number in range(30):
        at = (day.toordinal() + number + depart_on.toordinal()) % 30
        lowest.append(min(one.cents[at] for one in route.flights))
    below = sorted(lowest)[10]
    watch = desk.run(watch_price, WANTED | {"below": f"{below / 100:.2f} EUR"}, ctx())
    seen = []
    for _ in range(30):
        desk.now += DAY
        seen.append(desk.run(check_price, {"watch_id": watch.id}, ctx()))
        ask()
    assert [one.price.minor for one in seen] == lowest
    drops = drops_of(lowest, below)
    assert len(drops) >= 3
    assert [at for at, one in enumerate(seen) if one.is_drop] == drops
    assert len(desk.made()) == desk.count(price_alerts) == len(drops)


def test_a_digest_says_which_prices_fell(desk: Desk) -> None:
    from zoneinfo import ZoneInfo

    import jmespath

    from llmcoder.declare.digest import Span
    from tasks.travel.digests import PRICES

    desk.look(desk.watch(), 8_000)
    span = Span(START, desk.now, desk.now + DAY, ZoneInfo("UTC"))
    found = desk.run(alerts, PRICES.given(span))
    lines = jmespath.search(PRICES.pick, found.model_dump(mode="json"))
    assert "costs 80.00 EUR" in lines[0]["text"]
    later = Span(desk.now + DAY, desk.now + DAY, desk.now + 2 * DAY, ZoneInfo("UTC"))
    assert desk.run(alerts, PRICES.given(later)).items == []


# --- by index


def test_lists_walk_their_index_and_sort_nothing(desk: Desk) -> None:
    watch = desk.watch()
    with desk.db.read() as conn:
        seen: list[tuple[str, Any]] = []
        sa.event.listen(conn, "before_cursor_execute", lambda *given: seen.append((given[2], given[3])))
        watch_store.listed(conn, desk.user.id, None, 20)
        watch_store.quotes_of(conn, desk.user.id, watch.id, new_id(), 20)
        watch_store.alerts_of(conn, desk.user.id, None, None, new_id(), 20)
        alert_trigger.any_due(conn, desk.now)
        statements = [(text, given) for text, given in seen if "ORDER BY" in text]
        assert len(statements) == 4
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql("SET LOCAL enable_seqscan = off")  # the tables are all but empty
        explain = "EXPLAIN QUERY PLAN " if conn.dialect.name == "sqlite" else "EXPLAIN "
        plans = [
            "\n".join(str(tuple(row)) for row in conn.exec_driver_sql(explain + text, given))
            for text, given in list(statements)
        ]
    for plan, index in zip(
        plans,
        ("ix_price_watches_user", "ix_price_quotes_watch", "ix_price_alerts_user", "ix_price_alerts_untold"),
        strict=True,
    ):
        assert index in plan, plan
        assert "Sort" not in plan and "TEMP B-TREE" not in plan, plan
