"""Measures speed and memory, interleaved with what the engine must beat; `make bench` runs it."""
