"""What price watches have to say in a digest."""

from __future__ import annotations

from llmcoder.declare.digest import Part

PRICES = Part(
    "prices",
    "Prices that fell",
    action="travel.alerts",
    given=lambda span: {"since": span.since.isoformat(), "limit": 50},
    pick="items[].{text: text, detail: evidence.quoted_at, url: evidence.flight.link}",
)
