"""What an account at a Confluence site is."""

from __future__ import annotations

from tasks.atlassian.account import AtlassianAccount


class ConfluenceAccount(AtlassianAccount):
    """An account: email and API token (Cloud), a personal access token alone (Data Center), or signed in to (Cloud)."""
