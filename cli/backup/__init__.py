"""Backups: one file with everything an installation cannot make again, and the way back from it."""
