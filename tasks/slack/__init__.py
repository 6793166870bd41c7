"""Slack: messages posted and summarised, commands and mentions taken as jobs, approvals as buttons."""
