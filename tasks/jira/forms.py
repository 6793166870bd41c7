"""The forms of JIRA (for a new issue, for a transition), filled in by people who know fields and values by name.

What is missing or cannot be meant is explained before anything is sent: which fields there are, which values they take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from llmcoder.errors import BadInput
from tasks.jira.payload import FieldPayload
from tasks.jira.people import somebody
from tasks.jira.tracker import AssigneeScope, Tracker

MOST_TOLD = 25
#: Texts with markup; all other texts are plain.
_RICH = ("description", "environment")
_RICH_KIND = ":textarea"
#: By what a choice is called, in the order in which it names itself to the site.
_NAMES = ("id", "name", "value", "key")
#: What JIRA fills in where nobody does, whatever its form says.
_BY_JIRA = frozenset({"project", "issuetype", "reporter"})
#: How a value that is no choice of the form is named to the site; kinds that are not here go there as they are given.
_NAMED_BY = {
    "component": "name", "group": "name", "issuelink": "key", "option": "value", "priority": "name", "project": "key",
    "resolution": "name", "version": "name",
}  # fmt: skip
_TEXTS = frozenset({"string", "date", "datetime"})
_IN_LISTS = frozenset({"number", "user", *_TEXTS, *_NAMED_BY})


@dataclass(frozen=True)
class Form:
    """A form to fill in.

    Attributes:
        called: What it is for, as people say it: `Bug in OPS`.
        fields: By their ids.
        place: Where those who are named in it are to work.
    """

    site: Tracker
    called: str
    fields: Mapping[str, FieldPayload]
    place: AssigneeScope

    def filled(self, given: Mapping[str, JsonValue]) -> dict[str, Any]:
        """What the site is sent for what was given, by the names or ids of fields.

        Raises:
            BadInput: A field is not on the form, or is given twice; a value is none that it takes; one is missing.
        """
        made: dict[str, Any] = {}
        for name, value in given.items():
            field_id = self._id_of(name)
            if field_id in made:
                raise BadInput(f"The field {name!r} is given twice.")
            made[field_id] = self._value(self.fields[field_id], value)
        lacking = [field for name, field in self.fields.items() if _is_needed(name, field) and name not in made]
        if lacking:
            raise BadInput(f"{self.called} needs more: {'; '.join(map(explained, lacking))}. Give it in `fields`.")
        return made

    def _id_of(self, name: str) -> str:
        if name in self.fields:
            return name
        wanted = name.casefold()
        found = [known for known, field in self.fields.items() if wanted in (field.name.casefold(), known.casefold())]
        if len(found) == 1:
            return found[0]
        if found:
            raise BadInput(f"{self.called} has several fields called {name!r}; give one of the ids {', '.join(found)}.")
        names = [field.name for known, field in self.fields.items() if known not in _BY_JIRA]
        raise BadInput(f"{self.called} has no field {name!r}; it has {_told(names) or 'none to fill in'}.")

    def _value(self, field: FieldPayload, given: JsonValue) -> Any:
        if given is None or isinstance(given, dict):
            return given  # as JIRA wants it
        if field.kind.get("type") != "array":
            return self._one(field, str(field.kind.get("type", "")), given)
        items = str(field.kind.get("items", ""))
        if items not in _IN_LISTS and not field.allowed:
            return given  # a sprint is a list by its form, and is given as a number
        return [self._one(field, items, one) for one in (given if isinstance(given, list) else [given])]

    def _one(self, field: FieldPayload, kind: str, given: JsonValue) -> Any:
        if isinstance(given, dict | list):
            return given
        if kind == "number":
            return _number(field, given)
        if isinstance(given, bool):
            raise BadInput(f"{field.name} takes no {given!r}.")
        words = str(given).strip()
        if kind == "user":
            return self.site.mention(somebody(self.site, words, self.place).id)
        if field.allowed:
            return _choice(field, words)
        if kind == "comments-page" or _is_rich(field):
            return self.site.body(str(given))
        if kind in _TEXTS:
            return str(given)
        if kind not in _NAMED_BY:
            return given
        return {"id" if _NAMED_BY[kind] == "key" and words.isdecimal() else _NAMED_BY[kind]: words}


def explained(field: FieldPayload) -> str:
    """A field and what it takes: `Resolution (Fixed, Won't Do)`."""
    if field.allowed:
        return f"{field.name} (one of {_told([_shown(one) for one in field.allowed])})"
    return f"{field.name} ({_KINDS.get(_kind_of(field), _kind_of(field)) or 'anything'})"


_KINDS = {
    "string": "a text", "date": "a date such as 2026-12-31", "datetime": "an instant", "number": "a number",
    "user": "a person", "comments-page": "a text", "issuelink": "the key of an issue",
}  # fmt: skip


def _kind_of(field: FieldPayload) -> str:
    kind = str(field.kind.get("type", ""))
    return str(field.kind.get("items", "")) if kind == "array" else kind


def _is_needed(name: str, field: FieldPayload) -> bool:
    return field.required and not field.has_default and name not in _BY_JIRA


def _is_rich(field: FieldPayload) -> bool:
    return field.kind.get("system") in _RICH or str(field.kind.get("custom", "")).endswith(_RICH_KIND)


def _choice(field: FieldPayload, words: str) -> Any:
    """The one of the allowed values that is called so; of several, the one with that id."""
    wanted = words.casefold()
    for names in (("id",), _NAMES[1:]):
        found = [one for one in field.allowed if wanted in _names(one, names)]
        if len(found) == 1:
            return _as_sent(found[0])
    several = "can be more than one" if found else "is none"
    raise BadInput(f"{words!r} {several} of what {field.name} takes: {_told([_shown(one) for one in field.allowed])}.")


def _names(choice: Any, names: Sequence[str]) -> set[str]:
    if not isinstance(choice, dict):
        return {str(choice).casefold()}
    return {str(choice[name]).casefold() for name in names if choice.get(name) is not None}


def _as_sent(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    name = next((name for name in _NAMES if choice.get(name) is not None), None)
    return choice if name is None else {name: choice[name]}


def _shown(choice: Any) -> str:
    if not isinstance(choice, dict):
        return str(choice)
    return str(choice.get("name") or choice.get("value") or choice.get("key") or choice.get("id") or "?")


def _number(field: FieldPayload, given: JsonValue) -> float:
    try:
        return float(str(given).strip())
    except ValueError:
        raise BadInput(f"{field.name} takes a number, not {str(given)[:50]!r}.") from None


def _told(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else ""
    return f"{', '.join(names[:MOST_TOLD])}{more}"
