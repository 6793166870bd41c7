"""Macros as actions: start one, and what their steps wait with."""
