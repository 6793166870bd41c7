"""Learning: resources to work through, and cards that come back when they are about to be forgotten."""
