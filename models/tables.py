"""Every table of the engine: importing this makes the metadata whole, which migrations and copies need."""

from models.db.base import metadata

__all__ = ["metadata"]
