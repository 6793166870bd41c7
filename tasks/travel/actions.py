"""The actions of this domain, where the registry looks for them."""

from tasks.travel.flight_actions import flights, places
from tasks.travel.watch_actions import (
    alerts,
    change_watch,
    check_price,
    quotes,
    tell_price_drop,
    unwatch,
    watch_price,
    watches,
)

__all__ = [
    "alerts", "change_watch", "check_price", "flights", "places", "quotes", "tell_price_drop", "unwatch",
    "watch_price", "watches",
]  # fmt: skip
