"""Runs beside ofxtools' own tests (its folder is the argument), and writes what is in them as lines of JSON.

Each line has a text of markup and, where ofxtools itself makes statements of it, what these hold.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import json
import sys
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

SDIST = Path(sys.argv[1])
sys.path[:0] = [str(SDIST), str(SDIST / "tests")]
warnings.simplefilter("ignore")

from ofxtools.models.base import Aggregate  # noqa: E402
from ofxtools.Parser import TreeBuilder  # noqa: E402
from ofxtools.utils import tostring_unclosed_elements  # noqa: E402

STATEMENTS = ("STMTRS", "CCSTMTRS")


def texts() -> Iterator[tuple[str, str]]:
    """Every text in the tests that has markup in it."""
    for path in sorted((SDIST / "tests").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                text = node.value if isinstance(node.value, str) else node.value.decode("utf-8", "replace")
                if "<" in text and ">" in text:
                    yield f"{path.name}:{node.lineno}", text


def trees() -> Iterator[tuple[str, ElementTree.Element]]:
    """Every tree that the cases of the tests build."""
    for path in sorted((SDIST / "tests").glob("test_models_*.py")):
        module = importlib.import_module(path.stem)
        for name, case in vars(module).items():
            is_case = isinstance(case, type) and issubclass(case, unittest.TestCase)
            made = getattr(case, "etree", None) if is_case else None
            if isinstance(made, ElementTree.Element):
                yield f"{path.name}:{name}", made


def statements_of(root: ElementTree.Element) -> list[dict[str, Any]] | None:
    """What ofxtools makes of the statements in a tree; None where it refuses one of them."""
    found = []
    inner = [one for one in root.iter() if one.tag in STATEMENTS]
    for one in inner:
        try:
            Aggregate.from_etree(copy.deepcopy(one))
            rows: list[Any] = [Aggregate.from_etree(copy.deepcopy(row)) for row in one.iter("STMTTRN")]
            balance: Any = Aggregate.from_etree(copy.deepcopy(one.find("LEDGERBAL")))
        except Exception:  # noqa: BLE001  whatever it refuses, it refuses
            return None
        days = [row.findtext("DTPOSTED", "")[:8] for row in one.iter("STMTTRN")]
        account = one.find("BANKACCTFROM/ACCTID") if one.tag == "STMTRS" else one.find("CCACCTFROM/ACCTID")
        found.append({
            "currency": one.findtext("CURDEF"), "account": None if account is None else account.text,
            "balance": str(balance.balamt),
            "rows": [[day, str(row.trnamt), row.fitid] for day, row in zip(days, rows, strict=True)],
        })  # fmt: skip
    return found


def as_tree(text: str) -> ElementTree.Element | None:
    with contextlib.suppress(Exception):  # what it cannot read is no statement to it
        builder = TreeBuilder()
        builder.feed(text)
        made: ElementTree.Element | None = builder.close()
        return made
    return None


def main() -> None:
    for name, text in texts():
        tree = as_tree(text)
        print(json.dumps([name, text, None if tree is None else statements_of(tree)]))
    for name, tree in trees():
        whole = tree if tree.tag == "OFX" else ElementTree.Element("OFX")
        if whole is not tree:
            whole.append(tree)
        expected = statements_of(whole)
        print(json.dumps([f"{name} as XML", ElementTree.tostring(whole, encoding="unicode"), expected]))
        print(json.dumps([f"{name} as SGML", tostring_unclosed_elements(whole).decode(), expected]))


main()
