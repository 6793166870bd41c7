"""The pages for people load nothing from elsewhere and run nothing that is not a file of ours."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from served import Served

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
PAGES = ("/", "/docs")


class Page(HTMLParser):
    """What a page refers to, and what stands in it that a strict policy would not run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.links: set[str] = set()
        self.inline: list[str] = []
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self._inside = tag if tag in ("script", "style") else None
        address = given.get("src") or given.get("href")
        if address is not None:
            (self.links if tag == "a" else self.loaded).add(address)

    def handle_data(self, data: str) -> None:
        if self._inside is not None and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = None


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_files_of_ours_and_nothing_stands_in_it_that_runs(served: Served, path: str) -> None:
    with httpx.Client(base_url=served.url, headers={"accept": BROWSER}, timeout=60) as browser:
        answer = browser.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        page = Page(answer.text)
        assert page.inline == []
        assert page.loaded
        for address in page.loaded | page.links:
            assert not urlsplit(address).netloc, f"{address} is somebody else's"
            found = browser.get(urljoin(path, address))
            assert found.status_code in (200, 401, 503), address
            if address in page.loaded:
                kind = {"js": "text/javascript", "css": "text/css", "png": "image/png"}[address.rpartition(".")[2]]
                assert found.status_code == 200 and found.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_of_a_page_names_no_other_host_and_allows_nothing_inline(served: Served, path: str) -> None:
    policy = httpx.get(f"{served.url}{path}", headers={"accept": BROWSER}, timeout=60).headers[
        "content-security-policy"
    ]
    allowed = {word for rule in policy.split(";") for word in rule.split()[1:]}
    assert allowed == {"'none'", "'self'", "data:"}


def test_swagger_ui_understands_the_version_of_our_document(served: Served) -> None:
    """Before its fifth version it showed nothing of an OpenAPI 3.1 document."""
    assert served.app.openapi()["openapi"].startswith("3.1")
    script = httpx.get(f"{served.url}/docs/swagger-ui-bundle.js", timeout=60).text
    assert "isOAS31" in script


def test_whoever_is_no_browser_gets_json_at_the_root(served: Served) -> None:
    for accept in ("*/*", "application/json", ""):
        answer = httpx.get(served.url, headers={"accept": accept}, timeout=60)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.json()["docs"] == "/docs"
        assert answer.headers["vary"] == "accept"


def test_the_root_says_what_runs_and_how_it_is(served: Served) -> None:
    text = httpx.get(served.url, headers={"accept": BROWSER}, timeout=60).text
    for part in ("LLMCoder", "database", "broker", "worker", 'class="failed"'):  # there is no worker here
        assert part in text


def test_the_pages_are_no_part_of_the_openapi_document(served: Served) -> None:
    assert not {"/", "/docs"} & served.app.openapi()["paths"].keys()
