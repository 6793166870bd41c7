"""What a page or a mail shows its readers, and what it holds unseen: previews, texts for filters, orders to machines.

Pure. No browser is asked: only what a style says of its own element counts, and rules of a sheet that name one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

LONGEST_STYLE_CHARS, LONGEST_SHEET_CHARS = 2_000, 50_000
#: Most styles say nothing of it, and to take them apart takes time.
_MAY_HIDE = re.compile(
    r"none|hidden|clip|collapse|opacity|transparent|scale|-\d{3}|font-size\s*:\s*[01.]", re.IGNORECASE
)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|<!--|-->", re.DOTALL)
_BRACE = re.compile(r"([{}])")
#: One element by its name, classes, id and what it says that these are, behind elements that are named by nothing else.
_SELECTOR = re.compile(
    r"(?:(?:\*|[a-z][a-z0-9]*)(?: ?> ?| )){0,5}(\*|[a-z][a-z0-9]*)?((?:[.#][\w-]+|\[(?:class|id)~?=[\w\"'-]+\]){1,4})",
    re.IGNORECASE,
)
_NAME = re.compile(r"([.#])([\w-]+)|\[(class|id)~?=[\"']?([\w-]+)", re.IGNORECASE)
_SCREEN = re.compile(r"@media (?:only )?(?:screen|all)", re.IGNORECASE)
_SIZE = re.compile(r"([-+]?(?:\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})) ?(px|pt|em|rem|ex|%|vh|vw)?")
_BEYOND = re.compile(r"-\d{3,}(?:\.\d+)? ?(?:px|pt|em|rem|%)?")
_CLIPPED = re.compile(r"rect\((?: ?[01](?:px)?(?: ?,| )?){4}\)|inset\((?:50|100)%\)|circle\(0[^)]*\)")
_SHRUNK = re.compile(r"scale(?:3d|x|y)?\( ?0(?:\.0{0,5})? ?[,)]")
#: By which things appear bit by bit.
_ANIMATED = ("opacity", "visibility", "transform", "color", "clip-path", "max-height")
_SIDES = ("max-height", "height", "max-width", "width")
#: What follows is shown all the same (HTML standard, "after after body"), and libxml2 reads none of it.
_EARLY_END = re.compile(r"</(?:html|body)\b[^<>]{0,200}>", re.IGNORECASE)


def without_early_ends(html: str) -> str:
    """HTML of which all is read: servers hang notices behind its end, and templates their pages."""
    return _EARLY_END.sub("", html)


class _Rule(NamedTuple):
    """What a sheet says of elements of a name, classes and ids, and how much it counts."""

    tag: str
    names: frozenset[str]
    hides: bool
    weight: tuple[bool, int, int, int]


Rules = Mapping[str, list[_Rule]]


def empty_hidden(tree: Any, *, scripted: bool) -> None:
    """Empty the elements of a tree of lxml that show nothing.

    They are emptied and not removed: with each that is removed the text before it grows, by the square of their number.

    Args:
        scripted: Whether scripts run in it. What a sheet hides they may show, and what has no opacity yet appears while
            the page is scrolled; a mail has none.
    """
    rules = {} if scripted else _rules_of(tree)
    for element in tree.xpath("//*[@style or @hidden or @class or @id]" if rules else "//*[@style or @hidden]"):
        if element.tag not in ("html", "body") and _is_hidden(element, rules, scripted=scripted):
            element.clear(keep_tail=True)


def _is_hidden(element: Any, rules: Rules, *, scripted: bool) -> bool:
    style = element.get("style") or ""
    if not rules and element.get("hidden") is None and not _MAY_HIDE.search(style[:LONGEST_STYLE_CHARS]):
        return False
    declared = _declared(style) if style else {}
    if scripted:
        declared = {name: value for name, value in declared.items() if name not in _ANIMATED}
    if "display" in declared:
        return _hides(declared)
    if element.get("hidden") is not None or _hides(declared):
        return True
    if len(element) == 0 and _at_most(declared.get("font-size", ""), 1):  # those in it may have one of their own
        return True
    return bool(rules) and _hidden_by(rules, element)


def _hidden_by(rules: Rules, element: Any) -> bool:
    names = {f".{one}" for one in (element.get("class") or "")[:LONGEST_STYLE_CHARS].split()}
    names.add(f"#{element.get('id')}")
    matching = (
        rule for name in names for rule in rules.get(name, ()) if rule.names <= names and rule.tag in ("", element.tag)
    )
    strongest = max(matching, key=lambda rule: rule.weight, default=None)
    return strongest is not None and strongest.hides


def _declared(style: str) -> dict[str, str]:
    """The declarations of a style; of several the last counts, and the first that says that it does."""
    found: dict[str, str] = {}
    for declaration in _CSS_COMMENT.sub("", style[:LONGEST_STYLE_CHARS]).lower().split(";"):
        name, _, value = declaration.partition(":")
        name, value = name.strip(), " ".join(value.split())
        if value and not found.get(name, "").endswith("!important"):
            found[name] = value
    return {name: value.partition("!")[0].strip() for name, value in found.items()}


def _hides(declared: Mapping[str, str]) -> bool:
    if declared.get("display") == "none" or declared.get("visibility") in ("hidden", "collapse"):
        return True
    if _at_most(declared.get("opacity", ""), 0.01):
        return True
    if declared.get("color") == "transparent" and not any("background-clip" in name for name in declared):
        return True  # else its letters are cut out of its background
    if _is_cut(declared) and any(_at_most(declared.get(side, ""), 1) for side in _SIDES):
        return True
    return _is_elsewhere(declared)


def _is_cut(declared: Mapping[str, str]) -> bool:
    return any(
        declared.get(name, "").startswith(("hidden", "clip")) for name in ("overflow", "overflow-x", "overflow-y")
    )


def _is_elsewhere(declared: Mapping[str, str]) -> bool:
    """Whether it stands beside the screen, behind what is cut out of it, or on no room at all."""
    if _BEYOND.fullmatch(declared.get("text-indent", "")):
        return True
    if declared.get("position") in ("absolute", "fixed"):
        sides = (declared.get(side, "") for side in ("left", "top", "right", "bottom"))
        if any(_BEYOND.fullmatch(side) for side in sides) or _CLIPPED.fullmatch(declared.get("clip", "")):
            return True
    return bool(_CLIPPED.fullmatch(declared.get("clip-path", "")) or _SHRUNK.match(declared.get("transform", "")))


def _at_most(value: str, most: float) -> bool:
    """Whether a size is so small: of a pixel or point, or a twentieth of that of what is measured by others."""
    found = _SIZE.fullmatch(value)
    if found is None:
        return False
    return float(found[1]) <= (most if found[2] in (None, "px", "pt") else most / 20)


# --- style sheets


def _rules_of(tree: Any) -> Rules:
    """Rules of a screen of any size that hide what they name, or show it again: `.preview`, `#a`, `div.preview`."""
    found: dict[str, list[_Rule]] = {}
    order = 0
    for sheet in tree.iter("style"):
        css = _CSS_COMMENT.sub("", (sheet.text or "")[:LONGEST_SHEET_CHARS])
        if not _MAY_HIDE.search(css):
            continue
        for selectors, style in _blocks(css):
            order += 1
            for rule in _named_rules(selectors, style, order):
                for name in rule.names:
                    found.setdefault(name, []).append(rule)
    return found if any(rule.hides for rules in found.values() for rule in rules) else {}


def _named_rules(selectors: str, style: str, order: int) -> Iterator[_Rule]:
    declared = _declared(style)
    hides = _hides(declared)
    if not hides and not declared.keys() & {"display", "visibility", "opacity"}:
        return
    for selector in selectors.split(","):
        parts = _SELECTOR.fullmatch(" ".join(selector.split()))
        if parts is None:
            continue
        names = frozenset(
            f"{sign}{name}" if sign else f"{'.' if kind.lower() == 'class' else '#'}{value}"
            for sign, name, kind, value in _NAME.findall(parts[2])
        )
        tag = "" if parts[1] in (None, "*") else parts[1].lower()
        ids = sum(name.startswith("#") for name in names)
        yield _Rule(tag, names, hides, ("!important" in style, ids, len(names) + bool(tag), order))


def _blocks(css: str) -> Iterator[tuple[str, str]]:
    """Selectors and declarations that stand alone or are for every screen, and not for small or dark ones."""
    depth, outermost, selectors, before = 0, 0, "", ""
    for piece in _BRACE.split(css):
        if piece == "{":
            name = " ".join(before.rpartition(";")[2].split())
            if depth == outermost and _SCREEN.fullmatch(name):
                outermost += 1
            selectors, depth = (name if depth == outermost else selectors), depth + 1
        elif piece == "}":
            if depth == outermost + 1 and not selectors.startswith("@"):
                yield selectors, before
            depth = max(depth - 1, 0)
            outermost = min(outermost, depth)
        before = piece
