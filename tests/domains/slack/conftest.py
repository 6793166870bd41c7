"""What the tests of Slack share: a workspace on this machine, behind Slack's own contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from slack_server import Slack, slack_on_loopback


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_on_loopback() as found:
        yield found
