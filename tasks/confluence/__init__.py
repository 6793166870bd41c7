"""Confluence: index, search, ask, and write pages."""
