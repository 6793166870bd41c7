"""What JIRA sends, as far as it is read: members that we do not name may be anything, ids may be numbers."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field, RootModel

from tasks.atlassian.payload import AtlassianPayload


class UserPayload(AtlassianPayload):
    """A person: by `accountId` on Cloud, by `name` on Data Center. Addresses are often hidden."""

    account_id: str | None = Field(None, alias="accountId")
    name: str | None = None
    key: str | None = None
    display_name: str | None = Field(None, alias="displayName")
    email: str | None = Field(None, alias="emailAddress")
    active: bool = True


class UsersPayload(RootModel[list[UserPayload]]):
    """People."""


class NamedPayload(AtlassianPayload):
    """Something with a name."""

    id: str | None = None
    key: str | None = None
    name: str = ""
    value: str | None = None


class PropertyPayload(AtlassianPayload):
    """A property of a comment or an issue; its value is any JSON."""

    key: str
    value: Any = None


class CommentPayload(AtlassianPayload):
    """A comment; its body is ADF on Cloud, wiki markup on Data Center. Not every list tells properties."""

    id: str
    author: UserPayload | None = None
    body: Any = None
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None
    properties: tuple[PropertyPayload, ...] | None = None


class CommentsPayload(AtlassianPayload):
    """A page of comments."""

    comments: tuple[CommentPayload, ...] = ()
    total: int = 0


class LinkTypePayload(AtlassianPayload):
    """How two issues are linked."""

    name: str = ""
    inward: str = ""
    outward: str = ""


class ReferenceFieldsPayload(AtlassianPayload):
    """What an issue tells of another one."""

    summary: str = ""
    status: NamedPayload | None = None
    type: NamedPayload | None = Field(None, alias="issuetype")


class ReferencePayload(AtlassianPayload):
    """Another issue, as an issue refers to it."""

    key: str
    fields: ReferenceFieldsPayload = ReferenceFieldsPayload()


class LinkPayload(AtlassianPayload):
    """A link: one of the two sides is there."""

    type: LinkTypePayload = LinkTypePayload()
    inward: ReferencePayload | None = Field(None, alias="inwardIssue")
    outward: ReferencePayload | None = Field(None, alias="outwardIssue")


class FieldsPayload(AtlassianPayload):
    """The fields that are asked for."""

    summary: str = ""
    status: NamedPayload | None = None
    type: NamedPayload | None = Field(None, alias="issuetype")
    priority: NamedPayload | None = None
    resolution: NamedPayload | None = None
    project: NamedPayload | None = None
    assignee: UserPayload | None = None
    reporter: UserPayload | None = None
    labels: tuple[str, ...] = ()
    components: tuple[NamedPayload, ...] = ()
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None
    due: str | None = Field(None, alias="duedate")
    description: Any = None
    links: tuple[LinkPayload, ...] = Field((), alias="issuelinks")
    parent: ReferencePayload | None = None
    subtasks: tuple[ReferencePayload, ...] = ()


class FieldPayload(AtlassianPayload):
    """What is known of a field: of a form for new issues, or of a transition's screen."""

    id: str | None = Field(None, alias="fieldId")
    key: str | None = None
    name: str = ""
    required: bool = False
    has_default: bool = Field(False, alias="hasDefaultValue")
    allowed: tuple[Any, ...] = Field((), alias="allowedValues")
    kind: dict[str, Any] = Field(default_factory=dict, alias="schema")


class TransitionPayload(AtlassianPayload):
    """A way from the issue's status to another one."""

    id: str
    name: str = ""
    to: NamedPayload = NamedPayload()
    fields: dict[str, FieldPayload] = Field(default_factory=dict)


class TransitionsPayload(AtlassianPayload):
    """Where an issue can go."""

    transitions: tuple[TransitionPayload, ...] = ()


class IssuePayload(TransitionsPayload):
    """An issue."""

    id: str = ""
    key: str = ""
    fields: FieldsPayload = FieldsPayload()
    properties: dict[str, Any] = Field(default_factory=dict)


class SearchPayload(AtlassianPayload):
    """A page of a search: Cloud names the next one by a token, Data Center counts."""

    issues: tuple[IssuePayload, ...] = ()
    next: str | None = Field(None, alias="nextPageToken")
    start: int = Field(0, alias="startAt")
    total: int = 0


class CreatedIssuePayload(AtlassianPayload):
    """A new issue."""

    id: str
    key: str


class PagePayload(AtlassianPayload):
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
