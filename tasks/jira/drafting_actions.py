"""Have a language model write about an issue of JIRA: draft a comment, say what it is about."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

from pydantic import Field

from llmcoder import Context, Effect, Forbidden, Model, NotFound, Retry, action
from tasks.jira.connections import JIRA
from tasks.jira.drafting import CommentStyle, NextStep, Subject, comment, gist
from tasks.jira.tracker import Tracker
from tasks.jira.views import ACCOUNT, ISSUE, Instructions, IssueKey, Language, ModelUse, site_of_job, whole

#: Local models on slow machines write for minutes.
TIMEOUT_S = 900
RETRY = Retry(attempts=4, first_wait_s=5)
MOST_COMMENTS = 100
#: Linked issues whose descriptions are read; of the others there are summary and status.
MOST_DESCRIBED = 5
LENGTHS = {"short": "in one to three sentences", "medium": "in one or two paragraphs", "long": "as long as it needs"}


class CommentWish(Model):
    """Which issue, and what the comment is to be like."""

    issue: IssueKey = Field(description=ISSUE, examples=["OPS-42"])
    instructions: Instructions | None = Field(
        None, description="What it is to say or leave out.", examples=["Say that we roll back tonight."]
    )
    tone: Literal["friendly", "formal", "neutral", "brisk", "apologetic"] = Field("neutral", description="How.")
    length: Literal["short", "medium", "long"] = Field("short", description="How much.")
    language: Language | None = Field(
        None, description="In which language; that of the issue when left out.", examples=["German"]
    )
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class CommentDraft(ModelUse):
    """A text for an issue; nothing was posted."""

    issue: str = Field(description="Key of the issue.")
    markdown: str = Field(description="The text, for jira.add_comment.")
    comments_read: int = Field(description="How many comments the model had.")
    linked_read: list[str] = Field(description="Keys of the linked issues whose descriptions it had.")
    url: str = Field(description="Where people read the issue.")


class IssueGist(ModelUse):
    """What an issue is about."""

    issue: str = Field(description="Its key.")
    title: str = Field(description="What it is called.")
    status: str = Field(description="Where it stands.")
    summary: str = Field(description="What it is about and where it stands.")
    decisions: list[str] = Field(description="What was agreed.")
    open_questions: list[str] = Field(description="What was asked and not answered.")
    blocked_by: list[str] = Field(description="What keeps it from getting on.")
    next_steps: list[NextStep] = Field(description="Who is to do what.")
    comments_read: int = Field(description="How many comments the model had.")
    comments_total: int = Field(description="How many there are.")
    url: str = Field(description="Where people read it.")


class GistWish(Model):
    """Which issue."""

    issue: IssueKey = Field(description=ISSUE, examples=["OPS-42"])
    language: Language | None = Field(None, description="Of the summary; that of the issue when left out.")
    focus: Instructions | None = Field(None, description="What to look out for.")
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


@action("jira.draft_comment", effect=Effect.DRAFT, outside=True, connects=JIRA, timeout_s=TIMEOUT_S, retry=RETRY)
def draft_comment(wish: CommentWish, ctx: Context) -> CommentDraft:
    """Draft a comment on an issue of JIRA, from all that stands there and in the issues it is linked to.

    Nothing is posted. Post the text with jira.add_comment, after reading it.
    """
    site = site_of_job(ctx)
    subject = _read(site, wish.issue, ctx)
    asked = CommentStyle(
        site.myself().name, f"in a {wish.tone} tone", LENGTHS[wish.length], wish.language, wish.instructions
    )
    ctx.progress(0.3, "Writing")
    text, written = comment(subject, asked, ctx)
    return CommentDraft(
        issue=subject.issue.key,
        markdown=text,
        comments_read=len(subject.issue.comments),
        linked_read=list(subject.described),
        url=subject.issue.url,
        prompt=written.prompt,
        model=written.model,
        tokens_in=written.tokens_in,
        tokens_out=written.tokens_out,
    )


@action("jira.summarize", effect=Effect.DRAFT, outside=True, connects=JIRA, timeout_s=TIMEOUT_S, retry=RETRY)
def summarize(wish: GistWish, ctx: Context) -> IssueGist:
    """Say what an issue of JIRA is about: where it stands, what was agreed, what is open, who does what."""
    subject = _read(site_of_job(ctx), wish.issue, ctx)
    ctx.progress(0.3, f"Reading {len(subject.issue.comments)} comments")
    found, written = gist(subject, wish.language, wish.focus, ctx)
    issue = subject.issue
    return IssueGist(
        issue=issue.key,
        title=issue.summary,
        status=issue.status,
        **dict(found),
        comments_read=len(issue.comments),
        comments_total=issue.comments_total,
        url=issue.url,
        prompt=written.prompt,
        model=written.model,
        tokens_in=written.tokens_in,
        tokens_out=written.tokens_out,
    )


def _read(site: Tracker, key: str, ctx: Context) -> Subject:
    """An issue with its newest comments and what its nearest neighbours say."""
    found = site.issue(key)
    comments, total = site.comments(key, MOST_COMMENTS)
    issue = whole(site, found, comments, total)
    described: dict[str, str] = {}
    for number, one in enumerate(issue.linked[:MOST_DESCRIBED]):
        ctx.progress(0.2 * number / MOST_DESCRIBED, f"Reading {one.key}")
        with suppress(NotFound, Forbidden):  # a link may lead where the account may not look
            described[one.key] = site.text(site.issue(one.key, ("description",)).fields.description)
    return Subject(issue, described)
