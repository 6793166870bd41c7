"""What somebody means by words about time. Every word of the phrase is used, or it is refused and says which was not.

No library was found that keeps to this: dateparser passes over what it does not know, and means to; ctparse, recurrent
and parsedatetime look for a time within a longer text, speak one language or two, and have rested for years.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from llmcoder.errors import BadInput
from llmcoder.instants import on_every_clock
from llmcoder.recurrence import instant_of
from llmcoder.time_phrases.cron import expression
from llmcoder.time_phrases.english import ENGLISH
from llmcoder.time_phrases.french import FRENCH
from llmcoder.time_phrases.german import GERMAN
from llmcoder.time_phrases.grammar import TABLES
from llmcoder.time_phrases.lexer import Token, pieces, tokens, unknown
from llmcoder.time_phrases.lexicon import Language
from llmcoder.time_phrases.parts import (
    Clock,
    Day,
    DayOfYear,
    DaysOfMonth,
    Element,
    Later,
    Length,
    OnWeekday,
    Relative,
    Weekdays,
    clocks_of,
    months_later,
)
from llmcoder.time_phrases.pattern import Matcher
from llmcoder.time_phrases.spanish import SPANISH

LANGUAGES = (ENGLISH, GERMAN, FRENCH, SPANISH)
#: Words and signs of the longest phrase.
MOST_PIECES = 30
#: Four digits behind a day of the year are its year.
YEARS_AND_NO_TIMES = range(1900, 2200)
_INNER_SIGNS = ("DOT", "COLON", "SLASH", "DASH")


@dataclass(frozen=True)
class Understood:
    """What was meant; exactly one of the two.

    Attributes:
        at: Once, in UTC.
        cron: Again and again, on the clock of the zone.
    """

    at: datetime | None = None
    cron: str | None = None


@dataclass
class _Attempt:
    """How far a phrase can be read in one language.

    Attributes:
        meanings: What it may mean, each once.
        reasons: Why what was read is no time.
        stuck: The first token that no reading could use.
    unfit: Where the last part begins of what was read to its end and says no time together.
    """

    language: Language
    tokens: Sequence[Token]
    meanings: list[Understood]
    reasons: list[str]
    stuck: int = 0
    unfit: int | None = None


def understand(words: str, zone: ZoneInfo, now: datetime) -> Understood:
    """What somebody means by words about time, in English, German, French or Spanish.

    Raises:
        BadInput: A word of it is not understood, it means two things, or it lies in the past.
    """
    found = pieces(words)
    missing = {language.name: unknown(found, language) for language in LANGUAGES}
    languages = [language for language in LANGUAGES if not missing[language.name]]
    if not found or len(found) > MOST_PIECES:
        raise _refusal(words, "it is empty" if not found else "it is too long", ENGLISH)
    if not languages:
        language = min(LANGUAGES, key=lambda one: len(missing[one.name]))
        names = ", ".join(repr(one) for one in dict.fromkeys(missing[language.name]))
        raise _refusal(words, f"nothing is known of {names}", language)
    attempts = [_attempt(tokens(found, language), language, zone, now) for language in languages]
    meanings = list(dict.fromkeys(meaning for one in attempts for meaning in one.meanings))
    if len(meanings) == 1:
        return meanings[0]
    if meanings:
        raise _refusal(words, f"it may mean {' or '.join(_shown(one, zone) for one in meanings)}", attempts[0].language)
    raise _unread(words, attempts)


def _attempt(phrase: Sequence[Token], language: Language, zone: ZoneInfo, now: datetime) -> _Attempt:
    matcher = Matcher(phrase, TABLES)
    attempt = _Attempt(language, phrase, [], [])
    for element, begins in _elements(matcher, attempt, 0, Element()):
        try:
            meaning = _meaning(element, zone, now)
        except BadInput as error:
            attempt.reasons.append(error.detail)
        except (OverflowError, ValueError):
            attempt.reasons.append("it lies beyond the years that there are")
        else:
            if meaning is None:
                attempt.unfit = begins
            elif meaning not in attempt.meanings:
                attempt.meanings.append(meaning)
    if matcher.furthest < len(phrase):
        attempt.stuck = matcher.furthest
    return attempt


def _elements(
    matcher: Matcher, attempt: _Attempt, at: int, so_far: Element, begins: int = 0
) -> Iterator[tuple[Element, int]]:
    """Every way to read the rest of a phrase, with what was read before, and where the last part of it begins."""
    phrase = matcher.tokens
    attempt.stuck = max(attempt.stuck, at)
    if at == len(phrase):
        yield so_far, begins
        return
    if at and "COMMA" in phrase[at].kinds and at + 1 < len(phrase):
        yield from _elements(matcher, attempt, at + 1, so_far, begins)
    if _belongs_to_the_one_before(phrase, at, so_far):
        return
    for end, element in matcher.read("<element>", at):
        merged = so_far.merged(element)
        if merged is not None:
            yield from _elements(matcher, attempt, end, merged, at)


def _belongs_to_the_one_before(phrase: Sequence[Token], at: int, so_far: Element) -> bool:
    """Whether a number is part of what stands before it, as the year of a date is."""
    token = phrase[at]
    if at == 0 or "INT" not in token.kinds:
        return False
    if token.glued and any(sign in phrase[at - 1].kinds for sign in _INNER_SIGNS):
        return True
    day = so_far.day.day if isinstance(so_far.day, OnWeekday) else so_far.day
    return isinstance(day, DayOfYear) and day.year is None and token.kinds.get("INT4") in YEARS_AND_NO_TIMES


def _meaning(element: Element, zone: ZoneInfo, now: datetime) -> Understood | None:
    if element.frequency is not None:
        cron = None if element.length is not None else expression(element, zone, now)
        return None if cron is None else Understood(cron=cron)
    at = _instant(element, element.zone or zone, now)
    if at is None:
        return None
    if at <= now:
        raise BadInput(f"it was understood as {at.astimezone(zone):%Y-%m-%d %H:%M} in {zone.key}, which is past")
    return Understood(at=on_every_clock(at))


def _instant(element: Element, zone: tzinfo, now: datetime) -> datetime | None:
    """The instant, in UTC; None where the parts of the phrase do not go together."""
    if element.length is not None:
        if element.day is not None:
            return None
        if not element.length.on_the_calendar:
            plain = element.clocks is None and element.part is None
            return _after(element.length, zone, now) if plain else None
    day = element.day if element.length is None else Later(element.length)
    if isinstance(day, Weekdays) or not _says_enough(element, day):
        return None
    numbered = day.day if isinstance(day, OnWeekday) else day
    if isinstance(numbered, DaysOfMonth) and len(numbered.days) > 1:
        raise BadInput("it names several days, so say whether they come `every` month")
    clocks = clocks_of(element)
    if clocks is None:
        return None
    if len(clocks) > 1:
        raise BadInput("it names two times")
    clock, later = clocks[0]
    if later and not (clock.day_after or isinstance(day, Relative | None)):
        raise BadInput("it may mean that night or the one before, so say the day of that hour")
    if clock.midnight and isinstance(day, Relative) and day.days == 0:
        later = 1  # the one that comes
    return _first(day, clock, later, zone, now)


def _says_enough(element: Element, day: Day | None) -> bool:
    """A part of the day needs a day or a time, and a number alone is no time."""
    if day is not None:
        return True
    if element.clocks is None:
        return False
    return element.part is not None or not any(clock.bare for clock in element.clocks)


def _after(length: Length, zone: tzinfo, now: datetime) -> datetime:
    """So much later: months and days on the calendar, hours and less on no clock, so that none that is moved counts."""
    at = now.astimezone(UTC)
    if length.months or length.days:
        local = now.astimezone(zone).replace(tzinfo=None)
        day = months_later(local.date(), length.months) + timedelta(days=length.days)
        at = instant_of(datetime.combine(day, local.time()), zone)
    return at + timedelta(seconds=length.seconds)


def _first(day: Day | None, clock: Clock, later: int, zone: tzinfo, now: datetime) -> datetime | None:
    """The first of the days that may be meant whose time is to come; the last that passed where none is."""
    today = now.astimezone(zone).date()
    days: Iterator[date] = iter((today, today + timedelta(days=1))) if day is None else day.candidates(today)
    at: datetime | None = None
    for one in days:
        at = instant_of(clock.on(one + timedelta(days=later)), zone)
        if at > now:
            return at
    if at is None:
        raise BadInput("there is no such day")
    return at


def _shown(meaning: Understood, zone: ZoneInfo) -> str:
    return meaning.cron or (f"{meaning.at.astimezone(zone):%Y-%m-%d %H:%M}" if meaning.at is not None else "")


def _unread(words: str, attempts: Sequence[_Attempt]) -> BadInput:
    best = max(attempts, key=lambda one: (bool(one.reasons), one.stuck))
    if best.reasons:
        return _refusal(words, best.reasons[0], best.language)
    if best.unfit:
        unfit = " ".join(token.written for token in best.tokens[best.unfit :])
        return _refusal(words, f"{unfit!r} does not go with what stands before it", best.language)
    if best.unfit is None and best.stuck < len(best.tokens):
        return _refusal(words, f"{best.tokens[best.stuck].written!r} has no place in it", best.language)
    return _refusal(words, f"{words.strip()!r} alone does not say when", best.language)


def _refusal(words: str, why: str, language: Language) -> BadInput:
    return BadInput(f"{words!r} is not understood as a time: {why}. Such phrases work: {'; '.join(language.examples)}.")
