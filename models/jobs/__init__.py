"""Jobs: their rows, their states, and what decides which is next."""
