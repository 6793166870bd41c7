"""Macros: documents of steps, their versions, and their runs in SQL. `workers/macros.py` moves the runs on."""
