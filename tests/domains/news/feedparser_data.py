"""feedparser's own published test data, read where its source distribution lies.

LLMCODER_FEEDPARSER names the folder of the unpacked distribution; without it, the distribution is fetched from PyPI
once and kept among the temporary files.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.conftest import missing

VERSION = "6.0.14"
_HEADER = re.compile(r"^Header:\s+([^:]+):(.+)$", re.MULTILINE)
_EXPECT = re.compile(r"Expect:\s*(.*?)\s*-->", re.DOTALL)


@cache
def folder() -> Path:
    """The folder `tests` of the distribution."""
    if given := os.environ.get("LLMCODER_FEEDPARSER"):
        return Path(given) / "tests"
    kept = Path(tempfile.gettempdir()) / f"llmcoder-feedparser-{VERSION}"
    found = kept / f"feedparser-{VERSION}" / "tests"
    if not found.is_dir():
        _fetch(kept)
    return found


def _fetch(kept: Path) -> None:
    with tempfile.TemporaryDirectory() as made:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--no-binary", ":all:", "--dest", made, f"feedparser=={VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        archive = next(Path(made).glob("*.tar.gz"), None)
        if archive is None:
            missing(f"feedparser's source distribution cannot be had: {done.stderr[-300:]}")
        with tarfile.open(archive) as packed:
            packed.extractall(kept, filter="data")


@dataclass(frozen=True)
class Case:
    """One file of it.

    Attributes:
        headers: With which its own tests serve it; names in lower case.
        claims: What it states of itself that is a plain comparison: where, and what is there.
    """

    name: str
    body: bytes
    headers: dict[str, str]
    claims: list[tuple[tuple[str | int, ...], Any]]


def cases() -> Iterator[Case]:
    """Every feed there is, the packed ones too."""
    for path in sorted(folder().rglob("*")):
        if path.suffix in (".xml", ".gz", ".z"):
            yield _case(path)


def _case(path: Path) -> Case:
    body = path.read_bytes()
    comment = _readable(body)
    headers = {name.strip().lower(): value.strip() for name, value in _HEADER.findall(comment)}
    expected = _EXPECT.search(comment)
    return Case(str(path.relative_to(folder())), body, headers, list(_claims(expected[1])) if expected else [])


def _readable(body: bytes) -> str:
    for encoding in ("utf-8", "utf-16", "utf-32", "cp037"):
        try:
            text = body.decode(encoding)
        except UnicodeError:
            continue
        if "Expect:" in text:
            return text
    return body.decode("latin-1")


def _claims(expression: str) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
    except SyntaxError:
        return
    for part in tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And) else [tree]:
        if isinstance(part, ast.Compare) and isinstance(part.ops[0], ast.Eq) and (place := _place(part.left)):
            try:
                yield place, ast.literal_eval(part.comparators[0])
            except ValueError:
                continue


def _place(node: ast.expr) -> tuple[str | int, ...]:
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute) and (base := _place(node.value)):
        return (*base, node.attr)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and (base := _place(node.value)):
        return (*base, node.slice.value)  # type: ignore[arg-type]
    return ()
