"""Digests: what is due, what came in and what went wrong, once a day or a week."""
