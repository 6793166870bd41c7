"""How long the lists take that answer from stored rows: `python -m benchmarks.stored_rows`."""
