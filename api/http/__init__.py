"""How HTTP is spoken here, whatever is said: bodies, problems, limits, the fast path."""
