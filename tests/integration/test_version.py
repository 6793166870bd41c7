"""The version stands in pyproject.toml, and everything that says one reads it from there."""

from __future__ import annotations

import json
import re
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
from served import Served
from shell_kit import shell_on

from llmcoder.log import OURS
from llmcoder.net import GuardedClient
from llmcoder.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (*sorted(OURS), "benchmarks", "docker", "docs", "tests", ".github")
TEXTS = {".py", ".md", ".yml", ".yaml"}


def declared() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def test_what_is_installed_is_what_the_project_declares() -> None:
    assert declared() == VERSION, "installed from an older pyproject.toml: run `make install`"


def test_no_other_file_repeats_the_version() -> None:
    """The changelog has it in the heading of its release, and the lock names versions of others."""
    literal = re.compile(rf"(?<![\d.]){re.escape(declared())}(?![\d.])|LLMCoder/\d")
    known = {"pyproject.toml", "CHANGELOG.md", "requirements.lock"}
    at_the_top = [path for path in ROOT.iterdir() if path.is_file() and path.name not in known]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in TEXTS]
    assert below
    repeated = [str(path.relative_to(ROOT)) for path in [*at_the_top, *below] if literal.search(path.read_text())]
    assert repeated == []


def test_the_api_and_its_document_say_it(served: Served) -> None:
    assert httpx.get(served.url, headers={"accept": "application/json"}, timeout=60).json()["version"] == declared()
    assert httpx.get(f"{served.url}/openapi.json", timeout=60).json()["info"]["version"] == declared()
    assert declared() in httpx.get(served.url, headers={"accept": "text/html"}, timeout=60).text


def test_the_command_says_it(tmp_path: Path) -> None:
    shell = shell_on(f"sqlite:///{tmp_path / 'none.db'}", "redis://127.0.0.1:1", tmp_path)
    done = shell("--version")
    assert (done.code, done.out) == (0, f"llmcoder {declared()}\n")


class Listening(BaseHTTPRequestHandler):
    agents: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.agents.append(self.headers["User-Agent"])
        body = json.dumps({}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


def test_requests_to_others_say_it() -> None:
    with HTTPServer(("127.0.0.1", 0), Listening) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        GuardedClient(allow=("127.0.0.1",)).request("GET", f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert Listening.agents == [f"LLMCoder/{declared()}"]
