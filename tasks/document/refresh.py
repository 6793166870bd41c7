"""Pages that lead on to others by `<meta http-equiv=refresh>` or a Refresh header, as browsers follow them. Pure."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urldefrag, urljoin

#: A page that leads on so soon is none; with more, it may be one that looks again for news, or shows the next picture.
SOON_S = 10
_SCANNED_CHARS = 500_000
_LONGEST_ADDRESS_CHARS = 8192

# What shows nothing is one match, with its end or that of all, and a tag is one with its values, whatever is in these.
# Nothing is taken back (`*+`): a value that does not end goes on to the end of all, as in browsers.
_TAG = re.compile(
    r"<!--(?:-?>|.*?(?:--!?>|\Z))"
    r"|<(?P<silent>script|style|textarea|template|title|xmp|iframe|noembed|noframes)\b.*?(?:</(?P=silent)\b|\Z)"
    r"|<(?P<noscript>/?noscript)\b"
    r"|<(?P<name>[a-z][a-z0-9:-]{0,50})\b"
    r"(?P<attributes>(?:[^>=]++|=\s*+(?:\"[^\"]*(?:\"|\Z)|'[^']*(?:'|\Z))?+)*+)",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"(?<![^\s\"'/])([a-z-]{1,30})\s*+=\s*+(?:\"([^\"]*)(?:\"|\Z)|'([^']*)(?:'|\Z)|([^\s\"'>]+))", re.IGNORECASE
)
# As in the HTML standard, "shared declarative refresh steps": `0;url=/x`, `0, URL = '/x'`, `0 /x`.
_REFRESH = re.compile(
    r"\s*(?:(\d{1,9})(?:\.[\d.]*)?|\.[\d.]*)\s*(?:[;,]|\s|(?<=\d)$)\s*(?:url\s*=\s*)?(.*)", re.IGNORECASE | re.DOTALL
)


class Refresh:
    """Where a page leads to.

    Attributes:
        at_once: The address that a browser shows instead of it; None where it stays.
        at_last: The address that it leads to later, or only where there are no scripts.
    """

    def __init__(self, html: str, url: str, header: str = "") -> None:
        self.at_once: str | None = None
        self.at_last: str | None = None
        self._here = url
        self._base = url
        self._found(header, unscripted=False)
        self._read(html[:_SCANNED_CHARS])

    def _read(self, html: str) -> None:
        unscripted = False
        for tag in _TAG.finditer(html):
            if tag["noscript"]:
                unscripted = not tag["noscript"].startswith("/")
            elif (kind := (tag["name"] or "").lower()) in ("meta", "base"):
                values = _values(tag["attributes"])
                if kind == "base":
                    self._base = urljoin(self._here, values.get("href", "")) if self._base == self._here else self._base
                elif values.get("http-equiv", "").strip().lower() == "refresh":
                    self._found(values.get("content", ""), unscripted)

    def _found(self, refresh: str, unscripted: bool) -> None:
        parts = _REFRESH.fullmatch(refresh[:_LONGEST_ADDRESS_CHARS])
        address = parts and self._address(parts[2])
        if not parts or not address:
            return
        if int(parts[1] or 0) <= SOON_S and not unscripted:
            self.at_once = self.at_once or address
        else:
            self.at_last = self.at_last or address

    def _address(self, text: str) -> str | None:
        """Where it leads; None for the page itself, which it looks at again, and for what is no page."""
        quote = text[:1] if text[:1] in "\"'" else ""
        address = (text[1:].partition(quote)[0] if quote else text).strip()
        try:
            whole = urldefrag(urljoin(self._base, address))[0] if address else ""
        except ValueError:  # no address at all
            return None
        is_here = whole == urldefrag(self._here)[0]
        return whole if whole.lower().startswith(("http://", "https://")) and not is_here else None


def _values(attributes: str) -> dict[str, str]:
    """By name; of several the first counts."""
    found: dict[str, str] = {}
    for name, *values in _ATTRIBUTE.findall(attributes):
        found.setdefault(name.lower(), unescape("".join(values)))
    return found
