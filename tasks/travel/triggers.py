"""What makes price drops be told, where the scheduler looks for it."""

from __future__ import annotations

from tasks.travel.price_alerts import PRICE_ALERTS

__all__ = ["PRICE_ALERTS"]
