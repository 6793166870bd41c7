"""Documents: fetches or takes one, finds its text, and summarises it."""
