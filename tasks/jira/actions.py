"""The actions of this domain, where the registry looks for them."""

from tasks.jira.commenting_actions import add_comment, delete_comment
from tasks.jira.create_actions import create_issue
from tasks.jira.drafting_actions import draft_comment, summarize
from tasks.jira.reading_actions import issue, issues, search
from tasks.jira.transition_actions import assign, restore_assignee, transition

__all__ = [
    "add_comment", "assign", "create_issue", "delete_comment", "draft_comment", "issue", "issues", "restore_assignee",
    "search", "summarize", "transition",
]  # fmt: skip
