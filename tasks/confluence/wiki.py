"""What this domain asks of a Confluence site, Cloud or Data Center: the interface of a wiki, and what goes through it.

Bodies are in the storage format (XHTML with Atlassian's own elements), as both kinds of site keep them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Space:
    """One space that the account can see."""

    id: str
    key: str
    name: str


@dataclass(frozen=True)
class PageHead:
    """A page without its body.

    Attributes:
        version: Counts up with every edit, from 1.
        url: Where people read it.
    """

    id: str
    space_key: str
    title: str
    version: int
    updated_at: datetime
    url: str
    parent_id: str | None = None


@dataclass(frozen=True)
class WikiPage:
    """A page with its body in the storage format."""

    head: PageHead
    storage: str


@dataclass(frozen=True)
class WikiAttachment:
    """A file of a page."""

    id: str
    page_id: str
    title: str
    media_type: str
    size_bytes: int
    version: int
    download_path: str


@dataclass(frozen=True)
class Heads:
    """Some heads of a space's current pages.

    Attributes:
        next: Cursor of the rest; None when these are the last.
    """

    heads: tuple[PageHead, ...]
    next: str | None


class Wiki(ABC):
    """One site, seen by one account.

    Raises:
        NeedsReconnect: The token is refused.
        Forbidden, NotFound: The account may not see or do this, or it does not exist.
        RateLimited, Transient: Nothing happened; later perhaps.
        Uncertain: Only by the two that write: it may have happened.
    """

    @abstractmethod
    def spaces(self, keys: Sequence[str] = ()) -> list[Space]:
        """The spaces of those keys, or all that are current. NotFound names a key that is not there."""

    @abstractmethod
    def heads(self, space: Space, cursor: str | None = None) -> Heads:
        """The current pages of a space, as many as the site gives at once, in an order that edits do not change."""

    @abstractmethod
    def pages(self, ids: Sequence[str]) -> list[WikiPage]:
        """The pages of those ids that still exist, with their bodies, in as few requests as the site takes."""

    @abstractmethod
    def attachments(self, page_id: str) -> list[WikiAttachment]:
        """The current files of a page."""

    @abstractmethod
    def download(self, attachment: WikiAttachment, max_bytes: int) -> bytes:
        """A file's content. Refused when it is larger."""

    @abstractmethod
    def create(self, space: Space, title: str, storage: str, parent_id: str | None, marker: str) -> PageHead:
        """Make a page that `find_created` knows by the marker. Refused when the space has a page of that title."""

    @abstractmethod
    def find_created(self, space: Space, title: str, marker: str) -> PageHead | None:
        """The page that was made under the marker."""

    @abstractmethod
    def update(self, page_id: str, title: str, storage: str, base_version: int, marker: str) -> PageHead:
        """Replace a page's content; Refused when it has another version than `base_version` by now."""

    @abstractmethod
    def find_updated(self, page_id: str, version: int, marker: str) -> PageHead | None:
        """The page's head, if that version of it was made under the marker."""
