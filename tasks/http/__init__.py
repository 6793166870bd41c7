"""Plain HTTP requests: the way to every service that has no domain of its own here."""
