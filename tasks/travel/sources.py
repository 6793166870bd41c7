"""Which source answers a search."""

from __future__ import annotations

from llmcoder.context import Context
from tasks.travel.duffel import DuffelSource
from tasks.travel.kiwi import KiwiSource
from tasks.travel.recorded import RecordedSource
from tasks.travel.search import SourceName
from tasks.travel.settings import TravelSettings
from tasks.travel.skyscanner import SkyscannerSource
from tasks.travel.source import FlightSource


def source_of(name: SourceName | None, ctx: Context) -> FlightSource:
    """The named source, or the installation's own choice.

    Raises:
        NotConfigured: Its settings are wrong.
    """
    settings = ctx.settings(TravelSettings)
    match name or settings.travel_source:
        case SourceName.KIWI:
            return KiwiSource()
        case SourceName.DUFFEL:
            return DuffelSource()
        case SourceName.SKYSCANNER:
            return SkyscannerSource()
        case _:
            return RecordedSource(settings.travel_recorded_file)
