"""Notes and to-dos: the user's own small records."""
