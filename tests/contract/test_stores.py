"""PostgreSQL runs the tests that it can fail alone, and who leaves one out says why SQLite is enough for it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
OF_A_STORE = frozenset({"db_url", "empty_url", "module_db_url", "postgres_url", "postgres_template"})

#: Why SQLite is enough, and for which modules that meet a database.
REASONS = {
    "What a command prints and asks for; its queries are those of the doors and the rooms.": """
        test_cli test_cli_approvals test_cli_connections test_cli_files test_cli_macros test_cli_schedules
        test_docs_approvals""",
    "Sockets and streams; what they read from SQL, test_push_resume and test_jobs read.": """
        test_api_push test_push_hub test_push_load""",
    "What HTTP looks like; that a submission is kept, test_batches, test_fence and test_spent_keys hold.": """
        test_api_submit test_lean test_legacy test_limits test_api_operations test_version""",
    "The broker's troubles; SQL has none meanwhile.": "test_broker_trouble test_hostile_broker",
    "What is refused before SQL sees it; the values that a store could refuse are in test_hostile_values.": """
        test_hostile_http test_hostile_pages test_hostile_wire test_openapi_contract test_pages
        test_documented_headers""",
    "Looks for secrets in whatever is written, which is the same in both.": "test_canaries",
    "What macros compute; how their runs are written, test_macro_runs and test_macro_faults hold.": """
        test_macro_computing test_macro_examples test_macro_roles test_provenance""",
    "Bytes of files; their rows are in test_job_files and test_files_http.": "test_backup_files test_large_files",
    "One lock file of one machine.": "test_listen",
    "How processes take turns at the one writer of SQLite.": "test_sqlite_writer",
    "What a process loads, and when.": "test_lazy_domains",
    "A pool of processes; the jobs it runs are claimed as those of any worker.": "test_heavy_child test_heavy_pool",
    "A provider's side of a job; the engine's side of it is in test_worker and test_fence.": """
        test_gmail_connection test_mail_engine test_mail_ollama test_jira_engine test_jira_killed test_llm_engine
        test_slack_socket test_confluence_killed test_confluence_index_job test_digest test_window test_confluence_ask
        test_realtime test_known_outcomes test_document_engine
        test_travel_docs test_travel_worker""",
}
SQLITE_IS_ENOUGH = {name for names in REASONS.values() for name in names.split()}


def test_every_module_that_meets_a_database_is_marked_or_says_why_not() -> None:
    modules = {path: path.read_text() for path in TESTS.rglob("test_*.py") if not own_databases(path)}
    meeting = {path for path, text in modules.items() if meets_a_database(path, text)}
    marked = {path for path, text in modules.items() if "mark.both_stores" in text}
    unsaid = sorted(str(path.relative_to(TESTS)) for path in meeting - marked if path.stem not in SQLITE_IS_ENOUGH)
    assert unsaid == [], "mark them both_stores, or say in REASONS why PostgreSQL cannot differ"


def test_no_reason_is_given_for_a_module_that_is_gone_or_marked_all_the_same() -> None:
    paths = {path.stem: path for path in TESTS.rglob("test_*.py")}
    assert set(SQLITE_IS_ENOUGH) <= set(paths)
    assert [name for name in SQLITE_IS_ENOUGH if "mark.both_stores" in paths[name].read_text()] == []
    assert [name for name in SQLITE_IS_ENOUGH if not meets_a_database(paths[name], paths[name].read_text())] == []


def own_databases(path: Path) -> bool:
    """Acceptance and crash tests start databases of their own."""
    return bool({"acceptance", "crash"} & set(path.parts))


def meets_a_database(path: Path, text: str) -> bool:
    """Whether a test, a fixture or a mark of the module asks for a fixture that ends in a database."""
    asked = names_asked_for(text)
    return bool(asked & database_fixtures(tuple(conftests_above(path))))


def names_asked_for(text: str) -> set[str]:
    tree = ast.parse(text)
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    parameters = {argument.arg for function in functions if is_asking(function) for argument in function.args.args}
    used = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and name_of(node.func) == "usefixtures")
    marks = {value.value for call in used for value in call.args if isinstance(value, ast.Constant)}
    return parameters | {str(mark) for mark in marks}


def is_asking(function: ast.FunctionDef) -> bool:
    return function.name.startswith("test_") or is_fixture(function)


def is_fixture(function: ast.FunctionDef) -> bool:
    return any("fixture" in ast.dump(decorator) for decorator in function.decorator_list)


def name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else ""


def conftests_above(path: Path) -> list[Path]:
    return [folder / "conftest.py" for folder in path.parents if folder.is_relative_to(TESTS)]


@cache
def database_fixtures(conftests: tuple[Path, ...]) -> frozenset[str]:
    """The names of all fixtures there that lead to a database."""
    asks: dict[str, set[str]] = {}
    for path in conftests:
        for node in ast.walk(ast.parse(path.read_text() if path.exists() else "")):
            if isinstance(node, ast.FunctionDef) and is_fixture(node):
                asks.setdefault(node.name, set()).update(argument.arg for argument in node.args.args)
    leading = set(OF_A_STORE)
    while more := {name for name, asked in asks.items() if asked & leading} - leading:
        leading |= more
    return frozenset(leading)
