"""Whether the sources of flight prices answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from llmcoder.declare.check import Check
from llmcoder.declare.connection import Caller
from llmcoder.model import Model
from tasks.travel import duffel, skyscanner
from tasks.travel.kiwi import what_it_offers
from tasks.travel.recorded import RecordedSource
from tasks.travel.search import SourceName
from tasks.travel.settings import TravelSettings

A = TypeVar("A", bound=Model)


def what_is_asked(settings: TravelSettings, caller: Caller) -> str:
    """Ask the source that is asked where nobody names one; recorded quotes are read.

    Raises:
        ActionError: It does not answer, or cannot be read.
    """
    match settings.travel_source:
        case SourceName.KIWI:
            return what_it_offers(settings, caller)
        case SourceName.DUFFEL:
            return _as("Duffel", caller, duffel.shared_account(caller.settings), duffel.who_am_i)
        case SourceName.SKYSCANNER:
            return _as("Skyscanner", caller, skyscanner.shared_account(caller.settings), skyscanner.who_am_i)
        case _:
            routes = RecordedSource(settings.travel_recorded_file).routes()
            return f"recorded quotes of {routes} routes; nobody sells at them."


def _as(title: str, caller: Caller, account: A | None, who_am_i: Callable[[A, Caller], str]) -> str:
    if account is None:
        return f"{title}; users connect their own accounts, and there is none for those who have not."
    return f"{title}, as {who_am_i(account, caller)}."


FLIGHTS = Check(TravelSettings, what_is_asked)
