"""What JIRA sends, as far as it is read: members that we do not name may be anything, ids may be numbers."""

from __future__ import annotations

import re
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel, model_validator

#: Half a character, as databases that count in UTF-16 leave behind; no text of ours can hold it.
_HALF = re.compile("[\ud800-\udfff]")


def mended(text: str) -> str:
    """A text without half characters."""
    return _HALF.sub("\ufffd", text)


class Wire(BaseModel):
    """Something that a site sends."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        return {name: _mended(value) for name, value in sent.items() if value is not None}


def _mended(value: Any) -> Any:
    """A text, or those of a list; what is deeper is mended by its own model, or where it is read."""
    if isinstance(value, str):
        return mended(value)
    return [mended(one) if isinstance(one, str) else one for one in value] if isinstance(value, list) else value


class WireUser(Wire):
    """A person: by `accountId` on Cloud, by `name` on Data Center. Addresses are often hidden."""

    account_id: str | None = Field(None, alias="accountId")
    name: str | None = None
    key: str | None = None
    display_name: str | None = Field(None, alias="displayName")
    email: str | None = Field(None, alias="emailAddress")
    active: bool = True


class WireUsers(RootModel[list[WireUser]]):
    """People."""


class WireNamed(Wire):
    """Something with a name."""

    id: str | None = None
    key: str | None = None
    name: str = ""
    value: str | None = None


class WireProperty(Wire):
    """A property of a comment or an issue; its value is any JSON."""

    key: str
    value: Any = None


class WireComment(Wire):
    """A comment; its body is ADF on Cloud, wiki markup on Data Center. Not every list tells properties."""

    id: str
    author: WireUser | None = None
    body: Any = None
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None
    properties: tuple[WireProperty, ...] | None = None


class WireComments(Wire):
    """A page of comments."""

    comments: tuple[WireComment, ...] = ()
    total: int = 0


class WireLinkType(Wire):
    """How two issues are linked."""

    name: str = ""
    inward: str = ""
    outward: str = ""


class WireReferenceFields(Wire):
    """What an issue tells of another one."""

    summary: str = ""
    status: WireNamed | None = None
    type: WireNamed | None = Field(None, alias="issuetype")


class WireReference(Wire):
    """Another issue, as an issue refers to it."""

    key: str
    fields: WireReferenceFields = WireReferenceFields()


class WireLink(Wire):
    """A link: one of the two sides is there."""

    type: WireLinkType = WireLinkType()
    inward: WireReference | None = Field(None, alias="inwardIssue")
    outward: WireReference | None = Field(None, alias="outwardIssue")


class WireFields(Wire):
    """The fields that are asked for."""

    summary: str = ""
    status: WireNamed | None = None
    type: WireNamed | None = Field(None, alias="issuetype")
    priority: WireNamed | None = None
    resolution: WireNamed | None = None
    project: WireNamed | None = None
    assignee: WireUser | None = None
    reporter: WireUser | None = None
    labels: tuple[str, ...] = ()
    components: tuple[WireNamed, ...] = ()
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None
    due: str | None = Field(None, alias="duedate")
    description: Any = None
    links: tuple[WireLink, ...] = Field((), alias="issuelinks")
    parent: WireReference | None = None
    subtasks: tuple[WireReference, ...] = ()


class WireField(Wire):
    """What is known of a field: of a form for new issues, or of a transition's screen."""

    id: str | None = Field(None, alias="fieldId")
    key: str | None = None
    name: str = ""
    required: bool = False
    has_default: bool = Field(False, alias="hasDefaultValue")
    allowed: tuple[Any, ...] = Field((), alias="allowedValues")
    kind: dict[str, Any] = Field(default_factory=dict, alias="schema")


class WireTransition(Wire):
    """A way from the issue's status to another one."""

    id: str
    name: str = ""
    to: WireNamed = WireNamed()
    fields: dict[str, WireField] = Field(default_factory=dict)


class WireTransitions(Wire):
    """Where an issue can go."""

    transitions: tuple[WireTransition, ...] = ()


class WireIssue(WireTransitions):
    """An issue."""

    id: str = ""
    key: str = ""
    fields: WireFields = WireFields()
    properties: dict[str, Any] = Field(default_factory=dict)


class WireFound(Wire):
    """A page of a search: Cloud names the next one by a token, Data Center counts."""

    issues: tuple[WireIssue, ...] = ()
    next: str | None = Field(None, alias="nextPageToken")
    start: int = Field(0, alias="startAt")
    total: int = 0


class WireMade(Wire):
    """A new issue."""

    id: str
    key: str


class WirePage(Wire):
    """A page of what can be made in a project; the kinds of site call its items by different names."""

    values: tuple[Any, ...] = ()
    types: tuple[Any, ...] = Field((), alias="issueTypes")
    fields: tuple[Any, ...] = ()
    results: tuple[Any, ...] = ()
    total: int | None = None
    last: bool | None = Field(None, alias="isLast")

    @property
    def items(self) -> tuple[Any, ...]:
        return self.values or self.types or self.fields or self.results
