"""What an account at a JIRA site is."""

from __future__ import annotations

import re

from tasks.atlassian.account import AtlassianAccount


class JiraAccount(AtlassianAccount):
    """An account: email and API token (Cloud), a personal access token alone (Data Center), or signed in to (Cloud)."""

    page_path = re.compile(r"/(browse|projects|secure|issues|rest|login\.jsp)(/.*)?$")
