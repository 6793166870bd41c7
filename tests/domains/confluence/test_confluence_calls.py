"""What each action asks of Confluence: which calls, and how many, on Cloud and on a Data Center."""

from __future__ import annotations

import re
from typing import Any

import pytest
from confluence_server import Confluence
from site_kit import KINDS, confluence, context

from llmcoder.registry import discover
from llmcoder.testing import run_action
from tasks.confluence.reading_actions import page, spaces
from tasks.confluence.writing_actions import append_section, create_page, restore_version, trash_page, update_page

__all__ = ["confluence"]

#: Those of the index run by the engine's own database; what they ask of a site is counted in `test_confluence_index`.
OF_THE_INDEX = {"confluence.index", "confluence.search", "confluence.ask"}
CLOUD_PAGE, CLOUD_SPACES = "GET pages/ID", "GET spaces"
PAGE = "GET content/ID"

#: Action, input, calls on Cloud, calls on a Data Center.
CALLS: list[tuple[Any, dict[str, Any], list[str], list[str]]] = [
    (spaces, {}, [CLOUD_SPACES], ["GET space"]),
    (page, {"page": "PAGE"}, [CLOUD_PAGE], [PAGE]),
    (page, {"space": "OPS", "title": "Plan"}, [CLOUD_SPACES, "GET pages", CLOUD_PAGE], ["GET content", PAGE]),
    (create_page, {"space": "OPS", "title": "New", "markdown": "x"}, [CLOUD_SPACES, "POST pages"],
     ["GET space", "POST content"]),
    (update_page, {"page": "PAGE", "base_version": 1, "markdown": "x"}, [CLOUD_PAGE, "PUT pages/ID"],
     [PAGE, "PUT content/ID"]),
    (append_section, {"page": "PAGE", "markdown": "x"}, [CLOUD_PAGE, "PUT pages/ID"],
     [PAGE, "PUT content/ID"]),
    (restore_version, {"page": "PAGE", "version": 1, "base_version": 1}, [CLOUD_PAGE, "PUT pages/ID"],
     [PAGE, PAGE, "PUT content/ID"]),
    (trash_page, {"page": "PAGE"}, [CLOUD_PAGE, "DELETE pages/ID"], [PAGE, "DELETE content/ID"]),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("action", "given", "cloud", "data_center"), CALLS)
def test_an_action_makes_these_calls(
    confluence: Confluence, kind: str, action: Any, given: dict[str, Any], cloud: list[str], data_center: list[str]
) -> None:
    confluence.space("OPS")
    kept = confluence.add("OPS", "Plan")
    confluence.seen.clear()
    run_action(action, {name: kept.id if value == "PAGE" else value for name, value in given.items()},
               context(confluence, kind))  # fmt: skip
    assert [_named(one) for one in confluence.asked()] == (cloud if kind == "cloud" else data_center)


def _named(asked: str) -> str:
    method, target = asked.split(" ", 1)
    below = re.sub(r"^.*?/(?:api/v2|rest/api)/", "", target.partition("?")[0])
    return f"{method} {re.sub(r'(?<=/)[0-9]+', 'ID', below)}"


def test_every_action_of_the_domain_is_counted_here() -> None:
    domain = {one.name for one in discover() if one.name.startswith("confluence.")}
    assert {one[0].name for one in CALLS} | OF_THE_INDEX == domain
