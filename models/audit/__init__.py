"""Who did what: one log that nobody can change unseen."""
