"""Macros: documents of steps, their versions, and their runs in SQL. `engine/macro_runs.py` moves the runs on."""
