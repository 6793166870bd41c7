"""JIRA: find and read issues, draft and post comments, create, move and assign them."""
