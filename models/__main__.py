"""`python -m models upgrade`: bring the configured database to the newest schema."""

from __future__ import annotations

import sys

from llmcoder.config import config
from llmcoder.private import keep_private
from llmcoder.settings import EngineSettings
from models.db.migrate import NewerDatabase, upgrade

if sys.argv[1:] != ["upgrade"]:
    raise SystemExit("usage: python -m models upgrade")
keep_private()
try:
    upgrade(config().get(EngineSettings).database_url)
except NewerDatabase as error:
    raise SystemExit(error.detail) from None
