"""Reminders: what a user wants to be told, and when."""
