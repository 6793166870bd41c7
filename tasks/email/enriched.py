"""The marked-up texts that came before HTML: text/enriched (RFC 1896) and text/richtext (RFC 1341), as plain text."""

from __future__ import annotations

import re

#: What a mark is about, and not a word of the text.
_UNSHOWN = re.compile(r"<(param|comment)>.*?(?:</\1>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<(/?)([A-Za-z0-9-]{1,60})>")
_ENDS = re.compile(r"[ \t]*\n(\n*)")
#: In richtext these stand for what could not be written otherwise.
_MEANT = {"nl": "\n", "np": "\n\n", "lt": "<"}
#: A private character stands for a bracket until the tags are gone.
_BRACKET = "\ufdd0"


def of_enriched(text: str) -> str:
    """A line's end is a blank, and only more than one of them end lines, but for what is to stay as it is."""
    text = _UNSHOWN.sub("", text.replace("<<", _BRACKET))
    made, folds, at = "", True, 0
    for tag in _TAG.finditer(text):
        made += _folded(text[at : tag.start()], folds)
        at = tag.end()
        if tag[2].lower() == "nofill":
            folds = tag[1] == "/"
    return (made + _folded(text[at:], folds)).replace(_BRACKET, "<")


def of_richtext(text: str) -> str:
    """Lines end only where it says so."""
    text = _UNSHOWN.sub("", text).replace("\n", " ")
    return _TAG.sub(lambda tag: "" if tag[1] else _MEANT.get(tag[2].lower(), ""), text)


def _folded(text: str, folds: bool) -> str:
    return _ENDS.sub(lambda ends: ends[1] or " ", text) if folds else text
