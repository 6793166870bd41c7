"""Money that came and went: statements of banks, kept as one list per user, with categories and what is unusual."""
