"""What the pages say is there: links, files, contracts, terms, and the README's action."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import cli.main
from api.app import create_app
from llmcoder.config import Config
from llmcoder.log import OURS

ROOT = Path(__file__).resolve().parents[2]
#: Everything a reader may open. Decisions are history: they name files as they were.
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "benchmarks" / "README.md"])
DECISIONS = sorted(ROOT.glob("docs/decisions/*.md"))
#: Written from what ran, with the words of that time.
HISTORY = {"CHANGELOG.md"}
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
FOLDERS = (*OURS, "benchmarks", "docker", "docs", "tests", ".ci", ".github")
#: A path in this repository, or one of its files at the top.
REPOSITORY_PATH = re.compile(rf"(?:{'|'.join(map(re.escape, FOLDERS))})/[\w./-]*|[A-Z][\w-]*\.md|pyproject\.toml")
#: The page builds this domain; a test follows it word by word.
BUILT_BY_A_PAGE = re.compile(r"tasks/(pastes|words)/|tests/domains/pastes/")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in plain}


def dead_links(page: Path) -> Iterator[str]:
    for target in LINK.findall(CODE.sub("", FENCE.sub("", page.read_text()))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found.read_text())):
            yield target


@pytest.mark.parametrize("page", [*PAGES, *DECISIONS], ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(dead_links(page)) == []


def missing_paths(page: Path) -> Iterator[str]:
    for code in CODE.findall(FENCE.sub("", page.read_text())):
        path = code.partition("::")[0]
        if REPOSITORY_PATH.fullmatch(path) and not BUILT_BY_A_PAGE.match(path) and not (ROOT / path).exists():
            yield path


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in HISTORY], ids=name_of)
def test_every_path_in_backticks_is_there(page: Path) -> None:
    assert list(missing_paths(page)) == []


def test_the_index_lists_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(index.read_text())}
    assert [name_of(page) for page in PAGES if page != index and page not in listed] == []


def test_the_glossary_is_short_and_in_order() -> None:
    terms = re.findall(r"^\| \*\*(.+?)\*\* \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert terms == sorted(terms)
    assert 10 < len(terms) <= 25


# --- the drawing


ARCHITECTURE = ROOT / "docs" / "architecture.md"


def contracts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    return found


def test_the_page_draws_the_layers_that_import_linter_holds() -> None:
    drawn = next(block for block in FENCE.findall(ARCHITECTURE.read_text()) if "cli | api | schedules" in block)
    lines = [re.split(r"\s{2,}", line.strip())[0] for line in drawn.splitlines()[1:-1]]
    assert lines == next(one["layers"] for one in contracts() if one["type"] == "layers")


def test_the_page_names_every_contract_and_no_other() -> None:
    named = re.findall(r"^- \*([^*]+)\*", ARCHITECTURE.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(one["name"] for one in contracts())


def test_the_path_of_a_submit_is_drawn_with_files_that_are_there() -> None:
    drawn = FENCE.findall(ARCHITECTURE.read_text())[0]
    paths = re.findall(r"(?:api|engine|models|workers|tasks)/[\w/]+\.py", drawn)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


# --- terms


#: What does not stand in texts for users, and what does instead. A private word must be learned by everyone who comes.
TERMS = {
    r"\bstrangers?\b": "untrusted content, or: anybody",
    r"\bwhat others wrote\b": "untrusted content",
    r"\bforetel|\bforetold\b": "dry run",
    r"\blets? (?:\w+ ){1,4}go\b|\blet go\b|\bletting go\b": "release",
    r"\bhooks?\b": "inbound webhook, or outbound webhook",
}


def wrong_terms(text: str) -> list[str]:
    found = [(match.group(), instead) for word, instead in TERMS.items() for match in re.finditer(word, text, re.I)]
    return [f"{word!r}: say {instead}" for word, instead in found]


def prose(text: str) -> str:
    """Without code and addresses: what a route, a table or a setting is called is another matter."""
    return re.sub(r"\]\([^)]*\)", "]", CODE.sub("", FENCE.sub("", text)))


def test_the_words_are_found() -> None:
    assert len(wrong_terms("A stranger foretells that hooks let all of them go.")) == 4
    assert wrong_terms(prose("A webhook at `/hooks`, see [webhooks](hooks.md), goes on.")) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_pages_use_the_terms_of_the_field(page: Path) -> None:
    if page.name not in HISTORY:
        assert wrong_terms(prose(page.read_text())) == []


def texts(node: Any) -> Iterator[str]:
    """Every summary and description in an OpenAPI document."""
    if isinstance(node, list):
        for one in node:
            yield from texts(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("summary", "description") and isinstance(value, str):
                yield value
            elif key == "tags" and isinstance(value, list):
                yield from (one for one in value if isinstance(one, str))
            else:
                yield from texts(value)


def test_the_api_uses_the_terms_of_the_field(tmp_path: Path) -> None:
    document = create_app(Config.open({"DATA_DIR": str(tmp_path / "data")}, cwd=tmp_path)).openapi()
    found = list(texts(document))
    assert len(found) > 500
    assert [wrong for text in found for wrong in wrong_terms(prose(text))] == []


def helps(command: Any) -> Iterator[str]:
    """Typer brings a click of its own, so it is asked and not looked at by its classes."""
    yield from (text for text in (command.help, command.short_help) if text)
    yield from (text for one in command.params if (text := getattr(one, "help", None)))
    for one in getattr(command, "commands", {}).values():
        yield from helps(one)


def test_the_command_uses_the_terms_of_the_field() -> None:
    found = list(helps(typer.main.get_command(cli.main.app)))
    assert len(found) > 50
    assert [wrong for text in found for wrong in wrong_terms(prose(text))] == []


def sentences(path: Path) -> Iterator[str]:
    """What a program may say to somebody: its texts of several words, but for docstrings."""
    tree = ast.parse(path.read_text())
    remarks = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in remarks and len(str(node.value).split()) > 2:
            yield str(node.value)


def test_errors_and_remarks_use_the_terms_of_the_field() -> None:
    found = [(path, text) for folder in OURS for path in (ROOT / folder).rglob("*.py") for text in sentences(path)]
    assert len(found) > 1_000
    wrong = [f"{name_of(path)}: {one}" for path, text in found for one in wrong_terms(prose(text))]
    assert not wrong, "\n".join(wrong)


# --- the README's action


def test_the_readmes_action_is_a_whole_one_and_passes_the_contracts_of_every_action(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (action,) = blocks
    code = [line for line in re.sub(r'"""[^"]*"""', "", action).splitlines() if line.strip()]
    assert len(code) <= 10
    for name in (*OURS, "tests"):
        shutil.copytree(ROOT / name, tmp_path / name)  # with what is compiled, which would be half of the work
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    (tmp_path / "tasks" / "words").mkdir()
    (tmp_path / "tasks" / "words" / "__init__.py").touch()
    (tmp_path / "tasks" / "words" / "actions.py").write_text(action)
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path), "DATA_DIR": str(tmp_path / "data")}
    script = "\n".join(
        [
            "from api.app import create_app",
            "from llmcoder.testing import run_action",
            "from tasks.words.actions import count",
            "assert run_action(count, {'text': 'to be or not to be'}).result.words == 6",
            "assert 'post' in create_app().openapi()['paths']['/words/count']",
        ]
    )
    run_checked(tmp_path, env, "-c", script)
    pytest_alone = ("-m", "pytest", "-p", "no:cacheprovider", "-p", "pytest_timeout")
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    assert " passed" in run_checked(tmp_path, env, *pytest_alone, "tests/contract/test_actions.py", "-k", "words.count")


def run_checked(folder: Path, env: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
