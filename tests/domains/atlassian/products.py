"""JIRA and Confluence as the tests of what they share see them: a local site, and how it is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from llmcoder.declare.connection import ConnectionKind, Grant
from llmcoder.testing import FakeContext
from tasks.confluence.account import ConfluenceAccount
from tasks.confluence.connections import CONFLUENCE
from tasks.confluence.connections import SCOPES as CONFLUENCE_SCOPES
from tasks.confluence.errors import PageConflict
from tasks.confluence.open_site import open_site
from tasks.confluence.settings import ConfluenceSettings
from tasks.confluence.site import Site
from tasks.confluence.wiki import Space
from tasks.jira.account import JiraAccount
from tasks.jira.connections import JIRA
from tasks.jira.connections import SCOPES as JIRA_SCOPES
from tasks.jira.errors import IssueConflict
from tasks.jira.open_tracker import open_tracker
from tasks.jira.settings import JiraSettings
from tasks.jira.tracker import Tracker

HERE = Path(__file__).parent
sys.path += [str(HERE.parent / name) for name in ("jira", "confluence")]

from confluence_server import TOKEN as CONFLUENCE_TOKEN  # noqa: E402
from confluence_server import confluence_on_loopback  # noqa: E402
from jira_server import ACCESS, CLOUD_ID, EMAIL, TOKEN, jira_on_loopback  # noqa: E402

KINDS = ("cloud", "data_center")
#: Ids that the local Confluence gives to what is made first.
SPACE, PAGE_ID = Space("100002", "OPS", "Operations"), "100001"


@dataclass(frozen=True)
class Product:
    """One product.

    Attributes:
        ways: Requests by the part of method and path under which the local site knows them.
        reads: Those that change nothing.
        written: What was made at the site by the first write.
        url_field: The setting that holds the site.
        odd: Members of an answer that are null.
    """

    name: str
    title: str
    kind: ConnectionKind[Any]
    account: type[Any]
    settings: type[Any]
    url_field: str
    scopes: tuple[str, ...]
    conflict: type[Exception]
    serve: Callable[[], Any]
    open: Callable[..., Any]
    fill: Callable[[Any], None]
    ways: Mapping[str, Callable[[Any], object]]
    reads: tuple[str, ...]
    written: Callable[[Any], int]
    login: str
    token: str

    @property
    def first_write(self) -> str:
        return next(way for way in self.ways if way not in self.reads)


@dataclass
class LocalSite:
    """A product's site on loopback."""

    product: Product
    server: Any

    def context(self, kind: str = "cloud", **more: Any) -> FakeContext:
        account = more.pop("credentials", None) or getattr(self.server, kind)()
        given = {"account": EMAIL, "timeout_s": 20.0, "fetch_allow": ("127.0.0.1",), **more}
        return FakeContext(given.pop("settings", ()), connections={self.product.kind: account}, **given)

    def do(self, way: str, ctx: FakeContext) -> object:
        """Ask as an action asks."""
        return self.product.ways[way](self.product.open(ctx.connection(self.product.kind), ctx))

    def registered(self, **more: Any) -> Any:
        """Settings of an installation that is registered at Atlassian, which is this server too."""
        name = self.product.name
        own = {
            f"{name}_oauth_client_id": "engine",
            f"{name}_oauth_client_secret": "client-canary",
            f"{name}_oauth_url": self.server.url,
            f"{name}_oauth_api_url": self.server.url,
        }
        return self.product.settings.model_validate(own | more)

    def granted(self, token: str = ACCESS, **more: Any) -> Any:
        grant = Grant(access_token=SecretStr(token), refresh_token=SecretStr("refresh-canary-0"), **more)
        return self.product.account(site="https://acme.atlassian.net", cloud_id=CLOUD_ID, grant=grant)

    def own(self) -> Any:
        """Settings of an installation that has an account there."""
        name = self.product.name
        account = {
            self.product.url_field: self.server.url,
            f"{name}_email": EMAIL,
            f"{name}_api_token": self.product.token,
        }
        return self.product.settings.model_validate(account)


@contextmanager
def running(product: Product) -> Iterator[LocalSite]:
    with product.serve() as server:
        yield LocalSite(product, server)


# --- JIRA


def _fill_jira(server: Any) -> None:
    server.add("OPS", "Title")
    server.issues["OPS-1"].comments.clear()


def _assign(site: Tracker) -> None:
    site.assign("OPS-1", None)


def _unsay(site: Tracker) -> None:
    site.delete_comment("OPS-1", "10001")


JIRA_PRODUCT = Product(
    "jira",
    title="JIRA",
    kind=JIRA,
    account=JiraAccount,
    settings=JiraSettings,
    url_field="jira_server_url",
    scopes=JIRA_SCOPES,
    conflict=IssueConflict,
    serve=jira_on_loopback,
    open=open_tracker,
    fill=_fill_jira,
    ways={
        "GET": lambda site: site.issue("OPS-1"),
        "POST /search": lambda site: site.search("project = OPS", ("summary",), 10),
        "POST /issue": lambda site: site.add_comment("OPS-1", site.body("x"), "m-1"),
        "PUT": _assign,
        "DELETE": _unsay,
    },
    reads=("GET", "POST /search"),  # the search reads, although it is a POST
    written=lambda server: len(server.issues["OPS-1"].comments),
    login="/login.jsp?os_destination=x",
    token=TOKEN,
)


# --- Confluence


def _fill_confluence(server: Any) -> None:
    server.add("OPS", "Title")


def _trash(site: Site) -> None:
    site.trash(PAGE_ID)


CONFLUENCE_PRODUCT = Product(
    "confluence",
    title="Confluence",
    kind=CONFLUENCE,
    account=ConfluenceAccount,
    settings=ConfluenceSettings,
    url_field="confluence_url",
    scopes=CONFLUENCE_SCOPES,
    conflict=PageConflict,
    serve=confluence_on_loopback,
    open=open_site,
    fill=_fill_confluence,
    ways={
        "GET": lambda site: site.page(PAGE_ID),
        "POST": lambda site: site.create(SPACE, "New", "<p>x</p>", None, "m-1"),
        "PUT": lambda site: site.update(PAGE_ID, "Title", "<p>x</p>", 1, "m-1"),
        "DELETE": _trash,
    },
    reads=("GET",),
    written=lambda server: len(server.titled("New")),
    login="/login.action?os_destination=x",
    token=CONFLUENCE_TOKEN,
)

PRODUCTS = (JIRA_PRODUCT, CONFLUENCE_PRODUCT)
#: Each product with each of its requests.
WAYS = [(product, way) for product in PRODUCTS for way in product.ways]
READS = [(product, way) for product, way in WAYS if way in product.reads]
WRITES = [(product, way) for product, way in WAYS if way not in product.reads]


def named(cases: list[tuple[Product, str]]) -> list[str]:
    return [f"{product.name} {way}" for product, way in cases]
