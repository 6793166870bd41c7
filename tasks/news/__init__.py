"""News: feeds and what they say, each story once however many sources tell it."""
