"""The actions of this domain, where the registry looks for them."""

from tasks.jira.commenting_actions import add_comment, delete_comment
from tasks.jira.drafting_actions import draft_comment, summarize
from tasks.jira.making_actions import create_issue
from tasks.jira.moving_actions import assign, restore_assignee, transition
from tasks.jira.reading_actions import issue, issues, search

__all__ = [
    "add_comment", "assign", "create_issue", "delete_comment", "draft_comment", "issue", "issues", "restore_assignee",
    "search", "summarize", "transition",
]  # fmt: skip
