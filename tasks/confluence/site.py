"""A Confluence site as the page actions need it: the wiki that the index reads, and what more they ask."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime

from tasks.confluence.wiki import PageHead, Wiki, WikiPage


@dataclass(frozen=True)
class Edit:
    """One version of a page: who made it and when.

    Attributes:
        by: A name, or the id of the account where the site does not say its name; empty if it says neither.
    """

    version: int
    at: datetime
    by: str
    message: str


class Site(Wiki):
    """One site, seen by one account.

    Attributes:
        url: Its address, without a slash at the end.
    """

    url: str

    @abstractmethod
    def page(self, page_id: str, version: int | None = None) -> WikiPage:
        """A page with its body, as it is or as it was in an old version. NotFound if there is none."""

    @abstractmethod
    def find(self, space_key: str, title: str) -> PageHead | None:
        """The current page of exactly that title; titles are unique in a space."""

    @abstractmethod
    def edits(self, page_id: str, since: int) -> list[Edit]:
        """Who made the versions after that one, the newest first; at least the newest, and not more than ten."""

    @abstractmethod
    def trash(self, page_id: str) -> None:
        """Move a page to the trash of its space, where it can be restored. NotFound if it is not among the current."""
