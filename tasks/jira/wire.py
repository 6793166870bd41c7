"""What JIRA sends, as far as it is read: members that we do not name may be anything, ids may be numbers."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, RootModel, model_validator

from llmcoder.text import whole


class JiraPayload(BaseModel):
    """Something that a site sends."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_left_out(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        return {name: _whole(value) for name, value in sent.items() if value is not None}


def _whole(value: Any) -> Any:
    """A text, or those of a list; what is deeper is made whole by its own model, or where it is read."""
    if isinstance(value, str):
        return whole(value)
    return [whole(one) if isinstance(one, str) else one for one in value] if isinstance(value, list) else value


class UserPayload(JiraPayload):
    """A person: by `accountId` on Cloud, by `name` on Data Center. Addresses are often hidden."""

    account_id: str | None = Field(None, alias="accountId")
    name: str | None = None
    key: str | None = None
    display_name: str | None = Field(None, alias="displayName")
    email: str | None = Field(None, alias="emailAddress")
    active: bool = True


class UsersPayload(RootModel[list[UserPayload]]):
    """People."""


class NamedPayload(JiraPayload):
    """Something with a name."""

    id: str | None = None
    key: str | None = None
    name: str = ""
    value: str | None = None


class PropertyPayload(JiraPayload):
    """A property of a comment or an issue; its value is any JSON."""

    key: str
    value: Any = None


class CommentPayload(JiraPayload):
    """A comment; its body is ADF on Cloud, wiki markup on Data Center. Not every list tells properties."""

    id: str
    author: UserPayload | None = None
    body: Any = None
    created: AwareDatetime | None = None
    updated: AwareDatetime | None = None
    properties: tuple[PropertyPayload, ...] | None = None


class CommentsPayload(JiraPayload):
    """A page of comments."""

    comments: tuple[CommentPayload, ...] = ()
    total: int = 0


class LinkTypePayload(JiraPayload):
    """How two issues are linked."""

    name: str = ""
    inward: str = ""
    outward: str = ""


class ReferenceFieldsPayload(JiraPayload):
    """What an issue tells of another one."""

    summary: str = ""
    status: NamedPayload | None = None
    type: NamedPayload | None = Field(None, alias="issuetype")


class ReferencePayload(JiraPayload):
    """Another issue, as an issue refers to it."""

    key: str
    fields: ReferenceFieldsPayload = ReferenceFieldsPayload()


class LinkPayload(JiraPayload):
    """A link: one of the two sides is there."""

    type: LinkTypePayload = LinkTypePayload()
    inward: ReferencePayload | None = Field(None, alias="inwardIssue")
    outward: ReferencePayload | None = Field(None, alias="outwardIssue")


class FieldsPayload(JiraPayload):
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


class FieldPayload(JiraPayload):
    """What is known of a field: of a form for new issues, or of a transition's screen."""

    id: str | None = Field(None, alias="fieldId")
    key: str | None = None
    name: str = ""
    required: bool = False
    has_default: bool = Field(False, alias="hasDefaultValue")
    allowed: tuple[Any, ...] = Field((), alias="allowedValues")
    kind: dict[str, Any] = Field(default_factory=dict, alias="schema")


class TransitionPayload(JiraPayload):
    """A way from the issue's status to another one."""

    id: str
    name: str = ""
    to: NamedPayload = NamedPayload()
    fields: dict[str, FieldPayload] = Field(default_factory=dict)


class TransitionsPayload(JiraPayload):
    """Where an issue can go."""

    transitions: tuple[TransitionPayload, ...] = ()


class IssuePayload(TransitionsPayload):
    """An issue."""

    id: str = ""
    key: str = ""
    fields: FieldsPayload = FieldsPayload()
    properties: dict[str, Any] = Field(default_factory=dict)


class SearchPayload(JiraPayload):
    """A page of a search: Cloud names the next one by a token, Data Center counts."""

    issues: tuple[IssuePayload, ...] = ()
    next: str | None = Field(None, alias="nextPageToken")
    start: int = Field(0, alias="startAt")
    total: int = 0


class CreatedIssuePayload(JiraPayload):
    """A new issue."""

    id: str
    key: str


class PagePayload(JiraPayload):
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
