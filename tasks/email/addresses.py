"""Who is named in a header: addresses, and the names beside them, as people's programs write them. Pure.

The standard library reads RFC 5322, in which `Ann @ Work <a@example.net>` is several addresses or none. Here what
stands in angle brackets is the address, and what stands before it is a name, whatever is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.email.headers import decoded

MOST_ADDRESSES, LONGEST_ADDRESS_CHARS, LONGEST_NAME_CHARS = 500, 400, 200
#: More is not taken apart.
LONGEST_LIST_CHARS = 50_000
#: Encoded words, quoted strings, comments and addresses are each one piece, whatever commas are in them. Each is
#: bounded, since many that do not end would be looked through from each of their beginnings.
_PIECE = re.compile(
    r"=\?[^?\s]{0,75}\?[bBqQ]\?[^?]{0,1000}\?="
    r'|"(?:[^"\\]|\\.){0,1000}"|\((?:[^()\\]|\\.){0,1000}\)|<[^<>]{0,1000}>|<[^<>,;]{0,1000}|[,;:]|[^",;:()<=]+|.',
    re.DOTALL,
)
_BARE = re.compile(
    r"""("(?:[^"\\]|\\.)+"|[^\s@<>"(),;:\\]+)@(\[[^\s\[\]]+\]|[^\s@<>"(),;:\\\[\]]+)""",
)
_COMMENT = re.compile(r"\(((?:[^()\\]|\\.){0,1000})\)")


@dataclass(frozen=True)
class Address:
    """Somebody's address, and the name beside it."""

    email: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>" if self.name else self.email


def listed(value: str) -> Iterator[Address]:
    """The addresses of a header's value; names may hold encoded words still.

    Whatever has no address is left out, such as the name of a group. Of what has none at all, encoded words are read
    first: some programs encode all of a header.
    """
    found = _listed(value[:LONGEST_LIST_CHARS])
    first = next(found, None)
    if first is None and "=?" in value:
        found = _listed(decoded(value[:LONGEST_LIST_CHARS]))
        first = next(found, None)
    if first is not None:
        yield first
        yield from found


def _listed(value: str) -> Iterator[Address]:
    name: list[str] = []
    in_group = ";" in value
    for piece in _PIECE.findall(value):
        if piece[0] == "<" and (address := _bare(piece[1:].removesuffix(">"))):
            yield Address(address, _name("".join(name)))
            name = []
        elif piece == "<":  # the first of two
            continue
        elif piece == "<>" or (piece == ":" and in_group and "@" not in "".join(name)):
            name = []
        elif piece in (",", ";"):
            text = "".join(name)
            found = _without_brackets(text)
            yield from found
            # a comma in a name that nobody quoted: what is before it belongs to what follows
            name = [text, piece] if not found and piece == "," and text.strip() else []
        else:
            name.append(piece)
    yield from _without_brackets("".join(name))


def _bare(text: str) -> str | None:
    """What stands in angle brackets, if it is an address: without routes, spaces and `mailto:`."""
    address = re.sub(r"\s+", " ", text).strip().strip("'").strip()
    address = re.sub(r"\A(?:mailto|smtp): *", "", address, flags=re.IGNORECASE)
    if address.startswith("@") and ":" in address:
        address = address.partition(":")[2]
    return address if "@" in address.strip("@") and len(address) <= LONGEST_ADDRESS_CHARS else None


def _without_brackets(text: str) -> list[Address]:
    """`ann@example.org`, or `ann@example.org (Ann)`; in a name that goes on, the last of its pieces between commas.

    Several where nothing but blanks is between them.
    """
    bare = _COMMENT.sub(" ", text).strip().strip("'").strip()
    last = bare.rpartition(",")[2].strip() if "," in bare else bare
    words = last.split()
    if len(words) > 1 and all(len(one) <= LONGEST_ADDRESS_CHARS and _BARE.fullmatch(one) for one in words):
        return [Address(one) for one in words]
    word = re.split(r"[\s:]", last)[-1]
    found = _BARE.fullmatch(last) or _BARE.fullmatch(word)
    if found is None or len(found[0]) > LONGEST_ADDRESS_CHARS:
        return []
    comments = [one.strip() for one in _COMMENT.findall(text)]
    before = last.removesuffix(found[0]).rstrip(" \t:")
    return [Address(found[0], _name(before) or (_unescaped(comments[-1]) if comments else ""))]


def _name(text: str) -> str:
    """A name as it is meant: without the quotes round it, or round parts of it."""
    text = " ".join(text.split()).lstrip(",").strip()
    text, quoted = re.subn(r'"((?:[^"\\]|\\.){0,1000})"', lambda found: _unescaped(found[1]), text)
    if re.fullmatch(r"'[^']*'", text):
        text = text[1:-1]
    return text.strip() if quoted else text.strip().strip('"').strip()


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def shown_name(name: str, charset: str | None = None) -> str:
    """A name with its encoded words read."""
    return decoded(name[: 4 * LONGEST_NAME_CHARS], charset)
