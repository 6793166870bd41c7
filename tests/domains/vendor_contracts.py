"""Where the vendors' published contracts lie. They are not part of the project, since some state no licence.

`LLMCODER_CONTRACTS=none` says that a run goes without them, as public CI does: then these tests are skipped and say so.
Otherwise they fail in CI where the folder is missing, so that nobody takes a misspelt path for a passed test.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NONE = "none"
CONTRACTS = Path(os.environ.get("LLMCODER_CONTRACTS", ROOT.parent / "shared" / "contracts"))


def need_contracts() -> None:
    """End the test where they are not there."""
    if str(CONTRACTS) == NONE:
        pytest.skip("this run goes without the vendors' contracts (LLMCODER_CONTRACTS=none)")
    if not (CONTRACTS / "specs").is_dir():
        reason = f"the vendors' contracts are not at {CONTRACTS} (LLMCODER_CONTRACTS)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
