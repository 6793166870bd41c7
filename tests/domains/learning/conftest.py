"""What the tests of learning share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from learning_kit import Learner

from llmcoder.config import Config
from llmcoder.context import User
from models.db.database import Database


@pytest.fixture
def learner(db: Database, user: User, configured: Config, monkeypatch: pytest.MonkeyPatch) -> Learner:
    one = Learner(db, user)
    monkeypatch.setattr(Database, "now", lambda _self: one.now)
    return one


@pytest.fixture
def bob(db: Database, new_user: Callable[[str], User], learner: Learner) -> Learner:
    """Another user, on the same clock as Alice was at the beginning."""
    return Learner(db, new_user("bob@example.org"))
