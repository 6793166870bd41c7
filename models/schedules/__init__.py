"""What the clock submits."""
