"""Post comments on issues of JIRA, and take them back."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from pydantic import AwareDatetime, Field

from llmcoder import Context, Effect, Marker, Model, NotFound, Retry, Undo, action
from tasks.jira.connections import JIRA
from tasks.jira.payload import CommentPayload
from tasks.jira.views import ACCOUNT, ISSUE, MAX_TEXT_CHARS, IssueKey, called, site_of_job

TIMEOUT_S = 60
SETTLE_S = 30
RETRY = Retry(attempts=4, first_wait_s=3)


class CommentChoice(Model):
    """Which comment goes."""

    issue: IssueKey = Field(description=ISSUE, examples=["OPS-42"])
    comment_id: str = Field(pattern=r"^\d{1,19}$", description="Id of the comment.", examples=["10001"])
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class CommentDeleted(Model):
    """The comment is gone."""

    issue: str = Field(description="Key of the issue.")
    comment_id: str = Field(description="Id that the comment had.")


@action(
    "jira.delete_comment",
    effect=Effect.DESTROY,
    repeatable=True,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=JIRA,
)
def delete_comment(which: CommentChoice, ctx: Context) -> CommentDeleted:
    """Delete a comment of an issue of JIRA; one that is not there any more is no error."""
    site = site_of_job(ctx)
    site.issue(which.issue, ("summary",))  # an issue that is not there is one
    ctx.armed({"comment_id": which.comment_id})
    with suppress(NotFound):
        site.delete_comment(which.issue, which.comment_id)
    return CommentDeleted(issue=which.issue, comment_id=which.comment_id)


class NewComment(Model):
    """A comment to be posted."""

    issue: IssueKey = Field(description=ISSUE, examples=["OPS-42"])
    markdown: str = Field(
        min_length=1,
        max_length=MAX_TEXT_CHARS,
        pattern=r"\S",
        description="The text in markdown: headings, lists, tables, code, links. HTML in it is shown as text.",
        examples=["Rolled back, **all green** again."],
    )
    account: str | None = Field(None, min_length=1, max_length=300, description=ACCOUNT)


class CommentPosted(Model):
    """The new comment."""

    issue: str = Field(description="Key of the issue.")
    comment_id: str = Field(description="Id of the comment.")
    author: str | None = Field(description="As whom it was posted.")
    created_at: AwareDatetime | None = Field(description="When.")
    url: str = Field(description="Where people read it.")


def find_comment(given: NewComment, marker: Marker, ctx: Context) -> CommentPosted | None:
    """Whether an attempt that nobody heard of again posted the comment."""
    site = site_of_job(ctx)
    since = datetime.fromisoformat(marker["armed_at"])
    found = site.find_comment(given.issue, site.body(given.markdown), marker["marker"], since)
    return None if found is None else _posted(given.issue, found, site.browse(given.issue))


@action(
    "jira.add_comment",
    effect=Effect.WRITE,
    repeatable=False,
    reconcile=find_comment,
    undo=Undo(
        delete_comment,
        lambda given, done: CommentChoice(issue=given.issue, comment_id=done.comment_id, account=given.account),
    ),
    settle_s=SETTLE_S,
    timeout_s=TIMEOUT_S,
    retry=RETRY,
    connects=JIRA,
)
def add_comment(given: NewComment, ctx: Context) -> CommentPosted:
    """Post a comment on an issue of JIRA.

    It carries a property that readers do not see, by which it is known again if the answer is lost. Undone by deleting
    it. @names in the text mention nobody.
    """
    site = site_of_job(ctx)
    body, marker = site.body(given.markdown), str(ctx.job_id)
    ctx.armed({"marker": marker, "armed_at": datetime.now(UTC).isoformat()})
    return _posted(given.issue, site.add_comment(given.issue, body, marker), site.browse(given.issue))


def _posted(issue: str, comment: CommentPayload, url: str) -> CommentPosted:
    return CommentPosted(
        issue=issue,
        comment_id=comment.id,
        author=called(comment.author),
        created_at=comment.created,
        url=f"{url}?focusedCommentId={comment.id}",
    )
