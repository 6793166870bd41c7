"""`llmcoder macros`, as an operator types it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from shell_kit import ROOT, Shell, shell_on

from llmcoder.context import User

EXAMPLE = ROOT / "docs" / "examples" / "chase-my-todos.yaml"


@pytest.fixture
def shell(db_url: str, redis_url: str, tmp_path: Path) -> Shell:
    return shell_on(db_url, redis_url, tmp_path)


def test_a_macro_is_added_listed_exported_replaced_and_removed(shell: Shell, user: User, tmp_path: Path) -> None:
    added = shell("macros", "add", str(EXAMPLE))
    assert added.code == 0, added.err
    [shown] = shell("macros", "list", "--output", "json").json
    assert (shown["id"], shown["version"]) == (added.out.split()[0], 1)
    assert "Chase my to-dos" in shell("macros", "list").out
    exported = shell("macros", "export", "Chase my to-dos").out
    assert yaml.safe_load(exported)["steps"] == yaml.safe_load(EXAMPLE.read_text())["steps"]
    changed = tmp_path / "changed.yaml"
    changed.write_text(exported.replace("Looks for", "Finds"))
    assert "has version 2" in shell("macros", "replace", shown["id"], str(changed), "--seen", "1").out
    late = shell("macros", "replace", shown["id"], str(changed), "--seen", "1")
    assert late.code != 0 and "you saw 1" in late.err
    assert "Looks for" in shell("macros", "export", shown["id"], "--version", "1").out
    assert shell("macros", "remove", shown["id"]).code == 0
    assert shell("macros", "list", "--output", "json").json == []


def test_what_cannot_run_is_one_line(shell: Shell, user: User, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: bad\nsteps:\n  - {id: a, action: test.ecko}\n")
    done = shell("macros", "add", str(bad))
    assert done.code == 2 and "Step 'a'" in done.err and "test.echo" in done.err
    missing = shell("macros", "export", "nobody")
    assert missing.code != 0 and "You have no macro 'nobody'" in missing.err
