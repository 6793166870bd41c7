"""Accounts at sources of flight prices, where the registry looks for them."""

from __future__ import annotations

from tasks.travel.duffel import DUFFEL
from tasks.travel.skyscanner import SKYSCANNER

__all__ = ["DUFFEL", "SKYSCANNER"]
