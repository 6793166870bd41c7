"""Users' accounts at providers: what is kept of them, and sign-ins that have begun."""
