"""What is known of files: whose they are, which jobs use them, what of a quota they take. Their bytes are elsewhere."""
