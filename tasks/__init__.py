"""One folder per domain: its actions, its client, its settings. Domains do not know each other."""
