"""Whom TLS connections trust."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


@cache
def verifying_context() -> ssl.SSLContext:
    """Authorities of the system, where operators put their own, and of certifi, since slim images have none."""
    import ssl

    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
