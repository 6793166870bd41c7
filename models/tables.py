"""Every table of the engine: importing this makes the metadata whole, which migrations and copies need."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.util import find_spec

import models
from models.db.base import metadata

__all__ = ["metadata"]

for _room in pkgutil.iter_modules(models.__path__, "models."):
    if _room.ispkg and find_spec(f"{_room.name}.tables"):
        import_module(f"{_room.name}.tables")
