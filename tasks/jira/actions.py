"""The actions of this domain, where the registry looks for them."""

from tasks.jira.commenting_actions import add_comment, delete_comment
from tasks.jira.reading_actions import issue, issues, search

__all__ = ["add_comment", "delete_comment", "issue", "issues", "search"]
