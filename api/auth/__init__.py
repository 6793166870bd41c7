"""Who is asking: accounts, passwords, tokens, and the limits on guessing them."""
